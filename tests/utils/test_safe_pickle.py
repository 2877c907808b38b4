"""A pickle from a stranger yields arrays or an error, and nothing of it is ever run."""

import io
import os
import pickle
import pickletools
import random
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest

from paddlex.errors import WeightsError
from paddlex.utils.pickled_tensors import Storage, Tensor
from paddlex.utils.safe_pickle import unpickle
from paddlex.utils.tensor_files import decode_arrays

DATA = Path(__file__).parents[1] / "weight_files"


def load(data: bytes):
    return unpickle(io.BytesIO(data))[0]


class Calls:
    """Pickles as a call of ``function`` with ``arguments``."""

    def __init__(self, function, *arguments, state=None):
        self.reduced = (function, arguments) if state is None else (function, arguments, state)

    def __reduce__(self):
        return self.reduced


# What is read


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8", "i1", "<i8", "u1", "?", ">f4"])
def test_arrays_of_numbers_come_back_equal(protocol, dtype):
    array = np.array([[0, 1, 2], [3, 4, 5]], dtype)
    restored = load(pickle.dumps({"a": array, "b": array.T}, protocol=protocol))
    np.testing.assert_array_equal(restored["a"], array)
    np.testing.assert_array_equal(restored["b"], array.T)


def test_arrays_pickled_by_numpy_1_are_read():
    data = pickle.dumps({"a": np.arange(3.0)}, protocol=2).replace(b"numpy._core.", b"numpy.core.")
    np.testing.assert_array_equal(load(data)["a"], [0, 1, 2])


def test_arrays_pickled_by_python_2_are_read():
    # Python 2 has no bytes: names and content are byte strings (U: SHORT_BINSTRING).
    data = (
        b"\x80\x02}U\x01acnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01K\x02\x85"
        b"cnumpy\ndtype\nU\x02f4K\x00K\x01\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        b"\x89U\x08\x00\x00\x80\x3f\x00\x00\x00\xc0tbs."
    )
    np.testing.assert_array_equal(load(data)["a"], [1.0, -2.0])


@pytest.mark.parametrize("protocol", [2, 4])
def test_an_ordered_dict_becomes_a_dict_in_the_same_order(protocol):
    restored = load(pickle.dumps(OrderedDict(b=1, a=2), protocol=protocol))
    assert type(restored) is dict
    assert list(restored) == ["b", "a"]


def test_attributes_of_an_ordered_dict_are_left_out():
    tensors = OrderedDict(a=1)
    tensors._metadata = {"version": 2}  # as torch does
    restored = load(pickle.dumps(tensors, protocol=2))
    assert restored == {"a": 1}
    assert not hasattr(restored, "_metadata")


def test_the_reader_stops_behind_the_pickle():
    stream = io.BytesIO(pickle.dumps(1, protocol=2) + pickle.dumps(2, protocol=2))
    assert [unpickle(stream)[0], unpickle(stream)[0]] == [1, 2]


# What is refused: calls and names


@pytest.mark.parametrize(
    "hostile",
    [
        pytest.param(lambda path: Calls(os.system, f"touch {path}"), id="os.system"),
        pytest.param(lambda path: Calls(eval, f"open({path!r}, 'w')"), id="eval"),
        pytest.param(lambda path: Calls(open, path, "w"), id="open"),
        pytest.param(lambda path: Calls(getattr, np.ndarray, "tofile"), id="getattr"),
        pytest.param(lambda path: Calls(np.array([1.0]).tofile, path), id="a method of an array"),
        pytest.param(lambda path: Calls(np.load, path), id="numpy.load"),
        pytest.param(lambda path: Calls(Path, path), id="pathlib"),
    ],
)
@pytest.mark.parametrize("protocol", [2, 4])
def test_a_call_of_anything_but_a_tensor_is_refused_and_not_made(hostile, protocol, tmp_path):
    written = tmp_path / "written"
    with pytest.raises(WeightsError, match="which no tensor needs"):
        load(pickle.dumps({"a": hostile(str(written))}, protocol=protocol))
    assert not written.exists()


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("os", "system"),
        ("numpy", "load"),
        ("numpy", "core.multiarray._reconstruct"),  # STACK_GLOBAL may walk attributes
        ("numpy.core.multiarray", "_reconstruct.__self__"),
        ("collections", "OrderedDict.__init__.__globals__"),
        ("torch.storage", "_load_from_bytes"),
        ("torch", "load"),
        ("builtins", "tuple.__class__"),
        ("numpy dtype", ""),
        ("", "numpy dtype"),
        ("paddlex.utils.pickled_tensors", "Name"),
    ],
)
def test_only_exact_names_are_known(module, name):
    def text(value):
        return b"\x8c" + bytes([len(value)]) + value.encode()

    with pytest.raises(WeightsError, match="which no tensor needs"):
        load(b"\x80\x04" + text(module) + text(name) + b"\x93.")


