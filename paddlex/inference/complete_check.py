"""The complete graph gives predict's verdicts, at other sizes too, before it is called done."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from paddlex.errors import ModelError, PaddleXError
from paddlex.inference.model_folder import ModelFolder
from paddlex.inference.predictor import AnomalyPredictor
from paddlex.utils.private_imports import import_onnxruntime

#: How far a score may be from predict's; a decision may only differ where the score is as near to the threshold.
EXACT = 1e-3

_SCALES = (1.0, 0.77)  # of each picture's sides


@dataclass
class Comparison:
    """How far the verdicts on some pictures are from predict's.

    Attributes:
        pictures: that were judged by both.
        largest_score_difference: of scores from 0 to 1.
        largest_map_difference: as a share of the largest value of predict's maps.
        mask_pixels_changed: share of all pixels.
        decisions_changed: of pictures whose score is not at the threshold.
    """

    pictures: int = 0
    largest_score_difference: float = 0.0
    largest_map_difference: float = 0.0
    mask_pixels_changed: float = 0.0
    decisions_changed: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for export_result.json."""
        return asdict(self)


class CompleteGraph:
    """A complete graph, run by ONNX Runtime on the CPU.

    Args:
        path: the file.

    Attributes:
        facts: its metadata properties.
    """

    def __init__(self, path: Path) -> None:
        onnxruntime = import_onnxruntime()
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self._names = [output.name for output in self._session.get_outputs()]
        self.facts: dict[str, str] = self._session.get_modelmeta().custom_metadata_map
        self._is_rgb = self.facts["colour_order"] == "RGB"

    def judge(self, photo: np.ndarray) -> dict[str, np.ndarray]:
        """The outputs by their names, for a photo, uint8 [H, W, 3] BGR."""
        picture = np.ascontiguousarray(photo[..., ::-1]) if self._is_rgb else photo
        return dict(zip(self._names, self._session.run(None, {"image": picture}), strict=True))


def compare(predictor: AnomalyPredictor, graph: CompleteGraph, photos: Iterable[np.ndarray]) -> Comparison:
    """Judge photos by both, uint8 [H, W, 3] BGR, each at its own and at another size.

    A model with regions takes its own size alone.

    Args:
        predictor: of the model.
        graph: its complete one.
        photos: to compare on.

    Raises:
        ModelError: a score is off by more than ``EXACT``, or a decision is another one.
    """
    found = Comparison()
    changed = pixels = 0
    scales = (1.0,) if predictor.preparation.regions is not None else _SCALES
    for photo in (_scaled(photo, scale) for photo in photos for scale in scales):
        ours, (wanted,) = graph.judge(photo), predictor.outcomes([photo])
        found.pictures += 1
        if isinstance(wanted, PaddleXError):  # what predict cannot judge must not be good
            found.decisions_changed += not ours["is_anomalous"]
            continue
        off_by = abs(float(ours["score"]) - wanted["score"])
        is_near = abs(wanted["score"] - 0.5) <= EXACT
        found.decisions_changed += bool(ours["is_anomalous"]) != wanted["is_anomalous"] and not is_near
        found.largest_score_difference = max(found.largest_score_difference, off_by)
        map_off_by = np.abs(ours["anomaly_map"] - wanted["anomaly_map"]).max() / np.abs(wanted["anomaly_map"]).max()
        found.largest_map_difference = max(found.largest_map_difference, float(map_off_by))
        changed += int(np.count_nonzero(ours["mask"] != wanted["pred"][0]))
        pixels += ours["mask"].size
    found.mask_pixels_changed = changed / max(1, pixels)
    if found.decisions_changed or not found.largest_score_difference <= EXACT:
        raise ModelError(
            f"it judges otherwise than predict: {found.decisions_changed} of {found.pictures} pictures have another decision, "
            f"and scores differ by up to {found.largest_score_difference:.2g} (at most {EXACT:g} may be)"
        )
    return found


def drawn_photo(folder: ModelFolder) -> np.ndarray:
    """A photo that a model takes, of blurred noise, uint8 [H, W, 3]: for where there is no other."""
    width, height = (640, 480) if folder.own.regions is None else folder.own.regions.size
    noise = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    return cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)


def _scaled(photo: np.ndarray, scale: float) -> np.ndarray:
    if scale == 1:
        return photo
    height, width = (max(2, round(side * scale)) for side in photo.shape[:2])
    return cv2.resize(photo, (width, height), interpolation=cv2.INTER_AREA)
