"""The network of patch models: partial maps from the finest to the coarsest, in whatever order layers are asked for."""

import numpy as np
import paddle
import pytest

from paddlex.config import schema_for
from paddlex.modules.image_anomaly_detection.model_card import ModelCard
from paddlex.modules.image_anomaly_detection.models.patchcore.fit import bank_names
from paddlex.modules.image_anomaly_detection.models.patches.network import PatchNetwork
from paddlex.modules.image_anomaly_detection.models.patches.part import Part


class ChannelMean(Part):
    """A part that is easily checked."""

    def forward(self, features: paddle.Tensor) -> paddle.Tensor:
        return features.mean(axis=1, keepdim=True)


def card(*layers: str) -> ModelCard:
    return ModelCard(model_name="PatchCore", backbone="efficientnet_lite0", layers=layers, image_size=64)


def test_the_finest_map_comes_first_and_each_part_sees_its_own_features():
    paddle.seed(0)
    network = PatchNetwork(
        card("layer2", "layer4"), [ChannelMean("layer4"), ChannelMean("layer2"), ChannelMean("layer4")]
    )
    network.eval()
    x = paddle.randn([2, 3, 64, 64])
    with paddle.no_grad():
        maps = [one.numpy() for one in network.partial_maps(x)]
        features = dict(zip(network.backbone.names, network.backbone(x), strict=True))
    assert [part.layer for part in network.parts] == ["layer2", "layer4", "layer4"]
    assert network.fusion.sizes == ((8, 8), (2, 2), (2, 2))
    for part, one in zip(network.parts, maps, strict=True):
        np.testing.assert_allclose(one, features[part.layer].numpy().mean(axis=1, keepdims=True), atol=1e-6)


@pytest.mark.parametrize(("banks", "names"), [("stages", ["layer2", "layer4"]), ("concatenated", ["layer2+layer4"])])
def test_banks_do_not_depend_on_the_order_in_which_layers_are_written(banks: str, names: list[str]):
    options = schema_for("PatchCore")().Train.model_copy(
        update={"layers": ["layer4", "layer2", "layer4"], "banks": banks}
    )
    assert bank_names(options) == names
