"""Up to where a model stands is what its rule says, worked out by hand for a model whose rule is known."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from paddlex.data.dataset import VAL_LIST, Sample, read_samples
from paddlex.errors import ModelError
from paddlex.evaluation.analyses import robustness
from paddlex.evaluation.analyses.disturbances import DISTURBANCES, Disturbance
from paddlex.evaluation.analyses.robustness import Robustness, analyse, least_usual_tile, measure_robustness
from paddlex.evaluation.analyses.standing import Standing, Withstood
from paddlex.evaluation.analyses.subject import Subject
from paddlex.evaluation.report.findings import finding_sections
from paddlex.inference.predictor import AnomalyPredictor
from paddlex.inference.preparation import NOTHING
from paddlex.inference.tiling import Tiling

THRESHOLD = 64.0


class KnownRule:
    """Calls a photo defective if ``is_called`` says so; its map is how far each pixel is from the photo's median."""

    limits = SimpleNamespace(image=SimpleNamespace(threshold=THRESHOLD))
    preparation = NOTHING

    def __init__(self, is_called: Callable[[np.ndarray], bool], target_fpr: float = 0.05) -> None:
        self.is_called = is_called
        self.folder = SimpleNamespace(calibration=SimpleNamespace(target_fpr=target_fpr))

    def predict(
        self, images: Iterable[np.ndarray], on_error: Callable[..., None], **_: Any
    ) -> Iterator[dict[str, Any]]:
        for image in images:
            try:
                is_called = self.is_called(image)
            except ModelError as error:
                on_error(image, error)
                continue
            grey = image.mean(axis=2, dtype=np.float32)
            yield {"is_anomalous": is_called, "anomaly_map": np.abs(grey - np.median(grey))}


def plain(*greys: int) -> list[np.ndarray]:
    return [np.full((40, 60, 3), grey, np.uint8) for grey in greys]


def of(*names: str) -> list[Disturbance]:
    return [one for one in DISTURBANCES if one.name in names]


def standings(robustness: Robustness) -> dict[str, Standing]:
    return {one.direction.name: one for withstood in robustness.withstood for one in withstood.standings}


def called(standing: Standing) -> dict[float, int]:
    return {strength: int(standing.levels[strength].sum()) for strength in standing.strengths}


def darker_than(grey: float) -> Callable[[np.ndarray], bool]:
    return lambda image: bool(image.mean() < grey)


def test_twice_the_target_share_of_the_good_parts_may_be_called_defective() -> None:
    """Photos of 91 to 110 with x % less light are below 90 if they were below 89.5 / (1 - x / 100), for grey values are whole:
    at 3.5 % 91 and 92 of the 20 photos, which is 10 %, at 4 % 93 as well."""
    found = measure_robustness(KnownRule(darker_than(90)), plain(*range(91, 111)), disturbances=of("brightness"))
    darker = standings(found)["darker"]
    assert called(darker) == {0: 0, 2: 1, 3: 2, 3.5: 2, 4: 3, 8: 7}
    assert (darker.stands_up_to, darker.first_failure) == (3.5, 4)
    assert found.limit == 0.1 and found.photos == 20 and found.undisturbed == 0


@pytest.mark.parametrize(("target", "stands"), [(0.05, 3.5), (0.025, 2.5), (0.15, 7)])
def test_how_many_may_be_follows_the_target_that_the_model_was_made_for(target: float, stands: float) -> None:
    """Of 20 photos 2, 1 and 6: at 2.5 % 91 alone is below 91.8, at 7 % 96 is below 96.2, and 97 is not."""
    found = measure_robustness(
        KnownRule(darker_than(90), target), plain(*range(91, 111)), disturbances=of("brightness")
    )
    assert standings(found)["darker"].stands_up_to == stands


