"""``Train.image_size=auto`` keeps the shape of the photos."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from paddlex.config import schema_for
from paddlex.modules.image_anomaly_detection.training.image_size import fitting_size, with_image_size


@pytest.fixture
def resolved(tmp_path: Path) -> Callable[..., object]:
    """The size that the network gets for photos of some heights and widths: ``resolved([(h, w), ...], image_size, ...)``."""

    def size(
        shapes: list[tuple[int, int]], image_size: object = "auto", model: str = "PatchCore", **train: object
    ) -> object:
        for number, shape in enumerate(shapes):
            cv2.imwrite(str(tmp_path / f"{number}.png"), np.zeros((*shape, 3), np.uint8))
        (tmp_path / "train.txt").write_text("".join(f"{n}.png\n" for n in range(len(shapes))), encoding="utf-8")
        values = {"Global": {"dataset_dir": str(tmp_path)}, "Train": {"image_size": image_size, **train}}
        return with_image_size(schema_for(model).model_validate(values)).Train.image_size

    return size


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((500, 500), 320),
        ((1260, 500), [512, 192]),
        ((500, 1260), [192, 512]),
        ((480, 640), [288, 384]),
        ((64, 4000), [32, 2528]),
    ],
)
def test_the_aspect_ratio_is_kept_with_about_as_many_pixels_as_the_usual_square(resolved, shape, expected) -> None:
    assert resolved([shape] * 5) == expected


def test_a_number_says_how_many_pixels(resolved) -> None:
    assert resolved([(480, 640)] * 3, "auto:256") == [224, 288]


def test_a_few_photos_of_another_shape_change_nothing(resolved) -> None:
    assert resolved([(100, 200)] * 19 + [(200, 100)]) == [224, 448]


def test_photos_of_different_shapes_are_brought_to_a_square(resolved) -> None:
    assert resolved([(100, 200)] * 4 + [(100, 100)] * 4 + [(200, 100)]) == 320


def test_a_photo_that_lies_on_its_side_in_the_file_counts_as_it_is_shown(tmp_path, resolved) -> None:
    from PIL import Image

    resolved([(10, 10)] * 2)
    exif = Image.Exif()
    exif[0x0112] = 6
    for number in range(2):
        Image.new("RGB", (200, 100)).save(tmp_path / f"{number}.jpg", exif=exif)
    (tmp_path / "train.txt").write_text("0.jpg\n1.jpg\n", encoding="utf-8")
    config = schema_for("PatchCore").model_validate({"Global": {"dataset_dir": str(tmp_path)}})
    assert with_image_size(config).Train.image_size == [448, 224]


@pytest.mark.parametrize("image_size", [64, [64, 96]])
def test_a_size_that_is_given_is_taken_as_it_is(resolved, image_size) -> None:
    assert resolved([(480, 640)] * 3, image_size) == image_size


def test_tiles_are_square(resolved) -> None:
    assert resolved([(480, 640)] * 3, "auto", tiling={"tile_size": 128}) == 320


def test_a_transformer_gets_multiples_of_its_patch(resolved) -> None:
    assert resolved([(480, 640)] * 3, "auto:224", backbone="dinov2_vits14", layers=["block12"]) == [196, 252]


@pytest.mark.parametrize("aspect", [0.01, 0.3, 1.0, 2.5, 100.0])
@pytest.mark.parametrize("multiple", [14, 32])
def test_both_sides_are_multiples_and_fit(aspect, multiple) -> None:
    for side in fitting_size(aspect, 320, multiple):
        assert side % multiple == 0 and multiple <= side <= 4096
