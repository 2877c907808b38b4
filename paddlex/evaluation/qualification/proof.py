"""What a sample proves of a share that is never known exactly: how many are missed at most, how many parts that takes."""

from __future__ import annotations

from dataclasses import dataclass

from scipy.special import bdtr, betaincinv

from paddlex.evaluation.metrics.share_interval import share_interval
from paddlex.evaluation.numbers import rate, share

#: How sure a statement is. One-sided where only too many is bad.
CONFIDENCE = 0.95

#: Shares that are asked about in ``sample_table``.
SHARES = (0.1, 0.05, 0.02, 0.01, 0.005, 0.001)


@dataclass(frozen=True)
class Counted:
    """How many of some parts something happened to.

    Attributes:
        count, total: of how many.
    """

    count: int
    total: int

    @property
    def share(self) -> float:
        return self.count / self.total

    @property
    def at_most(self) -> float:
        """The share that is not exceeded, with ``CONFIDENCE``; for 0 of n it is 1 - 0.05^(1/n), about 3/n."""
        return most_likely_at_most(self.count, self.total)

    @property
    def interval(self) -> tuple[float, float]:
        """Between which shares it lies, with ``CONFIDENCE``, see ``share_interval``."""
        return share_interval(self.count, self.total, CONFIDENCE)

    def to_dict(self) -> dict[str, object]:
        low, high = self.interval
        return {
            "count": self.count, "of": self.total, "share": self.share, "low": low, "high": high, "at_most": self.at_most,
        }  # fmt: skip

    def __str__(self) -> str:
        return f"{self.count} of {self.total}"

    def proves(self, noun: str) -> str:
        """``at most 1 % missed, at 95 %``; ``noun`` is what happened to them."""
        return f"at most {rate(self.at_most)} {noun}, at {share(CONFIDENCE)}"


def most_likely_at_most(count: int, total: int, confidence: float = CONFIDENCE) -> float:
    """The upper end of the exact one-sided interval of a binomial share (Clopper and Pearson, Biometrika 1934)."""
    return 1.0 if count >= total else float(betaincinv(count + 1, total - count, confidence))


def parts_needed(failing: float, failures: int = 0, confidence: float = CONFIDENCE) -> int:
    """How many parts prove that at most such a share fails, if so many of them do.

    The smallest n for which a share p would let at most k of n fail with a probability of 1 - confidence at most:
    sum over i up to k of C(n, i) p^i (1 - p)^(n - i).

    Args:
        failing: the share p, above 0 and below 1.
        failures: k, that are seen.
        confidence: between 0 and 1.
    """
    low, high = failures, failures + 1
    while bdtr(failures, high, failing) > 1 - confidence:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        if bdtr(failures, middle, failing) <= 1 - confidence:
            high = middle
        else:
            low = middle
    return high


def sample_table() -> list[tuple[float, list[int]]]:
    """For each share the parts that prove it, if none, one or two of them fail."""
    return [(failing, [parts_needed(failing, failures) for failures in range(3)]) for failing in SHARES]
