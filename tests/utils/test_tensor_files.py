"""Named arrays from files of PaddlePaddle, PyTorch and safetensors, and nothing else."""

import io
import json
import pickle
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from paddlex.errors import WeightsError
from paddlex.utils.tensor_files import decode_arrays, read_arrays

DATA = Path(__file__).parents[1] / "weight_files"

BFLOAT16_VALUES = [1.0, 3.140625, -0.0078125]  # exact in bfloat16


# Formats (how the files in tests/weight_files were made: see the README there)


@pytest.mark.parametrize("name", ["torch_zip.pth", "torch_legacy.pth"])
def test_tensors_that_torch_saved_are_read(name):
    arrays = read_arrays(DATA / name)
    expected = {
        "matrix": [[0, 1, 2], [3, 4, 5]],
        "transposed": [[0, 3], [1, 4], [2, 5]],
        "row": [3, 4, 5],
        "half": [0.5, -2.0],
        "bfloat16": BFLOAT16_VALUES,
        "parameter": [7],
        "steps": 5,
    }
    assert {name: array.tolist() for name, array in arrays.items()} == expected


def test_torch_dtypes_are_kept_and_bfloat16_becomes_float32():
    dtypes = {name: str(array.dtype) for name, array in read_arrays(DATA / "torch_zip.pth").items()}
    assert dtypes["matrix"] == "float32"
    assert dtypes["half"] == "float16"
    assert dtypes["bfloat16"] == "float32"
    assert dtypes["steps"] == "int64"


def test_torch_is_not_imported():
    read_arrays(DATA / "torch_zip.pth")
    assert "torch" not in sys.modules


@pytest.mark.parametrize("name", ["torch_training.pth", "torch_module_legacy.pth"])
def test_the_state_dict_is_found_with_or_without_a_training_checkpoint_around_it(name):
    arrays = read_arrays(DATA / name)
    assert sorted(arrays) == [
        "module.bn1.bias",
        "module.bn1.num_batches_tracked",
        "module.bn1.running_mean",
        "module.bn1.running_var",
        "module.bn1.weight",
    ]
    np.testing.assert_allclose(arrays["module.bn1.running_var"], 0.9, rtol=1e-6)


@pytest.mark.parametrize(
    "name",
    [
        "paddle_protocol2.pdparams",
        "paddle_protocol3.pdparams",
        "paddle_protocol4.pdparams",
        "paddle_nested.pdparams",
    ],
)
def test_tensors_that_paddle_saved_are_read(name):
    arrays = read_arrays(DATA / name)
    assert {name: array.tolist() for name, array in arrays.items()} == {
        "conv1.weight": [[0, 1, 2], [3, 4, 5]],
        "bn1._mean": [0.5, -2.0],
    }


def test_bfloat16_that_paddle_saved_becomes_float32():
    arrays = read_arrays(DATA / "paddle_bfloat16.pdparams")
    assert arrays["a"].dtype == np.float32
    assert arrays["a"].tolist() == BFLOAT16_VALUES


def safetensors_file(tensors: dict[str, tuple[str, list[int], bytes]]) -> bytes:
    """Written from the specification: header length, JSON header, content."""
    header, content = {}, b""
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {
            "dtype": dtype,
            "shape": shape,
            "data_offsets": [len(content), len(content) + len(data)],
        }
        content += data
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + content


def test_safetensors_are_read():
    data = safetensors.numpy.save({"a": np.array([[1.5], [2.0]], np.float16), "b": np.array(3, np.int64)})
    arrays = decode_arrays(data, "test")
    assert arrays["a"].dtype == np.float16
    assert arrays["a"].tolist() == [[1.5], [2.0]]
    assert arrays["b"].tolist() == 3