def test_the_error_names_what_the_file_wanted_to_use():
    with pytest.raises(WeightsError, match=r"posix\.system|nt\.system"):
        load(pickle.dumps(Calls(os.system, "true"), protocol=2))


def test_escape_sequences_do_not_reach_the_terminal():
    with pytest.raises(WeightsError) as caught:
        load(b"\x80\x04\x8c\x05\x1b[31m\x8c\x01x\x93.")
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize(
    "program",
    [
        pytest.param(b"\x80\x02\x82\x01.", id="EXT1"),
        pytest.param(b"(S'true'\nios\nsystem\n.", id="INST"),
        pytest.param(b"\x80\x02(cnumpy\nndarray\nK\x08o.", id="OBJ"),
        pytest.param(b"\x80\x04cnumpy\nndarray\n)}\x92.", id="NEWOBJ_EX"),
        pytest.param(b"\x80\x05\x97.", id="NEXT_BUFFER"),
        pytest.param(b"\x80\x04\x8f.", id="EMPTY_SET"),
        pytest.param(b"\x80\x02Pos\n.", id="PERSID"),
    ],
)
def test_operations_that_no_tensor_needs_are_refused(program):
    assert list(pickletools.genops(program)), "the program itself is well-formed"
    with pytest.raises(WeightsError):
        load(program)


