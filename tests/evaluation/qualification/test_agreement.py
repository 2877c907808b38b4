"""Repeatability and agreement: against an analysis of variance, scikit-learn's kappa, and hand calculations."""

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import cohen_kappa_score

from paddlex.evaluation.qualification.agreement import Agreement, Attributes, Repeatability, Repeated


def repeated(scores: np.ndarray) -> list[Repeated]:
    return [Repeated(f"part {n}", list(row), [score > 0.5 for score in row]) for n, row in enumerate(scores)]


def test_the_spread_is_that_within_parts_whatever_lies_between_them() -> None:
    scores = np.array([[0.1, 0.12, 0.14], [0.8, 0.81, 0.79]])
    within = sum(((row - row.mean()) ** 2).sum() for row in scores) / (
        2 * 2
    )  # the mean square within, 4 degrees of freedom
    found = Repeatability.of(repeated(scores))
    assert found.deviation == pytest.approx(within**0.5)
    assert found.deviation_at_most == pytest.approx((within * 4 / stats.chi2.ppf(0.05, 4)) ** 0.5)
    assert (found.changed.count, found.changed.total) == (0, 2)


def test_the_bound_of_the_spread_holds_in_nineteen_of_twenty_studies() -> None:
    rng = np.random.default_rng(3)
    holds = [Repeatability.of(repeated(rng.normal(0.3, 0.02, (5, 4)))).deviation_at_most >= 0.02 for _ in range(2000)]
    assert stats.binomtest(sum(holds), 2000, 0.95).pvalue > 1e-4


def test_a_part_whose_verdicts_differ_has_changed() -> None:
    found = Repeatability.of(repeated(np.array([[0.4, 0.6], [0.2, 0.2], [0.9, 0.8]])))
    assert (found.changed.count, found.changed.total) == (1, 3)
    low, high = found.doubtful
    assert low < 0.5 < high


def test_a_part_that_was_judged_once_repeats_nothing() -> None:
    with pytest.raises(ValueError, match="at least twice"):
        Repeatability.of([Repeated("a", [0.1], [False])])


def test_kappa_is_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    one = {str(n): bool(said) for n, said in enumerate(rng.random(60) < 0.3)}
    other = {name: said ^ bool(rng.random() < 0.2) for name, said in one.items()}
    found = Agreement.of("A", one, "B", {**other, "another": True})
    assert found.kappa == pytest.approx(cohen_kappa_score(list(one.values()), list(other.values())))
    assert found.same.total == 60


def test_kappa_is_not_defined_where_one_always_says_the_same() -> None:
    assert Agreement.of("A", {"a": True, "b": True}, "B", {"a": True, "b": False}).kappa is None


def test_people_have_to_have_rated_something_in_common() -> None:
    with pytest.raises(ValueError, match="no picture in common"):
        Attributes.of("model", {"a": True, "b": False}, {"A": {"a": True}, "B": {"b": False}})


def test_misses_and_false_alarms_count_only_where_people_agree() -> None:
    model = {"a": True, "b": False, "c": True, "d": False, "e": False}
    anna = {"a": True, "b": True, "c": False, "d": False, "e": True}
    li = {"a": True, "b": True, "c": False, "d": False, "e": False}
    found = Attributes.of("the model", model, {"Anna": anna, "Li": li})
    assert (found.missed.count, found.missed.total) == (1, 2)  # of a and b, b
    assert (found.false_alarms.count, found.false_alarms.total) == (1, 2)  # of c and d, c
    assert found.disputed == 1  # e
    assert [(pair.one, pair.other) for pair in found.pairs] == [
        ("the model", "Anna"),
        ("the model", "Li"),
        ("Anna", "Li"),
    ]
