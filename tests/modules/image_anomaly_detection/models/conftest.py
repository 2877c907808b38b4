"""What the tests of parts share: features as a backbone would give them, and every engine that a part's graph runs in."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import paddle
import pytest
from paddle import nn
from paddle.pir_utils import OldIrGuard

from paddlex.inference.backends.onnx_runtime import OnnxRuntime
from paddlex.inference.backends.openvino_runtime import OpenVINO
from paddlex.inference.backends.paddle_inference import PaddleInference
from paddlex.inference.model_folder import ModelFolder
from paddlex.inference.refit.features import PatchFeatures
from paddlex.inference.transforms import Transform
from paddlex.modules.image_anomaly_detection.export.onnx_export import convert_to_onnx
from paddlex.modules.image_anomaly_detection.models.patches.part import Part
from paddlex.utils.devices import Device

ENGINES = {"paddle": PaddleInference, "mkldnn": PaddleInference, "onnx": OnnxRuntime, "openvino": OpenVINO}


class TwoMaps(nn.Layer):
    """A part as a network has it: with two outputs."""

    def __init__(self, part: Part) -> None:
        super().__init__()
        self.part = part

    def forward(self, x: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor]:
        distance = self.part(x)
        return distance, 2 * distance


@pytest.fixture
def in_all_engines(tmp_path: Path) -> Callable[[Part, np.ndarray], dict[str, np.ndarray]]:
    """(part, float32 [N, C, h, w]) -> the distances of its exported graph by run mode, float32 [N, 1, h, w]."""

    def run(part: Part, features: np.ndarray) -> dict[str, np.ndarray]:
        network = TwoMaps(part)
        network.eval()
        spec = paddle.static.InputSpec([None, *features.shape[1:]], "float32", name="x")
        with OldIrGuard():
            paddle.jit.save(network, str(tmp_path / "inference"), input_spec=[spec])
        graph, params, onnx = (tmp_path / f"inference.{end}" for end in ("pdmodel", "pdiparams", "onnx"))
        convert_to_onnx(graph, params, onnx)
        folder = ModelFolder(tmp_path, "a part", Transform((64, 64)))
        return {mode: ENGINES[mode](folder, mode, Device("cpu"), None, 1).run(features)[0] for mode in ENGINES}

    return run


@pytest.fixture
def features() -> PatchFeatures:
    """Of 9 images in 3 folds, 7 of them kept, 4 x 5 positions of 6 channels of different ranges."""
    random = np.random.default_rng(0)
    offset, spread = random.normal(size=6) * 10, np.array([0.3, 1, 1, 3, 10, 10])
    images = (offset + spread * random.normal(size=(9, 4, 5, 6))).astype(np.float32)
    folds = np.arange(9) % 3
    patches, numbers = images.reshape(-1, 6), np.repeat(folds, 20)
    drawn = random.permutation(len(patches))[:150]
    owners = np.repeat(np.arange(9), 20)[drawn]
    return PatchFeatures(images[:7], folds[:7], np.arange(7), patches[drawn], numbers[drawn], owners)
