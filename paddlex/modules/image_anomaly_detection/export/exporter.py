"""From a network to an inference folder: Paddle's static graph, inference.yml, and the graph as ONNX."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import paddle
from paddle import nn
from paddle.pir_utils import OldIrGuard

from paddlex.inference.fit_facts import LEARNT, features_value
from paddlex.inference.model_folder import (
    CONFIG_NAME,
    GRAPH_NAMES,
    ONNX_NAME,
    PARAMS_NAME,
    ModelFolder,
    open_model_folder,
)
from paddlex.inference.postprocess import anomaly_score
from paddlex.inference.self_check import probe, summarise
from paddlex.modules.image_anomaly_detection.export.onnx_export import convert_to_onnx
from paddlex.modules.image_anomaly_detection.model_card import ModelCard
from paddlex.modules.image_anomaly_detection.models.network import AnomalyNetwork
from paddlex.utils.files import atomic_directory, atomic_path

GRAPH_STEM = "inference"


def export(network: nn.Layer, card: ModelCard, folder: Path) -> None:
    """Write the inference folder with Paddle's graph, whole or not at all.

    The graph takes ``x``, float32 [N, 3, H, W] for any N, and gives the paper's raw map and the calibrated map, float32
    [N, 1, H, W] each, in this order, because upstream PaddleX reads the first. It is written in the .pdmodel format, which
    upstream and every Paddle since 2.0 read.

    Args:
        network: what ``build_network`` has made; it is left in the mode it was in.
        card: what stands in inference.yml.
        folder: replaced if it exists.
    """
    with atomic_directory(folder) as temporary:
        write_model(network, card, temporary)


def write_model(network: nn.Layer, card: ModelCard, folder: Path) -> None:
    """What ``export`` does, into a folder that is there."""
    was_training = network.training
    network.eval()
    _save(network, card.transform.size, folder)
    write_inference_config(card, folder, network)
    if was_training:
        network.train()


def export_partial_maps(network: AnomalyNetwork, card: ModelCard, folder: Path) -> ModelFolder:
    """Write a graph of ``network.partial_maps`` alone, to be run by a backend: several times as fast as the network itself.

    Args:
        network: in evaluation mode.
        card: of the network.
        folder: an empty one that is there; only Paddle's backends can run what is written into it.
    """
    return export_layer(_PartialMaps(network), card, folder)


def export_layer(layer: nn.Layer, card: ModelCard, folder: Path, onnx_outputs: Sequence[str] = ()) -> ModelFolder:
    """Write a graph of any layer that takes what the network takes.

    Args:
        layer: in evaluation mode; it returns a list of tensors.
        card: of the network.
        folder: an empty one that is there.
        onnx_outputs: names of what it returns, if the graph is to be written as ONNX too.

    Raises:
        ModelError: it cannot be converted to ONNX.
    """
    _save(layer, card.transform.size, folder)
    if onnx_outputs:
        convert_to_onnx(folder / GRAPH_NAMES[0], folder / PARAMS_NAME, folder / ONNX_NAME, onnx_outputs)
    return ModelFolder(folder, card.model_name, card.transform)


def _save(layer: nn.Layer, size: tuple[int, int], folder: Path) -> None:
    """Write Paddle's graph of a layer, for images of a width and height."""
    width, height = size
    x = paddle.static.InputSpec([None, 3, height, width], "float32", name="x")
    with OldIrGuard():  # without it Paddle 3 writes .json
        paddle.jit.save(layer, str(folder / GRAPH_STEM), input_spec=[x])


class _PartialMaps(nn.Layer):
    def __init__(self, network: AnomalyNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: paddle.Tensor) -> list[paddle.Tensor]:
        return self.network.partial_maps(x)


def add_onnx(folder: Path, network: AnomalyNetwork | None = None) -> None:
    """Write the graph of an inference folder as ONNX too.

    Args:
        folder: with Paddle's graph.
        network: what it was exported from, in evaluation mode, for the ONNX file to have names for what a refit needs: the
            features, and the arrays that are learnt. Without it the file has none.

    Raises:
        ModelError: it cannot be converted.
    """
    refittable = None if network is None else network.with_features()
    with atomic_path(folder / ONNX_NAME) as temporary, TemporaryDirectory() as scratch:
        temporary.unlink()  # the converter shall make it
        graph, params = folder / GRAPH_NAMES[0], folder / PARAMS_NAME
        if network is None or refittable is None:
            convert_to_onnx(graph, params, temporary)
            return
        layer, names = refittable
        layer.eval()
        _save(layer, open_model_folder(folder).transform.size, Path(scratch))
        arrays = {tensor.name: name for name, tensor in network.state_dict().items() if name.startswith(LEARNT)}
        graph, params = Path(scratch) / GRAPH_NAMES[0], Path(scratch) / PARAMS_NAME
        convert_to_onnx(graph, params, temporary, inner=[features_value(name) for name in names], arrays=arrays)


def write_inference_config(card: ModelCard, folder: Path, network: nn.Layer) -> None:
    """Write inference.yml alone, into a folder that has its graph already.

    Raises:
        NotFiniteError: the network does not answer in finite numbers.
    """
    with paddle.no_grad():
        outputs = [output.numpy() for output in network(paddle.to_tensor(probe(card.transform.size)))]
    for output in outputs:
        anomaly_score(output)  # a network that does not answer in finite numbers is no model
    described = ModelFolder(folder, card.model_name, card.transform, card.own_block(summarise(outputs)))
    described.write_config(folder / CONFIG_NAME)
