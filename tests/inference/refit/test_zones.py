"""Zones with limits of their own, on made-up maps of which everything is known."""

from __future__ import annotations

import numpy as np
import pytest

from paddlex.errors import TrainingError
from paddlex.inference.calibration import scaled
from paddlex.inference.inspection import Zone
from paddlex.inference.refit.zones import ZoneTally
from paddlex.inference.thresholds import image_threshold

SQUARE = [[0, 0], [1, 0], [1, 1]]
#: Two rows are the rest, three are zone 1, three are zone 2.
LABELS = np.repeat(np.array([0, 1, 2], np.uint8), [16, 24, 24]).reshape(8, 8)
TYPICAL, SPREAD = np.array([1.0, 5.0, -3.0]), np.array([1.0, 4.0, 0.1])
RATE = 0.1


def maps(count: int, seed: int = 0) -> np.ndarray:
    """Normal images: each zone has a level and a spread of its own."""
    noise = np.random.default_rng(seed).gamma(2.0, 1.0, (count, 8, 8)) - 2
    return (TYPICAL[LABELS] + SPREAD[LABELS] * noise).astype(np.float32)


def tally_of(some: np.ndarray, *zones: Zone, share: float = 0.01) -> ZoneTally:
    tally = ZoneTally(zones, RATE, share, some.size)
    for photo, one in enumerate(some):
        tally.add(photo, one.ravel(), LABELS.ravel())
    return tally


def zone(name: str, **options: float) -> Zone:
    return Zone.parse({"name": name, "polygon": SQUARE, **options})


def figures(some: np.ndarray, number: int, rate: float = RATE) -> tuple[float, float]:
    """Typical pixel and threshold of a zone, by the rule for whole images."""
    values = some[:, number == LABELS]
    return np.median(np.median(values, axis=1)), image_threshold(values.max(axis=1).tolist(), rate)[0]


def test_a_zone_s_typical_value_and_threshold_become_those_of_the_rest():
    some = maps(60)
    scales = tally_of(some, zone("a"), zone("b")).scales()
    assert [one.name for one in scales] == ["a", "b"]
    for number, one in enumerate(scales, 1):
        own, rest = np.array(figures(some, number)), np.array(figures(some, 0))
        np.testing.assert_allclose(one.slope * own + one.shift, rest, rtol=1e-5)


def test_a_factor_says_how_much_larger_a_deviation_may_be():
    some = maps(60)
    first, second = tally_of(some, zone("a", factor=2), zone("b", target_fpr=0.3)).scales()
    typical, limit = figures(some, 1)
    np.testing.assert_allclose(
        first.slope * (typical + 2 * (limit - typical)) + first.shift, figures(some, 0)[1], rtol=1e-5
    )
    np.testing.assert_allclose(second.slope * figures(some, 2, 0.3)[1] + second.shift, figures(some, 0)[1], rtol=1e-5)


def test_scores_are_the_highest_of_maps_that_are_scaled_by_the_other_images():
    some = maps(23)
    found = tally_of(some, zone("a"), zone("b")).scores()
    for photo in (0, 7, 22):
        others = np.stack([one for number, one in enumerate(some) if number % 5 != photo % 5])
        scales = []
        for number in (1, 2):
            (own, limit), (rest, rest_limit) = figures(others, number), figures(others, 0)
            slope = (rest_limit - rest) / (limit - own)
            scales.append((slope, rest - slope * own))
        expected = some[photo].astype(np.float64)
        for number, (slope, shift) in enumerate(scales, 1):
            expected[number == LABELS] = slope * expected[number == LABELS] + shift
        assert found[photo] == pytest.approx(expected.max(), rel=1e-5)


def test_the_pixel_threshold_is_the_quantile_of_the_scaled_maps():
    some = maps(20)
    tally = tally_of(some, zone("a"), zone("b"), share=0.02)
    whole = []
    for fold in range(5):
        chosen = np.arange(20) % 5 == fold
        others = tally_of(some[~chosen], zone("a"), zone("b"))
        whole += [scaled(one, LABELS, others.scales()) for one in some[chosen]]
    ordered = np.sort(np.concatenate([one.ravel() for one in whole]))[::-1]
    assert tally.pixel_threshold() == pytest.approx(ordered[int(0.02 * some.size)], rel=1e-5)


def test_the_false_alarms_of_all_zones_together_stay_at_the_target():
    """Forty calibrations of forty images each, held against ten thousand new images: noise of the rate is below 0.01."""
    new, alarms = maps(10_000, seed=1), []
    for seed in range(40):
        tally = tally_of(maps(40, seed=seed + 2), zone("a"), zone("b", factor=0.8))
        limit, _ = image_threshold(tally.scores(), RATE)
        highest = scaled(new, np.broadcast_to(LABELS, new.shape), tally.scales()).max(axis=(1, 2))
        alarms.append((highest > limit).mean())
    assert np.mean(alarms) == pytest.approx(RATE, abs=0.02)


def test_without_a_zone_of_its_own_limit_a_quiet_zone_would_hide_what_is_wrong_in_it():
    """A deviation of ten times its usual is far below what is usual elsewhere."""
    some = maps(60)
    odd = some[0].copy()
    odd[LABELS == 2] = TYPICAL[2] + 10 * SPREAD[2]
    whole, _ = image_threshold(some.max(axis=(1, 2)).tolist(), RATE)
    assert odd.max() < whole
    tally = tally_of(some, zone("a"), zone("b"))
    limit, _ = image_threshold(tally.scores(), RATE)
    assert scaled(odd, LABELS, tally.scales()).max() > limit


def test_zones_may_cover_everything():
    some = maps(30)
    some[:, LABELS == 0] = some[:, LABELS == 1][:, :16]
    labels = np.where(LABELS == 0, 1, LABELS).astype(np.uint8)
    tally = ZoneTally([zone("a"), zone("b")], RATE, 0.01, some.size)
    for photo, one in enumerate(some):
        tally.add(photo, one.ravel(), labels.ravel())
    first, second = tally.scales()
    assert (first.slope, first.shift) == (1, pytest.approx(0))
    assert second.slope > 10
    assert np.isfinite(tally.scores()).all()


def test_a_zone_that_no_position_lies_in_is_one_line():
    with pytest.raises(TrainingError, match="the zone a is too small"):
        ZoneTally([zone("a")], RATE, 0.01, 64).add(0, np.zeros(64, np.float32), np.zeros(64, np.uint8))


def test_a_zone_in_which_nothing_ever_changes_is_one_line():
    some = maps(10)
    some[:, LABELS == 1] = 4
    with pytest.raises(TrainingError, match="all alike in the zone a"):
        tally_of(some, zone("a"), zone("b")).scales()
