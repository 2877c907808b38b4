"""Every backbone computes what timm's implementation of it computes with the same weights."""

import numpy as np

# After paddlex, which sets the environment that Paddle reads when it is first imported.
import paddle
import pytest

from paddlex.modules.image_anomaly_detection.backbones import BACKBONES, build_backbone
from paddlex.modules.image_anomaly_detection.backbones.dinov2 import resampled_positions
from paddlex.modules.image_anomaly_detection.backbones.efficientnet_lite import fold_batch_norm
from paddlex.modules.image_anomaly_detection.backbones.state_dicts import deepest_used, translated


def loaded(name, layers, arrays, **options):
    network = build_backbone(name, layers, **options)
    network.eval()
    expected = network.state_dict()
    arrays = deepest_used(arrays, expected)
    assert arrays.keys() == expected.keys()
    missing, unexpected = network.set_state_dict({key: paddle.to_tensor(array) for key, array in arrays.items()})
    assert (missing, unexpected) == ([], [])
    return network


@pytest.mark.parametrize("name", BACKBONES)
def test_features_are_those_of_timm(name, making, references, published):
    _, size, layers = making["NETWORKS"][name]
    backbone = BACKBONES[name]
    arrays, options = translated(name, published(name)), {}
    if backbone.trained_size is not None:
        arrays, options = backbone.adapted(arrays, size), backbone.options(size)
    network = loaded(name, layers, arrays, **options)
    with paddle.no_grad():
        features = network(paddle.to_tensor(making["picture"](*size)))
    for layer, values in zip(layers, features, strict=True):
        wanted = references[f"{name}/{layer}"]
        assert tuple(values.shape) == tuple(references[f"{name}/{layer}/shape"])
        assert values.shape[1] == BACKBONES[name].stages[layer].channels
        np.testing.assert_allclose(
            making["summary"](values.numpy()), wanted, rtol=1e-4, atol=1e-4 * np.abs(wanted).max()
        )


@pytest.mark.parametrize("name", BACKBONES)
def test_published_weights_are_adapted_to_the_network_that_is_built(name, published):
    backbone, size = BACKBONES[name], (70, 98)
    layers = list(backbone.stages)[:2]
    whole = build_backbone(name, layers, **backbone.published_options).state_dict()
    arrays = deepest_used(translated(name, published(name)), whole)
    assert {key: list(array.shape) for key, array in arrays.items()} == {key: one.shape for key, one in whole.items()}
    built = build_backbone(name, layers, **backbone.options(size)).state_dict()
    adapted = backbone.adapted(arrays, size)
    assert {key: list(array.shape) for key, array in adapted.items()} == {key: one.shape for key, one in built.items()}


def test_batch_normalisation_folded_into_the_convolutions_changes_nothing(making, published):
    arrays = deepest_used(
        translated("efficientnet_lite0", published("efficientnet_lite0")),
        build_backbone("efficientnet_lite0", ["layer3"]).state_dict(),
    )
    x = paddle.to_tensor(making["picture"](64, 64))
    with paddle.no_grad():
        (plain,) = loaded("efficientnet_lite0", ["layer3"], arrays)(x)
        (folded,) = loaded("efficientnet_lite0", ["layer3"], fold_batch_norm(arrays), folded=True)(x)
    np.testing.assert_allclose(folded.numpy(), plain.numpy(), rtol=1e-4, atol=1e-4 * float(plain.abs().max()))


@pytest.mark.parametrize("size", [(70, 98), (56, 56)])
def test_a_side_that_is_no_multiple_of_a_patch_is_refused_with_the_nearest_that_is(size):
    with pytest.raises(ValueError, match=f"set image_size to {size[0]} x {size[1]}"):
        build_backbone("dinov2_vits14", ["block1"], image_size=(size[0] + 2, size[1] - 1))


def test_position_embeddings_of_the_trained_grid_stay_as_they_are():
    positions = np.random.default_rng(0).normal(size=(1, 1 + 9, 4)).astype(np.float32)
    np.testing.assert_array_equal(resampled_positions(positions, (3, 3)), positions)


def test_position_embeddings_of_no_square_grid_are_refused():
    with pytest.raises(ValueError, match="of no square grid"):
        resampled_positions(np.zeros((1, 1 + 10, 4), np.float32), (3, 3))