def test_bfloat16_in_safetensors_becomes_float32():
    # 1 is 0x3F80, 3.140625 is 0x4049, -0.0078125 is 0xBC00: the upper halves of their float32.
    data = safetensors_file({"a": ("BF16", [3], b"\x80\x3f\x49\x40\x00\xbc")})
    assert decode_arrays(data, "test")["a"].tolist() == BFLOAT16_VALUES


def test_the_content_decides_not_the_suffix(tmp_path):
    file = tmp_path / "weights.pdparams"
    file.write_bytes((DATA / "torch_zip.pth").read_bytes())
    assert "matrix" in read_arrays(file)


# Files that are no weights


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"<!DOCTYPE html><html>", "no known format.*DOCTYPE"),
        (b"version https://git-lfs.github.com/spec/v1\n", "no known format"),
        (b"\x80", "truncated or damaged"),
        (b"PK", "truncated or damaged"),
        (b"PK\x03\x04" + b"\0" * 100, "truncated or damaged"),
        (b"\xff" * 8 + b"{}", "no known format"),
        (b"\x02\0\0\0\0\0\0\0{", "no known format"),
        (b"\x02\0\0\0\0\0\0\0{x", "truncated or damaged"),
        (b"\x02\0\0\0\0\0\0\0{}", "no tensors"),
    ],
)
def test_what_is_no_weight_file_is_named(content, message, tmp_path):
    file = tmp_path / "weights.pth"
    file.write_bytes(content)
    with pytest.raises(WeightsError, match=message) as caught:
        read_arrays(file)
    assert caught.value.where == str(file)


def test_the_home_of_a_user_who_does_not_exist_is_a_missing_file():
    with pytest.raises(WeightsError, match="no such weight file"):
        read_arrays("~nobody-of-this-name/model.pdparams")


def test_a_missing_file_and_a_folder_are_told_apart(tmp_path):
    with pytest.raises(WeightsError, match="no such"):
        read_arrays(tmp_path / "absent.pth")
    with pytest.raises(WeightsError, match="folder"):
        read_arrays(tmp_path)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([np.zeros(1)], "holds a list"),
        (np.zeros(1), "holds a ndarray"),
        ({}, "no tensors"),
        ({"a": "text"}, "'a' is a str"),
        ({"a": None}, "'a' is a nonetype"),
        ({"a": {"b": np.zeros(1)}}, "'a' is a dict"),
        ({"a": [1.0, 2.0]}, "'a' is a list"),
        ({1: np.zeros(1)}, "impossible name"),
        ({"": np.zeros(1)}, "impossible name"),
        ({"a\x1b[31m": np.zeros(1)}, "impossible name"),
        ({"a" * 300: np.zeros(1)}, "impossible name"),
    ],
)
def test_a_pickle_must_hold_named_arrays(value, message):
    with pytest.raises(WeightsError, match=message) as caught:
        decode_arrays(pickle.dumps(value, protocol=4), "test")
    assert "\x1b" not in str(caught.value)


# Zip files


def rezipped(change, compression=zipfile.ZIP_STORED) -> bytes:
    """``torch_zip.pth`` with the entries that ``change`` makes of its own."""
    with zipfile.ZipFile(DATA / "torch_zip.pth") as archive:
        entries = change({name: archive.read(name) for name in archive.namelist()})
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", compression) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return data.getvalue()


def test_the_folder_in_the_zip_may_have_any_name():
    def move(entries):
        return {"../../" + name.replace("torch_zip", "x"): content for name, content in entries.items()}

    with pytest.raises(WeightsError, match=r"not written by torch\.save"):
        decode_arrays(rezipped(move), "test")
    data = rezipped(lambda entries: {n.replace("torch_zip", "archive"): c for n, c in entries.items()})
    assert "matrix" in decode_arrays(data, "test")


def test_a_compressed_zip_is_refused():
    with pytest.raises(WeightsError, match="compressed or forged"):
        decode_arrays(rezipped(lambda entries: entries, zipfile.ZIP_DEFLATED), "test")


