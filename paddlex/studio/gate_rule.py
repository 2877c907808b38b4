"""When a version may go live: a rule over what it, and the one that is live, say of the challenge set and of good parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from scipy.special import bdtrc

from paddlex.evaluation.metrics.share_interval import share_interval

#: More false alarms than so seldom come by chance are too many.
CHANCE = 0.05

#: With fewer good parts that were not learnt from, the calibration scores are asked too.
FEWEST = 20

#: Entries of the list of changes.
_MOST_CHANGES = 300


@dataclass(frozen=True)
class Seen:
    """What a version says of a picture.

    Attributes:
        raw_score: None where it cannot be judged.
        score: 0 to 1, 0.5 at the threshold; 1 where it cannot be judged.
        is_anomalous: by the version's threshold.
        is_there: whether its map is above the pixel threshold somewhere in what was drawn; None where nothing was drawn.
        error: why it cannot be judged.
    """

    raw_score: float | None
    score: float
    is_anomalous: bool
    is_there: bool | None = None
    error: str = ""

    def to_json(self) -> dict[str, Any]:
        return {"score": self.score, "isAnomalous": self.is_anomalous}


@dataclass(frozen=True)
class Judged:
    """A picture, and what two versions say of it.

    Attributes:
        digest, name: of the picture.
        is_challenge: a known bad part; else a good one.
        is_learnt: a good one that the candidate has learnt from.
        before: what the live version says; None where nothing is live.
        after: what the candidate says.
    """

    digest: str
    name: str
    is_challenge: bool
    is_learnt: bool
    before: Seen | None
    after: Seen


@dataclass(frozen=True)
class Count:
    """So many of so many are anomalous."""

    above: int
    of: int

    def is_too_many(self, target: float) -> bool:
        """Whether so many would come by chance less often than in ``CHANCE`` of all cases if a share ``target`` were the truth:
        the exact one-sided binomial test, P(X >= above) for X ~ Binomial(of, target).
        """
        return self.above > 0 and float(bdtrc(self.above - 1, self.of, target)) < CHANCE

    def to_json(self) -> dict[str, Any]:
        """With the exact interval of the share at 95 %; from 0 to 1 where there are none."""
        low, high = share_interval(self.above, self.of) if self.of else (0.0, 1.0)
        return {
            "above": self.above, "of": self.of, "share": self.above / self.of if self.of else None, "low": low, "high": high,
        }  # fmt: skip


def finding(parts: Sequence[Judged], calibration: Count, target: float, at: int) -> dict[str, Any]:
    """What the gate says: ``passed``, the ``reasons`` against it, ``notes`` for whoever decides, and what they rest on.

    A version passes if every challenge part is anomalous, above the pixel threshold within what was drawn where something was;
    and if false alarms are not ``is_too_many`` among the recent good parts that it has not learnt from, among those that it
    has, and, where the former are fewer than ``FEWEST``, among its calibration scores.

    Args:
        parts: all that were judged.
        calibration: how many of the candidate's calibration scores are above its threshold.
        target: share of good parts that may be called anomalous, 0 to 1.
        at: when, in milliseconds.
    """
    challenge = [part for part in parts if part.is_challenge]
    fresh = _count([part for part in parts if not part.is_challenge and not part.is_learnt])
    learnt = _count([part for part in parts if not part.is_challenge and part.is_learnt])
    missed = [part for part in challenge if not _is_found(part.after)]
    is_few = fresh.of < FEWEST
    reasons = [_missed(part) for part in missed]
    reasons += [
        _too_many(count, target, *which)
        for count, which in ((fresh, _FRESH), (learnt, _LEARNT), (calibration if is_few else Count(0, 0), _CALIBRATION))
        if count.is_too_many(target)
    ]
    shown = calibration if is_few else fresh
    return {
        "passed": not reasons,
        "at": at,
        "reasons": reasons,
        "notes": _notes(parts, challenge, fresh, learnt, is_few),
        "challenge": {
            "found": len(challenge) - len(missed),
            "of": len(challenge),
            "missed": [{"digest": part.digest, "name": part.name, "score": part.after.score} for part in missed],
        },
        "falseAlarms": {**shown.to_json(), "target": target, "source": "calibration" if is_few else "recent"},
        "recent": fresh.to_json(),
        "learnt": learnt.to_json(),
        "changes": [_change(part) for part in sorted(parts, key=_by_interest)[:_MOST_CHANGES]],
        "judged": len(parts),
    }


def _count(parts: Sequence[Judged]) -> Count:
    return Count(sum(part.after.is_anomalous for part in parts), len(parts))


def _is_found(seen: Seen) -> bool:
    return seen.raw_score is not None and seen.is_anomalous and seen.is_there is not False


def _change(part: Judged) -> dict[str, Any]:
    return {
        "digest": part.digest,
        "name": part.name,
        "role": "challenge" if part.is_challenge else "good",
        "learnt": part.is_learnt,
        "before": None if part.before is None else part.before.to_json(),
        "after": part.after.to_json(),
    }


def _by_interest(part: Judged) -> tuple[bool, bool, float]:
    """Changed verdicts first, then the challenge set, then by how much the score has changed."""
    if part.before is None:
        return part.after.is_anomalous == part.is_challenge, not part.is_challenge, -part.after.score
    has_changed = part.before.is_anomalous != part.after.is_anomalous
    return not has_changed, not part.is_challenge, -abs(part.after.score - part.before.score)


def _missed(part: Judged) -> dict[str, Any]:
    name, seen = part.name, part.after
    if seen.raw_score is None:
        return _words(
            "unjudged", f"It cannot judge {name}: {seen.error}", f"无法判定 {name}：{seen.error}", digest=part.digest
        )
    if not seen.is_anomalous:
        return _words(
            "missed",
            f"It would miss {name}, a known bad part (score {seen.score:.2f}; 0.5 is the threshold)",
            f"它会漏检已知的不良品 {name}（得分 {seen.score:.2f}；阈值为 0.5）",
            digest=part.digest,
        )
    return _words(
        "elsewhere",
        f"It calls {name} bad, but finds nothing where the defect was drawn",
        f"它判 {name} 为不良品，但在标出的缺陷处没有发现异常",
        digest=part.digest,
    )


_FRESH = ("recent good parts", "近期良品")
_LEARNT = ("good parts that it has learnt from", "已学习过的良品")
_CALIBRATION = ("good parts of its calibration", "校准用良品")


def _too_many(count: Count, target: float, en: str, zh: str) -> dict[str, Any]:
    return _words(
        "falseAlarms",
        f"It calls {count.above} of {count.of} {en} bad: more than chance explains if {target:.3g} of them may be",
        f"它把 {count.of} 个{zh}中的 {count.above} 个判为不良品：超出目标误报率 {target:.3g} 下的偶然范围",
    )


def _notes(
    parts: Sequence[Judged], challenge: Sequence[Judged], fresh: Count, learnt: Count, is_few: bool
) -> list[dict[str, Any]]:
    notes = []
    if not challenge:
        notes.append(
            _words(
                "noChallenge",
                "No bad part is known yet: nothing shows that defects are found",
                "尚无已知不良品：没有证据表明能发现缺陷",
            )
        )
    if is_few:
        notes.append(
            _words(
                "fewGood",
                f"Only {fresh.of} recent good parts that it has not learnt from: the false alarms are those of its calibration",
                f"未学习过的近期良品只有 {fresh.of} 个：误报率取自校准数据",
            )
        )
    notes += [
        _words(
            "stillAlarm",
            f"It still calls {part.name} bad, although it has learnt that it is good",
            f"{part.name} 已作为良品学习，但仍被判为不良品",
            digest=part.digest,
        )
        for part in parts
        if part.is_learnt and not part.is_challenge and part.after.is_anomalous
    ]
    return notes


def _words(kind: str, en: str, zh: str, **more: Any) -> dict[str, Any]:
    return {"kind": kind, "words": {"en": en, "zh": zh}, **more}