def test_what_is_never_called_defective_stands_the_most_that_was_tried() -> None:
    found = measure_robustness(KnownRule(darker_than(90)), plain(*[100] * 20), disturbances=of("brightness"))
    brighter = standings(found)["brighter"]
    assert (brighter.stands_up_to, brighter.first_failure) == (128, None)
    assert found.words()[0].startswith(
        "The light may become 10\N{NO-BREAK SPACE}% darker or 128\N{NO-BREAK SPACE}% brighter (the most that was tried) "
        "before more than 10\N{NO-BREAK SPACE}% of good parts are called defective."
    )


def test_where_nothing_that_was_tried_is_too_much_the_sentence_says_no_more() -> None:
    found = measure_robustness(KnownRule(lambda image: False), plain(*[100] * 20), disturbances=of("blur"))
    assert found.words()[0].startswith(
        "The picture may be blurred by a sigma of 16\N{NO-BREAK SPACE}px (the most that was tried): no more than "
        "10\N{NO-BREAK SPACE}% of good parts are called defective there."
    )


def test_less_than_the_weakest_strength_is_tried_where_that_is_too_much_already() -> None:
    found = measure_robustness(KnownRule(lambda image: bool((image != 200).any())), plain(*[200] * 20))
    assert called(standings(found)["darker"]) == {0: 0, 0.5: 20, 1: 20, 2: 20, 4: 20, 8: 20}
    assert "The light may not even become 0.5" in found.words()[0]
    assert "lie 16\N{NO-BREAK SPACE}% (10\N{NO-BREAK SPACE}px) further left" in " ".join(found.words())


def test_where_undisturbed_photos_are_called_defective_too_often_nothing_is_stood() -> None:
    found = measure_robustness(KnownRule(darker_than(93)), plain(*range(90, 110)), disturbances=of("brightness"))
    assert found.undisturbed == 3
    assert {one.stands_up_to for one in standings(found).values()} == {None}
    assert found.words()[0].startswith(
        "Without any change 3 of 20 good parts (15\N{NO-BREAK SPACE}%) are called defective already"
    )
    json.dumps(found.to_dict(), allow_nan=False)


def test_a_photo_that_cannot_be_judged_counts_as_one_that_is_called_defective() -> None:
    def is_called(image: np.ndarray) -> bool:
        if image.mean() < 90:
            raise ModelError("the part is not found")
        return False

    errors = measure_robustness(KnownRule(is_called), plain(*range(91, 111)), disturbances=of("brightness"))
    calls = measure_robustness(KnownRule(darker_than(90)), plain(*range(91, 111)), disturbances=of("brightness"))
    assert called(standings(errors)["darker"]) == called(standings(calls)["darker"])


def test_the_model_is_blind_where_drawn_defects_fade_below_the_threshold() -> None:
    """Spots and scratches differ by 128 from a plain part, so by 46 where the contrast is 64 % weaker, and the threshold is 64;
    what is moved from elsewhere on a plain part is no defect."""
    found = measure_robustness(KnownRule(lambda image: False), plain(*[100] * 20), disturbances=of("contrast"))
    weaker = standings(found)["weaker"]
    assert found.drawn == (12, 8)
    assert (weaker.stands_up_to, weaker.is_blind_from, dict(weaker.found)) == (64, 64, {64: 0, 32: 8})
    assert found.words()[0].endswith(
        "But defects are lost before that: at 64\N{NO-BREAK SPACE}% (weaker) the model finds 0 of the 8 drawn defects that it "
        "finds otherwise."
    )


def test_defects_are_looked_for_where_the_shift_has_moved_them() -> None:
    found = measure_robustness(KnownRule(lambda image: False), plain(*[100] * 20), disturbances=of("shift sideways"))
    assert {one.is_blind_from for one in standings(found).values()} == {None}
    assert all(counts[16] >= 6 for counts in (one.found for one in standings(found).values()))


def test_no_shift_by_less_than_a_pixel_is_tried() -> None:
    """It would move nothing, and 0.4 % of 60 pixels would be called stood."""
    photos = [np.broadcast_to(np.arange(60, dtype=np.uint8)[None, :, None], (40, 60, 3)).copy() for _ in range(20)]
    rule = KnownRule(lambda image: bool((image != photos[0]).any()))
    found = standings(measure_robustness(rule, photos, disturbances=of("shift sideways")))
    assert {one.stands_up_to for one in found.values()} == {0.0}
    assert min(strength for one in found.values() for strength in one.strengths if strength) >= 50 / 60


