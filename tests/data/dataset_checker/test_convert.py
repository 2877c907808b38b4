"""MVTec AD and plain folders, and what holds for every conversion."""

import os
import shutil

import cv2
import numpy as np
import pytest

from paddlex.data.dataset import read_samples
from paddlex.data.dataset_checker import check_dataset
from paddlex.data.dataset_checker.convert import convert
from paddlex.errors import DatasetCheckError, DatasetError


def write_image(path, seed=None, size=(16, 24)):
    path.parent.mkdir(parents=True, exist_ok=True)
    seed = sum(str(path).encode()) if seed is None else seed
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    path.write_bytes(cv2.imencode(path.suffix.lower(), pixels)[1].tobytes())


def write_mask(path, size=(16, 24)):
    path.parent.mkdir(parents=True, exist_ok=True)
    mask = np.zeros(size, np.uint8)
    mask[2:6, 2:6] = 255
    path.write_bytes(cv2.imencode(path.suffix.lower(), mask)[1].tobytes())


def read_list(root, name):
    return (root / name).read_text(encoding="utf-8").splitlines()


def tree(root):
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.fixture
def bottle(tmp_path):
    """A category as MVTec AD has them."""
    root = tmp_path / "mvtec" / "bottle"
    for number in range(12):
        write_image(root / f"train/good/{number:03d}.png", number)
    write_image(root / "test/good/000.png", 20)
    for defect in ("broken_large", "contamination"):
        for number in range(2):
            write_image(root / f"test/{defect}/{number:03d}.png", 100 * len(defect) + number)
            write_mask(root / f"ground_truth/{defect}/{number:03d}_mask.png")
    return root


def test_mvtec_ad_trains_on_train_good_and_validates_on_all_of_test(bottle):
    convert(bottle, "MVTec_AD", seed=0)
    assert read_list(bottle, "train.txt") == [f"train/good/{number:03d}.png" for number in range(12)]
    assert read_list(bottle, "val.txt") == [
        "test/broken_large/000.png ground_truth/broken_large/000_mask.png",
        "test/broken_large/001.png ground_truth/broken_large/001_mask.png",
        "test/contamination/000.png ground_truth/contamination/000_mask.png",
        "test/contamination/001.png ground_truth/contamination/001_mask.png",
        "test/good/000.png",
    ]


def test_a_converted_category_passes_the_check(bottle):
    result = check_dataset(bottle, bottle.parent / "output", convert_from="MVTec_AD")
    assert result["attributes"]["val_defect_types"] == {"broken_large": 2, "contamination": 2}
    assert result["warnings"] == []


def test_a_category_is_converted_split_and_checked_in_one_go(bottle):
    attributes = check_dataset(
        bottle, bottle.parent / "output", convert_from="MVTec_AD", train_percent=77, val_percent=23
    )["attributes"]
    assert (attributes["train_samples"], attributes["val_normal_samples"]) == (10, 3)


def test_nothing_is_converted_if_the_split_after_it_makes_no_sense(bottle):
    with pytest.raises(DatasetError, match="do not make 100"):
        check_dataset(bottle, bottle.parent / "output", convert_from="MVTec_AD", train_percent=80, val_percent=80)
    assert not (bottle / "train.txt").exists()


@pytest.mark.parametrize("name", ["mvtec_ad", "MVTEC_AD", "MVTec_AD"])
def test_the_type_may_be_written_in_any_case(bottle, name):
    convert(bottle, name, seed=0)
    assert len(read_list(bottle, "train.txt")) == 12


def test_an_unknown_type_lists_the_valid_ones(bottle):
    with pytest.raises(DatasetError, match=r"'VOC' is not a type .*It may be MVTec_AD, LabelMe, COCO, CVAT, Folder"):
        convert(bottle, "VOC", seed=0)


@pytest.mark.parametrize("mask", ["000.png", "000_mask.PNG", "000.bmp", "000_mask.tif"])
def test_a_mask_may_lack_its_ending_and_have_another_suffix(bottle, mask):
    write_image(bottle / "test/hole/000.JPG", 500)
    write_mask(bottle / "ground_truth/hole" / mask)
    convert(bottle, "MVTec_AD", seed=0)
    assert f"test/hole/000.JPG ground_truth/hole/{mask}" in read_list(bottle, "val.txt")


