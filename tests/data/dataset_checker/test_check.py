"""What the data set check finds, and what it lets pass."""

import logging
import os
import shutil

import cv2
import numpy as np
import pytest

from paddlex.data.dataset_checker import check, check_dataset
from paddlex.errors import DatasetCheckError, DatasetError
from paddlex.inference.image_files import read_bytes

HEIGHT, WIDTH = 24, 32


def write_image(path, seed, size=(HEIGHT, WIDTH)):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    path.write_bytes(cv2.imencode(path.suffix, pixels)[1].tobytes())
    return pixels


def write_mask(path, anomalous=True, size=(HEIGHT, WIDTH)):
    path.parent.mkdir(parents=True, exist_ok=True)
    mask = np.zeros(size, np.uint8)
    if anomalous:
        mask[4:10, 6:20] = 255
    path.write_bytes(cv2.imencode(".png", mask)[1].tobytes())


@pytest.fixture
def root(tmp_path):
    """A sound data set: 12 normal images to train on, 2 normal and 2 scratched ones to validate with."""
    root = tmp_path / "data"
    for number in range(12):
        write_image(root / f"train/good/{number:03d}.png", number)
    for number in range(2):
        write_image(root / f"test/good/{number:03d}.png", 100 + number)
        write_image(root / f"test/scratch/{number:03d}.png", 200 + number)
        write_mask(root / f"masks/scratch/{number:03d}.png")
    write_list(root, "train", [f"train/good/{number:03d}.png" for number in range(12)])
    write_list(
        root,
        "val",
        ["test/good/000.png", "test/good/001.png"]
        + [f"test/scratch/{number:03d}.png masks/scratch/{number:03d}.png" for number in range(2)],
    )
    return root


def write_list(root, name, lines):
    (root / f"{name}.txt").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def add_line(root, name, line):
    with (root / f"{name}.txt").open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")


def errors_of(root):
    with pytest.raises(DatasetCheckError) as caught:
        check_dataset(root, root.parent / "output")
    return caught.value


def only_error(root):
    error = errors_of(root)
    assert [problem["what"] for problem in error.problems] == [error.problems[0]["what"]]
    assert error.total == 1
    return error.problems[0]


def warnings_of(root):
    return check_dataset(root, root.parent / "output")["warnings"]


def test_a_sound_data_set_passes_and_says_so_in_the_log(root, caplog):
    with caplog.at_level(logging.INFO, logger="paddlex"):
        result = check_dataset(root, root.parent / "output")
    assert (result["done_flag"], result["check_pass"], result["warnings"]) == (True, True, [])
    assert "Check dataset passed !" in caplog.messages


def test_the_result_has_the_keys_that_users_of_paddlex_know(root):
    result = check_dataset(root, root.parent / "output")
    attributes = result["attributes"]
    assert (attributes["train_samples"], attributes["val_samples"], attributes["num_classes"]) == (12, 4, 1)
    assert len(attributes["train_sample_paths"]) == 10
    assert len(attributes["val_sample_paths"]) == 4
    assert result["analysis"]["histogram"] == "check_dataset/histogram.png"
    assert (result["show_type"], result["dataset_type"]) == ("image", "SegDataset")
    assert result["dataset_path"] == os.fspath(root)


def test_the_result_counts_validation_images_by_kind(root):
    attributes = check_dataset(root, root.parent / "output")["attributes"]
    assert (attributes["val_normal_samples"], attributes["val_anomalous_samples"]) == (2, 2)
    assert attributes["val_defect_types"] == {"scratch": 2}


def test_a_training_image_may_stand_as_its_own_mask(root):
    write_list(root, "train", [f"train/good/{number:03d}.png train/good/{number:03d}.png" for number in range(12)])
    assert warnings_of(root) == []


def test_a_folder_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(DatasetError, match=r"folder does not exist .*nowhere.* Set Global.dataset_dir"):
        check_dataset(tmp_path / "nowhere", tmp_path / "output")


def test_a_missing_list_does_not_keep_the_other_from_being_checked(root):
    (root / "train.txt").unlink()
    (root / "test/good/000.png").unlink()
    error = errors_of(root)
    assert [problem["what"] for problem in error.problems] == [
        "the data set has no train.txt",
        "the image test/good/000.png does not exist",
    ]