@pytest.mark.parametrize(("side", "are_tried"), [(3, False), (8, True), (16, True)])
def test_of_small_photos_the_shifts_are_tried_that_move_them_and_of_smaller_ones_none(side, are_tried) -> None:
    photos = [np.full((side, side, 3), grey, np.uint8) for grey in (100, 110, 120, 130)]
    found = measure_robustness(KnownRule(lambda photo: False), photos)
    shifts = [standing for one in found.withstood if one.disturbance.moves_along for standing in one.standings]
    assert bool(shifts) is are_tried
    assert all(standing.stands_up_to >= 50 / side for standing in shifts)
    assert any("none was tried" in note for note in found.notes) is not are_tried
    assert len(finding_sections({"robustness": found})) == 1  # every chart can be drawn


def test_nothing_is_said_about_defects_where_too_few_are_found_in_undisturbed_photos() -> None:
    predictor = KnownRule(lambda image: False)
    predictor.limits = SimpleNamespace(image=SimpleNamespace(threshold=300.0))
    found = measure_robustness(predictor, plain(*[100] * 20), disturbances=of("blur"))
    assert found.drawn == (12, 0) and not standings(found)["blurred"].found
    assert found.notes == [
        "Of 12 defects drawn on undisturbed photos the model finds 0: too few to say when it is blind."
    ]


def test_changes_of_colour_are_left_out_where_photos_have_none() -> None:
    predictor = KnownRule(lambda image: False)
    assert "bluer" not in standings(measure_robustness(predictor, plain(*[100] * 4), disturbances=of("colour", "blur")))
    coloured = [*plain(100, 100, 100), np.full((40, 60, 3), (100, 100, 101), np.uint8)]
    assert "bluer" in standings(measure_robustness(predictor, coloured, disturbances=of("colour", "blur")))


def test_a_strength_has_its_unit_and_a_shift_its_pixels() -> None:
    noise, sideways = of("noise")[0], of("shift sideways")[0]
    assert [Withstood(noise, []).amount(strength) for strength in (1.0, 2.5)] == [
        "1\N{NO-BREAK SPACE}grey value", "2.5\N{NO-BREAK SPACE}grey values",
    ]  # fmt: skip
    assert Withstood(sideways, [], side=900).amount(2) == "2\N{NO-BREAK SPACE}% (18\N{NO-BREAK SPACE}px)"


def photos_of(*counts: int, total: int = 20) -> dict[float, np.ndarray]:
    """At strengths 0, 1, 2 …: so many of the photos are called defective."""
    return {float(strength): np.arange(total) < count for strength, count in enumerate(counts)}


def test_the_limit_has_no_width_where_all_photos_fail_at_once() -> None:
    assert Standing(DISTURBANCES[0].directions[0], photos_of(0, 0, 20), 0.1).interval() == (1, 1)


def test_the_interval_is_open_above_where_other_photos_might_stand_all_that_was_tried() -> None:
    """Of photos drawn anew 3 of 20 are at most 2 with a probability of 0.40, and 0 of 20 are never more."""
    assert Standing(DISTURBANCES[0].directions[0], photos_of(0, 0, 3), 0.1).interval() == (1, None)


def test_the_interval_reaches_down_to_where_other_photos_might_fail() -> None:
    """2 of 20 are more than 2 with a probability of 0.32, and 1 of 20 with one of 0.075, none of 20 never."""
    assert Standing(DISTURBANCES[0].directions[0], photos_of(0, 1, 2, 20), 0.1).interval() == (0, 2)


class Brightest:
    """Scans photos in tiles of 20; its map is how bright a pixel is."""

    tiling = Tiling(20, 0.0)

    def photo_maps(self, images: Sequence[np.ndarray]) -> Iterator[np.ndarray]:
        return (image.mean(axis=2) for image in images)


