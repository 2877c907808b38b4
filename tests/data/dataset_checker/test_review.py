"""What the check says about a data set as a whole, on real files: in words, as numbers and in a picture."""

import json

import cv2
import numpy as np
import pytest

from paddlex.data.dataset_checker import check_dataset

SIZE = 96


def picture(seed, brightness=120):
    marks = cv2.GaussianBlur(np.random.default_rng(seed).normal(size=(SIZE, SIZE)), (0, 0), 4)
    return cv2.cvtColor(np.clip(brightness + 25 * marks / marks.std(), 0, 255).astype(np.uint8), cv2.COLOR_GRAY2BGR)


def write(path, pixels, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(path.suffix, pixels)[1].tobytes())


@pytest.fixture
def root(tmp_path):
    """A clean data set: 30 normal images to train on, 6 normal and 4 dented ones to validate with."""
    root = tmp_path / "data"
    mask = np.zeros((SIZE, SIZE), np.uint8)
    mask[20:40, 30:60] = 255
    write(root / "mask.png", mask)
    for number in range(30):
        write(root / f"good/{number:03d}.png", picture(number))
    for number in range(30, 36):
        write(root / f"good/{number:03d}.png", picture(number))
    for number in range(4):
        write(root / f"dent/{number:03d}.png", picture(100 + number))
    (root / "train.txt").write_text("".join(f"good/{number:03d}.png\n" for number in range(30)))
    (root / "val.txt").write_text(
        "".join(f"good/{number:03d}.png\n" for number in range(30, 36))
        + "".join(f"dent/{number:03d}.png mask.png\n" for number in range(4))
    )
    return root


def plant(root, list_name, name, pixels):
    write(root / name, pixels)
    with (root / list_name).open("a", encoding="utf-8") as file:
        file.write(f"{name}\n")


def check(root):
    return check_dataset(root, root.parent / "output")


def test_a_clean_set_is_met_with_silence(root):
    result = check(root)
    assert result["warnings"] == []
    assert result["analysis"]["near_duplicates"] == {"count": 0, "reason": None, "pairs": []}
    assert result["analysis"]["outliers"] == {"count": 0, "reason": None, "images": []}
    assert result["analysis"]["suspects"] is None
    assert not (root.parent / "output/check_dataset/suspects.png").exists()


def test_the_statistics_are_those_of_the_three_kinds_of_images(root):
    statistics = check(root)["analysis"]["statistics"]
    assert {name: group["images"] for name, group in statistics.items()} == {
        "train": 30,
        "val_normal": 6,
        "val_anomalous": 4,
    }
    assert statistics["train"]["sizes"] == [{"width": SIZE, "height": SIZE, "images": 30}]
    assert statistics["train"]["brightness"]["mean"] == pytest.approx(120, abs=1)


def test_planted_duplicates_and_foreign_images_are_warned_of_but_do_not_fail_the_check(root):
    plant(root, "val.txt", "val/again.jpg", picture(4))
    plant(root, "train.txt", "good/black.png", np.zeros((SIZE, SIZE, 3), np.uint8))
    result = check(root)
    assert result["check_pass"] is True
    [pair] = result["analysis"]["near_duplicates"]["pairs"]
    assert (pair["train"], pair["val"]) == ("good/004.png", "val/again.jpg")
    [outlier] = result["analysis"]["outliers"]["images"]
    assert outlier["image"] == "good/black.png"
    duplicate, foreign = result["warnings"]
    assert duplicate["what"].startswith(
        "1 validation images look like a training image, so the metrics may be too good; "
    )
    assert duplicate["remedy"].startswith("Compare them in check_dataset/suspects.png")
    assert foreign["what"].startswith("1 training images are unlike the others, first of all good/black.png (score ")


def test_the_findings_can_be_written_as_json(root):
    plant(root, "val.txt", "val/again.jpg", picture(4))
    plant(root, "train.txt", "good/black.png", np.zeros((SIZE, SIZE, 3), np.uint8))
    analysis = check(root)["analysis"]
    assert json.loads(json.dumps(analysis, allow_nan=False)) == analysis


def test_the_suspects_are_in_a_picture(root):
    plant(root, "val.txt", "val/again.jpg", picture(4))
    path = check(root)["analysis"]["suspects"]
    assert path == "check_dataset/suspects.png"
    sheet = cv2.imread(str(root.parent / "output" / path))
    tile = cv2.resize(picture(4), (150, 150), interpolation=cv2.INTER_NEAREST)
    matches = cv2.matchTemplate(sheet, tile, cv2.TM_CCOEFF_NORMED)
    assert (matches > 0.9).any(axis=0).nonzero()[0].size >= 2  # side by side


def test_the_picture_of_an_earlier_check_is_removed_when_nobody_is_suspect_any_more(root):
    list_before = (root / "val.txt").read_text()
    plant(root, "val.txt", "val/again.jpg", picture(4))
    path = root.parent / "output" / check(root)["analysis"]["suspects"]
    (root / "val.txt").write_text(list_before)
    check(root)
    assert not path.exists()


@pytest.mark.parametrize("name", ["$x_{ 1.jpg", "划痕/图 像.jpg", "a" * 100 + ".jpg"])
def test_any_file_name_can_stand_in_the_picture(root, name):
    write(root / name, picture(4))
    with (root / "val.txt").open("a", encoding="utf-8") as file:
        file.write(f"{name}\t\n")
    assert check(root)["analysis"]["near_duplicates"]["pairs"][0]["val"] == name


def test_of_many_duplicates_twenty_are_listed_and_all_counted(root):
    for number in range(25):
        plant(root, "val.txt", f"val/{number:03d}.jpg", picture(number))
    duplicates = check(root)["analysis"]["near_duplicates"]
    assert (duplicates["count"], len(duplicates["pairs"])) == (25, 20)


def test_brighter_validation_images_are_warned_of(root):
    for number in range(6):
        plant(root, "val.txt", f"val/{number:03d}.png", picture(200 + number, brightness=180))
    [warning] = check(root)["warnings"]
    assert warning["what"].startswith("the normal validation images are brighter than the training images")
    assert warning["where"] == str(root / "val.txt")


def test_too_few_training_images_to_tell_are_said_to_be_so(root):
    (root / "train.txt").write_text("".join(f"good/{number:03d}.png\n" for number in range(4)))
    analysis = check(root)["analysis"]
    expected = {"count": None, "reason": "there are fewer than 10 training images"}
    assert analysis["near_duplicates"] == {**expected, "pairs": []}
    assert analysis["outliers"] == {**expected, "images": []}


def test_the_demonstration_data_is_clean(demo_dataset, tmp_path):
    analysis = check_dataset(demo_dataset, tmp_path)["analysis"]
    assert (analysis["near_duplicates"]["count"], analysis["outliers"]["count"]) == (0, 0)
