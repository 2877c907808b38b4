"""Annotations of COCO and CVAT become masks as LabelMe's do."""

import json
import os
from xml.sax.saxutils import quoteattr

import cv2
import numpy as np
import pytest

from paddlex.data.dataset_checker import check_dataset
from paddlex.data.dataset_checker.convert import convert
from paddlex.errors import DatasetCheckError, DatasetError

HEIGHT, WIDTH = 40, 60
TRIANGLE = [10, 10, 30, 10, 10, 30]


def write_image(path, seed, size=(HEIGHT, WIDTH)):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    path.write_bytes(cv2.imencode(path.suffix, pixels)[1].tobytes())


@pytest.fixture
def root(tmp_path):
    """Ten images without annotation, one annotated."""
    root = tmp_path / "data"
    for number in range(10):
        write_image(root / f"images/{number}.png", number)
    write_image(root / "images/bad.png", 50)
    return root


def write_coco(root, annotations, name="bad.png", path="annotations/instances.json", **image):
    entry = {"id": 7, "file_name": name, "width": WIDTH, "height": HEIGHT} | image
    content = {"images": [entry], "annotations": annotations, "categories": [{"id": 1, "name": "dent"}]}
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(json.dumps(content), encoding="utf-8")


def annotation(segmentation=None, **fields):
    return {"id": 1, "image_id": 7, "category_id": 1, "segmentation": segmentation, "iscrowd": 0} | fields


def write_cvat(root, shapes, name="bad.png", width=WIDTH, height=HEIGHT):
    text = f'<image id="0" name={quoteattr(name)} width="{width}" height="{height}">{shapes}</image>'
    (root / "annotations.xml").write_text(
        f'<?xml version="1.0" encoding="utf-8"?>\n<annotations><version>1.1</version><meta/>{text}</annotations>',
        "utf-8",
    )


def write_labelme(root):
    points = [TRIANGLE[position : position + 2] for position in (0, 2, 4)]
    (root / "images/bad.json").write_text(json.dumps({"shapes": [{"points": points}], "imagePath": "bad.png"}))


def mask_of(root, source_type):
    convert(root, source_type, seed=0)
    assert "images/bad.png masks/images/bad.png" in (root / "val.txt").read_text().splitlines()
    mask = cv2.imread(str(root / "masks/images/bad.png"), cv2.IMREAD_UNCHANGED)
    assert set(np.unique(mask)) <= {0, 255}
    return mask > 0


def error_of(root, source_type):
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    with pytest.raises((DatasetCheckError, DatasetError)) as caught:
        convert(root, source_type, seed=0)
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before
    assert "\n" not in str(caught.value)
    return str(caught.value)


