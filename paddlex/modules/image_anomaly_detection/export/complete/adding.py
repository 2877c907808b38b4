"""Adds the complete graph to an inference folder, if the model can have one that judges as predict does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnx

from paddlex.data.dataset import Sample, thinned
from paddlex.errors import ModelError, PaddleXError
from paddlex.inference.complete_check import CompleteGraph, compare, drawn_photo
from paddlex.inference.complete_graph import obstacle
from paddlex.inference.model_folder import COMPLETE_NAME, open_model_folder
from paddlex.inference.predictor import AnomalyPredictor
from paddlex.modules.image_anomaly_detection.export.complete.graph import complete_graph
from paddlex.utils.logging import logger

_IMAGES = 16


def try_to_add_complete(path: Path, samples: Sequence[Sample], colour_order: str) -> dict[str, Any]:
    """Write inference_complete.onnx into an inference folder; nothing fails for want of it.

    Args:
        path: the folder, with inference.onnx.
        samples: images on which it is held against predict.
        colour_order: of the pictures that it takes, ``RGB`` or ``BGR``.

    Returns:
        ``colour_order`` and how far its verdicts are off, see ``Comparison``; or ``refused``, why there is none.
    """
    folder, target = open_model_folder(path), path / COMPLETE_NAME
    try:
        if reason := obstacle(folder):
            raise ModelError(reason)
        onnx.save(complete_graph(folder, colour_order), target)
        predictor = AnomalyPredictor(path, device="cpu", run_mode="onnx", quiet=True)
        photos = (sample.read() for sample in thinned(samples, _IMAGES)) if samples else [drawn_photo(folder)]
        found = compare(predictor, CompleteGraph(target), photos)
    except Exception as error:  # whatever ONNX and its runtime throw: all other files are there
        target.unlink(missing_ok=True)
        reason = error.what if isinstance(error, PaddleXError) else " ".join(str(error).split())
        logger.warning("The model has no %s: %s.", COMPLETE_NAME, reason)
        return {"refused": reason}
    logger.info(
        "Checked %s on %d pictures: scores differ by %.2g at most, every decision is predict's, %.2g of the pixels of masks "
        "differ.", COMPLETE_NAME, found.pictures, found.largest_score_difference, found.mask_pixels_changed,
    )  # fmt: skip
    return {"colour_order": colour_order, **found.to_dict()}
