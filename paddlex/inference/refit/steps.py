"""How far a refit is."""

from __future__ import annotations

from collections.abc import Callable, Mapping

#: (done, total, what): units that take about as long each, and what is done now, one of ``STAGES``.
Report = Callable[[int, int, str], object]

#: What is done, in this order.
STAGES = ("pictures", "features", "memory", "thresholds", "writing")

#: To read a picture, or to compute its features, is a unit; so is a row of Gaussians. This is a fold of a bank.
BANK_FOLD = 5


class Steps:
    """Counts what is done, and tells.

    Args:
        report: to whom; what it raises comes out of here.
        units: of each stage; those of a stage that has fewer are made up for when the next one begins.
    """

    def __init__(self, report: Report | None, units: Mapping[str, int]) -> None:
        self._report, self._units, self.total = report, units, sum(units.values())
        self._done, self._end, self._stage = 0, 0, ""

    def begin(self, stage: str) -> None:
        """All before this stage is done."""
        self._done, self._stage = self._end, stage
        self._end += self._units[stage]
        self._tell()

    def __call__(self, count: int = 1) -> None:
        """So many units of the stage are done."""
        self._done = min(self._done + count, self._end)
        self._tell()

    def _tell(self) -> None:
        if self._report is not None:
            self._report(self._done, self.total, self._stage)
