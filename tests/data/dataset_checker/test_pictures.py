"""The demo pictures and the histogram."""

import warnings

import cv2
import numpy as np
import pytest

from paddlex.data.dataset_checker import check_dataset
from paddlex.data.dataset_checker.analyse import Counts, write_histogram
from paddlex.data.dataset_checker.demo import draw_mask


def write(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(path.suffix, pixels)[1].tobytes())


@pytest.fixture
def root(tmp_path):
    """Two defect folders with images of the same names, 3 and 30 of them."""
    root = tmp_path / "data"
    for number in range(4):
        write(root / f"good/{number:03d}.png", np.full((40, 60, 3), 200 + number, np.uint8))
    mask = np.zeros((40, 60), np.uint8)
    mask[10:20, 20:30] = 255
    write(root / "mask.png", mask)
    lines = []
    for folder, count in (("dent", 3), ("scratch", 30)):
        for number in range(count):
            write(root / f"{folder}/{number:03d}.png", np.full((40, 60, 3), len(lines) + 2, np.uint8))
            lines.append(f"{folder}/{number:03d}.png mask.png")
    (root / "train.txt").write_text("".join(f"good/{number:03d}.png\n" for number in range(4)))
    (root / "val.txt").write_text("\n".join(lines))
    return root


def demo_paths(root, **options):
    output = root.parent / "output"
    attributes = check_dataset(root, output, **options)["attributes"]
    return [output / path for path in attributes["train_sample_paths"] + attributes["val_sample_paths"]]


def test_the_listed_demo_pictures_are_those_in_the_folder(root):
    paths = demo_paths(root)
    assert sorted(paths) == sorted((root.parent / "output/check_dataset/demo_img").iterdir())


def test_images_of_the_same_name_do_not_overwrite_each_other(root):
    assert len(set(demo_paths(root, num_samples=50))) == 4 + 33


def test_demo_pictures_show_every_defect_type_and_are_spread_over_its_images(root):
    names = [path.name for path in demo_paths(root, num_samples=6)[4:]]
    assert [name.split("_")[2:] for name in names] == [
        ["dent", "000.png"],
        ["dent", "001.png"],
        ["dent", "002.png"],
        ["scratch", "000.png"],
        ["scratch", "010.png"],
        ["scratch", "020.png"],
    ]


def test_pictures_of_an_earlier_check_are_gone(root):
    demo_paths(root, num_samples=10)
    assert len(demo_paths(root, num_samples=2)) == len(list((root.parent / "output/check_dataset/demo_img").iterdir()))


def test_no_demo_pictures_are_drawn_where_none_are_wanted(root):
    assert demo_paths(root, num_samples=0) == []


def test_a_normal_image_is_shown_as_it_is():
    image = np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    assert np.array_equal(draw_mask(image, None), image)


def test_the_mask_is_tinted_red_outlined_in_yellow_and_the_rest_left_alone():
    image = np.full((300, 400, 3), 100, np.uint8)
    mask = np.zeros((300, 400), bool)
    mask[100:200, 100:200] = True
    drawn = draw_mask(image, mask)
    blue, green, red = drawn[150, 150].tolist()
    assert red > 100 > green == blue
    assert drawn[150, 99].tolist() == drawn[150, 200].tolist() == [0, 255, 255]
    assert drawn[150, 250].tolist() == [100, 100, 100]


def test_a_defect_of_one_pixel_is_visible_in_small_and_in_large_images():
    for size in ((20, 30), (2000, 3000)):
        mask = np.zeros(size, bool)
        mask[11, 17] = True
        drawn = draw_mask(np.zeros((*size, 3), np.uint8), mask)
        assert (drawn == (0, 255, 255)).all(axis=2).sum() >= 20


def test_small_images_are_enlarged_and_large_ones_reduced():
    assert draw_mask(np.zeros((20, 30, 3), np.uint8), None).shape == (256, 384, 3)
    assert draw_mask(np.zeros((3000, 2000, 3), np.uint8), None).shape == (1024, 683, 3)


def test_the_histogram_is_a_picture(root):
    output = root.parent / "output"
    path = output / check_dataset(root, output)["analysis"]["histogram"]
    assert cv2.imread(str(path)).std() > 10


@pytest.mark.parametrize("name", ["划痕", "трещина", "$x_{", "a" * 300, "", "line\nbreak", "💥"])
def test_any_defect_name_can_stand_in_the_histogram(tmp_path, name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write_histogram(tmp_path / "histogram.png", Counts(12, 3, {name: 2}))
    assert cv2.imread(str(tmp_path / "histogram.png")) is not None


def test_past_30_defect_types_the_histogram_does_not_grow(tmp_path):
    heights = []
    for types in (30, 200):
        write_histogram(tmp_path / "histogram.png", Counts(12, 3, {f"type {number}": 1 for number in range(types)}))
        heights.append(cv2.imread(str(tmp_path / "histogram.png")).shape[0])
    assert heights[0] == heights[1]