def inside(condition):
    """The pixels (x, y) that fulfil a condition."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    return condition(x, y)


IN_TRIANGLE = inside(lambda x, y: (x >= 10) & (y >= 10) & (x + y <= 40))
BLOCK = inside(lambda x, y: (x >= 20) & (x < 25) & (y >= 5) & (y < 9))


def runs_of(mask):
    """Run lengths down the columns, from the definition."""
    values = np.concatenate([[0], mask.T.ravel().astype(int)])
    changes = np.flatnonzero(np.diff(values))
    return np.diff([0, *changes, mask.size]).tolist()


@pytest.mark.parametrize("name", ["bad.png", "images/bad.png", "../images/bad.png"])
def test_a_coco_polygon_is_filled_and_its_image_found(root, name):
    write_coco(root, [annotation([TRIANGLE])], name)
    assert np.array_equal(mask_of(root, "COCO"), IN_TRIANGLE)


def test_coco_run_lengths_go_down_the_columns(root):
    write_coco(root, [annotation({"size": [HEIGHT, WIDTH], "counts": runs_of(BLOCK)}, iscrowd=1)])
    assert np.array_equal(mask_of(root, "COCO"), BLOCK)


def test_compressed_coco_run_lengths_are_those_of_pycocotools(root):
    # pycocotools 2.0.10: mask.encode(np.asfortranarray(BLOCK.astype(np.uint8)))["counts"]
    write_coco(root, [annotation({"size": [HEIGHT, WIDTH], "counts": "Ui04T10000000c[1"})])
    assert np.array_equal(mask_of(root, "COCO"), BLOCK)


def test_the_box_counts_where_coco_has_no_segmentation(root):
    write_coco(root, [annotation([], bbox=[20, 5, 5, 4])])
    assert np.array_equal(mask_of(root, "COCO"), BLOCK)


def test_images_without_annotation_are_normal_and_the_data_set_passes_the_check(root):
    write_coco(root, [annotation([TRIANGLE])])
    attributes = check_dataset(root, root.parent / "output", convert_from="coco")["attributes"]
    assert (attributes["train_samples"], attributes["val_normal_samples"], attributes["val_anomalous_samples"]) == (
        8,
        2,
        1,
    )


def test_converting_again_gives_the_same_lists(root):
    write_coco(root, [annotation([TRIANGLE])])
    convert(root, "COCO", seed=0)
    first = (root / "val.txt").read_text()
    convert(root, "COCO", seed=0)
    assert (root / "val.txt").read_text() == first


@pytest.mark.parametrize(
    ("annotations", "message"),
    [
        ([annotation([[1, 1, 2, 2]])], "it needs 3 points of x and y or more"),
        ([annotation([[1, 1, 2, 2, 3]])], "a polygon is no list of x and y in turn"),
        ([annotation([[100, 100, 120, 100, 120, 120]])], "all its shapes are outside the image"),
        ([annotation([TRIANGLE]), annotation([[100, 100, 120, 100, 120, 120]], id=2)], "id 2 is outside the image"),
        ([annotation(["abc"])], "a polygon is no list"),
        ([annotation("abc")], "neither a list of polygons nor run lengths"),
        ([annotation()], "neither a segmentation nor a bbox"),
        ([annotation([], bbox=[1, 2, 0, 4])], "its bbox has no area"),
        ([annotation([], bbox=[1, 2, "x", 4])], "it needs 2 points"),
        ([annotation({"size": [HEIGHT, WIDTH], "counts": [5, 5]})], "its run lengths make 10 pixels, not 60 x 40"),
        ([annotation({"size": [HEIGHT, WIDTH], "counts": [-5, 5]})], "not whole numbers from 0"),
        ([annotation({"size": [WIDTH, HEIGHT], "counts": [2400]})], "its size [60, 40] is not that of the image"),
        ([annotation({"size": [HEIGHT, WIDTH], "counts": "\x00"})], "its compressed run lengths are damaged"),
        ([annotation({"size": [HEIGHT, WIDTH], "counts": "ooooooooooooooooo"})], "are cut off or damaged"),
        ([annotation([TRIANGLE], image_id=8)], "its image_id 8 is that of no image"),
        ([annotation([TRIANGLE], image_id=[7])], "its image_id [7] is that of no image"),
        (["x"], "annotation 1: it is not a mapping"),
    ],
)
def test_a_coco_annotation_that_cannot_be_used_is_an_error_of_one_line(root, annotations, message):
    write_coco(root, annotations)
    assert message in error_of(root, "COCO")


@pytest.mark.parametrize(
    ("image", "message"),
    [
        ({"file_name": "gone.png"}, "its image 'gone.png' is not in the data set"),
        ({"file_name": 5}, "image 1 has no file_name that is text"),
        ({"id": [1]}, "image 1 has no file_name that is text, or no id"),
        ({"width": HEIGHT, "height": WIDTH}, "it was drawn on an image of 40 x 60 pixels"),
        ({"width": "60"}, "it was drawn on an image of 60 x 40 pixels"),
    ],
)
def test_a_coco_image_that_cannot_be_used_is_an_error_of_one_line(root, image, message):
    write_coco(root, [annotation([TRIANGLE])], **image)
    assert message in error_of(root, "COCO")


def test_what_predict_wrote_in_the_form_of_coco_is_no_annotation(root):
    write_coco(root, [annotation([TRIANGLE])])
    write_coco(root, [annotation([TRIANGLE])], path="output/predict/coco.json")
    (root / "output/predict/summary.csv").write_text("image\n")
    assert np.array_equal(mask_of(root, "COCO"), IN_TRIANGLE)


def test_an_image_in_two_coco_files_is_an_error(root):
    write_coco(root, [annotation([TRIANGLE])])
    write_coco(root, [annotation([TRIANGLE])], path="annotations/again.json")
    assert "the image images/bad.png stands twice in annotation files" in error_of(root, "COCO")


@pytest.mark.parametrize("text", ["[" * 100_000, '{"images": [NaN], "annotations": []}', '{"images": [', "\xff"])
@pytest.mark.parametrize("source_type", ["COCO", "LabelMe"])
def test_json_that_is_hostile_or_broken_is_an_error_of_one_line(root, text, source_type):
    (root / "images/bad.json").write_bytes(text.encode("latin-1"))
    assert "the annotation images/bad.json cannot be used: it " in error_of(root, source_type)


@pytest.mark.parametrize(
    "content",
    [
        {"shapes": [], "imagePath": {"a": 1}},
        {"shapes": [{"points": {"x": 1}, "shape_type": ["polygon"]}], "imagePath": 5},
        {"shapes": [{"points": [[[1]], 2, None], "shape_type": "polygon"}], "imageWidth": [1], "imageHeight": {}},
        {
            "shapes": [{"points": [[1, 1], [9, 9]], "shape_type": "mask", "mask": 5}],
            "imageWidth": True,
            "imageHeight": 1,
        },
        {"shapes": [{"points": [[1, 1], [9, 9]], "shape_type": "circle"}], "imageWidth": 10**40, "imageHeight": 1},
        {"shapes": [None, [], 5]},
    ],
)
def test_labelme_files_with_wrong_types_are_told_of_in_one_line_or_taken(root, content):
    (root / "images/bad.json").write_text(json.dumps(content))
    if content["shapes"]:
        assert "the annotation images/bad.json cannot be used" in error_of(root, "LabelMe")
    else:
        convert(root, "LabelMe", seed=0)


@pytest.mark.parametrize(("source_type", "name"), [("LabelMe", "a.json"), ("COCO", "a.json"), ("CVAT", "a.xml")])
def test_a_fifo_among_the_annotations_is_never_waited_for(root, source_type, name):
    write_coco(root, [annotation([TRIANGLE])], path="coco.json") if source_type == "COCO" else None
    write_cvat(root, "") if source_type == "CVAT" else None
    write_labelme(root) if source_type == "LabelMe" else None
    os.mkfifo(root / "images" / name)
    convert(root, source_type, seed=0)
    assert (root / "train.txt").exists()


def test_without_annotations_of_the_type_those_that_are_there_are_named(root):
    assert "there is no annotation file of COCO" in error_of(root, "COCO")
    write_cvat(root, "")
    assert "but annotations of CVAT" in error_of(root, "COCO")
    assert "Set CheckDataset.convert.src_dataset_type=CVAT" in error_of(root, "LabelMe")


@pytest.mark.parametrize(("source_type", "suffix"), [("LabelMe", "json"), ("COCO", "json"), ("CVAT", "xml")])
def test_files_of_other_tools_are_left_out_and_told_of_in_one_line(root, source_type, suffix, caplog):
    write_coco(root, []) if source_type == "COCO" else write_cvat(root, "")
    for number in range(3):
        (root / f"note{number}.{suffix}").write_text({"json": "{}", "xml": "<annotation/>"}[suffix])
    if source_type == "LabelMe":
        (root / "annotations.xml").unlink()
        write_labelme(root)
    convert(root, source_type, seed=0)
    told = [message for message in caplog.messages if "is not an annotation of" in message]
    assert told == [f"{root}/note0.{suffix} is not an annotation of {source_type}, nor are 2 others; they are left out"]


def test_unsorted_photos_with_annotations_are_told_which_type_reads_these(root):
    write_coco(root, [annotation([TRIANGLE])])
    assert "as there are annotations of COCO: set CheckDataset.convert.src_dataset_type=COCO" in error_of(
        root, "Folder"
    )


def test_where_nothing_is_annotated_a_warning_says_that_all_images_count_as_good(root):
    write_coco(root, [])
    warnings = check_dataset(root, root.parent / "output", convert_from="COCO")["warnings"]
    assert warnings[0]["what"] == "no image has an annotation: all 11 are taken for good parts"


# CVAT


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ('<polygon label="dent" points="10.0,10.0;30.0,10.0;10.0,30.0"/>', IN_TRIANGLE),
        ('<box label="dent" xtl="20" ytl="5" xbr="24" ybr="8"/>', BLOCK),
        ('<box label="dent" xtl="20" ytl="5" xbr="24" ybr="8" rotation="180"/>', BLOCK),
        ('<mask label="dent" rle="3, 2, 4" left="10" top="20" width="3" height="3"/>',
         inside(lambda x, y: (y == 21) & (x >= 10) & (x <= 11))),
        ('<ellipse label="dent" cx="30" cy="20" rx="10" ry="5"/>',
         inside(lambda x, y: ((x - 30) / 10) ** 2 + ((y - 20) / 5) ** 2 <= 1)),
        ('<ellipse label="dent" cx="30" cy="20" rx="10" ry="5" rotation="90"/>',
         inside(lambda x, y: ((x - 30) / 5) ** 2 + ((y - 20) / 10) ** 2 <= 1)),
    ],
)  # fmt: skip
def test_shapes_of_cvat_are_filled(root, shape, expected):
    write_cvat(root, shape)
    assert np.array_equal(mask_of(root, "CVAT"), expected)


def test_lines_and_points_of_cvat_become_as_wide_as_those_of_labelme(root):
    write_cvat(root, '<polyline points="15,20;45,20"/><points points="10,10"/>')
    mask = mask_of(root, "CVAT")
    assert 9 <= mask[:, 30].sum() <= 11
    assert mask[5:16, 10].all()


def test_an_image_with_nothing_but_a_tag_is_defective_as_a_whole_unless_the_tag_says_good(root):
    write_cvat(root, '<tag label="scratched"/>')
    convert(root, "CVAT", seed=0)
    assert "images/bad.png masks/full_frame_60x40.png" in (root / "val.txt").read_text().splitlines()
    write_cvat(root, '<tag label="good"/>')
    convert(root, "CVAT", seed=0)
    assert "full_frame" not in (root / "val.txt").read_text()


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ('<polygon points="1,1;2,2"/>', "it needs 3 points of x and y or more"),
        ('<polygon points="1,1;2,x;3,3"/>', "it needs 3 points of x and y or more"),
        ('<polygon points="1,1;nan,2;3,3"/>', "a point is not finite"),
        ('<polygon points="100,100;120,100;120,120"/>', "all its shapes are outside the image"),
        ('<cuboid xtl1="1"/>', "has a cuboid, which is none of tag, polygon, box"),
        ('<box xtl="1" ytl="a" xbr="2" ybr="3"/>', "a box has no number as its ytl"),
        ('<mask rle="5" left="0" top="0" width="2" height="2"/>', "its run lengths"),
        ('<mask rle="4" left="0" top="0" width="999999" height="999999"/>', "is not between 1 and that of the image"),
        ('<ellipse cx="1" cy="1" rx="-1" ry="2"/>', "its radius is negative"),
        ("<polygon", "it is not valid XML"),
    ],
)
def test_a_shape_of_cvat_that_cannot_be_used_is_an_error_of_one_line(root, shape, message):
    write_cvat(root, shape)
    assert message in error_of(root, "CVAT")


def test_an_image_of_cvat_that_is_missing_or_of_another_size_is_an_error(root):
    write_cvat(root, "", name="gone.png")
    assert "its image 'gone.png' is not in the data set" in error_of(root, "CVAT")
    write_cvat(root, '<box xtl="1" ytl="1" xbr="2" ybr="3"/>', width=HEIGHT, height=WIDTH)
    assert "it was drawn on an image of 40" in error_of(root, "CVAT")


def test_annotations_of_a_video_and_document_types_are_refused(root):
    (root / "annotations.xml").write_text("<annotations><track id='0'/></annotations>")
    assert "it is about a video" in error_of(root, "CVAT")
    bomb = '<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;&b;&b;">]><annotations>&c;</annotations>'
    (root / "annotations.xml").write_text(bomb)
    assert "it declares a document type" in error_of(root, "CVAT")
