"""Devices as users name them: ``auto``, ``cpu``, ``gpu``, ``gpu:0``, ``gpu:0,1``."""

from __future__ import annotations

import ctypes
import re
import sys
from dataclasses import dataclass

from paddlex.errors import DeviceError
from paddlex.utils.private_imports import import_onnxruntime

_SYNTAX = re.compile(r"cpu|gpu(:\d+(,\d+)*)?")

#: Devices of PaddleX that this program cannot use.
_ELSEWHERE = ("npu", "xpu", "mlu", "dcu", "gcu", "iluvatar_gpu", "metax_gpu")


@dataclass(frozen=True)
class Device:
    """A device that exists.

    Attributes:
        kind: ``cpu`` or ``gpu``.
        indices: the GPUs' numbers; empty for a CPU.
    """

    kind: str
    indices: tuple[int, ...] = ()

    @property
    def is_gpu(self) -> bool:
        return self.kind == "gpu"

    @property
    def index(self) -> int:
        """The first GPU's number."""
        return self.indices[0]

    def use(self) -> None:
        """Make it Paddle's current one."""
        if self.is_gpu:
            import paddle

            paddle.set_device(f"gpu:{self.index}")

    def __str__(self) -> str:
        return f"gpu:{','.join(map(str, self.indices))}" if self.is_gpu else "cpu"


def resolve_device(name: str | None) -> Device:
    """Turn a device's name into one that exists; ``auto`` (or None) is the first GPU if there is one, else the CPU.

    Raises:
        DeviceError: the name is not understood, or the GPU is not there. Nothing falls back to the CPU in silence.
    """
    name = "auto" if name is None else str(name).strip().lower() or "auto"  # 0 is no device: gpu:0 is
    if name == "auto":
        return Device("gpu", (0,)) if gpu_count() else Device("cpu")
    if not _SYNTAX.fullmatch(name):
        raise DeviceError(f"unknown device {name!r}", remedy=_meant(name))
    if name == "cpu":
        return Device("cpu")
    indices = tuple(int(number) for number in name.partition(":")[2].split(",") if number) or (0,)
    available = gpu_count()
    if available == 0:
        raise DeviceError(
            f"the device {name} was asked for, but no GPU can be used",
            remedy="Install paddlepaddle-gpu (or onnxruntime-gpu) and a driver, see the README, or use device=cpu",
        )
    if max(indices) >= available:
        raise DeviceError(f"there is no {name}", remedy=f"This machine has {available} GPU(s), numbered from 0")
    return Device("gpu", indices)


def _meant(name: str) -> str:
    """What to say to who wrote a device in another program's way."""
    if match := re.fullmatch(r"(?:cuda|gpu|nvidia)?[: ]?(\d+(?:,\d+)*)?", name):
        return f"Did you mean gpu:{match[1] or 0}?"
    if name.partition(":")[0] in _ELSEWHERE:
        return "PaddleX runs on it, this program on CPUs and on NVIDIA's GPUs: use cpu or gpu:0"
    return "It is auto, cpu, gpu, gpu:0 or gpu:0,1"


def gpu_count() -> int:
    """GPUs that the installed Paddle, or else ONNX Runtime, can use; 0 where neither can."""
    count = _driver_gpu_count()
    if count == 0:  # known without importing anything large: most machines on a line have none
        return 0
    from paddlex.utils.paddle_environment import import_paddle

    try:
        import_paddle()
        import paddle

        if paddle.is_compiled_with_cuda():
            return int(paddle.device.cuda.device_count())
    except ImportError:
        pass
    try:
        onnxruntime = import_onnxruntime()
    except ImportError:
        return 0
    return count if "CUDAExecutionProvider" in onnxruntime.get_available_providers() else 0


def _driver_gpu_count() -> int:
    """GPUs that NVIDIA's driver sees; 0 without a driver."""
    name = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
    try:
        driver = ctypes.CDLL(name)
    except OSError:
        return 0
    count = ctypes.c_int(0)
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return 0
    return count.value
