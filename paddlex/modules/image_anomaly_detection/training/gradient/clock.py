"""How fast a training goes, and how long it will take."""

from __future__ import annotations

import time


class TrainingClock:
    """Speed since the last reading, and the time left at the mean speed so far."""

    def __init__(self, first_step: int) -> None:
        self._start = self._last = time.monotonic()
        self._first_step = first_step
        self._images = 0

    def count(self, images: int) -> None:
        self._images += images

    def images_per_second(self) -> float:
        now = time.monotonic()
        speed = self._images / max(now - self._last, 1e-9)
        self._last, self._images = now, 0
        return speed

    def left(self, step: int, total_steps: int) -> str:
        seconds = (time.monotonic() - self._start) / max(1, step - self._first_step) * (total_steps - step)
        return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
