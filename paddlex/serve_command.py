"""What ``paddlex --serve`` does: read the settings, and serve models over HTTP until it is told to stop."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paddlex.errors import ConfigError, ModelError
from paddlex.utils.extras import status_with
from paddlex.utils.files import read_regular_file
from paddlex.utils.logging import log_to_console, logger

if TYPE_CHECKING:
    from paddlex.inference.model_bank import ModelBank
    from paddlex.inference.pipelines.anomaly_detection import AnomalyDetectionPipeline
    from paddlex.inference.serving.registry import Loaded
    from paddlex.inference.serving.settings import ServerSettings

API_KEY_VARIABLE = "PADDLEX_API_KEY"

#: Settings of the command that outrank the pipelines' files.
_SETTINGS = (
    "use_hpip",
    "hpi_config",
    "model_dir",
    "product",
    "run_mode",
    "threshold",
    "score_threshold",
    "target_fpr",
    "min_area",
    "tile_size",
    "bit_depth",
)

#: Those that can only be meant for one model.
_OF_ONE_MODEL = ("model_dir", "product", "threshold", "score_threshold", "target_fpr")

#: The least and the most that numbers may be.
_RANGES = {
    "port": (0, 65535),
    "max_batch": (1, 1024),
    "queue_size": (1, 100_000),
    "batch_wait_ms": (0, 60_000),
    "drain_delay": (0, 3600),
}
_MAX_MILLIONS = 100_000  # megabytes, megapixels

_SHORT_KEY = 16
_MAX_KEY_BYTES = 2**20
_MAX_MEGAPIXELS = 50.0


def add_serving_arguments(parser: argparse.ArgumentParser) -> None:
    """Add ``--serve`` and what belongs to it."""
    group = parser.add_argument_group("a service: judge images over HTTP")
    add = group.add_argument
    add(
        "--serve",
        action="store_true",
        help="serve --pipeline, which may be repeated: NAME, FILE.yaml, FOLDER (of a model, or of one a product) or NAME=PATH",
    )
    add("--host", default="127.0.0.1", help="the address to listen on (default: 127.0.0.1, this machine only)")
    add("--port", type=int, default=8080, metavar="N", help="the port (default: 8080; 0 takes a free one)")
    add(
        "--api_key_file", metavar="FILE", help=f"a file with the key that clients must send (or set {API_KEY_VARIABLE})"
    )
    add("--allow_urls", action="store_true", help="fetch images from public URLs that clients name")
    add(
        "--allowed_host",
        action="append",
        default=[],
        metavar="NAME",
        help="a name the service goes by; may be repeated",
    )
    add("--max_batch", type=int, default=8, metavar="N", help="images that the network takes at once (default: 8)")
    add("--batch_wait_ms", type=float, default=2, metavar="MS", help="how long an image waits for others (default: 2)")
    add("--queue_size", type=int, default=64, metavar="N", help="images that may wait for a model (default: 64)")
    add("--max_body_mb", type=float, default=64, metavar="MB", help="the largest request (default: 64)")
    add(
        "--max_megapixels",
        type=float,
        metavar="MP",
        help=f"the largest image (default: {_MAX_MEGAPIXELS:g}; without --serve 250)",
    )
    add(
        "--drain_delay",
        type=float,
        default=1,
        metavar="S",
        help="seconds of /readyz at 503 before it stops (default: 1)",
    )


def run_service(arguments: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT; returns the exit status: 0 after a clean stop."""
    log_to_console()
    return status_with("serving", "The service", lambda: _serve(arguments))


def _serve(arguments: argparse.Namespace) -> int:
    settings = read_settings(arguments)
    # the second bound on an image's size, for OpenCV, which reads it when it is imported
    os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(4 * settings.max_pixels))
    from paddlex.inference.serving.registry import parse_pipelines
    from paddlex.inference.serving.server import run_server

    pipelines = parse_pipelines(arguments.pipeline)
    overrides = {name: getattr(arguments, name) for name in _SETTINGS if getattr(arguments, name) is not None}
    if (bank := _served_bank(pipelines, overrides)) is not None:
        return _serve_bank(bank, pipelines, overrides, settings, arguments.device)
    if len(pipelines) > 1 and (given := [name for name in _OF_ONE_MODEL if name in overrides]):
        raise ConfigError(f"--{given[0]} with several pipelines", remedy="Write it into the file of the one it is for")
    return run_server(pipelines, lambda pipeline: _load(pipeline, arguments.device, overrides), settings)


def _served_bank(pipelines: Mapping[str, str], overrides: Mapping[str, Any]) -> ModelBank | None:
    """The bank whose products are all to be served: the only pipeline, or the ``model_dir`` of the only one."""
    from paddlex.inference.model_bank import AUTO, find_bank
    from paddlex.inference.pipelines.pipeline_config import load_pipeline_config

    banks = {name: find_bank(pipeline) for name, pipeline in pipelines.items()}
    if len(pipelines) > 1:
        if found := [name for name, bank in banks.items() if bank is not None]:
            what = f"{found[0]} is a folder of several models, and there are other pipelines"
            raise ConfigError(what, remedy="Serve it alone, or give each model as NAME=PATH")
        return None
    [(pipeline, bank)] = [(pipelines[name], banks[name]) for name in pipelines]
    if Path(pipeline).is_dir() and bank is None:
        return None
    config = load_pipeline_config({} if bank else pipeline, {**overrides, **({"model_dir": pipeline} if bank else {})})
    if config.model_dir is None or config.product not in (None, AUTO):
        return None
    bank = find_bank(config.model_dir)
    if bank is not None and config.threshold is not None:
        what = "threshold is a raw score, and each model of the folder has a scale of its own"
        raise ConfigError(what, where=bank.path, remedy="Give score_threshold or target_fpr")
    return bank


