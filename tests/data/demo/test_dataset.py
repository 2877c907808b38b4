"""The demonstration data set: what is in it, that it is always the same, and that no user's file is ever lost."""

import json
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest

from paddlex.data.dataset import TRAIN_LIST, VAL_LIST, read_mask, read_samples
from paddlex.data.demo import dataset as demo_dataset
from paddlex.data.demo.dataset import draw_sample, make_demo_dataset
from paddlex.errors import DatasetError

DEFECTS = ("bent", "broken", "glue", "metal_contamination", "thread")
SMALL = {"train": 3, "val_normal": 2, "val_anomalous": 7, "size": 128}


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return make_demo_dataset(tmp_path_factory.mktemp("demo") / "metal_grid", **SMALL)


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


class TestContents:
    def test_training_lines_repeat_the_image_in_place_of_a_mask(self, small):
        lines = (small / "train.txt").read_text().splitlines()
        assert lines == [f"images/train/good/{i:03d}.jpg images/train/good/{i:03d}.jpg" for i in range(3)]

    def test_training_samples_are_normal_to_the_reader(self, small):
        samples = read_samples(small, TRAIN_LIST)
        assert [(sample.defect_type, sample.mask) for sample in samples] == [("good", None)] * 3

    def test_defects_take_turns_after_the_normal_validation_pictures(self, small):
        kinds = [sample.defect_type for sample in read_samples(small, VAL_LIST)]
        assert kinds == ["good", "good", *DEFECTS, "bent", "broken"]

    def test_exactly_the_defective_validation_pictures_have_a_mask(self, small):
        for sample in read_samples(small, VAL_LIST):
            assert (sample.mask is None) == (sample.defect_type == "good")

    def test_every_listed_file_exists_and_no_other_picture(self, small):
        samples = read_samples(small, TRAIN_LIST) + read_samples(small, VAL_LIST)
        listed = {path for sample in samples for path in (sample.image, sample.mask) if path}
        assert listed == {name for name in bytes_of(small) if name.endswith((".jpg", ".png"))}

    def test_pictures_are_in_colour_and_of_the_size_asked_for(self, small):
        for sample in read_samples(small, TRAIN_LIST) + read_samples(small, VAL_LIST):
            assert cv2.imread(str(sample.image_path), cv2.IMREAD_UNCHANGED).shape == (128, 128, 3)

    def test_masks_are_black_and_white_and_as_large_as_their_pictures(self, small):
        for sample in read_samples(small, VAL_LIST):
            if sample.mask:
                mask = cv2.imread(str(sample.mask_path), cv2.IMREAD_UNCHANGED)
                assert mask.shape == (128, 128)
                assert set(np.unique(mask)) == {0, 255}

    def test_readme_says_that_it_is_synthetic(self, small):
        assert "synthetic" in (small / "README.txt").read_text()

    def test_marker_holds_the_parameters(self, small):
        marker = json.loads((small / "demo.json").read_text())
        assert marker == {"generator": "metal_grid", "version": demo_dataset.VERSION, "seed": 0, **SMALL}

    def test_default_is_264_training_21_normal_and_57_defective_pictures(self, tmp_path, monkeypatch):
        tiny = np.zeros((8, 8, 3), np.uint8), np.full((8, 8), 255, np.uint8)
        monkeypatch.setattr(demo_dataset, "draw_sample", lambda defect, key, size: tiny)
        folder = make_demo_dataset(tmp_path / "metal_grid")
        kinds = Counter(sample.defect_type for sample in read_samples(folder, VAL_LIST))
        assert len(read_samples(folder, TRAIN_LIST)) == 264
        assert kinds == {"good": 21, "bent": 12, "broken": 12, "glue": 11, "metal_contamination": 11, "thread": 11}


class TestDeterminism:
    def test_same_arguments_give_the_same_bytes(self, small, tmp_path):
        assert bytes_of(make_demo_dataset(tmp_path / "again", **SMALL)) == bytes_of(small)

    def test_another_seed_gives_other_pictures(self, small, tmp_path):
        other = bytes_of(make_demo_dataset(tmp_path / "other", seed=1, **SMALL))
        pictures = [name for name in other if name.startswith("images/")]
        assert all(other[name] != bytes_of(small)[name] for name in pictures)

    def test_fewer_pictures_are_the_beginning_of_more(self, small, tmp_path):
        fewer = make_demo_dataset(tmp_path / "fewer", train=2, val_normal=1, val_anomalous=6, size=128)
        pictures = {name: data for name, data in bytes_of(fewer).items() if name.endswith((".jpg", ".png"))}
        assert len(pictures) == 2 + 1 + 2 * 6
        assert pictures.items() <= bytes_of(small).items()

    def test_all_pictures_differ(self, small):
        pictures = [data for name, data in bytes_of(small).items() if name.startswith("images/")]
        assert len(set(pictures)) == len(pictures)


