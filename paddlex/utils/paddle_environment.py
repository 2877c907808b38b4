"""The one place that sets environment variables, because native libraries read them when Paddle is first imported.

Nothing that the user has set is overridden.
"""

from __future__ import annotations

import os
import platform
from pathlib import Path


def prepare_paddle_environment() -> None:
    """Set what Paddle and its libraries read at import. Call before ``import paddle``; later calls do nothing.

    - ``OMP_NUM_THREADS``: Paddle runs on ONE thread by default; on all cores a training step takes about two thirds of
      the time.
    - ``MKL_DEBUG_CPU_TYPE``: Paddle bundles a MKLML that takes its slowest path on processors that are not Intel's;
      5 selects AVX2, about three times as fast on AMD's.
    - ``FLAGS_enable_pir_api``: with 0 ``paddle.jit.save`` writes ``inference.pdmodel``, which every Paddle reads.
    """
    os.environ.setdefault("OMP_NUM_THREADS", str(usable_cores()))
    if "AMD" in _processor():
        os.environ.setdefault("MKL_DEBUG_CPU_TYPE", "5")
    os.environ.setdefault("FLAGS_enable_pir_api", "0")


def usable_cores() -> int:
    """Cores that this process may run on (a container may have fewer than the machine)."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS or Windows
        return os.cpu_count() or 1


def _processor() -> str:
    try:
        return Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")[:400]
    except OSError:
        return platform.processor()
