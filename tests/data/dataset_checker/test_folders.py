"""What a converter takes folders for, and when it asks."""

import json
import logging
import os
import unicodedata

import cv2
import numpy as np
import pytest

from paddlex import engine, modes
from paddlex.config import load_config
from paddlex.data.dataset_checker import check_dataset
from paddlex.data.dataset_checker.convert import convert
from paddlex.data.dataset_checker.rules import FolderRules
from paddlex.data.folder_names import is_defective_folder, is_normal_folder
from paddlex.errors import DatasetCheckError, DatasetError

CONFIG = "paddlex/configs/image_anomaly_detection/STFPM.yaml"


def write_photo(path, size=(16, 24)):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(list(str(path).encode())).integers(0, 256, (*size, 3), dtype=np.uint8)
    path.write_bytes(cv2.imencode(path.suffix, pixels)[1].tobytes())


def write_mask(path, size=(16, 24)):
    path.parent.mkdir(parents=True, exist_ok=True)
    mask = np.zeros(size, np.uint8)
    mask[2:6, 2:6] = 255
    path.write_bytes(cv2.imencode(path.suffix, mask)[1].tobytes())


def listed(root):
    lines = [line for name in ("train.txt", "val.txt") for line in (root / name).read_text("utf-8").splitlines()]
    return {line.split("\t")[0].split(" ")[0] for line in lines}


@pytest.fixture
def parts(tmp_path):
    """Ten good parts, two scratched ones, and annotations of LabelMe for these."""
    root = tmp_path / "parts"
    for number in range(10):
        write_photo(root / f"good/{number}.png")
    for number in range(2):
        write_photo(root / f"scratch/{number}.png")
        annotation = {"shapes": [{"points": [[1, 1], [9, 1], [9, 9]]}], "imagePath": f"{number}.png"}
        (root / f"scratch/{number}.json").write_text(json.dumps(annotation))
    return root


@pytest.mark.parametrize(
    "name",
    ["good", "OK", "Normal", "pass", "normal_dir", "02_Good-images", "OkParts", "no_defect", "defect-free", "正常", "良品",
     "合格", "良品图片", "正常品", "OK件", "合格产品", "ＯＫ", unicodedata.normalize("NFD", "정상"), "gut", "Gutteile", "i.O."],
)  # fmt: skip
def test_folders_of_good_parts_have_many_names(name):
    assert is_normal_folder(name)


@pytest.mark.parametrize(
    "name",
    [
        "ng",
        "bad",
        "not_good",
        "abnormal",
        "不良品",
        "不合格",
        "异常",
        "NG件",
        "次品",
        "ＮＧ",
        "schlecht",
        "n.i.O.",
        "Ausschuß",
    ],
)
def test_some_names_say_plainly_that_parts_are_bad(name):
    assert is_defective_folder(name)
    assert not is_normal_folder(name)


@pytest.mark.parametrize("folder", ["正常", "normal_dir", "images/good", "good/images", "line 2/OK"])
def test_good_parts_are_found_in_nested_folders_with_usual_names(parts, folder):
    (parts / "good").rename(parts / "moved")
    (parts / folder).parent.mkdir(parents=True, exist_ok=True)
    (parts / "moved").rename(parts / folder)
    attributes = check_dataset(parts, parts.parent / "output", convert_from="Folder")["attributes"]
    assert (attributes["train_samples"], attributes["val_normal_samples"], attributes["val_anomalous_samples"]) == (
        8,
        2,
        2,
    )


def test_each_folder_is_listed_with_what_it_was_taken_for(parts, caplog):
    write_mask(parts / "masks/scratch/0.png")
    write_photo(parts / "@eaDir/0.png")
    with caplog.at_level(logging.INFO, logger="paddlex"):
        result = check_dataset(parts, parts.parent / "output", convert_from="Folder")
    assert result["contents"] == [
        "good parts: good/ (10)",
        "defects: scratch/ (2)",
        "masks: masks/scratch/ (1), masks/ (1: written by this conversion)",
        "left out: @eaDir/ (1: thumbnails that a NAS makes)",
    ]
    assert {"folder": "scratch", "taken_for": "defects", "images": 2, "why": None} in result["folders"]
    for line in result["contents"]:
        assert f"  {line}" in caplog.messages


def test_lists_of_the_users_own_are_told_in_the_same_words_with_what_they_leave_out(parts):
    convert(parts, "Folder", seed=0)
    write_photo(parts / "new/0.png")
    result = check_dataset(parts, parts.parent / "output")
    assert result["contents"] == [
        "good parts: good/ (10)",
        "defects: scratch/ (2)",
        "masks: masks/ (1)",
        "left out: new/ (1: in neither list)",
    ]


