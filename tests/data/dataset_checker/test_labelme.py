"""Annotations of LabelMe become masks."""

import base64
import json
import unicodedata

import cv2
import numpy as np
import pytest

from paddlex.data.dataset_checker import check_dataset
from paddlex.data.dataset_checker.convert import convert
from paddlex.data.dataset_checker.rules import FolderRules
from paddlex.errors import DatasetCheckError, DatasetError

HEIGHT, WIDTH = 40, 60
TRIANGLE = {"label": "dent", "shape_type": "polygon", "points": [[10, 10], [30, 10], [10, 30]]}


def write_image(path, seed, size=(HEIGHT, WIDTH)):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    path.write_bytes(cv2.imencode(path.suffix, pixels)[1].tobytes())


def annotate(path, shapes, **fields):
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"version": "5.4.1", "flags": {}, "shapes": shapes, "imagePath": f"{path.stem}.png", "imageData": None}
    content |= {"imageHeight": HEIGHT, "imageWidth": WIDTH} | fields
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")


@pytest.fixture
def root(tmp_path):
    """Ten images without annotation, one annotated."""
    root = tmp_path / "data"
    for number in range(10):
        write_image(root / f"{number}.png", number)
    write_image(root / "bad.png", 50)
    annotate(root / "bad.json", [TRIANGLE])
    return root


def read_list(root, name):
    return (root / name).read_text(encoding="utf-8").splitlines()


def mask_of(root, shapes):
    annotate(root / "bad.json", shapes)
    convert(root, "LabelMe", seed=0)
    mask = cv2.imread(str(root / "masks/bad.png"), cv2.IMREAD_UNCHANGED)
    assert set(np.unique(mask)) <= {0, 255}
    return mask > 0


def error_of(root):
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    with pytest.raises(DatasetCheckError) as caught:
        convert(root, "LabelMe", seed=0)
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before
    return str(caught.value)


