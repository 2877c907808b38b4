"""The faintest level at which each drawn defect is found, what that means for all of them, and where it is worse."""

from __future__ import annotations

import json
import math
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from paddlex.data.dataset import VAL_LIST, Sample, read_samples
from paddlex.errors import DatasetError
from paddlex.evaluation.analyses import Subject
from paddlex.evaluation.analyses.detectability import CONTRASTS, DRAWN, analyse, levels_of, sizes_for
from paddlex.evaluation.analyses.detectability_result import Detectability, Measured, Row, WeakPlaces
from paddlex.evaluation.analyses.drawing import KINDS, Canvas, make_defect, random_numbers
from paddlex.evaluation.analyses.examples import choose_examples
from paddlex.evaluation.analyses.weak_places import weak_places
from paddlex.inference.postprocess import Limit
from paddlex.inference.predictor import AnomalyPredictor
from paddlex.inference.preparation import NOTHING
from paddlex.inference.tiling import Tiling

SIDE = 120


@pytest.fixture
def good() -> np.ndarray:
    """A good part: uint8 [120, 120, 3], of a coarse texture."""
    noise = np.random.default_rng(0).integers(60, 110, (SIDE // 4, SIDE // 4, 3), dtype=np.uint8)
    return cv2.resize(noise, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)


class LooksAt:
    """A model that knows the good part by heart: its map is the difference from it in grey values, blurred a little.

    Args:
        good: what it knows.
        threshold: in grey values.
        weak: a share of the difference that it sees, [H, W].
    """

    def __init__(
        self, good: np.ndarray, threshold: float, weak: np.ndarray | float = 1.0, tiling: Tiling | None = None
    ):
        self.good, self.weak, self.tiling, self.preparation = good.astype(np.float32), weak, tiling, NOTHING
        self.limits = SimpleNamespace(image=Limit(threshold), pixel=Limit(threshold))
        self.judged = 0

    def photo_maps(self, images):
        for image in images:
            self.judged += 1
            yield cv2.GaussianBlur(np.abs(image - self.good).max(axis=2) * self.weak, (0, 0), 1.0)

    many_photo_maps = photo_maps


@pytest.fixture
def samples(good: np.ndarray, tmp_path: Path) -> list[Sample]:
    cv2.imwrite(str(tmp_path / "good.png"), good)
    return [Sample(tmp_path, "good.png", None, VAL_LIST, number) for number in range(1, 5)]


def by_hand(good: np.ndarray, threshold: float, kind: str, size: int, number: int) -> float:
    """The lowest level at which the model finds the defect, trying all of them."""
    defect = make_defect(Canvas(good), kind, size, random_numbers(0, number, *kind.encode(), size))
    model = LooksAt(good, threshold)
    for level in levels_of(kind):
        (anomaly_map,) = model.photo_maps([defect.on(good, float(level))])
        if anomaly_map[defect.box][defect.mask].max() > threshold:
            return float(level)
    return math.inf


def test_halving_finds_the_level_that_trying_all_of_them_finds(good: np.ndarray, samples: list[Sample]) -> None:
    model = LooksAt(good, threshold=40)
    result = analyse(Subject(model, samples))
    for row in result.rows[::4]:
        assert list(row.needed) == [by_hand(good, 40, row.kind, row.size, number) for number in range(DRAWN)]
    assert {row.drawn for row in result.rows} == {DRAWN} and result.photos == 1
    tried = len(result.rows) * DRAWN * 16
    assert model.judged < tried / 2.5


def test_a_model_that_sees_nothing_finds_nothing_and_its_words_say_so(good: np.ndarray, samples: list[Sample]) -> None:
    result = analyse(Subject(LooksAt(good, threshold=1000), samples))
    assert result.share == 0 and all(math.isinf(needed) for row in result.rows for needed in row.needed)
    assert result.words()[0] == (
        "Of spots of 20 px, the largest drawn, 0 in 20 are found at a contrast of 50 %, and of smaller ones not 90 % either."
    )
    assert not [example for example in result.examples if example.is_found] and len(result.examples) == len(KINDS)


def test_a_model_that_sees_everything_finds_all_of_what_changes_anything(
    good: np.ndarray, samples: list[Sample]
) -> None:
    result = analyse(Subject(LooksAt(good, threshold=0.01), samples))
    spots = result.of("spot")
    assert all(row.found(CONTRASTS[0]) == DRAWN for row in spots if row.size >= 5)
    assert (
        result.words()[0].startswith("90 % of spots of ")
        and " px are found at a contrast of 2 % or more." in result.words()[0]
    )


def test_what_the_model_alarms_at_without_a_defect_is_not_drawn_on(good: np.ndarray, samples: list[Sample]) -> None:
    """Else every defect that is drawn into a false alarm would be found, however faint."""
    known = good.copy()
    known[:, :60] = 255 - known[:, :60]
    result = analyse(Subject(LooksAt(known, threshold=60), samples))
    assert result.of("spot")[0].found(CONTRASTS[0]) == 0
    with pytest.raises(DatasetError, match="alarms all over the good parts"):
        analyse(Subject(LooksAt(255 - good, threshold=0.1), samples))


def test_the_same_seed_gives_the_same_result_and_another_one_another(
    good: np.ndarray, samples: list[Sample], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("paddlex.evaluation.analyses.detectability.DRAWN", 3)
    first, again, other = (analyse(Subject(LooksAt(good, 40), samples, seed=seed)).to_dict() for seed in (0, 0, 1))
    assert first == again != other


def test_of_a_photo_that_is_scanned_in_tiles_one_tile_is_looked_at(samples: list[Sample]) -> None:
    tile = np.full((60, 60, 3), 80, np.uint8)
    cv2.imwrite(str(samples[0].image_path), np.full((SIDE, SIDE, 3), 80, np.uint8))
    result = analyse(
        Subject(LooksAt(tile, 40, tiling=Tiling(60, 0)), samples)
    )  # of another size than a tile it would fail
    assert result.places is None and result.of("spot")[-1].found(0.5) == DRAWN


def test_weak_places_are_where_the_model_sees_less(good: np.ndarray, samples: list[Sample]) -> None:
    sees = np.ones((SIDE, SIDE), np.float32)
    sees[:, 60:] = 0.5
    places = analyse(Subject(LooksAt(good, 20, sees), samples)).places
    assert places is not None
    left, right = np.nanmean(places.factors[:, :10]), np.nanmean(places.factors[:, 14:])
    assert left < 0.9 and right > 1.1 and places.weakest[0] > 0.5


@pytest.mark.parametrize(
    ("shape", "sizes"),
    [
        ((900, 900), [10, 20, 50, 100, 200]),
        ((120, 120), [2, 5, 10, 20]),
        ((500, 1250), [10, 20, 50, 100, 200]),
        ((8, 8), [2]),
    ],
)
def test_sizes_are_round_numbers_of_pixels_that_fit_the_photo(shape: tuple[int, int], sizes: list[int]) -> None:
    assert sizes_for(shape) == sizes


# What it means


LEVELS = (0.1, 0.2, 0.4)


def row(kind: str, size: int, *counts: int) -> Row:
    """A row of which so many are found at each of LEVELS, and the rest never; 20 in all."""
    needed = [level for level, more in zip(LEVELS, np.diff([0, *counts]), strict=True) for _ in range(more)]
    return Row(kind, size, LEVELS, (*needed, *[math.inf] * (20 - len(needed))))


def result_of(*rows: Row, **values: object) -> Detectability:
    settings = {"photos": 20, "pixels_per_mm": None, "note": None, "examples": [], "places": None} | values
    return Detectability(list(rows), **settings)


def test_the_levels_for_a_share_and_their_interval() -> None:
    """Clopper and Pearson by R's binom.test: 15 of 20 is 0.509 to 0.913, 18 is 0.683 to 0.988, 13 is 0.408 to 0.846."""
    spots = row("spot", 10, 13, 15, 18)
    assert (spots.level_for(0.5), spots.level_for(0.75), spots.level_for(0.9)) == (0.1, 0.2, 0.4)
    assert spots.level_bounds(0.9) == (0.2, None)
    assert spots.level_bounds(0.5) == (0.1, 0.2)


def test_a_sentence_for_each_kind_says_from_which_size_and_level_on_90_percent_are_found() -> None:
    result = result_of(row("scratch", 10, 0, 2, 17), row("scratch", 20, 3, 18, 20), row("missing", 10, 18, 20, 20))
    assert result.words()[:2] == [
        "90 % of scratches 2 px wide and 20 px long are found at a contrast of 20 % or more. Of smaller ones fewer are, "
        "however plain.",
        "90 % of missing patches of 10 px are found at an opacity of 10 % or more.",
    ]
    assert "drawn like these" in result.words()[2] and "68 to 99 %" in result.words()[2]


def test_in_millimetres_too_where_the_scale_is_known() -> None:
    result = result_of(row("scratch", 20, 3, 18, 20), pixels_per_mm=8.0)
    assert "2 px wide and 20 px long (0.25 x 2.5 mm)" in result.words()[0]
    assert result.to_dict()["kinds"]["scratch"][0]["size_mm"] == 2.5


def test_where_the_good_parts_come_from_is_said() -> None:
    assert result_of(row("spot", 10, 0, 0, 0), note="They are known.").words()[-1] == "They are known."


def test_the_result_is_json_without_nan_or_infinity() -> None:
    places = WeakPlaces(np.array([[np.nan, 1.5]]), np.zeros((2, 4, 3), np.uint8))
    figures = result_of(row("spot", 10, 0, 0, 0), row("spot", 20, 2, 9, 18), places=places).to_dict()
    text = json.dumps(figures, allow_nan=False)
    never, often = json.loads(text)["kinds"]["spot"]
    assert (never["half_found_from"], never["most_found_from"]) == (None, None)
    assert often["found"] == [
        {"contrast": 0.1, "found": 2},
        {"contrast": 0.2, "found": 9},
        {"contrast": 0.4, "found": 18},
    ]
    assert figures["weakest_place"] == {"x": 0.75, "y": 0.5, "factor": 1.5}
    assert figures["share"] == pytest.approx((2 + 9 + 18) / (6 * 20))


def test_the_examples_are_the_smallest_found_and_the_largest_missed() -> None:
    measured = [
        Measured(0, 0, "spot", 5, (0.5, 0.5), math.inf), Measured(0, 1, "spot", 10, (0.5, 0.5), 0.4),
        Measured(1, 0, "spot", 10, (0.5, 0.5), 0.2), Measured(1, 1, "spot", 20, (0.5, 0.5), 0.2),
        Measured(2, 1, "spot", 20, (0.5, 0.5), 0.1),
    ]  # fmt: skip
    (found, at, is_found), (missed, below, is_missed) = choose_examples(measured, {"spot": LEVELS})
    assert (found, at, is_found) == (measured[2], 0.2, True)
    assert (missed, below, is_missed) == (measured[3], 0.1, False)


def test_a_place_that_needs_twice_the_level_of_the_rest_has_about_that_factor() -> None:
    random = np.random.default_rng(0)
    places = random.uniform(0, 1, (4000, 2))
    measured = [Measured(0, 0, "spot", 5, tuple(place), 0.1 if place[0] < 0.5 else 0.2) for place in places]
    factors = weak_places(measured, {"spot": 0.5}, np.zeros((100, 100, 3), np.uint8)).factors
    assert factors[:, 20].mean() / factors[:, 3].mean() == pytest.approx(2, rel=0.1)


def test_a_trained_model_is_looked_at_at_its_own_threshold(
    trained: Path, demo_dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("paddlex.evaluation.analyses.detectability.DRAWN", 1)
    parts = [sample for sample in read_samples(demo_dataset, VAL_LIST) if sample.mask is None]
    results = []
    for threshold in (None, 1e9):
        predictor = AnomalyPredictor(
            trained / "best_model" / "inference", device="cpu", quiet=True, threshold=threshold
        )
        results.append(analyse(Subject(predictor, parts)))
    assert results[0].share > results[1].share == 0
    assert all(row.drawn == 1 for row in results[0].rows)
