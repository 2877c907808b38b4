"""Where the parts are, learnt from photos drawn for it; in doubt more is inspected, never less."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from paddlex.data.foreground import foreground_of

SIZE = 256


def photos(count: int = 12, *, grey: float = 200, seed: int = 0, shift: int = 6) -> Iterator[np.ndarray]:
    """A dark disc with a bright hole, a little elsewhere in each photo, on a plain background that is lit from one side."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        light = grey + np.linspace(-15, 15, SIZE)[None, :, None] + rng.normal(0, 2, (SIZE, SIZE, 3))
        photo = np.clip(light, 0, 255).astype(np.uint8)
        centre = tuple(128 + rng.integers(-shift, shift + 1, 2).tolist()[i] for i in range(2))
        cv2.circle(photo, centre, 60, (60, 70, 50), cv2.FILLED)
        cv2.circle(photo, centre, 20, (grey, grey, grey), cv2.FILLED)
        yield photo


def disc(radius: float) -> np.ndarray:
    y, x = np.mgrid[:SIZE, :SIZE]
    return np.hypot(x - 128, y - 128) <= radius


def test_the_part_is_inspected_with_its_hole_and_the_background_is_not():
    found = foreground_of(photos())
    assert found[disc(60)].all()  # its hole too: whatever lies in it is on the part
    assert not found[~disc(85)].any()


def test_a_part_that_moves_is_inspected_wherever_it_has_been():
    places = list(photos(40, shift=50))
    found = foreground_of(places)
    for photo in places:
        assert found[photo.max(axis=2) < 100].all()


def test_what_lies_about_beside_the_parts_is_not_inspected():
    rng = np.random.default_rng(1)
    cluttered = list(photos())
    for photo in cluttered[::2]:
        x, y = rng.integers(2, 24, 2).tolist()
        cv2.rectangle(photo, (x, y), (x + 20, y + 20), rng.integers(0, 256, 3).tolist(), cv2.FILLED)
    assert not foreground_of(cluttered)[:40, :40].any()


def test_a_small_piece_that_is_always_there_is_a_part():
    with_label = list(photos())
    for photo in with_label:
        cv2.rectangle(photo, (10, 10), (25, 20), (0, 0, 150), cv2.FILLED)
    assert foreground_of(with_label)[10:20, 10:25].all()


def test_of_several_parts_all_are_inspected():
    several = list(photos())
    for number, photo in enumerate(several):
        cv2.circle(photo, (35, 30 + 8 * number), 28, (80, 60, 50), cv2.FILLED)
    found = foreground_of(several)
    assert found[30:110, 30:40].all()


def test_without_a_plain_background_everything_is_inspected():
    noise = np.random.default_rng(2).integers(0, 256, (6, SIZE, SIZE, 3), np.uint8)
    assert foreground_of(noise) is None


def test_a_part_that_fills_the_photo_is_inspected_whole():
    plain = [np.full((SIZE, SIZE, 3), 120, np.uint8)] * 4
    assert foreground_of(plain) is None


def test_a_photo_without_telling_does_not_spoil_the_others_and_many_do():
    good = list(photos(19))
    odd = [np.random.default_rng(3).integers(0, 256, (SIZE, SIZE, 3), np.uint8)]
    assert not foreground_of(good + odd)[:30, :30].any()
    assert foreground_of(good[:5] + odd) is None