def test_a_missing_image_is_reported_with_its_line(root):
    (root / "train/good/002.png").unlink()
    problem = only_error(root)
    assert problem["what"] == "the image train/good/002.png does not exist"
    assert problem["where"] == f"{root / 'train.txt'} line 3"
    assert problem["remedy"].startswith("Check the spelling")
    assert problem["severity"] == "error"


def test_a_missing_mask_is_an_error(root):
    (root / "masks/scratch/001.png").unlink()
    assert only_error(root)["what"] == "the mask masks/scratch/001.png does not exist"


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".tif", ".webp"])
def test_a_truncated_image_is_an_error(root, suffix):
    path = root / f"train/good/cut{suffix}"
    write_image(path, 50)
    path.write_bytes(path.read_bytes()[:-200])
    add_line(root, "train", f"train/good/cut{suffix}")
    assert only_error(root)["what"] == (
        f"the image train/good/cut{suffix} cannot be used: the image is truncated, damaged or of an unknown format"
    )


def test_an_empty_file_is_an_error(root):
    (root / "train/good/003.png").write_bytes(b"")
    assert only_error(root)["what"] == "the image train/good/003.png cannot be used: the image is empty (0 bytes)"


def test_an_unreadable_mask_is_an_error(root):
    (root / "masks/scratch/000.png").write_bytes(b"no picture")
    assert only_error(root)["what"].startswith("the mask masks/scratch/000.png cannot be used: ")


def test_a_mask_of_another_size_is_an_error_that_gives_both_sizes(root):
    write_mask(root / "masks/scratch/000.png", size=(20, 30))
    assert only_error(root)["what"] == (
        "the mask masks/scratch/000.png is 30 x 20 pixels, its image test/scratch/000.png 32 x 24 "
        "(width x height, turned as EXIF says)"
    )


def test_an_empty_mask_of_an_image_listed_as_defective_is_a_warning_and_the_image_counts_as_anomalous(root):
    before = check_dataset(root, root.parent / "output")["attributes"]["val_anomalous_samples"]
    write_mask(root / "masks/scratch/000.png", anomalous=False)
    result = check_dataset(root, root.parent / "output")
    [warning] = [w for w in result["warnings"] if "is empty" in w["what"]]
    assert warning["what"].startswith(
        "the mask masks/scratch/000.png is empty, but the image test/scratch/000.png is listed as defective"
    )
    assert warning["remedy"].startswith("Drop the mask from the line if the part is good")
    assert result["attributes"]["val_anomalous_samples"] == before


@pytest.mark.parametrize("folder", ["good", "Normal", "OK", "images", "val"])
def test_an_empty_mask_of_an_image_in_a_folder_that_names_no_defect_means_normal(root, folder):
    write_image(root / f"val/{folder}/000.png", 70)
    write_mask(root / f"masks/{folder}/000.png", anomalous=False)
    add_line(root, "val", f"val/{folder}/000.png masks/{folder}/000.png")
    assert check_dataset(root, root.parent / "output")["attributes"]["val_normal_samples"] == 3


def test_a_training_image_with_anomalies_in_its_mask_is_an_error(root):
    write_image(root / "train/other/000.png", 71)
    write_mask(root / "masks/other.png")
    add_line(root, "train", "train/other/000.png masks/other.png")
    problem = only_error(root)
    assert problem["what"] == "the training image train/other/000.png has anomalies in its mask masks/other.png"
    assert problem["remedy"] == "Train on normal images only: move the line to val.txt"


def test_an_image_in_both_lists_is_an_error(root):
    add_line(root, "val", "./train/good/004.png")
    problem = only_error(root)
    assert problem["what"] == "the image ./train/good/004.png stands in train.txt (line 5) and in val.txt"
    assert problem["where"] == f"{root / 'val.txt'} line 5"


def test_a_copy_of_a_training_image_among_the_validation_images_is_an_error(root):
    (root / "test/good/copy.png").write_bytes((root / "train/good/004.png").read_bytes())
    add_line(root, "val", "test/good/copy.png")
    assert only_error(root)["what"] == (
        "the image test/good/copy.png has the same content as train/good/004.png of train.txt line 5"
    )


def test_a_part_that_is_listed_as_good_and_as_defective_is_an_error(root):
    (root / "test/good/copy.png").write_bytes((root / "test/scratch/000.png").read_bytes())
    add_line(root, "val", "test/good/copy.png")
    assert only_error(root)["what"] == (
        "the image test/good/copy.png has the same content as test/scratch/000.png of val.txt line 3, "
        "but test/scratch/000.png is listed as defective and test/good/copy.png as good"
    )