@pytest.mark.parametrize("source_type", ["Folder", "LabelMe"])
@pytest.mark.parametrize("folder", ["@eaDir", "#recycle", "__MACOSX", "$RECYCLE.BIN", ".thumbnails", "scratch/@eaDir"])
def test_folders_that_systems_make_are_left_out(parts, folder, source_type):
    write_photo(parts / folder / "0.png")
    convert(parts, source_type, seed=0)
    assert not any(folder in path for path in listed(parts))


def test_a_folder_that_is_named_after_a_machine_is_kept(parts):
    write_photo(parts / "good/#2/7.png")
    convert(parts, "Folder", seed=0)
    assert "good/#2/7.png" in listed(parts)


def test_a_date_is_no_kind_of_defect(parts):
    write_photo(parts / "20240301/7.png")
    with pytest.raises(
        DatasetCheckError, match=r"20240301/7.png stands in no folder that says whether it is good or bad"
    ):
        convert(parts, "Folder", seed=0)


@pytest.mark.parametrize("source_type", ["Folder", "LabelMe"])
def test_results_of_this_program_are_left_out(parts, source_type):
    write_photo(parts / "output/predict/scratch/0_res.png")
    write_photo(parts / "output/predict/0_res.png")
    write_photo(parts / "output/predict/0_mask.png")
    write_photo(parts / "output/train_curve.png")
    (parts / "output/predict_result.json").write_text("{}")
    (parts / "output/predict/summary.csv").write_text("image\n")
    (parts / "output/predict/0_res.json").write_text("{}")
    uses = convert(parts, source_type, seed=0).uses
    assert not any("output" in path for path in listed(parts))
    assert [use.images for use in uses if use.why == "results of this program"] == [1, 2, 1]


def test_masks_and_maps_that_predict_wrote_are_left_out_and_a_photo_of_such_a_name_is_not(parts):
    for name in ("1_mask.png", "scratch/1_map.tiff", "scratch/1_heatmap.png"):
        write_photo(parts / "judged" / name)
    (parts / "judged/summary.csv").write_text("image\n")
    write_photo(parts / "scratch/test_result.png")
    write_photo(parts / "scratch/road_map.png")
    convert(parts, "Folder", seed=0)
    assert {path for path in listed(parts) if not path.startswith("good/")} == {
        "scratch/0.png", "scratch/1.png", "scratch/test_result.png", "scratch/road_map.png",
    }  # fmt: skip


@pytest.mark.parametrize("source_type", ["Folder", "LabelMe"])
@pytest.mark.parametrize(
    "folder", ["Thumbs", "trash", "backup", "scratch/old", "good/tmp", "unsorted", "待定", "Mask2"]
)
def test_a_folder_with_a_doubtful_name_is_asked_about(parts, folder, source_type):
    write_photo(parts / folder / "7.png")
    with pytest.raises(
        DatasetCheckError, match=rf"not clear what the folder {folder} holds.*CheckDataset.convert.ignore"
    ):
        convert(parts, source_type, seed=0)
    assert not (parts / "train.txt").exists()


@pytest.mark.parametrize("value", [255, 1])
@pytest.mark.parametrize("source_type", ["Folder", "LabelMe"])
def test_a_folder_of_pictures_that_look_like_masks_is_asked_about(parts, source_type, value):
    for number in range(2):
        write_mask(parts / f"regions/{number}.png")
        mask = cv2.imread(str(parts / f"regions/{number}.png"), cv2.IMREAD_UNCHANGED)
        cv2.imwrite(str(parts / f"regions/{number}.png"), (mask > 0) * np.uint8(value))
    with pytest.raises(
        DatasetCheckError, match="not clear what the folder regions holds: its pictures have 2 grey levels"
    ):
        convert(parts, source_type, seed=0)


def test_masks_in_jpeg_files_look_like_masks_too(parts):
    for number in range(2):
        write_mask(parts / f"regions/{number}.jpg")
    with pytest.raises(DatasetCheckError, match="not clear what the folder regions holds"):
        convert(parts, "Folder", seed=0)


@pytest.mark.parametrize("folder", ["label", "Masks", "gt", "标注"])
def test_folders_of_masks_have_several_names(parts, folder):
    for number in range(2):
        write_mask(parts / f"{folder}/scratch/{number}.png")
    convert(parts, "Folder", seed=0)
    assert f"scratch/0.png {folder}/scratch/0.png" in (parts / "val.txt").read_text("utf-8").splitlines()


def test_folders_of_images_and_of_masks_may_stand_side_by_side(parts):
    (parts / "Data").mkdir()
    (parts / "scratch").rename(parts / "Anomaly")
    (parts / "Data/Images").mkdir()
    (parts / "Anomaly").rename(parts / "Data/Images/Anomaly")
    write_mask(parts / "Data/Masks/Anomaly/0.png")
    convert(parts, "Folder", seed=0)
    assert "Data/Images/Anomaly/0.png Data/Masks/Anomaly/0.png" in (parts / "val.txt").read_text().splitlines()