def _serve_bank(
    bank: ModelBank,
    pipelines: Mapping[str, str],
    overrides: Mapping[str, Any],
    settings: ServerSettings,
    device: str | None,
) -> int:
    """Serve each product by its name, and as ``auto`` whichever an image shows, if each model says how its product looks."""
    from paddlex.inference.bank_predictor import common_depth
    from paddlex.inference.pipelines import create_pipeline
    from paddlex.inference.serving.server import run_server

    [pipeline] = pipelines.values()
    products = list(bank.products)
    try:
        folders = bank.open_all()
        if "bit_depth" not in overrides:
            common_depth(folders)
    except ModelError as error:
        logger.warning("auto is not served: %s", error)
        products = []
    base = "anomaly_detection" if Path(pipeline).is_dir() else pipeline

    names = {str(path): product for product, path in bank.products.items()}

    def load(path: str) -> Loaded:
        chosen = {"model_dir": bank.path, "product": names[path]}
        return _loaded(create_pipeline(base, device=device, **{**overrides, **chosen}))

    return run_server({name: path for path, name in names.items()}, load, settings, products)


def read_settings(arguments: argparse.Namespace) -> ServerSettings:
    """The settings that a command line asks for.

    Raises:
        ConfigError: a value that cannot be, or a key file that cannot be read.
    """
    from paddlex.inference.serving.settings import MEGABYTE, ServerSettings

    for name, (least, most) in _RANGES.items():
        value = getattr(arguments, name)
        if not value >= least:  # neither is NaN
            raise ConfigError(f"--{name} must be at least {least}, not {value}")
        if value > most:
            raise ConfigError(f"--{name} must be at most {most}, not {value}")
    max_megapixels = _MAX_MEGAPIXELS if arguments.max_megapixels is None else arguments.max_megapixels
    for name, value in (("max_body_mb", arguments.max_body_mb), ("max_megapixels", max_megapixels)):
        if not value > 0:
            raise ConfigError(f"--{name} must be above 0, not {value}")
        if value >= _MAX_MILLIONS:
            raise ConfigError(f"--{name} must be below {_MAX_MILLIONS}, not {value}")
    return ServerSettings(
        host=arguments.host,
        port=arguments.port,
        api_key=_read_api_key(arguments.api_key_file),
        allowed_hosts=tuple(name.lower() for name in arguments.allowed_host),
        allow_urls=arguments.allow_urls,
        max_body_bytes=int(arguments.max_body_mb * MEGABYTE),
        max_pixels=int(max_megapixels * 1e6),
        max_batch=arguments.max_batch,
        batch_wait=arguments.batch_wait_ms / 1000,
        queue_size=arguments.queue_size,
        drain_delay=arguments.drain_delay,
    )


def _read_api_key(path: str | None) -> str | None:
    """The key from a file or the environment, never from the command line: every user of a machine sees those."""
    if path is None:
        key = os.environ.get(API_KEY_VARIABLE)
        where = API_KEY_VARIABLE
    else:
        where = path
        try:
            key = read_regular_file(path, _MAX_KEY_BYTES).decode("utf-8")
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"the API key cannot be read: {getattr(error, 'strerror', None) or error}",
                where=path,
                remedy="Check --api_key_file",
            ) from error
    if key is None:
        return None
    key = key.strip()
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        raise ConfigError("the API key is empty or not plain ASCII", where=where, remedy="Try openssl rand -hex 32")
    if len(key) < _SHORT_KEY:
        logger.warning("The API key has %d characters and can be guessed: try openssl rand -hex 32.", len(key))
    return key


def _load(pipeline: str, device: str | None, overrides: Mapping[str, Any]) -> Loaded:
    """The model of a pipeline, given by name, as a YAML file, or simply as the model's folder."""
    from paddlex.inference.pipelines import create_pipeline

    if Path(pipeline).is_dir():
        return _loaded(create_pipeline(device=device, **{**overrides, "model_dir": pipeline}))
    return _loaded(create_pipeline(pipeline, device=device, **overrides))


def _loaded(pipeline: AnomalyDetectionPipeline) -> Loaded:
    """A pipeline as the service takes it."""
    from paddlex.inference.bank_predictor import BankPredictor
    from paddlex.inference.serving.registry import Loaded

    if isinstance(pipeline.predictor, BankPredictor):
        what = "one of several pipelines has product auto, which is served alone"
        raise ConfigError(what, where=pipeline.predictor.path, remedy="Serve it alone, or set its product to a name")
    return Loaded(pipeline.predictor, pipeline.config.visualize)