@pytest.mark.parametrize("list_name", ["train", "val"])
def test_an_image_that_is_listed_as_good_in_a_folder_of_bad_parts_is_warned_of(root, list_name):
    write_image(root / "NG/7.png", 300)
    add_line(root, list_name, "NG/7.png")
    assert [warning["what"] for warning in warnings_of(root)] == [
        "good parts in a folder whose name says that they are bad: 1 (NG/7.png)"
    ]


@pytest.mark.parametrize("list_name", ["train", "val"])
def test_a_mask_that_is_listed_as_a_photo_is_warned_of(root, list_name):
    write_mask(root / "areas/7.png")
    add_line(root, list_name, "areas/7.png")
    assert "1 of the 17 images have hardly any grey levels, as masks do (areas/7.png)" in [
        warning["what"] for warning in warnings_of(root)
    ]


def test_a_copy_within_one_list_is_a_warning(root):
    (root / "train/good/copy.png").write_bytes((root / "train/good/004.png").read_bytes())
    add_line(root, "train", "train/good/copy.png")
    warning = warnings_of(root)[0]
    assert warning["severity"] == "warning"
    assert warning["what"] == (
        "the image train/good/copy.png has the same content as train/good/004.png of train.txt line 5"
    )


def test_a_repeated_line_is_a_warning(root):
    add_line(root, "train", "train/good/004.png")
    assert [warning["what"] for warning in warnings_of(root)] == ["the line repeats line 5"]


def test_one_image_with_two_masks_is_an_error(root):
    write_mask(root / "masks/second.png")
    add_line(root, "val", "test/scratch/000.png masks/second.png")
    assert only_error(root)["what"] == (
        "the image test/scratch/000.png stands twice with different masks, first in line 3"
    )


@pytest.mark.parametrize("path", ["../outside.png", "train/../../outside.png", "C:/images/outside.png"])
def test_a_path_that_leaves_the_folder_is_an_error_even_if_the_file_exists(root, path):
    write_image(root.parent / "outside.png", 80)
    add_line(root, "train", path)
    problem = only_error(root)
    assert problem["what"] == f"the path {path} leaves the data set"
    assert problem["where"] == f"{root / 'train.txt'} line 13"


def test_an_absolute_path_may_lead_into_the_data_set(root):
    write_image(root / "train/good/more.png", 81)
    add_line(root, "train", os.fspath(root / "train/good/more.png"))
    assert check_dataset(root, root.parent / "output")["attributes"]["train_samples"] == 13


def test_an_absolute_path_may_lead_into_a_data_set_that_is_reached_by_a_link(root, tmp_path):
    (tmp_path / "link").symlink_to(root)
    write_list(root, "train", [root / f"train/good/{number:03d}.png" for number in range(12)])
    assert check_dataset(tmp_path / "link", tmp_path / "output")["check_pass"]


def test_an_absolute_path_may_not_lead_anywhere_else(root):
    write_image(root.parent / "outside.png", 81)
    add_line(root, "train", os.fspath(root.parent / "outside.png"))
    assert only_error(root)["what"].endswith("leaves the data set")


def test_an_absolute_and_a_relative_path_to_one_image_are_the_same_line(root):
    add_line(root, "train", os.fspath(root / "train/good/004.png"))
    assert [warning["what"] for warning in warnings_of(root)] == ["the line repeats line 5"]


def test_a_link_inside_the_folder_may_lead_out(root):
    write_image(root.parent / "elsewhere/000.png", 82)
    (root / "linked").symlink_to(root.parent / "elsewhere")
    add_line(root, "train", "linked/000.png")
    assert check_dataset(root, root.parent / "output")["attributes"]["train_samples"] == 13


def test_all_errors_are_reported_at_once_and_logged(root, caplog):
    (root / "train/good/000.png").unlink()
    (root / "train/good/001.png").write_bytes(b"no picture")
    write_mask(root / "masks/scratch/000.png", size=(20, 30))
    error = errors_of(root)
    assert error.total == len(error.problems) == 3
    assert str(error).startswith("the data set has 3 problems, the first: the image train/good/000.png does not exist")
    logged = [record.message for record in caplog.records if record.levelno == logging.ERROR]
    assert len(logged) == 3
    assert all(problem["what"] in line for problem, line in zip(error.problems, logged, strict=True))


