"""Which normal images a training uses, and what a person would notice about them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from paddlex.data.dataset import Sample
from paddlex.errors import TrainingError
from paddlex.modules.image_anomaly_detection.training.normal_images import hold_out, normal_images, warn_of_images


def samples_of(root: Path, contents: list[bytes]) -> list[Sample]:
    for number, content in enumerate(contents):
        (root / f"{number}.png").write_bytes(content)
    return [Sample(root, f"{number}.png", None, "train.txt", number + 1) for number in range(len(contents))]


def test_files_of_the_same_content_are_one_image(tmp_path):
    photos = normal_images(samples_of(tmp_path, [b"a", b"b", b"a", b"c", b"d", b"a"]))
    assert [photo.image for photo in photos] == ["0.png", "1.png", "3.png", "4.png"]


def test_one_photo_copied_many_times_is_too_few_to_train_on(tmp_path):
    with pytest.raises(TrainingError, match="1 different training images are too few"):
        normal_images(samples_of(tmp_path, [b"the same"] * 20))


@pytest.mark.parametrize("is_marked", [True, False])
def test_a_part_that_a_mask_says_is_defective_does_not_train(tmp_path, is_marked):
    samples = samples_of(tmp_path, [b"a", b"b", b"c", b"d"])
    cv2.imwrite(str(tmp_path / "mask.png"), np.eye(8, dtype=np.uint8) * is_marked)
    samples[2] = replace(samples[2], mask="mask.png")
    if not is_marked:
        assert len(normal_images(samples)) == 4
        return
    with pytest.raises(
        TrainingError, match=r"2.png has anomalies in its mask mask.png .*train.txt line 3.*move the line"
    ):
        normal_images(samples)


def sample(number: int) -> Sample:
    return Sample(Path("data"), f"good/{number}.png", None, "train.txt", number + 1)


@pytest.mark.parametrize(("count", "percent", "held_out"), [(4, 20, 2), (4, 90, 2), (24, 20, 5), (10, 0.5, 2)])
def test_the_share_that_is_asked_for_is_held_out_and_at_least_two_stay_on_either_side(count, percent, held_out):
    photos = [sample(number) for number in range(count)]
    fit, rest = hold_out(photos, percent, seed=0)
    assert sorted([*fit, *rest], key=photos.index) == photos
    assert len(rest) == held_out


def test_false_alarms_are_trained_on_and_change_nothing_of_what_is_held_out():
    photos = [sample(number) for number in range(10)]
    alarms = [replace(sample(number), list_name="false_alarms.txt") for number in (20, 21, 22)]
    fit, held_out = hold_out(photos, 50, seed=0)
    assert hold_out([*photos, *alarms], 50, seed=0) == ([*fit, *alarms], held_out)


def test_false_alarms_alone_are_too_few_to_train_on(tmp_path):
    samples = samples_of(tmp_path, [b"a", b"b", b"c", b"d", b"e"])
    with pytest.raises(TrainingError, match="3 different training images are too few"):
        normal_images([*samples[:3], *(replace(one, list_name="false_alarms.txt") for one in samples[3:])])


def test_few_images_are_warned_of_below_fifty():
    assert warn_of_images(50, []) == []
    (warning,) = warn_of_images(49, [])
    assert "49 training images are few: below 50" in warning and "Take more photos" in warning


def test_images_of_a_single_colour_are_named_with_their_lines():
    (warning,) = warn_of_images(100, [sample(2), sample(7)])
    assert "2 training images are a single colour: good/2.png (line 3), good/7.png (line 8)." in warning
    assert "Take them out of train.txt" in warning


def test_many_images_of_a_single_colour_are_counted():
    (warning,) = warn_of_images(100, [sample(number) for number in range(8)])
    assert "good/4.png (line 5) and 3 more" in warning