def test_folders_and_files_may_have_any_name(bottle):
    write_image(bottle / "test/царапина 大/1 a.png", 501)
    write_mask(bottle / "ground_truth/царапина 大/1 a_mask.png")
    write_image(bottle / "test/good/2 b.png", 502)
    attributes = check_dataset(bottle, bottle.parent / "output", convert_from="MVTec_AD")["attributes"]
    assert attributes["val_defect_types"]["царапина 大"] == 1
    assert attributes["val_normal_samples"] == 2


def test_two_images_whose_names_look_like_a_line_are_not_confused(bottle):
    write_image(bottle / "test/good/a.png b.png", 503)
    write_image(bottle / "test/good/a.png", 504)
    attributes = check_dataset(bottle, bottle.parent / "output", convert_from="MVTec_AD")["attributes"]
    assert attributes["val_normal_samples"] == 3


def test_all_defective_images_without_a_mask_are_listed_and_nothing_is_written(bottle):
    for number in range(2):
        (bottle / f"ground_truth/contamination/{number:03d}_mask.png").unlink()
    before = tree(bottle)
    with pytest.raises(DatasetCheckError) as caught:
        convert(bottle, "MVTec_AD", seed=0)
    assert [problem["what"] for problem in caught.value.problems] == [
        "the defective image test/contamination/000.png has no mask",
        "the defective image test/contamination/001.png has no mask",
    ]
    assert "Add ground_truth/contamination/000_mask.png" in str(caught.value)
    assert tree(bottle) == before


def test_a_category_without_any_mask_is_used_at_image_level(bottle, caplog):
    shutil.rmtree(bottle / "ground_truth")
    result = check_dataset(bottle, bottle.parent / "output", convert_from="MVTec_AD")
    assert result["attributes"]["val_defect_types"] == {"broken_large": 2, "contamination": 2}
    assert "test/contamination/000.png masks/full_frame_24x16.png" in read_list(bottle, "val.txt")
    assert [warning["what"] for warning in result["warnings"]] == [
        "4 defective images have a mask of the whole image, which does not say where the defect is: they count in the "
        "image-level metrics, and are left out of the pixel-level ones"
    ]


def test_several_masks_of_an_image_are_joined_as_mvtec_loco_means_them(bottle):
    write_image(bottle / "test/logical_anomalies/000.png", 400)
    write_image(bottle / "test/logical_anomalies/001.png", 401)
    for number, (row, value) in enumerate(((1, 255), (9, 254))):
        mask = np.zeros((16, 24), np.uint8)
        mask[row : row + 3, 4:8] = value
        path = bottle / f"ground_truth/logical_anomalies/000/{number:03d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), mask)
    write_mask(bottle / "ground_truth/logical_anomalies/001/000.png")
    convert(bottle, "MVTec_AD", seed=0)
    lines = read_list(bottle, "val.txt")
    assert "test/logical_anomalies/000.png masks/logical_anomalies/000.png" in lines
    assert "test/logical_anomalies/001.png ground_truth/logical_anomalies/001/000.png" in lines
    joined = cv2.imread(str(bottle / "masks/logical_anomalies/000.png"), cv2.IMREAD_UNCHANGED)
    assert np.argwhere(joined.any(axis=1)).ravel().tolist() == [1, 2, 3, 9, 10, 11]


def test_the_good_parts_for_validation_of_mvtec_loco_validate(bottle):
    write_image(bottle / "validation/good/000.png", 402)
    write_image(bottle / "extra/0.png", 403)
    uses = convert(bottle, "MVTec_AD", seed=0).uses
    assert "validation/good/000.png" in read_list(bottle, "val.txt")
    assert "extra/ (1: no folder of this layout)" in map(str, uses)


@pytest.mark.parametrize("folder", ["train/good/NG", "test/good/不良"])
def test_a_folder_of_bad_parts_among_the_good_ones_is_asked_about(bottle, folder):
    write_image(bottle / folder / "000.png", 402)
    with pytest.raises(
        DatasetCheckError, match=f"not clear what the folder {folder} holds: its name says good and bad"
    ):
        convert(bottle, "MVTec_AD", seed=0)