@pytest.mark.parametrize(
    ("place", "corner"), [((25, 33), (15, 23)), ((0, 0), (0, 0)), ((39, 59), (20, 40)), ((5, 59), (0, 40))]
)
def test_of_a_photo_that_is_scanned_in_tiles_the_tile_about_its_highest_place_is_taken(
    place: tuple[int, int], corner: tuple[int, int]
) -> None:
    photo = np.random.default_rng(0).integers(0, 100, (40, 60, 3), dtype=np.uint8)
    photo[place] = 255
    expected = photo[corner[0] : corner[0] + 20, corner[1] : corner[1] + 20]
    np.testing.assert_array_equal(least_usual_tile(Brightest(), photo), expected)


def test_a_photo_that_is_smaller_than_a_tile_is_taken_as_it_is() -> None:
    photo = np.zeros((12, 30, 3), np.uint8)
    assert least_usual_tile(Brightest(), photo).shape == (12, 20, 3)


def test_large_photos_are_fewer_and_those_in_tiles_are_not(demo_dataset: Path, monkeypatch) -> None:
    """7 good parts of 100 megapixels are 2.1 GB, so the least that there may be are taken: 4."""
    seen = []
    monkeypatch.setattr(robustness, "measure_robustness", lambda _, photos, **__: seen.append(len(photos)) or FOUND)
    monkeypatch.setattr(Sample, "read", lambda _: np.broadcast_to(np.uint8(0), (10_000, 10_000, 3)))
    predictor = SimpleNamespace(tiling=None, preparation=SimpleNamespace(steps=[]))
    samples = [Sample(demo_dataset, f"{number}.png", None, VAL_LIST, number) for number in range(7)]
    analyse(Subject(predictor, samples))
    predictor.tiling = Brightest.tiling
    monkeypatch.setattr(robustness, "least_usual_tile", lambda _, photo: photo[:20, :20])
    assert "per cent of a tile" in analyse(Subject(predictor, samples)).notes[-1]
    assert seen == [4, 7]


FOUND = Robustness(4, 0, 0.05, 0.1, (0, 0), [])


def trained_predictor(folder: Path) -> AnomalyPredictor:
    return AnomalyPredictor(folder / "best_model" / "inference", quiet=True, device="cpu")


def good_parts(dataset: Path) -> list[Sample]:
    return [sample for sample in read_samples(dataset, VAL_LIST) if sample.mask is None]


@pytest.fixture(scope="module")
def measured(patchcore: Path, demo_dataset: Path) -> tuple[AnomalyPredictor, Sequence[Sample], Robustness]:
    predictor, samples = trained_predictor(patchcore), good_parts(demo_dataset)
    return predictor, samples, analyse(Subject(predictor, samples, note="Where they come from."))


def test_a_trained_model_is_judged_as_it_predicts(measured) -> None:
    predictor, samples, found = measured
    photos = [sample.read() for sample in samples]
    for withstood in found.withstood:
        if withstood.disturbance.name == "noise":
            continue  # its random numbers are its own
        for standing in withstood.standings:
            strength = standing.strengths[-1]
            changed = [standing.direction.change(photo, strength, np.random.default_rng(0)) for photo in photos]
            by_hand = [result["is_anomalous"] for result in predictor.judge(changed)]
            assert standing.levels[strength].tolist() == by_hand, (standing.direction.name, strength)


def test_what_was_measured_of_a_trained_model_is_plain_json(measured) -> None:
    report = measured[2].to_dict()
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    assert measured[2].words()[-1] == "Where they come from." and report["photos"] == 4


def test_the_same_photos_and_seed_give_the_same_figures(measured) -> None:
    predictor, samples, _ = measured
    photos = [sample.read() for sample in samples]
    first, again = (measure_robustness(predictor, photos, disturbances=of("noise"), seed=3).to_dict() for _ in range(2))
    assert first == again