@pytest.mark.parametrize("defect", DEFECTS)
class TestMasks:
    def test_defect_is_large_enough_to_be_found_and_small_enough_to_be_local(self, defect):
        for number in range(4):
            _, mask = draw_sample(defect, (0, 2, number), 256)
            assert 60 <= np.count_nonzero(mask) <= 0.2 * mask.size

    def test_picture_differs_from_the_same_grid_without_the_defect_only_inside_the_mask(self, defect):
        normal, _ = draw_sample(None, (0, 2, 5), 256)
        anomalous, mask = draw_sample(defect, (0, 2, 5), 256)
        difference = np.abs(anomalous.astype(int) - normal.astype(int)).max(axis=2)
        assert np.median(difference[mask > 0]) > 15
        # The mask leaves out what nobody sees: faint ends of shadows, and specks of a few pixels.
        assert np.mean(difference[mask == 0] > 12) < 0.001
        assert np.median(difference[mask == 0]) == 0


def test_normal_picture_has_an_empty_mask():
    _, mask = draw_sample(None, (0, 0, 0), 128)
    assert not mask.any()


def test_rotated_grid_leaves_no_empty_corner():
    for number in range(4):
        picture, _ = draw_sample(None, (0, 0, number), 256)
        corners = [picture[y : y + 48, x : x + 48] for y in (0, 208) for x in (0, 208)]
        assert min(corner.max() for corner in corners) > 90


def test_read_mask_agrees_with_the_drawing(small):
    first = next(sample for sample in read_samples(small, VAL_LIST) if sample.mask)
    _, mask = draw_sample("bent", (0, 2, 0), 128)
    np.testing.assert_array_equal(read_mask(first.mask_path), mask > 0)


class TestFolder:
    def test_same_data_set_is_returned_as_it_is(self, small):
        changed = {path: path.stat().st_mtime_ns for path in small.rglob("*")}
        assert make_demo_dataset(small, **SMALL) == small
        assert {path: path.stat().st_mtime_ns for path in small.rglob("*")} == changed

    def test_data_set_of_other_parameters_is_refused_and_kept(self, small):
        before = bytes_of(small)
        with pytest.raises(DatasetError, match="new or empty"):
            make_demo_dataset(small, **{**SMALL, "train": 4})
        assert bytes_of(small) == before

    def test_folder_with_a_users_file_is_refused_and_kept(self, tmp_path):
        (tmp_path / "notes.txt").write_text("mine")
        with pytest.raises(DatasetError, match="already there"):
            make_demo_dataset(tmp_path, **SMALL)
        assert bytes_of(tmp_path) == {"notes.txt": b"mine"}

    def test_file_in_the_folders_place_is_refused_and_kept(self, tmp_path):
        file = tmp_path / "metal_grid"
        file.write_text("mine")
        with pytest.raises(DatasetError, match="already there"):
            make_demo_dataset(file, **SMALL)
        assert file.read_text() == "mine"

    def test_empty_folder_is_filled(self, tmp_path):
        folder = tmp_path / "ein Gitter – 网格"
        folder.mkdir()
        make_demo_dataset(folder, train=1, val_normal=1, val_anomalous=0, size=128)
        assert len(read_samples(folder, TRAIN_LIST)) == 1

    @pytest.mark.parametrize("failure", [KeyboardInterrupt, MemoryError])
    def test_interrupted_generation_leaves_nothing(self, tmp_path, monkeypatch, failure):
        def draw(defect, key, size):
            if key[2] == 2:
                raise failure
            return draw_sample(defect, key, size)

        monkeypatch.setattr(demo_dataset, "draw_sample", draw)
        with pytest.raises(failure):
            make_demo_dataset(tmp_path / "metal_grid", **SMALL)
        assert list(tmp_path.iterdir()) == []

    def test_folder_that_cannot_be_made_is_reported(self, tmp_path):
        (tmp_path / "file").write_text("")
        with pytest.raises(DatasetError, match="cannot be written"):
            make_demo_dataset(tmp_path / "file" / "metal_grid", **SMALL)


@pytest.mark.parametrize(
    ("argument", "value"), [("train", 0), ("val_normal", -1), ("val_anomalous", -1), ("size", 127), ("seed", -1)]
)
def test_argument_out_of_range_is_named(tmp_path, argument, value):
    with pytest.raises(DatasetError, match=f"{argument} is {value}"):
        make_demo_dataset(tmp_path / "metal_grid", **{**SMALL, argument: value})


def test_validation_without_pictures_is_refused(tmp_path):
    with pytest.raises(DatasetError, match="no validation pictures"):
        make_demo_dataset(tmp_path / "metal_grid", train=1, val_normal=0, val_anomalous=0)