def test_a_mask_that_marks_a_defect_of_a_good_part_of_test_is_an_error(bottle):
    write_mask(bottle / "ground_truth/good/000_mask.png")
    with pytest.raises(
        DatasetCheckError, match=r"ground_truth/good/000_mask.png marks a defect of an image in a folder"
    ):
        convert(bottle, "MVTec_AD", seed=0)


def test_a_mask_whose_image_is_gone_is_warned_of_because_the_image_may_be_among_the_good_parts(bottle):
    os.rename(bottle / "test/contamination/000.png", bottle / "test/good/moved.png")
    result = check_dataset(bottle, bottle.parent / "output", convert_from="MVTec_AD")
    assert [warning["what"] for warning in result["warnings"]] == [
        "the mask ground_truth/contamination/000_mask.png belongs to no image of test"
    ]


def test_masks_of_one_image_that_differ_in_size_are_an_error(bottle):
    write_image(bottle / "test/hole/000.png", 400)
    write_mask(bottle / "ground_truth/hole/000/000.png")
    write_mask(bottle / "ground_truth/hole/000/001.png", size=(9, 9))
    with pytest.raises(DatasetCheckError, match="the masks ground_truth/hole/000 cannot be used: its size differs"):
        convert(bottle, "MVTec_AD", seed=0)


def test_the_folder_above_the_categories_is_an_error_that_lists_them(bottle):
    write_image(bottle.parent / "cable/train/good/000.png")
    write_image(bottle.parent / "cable/test/good/000.png")
    with pytest.raises(DatasetError, match=r"holds 2: bottle, cable .*Set Global.dataset_dir to one of them"):
        convert(bottle.parent, "MVTec_AD", seed=0)


def test_a_folder_of_another_layout_is_an_error_that_describes_the_layout(tmp_path):
    write_image(tmp_path / "images/000.png")
    with pytest.raises(DatasetError, match=r"no train and test folder .*MVTec AD has train/good, test/good"):
        convert(tmp_path, "MVTec_AD", seed=0)


@pytest.mark.parametrize("path", ["train/broken/000.png", "train/000.png", "test/000.png"])
def test_an_image_outside_the_layout_is_an_error(bottle, path):
    write_image(bottle / path)
    with pytest.raises(DatasetCheckError, match=f"the image {path} stands in no folder of the layout"):
        convert(bottle, "MVTec_AD", seed=0)


def test_lists_that_are_there_already_are_kept(bottle):
    (bottle / "train.txt").write_text("mine\n")
    (bottle / "train.txt.bak").write_text("older\n")
    convert(bottle, "MVTec_AD", seed=0)
    assert read_list(bottle, "train.txt.bak") == ["older"]
    assert read_list(bottle, "train.txt.bak1") == ["mine"]


@pytest.mark.parametrize("name", ["a\tb.png", "a\nb.png", "a\\b.png"])
def test_a_file_name_that_cannot_stand_in_a_list_is_an_error(bottle, name):
    write_image(bottle / "train/good" / name)
    before = tree(bottle)
    with pytest.raises(DatasetCheckError, match=r"cannot stand in a list.*Rename the file"):
        convert(bottle, "MVTec_AD", seed=0)
    assert tree(bottle) == before


def test_a_category_without_images_to_train_on_is_an_error(bottle):
    for path in (bottle / "train/good").iterdir():
        path.unlink()
    with pytest.raises(DatasetError, match="there are no normal images to train on"):
        convert(bottle, "MVTec_AD", seed=0)


# Lists in a folder of their own


