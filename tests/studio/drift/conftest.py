"""What the tests of drift share: made-up production, three shifts a day from the first of January 2026, 06:00 UTC."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from paddlex.studio.drift.verdicts import Reference, Verdicts

HOUR = 3_600_000
SHIFT = 8 * HOUR
START = 1_767_247_200_000


@pytest.fixture(scope="session")
def produce() -> Callable[..., Verdicts]:
    """(shifts, parts of each, seed) -> verdicts in which nothing changes; shifts differ by half of what parts differ."""

    def produced(shifts: int, parts: int = 120, seed: int = 0) -> Verdicts:
        rng, count = np.random.default_rng(seed), shifts * parts

        def column(usual: float, spread: float) -> np.ndarray:
            return usual + spread * (rng.normal(size=count) + 0.5 * np.repeat(rng.normal(size=shifts), parts))

        raw, zeros = column(10, 1), np.zeros(count, np.int64)
        return Verdicts(
            at=START + (np.arange(count) * (SHIFT / parts)).astype(np.int64),
            score=raw / 26, raw_score=raw, is_anomalous=raw > 13,
            brightness=column(120, 3), sharpness=column(-1, 0.08),
            offset_x=column(0, 2), offset_y=column(0, 2), angle=column(0, 0.5), model=zeros, optics=zeros,
        )  # fmt: skip

    return produced


@pytest.fixture(scope="session")
def reference() -> Reference:
    scores = 10 + np.random.default_rng(0).normal(size=200)
    return Reference(scores, np.full(200, 120.0), np.full(200, -1.0), target_fpr=0.05)
