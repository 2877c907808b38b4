"""How long the model of a run takes for an image on this machine, from the file to the decision, and how large it is."""

from __future__ import annotations

import statistics
import time
from typing import Any

from paddlex.config import load_config
from paddlex.config_schema import Config
from paddlex.data.dataset import VAL_LIST, read_samples, thinned
from paddlex.errors import PaddleXError, in_one_line
from paddlex.inference.predictor import AnomalyPredictor
from paddlex.utils.files import write_json

_IMAGES, _WARM_UP, _SECONDS = 30, 3, 20


def measure(config: Config) -> dict[str, Any]:
    """Judge images of ``val.txt`` one after the other, in the fastest engine that is installed and works.

    Args:
        config: of a run that is trained.

    Returns:
        ``milliseconds`` for an image (the median), ``images`` that this rests on, the ``run_mode``, and the ``bytes`` of the
        inference folder.
    """
    predictor = AnomalyPredictor(
        config.output, device=config.Global.device, quiet=True,
        bit_depth=config.Global.bit_depth, max_megapixels=config.Global.max_megapixels,
    )  # fmt: skip
    samples = read_samples(config.Global.dataset_dir or "", VAL_LIST, config.Global.reading)
    paths = [sample.image_path for sample in thinned(samples, _IMAGES)]
    for path in paths:
        path.read_bytes()  # so that no disk is measured
    seconds: list[float] = []
    end = time.monotonic() + _SECONDS
    for path in [*paths[:_WARM_UP], *paths]:
        start = time.perf_counter()
        list(predictor.predict(path))
        seconds.append(time.perf_counter() - start)
        if time.monotonic() > end:
            break
    counted = seconds[_WARM_UP:] or seconds[-1:]
    return {
        "milliseconds": round(1000 * statistics.median(counted), 2),
        "images": len(counted),
        "run_mode": predictor.backend.run_mode,
        "bytes": sum(path.stat().st_size for path in predictor.folder.path.rglob("*") if path.is_file()),
    }


def main(config_path: str) -> int:
    """Measure the run of a config; returns the exit status. As a mode does, it writes how it went: time_result.json."""
    config = load_config(config_path)
    try:
        result = {"done_flag": True, **measure(config)}
    except PaddleXError as error:
        result = {"done_flag": False, "err_type": type(error).__name__, "err_msg": in_one_line(error)}
    write_json(config.output / "time_result.json", result)
    return 0 if result["done_flag"] else 1