@pytest.mark.parametrize("split", [{}, {"train_percent": 50, "val_percent": 50}])
def test_lists_and_masks_may_be_written_elsewhere_and_nothing_into_the_data_set(bottle, tmp_path, split, caplog):
    shutil.rmtree(bottle / "ground_truth")
    before = tree(bottle)
    lists = tmp_path / "my lists"
    with caplog.at_level("INFO", logger="paddlex"):
        first = check_dataset(bottle, tmp_path / "output", convert_from="MVTec_AD", lists_dir=lists, **split)
    assert tree(bottle) == before
    assert first["dataset_path"] == str(lists)
    assert f"The lists are in {lists}: set Global.dataset_dir to it for the modes that follow." in caplog.messages
    again = check_dataset(lists, tmp_path / "output")
    assert again["attributes"] == first["attributes"]
    for sample in read_samples(lists, "train.txt") + read_samples(lists, "val.txt"):
        assert sample.image_path.is_file()
        assert sample.mask_path is None or sample.mask_path.parent == lists / "masks"


def test_a_split_alone_may_be_written_elsewhere(bottle, tmp_path):
    convert(bottle, "MVTec_AD", seed=0)
    before = tree(bottle)
    attributes = check_dataset(bottle, tmp_path / "o", lists_dir=tmp_path / "l", train_percent=77, val_percent=23)[
        "attributes"
    ]
    assert (attributes["train_samples"], attributes["val_normal_samples"]) == (10, 3)
    assert tree(bottle) == before


def test_paths_of_such_lists_lead_to_the_data_set_they_were_made_from_and_nowhere_else(bottle, tmp_path):
    lists = tmp_path / "lists"
    convert(bottle, "MVTec_AD", seed=0, lists_dir=lists)
    write_image(tmp_path / "outside.png", 77)
    with (lists / "train.txt").open("a") as file:
        file.write(f"{tmp_path / 'outside.png'}\n")
    with pytest.raises(DatasetCheckError, match=r"outside.png leaves the data set"):
        check_dataset(lists, tmp_path / "output")


def test_a_folder_that_cannot_be_written_is_an_error_that_names_the_key(bottle):
    blocked = bottle.parent / "a file"
    blocked.write_text("")
    with pytest.raises(DatasetError, match=r"cannot be written: .*a file.*Set CheckDataset.lists_dir to a folder"):
        convert(bottle, "MVTec_AD", seed=0, lists_dir=blocked / "lists")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_data_set_that_is_read_only_is_an_error_that_names_the_key(bottle):
    bottle.chmod(0o555)
    with pytest.raises(DatasetError, match=r"cannot be written: Permission denied.*Set CheckDataset.lists_dir"):
        convert(bottle, "MVTec_AD", seed=0)
    bottle.chmod(0o755)


@pytest.fixture
def parts(tmp_path):
    """A plain folder: ten good images, two bad ones."""
    root = tmp_path / "parts"
    for number in range(10):
        write_image(root / f"Good/{number}.png", number)
    for number in range(2):
        write_image(root / f"ng/{number}.jpg", 50 + number)
    return root


def test_of_the_good_images_of_a_plain_folder_80_percent_train(parts):
    convert(parts, "Folder", seed=0)
    assert len(read_list(parts, "train.txt")) == 8
    assert all(line.startswith("Good/") for line in read_list(parts, "train.txt"))


def test_the_draw_depends_on_the_seed_alone(parts):
    drawn = []
    for seed in (1, 1, 2):
        convert(parts, "Folder", seed)
        drawn.append(read_list(parts, "train.txt"))
    assert drawn[0] == drawn[1] != drawn[2]


@pytest.mark.parametrize("mask", ["masks/ng/{}.png", "ground_truth/ng/{}_mask.png", "ng/masks/{}.bmp", "masks/{}.png"])
def test_bad_images_find_their_masks(parts, mask):
    for number in range(2):
        write_mask(parts / mask.format(number))
    convert(parts, "Folder", seed=0)
    bad = [line for line in read_list(parts, "val.txt") if line.startswith("ng")]
    assert bad == [f"ng/{number}.jpg {mask.format(number)}" for number in range(2)]