@pytest.mark.parametrize(
    "program",
    [
        pytest.param(b"\x80\x02cnumpy\nndarray\nJ\x00\x00\x00\x40\x85R.", id="numpy.ndarray(2**30)"),
        pytest.param(b"\x80\x02cnumpy\nndarray\nJ\x00\x00\x00\x40\x85\x81.", id="ndarray.__new__"),
        pytest.param(b"\x80\x02ctorch\nFloatStorage\nK\x08\x85R.", id="a storage type is called"),
        pytest.param(b"\x80\x02X\x01\x00\x00\x00aK\x08\x85R.", id="text is called"),
        pytest.param(b"\x80\x02cnumpy\ndtype\n(K\x03tb.", id="state of a function"),
        pytest.param(b"\x80\x02c_codecs\nencode\nN}X\x04\x00\x00\x00nameK\x01s\x86b.", id="attribute of a function"),
        pytest.param(b"\x80\x02]}X\x01\x00\x00\x00aK\x01sb.", id="attribute of a list"),
        pytest.param(b"\x80\x02U\x06moduleQ.", id="a persistent id that is text"),
        pytest.param(b"\x80\x02(U\x06moduleNNNNtQ.", id="a persistent id that is a module"),
        pytest.param(b"\x80\x02(U\x07storagecnumpy\ndtype\nU\x010U\x03cpuK\x01tQ.", id="storage of no storage type"),
        pytest.param(b"\x80\x02(U\x07storagectorch\nFloatStorage\nU\x010U\x03cpuJ\xff\xff\xff\xfftQ.", id="size -1"),
        pytest.param(b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00aX\x05\x00\x00\x00utf-7\x86R.", id="other encoding"),
        pytest.param(b"\x80\x02cbuiltins\ntuple\nK\x01K\x02\x86\x85R.", id="a tuple of no tensor"),
        pytest.param(b"\x80\x02ctorch._utils\n_rebuild_parameter\nK\x01NN\x87R.", id="a parameter of no tensor"),
        pytest.param(b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(K\x01K\x00))\x89NtR.", id="a tensor of no storage"),
    ],
)
def test_known_names_do_nothing_but_make_tensors(program):
    assert list(pickletools.genops(program)), "the program itself is well-formed"
    with pytest.raises((WeightsError, ValueError, AttributeError, KeyError)):
        load(program)


# What is refused: content


@pytest.mark.parametrize(
    "array",
    [
        pytest.param(np.array([None, {}], dtype=object), id="objects"),
        pytest.param(np.array(["a"]), id="text"),
        pytest.param(np.array([b"a"]), id="bytes"),
        pytest.param(np.zeros(2, [("x", "f4"), ("y", "O")]), id="records with objects"),
        pytest.param(np.array(["2020-01-01"], dtype="M8[D]"), id="dates"),
        pytest.param(np.zeros(2, "c8"), id="complex numbers"),
    ],
)
def test_arrays_of_anything_but_numbers_are_refused(array):
    with pytest.raises(WeightsError, match="not of plain numbers"):
        load(pickle.dumps({"a": array}, protocol=2))


def array_with_state(*state):
    reconstruct = np.zeros(0).__reduce__()[0]
    return pickle.dumps({"a": Calls(reconstruct, np.ndarray, (0,), b"b", state=state)}, protocol=3)


FLOAT32 = np.dtype("<f4")


@pytest.mark.parametrize(
    "state",
    [
        pytest.param((1, (3,), FLOAT32, False, b"\0" * 8), id="content too short"),
        pytest.param((1, (1,), FLOAT32, False, b"\0" * 8), id="content too long"),
        pytest.param((1, (-2,), FLOAT32, False, b"\0" * 8), id="negative size"),
        pytest.param((1, (2**62, 4), FLOAT32, False, b""), id="size that overflows 64 bits"),
        pytest.param((1, (True, 2), FLOAT32, False, b"\0" * 8), id="size that is no integer"),
        pytest.param((1, (1,) * 100, FLOAT32, False, b"\0" * 4), id="a hundred dimensions"),
        pytest.param((1, (2,), FLOAT32, False, [1, 2]), id="content is a list"),
        pytest.param((1, (2,), "O", False, b"\0" * 16), id="dtype is text"),
        pytest.param((1, 2, FLOAT32, False, b"\0" * 8), id="shape is a number"),
        pytest.param((), id="no state"),
    ],
)
def test_an_array_whose_description_is_wrong_is_damaged(state):
    with pytest.raises((ValueError, TypeError, AttributeError)):
        load(array_with_state(*state))


def test_a_well_described_array_is_read():
    """The twin of the test above: only the description makes the difference."""
    data = array_with_state(1, (2,), FLOAT32, False, b"\0\0\x80\x3f\0\0\0\xc0")
    np.testing.assert_array_equal(load(data)["a"], [1.0, -2.0])


@pytest.mark.parametrize("key", [("a",), None, 1.5, b"a", True], ids=repr)
def test_keys_other_than_text_and_whole_numbers_are_refused(key):
    with pytest.raises(ValueError, match="key"):
        load(pickle.dumps({key: 1}, protocol=3))


def test_a_key_nested_a_hundred_thousand_deep_is_refused():
    with pytest.raises(ValueError, match="key"):  # hashing it would overflow the C stack: no exception, a crash
        load(b"\x80\x02})" + b"\x85" * 100_000 + b"K\x01s.")


def test_a_storage_key_nested_half_a_million_deep_is_refused():
    """To look it up would overflow the stack of the interpreter: a segmentation fault."""
    header = [0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}, {}]
    keys = b"\x80\x02](" + b")" + b"\x85" * 500_000 + b"e."
    file = b"".join(pickle.dumps(part, protocol=2) for part in header) + keys
    with pytest.raises(WeightsError, match="a storage has a key that is not text"):
        decode_arrays(file, "file")


def test_a_dtype_code_nested_a_hundred_thousand_deep_is_refused():
    with pytest.raises(WeightsError):
        load(b"\x80\x02cnumpy\ndtype\n)" + b"\x85" * 100_000 + b"\x89\x88\x87R.")


def test_a_dictionary_that_holds_itself_does_no_harm():
    data: dict = {}
    data["a"] = data
    with pytest.raises(WeightsError, match="'a' is a dict"):
        decode_arrays(pickle.dumps(data, protocol=2), "test")


def test_a_memo_index_of_four_billion_takes_no_memory():
    assert load(b"\x80\x02Nr\xff\xff\xff\xff.") is None


def test_millions_of_operations_are_refused():
    with pytest.raises(ValueError, match="more operations"):
        load(b"\x80\x02" + b"N" * 1_100_000 + b".")


