"""A whole STFPM, by whoever saved it, comes under our names, or not at all."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from paddlex.errors import WeightsError
from paddlex.modules.image_anomaly_detection.models.stfpm.weights import load_checkpoint

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


def whole_model(rename) -> dict[str, np.ndarray]:
    arrays = VALUES | UNUSED
    teacher = {f"teacher.{rename(name)}": array for name, array in arrays.items()}
    student = {f"student.{rename(name)}": array + 100 for name, array in arrays.items()}
    return teacher | student


@pytest.mark.parametrize(
    "rename", [pytest.param(lambda name: name, id="ours"), pytest.param(upstream_name, id="upstream")]
)
def test_a_checkpoint_has_teacher_and_student_without_the_unused_layers(save, rename):
    loaded = load_checkpoint(save(whole_model(rename)))
    assert set(loaded.arrays) == {f"{network}.{name}" for network in ("teacher", "student") for name in EXPECTED}
    np.testing.assert_array_equal(loaded.arrays["teacher.bn1._mean"], VALUES["bn1._mean"])
    np.testing.assert_array_equal(loaded.arrays["student.bn1._mean"], VALUES["bn1._mean"] + 100)


def test_a_checkpoint_says_where_it_is_from(save):
    path = save(whole_model(str))
    loaded = load_checkpoint(path)
    assert loaded.source == path
    assert loaded.sha256 == hashlib.sha256(Path(path).read_bytes()).hexdigest()


def test_a_checkpoint_with_values_that_are_not_finite_is_refused(save):
    with pytest.raises(WeightsError, match="NaN"):
        load_checkpoint(save(whole_model(str) | {"student.bn1.weight": np.array([np.nan, 0], np.float32)}))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        pytest.param(
            VALUES,
            r"no STFPM checkpoint: it holds bn1\._mean, bn1\._variance, bn1\.weight and 2 more",
            id="a plain ResNet",
        ),
        pytest.param({f"teacher.{n}": a for n, a in VALUES.items()}, "holds no student", id="a teacher alone"),
        pytest.param({f"student.{n}": a for n, a in VALUES.items()}, "holds no teacher", id="a student alone"),
        pytest.param(UNUSED, "holds no teacher and no student", id="nothing that is used"),
    ],
)
def test_what_is_no_stfpm_is_refused(save, arrays, message):
    with pytest.raises(WeightsError, match=message):
        load_checkpoint(save(arrays))


def test_a_hostile_file_is_refused_with_its_path(tmp_path):
    path = tmp_path / "hostile.pdparams"
    path.write_bytes(b"\x80\x02cos\nsystem\nX\x04\x00\x00\x00true\x85R.")
    with pytest.raises(WeightsError, match=r"os\.system") as caught:
        load_checkpoint(str(path))
    assert caught.value.where == str(path)
