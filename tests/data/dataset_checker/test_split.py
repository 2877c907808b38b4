"""Dividing a data set anew."""

import cv2
import numpy as np
import pytest

from paddlex.data.dataset_checker import check_dataset
from paddlex.data.dataset_checker.split import split
from paddlex.errors import DatasetCheckError, DatasetError


def write_mask(path, anomalous=True):
    path.parent.mkdir(parents=True, exist_ok=True)
    mask = np.zeros((16, 16), np.uint8)
    mask[4:8, 4:8] = 255 * anomalous
    path.write_bytes(cv2.imencode(".png", mask)[1].tobytes())


@pytest.fixture
def root(tmp_path):
    """20 normal images in both lists and 3 anomalous ones; a split reads masks, not images, so these are only named."""
    write_lists(tmp_path, NORMAL[:15], [*NORMAL[15:], *ANOMALOUS])
    for number in range(3):
        write_mask(tmp_path / f"masks/{number}.png")
    return tmp_path


NORMAL = [f"good/{number:02d}.png" for number in range(20)]
ANOMALOUS = [f"dent/{number}.png masks/{number}.png" for number in range(3)]


def write_lists(root, train, val):
    (root / "train.txt").write_text("".join(f"{line}\n" for line in train))
    (root / "val.txt").write_text("".join(f"{line}\n" for line in val))


def read_lists(root):
    return [(root / name).read_text().splitlines() for name in ("train.txt", "val.txt")]


def contents(root):
    return {path.name: path.read_bytes() for path in root.iterdir() if path.is_file()}


def test_the_percentages_are_of_the_normal_images(root):
    split(root, 60, 40, seed=0)
    train, val = read_lists(root)
    assert (len(train), len(val)) == (12, 8 + 3)


def test_every_image_lands_in_exactly_one_list(root):
    split(root, 50, 50, seed=0)
    train, val = read_lists(root)
    assert sorted(train + val) == sorted(NORMAL + ANOMALOUS)


def test_anomalous_images_never_train_even_if_they_did_before(root):
    write_lists(root, [*NORMAL[:15], *ANOMALOUS], NORMAL[15:])
    split(root, 100, 0, seed=0)
    train, val = read_lists(root)
    assert (train, val) == (NORMAL, ANOMALOUS)


def test_an_image_with_an_empty_mask_is_normal(root):
    write_mask(root / "masks/empty.png", anomalous=False)
    write_lists(root, NORMAL, [*ANOMALOUS, "test/good/x.png masks/empty.png"])
    split(root, 100, 0, seed=0)
    assert read_lists(root)[0] == [*NORMAL, "test/good/x.png"]


def test_the_same_seed_gives_the_same_split_whatever_the_order_and_partition_were(root):
    split(root, 70, 30, seed=3)
    first = read_lists(root)
    write_lists(root, [*ANOMALOUS[::-1], *NORMAL[10:]], NORMAL[9::-1])
    split(root, 70, 30, seed=3)
    assert read_lists(root) == first


def test_another_seed_gives_another_split(root):
    split(root, 50, 50, seed=1)
    first = read_lists(root)
    split(root, 50, 50, seed=2)
    assert read_lists(root) != first


def test_repeated_lines_are_joined(root):
    write_lists(root, [*NORMAL, NORMAL[0]], [*ANOMALOUS, ANOMALOUS[0], f"./{NORMAL[1]}"])
    split(root, 50, 50, seed=0)
    train, val = read_lists(root)
    assert sorted(train + val) == sorted(NORMAL + ANOMALOUS)


def test_paths_with_spaces_survive(root):
    for name in ("a b.png", "a.png"):
        write_mask(root / "my masks" / name)
    write_lists(root, [*NORMAL, "good/x y.png\tgood/x y.png"], ["my dents/a.png\tmy masks/a b.png"])
    split(root, 100, 0, seed=0)
    before = contents(root)
    split(root, 100, 0, seed=0)
    assert contents(root)["train.txt"] == before["train.txt"]
    assert contents(root)["val.txt"] == before["val.txt"]
    assert "good/x y.png\tgood/x y.png" in read_lists(root)[0]
    assert read_lists(root)[1] == ["my dents/a.png\tmy masks/a b.png"]


def test_the_old_lists_are_kept_and_so_are_older_ones(root):
    original = contents(root)
    split(root, 50, 50, seed=1)
    second = contents(root)
    split(root, 50, 50, seed=2)
    now = contents(root)
    assert (now["train.txt.bak"], now["val.txt.bak"]) == (original["train.txt"], original["val.txt"])
    assert (now["train.txt.bak1"], now["val.txt.bak1"]) == (second["train.txt"], second["val.txt"])


def test_one_list_alone_can_be_split(root):
    (root / "val.txt").unlink()
    split(root, 80, 20, seed=0)
    assert [len(lines) for lines in read_lists(root)] == [12, 3]


@pytest.mark.parametrize(
    ("train_percent", "val_percent", "message"),
    [
        (80, None, "a split needs both percentages"),
        (None, 20, "a split needs both percentages"),
        (80, 30, "train_percent 80 and val_percent 30 do not make 100"),
        (120, -20, "train_percent 120 and val_percent -20 do not make 100"),
        (float("nan"), 20, "train_percent nan and val_percent 20 do not make 100"),
        (0, 100, "there are no normal images to train on"),
    ],
)
def test_percentages_that_make_no_sense_change_nothing(root, train_percent, val_percent, message):
    before = contents(root)
    with pytest.raises(DatasetError, match=message):
        check_dataset(root, root / "output", train_percent=train_percent, val_percent=val_percent)
    assert contents(root) == before


def test_a_split_that_leaves_nothing_to_validate_with_changes_nothing(root):
    write_lists(root, NORMAL[:10], NORMAL[10:])
    before = contents(root)
    with pytest.raises(DatasetError, match="no images are left for validation"):
        split(root, 100, 0, seed=0)
    assert contents(root) == before


def test_all_unreadable_masks_are_reported_and_nothing_is_changed(root):
    (root / "masks/0.png").unlink()
    (root / "masks/2.png").write_bytes(b"no picture")
    before = contents(root)
    with pytest.raises(DatasetCheckError) as caught:
        split(root, 50, 50, seed=0)
    assert [problem["where"] for problem in caught.value.problems] == [
        f"{root / 'val.txt'} line 6",
        f"{root / 'val.txt'} line 8",
    ]
    assert contents(root) == before


def test_an_image_that_is_normal_in_one_line_and_anomalous_in_another_is_an_error(root):
    write_lists(root, [*NORMAL, "dent/0.png"], ANOMALOUS)
    with pytest.raises(DatasetCheckError, match=r"dent/0.png is listed twice with different masks .*val.txt line 1"):
        split(root, 50, 50, seed=0)


def test_a_defective_image_whose_mask_is_empty_is_not_taken_for_normal(root):
    write_mask(root / "masks/1.png", anomalous=False)
    split(root, 50, 50, seed=0)
    assert "dent/1.png masks/1.png" in (root / "val.txt").read_text().splitlines()


def test_a_failure_while_writing_leaves_the_lists_as_they_were(root, monkeypatch):
    before = contents(root)

    def fail(path):
        raise OSError("disk full")

    monkeypatch.setattr("paddlex.data.dataset_checker.lists.back_up", fail)
    with pytest.raises(DatasetError, match=r"cannot be written: disk full.*Set CheckDataset.lists_dir"):
        split(root, 50, 50, seed=0)
    assert contents(root) == before
