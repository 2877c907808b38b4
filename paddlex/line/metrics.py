"""What Prometheus is told of a station; nothing where its client is not installed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from paddlex.line.contract import Answer

_SECONDS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)


class Metrics:
    """The counters of one station.

    Args:
        ports: by their names.
        undelivered: how many answers each has still to deliver.
    """

    def __init__(self, ports: Iterable[str], undelivered: Callable[[], dict[str, int]]) -> None:
        try:
            from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
        except ModuleNotFoundError:
            self._registry = None
            return
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self._answers = Counter(
            "paddlex_line_answers", "Answers to triggers.", ("verdict", "fail_safe"), registry=registry
        )
        self._seconds = Histogram(
            "paddlex_line_seconds", "From a trigger to its verdict.", buckets=_SECONDS, registry=registry
        )
        self._late = Counter("paddlex_line_late_verdicts", "Verdicts that came after the deadline.", registry=registry)
        waiting = Gauge("paddlex_line_undelivered", "Answers that wait for a port.", ("port",), registry=registry)
        for name in ports:
            waiting.labels(name).set_function(partial(_of, undelivered, name))

    def answered(self, answer: Answer) -> None:
        """Count an answer."""
        if self._registry is not None:
            self._answers.labels(answer.verdict, answer.fail_safe or "").inc()
            self._seconds.observe(answer.seconds)

    def late(self) -> None:
        """Count a verdict that came after the deadline."""
        if self._registry is not None:
            self._late.inc()

    def text(self) -> bytes:
        """All of it, in Prometheus' text format; b"" without it."""
        if self._registry is None:
            return b""
        from prometheus_client import generate_latest

        return generate_latest(self._registry)


def _of(undelivered: Callable[[], dict[str, int]], name: str) -> int:
    return undelivered()[name]