def test_a_mask_may_lie_beside_its_image(parts):
    write_mask(parts / "scratch/0_mask.png")
    convert(parts, "Folder", seed=0)
    assert "scratch/0.png scratch/0_mask.png" in (parts / "val.txt").read_text().splitlines()


@pytest.mark.parametrize("name", ["0-mask", "0.mask", "mask_0", "0_seg", "0_mask1", "0 Mask", "0Mask", "0_MASKS"])
def test_a_picture_that_by_its_name_may_be_a_mask_is_no_photo(parts, name):
    write_mask(parts / f"scratch/{name}.png")
    with pytest.raises(
        DatasetCheckError, match=rf"the picture scratch/{name}.png may be a mask of scratch/0 .*0_mask.png"
    ):
        convert(parts, "Folder", seed=0)
    convert(parts, "Folder", 0, FolderRules(defects=["scratch"]))


def test_of_two_masks_of_an_image_none_is_lost(parts):
    write_mask(parts / "masks/scratch/0.png")
    write_mask(parts / "gt/scratch/0.png")
    with pytest.raises(
        DatasetCheckError, match=r"the masks gt/scratch/0.png and masks/scratch/0.png are of the same image"
    ):
        convert(parts, "Folder", seed=0)


def test_a_mask_that_marks_a_defect_of_a_good_part_is_an_error(parts):
    write_mask(parts / "masks/good/3.png")
    cv2.imwrite(str(parts / "masks/good/4.png"), np.zeros((16, 24), np.uint8))
    with pytest.raises(
        DatasetCheckError, match=r"1 problem: the mask masks/good/3.png marks a defect of an image in a folder"
    ):
        convert(parts, "Folder", seed=0)


@pytest.mark.parametrize(
    ("rules", "left_out"),
    [
        (FolderRules(ignore=["backup"]), True),
        (FolderRules(ignore=["Scratch/Backup"]), True),
        (FolderRules(defects=["backup"]), False),
        (FolderRules(normal=["scratch\\backup"]), False),
    ],
)
def test_the_user_decides(parts, rules, left_out):
    write_photo(parts / "scratch/backup/7.png")
    convert(parts, "Folder", 0, rules)
    assert ("scratch/backup/7.png" in listed(parts)) is not left_out


@pytest.mark.parametrize("value", ["backup", "[backup, scratch/backup]"])
def test_the_config_takes_one_name_or_several(parts, value):
    write_photo(parts / "scratch/backup/7.png")
    overrides = [
        f"Global.dataset_dir={parts}", f"Global.output={parts.parent / 'output'}", "CheckDataset.convert.enable=True",
        "CheckDataset.convert.src_dataset_type=Folder", f"CheckDataset.lists_dir={parts.parent / 'lists'}",
    ]  # fmt: skip
    config = load_config(CONFIG, [*overrides, f"CheckDataset.convert.ignore={value}"])
    result = modes.check_dataset(config)
    assert "left out: scratch/backup/ (1: CheckDataset.convert.ignore)" in result["contents"]
    assert result["dataset_path"] == str(parts.parent / "lists")


def test_what_a_killed_conversion_left_beside_the_lists_is_removed(parts):
    left = parts.parent / "lists/.masks.paddlex-abcd1234"
    left.mkdir(parents=True)
    os.utime(left, (0, 0))
    overrides = [
        f"Global.dataset_dir={parts}", f"Global.output={parts.parent / 'output'}", "CheckDataset.convert.enable=True",
        "CheckDataset.convert.src_dataset_type=Folder", f"CheckDataset.lists_dir={parts.parent / 'lists'}",
    ]  # fmt: skip
    assert engine.main(["-c", CONFIG, *(word for override in overrides for word in ("-o", override))]) == 0
    assert not left.exists()


def test_lists_that_stand_in_a_folder_of_the_data_set_do_not_disturb_the_next_conversion(parts):
    for _ in range(2):
        convert(parts, "Folder", 0, lists_dir=parts / "my lists")
    assert len((parts / "my lists/val.txt").read_text().splitlines()) == 4


def test_the_user_may_name_masks_and_good_parts(parts):
    (parts / "good").rename(parts / "A-Ware")
    for number in range(2):
        write_mask(parts / f"regions/scratch/{number}.png")
    convert(parts, "Folder", 0, FolderRules(normal=["A-Ware"], masks=["regions"]))
    assert "scratch/0.png regions/scratch/0.png" in (parts / "val.txt").read_text().splitlines()
    assert len((parts / "train.txt").read_text().splitlines()) == 8


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        (FolderRules(ignore=["gone"]), r"no folder with pictures is called 'gone' \(CheckDataset.convert.ignore\)"),
        (FolderRules(normal=["good"], ignore=["good"]), "stands in CheckDataset.convert.normal as well"),
    ],
)
def test_a_rule_about_no_folder_or_against_another_is_an_error(parts, rules, message):
    with pytest.raises(DatasetError, match=message):
        convert(parts, "Folder", 0, rules)