def test_past_a_limit_errors_are_counted_but_not_listed(root, caplog):
    for number in range(130):
        add_line(root, "train", f"train/good/missing{number}.png")
    error = errors_of(root)
    assert (len(error.problems), error.total) == (100, 130)
    assert caplog.messages[-1] == "more than 100 errors: the others are only counted"


def test_a_list_of_one_endless_line_is_reported_not_crashed_on(root):
    write_list(root, "train", ["x " * 3000])
    assert "does not exist" in errors_of(root).problems[0]["what"]


def test_a_list_that_is_no_text_is_an_error(root):
    (root / "train.txt").write_bytes("train/good/000.png\n".encode("utf-16-le"))
    assert only_error(root)["what"] == "the list is not text"


def test_few_training_images_are_a_warning(root):
    write_list(root, "train", [f"train/good/{number:03d}.png" for number in range(4)])
    assert [warning["what"] for warning in warnings_of(root)] == ["there are only 4 different training images"]


def test_one_photo_copied_many_times_is_one_training_image_and_too_few(root):
    for number in range(20):
        shutil.copy(root / "train/good/000.png", root / f"train/good/copy{number}.png")
    write_list(root, "train", [f"train/good/copy{number}.png" for number in range(20)])
    assert only_error(root)["what"] == (
        "there are only 1 different training images (20 files, but the others are copies); 4 are the least"
    )


def test_one_photo_saved_anew_many_times_is_one_training_image(root):
    pixels = cv2.imread(str(root / "train/good/000.png"))
    for number in range(9):
        (root / f"train/good/copy{number}.png").write_bytes(
            cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, number])[1].tobytes()
        )
    (root / "train/good/copy9.bmp").write_bytes(cv2.imencode(".bmp", pixels)[1].tobytes())
    write_list(root, "train", [f"train/good/copy{number}.png" for number in range(9)] + ["train/good/copy9.bmp"])
    assert only_error(root)["what"].startswith("there are only 1 different training images (10 files")


def test_different_images_are_counted_by_content(root):
    shutil.copy(root / "train/good/000.png", root / "train/good/copy.png")
    add_line(root, "train", "train/good/copy.png")
    attributes = check_dataset(root, root.parent / "output")["attributes"]
    assert (attributes["train_samples"], attributes["train_different_images"]) == (13, 12)
    assert (attributes["val_samples"], attributes["val_different_images"]) == (4, 4)


def test_no_anomalous_validation_images_are_a_warning(root):
    write_list(root, "val", ["test/good/000.png", "test/good/001.png"])
    assert [warning["what"] for warning in warnings_of(root)] == [
        "there are no anomalous validation images, so no metric can be measured"
    ]


def test_no_normal_validation_images_are_a_warning(root):
    write_list(root, "val", ["test/scratch/000.png masks/scratch/000.png"])
    assert [warning["what"] for warning in warnings_of(root)] == [
        "there are no normal validation images, so false alarms cannot be measured"
    ]


def test_masks_that_mark_the_whole_image_are_a_warning(root):
    full = np.full((HEIGHT, WIDTH), 255, np.uint8)
    (root / "masks/scratch/000.png").write_bytes(cv2.imencode(".png", full)[1].tobytes())
    assert warnings_of(root)[0]["what"].startswith("1 defective images have a mask of the whole image")


def write_inverted_mask(path):
    mask = np.full((HEIGHT, WIDTH), 255, np.uint8)
    mask[4:8, 6:12] = 0
    path.write_bytes(cv2.imencode(".png", mask)[1].tobytes())


def test_inverted_masks_are_an_error(root):
    for number in range(2):
        write_inverted_mask(root / f"masks/scratch/{number:03d}.png")
    problem = only_error(root)
    assert problem["what"] == (
        "2 of 2 masks mark more than 90% of their images (masks/scratch/000.png: 96.9%): they are probably inverted"
    )
    assert problem["remedy"].startswith("Invert them: the defect is white")


def test_a_few_inverted_masks_among_others_are_a_warning(root):
    write_inverted_mask(root / "masks/scratch/001.png")
    assert [warning["what"] for warning in warnings_of(root)] == [
        "1 of 2 masks mark more than 90% of their images (masks/scratch/001.png: 96.9%): they are probably inverted"
    ]


