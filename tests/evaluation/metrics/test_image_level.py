"""Image-level figures are those of scikit-learn; intervals are those of a bootstrap; what cannot be computed is None."""

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score, roc_curve

from paddlex.evaluation.metrics import (
    Confusion,
    auroc,
    bootstrap_intervals,
    confusion,
    confusion_at,
    image_metrics,
    paired_aurocs,
    percentiles,
)

NONE = np.empty(0)


def scores(normal: int, anomalous: int, decimals: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Scores that overlap; the fewer decimals, the more of them are equal."""
    generator = np.random.default_rng(seed)
    return generator.normal(0, 1, normal).round(decimals), generator.normal(1, 1, anomalous).round(decimals)


def labelled(normal: np.ndarray, anomalous: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(labels, scores), as scikit-learn takes them."""
    return np.repeat([0, 1], [normal.size, anomalous.size]), np.concatenate([normal, anomalous])


# Over all thresholds

many_ties = pytest.param(1, id="many ties")
no_ties = pytest.param(12, id="no ties")


@pytest.mark.parametrize("decimals", [many_ties, no_ties])
def test_auroc_and_average_precision_are_those_of_scikit_learn(decimals):
    normal, anomalous = scores(70, 30, decimals)
    metrics = image_metrics(normal, anomalous, threshold=0.5, resamples=1)
    assert metrics.auroc == pytest.approx(roc_auc_score(*labelled(normal, anomalous)), abs=1e-12)
    assert metrics.average_precision == pytest.approx(average_precision_score(*labelled(normal, anomalous)), abs=1e-12)


@pytest.mark.parametrize("decimals", [many_ties, no_ties])
def test_best_f1_is_the_highest_along_the_precision_recall_curve_of_scikit_learn(decimals):
    normal, anomalous = scores(70, 30, decimals)
    precision, recall, _ = precision_recall_curve(*labelled(normal, anomalous))
    metrics = image_metrics(normal, anomalous, threshold=0.5, resamples=1)
    assert metrics.best_f1 == pytest.approx((2 * precision * recall / (precision + recall)).max(), abs=1e-12)


@pytest.mark.parametrize("decimals", [many_ties, no_ties])
def test_scores_above_the_best_threshold_give_the_best_f1(decimals):
    normal, anomalous = scores(70, 30, decimals)
    metrics = image_metrics(normal, anomalous, threshold=0.5, resamples=1)
    assert confusion_at(metrics.best_f1_threshold, normal, anomalous).f1 == pytest.approx(metrics.best_f1, abs=1e-12)


def test_roc_curve_has_the_points_of_scikit_learn_and_a_threshold_for_each():
    normal, anomalous = scores(70, 30, decimals=1)
    curve = image_metrics(normal, anomalous, threshold=0.5, resamples=1).roc_curve
    false_positive_rate, true_positive_rate, _ = roc_curve(*labelled(normal, anomalous), drop_intermediate=False)
    np.testing.assert_allclose(curve.x, false_positive_rate, atol=1e-12)
    np.testing.assert_allclose(curve.y, true_positive_rate, atol=1e-12)
    np.testing.assert_allclose(curve.x, [(normal > threshold).mean() for threshold in curve.thresholds])


def test_precision_recall_curve_has_the_points_of_scikit_learn_but_none_where_nothing_is_found():
    normal, anomalous = scores(70, 30, decimals=1)
    curve = image_metrics(normal, anomalous, threshold=0.5, resamples=1).precision_recall_curve
    precision, recall, _ = precision_recall_curve(*labelled(normal, anomalous))
    np.testing.assert_allclose(curve.x, recall[-2::-1], atol=1e-12)
    np.testing.assert_allclose(curve.y, precision[-2::-1], atol=1e-12)


def test_auroc_takes_scores_of_any_shape():
    normal, anomalous = scores(64, 16, decimals=1)
    assert auroc(normal.reshape(8, 8), anomalous.reshape(4, 4)) == auroc(normal, anomalous)


@pytest.mark.parametrize(("normal", "anomalous"), [(NONE, np.ones(3)), (np.ones(3), NONE), (NONE, NONE)])
def test_without_normal_or_without_anomalous_images_there_are_no_figures_over_all_thresholds(normal, anomalous):
    metrics = image_metrics(normal, anomalous, threshold=0.5, resamples=10)
    assert metrics.auroc is metrics.average_precision is metrics.best_f1 is metrics.best_f1_threshold is None
    assert metrics.roc_curve is metrics.precision_recall_curve is None
    assert metrics.intervals["auroc"] is metrics.intervals["average_precision"] is None
    assert auroc(normal, anomalous) is None


@pytest.mark.parametrize("wrong", [np.array([0.1, np.nan]), np.array([np.inf]), np.ones((2, 2))])
def test_scores_have_to_be_finite_and_in_one_row(wrong):
    with pytest.raises(ValueError, match="finite"):
        image_metrics(wrong, np.ones(2), threshold=0.5)


# At one threshold


def test_rates_follow_from_the_counts():
    counts = Confusion(true_positive=6, false_positive=2, false_negative=4, true_negative=8)
    assert counts.rates() == pytest.approx(
        {
            "precision": 6 / 8,
            "recall": 6 / 10,
            "iou": 6 / 12,
            "f1": 12 / 18,
            "false_positive_rate": 2 / 10,
            "false_negative_rate": 4 / 10,
        }
    )


def test_rates_without_a_denominator_are_none():
    assert set(Confusion(0, 0, 0, 0).rates().values()) == {None}
    assert Confusion(0, 0, 0, 5).precision is None
    assert Confusion(0, 0, 0, 5).false_positive_rate == 0


def test_a_score_at_the_threshold_is_normal():
    assert confusion_at(0.5, np.array([0.4, 0.5, 0.6]), np.array([0.5, 0.7])) == Confusion(1, 1, 1, 2)


def test_decisions_are_counted_against_the_truth_and_counts_add_up():
    first = confusion([True, True, False, False, False], [True, False, True, False, False])
    assert first == Confusion(1, 1, 1, 2)
    assert first + first == Confusion(2, 2, 2, 4)


def test_decisions_and_truth_have_to_be_of_one_shape():
    with pytest.raises(ValueError, match=r"\(2,\) and \(3,\)"):
        confusion([True, False], [True, False, True])


# Intervals


def test_intervals_of_rates_are_those_of_the_binomial_distribution():
    """Drawing n images with replacement, of which a share p is above the threshold, finds Binomial(n, p) above it."""
    normal, anomalous = np.repeat([0.0, 1.0], [170, 30]), np.repeat([0.0, 1.0], [40, 160])
    intervals = image_metrics(normal, anomalous, threshold=0.5, resamples=20_000).intervals
    for name, p in {"false_positive_rate": 0.15, "recall": 0.8, "false_negative_rate": 0.2}.items():
        expected = stats.binom.ppf([0.025, 0.975], 200, p) / 200
        np.testing.assert_allclose(intervals[name], expected, atol=1.01 / 200)


@pytest.mark.parametrize("decimals", [many_ties, no_ties])
@pytest.mark.parametrize(
    ("name", "reference"), [("auroc", roc_auc_score), ("average_precision", average_precision_score)]
)
def test_intervals_over_all_thresholds_are_those_of_scipy(name, reference, decimals):
    normal, anomalous = scores(60, 25, decimals)
    expected = stats.bootstrap(
        (normal, anomalous),
        lambda *drawn: reference(*labelled(*drawn)),
        vectorized=False,
        method="percentile",
        n_resamples=600,
        rng=np.random.default_rng(1),
    ).confidence_interval
    interval = image_metrics(normal, anomalous, threshold=0.5, resamples=4000).intervals[name]
    np.testing.assert_allclose(interval, expected, atol=0.03)  # of a width of 0.2 to 0.3; 600 resamples are few


def test_intervals_at_a_higher_confidence_are_wider():
    normal, anomalous = scores(60, 25, decimals=3)
    low, high = image_metrics(normal, anomalous, 0.5, confidence=0.8).intervals["auroc"]
    lower, higher = image_metrics(normal, anomalous, 0.5, confidence=0.99).intervals["auroc"]
    assert lower < low < high < higher


def test_the_seed_decides_the_intervals():
    normal, anomalous = scores(60, 25, decimals=3)
    first, again, other = (image_metrics(normal, anomalous, 0.5, seed=seed).intervals for seed in (1, 1, 2))
    assert first == again != other


def test_intervals_do_not_depend_on_how_many_resamples_are_in_memory_together(monkeypatch):
    normal, anomalous = scores(60, 25, decimals=3)
    at_once = image_metrics(normal, anomalous, 0.5).intervals
    monkeypatch.setattr("paddlex.evaluation.metrics.bootstrap._BATCH_VALUES", 1)
    assert image_metrics(normal, anomalous, 0.5).intervals == at_once


def test_the_rates_of_one_kind_of_image_have_intervals_without_the_other_kind():
    intervals = image_metrics(np.array([0.0, 1.0, 0.0, 1.0]), NONE, threshold=0.5).intervals
    low, high = intervals["false_positive_rate"]
    assert 0 <= low < 0.5 < high <= 1
    assert intervals["recall"] is intervals["false_negative_rate"] is None


def two_models(generator: np.random.Generator, normal: int, anomalous: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores [2, n] and [2, m] of models that find the same images hard, the second a little worse; some are tied."""
    hard = [generator.normal(size=normal), generator.normal(1.5, size=anomalous)]
    return tuple(np.round([part, part + generator.normal(scale=0.5, size=part.size)], 1) for part in hard)  # type: ignore[return-value]


def test_paired_aurocs_are_those_of_scikit_learn_on_the_same_images_for_every_model() -> None:
    normal, anomalous = two_models(np.random.default_rng(4), 17, 11)
    of_normal, of_anomalous = np.random.default_rng(7).spawn(2)
    goods, bads = of_normal.integers(17, size=(50, 17)), of_anomalous.integers(11, size=(50, 11))
    expected = [
        [
            roc_auc_score([0] * 17 + [1] * 11, [*model[0][good], *model[1][bad]])
            for good, bad in zip(goods, bads, strict=True)
        ]
        for model in zip(normal, anomalous, strict=True)
    ]
    np.testing.assert_allclose(paired_aurocs(normal, anomalous, resamples=50, seed=7), expected, atol=1e-12)


def test_each_model_alone_has_the_interval_that_its_own_evaluation_gives() -> None:
    normal, anomalous = two_models(np.random.default_rng(5), 30, 40)
    for number, aurocs in enumerate(paired_aurocs(normal, anomalous)):
        alone = bootstrap_intervals(normal[number], anomalous[number], threshold=0.5)["auroc"]
        assert percentiles(aurocs) == pytest.approx(alone, abs=1e-12)


def test_a_difference_of_two_models_is_known_better_than_each_of_them() -> None:
    first, second = paired_aurocs(*two_models(np.random.default_rng(6), 60, 60))
    widths = [np.ptp(percentiles(values)) for values in (first, second, first - second)]
    assert widths[2] < 0.6 * min(widths[:2])
    assert percentiles(first - first) == (0, 0)


def test_paired_aurocs_do_not_depend_on_how_many_resamples_are_drawn_at_once(monkeypatch) -> None:
    scores = two_models(np.random.default_rng(8), 9, 7)
    at_once = paired_aurocs(*scores, resamples=20)
    monkeypatch.setattr("paddlex.evaluation.metrics.bootstrap._BATCH_VALUES", 1)
    np.testing.assert_array_equal(paired_aurocs(*scores, resamples=20), at_once)
