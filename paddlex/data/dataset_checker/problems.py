"""What is wrong with a data set: collected, counted and logged, so that one run tells everything."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

from paddlex.errors import DatasetCheckError
from paddlex.utils.logging import logger

#: How many errors, and how many warnings, are logged and kept. All are counted.
LIMIT = 100


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, worded like an error: sentences without a full stop.

    Attributes:
        what: what is wrong.
        where: the file, and the line if it is a list.
        remedy: what the user can do.
        severity: ``error`` fails the check, ``warning`` does not.
    """

    what: str
    where: str
    remedy: str
    severity: str = "error"

    def __str__(self) -> str:
        return f"{self.what} ({self.where}). {self.remedy}."


class ProblemCollector:
    """Takes problems as they are found; to be used from one thread.

    Attributes:
        errors: the first ``LIMIT`` errors, as dicts with the keys of `Problem`.
        warnings: the first ``LIMIT`` warnings, likewise.
        error_count: how many errors were found.
        warning_count: how many warnings were found.
    """

    def __init__(self) -> None:
        self.errors: list[dict[str, str]] = []
        self.warnings: list[dict[str, str]] = []
        self.error_count = 0
        self.warning_count = 0

    def add(self, problem: Problem) -> None:
        """Count a problem; log and keep it unless there are too many of its severity."""
        if problem.severity == "error":
            self.error_count += 1
            self._keep(problem, self.errors, self.error_count)
        else:
            self.warning_count += 1
            self._keep(problem, self.warnings, self.warning_count)

    def extend(self, problems: Iterable[Problem]) -> None:
        for problem in problems:
            self.add(problem)

    def raise_if_errors(self) -> None:
        """Fail if any error was added.

        Raises:
            DatasetCheckError: with the errors kept and their total.
        """
        if self.error_count:
            raise DatasetCheckError(self.errors, self.error_count)

    @staticmethod
    def _keep(problem: Problem, kept: list[dict[str, str]], count: int) -> None:
        log = logger.error if problem.severity == "error" else logger.warning
        if len(kept) < LIMIT:
            kept.append(asdict(problem))
            log("%s", problem)
        elif count == LIMIT + 1:
            log("more than %d %ss: the others are only counted", LIMIT, problem.severity)
