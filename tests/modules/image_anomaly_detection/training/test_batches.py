"""Batches of training images: each image once an epoch, in a reproducible order, with or without memory."""

import cv2
import numpy as np
import pytest

from paddlex.data.dataset import Sample
from paddlex.errors import ImageReadError
from paddlex.inference.transforms import Transform
from paddlex.modules.image_anomaly_detection.training.batches import ImageBatches, consecutive, shuffled
from paddlex.modules.image_anomaly_detection.training.gradient.augment import Augmentation

TRANSFORM = Transform((16, 12))


@pytest.fixture
def samples(tmp_path) -> list[Sample]:
    """Seven images of different sizes and contents."""
    random = np.random.default_rng(0)
    found = []
    for number in range(7):
        pixels = random.integers(0, 256, size=(20 + number, 30, 3), dtype=np.uint8)
        cv2.imwrite(str(tmp_path / f"{number}.png"), pixels)
        found.append(Sample(tmp_path, f"{number}.png", None, "train.txt", number + 1))
    return found


def expected_batch(samples: list[Sample], numbers: list[int]) -> np.ndarray:
    """RGB over 255, minus ImageNet's mean, over its deviation, [N, 3, 12, 16]."""
    images = [cv2.resize(cv2.imread(str(samples[number].image_path)), (16, 12)) for number in numbers]
    scaled = (np.stack(images)[..., ::-1] / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    return scaled.transpose(0, 3, 1, 2)


# Order


@pytest.mark.parametrize("count", [1, 2, 8, 19, 100])
def test_each_image_comes_once_an_epoch(count):
    order = [number for batch in shuffled(count, 8, seed=0, epoch=3) for number in batch]
    assert sorted(order) == list(range(count))


def test_the_order_is_the_same_for_the_same_seed_and_epoch():
    assert shuffled(50, 8, seed=1, epoch=2) == shuffled(50, 8, seed=1, epoch=2)


@pytest.mark.parametrize(("seed", "epoch"), [(1, 3), (2, 2)])
def test_the_order_is_another_for_another_seed_or_epoch(seed, epoch):
    assert shuffled(50, 8, seed, epoch) != shuffled(50, 8, seed=1, epoch=2)


@pytest.mark.parametrize(
    ("count", "sizes"),
    [
        (16, [8, 8]),
        (21, [8, 8, 5]),  # more than half a batch stands alone
        (20, [8, 12]),  # less joins the batch before
        (17, [8, 9]),
        (3, [3]),  # there is none before
    ],
)
def test_a_last_batch_of_half_or_less_joins_the_one_before(count, sizes):
    assert [len(batch) for batch in shuffled(count, 8, seed=0, epoch=0)] == sizes


@pytest.mark.parametrize("count", range(3, 20))
def test_batches_of_four_never_end_in_one_of_one_or_two(count):
    assert min(len(batch) for batch in shuffled(count, 4, seed=0, epoch=0)) >= 3


def test_consecutive_batches_keep_the_order_and_a_short_end():
    assert consecutive(5, 2) == [[0, 1], [2, 3], [4]]


# Images


@pytest.mark.parametrize("memory_bytes", [0, 3 * 16 * 12 * 3, 1 << 20], ids=["none", "three images", "enough"])
def test_batches_are_the_normalised_images_however_much_is_kept_in_memory(samples, memory_bytes):
    images = ImageBatches(samples, TRANSFORM, memory_bytes)
    batches = [[3, 0, 6], [1, 2], [5, 4, 3]]
    for _ in range(2):  # the second time from memory, as far as it goes
        for numbers, batch in zip(batches, images(batches), strict=True):
            assert batch.dtype == np.float32
            np.testing.assert_allclose(batch, expected_batch(samples, numbers), atol=1e-5)


def test_kept_images_are_not_read_again(samples):
    images = ImageBatches(samples, TRANSFORM)
    (first,) = images([[0, 1]])
    samples[0].image_path.unlink()
    (second,) = images([[0, 1]])
    np.testing.assert_array_equal(first, second)


def test_without_memory_every_epoch_reads_again(samples):
    images = ImageBatches(samples, TRANSFORM, memory_bytes=0)
    list(images([[0]]))
    samples[0].image_path.unlink()
    with pytest.raises(ImageReadError):
        list(images([[0]]))


def test_no_batches_are_no_images(samples):
    assert list(ImageBatches(samples, TRANSFORM)([])) == []


def test_an_unreadable_image_is_named(samples):
    samples[4].image_path.write_bytes(b"not an image")
    with pytest.raises(ImageReadError, match=r"4\.png"):
        list(ImageBatches(samples, TRANSFORM)([[0, 1], [4]]))


# Augmentation


def test_an_augmented_batch_is_the_normalised_augmented_images_and_another_one_in_each_epoch(samples):
    augmentation = Augmentation(["rotate=30", "noise"], seed=1)
    images = ImageBatches(samples, TRANSFORM, augmentation=augmentation)
    plain = {number: TRANSFORM.resize(cv2.imread(str(samples[number].image_path))) for number in (4, 2)}
    for epoch in (0, 1, 0):
        (batch,) = images([[4, 2]], epoch)
        wanted = TRANSFORM.normalise(np.stack([augmentation(plain[number], epoch, number) for number in (4, 2)]))
        np.testing.assert_array_equal(batch, wanted)


# Constant images


@pytest.mark.parametrize(("low", "high", "is_constant"), [(0, 0, True), (90, 92, True), (90, 94, False)])
def test_an_image_is_constant_if_each_channel_stays_within_two_grey_values(samples, low, high, is_constant):
    pixels = np.full((12, 16, 3), (low, 60, 200), np.uint8)
    pixels[:, 8:, 0] = high
    cv2.imwrite(str(samples[3].image_path), pixels)
    assert ImageBatches(samples, TRANSFORM).constant() == ([samples[3]] if is_constant else [])