def inside(condition):
    """The pixels (x, y) that fulfil a condition."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    return condition(x, y)


def test_annotated_images_validate_and_80_percent_of_the_others_train(root):
    convert(root, "LabelMe", seed=0)
    train, val = read_list(root, "train.txt"), read_list(root, "val.txt")
    assert (len(train), len(val)) == (8, 3)
    assert "bad.png masks/bad.png" in val


def test_a_converted_data_set_passes_the_check(root):
    attributes = check_dataset(root, root.parent / "output", convert_from="labelme")["attributes"]
    assert (attributes["val_normal_samples"], attributes["val_anomalous_samples"]) == (2, 1)


def test_an_annotation_without_shapes_is_a_normal_image(root):
    annotate(root / "3.json", [])
    convert(root, "LabelMe", seed=0)
    lines = read_list(root, "train.txt") + read_list(root, "val.txt")
    assert "3.png" in lines


@pytest.mark.parametrize(
    ("flags", "is_defective"),
    [({"scratched": True}, True), ({"scratched": False}, False), ({"good": True, "bad": False}, False), ("x", False)],
)
def test_an_image_with_nothing_but_a_flag_is_defective_as_a_whole(root, flags, is_defective):
    annotate(root / "3.json", [], flags=flags)
    convert(root, "LabelMe", seed=0)
    assert ("3.png masks/full_frame_60x40.png" in read_list(root, "val.txt")) is is_defective


def test_images_in_train_and_val_folders_stay_there(tmp_path):
    for seed, path in enumerate(("train/0.png", "train/1.png", "val/2.png", "val/bad.png")):
        write_image(tmp_path / path, seed)
    annotate(tmp_path / "val/bad.json", [TRIANGLE])
    convert(tmp_path, "LabelMe", seed=0)
    assert read_list(tmp_path, "train.txt") == ["train/0.png", "train/1.png"]
    assert read_list(tmp_path, "val.txt") == ["val/2.png", "val/bad.png masks/val/bad.png"]


def test_a_polygon_is_filled_with_its_border(root):
    assert np.array_equal(mask_of(root, [TRIANGLE]), inside(lambda x, y: (x >= 10) & (y >= 10) & (x + y <= 40)))


def test_a_rectangle_is_filled_whichever_corners_are_given(root):
    rectangle = {"label": "a", "shape_type": "rectangle", "points": [[20.2, 25.1], [5.3, 8.4]]}
    expected = inside(lambda x, y: (x >= 5) & (x <= 20) & (y >= 8) & (y <= 25))
    assert np.array_equal(mask_of(root, [rectangle]), expected)


def test_a_circle_is_given_by_its_centre_and_a_point_on_it(root):
    circle = {"label": "a", "shape_type": "circle", "points": [[30, 20], [33, 24]]}
    distance = inside(lambda x, y: np.hypot(x - 30, y - 20))
    mask = mask_of(root, [circle])
    assert mask[distance <= 4.4].all()
    assert not mask[distance > 6].any()


@pytest.mark.parametrize("kind", ["line", "linestrip"])
def test_a_line_becomes_about_ten_pixels_wide(root, kind):
    mask = mask_of(root, [{"label": "a", "shape_type": kind, "points": [[15, 20], [45, 20]]}])
    assert mask[20, 15:46].all()
    assert 9 <= mask[:, 30].sum() <= 11


def test_a_point_becomes_a_disk_of_radius_five(root):
    mask = mask_of(root, [{"label": "a", "shape_type": "point", "points": [[30, 20]]}])
    assert (mask[20].sum(), mask[:, 30].sum()) == (11, 11)


def test_a_mask_shape_is_put_between_its_corners(root):
    picture = np.array([[0, 255, 0], [255, 255, 255]], np.uint8)
    encoded = base64.b64encode(cv2.imencode(".png", picture)[1].tobytes()).decode()
    mask = mask_of(root, [{"label": "a", "shape_type": "mask", "points": [[7, 9], [9, 10]], "mask": encoded}])
    assert sorted(zip(*np.nonzero(mask), strict=True)) == [(9, 8), (10, 7), (10, 8), (10, 9)]


def test_several_shapes_are_joined_and_what_is_outside_is_cut_off(root):
    shapes = [
        {"label": "a", "shape_type": "rectangle", "points": [[-10, -10], [3, 3]]},
        {"label": "b", "shape_type": "rectangle", "points": [[50, 30], [100, 100]]},
    ]
    expected = inside(lambda x, y: ((x <= 3) & (y <= 3)) | ((x >= 50) & (y >= 30)))
    assert np.array_equal(mask_of(root, shapes), expected)


def test_annotations_may_stand_in_a_folder_of_their_own(root):
    (root / "bad.json").unlink()
    for folder, image_path in (("up", "..\\bad.png"), ("name", "bad.png"), ("absent", None)):
        annotate(root / folder / "bad.json", [TRIANGLE], imagePath=image_path)
        convert(root, "LabelMe", seed=0)
        assert f"bad.png masks/{folder}/bad.png" in read_list(root, "val.txt")
        (root / folder / "bad.json").unlink()


def test_an_image_saved_in_another_format_since_is_found(root):
    write_image(root / "dent.bmp", 60)
    annotate(root / "dent.json", [TRIANGLE], imagePath="dent.jpg")
    convert(root, "LabelMe", seed=0)
    assert "dent.bmp masks/dent.png" in read_list(root, "val.txt")


def test_the_size_of_the_image_counts_where_the_annotation_gives_none(root):
    annotate(root / "bad.json", [TRIANGLE], imageHeight=None, imageWidth=None)
    convert(root, "LabelMe", seed=0)
    assert cv2.imread(str(root / "masks/bad.png")).shape[:2] == (HEIGHT, WIDTH)


def test_converting_again_after_annotating_anew_keeps_the_old_mask(root):
    convert(root, "LabelMe", seed=0)
    old = (root / "masks/bad.png").read_bytes()
    annotate(root / "bad.json", [{"label": "a", "shape_type": "point", "points": [[30, 20]]}])
    convert(root, "LabelMe", seed=0)
    assert (root / "masks/bad.png").read_bytes() != old
    assert (root / "masks/bad.png.bak").read_bytes() == old


def test_names_may_hold_spaces_and_any_unicode(root):
    write_image(root / "деталь 零/a b.png", 61)
    annotate(root / "деталь 零/a b.json", [TRIANGLE])
    attributes = check_dataset(root, root.parent / "output", convert_from="LabelMe")["attributes"]
    assert attributes["val_anomalous_samples"] == 2


def test_another_tools_json_that_belongs_to_no_image_is_left_out_with_a_warning(root, caplog):
    (root / "notes.json").write_text("{}")
    convert(root, "LabelMe", seed=0)
    assert any("notes.json is not an annotation of LabelMe" in message for message in caplog.messages)


def test_broken_json_is_an_error(root):
    (root / "bad.json").write_text('{"shapes": [')
    assert "the annotation bad.json cannot be used: it is not valid JSON: Expecting value" in error_of(root)


def test_another_tools_json_beside_an_image_is_an_error(root):
    (root / "bad.json").write_text("[]")
    assert "the annotation bad.json cannot be used: it is not LabelMe's: it has no list of shapes" in error_of(root)


def test_an_annotation_without_its_image_is_an_error(root):
    annotate(root / "lost.json", [TRIANGLE])
    assert "the annotation lost.json cannot be used: its image is not in the data set" in error_of(root)


def test_an_annotation_of_an_image_of_another_size_is_an_error(root):
    annotate(root / "bad.json", [TRIANGLE], imageHeight=WIDTH, imageWidth=HEIGHT)
    assert "it was drawn on an image of 40 x 60 pixels, but the image bad.png has 60 x 40 (width x height)" in error_of(
        root
    )


def test_two_annotations_of_one_image_are_an_error(root):
    annotate(root / "again.json", [TRIANGLE], imagePath="bad.png")
    assert "the annotations again.json and bad.json are about the same image bad.png" in error_of(root)


def test_an_annotated_image_that_cannot_be_read_is_an_error(root):
    (root / "bad.png").write_bytes(b"no picture")
    assert "the annotation bad.json cannot be used: its image bad.png cannot be read: " in error_of(root)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ({"shape_type": "spline", "points": [[1, 1]]}, "shape 1 cannot be drawn: its type 'spline' is none of polygon"),
        ({"shape_type": "polygon", "points": [[1, 1], [2, 2]]}, "it needs 3 points of x and y or more"),
        ({"shape_type": "polygon", "points": [[1], [2], [3]]}, "it needs 3 points of x and y or more"),
        ({"shape_type": "circle", "points": [[1, 1], [1e30, 2]]}, "a point is not finite, or too far away"),
        ({"shape_type": "mask", "points": [[1, 1], [2, 2]], "mask": "%%%"}, "shape 1 cannot be drawn"),
        ({"shape_type": "mask", "points": [[1, 1], [2, 2]]}, "shape 1 cannot be drawn"),
        ({"shape_type": "polygon"}, "shape 1 cannot be drawn"),
        ("dent", "shape 1 cannot be drawn"),
        ({"shape_type": "rectangle", "points": [[-9, -9], [-2, -2]]}, "all its shapes are outside the image"),
    ],
)
def test_a_shape_that_cannot_be_drawn_is_an_error(root, shape, message):
    annotate(root / "bad.json", [shape])
    assert message in error_of(root)


# Annotations of another image


def test_an_annotation_that_names_another_image_than_the_one_beside_it_is_an_error(root):
    annotate(root / "bad.json", [TRIANGLE], imagePath="3.png")
    assert "bad.json cannot be used: it stands beside bad.png, but its imagePath names 3.png" in error_of(root)


def test_an_image_that_differs_from_an_annotated_one_in_its_suffix_alone_is_not_taken_for_good(root):
    write_image(root / "bad.jpg", 51)
    assert "the image bad.jpg has no annotation, but bad.png has" in error_of(root)


def test_photos_without_any_annotation_file_are_not_taken_for_good(root):
    (root / "bad.json").rename(root / "bad.json.zip")
    with pytest.raises(DatasetError, match=r"no annotation file of LabelMe .*CheckDataset.convert.normal"):
        convert(root, "LabelMe", seed=0)
    convert(root, "LabelMe", 0, FolderRules(normal=["."]))


def test_an_umlaut_is_the_same_in_one_code_point_and_in_two(root):
    write_image(root / unicodedata.normalize("NFD", "Prüfling.png"), 52)
    annotate(root / "annotations/1.json", [TRIANGLE], imagePath=unicodedata.normalize("NFC", "Prüfling.png"))
    convert(root, "LabelMe", seed=0)
    assert "masks/annotations/1.png" in " ".join(read_list(root, "val.txt"))