def test_annotations_in_a_folder_that_is_left_out_are_not_read(parts):
    (parts / "backup").mkdir()
    (parts / "backup/0.json").write_text("broken")
    convert(parts, "LabelMe", 0, FolderRules(ignore=["backup"]))


# What is said where the layout is another


def test_without_a_folder_of_good_parts_the_accepted_names_are_told(parts):
    (parts / "good").rename(parts / "A-Ware")
    with pytest.raises(DatasetError, match=r"only A-Ware/ \(10\), .*one of good, normal, ok, pass, 正常, 良品, 合格"):
        convert(parts, "Folder", seed=0)


@pytest.mark.parametrize("folder", [".", "images"])
def test_photos_that_nothing_sorts_are_good_only_if_the_user_says_so(tmp_path, folder):
    for number in range(10):
        write_photo(tmp_path / "data" / folder / f"{number}.png")
    with pytest.raises(
        DatasetError, match=rf'nothing says which of the 10 images.*CheckDataset.convert.normal="\[{folder}\]"'
    ):
        convert(tmp_path / "data", "Folder", seed=0)
    convert(tmp_path / "data", "Folder", 0, FolderRules(normal=[folder]))
    assert len(listed(tmp_path / "data")) == 10


def test_the_layout_of_mvtec_ad_given_as_a_folder_is_recognised(tmp_path):
    write_photo(tmp_path / "bottle/train/good/0.png")
    write_photo(tmp_path / "bottle/test/hole/0.png")
    write_mask(tmp_path / "bottle/ground_truth/hole/0_mask.png")
    with pytest.raises(DatasetError, match=r"layout of MVTec AD .*Set CheckDataset.convert.src_dataset_type=MVTec_AD"):
        convert(tmp_path / "bottle", "Folder", seed=0)
    with pytest.raises(DatasetError, match="holds 1 categories in the layout of MVTec AD: bottle"):
        convert(tmp_path, "Folder", seed=0)


def test_annotations_that_a_folder_does_not_use_are_a_warning(parts):
    warnings = check_dataset(parts, parts.parent / "output", convert_from="Folder")["warnings"]
    assert warnings[0]["what"] == "there are annotations of LabelMe, which src_dataset_type=Folder does not read"


def test_a_folder_that_says_good_and_bad_is_asked_about(parts):
    write_photo(parts / "bad/good/0.png")
    with pytest.raises(
        DatasetCheckError, match=r"not clear what the folder bad/good holds: its name says good and bad"
    ):
        convert(parts, "Folder", seed=0)


def test_a_name_with_a_word_for_bad_parts_below_a_folder_of_good_ones_is_asked_about(parts):
    write_photo(parts / "good/rejected_by_QA/0.png")
    with pytest.raises(DatasetCheckError, match="the folder good/rejected_by_QA holds: its name says good and bad"):
        convert(parts, "Folder", seed=0)


def test_a_photo_that_lies_beside_the_folder_of_good_parts_is_of_no_kind(parts):
    write_photo(parts / "Line 2/good/0.png")
    write_photo(parts / "Line 2/loose.png")
    with pytest.raises(
        DatasetCheckError, match=r"image Line 2/loose.png stands in no folder that says whether it is good"
    ):
        convert(parts, "Folder", seed=0)
    convert(parts, "Folder", 0, FolderRules(defects=["Line 2"], normal=["Line 2/good"]))


@pytest.mark.parametrize("folder", ["NG", "scratch", "train/dent"])
def test_an_unannotated_image_beside_a_folder_of_good_parts_is_not_taken_for_good(parts, folder):
    write_photo(parts / folder / "7.png")
    with pytest.raises(
        DatasetCheckError, match=rf"1 images in {folder}/ have nothing annotated.*src_dataset_type=Folder"
    ):
        convert(parts, "LabelMe", seed=0)
    convert(parts, "LabelMe", 0, FolderRules(normal=[folder]))


def test_masks_that_belong_to_no_image_are_one_error_for_each_folder(parts):
    for number in range(3):
        write_mask(parts / f"label/x{number}.png")
    with pytest.raises(
        DatasetCheckError, match=r"the mask label/x0.png belongs to no image, nor do 2 others in label/"
    ):
        convert(parts, "Folder", seed=0)


def test_a_folder_of_masks_alone_is_said_to_hold_no_parts(tmp_path):
    write_mask(tmp_path / "data/masks/0.png")
    with pytest.raises(DatasetError, match=r"holds no images of parts \(left out: 1 masks\)"):
        convert(tmp_path / "data", "Folder", seed=0)