def test_overlapping_entries_are_refused():
    data = bytearray(rezipped(lambda entries: entries))
    # The sizes in the central directory say that an entry of 24 bytes has 16 MB.
    start = data.rindex(b"torch_zip/data/0") - 46
    assert data[start : start + 4] == b"PK\x01\x02"
    data[start + 20 : start + 28] = (2**24).to_bytes(4, "little") * 2
    with pytest.raises(WeightsError, match="compressed or forged"):
        decode_arrays(bytes(data), "test")


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda e: {n: c for n, c in e.items() if n != "torch_zip/data/0"}, id="a storage is missing"),
        pytest.param(lambda e: e | {"torch_zip/data/0": b"\0" * 20}, id="a storage is too short"),
        pytest.param(lambda e: e | {"torch_zip/data/0": b"\0" * 28}, id="a storage is too long"),
        pytest.param(lambda e: e | {"torch_zip/data.pkl": e["torch_zip/data.pkl"][:-9]}, id="the pickle is truncated"),
        pytest.param(lambda e: e | {"torch_zip/byteorder": b"big"}, id="big-endian"),
        pytest.param(lambda e: e | {"other/data.pkl": b""}, id="two pickles"),
        pytest.param(lambda e: {"readme.txt": b"hello"}, id="not of torch at all"),
    ],
)
def test_a_zip_that_torch_would_not_write_is_a_weights_error(change):
    with pytest.raises(WeightsError):
        decode_arrays(rezipped(change), "test")


def test_many_views_of_one_storage_are_refused_because_copies_would_fill_the_memory():
    def view(index: int) -> bytes:
        name = b"X\x02\x00\x00\x00" + f"{index:02}".encode()
        storage = b"(U\x07storagectorch\nFloatStorage\nU\x010U\x03cpuM\x10\x27tQ"  # 10,000 elements
        return name + b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"K\x00M\x10\x27\x85K\x01\x85\x89NtR"

    def with_views(count: int) -> bytes:
        program = b"\x80\x02}(" + b"".join(view(index) for index in range(count)) + b"u."
        return rezipped(lambda entries: entries | {"torch_zip/data.pkl": program, "torch_zip/data/0": b"\0" * 40_000})

    assert len(decode_arrays(with_views(1), "test")) == 1
    with pytest.raises(WeightsError, match="larger than the file"):
        decode_arrays(with_views(50), "test")


def test_a_hostile_pickle_in_a_zip_is_refused():
    def poison(entries):
        return entries | {"torch_zip/data.pkl": b"\x80\x02cos\nsystem\nX\x04\x00\x00\x00true\x85R."}

    with pytest.raises(WeightsError, match=r"wants to use os\.system.*torch\.load"):
        decode_arrays(rezipped(poison), "test")


def test_a_whole_pickled_model_is_refused_with_a_remedy():
    def pickled_model(entries):
        return entries | {"torch_zip/data.pkl": b"\x80\x02ctorchvision.models.resnet\nResNet\n)\x81."}

    with pytest.raises(WeightsError, match=r"torchvision\.models\.resnet\.ResNet.*save the state dict alone"):
        decode_arrays(rezipped(pickled_model), "test")


# Damaged safetensors


@pytest.mark.parametrize(
    "tensors",
    [
        pytest.param({"a": ("F32", [3], b"\0" * 8)}, id="shape larger than the content"),
        pytest.param({"a": ("F32", [2**40, 2**40], b"\0" * 8)}, id="shape that overflows"),
        pytest.param({"a": ("F8_E4M3", [8], b"\0" * 8)}, id="a dtype that is not read"),
        pytest.param({"a": ("OBJECT", [1], b"\0" * 8)}, id="a dtype that does not exist"),
    ],
)
def test_a_wrong_header_of_safetensors_is_a_weights_error(tensors):
    with pytest.raises(WeightsError):
        decode_arrays(safetensors_file(tensors), "test")
