"""Which training images are held out."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from paddlex.data.dataset import Sample
from paddlex.errors import TrainingError
from paddlex.modules.image_anomaly_detection.training.gradient.held_out import hold_out


def samples_of(root: Path, contents: list[bytes]) -> list[Sample]:
    for number, content in enumerate(contents):
        (root / f"{number}.png").write_bytes(content)
    return [Sample(root, f"{number}.png", None, "train.txt", number + 1) for number in range(len(contents))]


def test_files_of_the_same_content_are_one_image(tmp_path):
    fit, held_out = hold_out(samples_of(tmp_path, [b"a", b"b", b"a", b"c", b"d", b"a"]), percent=20, seed=0)
    assert sorted(sample.image for sample in fit + held_out) == ["0.png", "1.png", "3.png", "4.png"]
    assert (len(fit), len(held_out)) == (2, 2)


def test_one_photo_copied_many_times_is_too_few_to_train_on(tmp_path):
    with pytest.raises(TrainingError, match="1 different training images are too few"):
        hold_out(samples_of(tmp_path, [b"the same"] * 20), percent=20, seed=0)


@pytest.mark.parametrize("is_marked", [True, False])
def test_a_part_that_a_mask_says_is_defective_does_not_train(tmp_path, is_marked):
    samples = samples_of(tmp_path, [b"a", b"b", b"c", b"d"])
    cv2.imwrite(str(tmp_path / "mask.png"), np.eye(8, dtype=np.uint8) * is_marked)
    samples[2] = replace(samples[2], mask="mask.png")
    if not is_marked:
        assert sum(map(len, hold_out(samples, percent=20, seed=0))) == 4
        return
    with pytest.raises(
        TrainingError, match=r"2.png has anomalies in its mask mask.png .*train.txt line 3.*move the line"
    ):
        hold_out(samples, percent=20, seed=0)
