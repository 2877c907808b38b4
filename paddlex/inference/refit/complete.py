"""The complete graph of a model that was fitted again: the old one's, with what was learnt and the new thresholds."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from paddlex.errors import ModelError, PaddleXError
from paddlex.inference.backends.graph_check import check_onnx_graph
from paddlex.inference.complete_check import CompleteGraph, compare, drawn_photo
from paddlex.inference.complete_graph import COLOUR_ORDERS, HELD, arrays_of, facts_of
from paddlex.inference.model_folder import COMPLETE_NAME, ModelFolder
from paddlex.inference.predictor import AnomalyPredictor
from paddlex.inference.refit.onnx_graph import OnnxGraph


def write_complete(old: ModelFolder, new: ModelFolder, arrays: Mapping[str, np.ndarray]) -> str | None:
    """Write the complete graph of a new model beside its other files, if the old model has one, and hold it against predict.

    Args:
        old: the model that the refit began with.
        new: what came of it, whole but for this.
        arrays: what was learnt, by the names in inference.onnx.

    Returns:
        Why there is none, a sentence; None if there is one, or the old model had none.
    """
    source, target = old.path / COMPLETE_NAME, new.path / COMPLETE_NAME
    if not source.is_file():
        return None
    try:
        check_onnx_graph(source)
        target.write_bytes(_exchanged(OnnxGraph(source.read_bytes()), old, new, arrays))
        graph = CompleteGraph(target)
        compare(AnomalyPredictor(new.path, device="cpu", run_mode="onnx", quiet=True), graph, [drawn_photo(new)])
    except Exception as error:  # whatever a damaged graph and its runtime throw: all other files are there
        target.unlink(missing_ok=True)
        reason = " ".join(str(error).split())
        reason = error.what if isinstance(error, PaddleXError) else f"the old one cannot be taken over ({reason})"
        return (
            f"The new model has no {COMPLETE_NAME}: {reason}. Where Paddle is, an export of a new training writes one."
        )
    return None


def _exchanged(graph: OnnxGraph, old: ModelFolder, new: ModelFolder, arrays: Mapping[str, np.ndarray]) -> bytes:
    held, order = arrays_of(new), graph.facts.get("colour_order", "")
    does = {name for name in graph.names if name.startswith(HELD)}
    if does != held.keys() or old.output != new.output or order not in COLOUR_ORDERS:
        raise ModelError("the new model does other things to a photo or its map than the old one")
    learnt = {name: array for name, array in arrays.items() if name in graph.names}
    return graph.with_arrays({**learnt, **held}, facts_of(new, order))
