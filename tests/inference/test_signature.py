"""A product is told from others by a few numbers, whatever the light, and whatever is wrong with the part."""

from __future__ import annotations

import base64

import cv2
import numpy as np
import pytest

from paddlex.inference.checked import Invalid
from paddlex.inference.signature import LENGTH, Signature, describe, descriptions


def photo(product: str, seed: int) -> np.ndarray:
    """A ring or a bolt on a grey table, uint8 [200, 160, 3]: shifted a little, with noise, each a little different."""
    rng = np.random.default_rng(seed)
    image = np.full((200, 160, 3), 90, np.uint8)
    x, y = (int(value) for value in rng.integers(-4, 5, 2))
    if product == "ring":
        cv2.circle(image, (80 + x, 100 + y), 55 + seed % 3, (170, 180, 190), 18)
    else:
        cv2.rectangle(image, (60 + x, 30 + y), (100 + x, 170 + y), (150, 150, 200), -1)
        cv2.rectangle(image, (40 + x, 20 + y), (120 + x, 60 + y), (140, 140, 180), -1)
    return np.clip(image + rng.normal(0, 4, image.shape), 0, 255).astype(np.uint8)


def signature(product: str, count: int = 20) -> Signature:
    return Signature.of([descriptions(photo(product, seed)) for seed in range(count)])


RING, BOLT = signature("ring"), signature("bolt")


def test_a_new_photo_is_near_its_product_and_far_from_another() -> None:
    new = photo("ring", 100)
    assert RING.distance(new) < 1 < BOLT.distance(new)


@pytest.mark.parametrize("light", [0.8, 1.2])
def test_light_changes_no_product(light: float) -> None:
    assert RING.distance(cv2.convertScaleAbs(photo("ring", 100), alpha=light)) < 1


def test_a_defective_part_is_still_its_product() -> None:
    scratched = photo("ring", 100)
    cv2.line(scratched, (60, 80), (110, 120), (20, 20, 20), 4)
    assert RING.distance(scratched) < 1


@pytest.mark.parametrize("grey", [0, 128, 255])
def test_a_picture_of_nothing_is_no_product(grey: int) -> None:
    assert RING.distance(np.full((200, 160, 3), grey, np.uint8)) > 1


def test_a_few_photos_are_enough_to_tell_these_apart() -> None:
    ring, bolt = signature("ring", 4), signature("bolt", 4)
    assert ring.distance(photo("ring", 100)) < 1 < bolt.distance(photo("ring", 100))


def test_the_size_of_the_picture_does_not_matter() -> None:
    small = cv2.resize(photo("ring", 100), None, fx=0.8, fy=0.8, interpolation=cv2.INTER_AREA)
    assert RING.distance(small) < 1


def test_a_description_is_of_contrast_and_not_of_brightness() -> None:
    image = photo("bolt", 1)
    assert np.abs(describe(image) - describe(cv2.convertScaleAbs(image, alpha=0.8))).max() < 1  # tolerances


def test_the_power_of_a_wave_is_found_in_its_band_and_direction() -> None:
    wave = np.tile(128 + 100 * np.sin(2 * np.pi * 16 * np.arange(128) / 128), (128, 1))  # 16 periods across
    image = cv2.cvtColor(wave.astype(np.uint8), cv2.COLOR_GRAY2BGR)
    bands = describe(image)[-16:].reshape(4, 4)  # bands begin at 1, 2.8, 8 and 22.6 periods a side
    assert np.unravel_index(bands.argmax(), bands.shape) == (2, 0)


def test_the_distance_is_mahalanobis_with_the_covariance_that_is_stored() -> None:
    scipy = pytest.importorskip("scipy.spatial.distance")
    values = np.frombuffer(base64.b64decode(RING.looks), "<f4").astype(float)
    covariance = np.zeros((LENGTH, LENGTH))
    covariance[np.tril_indices(LENGTH)] = values[LENGTH:]
    covariance += np.tril(covariance, -1).T
    new = photo("ring", 100)
    expected = scipy.mahalanobis(describe(new), values[:LENGTH], np.linalg.inv(covariance)) / np.sqrt(LENGTH)
    assert RING.distance(new) * RING.limit == pytest.approx(expected, rel=1e-6)


def test_what_is_written_is_read_back() -> None:
    assert Signature.parse(RING.to_dict()) == RING


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"limit": 0}, "limit must be above 0"),
        ({"photos": 1}, "photos must be a whole number, 2 or more"),
        ({"looks": "hello"}, "looks must be what the training has written"),
        ({"looks": RING.looks[:-8]}, "looks must be what the training has written"),
        ({"looks": base64.b64encode(bytes(4 * (LENGTH + LENGTH * (LENGTH + 1) // 2))).decode()}, "looks must be what"),
    ],
)
def test_a_signature_that_cannot_be_is_refused(change: dict[str, object], problem: str) -> None:
    with pytest.raises(Invalid, match=problem):
        Signature.parse({**RING.to_dict(), **change})