def test_one_long_text_cannot_be_copied_without_end(monkeypatch):
    monkeypatch.setattr("paddlex.utils.safe_pickle._MAX_COPIED_BYTES", 10_000)
    text = b"X" + (1000).to_bytes(4, "little") + b"a" * 1000
    copy = b"c_codecs\nencode\nh\x00X\x06\x00\x00\x00latin1\x86R"
    assert load(b"\x80\x02" + text + b"q\x00" + copy * 9 + b".") == b"a" * 1000
    with pytest.raises(ValueError, match="more memory"):
        load(b"\x80\x02" + text + b"q\x00" + copy * 11 + b".")


# Damage


@pytest.mark.parametrize("name", ["paddle_protocol2.pdparams", "paddle_protocol4.pdparams", "torch_legacy.pth"])
def test_a_file_truncated_anywhere_is_a_weights_error(name):
    data = (DATA / name).read_bytes()
    for length in range(len(data)):
        with pytest.raises(WeightsError):
            decode_arrays(data[:length], name)


@pytest.mark.parametrize(
    "name", ["paddle_protocol2.pdparams", "paddle_protocol4.pdparams", "torch_legacy.pth", "torch_zip.pth"]
)
def test_random_damage_is_a_weights_error_or_goes_unnoticed(name):
    original = (DATA / name).read_bytes()
    generator = random.Random(0)
    for _ in range(1500):
        damaged = bytearray(original)
        for _ in range(generator.randint(1, 4)):
            damaged[generator.randrange(len(damaged))] = generator.randrange(256)
        try:
            arrays = decode_arrays(bytes(damaged), name)
        except WeightsError:
            continue
        assert all(isinstance(array, np.ndarray) and array.dtype != object for array in arrays.values())


# Torch tensors are views of storages: no view may reach outside


ELEMENTS = np.arange(6, dtype=np.float32)
STORAGE = Storage("0", np.dtype("<f4"), 6)


@pytest.mark.parametrize(
    ("offset", "shape", "strides", "expected"),
    [
        (0, (2, 3), (3, 1), [[0, 1, 2], [3, 4, 5]]),
        (0, (3, 2), (1, 3), [[0, 3], [1, 4], [2, 5]]),
        (3, (3,), (1,), [3, 4, 5]),
        (1, (2, 2), (3, 1), [[1, 2], [4, 5]]),
        (5, (), (), 5),
        (0, (0, 3), (3, 1), np.zeros((0, 3))),
        (5, (1, 1), (1000, 1000), [[5]]),
        (2, (3,), (0,), [2, 2, 2]),
    ],
)
def test_a_tensor_is_the_part_of_its_storage_that_it_describes(offset, shape, strides, expected):
    np.testing.assert_array_equal(Tensor(STORAGE, offset, shape, strides).view(ELEMENTS), expected)


@pytest.mark.parametrize(
    ("offset", "shape", "strides"),
    [
        pytest.param(0, (7,), (1,), id="too many elements"),
        pytest.param(4, (3,), (1,), id="offset too large"),
        pytest.param(6, (1,), (1,), id="begins behind the end"),
        pytest.param(-1, (2,), (1,), id="begins before the start"),
        pytest.param(0, (2, 2), (5, 1), id="stride too large"),
        pytest.param(5, (2,), (-1,), id="negative stride"),
        pytest.param(0, (2,), (2**61,), id="a stride that overflows"),
        pytest.param(2**62, (1,), (1,), id="an offset that overflows"),
        pytest.param(0, (1000, 1000, 1000), (0, 0, 0), id="stride 0: 4 GB out of 24 bytes"),
        pytest.param(0, (2, 3), (1,), id="fewer strides than dimensions"),
        pytest.param(0, [2, 3], [3, 1], id="lists"),
        pytest.param(0, (2.0,), (1,), id="a size that is no integer"),
        pytest.param(None, (2,), (1,), id="no offset"),
    ],
)
def test_a_tensor_that_reaches_outside_its_storage_is_refused(offset, shape, strides):
    with pytest.raises(ValueError, match="tensor"):
        Tensor(STORAGE, offset, shape, strides).view(ELEMENTS)


def test_a_tensor_cannot_be_written_through():
    with pytest.raises(ValueError, match="read-only"):
        Tensor(STORAGE, 0, (6,), (1,)).view(ELEMENTS)[0] = 1