def test_masks_in_jpeg_files_are_read_at_the_middle_and_a_warning_says_so(root):
    mask = cv2.imread(str(root / "masks/scratch/000.png"), cv2.IMREAD_UNCHANGED)
    (root / "masks/scratch/000.jpg").write_bytes(cv2.imencode(".jpg", mask)[1].tobytes())
    add_line(root, "val", "test/scratch/000.png masks/scratch/000.jpg")
    lines = (root / "val.txt").read_text(encoding="utf-8").splitlines()
    write_list(root, "val", [line for line in lines if line != "test/scratch/000.png masks/scratch/000.png"])
    assert [warning["what"] for warning in warnings_of(root)] == [
        "1 masks are JPEG files or the like, whose compression blurs the outline (masks/scratch/000.jpg): a pixel of them "
        "counts as anomalous above 127"
    ]


@pytest.mark.parametrize("name", ["with space.png", "деталь 1.png", "零件/图 像.png", "e\u0301\u2028.png", "💥.png"])
def test_paths_may_hold_spaces_and_any_unicode(root, name):
    write_image(root / "test/scratch" / name, 90)
    write_mask(root / "masks/scratch" / name)
    write_image(root / "train/good" / name, 91)
    add_line(root, "train", f"train/good/{name}")
    add_line(root, "val", f"test/scratch/{name} masks/scratch/{name}")
    attributes = check_dataset(root, root.parent / "output")["attributes"]
    assert (attributes["train_samples"], attributes["val_anomalous_samples"]) == (13, 3)


@pytest.mark.parametrize(
    ("suffix", "shape", "dtype"),
    [
        (".png", (HEIGHT, WIDTH), np.uint8),
        (".png", (HEIGHT, WIDTH), np.uint16),
        (".png", (HEIGHT, WIDTH, 4), np.uint8),
        (".tif", (HEIGHT, WIDTH, 3), np.uint16),
        (".tif", (HEIGHT, WIDTH), np.uint8),
        (".bmp", (HEIGHT, WIDTH, 3), np.uint8),
        (".webp", (HEIGHT, WIDTH, 3), np.uint8),
    ],
)
def test_every_kind_of_image_is_read(root, suffix, shape, dtype):
    pixels = np.random.default_rng(5).integers(0, np.iinfo(dtype).max, shape, dtype=dtype)
    (root / f"test/scratch/new{suffix}").write_bytes(cv2.imencode(suffix, pixels)[1].tobytes())
    add_line(root, "val", f"test/scratch/new{suffix} masks/scratch/000.png")
    assert check_dataset(root, root.parent / "output")["attributes"]["val_anomalous_samples"] == 3


def test_a_cmyk_jpeg_is_read(root):
    image = pytest.importorskip("PIL.Image")
    image.new("CMYK", (WIDTH, HEIGHT), (10, 200, 30, 40)).save(root / "train/good/cmyk.jpg")
    add_line(root, "train", "train/good/cmyk.jpg")
    assert check_dataset(root, root.parent / "output")["attributes"]["train_samples"] == 13


def test_the_mask_has_the_size_of_the_image_after_its_exif_orientation(root):
    image = pytest.importorskip("PIL.Image")
    upright = image.new("RGB", (WIDTH, HEIGHT), (10, 200, 30))
    exif = upright.getexif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    upright.save(root / "test/scratch/turned.jpg", exif=exif)
    write_mask(root / "masks/scratch/turned.png", size=(WIDTH, HEIGHT))
    add_line(root, "val", "test/scratch/turned.jpg masks/scratch/turned.png")
    assert check_dataset(root, root.parent / "output")["attributes"]["val_anomalous_samples"] == 3


def test_every_file_is_read_once(root, monkeypatch):
    reads = []
    monkeypatch.setattr(check, "read_bytes", lambda path, *how: reads.append(path) or read_bytes(path, *how))
    check_dataset(root, root.parent / "output")
    assert len(reads) == len(set(reads)) == 12 + 4 + 2


def test_a_failed_check_leaves_no_pictures(root):
    (root / "train/good/000.png").unlink()
    errors_of(root)
    assert [path for path in (root.parent / "output").rglob("*") if path.is_file()] == []


def test_the_data_set_itself_is_not_touched(root):
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    check_dataset(root, root.parent / "output")
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before
