"""What ``paddlex --pipeline`` does: judge images, tell of each, sum up, and end with a status that scripts can use."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from paddlex.errors import (
    ConfigError,
    ImageReadError,
    Interrupted,
    PaddleXError,
    ResultFileError,
    UnknownProductError,
    in_one_line,
)
from paddlex.inference.bank_predictor import BankPredictor
from paddlex.inference.batch_job import predict_to_folder
from paddlex.inference.inputs import Source, describe, expand, is_camera
from paddlex.inference.pipelines.anomaly_detection import AnomalyDetectionPipeline
from paddlex.inference.pipelines.pipeline_config import load_pipeline_config, shipped_file
from paddlex.inference.predictor import AnomalyPredictor
from paddlex.inference.results import AnomalyResult
from paddlex.inference.scale_out.rows import error_row, result_row
from paddlex.inference.walk import PassedOver
from paddlex.utils.console import encodable, json_for, say, visible
from paddlex.utils.files import write_text
from paddlex.utils.logging import log_to_console, logger
from paddlex.utils.progress import progress
from paddlex.utils.signals import no_interrupt_lost

DONE, FAILED, ANOMALY_FOUND, INTERRUPTED = 0, 1, 3, 130

#: Settings of the command that outrank the pipeline's file.
_SETTINGS = (
    "use_hpip", "hpi_config", "model_dir", "product", "batch_size", "run_mode", "threshold", "score_threshold",
    "target_fpr", "min_area", "tile_size",
    "bit_depth", "max_megapixels", "save", "save_anomalous_only",
)  # fmt: skip


def run_pipeline(arguments: argparse.Namespace) -> int:
    """Judge ``arguments.input``; returns the exit status that ``paddlex --help`` explains."""
    log_to_console()
    return status_of(lambda: _run_on_ray(arguments) if arguments.engine == "ray" else _run_here(arguments))


def save_pipeline_config(name: str, save_path: str | None) -> int:
    """Write a shipped pipeline's file to a folder, or under a name that ends in .yaml, and print its path."""
    log_to_console()

    def save() -> int:
        text = shipped_file(name).read_text(encoding="utf-8")
        target = Path(save_path or ".")
        if target.suffix.lower() not in (".yaml", ".yml"):
            target /= f"{name}.yaml"
        if target.exists():
            raise ConfigError("the file is there already", where=target, remedy="Give another --save_path")
        write_text(target, text)
        say(visible(target))
        return DONE

    return status_of(save)


def status_of(task: Callable[[], int]) -> int:
    """Run a task; an error that the user can put right becomes one line and a status."""
    try:
        with no_interrupt_lost():
            return task()
    except BrokenPipeError:  # the reader of standard output, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (PaddleXError, OSError, MemoryError) as error:
        logger.error("%s", in_one_line(error))
        if isinstance(error, Interrupted):
            return 128 + error.signal_number
    except KeyboardInterrupt as error:
        logger.error("%s", in_one_line(error))
        return INTERRUPTED
    return FAILED


def _run_here(arguments: argparse.Namespace) -> int:
    settings = {name: getattr(arguments, name) for name in _SETTINGS}
    config = load_pipeline_config(arguments.pipeline, settings)
    pipeline = AnomalyDetectionPipeline(config, arguments.device)
    source = arguments.input[0] if len(arguments.input) == 1 else arguments.input
    told, passed = _Teller(arguments.json), PassedOver()
    start = time.monotonic()
    if arguments.save_path:
        predict_to_folder(
            pipeline.predictor,
            source,
            Path(arguments.save_path),
            config.batch_size,
            files=config.save,
            anomalous_only=config.save_anomalous_only,
            on_result=told.result,
            on_error=told.error,
            passed=passed,
        )
    else:
        _only_tell(pipeline, source, told, passed)
    sum_up(
        {
            "images": told.images,
            "anomalous": told.anomalous,
            "could not be judged": told.failed,
            **({"passed over": str(passed)} if passed else {}),
            **_judged_by(pipeline.predictor),
            "images a second": f"{(told.images + told.failed) / max(time.monotonic() - start, 1e-9):.1f}",
            **({"saved to": arguments.save_path} if arguments.save_path else {}),
        },
        to_stderr=arguments.json,
    )
    return _status(arguments, told.anomalous, told.failed)


