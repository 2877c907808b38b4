"""The modes: what each does with a config, from top to bottom, and what its ``<mode>_result.json`` says."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

from paddlex.config_schema import Config
from paddlex.errors import ConfigError, DatasetError
from paddlex.utils.logging import logger
from paddlex.utils.paths import advice_for_file, advice_for_missing

Result = dict[str, Any]


def check_dataset(config: Config) -> Result:
    """Convert and split if asked to, then check every file; describe what is there."""
    from paddlex.data.dataset_checker import check_dataset
    from paddlex.data.dataset_checker.rules import FolderRules

    options = config.CheckDataset
    lists = (getattr(options.convert, role) for role in ("normal", "defects", "masks", "ignore"))
    rules = FolderRules(*([names] if isinstance(names, str) else names for names in lists))
    return check_dataset(
        _dataset_dir(config),
        config.output,
        convert_from=options.convert.src_dataset_type if options.convert.enable else None,
        rules=rules,
        lists_dir=options.lists_dir,
        train_percent=options.split.train_percent if options.split.enable else None,
        val_percent=options.split.val_percent if options.split.enable else None,
        seed=options.split.seed,
        reading=config.Global.reading,
    )


def train(config: Config) -> Result:
    """Train the model, in one process or several: fitted, calibrated, exported."""
    from paddlex.utils.devices import resolve_device

    _dataset_dir(config)
    _check_output_name(config)
    device = resolve_device(config.Global.device)
    from paddlex.modules.image_anomaly_detection.training import recipe

    logger.info("Device: %s.", device)
    count = config.Train.processes_to_start(device)
    if count == 1:
        return recipe.train(config, device)
    from paddlex.utils.launcher import run_processes

    return run_processes(recipe.train, (config, device), count, device)


def evaluate(config: Config) -> Result:
    """Measure a model on the validation images, through the same path as predict."""
    import tempfile

    from paddlex.data.dataset import VAL_LIST, read_samples
    from paddlex.evaluation import evaluator
    from paddlex.evaluation.analyses import Finding, NotMade, Subject, analyse
    from paddlex.evaluation.analyses.subject import find_good_parts
    from paddlex.evaluation.evaluation_files import write_table
    from paddlex.evaluation.report import write_report
    from paddlex.evaluation.report.findings import finding_sections
    from paddlex.inference.predictor import AnomalyPredictor
    from paddlex.modules.image_anomaly_detection.export.exporter import export
    from paddlex.modules.image_anomaly_detection.learning_curve import learning_curve_of
    from paddlex.modules.image_anomaly_detection.model import load_network
    from paddlex.modules.image_anomaly_detection.training.completion import try_to_add_onnx

    dataset_dir, device = _dataset_dir(config), _device(config)
    read_samples(dataset_dir, VAL_LIST)  # what is wrong with the list is said before anything is loaded
    weight_path = _weight_path(config, config.Evaluate.weight_path, "Evaluate.weight_path")
    network, card = load_network(weight_path, config.Global.model, config.Train)
    with tempfile.TemporaryDirectory() as folder:
        inference = Path(folder) / "inference"
        export(network, card, inference)
        open_predictor = partial(
            AnomalyPredictor, inference, device=device, quiet=True,
            bit_depth=config.Global.bit_depth, max_megapixels=config.Global.max_megapixels,
        )  # fmt: skip
        predictor = open_predictor()
        samples = read_samples(dataset_dir, VAL_LIST, predictor.reading)
        evaluation = evaluator.evaluate(predictor, samples, config.Evaluate.log_interval)
        about = {
            "Model": str(card),
            "Weights": weight_path,
            "Data set": dataset_dir,
            "Date": date.today().isoformat(),
        }
        findings: dict[str, Finding | NotMade] = {}
        if config.Evaluate.analyses:
            try_to_add_onnx(inference)  # they judge thousands of pictures, several times as fast in an engine for ONNX
            good_parts, note = find_good_parts(evaluation.rows, dataset_dir, predictor.reading)
            raw_scores = {row.sample.image: row.raw_score for row in evaluation.rows}
            subject = Subject(
                open_predictor(), good_parts, note, config.Global.pixels_per_mm, config.Train.seed, raw_scores
            )
            fitting = {"learning_curve": lambda subject: learning_curve_of(network, card, config)}
            findings = analyse(config.Evaluate.analyses, subject, fitting)
        write_report(
            evaluation, predictor, config.output / "evaluate" / "report.html", about=about,
            more=finding_sections(findings),
            title=f"Evaluation of {card.model_name} on {Path(dataset_dir).resolve().name}",
        )  # fmt: skip
    write_table(evaluation.rows, config.output / "evaluate" / "per_image.csv")
    metrics = evaluation.to_dict()
    for name, value in metrics.items():
        if not isinstance(value, dict):
            logger.info("%s: %s", name, f"{value:.4f}" if isinstance(value, float) else value)
    return {
        "metrics": metrics,
        "analyses": {name: {"words": one.words(), **one.to_dict()} for name, one in findings.items()},
        "per_image": "evaluate/per_image.csv",
        "report": "evaluate/report.html",
        "weights": weight_path,
        "teacher_weights": dict(card.teacher_weights),
    }


def export(config: Config) -> Result:
    """Write the inference folder of a model, and hold it against the model on real images before it is called done."""
    from paddlex.inference.archive import SUFFIX, pack
    from paddlex.inference.model_folder import INT8_NAME, ONNX_NAME
    from paddlex.inference.preparation import NOTHING
    from paddlex.modules.image_anomaly_detection.export import exporter
    from paddlex.modules.image_anomaly_detection.export.export_check import check_export
    from paddlex.modules.image_anomaly_detection.export.export_images import export_images
    from paddlex.modules.image_anomaly_detection.export.onnx_export import OPSET, quantise
    from paddlex.modules.image_anomaly_detection.model import load_network
    from paddlex.utils.files import atomic_directory

    _check_output_name(config)
    options = config.Export
    weight_path = _weight_path(config, options.weight_path, "Export.weight_path")
    network, card = load_network(weight_path, config.Global.model, config.Train)
    reading = replace(config.Global.reading, bit_depth=config.Global.bit_depth or card.bit_depth)
    images = export_images(config.Global.dataset_dir, reading)
    folder = config.output / "inference"
    with atomic_directory(folder) as temporary:
        exporter.write_model(network, card, temporary)
        exporter.add_onnx(temporary, network)
        if options.precision == "int8":
            quantise(
                temporary / ONNX_NAME,
                temporary / INT8_NAME,
                images.batches(card.transform, card.tiling, card.preparation or NOTHING),
            )
        checks = check_export(network, temporary, images.to_check, has_labels=images.has_labels, force=options.force)
        complete = None
        if options.complete:
            from paddlex.modules.image_anomaly_detection.export.complete.adding import try_to_add_complete

            complete = try_to_add_complete(temporary, images.to_check, options.colour_order)
    archive = None
    if options.archive:
        archive = f"{card.model_name}{SUFFIX}"
        pack(folder, config.output / archive)
    logger.info("Exported to %s.", folder)
    return {
        "export_path": "inference",
        "files": sorted(path.name for path in folder.iterdir()),
        "archive": archive,
        "onnx_opset": OPSET,
        "checked_images": len(images.to_check),
        "checks": checks,
        "complete": complete,
        "weights": weight_path,
        "teacher_weights": dict(card.teacher_weights),
        "calibrated": card.calibration is not None,
    }


def predict(config: Config) -> Result:
    """Judge images: the files that are asked for of each, and a summary."""
    from paddlex.inference.bank_predictor import open_predictor
    from paddlex.inference.batch_job import predict_to_folder
    from paddlex.inference.engine_options import RunChoice, choose_run
    from paddlex.inference.video import VideoOptions

    options = config.Predict
    if not options.input:
        raise ConfigError("no images to predict", where="Predict.input", remedy="Set it to a file, folder, glob or URL")
    model_dir = options.model_dir or str(_trained_model(config))
    kernel = options.kernel_option
    choice = choose_run(
        RunChoice(kernel.run_mode, kernel.cpu_threads), use_hpip=options.use_hpip, hpi_config=options.hpi_config
    )
    predictor = open_predictor(
        model_dir,
        product=options.product,
        device=_device(config),
        run_mode=choice.run_mode,
        threads=choice.threads,
        threshold=options.threshold,
        score_threshold=options.score_threshold,
        target_fpr=options.target_fpr,
        min_area=options.min_area,
        tiling=options.tiling.given(),
        bit_depth=config.Global.bit_depth,
        max_megapixels=config.Global.max_megapixels,
    )
    return predict_to_folder(
        predictor, options.input, config.output / "predict", options.batch_size,
        save_coco=options.save_coco, files=dict.fromkeys(options.save), anomalous_only=options.save_anomalous_only,
        video=VideoOptions(options.video.every, options.video.max_frames),
    )  # fmt: skip


def benchmark(config: Config) -> Result:
    """Train and evaluate every category below a folder, each in processes of its own; the table that papers print."""
    from paddlex.modules.image_anomaly_detection.benchmark import benchmark

    _dataset_dir(config)
    return benchmark(config)


MODES: dict[str, Callable[[Config], Result]] = {
    "check_dataset": check_dataset,
    "train": train,
    "evaluate": evaluate,
    "export": export,
    "predict": predict,
    "benchmark": benchmark,
}


def _dataset_dir(config: Config) -> str:
    if config.Global.dataset_dir is None:
        raise ConfigError("the data set is not named", where="Global.dataset_dir", remedy="Set it to a folder")
    folder = config.Global.dataset_dir
    if os.path.isfile(folder):  # before anything is written
        remedy = advice_for_file(folder, "the folder that holds the data set")
        raise DatasetError("the data set is a file, not a folder", where=folder, remedy=remedy)
    if not os.path.isdir(folder):
        remedy = advice_for_missing(folder)
        raise DatasetError("the data set folder (Global.dataset_dir) does not exist", where=folder, remedy=remedy)
    return folder


def _check_output_name(config: Config) -> None:
    """Paddle writes to no path that is not UTF-8: say so before hours are spent."""
    path = os.path.abspath(config.Global.output)
    try:
        path.encode()
    except UnicodeEncodeError:
        raise ConfigError(
            "the output folder's path is not UTF-8, and Paddle cannot write there",
            where=path,
            remedy="Set Global.output to another folder",
        ) from None


def _weight_path(config: Config, given: str | None, key: str) -> str:
    """The weights that are asked for, or those of the training run in ``Global.output``."""
    if given is not None:
        return given
    path = config.output / "best_model" / "model.pdparams"
    if not path.is_file():
        raise ConfigError("there is no trained model in Global.output", where=path, remedy=f"Train first, or set {key}")
    return str(path)


def _trained_model(config: Config) -> Path:
    """``Global.output``, if a training or an export has left a model there."""
    from paddlex.inference.model_folder import holds_model

    if not holds_model(config.output):
        remedy = "Train first, or set Predict.model_dir"
        raise ConfigError("there is no trained model in Global.output", where=config.output, remedy=remedy)
    return config.output


def _device(config: Config) -> str:
    """Resolve ``Global.device``, make it Paddle's current one, and say which it is."""
    from paddlex.utils.devices import resolve_device

    device = resolve_device(config.Global.device)
    logger.info("Device: %s.", device)
    if len(device.indices) > 1:
        logger.warning("Only gpu:%d of %s is used: it is training alone that is divided.", device.index, device)
    device.use()
    return f"gpu:{device.index}" if device.is_gpu else str(device)
