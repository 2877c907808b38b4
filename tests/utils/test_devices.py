"""Devices by name: one that exists, or an error; never another one in silence."""

from __future__ import annotations

import pytest

from paddlex.errors import DeviceError
from paddlex.utils import devices
from paddlex.utils.devices import Device, gpu_count, resolve_device


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch):
    def gpus(count: int) -> None:
        monkeypatch.setattr(devices, "gpu_count", lambda: count)

    return gpus


@pytest.mark.parametrize("name", ["cpu", " CPU ", "Cpu"])
def test_the_cpu_is_always_there_even_beside_gpus(gpus, name: str) -> None:
    gpus(4)
    device = resolve_device(name)
    assert (str(device), device.is_gpu) == ("cpu", False)


@pytest.mark.parametrize(("count", "expected"), [(0, "cpu"), (1, "gpu:0"), (4, "gpu:0")])
@pytest.mark.parametrize("name", ["auto", None, "AUTO"])
def test_auto_is_the_first_gpu_if_there_is_one(gpus, name: str | None, count: int, expected: str) -> None:
    gpus(count)
    assert str(resolve_device(name)) == expected


@pytest.mark.parametrize(
    ("name", "indices"), [("gpu", (0,)), ("gpu:0", (0,)), ("gpu:1", (1,)), ("gpu:0,1", (0, 1)), ("GPU:1,0", (1, 0))]
)
def test_gpus_are_named_by_their_numbers(gpus, name: str, indices: tuple[int, ...]) -> None:
    gpus(2)
    device = resolve_device(name)
    assert device == Device("gpu", indices)
    assert device.is_gpu
    assert device.index == indices[0]
    assert resolve_device(str(device)) == device


@pytest.mark.parametrize("name", ["tpu", "gpu:x", "gpu:0,", "gpu:-1", "cpu:0", "gpu:0;1"])
def test_another_name_is_refused_with_those_that_exist(gpus, name: str) -> None:
    gpus(2)
    with pytest.raises(DeviceError) as caught:
        resolve_device(name)
    assert str(caught.value) == f"unknown device {name!r}. It is auto, cpu, gpu, gpu:0 or gpu:0,1."


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("cuda", "gpu:0"), ("cuda:0", "gpu:0"), ("CUDA:1", "gpu:1"), ("0", "gpu:0"), ("0,1", "gpu:0,1"), ("gpu0", "gpu:0"),
        ("gpu:", "gpu:0"), ("gpu 1", "gpu:1"),
    ],
)  # fmt: skip
def test_another_programs_name_of_a_gpu_is_refused_with_ours(gpus, name: str, meant: str) -> None:
    gpus(2)
    with pytest.raises(DeviceError) as caught:
        resolve_device(name)
    assert str(caught.value).endswith(f"Did you mean {meant}?")


def test_a_bare_number_is_never_the_cpu(gpus) -> None:
    gpus(0)
    with pytest.raises(DeviceError, match=r"Did you mean gpu:0\?"):
        resolve_device(0)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["npu:0", "xpu", "mlu:0", "dcu"])
def test_a_device_that_paddlex_alone_can_use_is_refused_with_those_that_work(gpus, name: str) -> None:
    gpus(0)
    with pytest.raises(DeviceError, match=r"use cpu or gpu:0"):
        resolve_device(name)


@pytest.mark.parametrize("name", ["gpu", "gpu:0"])
def test_a_gpu_that_is_not_there_is_an_error_and_never_the_cpu(gpus, name: str) -> None:
    gpus(0)
    with pytest.raises(DeviceError) as caught:
        resolve_device(name)
    assert str(caught.value) == (
        f"the device {name} was asked for, but no GPU can be used. "
        "Install paddlepaddle-gpu (or onnxruntime-gpu) and a driver, see the README, or use device=cpu."
    )


@pytest.mark.parametrize("name", ["gpu:2", "gpu:0,2"])
def test_a_number_beyond_the_last_gpu_is_an_error_that_tells_how_many_there_are(gpus, name: str) -> None:
    gpus(2)
    with pytest.raises(DeviceError) as caught:
        resolve_device(name)
    assert str(caught.value) == f"there is no {name}. This machine has 2 GPU(s), numbered from 0."


def test_the_cpu_build_of_paddle_has_no_gpus() -> None:
    import paddle

    if paddle.is_compiled_with_cuda():
        pytest.skip("this is the GPU build")
    assert gpu_count() == 0
