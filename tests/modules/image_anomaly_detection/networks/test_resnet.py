"""The feature pyramid is paddle.vision's ResNet, cut after the deepest stage that is matched."""

import numpy as np
import pytest

from paddlex.modules.image_anomaly_detection.networks.resnet import ResNetPyramid

# After paddlex, which sets the environment that Paddle reads when it is first imported.
import paddle  # isort: skip
from paddle.vision.models import resnet18  # isort: skip

IMAGES = np.random.default_rng(0).normal(size=(2, 3, 64, 96)).astype(np.float32)


@pytest.mark.parametrize(
    ("backbone", "channels"),
    [("resnet18", (64, 128, 256)), ("resnet34", (64, 128, 256)), ("resnet50", (256, 512, 1024))],
)
def test_stages_have_the_channels_of_the_architecture_and_strides_4_8_and_16(backbone, channels):
    pyramid = ResNetPyramid(backbone)
    pyramid.eval()
    with paddle.no_grad():
        features = pyramid(paddle.to_tensor(IMAGES))
    sizes = [(16, 24), (8, 12), (4, 6)]
    assert [tuple(layer.shape) for layer in features] == [
        (2, c, *size) for c, size in zip(channels, sizes, strict=True)
    ]


def test_features_are_the_stage_outputs_of_paddle_vision_with_the_same_weights():
    paddle.seed(1)
    whole = resnet18()
    whole.eval()
    expected = []
    for stage in (whole.layer1, whole.layer2, whole.layer3):
        stage.register_forward_post_hook(lambda layer, inputs, output: expected.append(output.numpy()))
    pyramid = ResNetPyramid("resnet18")
    pyramid.eval()
    weights = whole.state_dict()
    pyramid.set_state_dict({name: weights[name] for name in pyramid.state_dict()})
    with paddle.no_grad():
        whole(paddle.to_tensor(IMAGES))
        features = pyramid(paddle.to_tensor(IMAGES))
    for got, wanted in zip(features, expected, strict=True):
        np.testing.assert_array_equal(got.numpy(), wanted)


def test_only_the_requested_stages_come_back_and_deeper_ones_do_not_exist():
    pyramid = ResNetPyramid("resnet18", ["layer2"])
    pyramid.eval()
    with paddle.no_grad():
        (features,) = pyramid(paddle.to_tensor(IMAGES))
    assert tuple(features.shape) == (2, 128, 8, 12)
    assert not any(name.startswith("layer3") for name in pyramid.state_dict())


def test_an_unknown_backbone_is_named():
    with pytest.raises(ValueError, match="'resnet19' is not one of resnet18, resnet34, resnet50"):
        ResNetPyramid("resnet19")


@pytest.mark.parametrize("layers", [[], ["layer4"], ["layer1", "conv1"]])
def test_a_stage_that_cannot_be_matched_is_refused(layers):
    with pytest.raises(ValueError, match="are not among layer1, layer2, layer3"):
        ResNetPyramid("resnet18", layers)
