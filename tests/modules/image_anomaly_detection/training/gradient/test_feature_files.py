"""Features in files come back bit for bit, belong to one teacher and image, and never cost more than time."""

import os

import numpy as np
import paddle
import pytest

from paddlex.modules.image_anomaly_detection.models.stfpm.network import STFPM
from paddlex.modules.image_anomaly_detection.training.gradient.feature_files import FeatureFiles
from paddlex.modules.image_anomaly_detection.training.gradient.teacher_features import TeacherFeatures

IMAGES = np.random.default_rng(0).normal(size=(4, 3, 64, 64)).astype(np.float32)
#: layer1 and layer2 of a 64x64 image in float32, and the file's header
FILE_BYTES = 4 * (64 * 16 * 16 + 128 * 8 * 8) + 4096


@pytest.fixture(scope="module")
def network() -> STFPM:
    paddle.seed(0)
    return STFPM(layers=("layer1", "layer2"), image_size=(64, 64))


def features(network, files, numbers, memory_bytes=0) -> list[list[np.ndarray]]:
    """What two passes over the images give: the second one reads what the first one wrote."""
    teacher = TeacherFeatures(network, memory_bytes, files)
    passes = []
    for _ in range(2):
        x = paddle.to_tensor(IMAGES[numbers])
        passes.append([layer.numpy() for layer in teacher(numbers, x)])
    return passes


def test_what_does_not_fit_in_memory_comes_back_from_files_bit_for_bit(network, tmp_path):
    computed, read = features(network, FeatureFiles(tmp_path), [0, 1, 2, 3])
    assert len(list(tmp_path.iterdir())) == 4
    for got, wanted in zip(read, computed, strict=True):
        np.testing.assert_array_equal(got, wanted)


def test_a_later_run_finds_them_and_computes_nothing(network, tmp_path, monkeypatch):
    wanted, _ = features(network, FeatureFiles(tmp_path), [0, 1, 2, 3])
    teacher = TeacherFeatures(network, 0, FeatureFiles(tmp_path))
    teacher(["new"], paddle.to_tensor(IMAGES[:1]))  # from here on memory is known to be full
    monkeypatch.setattr(network, "teacher_features", lambda x: pytest.fail("computed again"))
    got = teacher([0, 1, 2, 3], paddle.to_tensor(IMAGES))
    for layer, expected in zip(got, wanted, strict=True):
        np.testing.assert_array_equal(layer.numpy(), expected)


def npy(header: str) -> bytes:
    """A file with this description of its array."""
    text = header.encode()
    return b"\x93NUMPY\x02\x00" + len(text).to_bytes(4, "little") + text + bytes(64)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"PK\x03\x04" + bytes(100), id="a zip file"),
        pytest.param(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1,)}"), id="without layers"),
        pytest.param(
            npy("{'descr': [('layer0', '<u2', (2,))], 'fortran_order': False, 'shape': (1,)}"), id="other numbers"
        ),
        pytest.param(npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}"), id="objects"),
        pytest.param(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}"), id="a negative size"),
        pytest.param(
            npy("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999,)}"), id="larger than the file"
        ),
        pytest.param(npy("(" * 9000), id="nested deep"),
        pytest.param(npy("{'descr': " + "[" * 3000 + "]" * 3000), id="a type that is nested deep"),
    ],
)
def test_a_file_that_holds_something_else_is_as_good_as_none(tmp_path, content):
    (tmp_path / "a.npy").write_bytes(content)
    assert FeatureFiles(tmp_path).read("a") is None


def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.npy")
    assert FeatureFiles(tmp_path).read("a") is None


def test_another_image_and_another_teacher_have_other_names(network, tmp_path):
    files = FeatureFiles(tmp_path)
    name = files.name_of(network, IMAGES[0])
    assert files.name_of(network, IMAGES[0].copy()) == name == FeatureFiles(tmp_path).name_of(network, IMAGES[0])
    assert files.name_of(network, np.nextafter(IMAGES[0], np.float32(9))) != name
    paddle.seed(1)
    other = STFPM(layers=("layer1", "layer2"), image_size=(64, 64))
    assert FeatureFiles(tmp_path).name_of(other, IMAGES[0]) != name


@pytest.mark.parametrize("damage", ["truncated", "empty", "no array"])
def test_a_damaged_file_is_computed_again(damage, network, tmp_path):
    wanted, _ = features(network, FeatureFiles(tmp_path), [0])
    (path,) = tmp_path.iterdir()
    data = path.read_bytes()
    path.write_bytes({"truncated": data[:-1], "empty": b"", "no array": b"x" * len(data)}[damage])
    for got in features(network, FeatureFiles(tmp_path), [0]):
        np.testing.assert_array_equal(got[0], wanted[0])
    assert path.read_bytes() == data


def test_the_limit_is_kept_and_what_does_not_fit_is_computed_again(network, tmp_path, caplog):
    computed, again = features(network, FeatureFiles(tmp_path, 2 * FILE_BYTES), [0, 1, 2, 3])
    assert len(list(tmp_path.iterdir())) == 2
    assert "is full" in caplog.text
    for got, wanted in zip(again, computed, strict=True):
        np.testing.assert_array_equal(got, wanted)


def test_features_unused_for_the_longest_time_make_room(network, tmp_path):
    for age, number in enumerate([0, 1]):
        features(network, FeatureFiles(tmp_path), [number])
        for path in tmp_path.iterdir():
            os.utime(path, (path.stat().st_atime, path.stat().st_mtime - 1000 * (2 - age)))
    files = FeatureFiles(tmp_path, 2 * FILE_BYTES)
    oldest, newer, new = (files.name_of(network, IMAGES[number]) for number in (0, 1, 2))
    features(network, files, [2])
    assert {path.stem for path in tmp_path.iterdir()} == {newer, new}, oldest


def test_a_folder_that_cannot_be_written_is_a_warning(network, tmp_path, caplog):
    (tmp_path / "file").touch()
    computed, again = features(network, FeatureFiles(tmp_path / "file" / "folder"), [0, 1])
    assert "No more features can be kept" in caplog.text
    for got, wanted in zip(again, computed, strict=True):
        np.testing.assert_array_equal(got, wanted)


def test_what_fits_in_memory_leaves_no_files(network, tmp_path):
    features(network, FeatureFiles(tmp_path / "folder"), [0, 1], memory_bytes=1 << 30)
    assert not (tmp_path / "folder").exists()


def test_images_without_names_are_neither_kept_nor_looked_up(network, tmp_path):
    teacher = TeacherFeatures(network, 0, FeatureFiles(tmp_path))
    for number in (0, 1):
        x = paddle.to_tensor(IMAGES[number : number + 1])
        for got, wanted in zip(teacher(None, x), network.teacher_features(x), strict=True):
            np.testing.assert_array_equal(got.numpy(), wanted.numpy())
    assert not list(tmp_path.iterdir())
