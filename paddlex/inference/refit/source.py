"""The model folder that a refit begins with: whether it can, what computes its features, and the folder that comes of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory

import numpy as np

from paddlex.errors import ModelError, RefitError
from paddlex.inference.backends import Backend, open_backend
from paddlex.inference.backends.graph_check import check_onnx_graph
from paddlex.inference.fit_facts import BANK, FitFacts, features_value, fusion_arrays, part_array
from paddlex.inference.model_facts import OwnBlock
from paddlex.inference.model_folder import CONFIG_NAME, GRAPH_NAMES, INT8_NAME, ONNX_NAME, PARAMS_NAME, ModelFolder
from paddlex.inference.postprocess import anomaly_score
from paddlex.inference.refit.complete import write_complete
from paddlex.inference.refit.onnx_graph import OnnxGraph
from paddlex.inference.refit.paddle_params import with_arrays
from paddlex.inference.self_check import probe, summarise
from paddlex.utils.devices import resolve_device

_TRAIN = "Train it again with the new photos (Global.mode=train)"


@dataclass(frozen=True)
class Refittable:
    """A model folder that can be fitted again.

    Attributes:
        folder: what it says.
        facts: how it was fitted.
        graph: its inference.onnx.
        run_mode: ``onnx``, ``openvino``, or ``auto`` for the first of these that is installed.
    """

    folder: ModelFolder
    facts: FitFacts
    graph: OnnxGraph
    run_mode: str

    @classmethod
    def of(cls, folder: ModelFolder, run_mode: str = "auto") -> Refittable:
        """Of a model folder.

        Raises:
            RefitError: the model cannot be fitted again.
            ModelError: inference.onnx is damaged.
        """
        own, where = folder.own, folder.path
        if own.tiling is not None:
            raise RefitError(
                "the model scans photos in tiles, and is trained, not refitted", where=where, remedy=_TRAIN
            )
        if own.fit is None or own.calibration is None:
            what = "the model does not say how it was fitted: it learns by gradients, or was made before models said so"
            raise RefitError(what, where=where, remedy=_TRAIN)
        path = where / ONNX_NAME
        if not path.is_file():
            what = f"the folder has no {ONNX_NAME}, and a refit begins with it"
            raise RefitError(what, where=where, remedy="Export the model again (Global.mode=export), or copy the file")
        check_onnx_graph(path)
        graph = OnnxGraph(path.read_bytes())
        try:
            has_names = _has_names(graph, own.fit)
        except ValueError as error:
            raise ModelError(
                "the graph is damaged, or no graph", where=path, remedy="Export the model again"
            ) from error
        if not has_names:
            what = f"the {ONNX_NAME} has no names for what a refit exchanges: an earlier version has written it"
            raise RefitError(what, where=where, remedy="Export the model again (Global.mode=export)")
        return cls(folder, own.fit, graph, run_mode)

    def rows(self, number: int) -> int:
        """Of the map of a part."""
        array = self.graph.array(fusion_arrays(number + 1)[number][0])
        assert array is not None
        return int(array.shape[2])

    @contextmanager
    def backbone(self) -> Iterator[Backend]:
        """What computes the features, float32 [N, C, h, w] for each of ``facts.names``, on the CPU."""
        with TemporaryDirectory() as scratch:
            path = Path(scratch)
            data = self.graph.up_to([features_value(name) for name in self.facts.names])
            (path / ONNX_NAME).write_bytes(data)
            yield self._opened(ModelFolder(path, self.folder.model_name, self.folder.transform))

    def write(self, target: Path, own: OwnBlock, arrays: Mapping[str, np.ndarray]) -> list[str]:
        """Write the model with other arrays into a folder that is there.

        Args:
            target: the folder.
            own: what inference.yml is to say, but for the self-check.
            arrays: what was learnt, by the names in inference.onnx.

        Returns:
            What the user should know, in sentences.

        Raises:
            NotFiniteError: the network does not answer in finite numbers.
            OSError: a file cannot be written.
        """
        (target / ONNX_NAME).write_bytes(self.graph.with_arrays(arrays))
        bare = ModelFolder(target, self.folder.model_name, self.folder.transform)
        outputs = self._opened(bare).run(probe(self.folder.transform.size))
        for output in outputs:
            anomaly_score(output)
        described = replace(bare, own=replace(own, self_check=summarise(outputs)))
        described.write_config(target / CONFIG_NAME)
        warnings = []
        if self.folder.has_paddle_graph and not self._write_paddle(target, arrays):
            warnings.append(
                "The new model has no graph of Paddle, because what it has learnt has another size. It runs with ONNX Runtime "
                "and OpenVINO."
            )
        if (self.folder.path / INT8_NAME).is_file():
            warnings.append("The new model has no INT8 graph: it was checked for the old one alone.")
        if reason := write_complete(self.folder, described, arrays):
            warnings.append(reason)
        return warnings

    def _write_paddle(self, target: Path, arrays: Mapping[str, np.ndarray]) -> bool:
        """Write Paddle's graph with the arrays; whether that can be."""
        source = self.folder.path
        graph, params = source / GRAPH_NAMES[0], source / PARAMS_NAME
        if not (graph.is_file() and params.is_file()):
            return False
        old = {name: array for name in arrays if (array := self.graph.array(name)) is not None}
        try:
            data = with_arrays(params.read_bytes(), old, arrays)
        except ValueError as error:
            raise ModelError("the weights are damaged", where=params, remedy="Restore the folder") from error
        if data is None:
            return False
        (target / PARAMS_NAME).write_bytes(data)
        for path in (graph, params.with_name(f"{PARAMS_NAME}.info")):
            if path.is_file():
                copyfile(path, target / path.name)
        return True

    def _opened(self, folder: ModelFolder) -> Backend:
        return open_backend(folder, self.run_mode, resolve_device("cpu"), quiet=True)


def _has_names(graph: OnnxGraph, facts: FitFacts) -> bool:
    """Whether what a refit asks of a graph, and what it exchanges there, have the names that they should have."""
    for number, part in enumerate(facts.parts):
        learnt = ["mean", "scale", "patches"] if part.kind == BANK else ["mean", "whitening"]
        learnt += ["surroundings"] if part.neighbours else []
        if any(graph.array(part_array(number, name)) is None for name in learnt):
            return False
    statistics = [graph.array(name) for pair in fusion_arrays(len(facts.parts)) for name in pair]
    if any(array is None or array.ndim != 4 for array in statistics):
        return False
    return all(graph.produces(features_value(name)) for name in facts.names)
