"""What a person would notice about the normal images of a training is said."""

from __future__ import annotations

from pathlib import Path

from paddlex.data.dataset import Sample
from paddlex.modules.image_anomaly_detection.training.normal_images import warn_of_images


def sample(number: int) -> Sample:
    return Sample(Path("data"), f"good/{number}.png", None, "train.txt", number + 1)


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
