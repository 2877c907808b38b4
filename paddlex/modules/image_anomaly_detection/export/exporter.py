"""From a network to an inference folder: Paddle's static graph, inference.yml, and the graph as ONNX."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import paddle
from paddle import nn
from paddle.pir_utils import OldIrGuard

from paddlex.inference.model_folder import CONFIG_NAME, GRAPH_NAMES, ONNX_NAME, PARAMS_NAME, ModelFolder
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
    width, height = card.transform.size
    x = paddle.static.InputSpec([None, 3, height, width], "float32", name="x")
    with OldIrGuard():  # without it Paddle 3 writes .json
        paddle.jit.save(network, str(folder / GRAPH_STEM), input_spec=[x])
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
    width, height = card.transform.size
    x = paddle.static.InputSpec([None, 3, height, width], "float32", name="x")
    with OldIrGuard():
        paddle.jit.save(layer, str(folder / GRAPH_STEM), input_spec=[x])
    if onnx_outputs:
        convert_to_onnx(folder / GRAPH_NAMES[0], folder / PARAMS_NAME, folder / ONNX_NAME, onnx_outputs)
    return ModelFolder(folder, card.model_name, card.transform)


class _PartialMaps(nn.Layer):
    def __init__(self, network: AnomalyNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: paddle.Tensor) -> list[paddle.Tensor]:
        return self.network.partial_maps(x)


def add_onnx(folder: Path) -> None:
    """Write the graph of an inference folder as ONNX too.

    Raises:
        ModelError: it cannot be converted.
    """
    with atomic_path(folder / ONNX_NAME) as temporary:
        temporary.unlink()  # the converter shall make it
        convert_to_onnx(folder / GRAPH_NAMES[0], folder / PARAMS_NAME, temporary)


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
