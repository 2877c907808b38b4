"""What is exported must give the answers of the network that it was exported from: on real images, before it is called done."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from paddle import nn

from paddlex.data.dataset import Sample, thinned
from paddlex.errors import ModelError
from paddlex.evaluation.evaluator import evaluate
from paddlex.inference.backends import RUN_MODES
from paddlex.inference.postprocess import anomaly_score
from paddlex.inference.predictor import AnomalyPredictor
from paddlex.inference.reading import ANY
from paddlex.inference.self_check import probe
from paddlex.utils.logging import logger

#: Largest difference of a float32 map from the network's, as a share of the largest value of the map.
EXACT = 1e-4

#: How much AUROC, image or pixel, an INT8 model may lose.
MOST_AUROC_LOST = 0.005

_COMPARED = ("mkldnn", "onnx", "onnx_int8", "openvino", "openvino_int8")
_IMAGES = 16


class DynamicGraph:
    """The network itself as a backend: what the others are held against."""

    run_mode = "dynamic graph"
    is_concurrent = False

    def __init__(self, network: nn.Layer) -> None:
        self._network = network
        self._turn = threading.Lock()

    def run(self, batch: np.ndarray) -> list[np.ndarray]:
        """float32 [N, 3, H, W] -> the network's outputs, float32 [N, 1, H, W] each."""
        with self._turn, paddle.no_grad():
            return [output.numpy() for output in self._network(paddle.to_tensor(batch))]


def check_export(
    network: nn.Layer, folder: Path, samples: Sequence[Sample], *, has_labels: bool, force: bool
) -> dict[str, Any]:
    """Run a folder in every way that is installed here, on a CPU, and compare.

    Args:
        network: what was exported, in evaluation mode.
        folder: an inference folder.
        samples: images to compare on.
        has_labels: whether AUROC can be had from them.
        force: keep an INT8 graph that loses too much.

    Returns:
        For each run mode ``largest_difference`` (of the anomaly map, in its own units), ``largest_value`` (of the network's
        map); for ONNX Runtime, where there are labels, ``image_auroc_change`` and ``pixel_auroc_change`` from the first float32
        engine that was compared.

    Raises:
        ModelError: a map is not finite, a float32 graph gives other maps, or an INT8 graph loses more than ``MOST_AUROC_LOST``.
    """
    network.eval()
    reading = samples[0].reading if samples else ANY
    original = AnomalyPredictor(folder, device="cpu", run_mode="paddle", quiet=True)
    original.reading = reading
    original.backend = DynamicGraph(network)
    transform, output = original.folder.transform, original.folder.output
    some = thinned(samples, _IMAGES)
    inputs = [transform([original.preparation(sample.read()).image]) for sample in some] or [probe(transform.size)]
    wanted = [original.backend.run(batch)[output] for batch in inputs]
    for maps in wanted:
        anomaly_score(maps)  # a network that does not answer in finite numbers is compared with nothing
    largest = max(float(np.abs(maps).max()) for maps in wanted)
    auroc: tuple[float | None, float | None] | None = None
    checks: dict[str, Any] = {}
    for name in _COMPARED:
        mode = RUN_MODES[name]
        if not mode.is_installed() or not mode.has_graph(original.folder):
            continue
        predictor = AnomalyPredictor(folder, device="cpu", run_mode=name, quiet=True)
        predictor.reading = reading
        off_by = max(
            float(np.abs(predictor.backend.run(batch)[output] - maps).max())
            for batch, maps in zip(inputs, wanted, strict=True)
        )
        check: dict[str, Any] = {"largest_difference": off_by, "largest_value": largest}
        if not math.isfinite(off_by) or (mode.is_exact and off_by > EXACT * max(1.0, largest)):
            raise ModelError(
                f"the exported graph is wrong: by {name} its map is off by {off_by:.3g}, of {largest:.3g}",
                remedy="Please report this with the versions of the packages",
            )
        if has_labels and auroc is None and mode.is_exact:  # several times as fast as the network, and no different
            auroc = _auroc(predictor, samples)
        changes: list[float | None] = [None, None]
        if auroc is not None and name in ("onnx", "onnx_int8"):  # other engines run the same files
            changes = [_minus(new, old) for new, old in zip(_auroc(predictor, samples), auroc, strict=True)]
            check.update(image_auroc_change=changes[0], pixel_auroc_change=changes[1])
        logger.info("Checked %s: largest difference %.2g of %.3g%s.", name, off_by, largest, _words(changes))
        lost = -min((change for change in changes if change is not None), default=0.0)
        if name == "onnx_int8" and lost > MOST_AUROC_LOST and not force:
            raise ModelError(
                f"the INT8 model loses {lost:.4f} of AUROC, more than {MOST_AUROC_LOST}",
                remedy="Export in float32, or set Export.force=True to keep it all the same",
            )
        checks[name] = check
    return checks


def _auroc(predictor: AnomalyPredictor, samples: Sequence[Sample]) -> tuple[float | None, float | None]:
    evaluation = evaluate(predictor, samples)
    return evaluation.image.auroc, evaluation.pixel.auroc


def _minus(new: float | None, old: float | None) -> float | None:
    return None if new is None or old is None else new - old


def _words(changes: Sequence[float | None]) -> str:
    parts = [
        f"{kind} AUROC {change:+.4f}"
        for kind, change in zip(("image", "pixel"), changes, strict=True)
        if change is not None
    ]
    return "".join(f", {part}" for part in parts)
