"""Drawn defects are where the part is, as large and as plain as asked for, and the same each time."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from paddlex.evaluation.analyses.drawing import KINDS, Canvas, Defect, make_defect, random_numbers
from paddlex.evaluation.analyses.foreground import find_foreground

SIDE, SIZE = 200, 20
OF_A_CONTRAST = [kind for kind in KINDS if KINDS[kind].level == "contrast"]


@pytest.fixture
def part() -> np.ndarray:
    """A dark, finely textured part in the middle of a plain bright background: uint8 [200, 200, 3]."""
    image = np.full((SIDE, SIDE, 3), 200, np.uint8)
    image[50:150, 50:150] = np.random.default_rng(0).integers(40, 80, size=(100, 100, 1))
    return image


def even(grey: int) -> np.ndarray:
    return np.full((SIDE, SIDE, 3), grey, np.uint8)


def defect(image: np.ndarray, kind: str, seed: int = 0, size: int = SIZE) -> Defect:
    return make_defect(Canvas(image), kind, size, random_numbers(seed))


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_draws_the_same_defect_and_another_one_another(part: np.ndarray, kind: str) -> None:
    first, again, other = (defect(part, kind, seed).on(part, 0.5) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@pytest.mark.parametrize("kind", KINDS)
def test_the_photo_stays_as_it_is_and_only_what_the_defect_covers_changes(part: np.ndarray, kind: str) -> None:
    before, drawn = part.copy(), defect(part, kind)
    changed = (drawn.on(part, 1.0) != part).any(axis=2)
    np.testing.assert_array_equal(part, before)
    covered = np.zeros((SIDE, SIDE), np.uint8)
    covered[drawn.box] = drawn.mask
    assert changed[covered > 0].mean() > 0.8 and not changed[cv2.dilate(covered, np.ones((25, 25))) == 0].any()
    np.testing.assert_array_equal(drawn.on(part, 0.0), part)


@pytest.mark.parametrize("kind", KINDS)
def test_defects_lie_on_the_part_wholly_and_anywhere_on_it(part: np.ndarray, kind: str) -> None:
    centres = np.array([defect(part, kind, seed).place for seed in range(60)])
    assert centres.min() >= 50 + SIZE / 2 - 2 and centres.max() <= 150 - SIZE / 2 + 2
    assert np.ptp(centres, axis=0).min() > 60


def test_on_a_photo_that_the_part_fills_they_lie_anywhere_and_are_not_cut_off() -> None:
    texture = np.random.default_rng(0).integers(0, 256, (SIDE, 2 * SIDE, 3), dtype=np.uint8)
    assert find_foreground(texture) is None
    centres = np.array([defect(texture, "spot", seed).place for seed in range(60)])
    assert centres.min() >= SIZE / 2 and (centres.max(axis=0) <= (2 * SIDE - SIZE / 2, SIDE - SIZE / 2)).all()
    assert (np.ptp(centres, axis=0) > (300, 140)).all()


def test_they_lie_only_where_they_are_allowed_to(part: np.ndarray) -> None:
    allowed = np.zeros((SIDE, SIDE), bool)
    allowed[:, :100] = True
    for seed in range(20):
        place = make_defect(Canvas(part).restricted(allowed), "spot", SIZE, random_numbers(seed)).place
        assert 50 <= place[0] <= 100 and 50 <= place[1] <= 150


def test_a_part_without_room_for_the_whole_defect_is_drawn_on_all_the_same(part: np.ndarray) -> None:
    assert min(defect(part, "spot", size=150).place) >= 50 and max(defect(part, "spot", size=150).place) <= 150


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "scratch"])
def test_the_size_is_the_diameter_of_a_disc_of_the_same_area(kind: str) -> None:
    image = np.random.default_rng(0).integers(0, 100, (SIDE, SIDE, 3), dtype=np.uint8)
    areas = [defect(image, kind, seed, size=40).mask.sum() for seed in range(20)]
    assert np.mean(areas) == pytest.approx(np.pi / 4 * 40**2, rel=0.1)


def test_a_scratch_is_as_long_as_asked_for_and_a_tenth_as_wide() -> None:
    scratch = defect(even(0), "scratch", size=60)
    (_, (height, width), _) = cv2.minAreaRect(np.argwhere(scratch.mask))
    assert max(height, width) == pytest.approx(60, abs=3) and min(height, width) == pytest.approx(6, abs=2)
    assert defect(even(0), "scratch", size=2).mask.any()


@pytest.mark.parametrize("kind", OF_A_CONTRAST)
@pytest.mark.parametrize(("grey", "expected"), [(200, 149), (50, 101), (220, 169)])
def test_a_contrast_is_a_share_of_the_grey_values_towards_the_other_end(kind: str, grey: int, expected: int) -> None:
    drawn = defect(even(grey), kind).on(even(grey), 0.2)  # 0.2 * 255 = 51
    farthest = drawn[..., 0].min() if grey > 127 else drawn[..., 0].max()
    assert farthest == pytest.approx(expected, abs=1)


def test_where_a_patch_is_missing_the_background_shows(part: np.ndarray) -> None:
    missing = defect(part, "missing")
    rows, columns = (int(value) for value in missing.place[::-1])
    assert (missing.on(part, 1.0)[rows, columns] == 200).all()


def test_where_there_is_no_background_a_missing_patch_is_even() -> None:
    texture = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    missing = defect(texture, "missing", size=40)
    core = cv2.erode(missing.mask.astype(np.uint8), np.ones((11, 11))) > 0
    shown = missing.on(texture, 1.0)[missing.box][core]
    assert np.ptp(shown) < 20 and shown.mean() == pytest.approx(127.5, abs=10)


def test_a_shifted_patch_is_the_part_beside_it_and_a_foreign_texture_another_place_of_it() -> None:
    ramp = np.repeat(np.arange(SIDE, dtype=np.uint8)[None, :, None], SIDE, axis=0).repeat(3, axis=2)
    shifts, distances = [], []
    for seed in range(20):
        for kind, moved in (("shifted", shifts), ("texture", distances)):
            drawn = defect(ramp, kind, seed)
            row, column = int(drawn.place[1]), int(drawn.place[0])
            moved.append(abs(float(drawn.on(ramp, 1.0)[row, column, 0]) - float(ramp[row, column, 0])))
    assert max(shifts) <= SIZE / 2 + 2 and max(shifts) > SIZE / 4
    assert np.median(distances) > SIZE


def test_there_are_no_seams(part: np.ndarray) -> None:
    """From where nothing is changed to where all is takes at least two pixels."""
    for kind in ("missing", "shifted", "texture", "stain"):
        change = np.abs(
            make_defect(Canvas(even(100)), "stain" if kind == "stain" else "spot", 40, random_numbers(3)).change
        )
        assert np.abs(np.diff(change[..., 0], axis=0)).max() <= 0.6 * change.max()


# Where the part is


def test_the_part_is_found_on_an_even_background_with_its_holes() -> None:
    image = even(230)
    cv2.circle(image, (100, 100), 60, (40, 60, 50), -1)
    cv2.circle(image, (100, 100), 20, (230, 230, 230), -1)
    found = find_foreground(image)
    assert found is not None
    truth = np.zeros((SIDE, SIDE), np.uint8)
    cv2.circle(truth, (100, 100), 60, 1, -1)
    assert (found & (truth > 0)).sum() / (found | (truth > 0)).sum() > 0.95


def test_a_soft_shadow_is_no_part() -> None:
    image = even(230)
    cv2.circle(image, (120, 110), 60, (205, 205, 205), -1)
    cv2.circle(image, (100, 100), 40, (60, 60, 60), -1)
    found = find_foreground(cv2.GaussianBlur(image, (9, 9), 0))
    assert found is not None and found.mean() == pytest.approx(np.pi * 40**2 / SIDE**2, rel=0.1)


def test_specks_on_an_even_surface_are_no_part() -> None:
    image = even(128)
    for x, y in np.random.default_rng(0).integers(10, 190, (40, 2)).tolist():
        cv2.circle(image, (x, y), 2, (0, 0, 0), -1)
    assert find_foreground(image) is None