def test_bad_images_without_a_mask_share_one_of_the_whole_frame_and_the_log_says_what_that_means(parts, caplog):
    write_image(parts / "ng/wide.png", 60, size=(10, 40))
    result = check_dataset(parts, parts.parent / "output", convert_from="Folder")
    assert [line for line in read_list(parts, "val.txt") if line.startswith("ng")] == [
        "ng/0.jpg masks/full_frame_24x16.png",
        "ng/1.jpg masks/full_frame_24x16.png",
        "ng/wide.png masks/full_frame_40x10.png",
    ]
    mask = cv2.imread(str(parts / "masks/full_frame_40x10.png"), cv2.IMREAD_UNCHANGED)
    assert mask.shape == (10, 40)
    assert (mask == 255).all()
    assert any("does not say where the defect is" in message for message in caplog.messages)
    assert result["attributes"]["val_anomalous_samples"] == 3


def test_converting_again_changes_nothing_but_the_backups(parts):
    convert(parts, "Folder", seed=0)
    first = tree(parts)
    convert(parts, "Folder", seed=0)
    second = tree(parts)
    assert {path: second[path] for path in first} == first
    assert set(second) - set(first) == {"train.txt.bak", "val.txt.bak"}


def test_a_plain_folder_may_be_divided_already(tmp_path):
    for path in ("train/ok/0.png", "train/ok/1.png", "val/ok/2.png", "test/bad/3.png", "train/bad/4.png"):
        write_image(tmp_path / path)
    for path in ("masks/test/bad/3.png", "train/masks/bad/4.png"):
        write_mask(tmp_path / path)
    convert(tmp_path, "Folder", seed=0)
    assert read_list(tmp_path, "train.txt") == ["train/ok/0.png", "train/ok/1.png"]
    assert read_list(tmp_path, "val.txt") == [
        "test/bad/3.png masks/test/bad/3.png",
        "train/bad/4.png train/masks/bad/4.png",
        "val/ok/2.png",
    ]


def test_an_image_in_no_folder_is_an_error(parts):
    write_image(parts / "5.png")
    with pytest.raises(DatasetCheckError, match=r"the image 5.png stands in no folder that says whether it is good"):
        convert(parts, "Folder", seed=0)


def test_a_mask_that_belongs_to_no_image_is_an_error(parts):
    write_mask(parts / "masks/ng/7.png")
    with pytest.raises(DatasetCheckError, match=r"the mask masks/ng/7.png belongs to no image .*name it masks/bad/000"):
        convert(parts, "Folder", seed=0)


def test_a_mask_that_could_be_that_of_two_bad_images_is_an_error(parts):
    write_image(parts / "dent/1.png")
    write_mask(parts / "masks/1.png")
    with pytest.raises(DatasetCheckError, match=r"masks/1.png could be that of dent/1.png and of ng/1.jpg"):
        convert(parts, "Folder", seed=0)


def test_an_unreadable_bad_image_is_an_error_and_nothing_is_written(parts):
    (parts / "ng/0.jpg").write_bytes(b"no picture")
    before = tree(parts)
    with pytest.raises(DatasetCheckError, match=r"the image ng/0.jpg cannot be used"):
        convert(parts, "Folder", seed=0)
    assert tree(parts) == before


def test_a_folder_without_images_is_an_error(tmp_path):
    with pytest.raises(DatasetError, match=r"holds no images .*Images end in .bmp"):
        convert(tmp_path, "Folder", seed=0)


@pytest.mark.parametrize("output", ["output", "."])
@pytest.mark.parametrize("source_type", ["Folder", "LabelMe"])
def test_pictures_of_an_earlier_check_inside_the_data_set_are_not_taken_for_its_images(tmp_path, source_type, output):
    root = tmp_path / "data"
    for number in range(12):
        write_image(root / f"good/{number:03d}.png", number)
    check_dataset(root, root / output, convert_from=source_type)
    write_image(root / output / "check_dataset/suspects.png", 80)
    first = [read_list(root, name) for name in ("train.txt", "val.txt")]
    check_dataset(root, root / output, convert_from=source_type)
    assert [read_list(root, name) for name in ("train.txt", "val.txt")] == first


def test_a_folder_of_the_users_that_is_called_check_dataset_is_read(tmp_path):
    root = tmp_path / "data"
    for number in range(12):
        write_image(root / f"good/check_dataset/{number:03d}.png", number)
    convert(root, "Folder", seed=0)
    assert len(read_list(root, "train.txt") + read_list(root, "val.txt")) == 12
