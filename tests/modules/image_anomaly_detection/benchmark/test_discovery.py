"""What counts as a category, and the lists it is trained by."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from paddlex.data.dataset import TRAIN_LIST, VAL_LIST, read_mask, read_samples
from paddlex.data.dataset_checker.convert import convert
from paddlex.errors import DatasetCheckError, DatasetError
from paddlex.modules.image_anomaly_detection.benchmark.discovery import Category, find_categories, make_data_set


def test_categories_of_both_kinds_are_found_and_other_folders_named(categories: Path) -> None:
    found, others = find_categories(categories)
    assert [(category.name, category.has_lists) for category in found] == [
        ("bottle", False), ("broken", False), ("carpet | 50 % <b>", True),
    ]  # fmt: skip
    assert others == ["notes"]


def test_a_folder_that_is_a_category_itself_is_an_error_with_the_remedy(categories: Path) -> None:
    with pytest.raises(DatasetError) as caught:
        find_categories(categories / "bottle")
    assert str(caught.value) == (
        f"the folder is a category itself ({categories / 'bottle'}). Set Global.dataset_dir to the folder that holds the "
        "categories, or use Global.mode=train."
    )


def test_a_folder_without_categories_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    with pytest.raises(DatasetError, match=r"^no folder in it is a category \("):
        find_categories(tmp_path)


def test_the_lists_are_those_of_the_converter_and_lie_outside_the_data_set(categories: Path, tmp_path: Path) -> None:
    category = Category("bottle", categories / "bottle", has_lists=False)
    data = make_data_set(category, tmp_path / "lists")
    converted = Path(shutil.copytree(category.folder, tmp_path / "converted"))
    convert(converted, "MVTec_AD", seed=0)
    for name in (TRAIN_LIST, VAL_LIST):
        ours, theirs = read_samples(data.folder, name), read_samples(converted, name)
        assert [sample.image_path for sample in ours] == [category.folder / sample.image for sample in theirs]
        assert [sample.mask_path for sample in ours] == [
            sample.mask and category.folder / sample.mask for sample in theirs
        ]
        assert [sample.defect_type for sample in ours] == [sample.defect_type for sample in theirs]
    assert data.train_images == 10
    assert not (category.folder / TRAIN_LIST).exists()


def test_a_category_with_lists_is_used_where_it_is(categories: Path, tmp_path: Path) -> None:
    category = next(category for category in find_categories(categories)[0] if category.has_lists)
    data = make_data_set(category, tmp_path / "lists")
    assert data.folder == category.folder
    assert not (tmp_path / "lists").exists()


def test_fingerprints_change_with_the_files_of_their_list_alone(categories: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(categories / "bottle", tmp_path / "bottle"))
    category = Category("bottle", folder, has_lists=False)
    before = make_data_set(category, tmp_path / "lists")
    mask = next((folder / "ground_truth").rglob("*.png"))
    mask.write_bytes(mask.read_bytes() + b"more")
    after = make_data_set(category, tmp_path / "lists")
    assert after.train_fingerprint == before.train_fingerprint
    assert after.val_fingerprint != before.val_fingerprint
    next((folder / "train" / "good").iterdir()).unlink()
    assert make_data_set(category, tmp_path / "lists").train_fingerprint != before.train_fingerprint


def test_a_defective_image_without_a_mask_is_an_error(categories: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(categories / "bottle", tmp_path / "bottle"))
    next((folder / "ground_truth").rglob("*.png")).unlink()
    with pytest.raises(DatasetCheckError, match="has no mask"):
        make_data_set(Category("bottle", folder, has_lists=False), tmp_path / "lists")
    assert not (tmp_path / "lists").exists()


def test_a_category_without_any_mask_gets_masks_of_the_whole_image_beside_its_lists(
    categories: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(categories / "bottle", tmp_path / "bottle"))
    shutil.rmtree(folder / "ground_truth")
    data = make_data_set(Category("bottle", folder, has_lists=False), tmp_path / "lists")
    masks = {sample.mask_path for sample in read_samples(data.folder, VAL_LIST)} - {None}
    assert {mask.parent for mask in masks if mask} == {tmp_path / "lists" / "masks"}
    assert all(read_mask(mask).all() for mask in masks if mask)
    assert [path.name for path in folder.iterdir()].count("masks") == 0


def test_several_masks_of_an_image_are_joined_beside_the_lists(categories: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(categories / "bottle", tmp_path / "bottle"))
    mask = next((folder / "ground_truth").rglob("*.png"))
    several = mask.with_name(mask.stem.removesuffix("_mask"))
    several.mkdir()
    shutil.copy(mask, several / "001.png")
    expected = read_mask(mask)
    mask.rename(several / "000.png")
    data = make_data_set(Category("bottle", folder, has_lists=False), tmp_path / "lists")
    name = f"masks/{several.parent.name}/{several.name}.png"
    (joined,) = (sample.mask_path for sample in read_samples(data.folder, VAL_LIST) if sample.mask == name)
    assert joined is not None
    assert (read_mask(joined) == expected).all()