def _judged_by(predictor: AnomalyPredictor | BankPredictor) -> dict[str, str]:
    """The threshold and the run mode; of a bank those of each product that was seen."""
    if isinstance(predictor, BankPredictor):
        each = {product: "; ".join(_judged_by(one).values()) for product, one in sorted(predictor.loaded.items())}
        return {f"product {product}": text for product, text in each.items()}
    limits = predictor.limits
    return {
        "threshold": f"{limits.image.threshold:.6g} as a raw score ({limits.source})",
        "run mode": f"{predictor.backend.run_mode} on {predictor.device}",
    }


def _only_tell(pipeline: AnomalyDetectionPipeline, source: str | list[str], told: _Teller, passed: PassedOver) -> None:
    def note(broken: Source, error: PaddleXError) -> None:
        logger.error("%s", error)
        told.error(broken, error)

    sources = expand(source, passed=passed)
    results = pipeline.predictor.predict(sources, pipeline.config.batch_size, note, read_ahead=not is_camera(source))
    for result in progress(results, "Predict"):
        told.result(result)
    if not told.images:
        what = f"none of the {told.failed} images could be judged"
        raise ImageReadError(what, where=source, remedy="See the log above")


def _run_on_ray(arguments: argparse.Namespace) -> int:
    from paddlex.inference.scale_out.job import ScaleOut, judge_on_ray

    settings = {name: getattr(arguments, name) for name in _SETTINGS}
    config = load_pipeline_config(arguments.pipeline, settings)
    options = {name: getattr(arguments, name) for name in ("workers", "shard_size") if getattr(arguments, name)}
    job = ScaleOut(config, device=arguments.device, ray_address=arguments.ray_address, **options)
    done = judge_on_ray(job, arguments.input, arguments.save_path)
    sum_up(
        {
            "images": done.images,
            "anomalous": done.anomalous,
            "could not be judged": done.failed,
            **({"passed over": done.passed_over} if done.passed_over else {}),
            "done by earlier runs": done.before,
            "workers": done.workers,
            "images a second": f"{done.images_per_second:.1f}",
            "saved to": arguments.save_path,
        },
        to_stderr=False,
    )
    return _status(arguments, done.anomalous, done.failed)


def _status(arguments: argparse.Namespace, anomalous: int, failed: int) -> int:
    if failed:  # what nobody has judged is not good
        return FAILED
    return ANOMALY_FOUND if anomalous and arguments.fail_on_anomaly else DONE


class _Teller:
    """Tells of each image on standard output as it is judged, and counts.

    Args:
        as_json: one JSON object a line, instead of words.
    """

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json
        self.images = self.anomalous = self.failed = 0

    def result(self, result: AnomalyResult, files: Mapping[str, Path] = {}) -> None:
        self.images += 1
        self.anomalous += result["is_anomalous"]
        if self._as_json:
            place = {key: result[key] for key in ("product", "product_distance", "frame", "time") if key in result}
            paths = {name: str(path) for name, path in files.items()}
            self._write_json({**result_row(result), **place, **paths})
        else:
            frame = f"  frame {result['frame']}" if "frame" in result else ""
            verdict = "ANOMALOUS" if result["is_anomalous"] else "normal"
            product = f"  {visible(result['product'])}" if "product" in result else ""
            self._write(f"{verdict:9}  {result['score']:.3f}  {visible(result['input_path'])}{frame}{product}")

    def error(self, source: Source, error: PaddleXError) -> None:
        self.failed += 1
        if self._as_json:
            self._write_json(error_row(source, error))
        else:
            words = {ResultFileError: "UNSAVED", UnknownProductError: "UNKNOWN"}
            word = words.get(type(error), "UNREAD")
            self._write(f"{word:9}  -----  {visible(describe(source))}")

    def _write_json(self, row: dict[str, Any]) -> None:
        self._write(json_for(sys.stdout, row))

    @staticmethod
    def _write(line: str) -> None:
        from tqdm import tqdm

        tqdm.write(
            encodable(line, sys.stdout), file=sys.stdout
        )  # above the progress bar, if there is one on this terminal
        sys.stdout.flush()  # whoever reads a pipe wants it now


def sum_up(values: dict[str, Any], to_stderr: bool) -> None:
    """Print names and values, one a line, the values below each other."""
    width = max(map(len, values))
    lines = [f"{name:{width}}  {visible(value)}" for name, value in values.items()]
    say("\n".join(["", *lines]), sys.stderr if to_stderr else sys.stdout)
