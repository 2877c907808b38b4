"""A backbone is cut after the deepest stage that is asked for."""

from typing import get_args

import numpy as np

# After paddlex, which sets the environment that Paddle reads when it is first imported.
import paddle
import pytest

from paddlex.config_schema import Backbone, ConvolutionalBackbone
from paddlex.modules.image_anomaly_detection.backbones import BACKBONES, CONVOLUTIONAL, build_backbone

IMAGES = np.random.default_rng(0).normal(size=(2, 3, 64, 96)).astype(np.float32)


@pytest.mark.parametrize("name", CONVOLUTIONAL)
def test_only_the_requested_stages_come_back_and_deeper_ones_do_not_exist(name):
    pyramid = build_backbone(name, ["layer2", "layer1"])
    pyramid.eval()
    with paddle.no_grad():
        features = pyramid(paddle.to_tensor(IMAGES))
    channels = [BACKBONES[name].stages[layer].channels for layer in ("layer1", "layer2")]
    assert [tuple(layer.shape) for layer in features] == [(2, channels[0], 16, 24), (2, channels[1], 8, 12)]
    deeper = set(build_backbone(name, ["layer3"]).state_dict()) - set(pyramid.state_dict())
    assert deeper and all(name.startswith(("layer3.", "blocks.")) for name in deeper)


def test_an_unknown_backbone_is_named():
    with pytest.raises(ValueError, match="'resnet19' is not one of resnet18, resnet34, resnet50"):
        build_backbone("resnet19", ["layer1"])


@pytest.mark.parametrize("layers", [[], ["layer5"], ["layer1", "conv1"], ["block1"]])
def test_a_stage_that_the_backbone_does_not_have_is_refused(layers):
    with pytest.raises(ValueError, match="are not among layer1, layer2, layer3, layer4, the stages of resnet18"):
        build_backbone("resnet18", layers)


def test_the_config_takes_every_backbone():
    assert get_args(ConvolutionalBackbone) == CONVOLUTIONAL
    assert set(get_args(Backbone)) == set(BACKBONES)
