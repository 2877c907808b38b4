"""The one place that sets environment variables, because libraries read them when they are first imported.

Nothing that the user has set is overridden.
"""

from __future__ import annotations

import contextlib
import io
import os
import platform
import sys
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path

from paddlex.utils.caches import cache_folder

_NOISE = ("OMP_NUM_THREADS",)
_USERS_THREADS = os.environ.get("OMP_NUM_THREADS")  # before it is set below


def import_paddle() -> None:
    """Set what Paddle and its libraries read at import, then import it quietly. Later calls do nothing.

    - ``OMP_NUM_THREADS``: Paddle runs on ONE thread by default.
    - ``MKL_DEBUG_CPU_TYPE``: Paddle bundles a MKLML that takes its slowest path on processors that are not Intel's;
      5 selects AVX2, about three times as fast on AMD's.
    - ``GLOG_minloglevel``: 2 leaves out the information lines of Paddle's C++ side.
    - ``MPLCONFIGDIR``: see ``keep_matplotlib_in_cache``.
    - ``HOME``, for a user whom the machine does not know and who has none: Paddle makes a folder in it, which otherwise
      would be one named ``~`` here.

    Raises:
        ImportError: Paddle is not installed.
    """
    os.environ.setdefault("OMP_NUM_THREADS", str(usable_cores()))
    if "AMD" in _processor():
        os.environ.setdefault("MKL_DEBUG_CPU_TYPE", "5")
    os.environ.setdefault("GLOG_minloglevel", "2")
    if os.path.expanduser("~") == "~":
        os.environ["HOME"] = str(cache_folder())
    keep_matplotlib_in_cache()
    if "paddle" in sys.modules:
        return
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()) as said:
        warnings.simplefilter("ignore")
        import paddle  # noqa: F401
    # said at the first training step of every network with batch normalisation; it changes nothing
    warnings.filterwarnings("ignore", message="When training, we now always track global mean and variance")
    # said at the first minimum or maximum along an axis: that PyTorch's functions of these names return something else
    warnings.filterwarnings("ignore", message="\nNon compatible API")
    for line in said.getvalue().splitlines():  # Paddle warns of more than one thread, which is what we asked for
        if not any(word in line for word in _NOISE):
            print(line, file=sys.stderr)


def keep_matplotlib_in_cache() -> None:
    """Set ``MPLCONFIGDIR``, which Matplotlib reads at import: it keeps its fonts in the cache, not in the home."""
    os.environ.setdefault("MPLCONFIGDIR", str(cache_folder() / "matplotlib"))


def restore_threads() -> None:
    """Set Paddle's CPU threads to ``OMP_NUM_THREADS``: its inference engine leaves the process with one after every run.

    With another number of threads sums are rounded otherwise, and a training step takes longer with one.
    """
    set_threads(default_threads())


def set_threads(count: int) -> None:
    """Set the CPU threads of what Paddle computes from now on: OpenMP's for the calling thread, the math library's for all."""
    import paddle

    paddle.base.core.set_num_threads(count)


def default_threads() -> int:
    """CPU threads for a network: ``OMP_NUM_THREADS`` where that is set, else all cores."""
    count = os.environ.get("OMP_NUM_THREADS", "")
    return int(count) if count.isdecimal() and int(count) else usable_cores()


@contextlib.contextmanager
def environment_of_processes(count: int) -> Iterator[None]:
    """While the block runs, processes that are started divide the cores among themselves, and import Paddle quietly.

    Args:
        count: of the processes; each gets its share of the cores, at least one, or what the user has set.
    """
    wanted = {
        "OMP_NUM_THREADS": _USERS_THREADS or str(max(1, usable_cores() // count)),
        "PYTHONWARNINGS": ",".join(filter(None, [os.environ.get("PYTHONWARNINGS"), "ignore:No ccache found"])),
    }
    with changed_environment(wanted):
        yield


@contextlib.contextmanager
def changed_environment(values: Mapping[str, str]) -> Iterator[None]:
    """While the block runs, processes that are started have these environment variables."""
    previous = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in previous.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def communicate_on_cpu() -> None:
    """Let paddle.distributed use gloo, also where its build and the machine would have NCCL: read when it is initialised."""
    os.environ["PADDLE_DISTRI_BACKEND"] = "gloo"


def usable_cores() -> int:
    """Cores that this process may run on (a container may have fewer than the machine)."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS or Windows
        return os.cpu_count() or 1


def has_cpu_flag(flag: str) -> bool:
    """Whether the processor says that it has a feature, by Linux's name; True where that cannot be known."""
    flags = next((line for line in _processor().splitlines() if line.startswith("flags")), None)
    return flags is None or flag in flags.split()


def _processor() -> str:
    """Linux's description of the first processor; elsewhere its name."""
    try:
        return Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").partition("\n\n")[0]
    except OSError:
        return platform.processor()
