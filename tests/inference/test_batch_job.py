"""Many images into a folder: what is written under which name, and what the summary says."""

from __future__ import annotations

import csv
import json
import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from paddlex.errors import ConfigError, ImageReadError, Interrupted, ResultFileError
from paddlex.inference.batch_job import predict_to_folder
from paddlex.inference.predictor import AnomalyPredictor


@pytest.fixture
def photos(images: list[str], tmp_path: Path):
    """Make an input folder with copies of an image under the given names; a name with "broken" gets no image."""

    def photos(*names: str) -> Path:
        for name in names:
            path = tmp_path / "photos" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if "broken" in name:
                path.write_bytes(b"\0no image")
            else:
                shutil.copy(images[1], path)
        return tmp_path / "photos"

    return photos


def written(folder: Path) -> dict[str, str]:
    """Each JSON below the folder -> the input it is about."""
    paths = sorted(folder.rglob("*.json"))
    return {
        path.relative_to(folder).as_posix(): json.loads(path.read_text(encoding="utf-8"))["input_path"]
        for path in paths
    }


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "summary.csv").open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_each_image_gets_a_picture_a_json_and_a_line(predictor: AnomalyPredictor, photos, tmp_path: Path) -> None:
    source, output = photos("a.jpg", "b, c.jpg"), tmp_path / "output"
    report = predict_to_folder(predictor, str(source), output, batch_size=2)
    assert {path.name for path in output.iterdir()} == {
        "a_res.json", "a_res.png", "b, c_res.json", "b, c_res.png", "summary.csv",
    }  # fmt: skip
    rows = rows_of(output)
    assert [(row["input_path"], row["image"], row["json"]) for row in rows] == [
        (str(source / "a.jpg"), "a_res.png", "a_res.json"),
        (str(source / "b, c.jpg"), "b, c_res.png", "b, c_res.json"),
    ]
    for row in rows:
        values = json.loads((output / row["json"]).read_text(encoding="utf-8"))
        assert float(row["score"]) == values["score"]
        assert float(row["anomalous_area"]) == values["anomalous_area"]
    assert (report["images"], report["failed_images"]) == (2, 0)
    assert report["image_threshold"] == predictor.limits.image.threshold


def test_sub_folders_are_kept(predictor: AnomalyPredictor, photos, tmp_path: Path) -> None:
    source = photos("a.jpg", "x/a.jpg", "x/y/a.jpg")
    predict_to_folder(predictor, str(source), tmp_path / "output", batch_size=1)
    assert written(tmp_path / "output") == {
        "a_res.json": str(source / "a.jpg"),
        "x/a_res.json": str(source / "x/a.jpg"),
        "x/y/a_res.json": str(source / "x/y/a.jpg"),
    }


def test_equal_names_do_not_overwrite_each_other(predictor: AnomalyPredictor, photos, tmp_path: Path) -> None:
    """a.jpg and a.png want one name, and the way out, a_2, is wanted by a_2.jpg."""
    source = photos("a.jpg", "a.png", "a_2.jpg", "a_2.png")
    predict_to_folder(predictor, str(source), tmp_path / "output", batch_size=1)
    assert sorted(written(tmp_path / "output").values()) == sorted(str(path) for path in source.iterdir())


def test_a_list_of_files_of_the_same_name_does_not_collide(predictor: AnomalyPredictor, photos, tmp_path: Path) -> None:
    source = photos("x/a.jpg", "y/a.jpg")
    files = [str(source / "x/a.jpg"), str(source / "y/a.jpg")]
    predict_to_folder(predictor, files, tmp_path / "output", batch_size=1)
    assert list(written(tmp_path / "output").values()) == [files[1], files[0]]  # a_2_res.json, a_res.json


def test_a_second_run_gives_each_image_its_name_again(predictor: AnomalyPredictor, photos, tmp_path: Path) -> None:
    source = photos("a.jpg", "a.png", "x/a.jpg")
    predict_to_folder(predictor, str(source), tmp_path / "output", batch_size=1)
    first = written(tmp_path / "output")
    predict_to_folder(predictor, str(source), tmp_path / "output", batch_size=3)
    assert written(tmp_path / "output") == first


def test_a_broken_image_is_logged_counted_and_in_the_summary_with_its_error(
    predictor: AnomalyPredictor, photos, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = photos("a.jpg", "broken.jpg", "c.jpg")
    with caplog.at_level("ERROR", logger="paddlex"):
        report = predict_to_folder(predictor, str(source), tmp_path / "output", batch_size=2)
    assert (report["images"], report["failed_images"]) == (2, 1)
    assert "done_flag" not in report
    assert [failure["input_path"] for failure in report["failed"]] == [str(source / "broken.jpg")]
    assert str(source / "broken.jpg") in caplog.text
    rows = {Path(row["input_path"]).name: row for row in rows_of(tmp_path / "output")}
    assert sorted(rows) == ["a.jpg", "broken.jpg", "c.jpg"]
    assert rows["a.jpg"]["error"] == rows["c.jpg"]["error"] == ""
    assert "damaged" in rows["broken.jpg"]["error"]
    assert (rows["broken.jpg"]["is_anomalous"], rows["broken.jpg"]["score"], rows["broken.jpg"]["json"]) == ("", "", "")


def test_an_image_whose_files_cannot_be_written_is_an_error_of_its_own(
    predictor: AnomalyPredictor, photos, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Where b's picture belongs there is a folder."""
    source, output = photos("a.jpg", "b.jpg", "c.jpg"), tmp_path / "output"
    (output / "b_res.png").mkdir(parents=True)
    told = []
    with caplog.at_level("ERROR", logger="paddlex"):
        report = predict_to_folder(
            predictor, str(source), output, batch_size=2, on_error=lambda broken, error: told.append((broken, error))
        )
    assert (report["images"], report["failed_images"]) == (2, 1)
    assert (report["done_flag"], report["err_type"]) == (False, "ResultFileError")
    assert report["err_msg"].startswith("1 images could be read, but not judged or saved, the first: the result files")
    assert [(broken, type(error)) for broken, error in told] == [(str(source / "b.jpg"), ResultFileError)]
    assert f"the result files {output / 'b'}_* cannot be written: Is a directory ({source / 'b.jpg'})" in caplog.text
    rows = {Path(row["input_path"]).name: row for row in rows_of(output)}
    assert "Is a directory" in rows["b.jpg"]["error"]
    assert rows["b.jpg"]["is_anomalous"] in ("True", "False")
    assert (rows["a.jpg"]["image"], rows["c.jpg"]["image"]) == ("a_res.png", "c_res.png")


def test_an_image_whose_map_is_not_finite_is_an_error_and_makes_the_run_a_failure(
    predictor: AnomalyPredictor, photos, tmp_path: Path, monkeypatch
) -> None:
    """A white picture makes the network answer NaN here; the other is judged as ever."""
    source = photos("a.jpg", "white.png")
    cv2.imwrite(str(source / "white.png"), np.full((64, 64, 3), 255, np.uint8))
    judged = predictor.anomaly_maps

    def maps(images):
        return np.stack([judged([image])[0] * (np.nan if image.min() == 255 else 1) for image in images])

    monkeypatch.setattr(predictor, "anomaly_maps", maps)
    report = predict_to_folder(predictor, str(source), tmp_path / "output", batch_size=2)
    assert (report["images"], report["failed_images"]) == (1, 1)
    assert (report["done_flag"], report["err_type"]) == (False, "NotFiniteError")
    rows = {Path(row["input_path"]).name: row for row in rows_of(tmp_path / "output")}
    assert (rows["white.png"]["is_anomalous"], rows["a.jpg"]["error"]) == ("", "")
    assert "not finite" in rows["white.png"]["error"]


def test_of_many_broken_images_all_are_counted_and_a_hundred_are_named(
    predictor: AnomalyPredictor, photos, tmp_path: Path
) -> None:
    source = photos("a.jpg", *(f"broken{number}.jpg" for number in range(120)))
    report = predict_to_folder(predictor, str(source), tmp_path / "output", batch_size=1)
    assert report["failed_images"] == 120
    assert len(report["failed"]) == 100


def test_without_a_single_good_image_it_fails_and_the_summary_says_why(
    predictor: AnomalyPredictor, photos, tmp_path: Path
) -> None:
    source, output = photos("broken.jpg"), tmp_path / "output"
    output.mkdir()
    (output / "summary.csv").write_text("of an earlier run", encoding="utf-8")
    with pytest.raises(ImageReadError) as caught:
        predict_to_folder(predictor, str(source), output, batch_size=1)
    assert str(caught.value) == f"none of the 1 images could be judged ({source}). See the log above."
    assert [path.name for path in output.iterdir()] == ["summary.csv"]
    (row,) = rows_of(output)
    assert row["input_path"] == str(source / "broken.jpg")
    assert "damaged" in row["error"]


def test_an_earlier_summary_stays_if_there_is_nothing_to_judge(predictor: AnomalyPredictor, tmp_path: Path) -> None:
    summary = tmp_path / "output" / "summary.csv"
    summary.parent.mkdir()
    summary.write_text("of an earlier run", encoding="utf-8")
    with pytest.raises(ImageReadError, match="no such file or folder"):
        predict_to_folder(predictor, str(tmp_path / "missing"), summary.parent, batch_size=1)
    assert summary.read_text(encoding="utf-8") == "of an earlier run"


def test_the_files_that_are_asked_for_are_written_and_no_others(
    predictor: AnomalyPredictor, photos, tmp_path: Path
) -> None:
    source, output = photos("a.jpg"), tmp_path / "output"
    predict_to_folder(predictor, str(source), output, batch_size=1, files=("mask", "heatmap", "map"))
    assert {path.name for path in output.iterdir()} == {"a_mask.png", "a_heatmap.png", "a_map.tiff", "summary.csv"}
    (row,) = rows_of(output)
    assert (row["image"], row["json"]) == ("", "")
    assert (row["mask"], row["heatmap"], row["map"]) == ("a_mask.png", "a_heatmap.png", "a_map.tiff")
    (result,) = predictor.predict(str(source))
    mask = cv2.imread(str(output / "a_mask.png"), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(mask, result["pred"][0])
    assert np.array_equal(cv2.imread(str(output / "a_map.tiff"), cv2.IMREAD_UNCHANGED), result["anomaly_map"])
    assert cv2.imread(str(output / "a_heatmap.png")).shape == result["input_img"].shape


def test_files_of_anomalous_images_alone_and_a_summary_of_all(
    predictor: AnomalyPredictor, images: list[str], tmp_path: Path
) -> None:
    verdicts = {result["input_path"]: result["is_anomalous"] for result in predictor.predict(images)}
    assert set(verdicts.values()) == {True, False}
    predict_to_folder(predictor, images, tmp_path, batch_size=2, files=("json",), anomalous_only=True)
    assert sorted(written(tmp_path).values()) == sorted(path for path, bad in verdicts.items() if bad)
    assert {row["input_path"]: row["is_anomalous"] == "True" for row in rows_of(tmp_path)} == verdicts
    assert all(bool(row["json"]) == (row["is_anomalous"] == "True") for row in rows_of(tmp_path))


def test_names_that_are_formulas_or_no_utf_8_or_very_long_have_their_files_and_lines(
    predictor: AnomalyPredictor, photos, tmp_path: Path
) -> None:
    names = [
        "=cmd|' !A0.jpg",
        "+1.jpg",
        "-1.jpg",
        "@x.jpg",
        "two\nlines.jpg",
        os.fsdecode(b"caf\xe9.jpg"),
        "x" * 250 + ".jpg",
    ]
    source, output = photos(*names), tmp_path / "output"
    report = predict_to_folder(predictor, str(source), output, batch_size=2)
    assert (report["images"], report["failed_images"]) == (len(names), 0)
    assert sorted(map(os.fsencode, written(output).values())) == sorted(os.fsencode(source / name) for name in names)
    predict_to_folder(predictor, [str(Path(name)) for name in source.iterdir()], output / "list", batch_size=2)
    for row in rows_of(output):
        assert not row["image"].startswith(("=", "+", "-", "@"))
        assert (output / row["image"].removeprefix("'")).is_file()


def test_the_summary_opens_in_excel_and_runs_nothing(
    predictor: AnomalyPredictor, photos, tmp_path, monkeypatch
) -> None:
    photos("=HYPERLINK(1).jpg", "部件.jpg")
    monkeypatch.chdir(tmp_path / "photos")
    predict_to_folder(predictor, ["=HYPERLINK(1).jpg", "部件.jpg"], tmp_path / "output", batch_size=1)
    assert (tmp_path / "output" / "summary.csv").read_bytes().startswith(b"\xef\xbb\xbfinput_path,")
    assert [row["input_path"] for row in rows_of(tmp_path / "output")] == ["'=HYPERLINK(1).jpg", "部件.jpg"]


def test_coco_lists_all_images_and_their_regions(predictor: AnomalyPredictor, photos, tmp_path: Path) -> None:
    source, output = photos("a.jpg", "b.jpg"), tmp_path / "output"
    predict_to_folder(predictor, str(source), output, batch_size=1, save_coco=True)
    coco = json.loads((output / "coco.json").read_text(encoding="utf-8"))
    assert [image["file_name"] for image in coco["images"]] == [str(source / "a.jpg"), str(source / "b.jpg")]
    regions = json.loads((output / "a_res.json").read_text(encoding="utf-8"))["regions"]
    assert regions
    ours = [annotation for annotation in coco["annotations"] if annotation["image_id"] == coco["images"][0]["id"]]
    assert [annotation["bbox"] for annotation in ours] == [region["bbox"] for region in regions]
    assert [annotation["area"] for annotation in ours] == [region["area"] for region in regions]


def test_a_missing_file_in_a_list_is_counted_and_the_others_are_judged(predictor, images, tmp_path):
    result = predict_to_folder(predictor, [images[1], str(tmp_path / "missing.png")], tmp_path / "out", 1)
    assert (result["images"], result["failed_images"]) == (1, 1)
    assert result["failed"][0]["input_path"].endswith("missing.png")


def test_an_output_folder_inside_the_input_is_not_judged_again(predictor, images, tmp_path):
    shutil.copy(images[1], tmp_path / "part.jpg")
    first = predict_to_folder(predictor, str(tmp_path), tmp_path / "out", 1)
    second = predict_to_folder(predictor, str(tmp_path), tmp_path / "out", 1)
    assert first["images"] == second["images"] == 1


def test_an_output_folder_that_a_link_inside_the_input_leads_to_is_not_judged_again(predictor, photos, tmp_path):
    source, output = photos("a.jpg"), tmp_path / "output"
    predict_to_folder(predictor, str(source), output, 1)
    (source / "link").symlink_to(tmp_path, target_is_directory=True)
    assert predict_to_folder(predictor, str(source), output, 1)["images"] == 1
    assert set(written(output)) == {"a_res.json"}


@pytest.mark.parametrize("given", [".", "sub", "sub/a.jpg", "sub/*.jpg"])
def test_results_are_not_written_where_the_images_lie(
    predictor: AnomalyPredictor, photos, tmp_path: Path, given: str
) -> None:
    source = photos("sub/a.jpg")
    for named in (f"{source}/{given}", [f"{source}/{given}"]):
        with pytest.raises(ConfigError, match="the input lies in the folder that the results are written to"):
            predict_to_folder(predictor, named, source, batch_size=1)
    assert [path.name for path in source.iterdir()] == ["sub"]


@pytest.mark.parametrize("name", ["{:02d}.jpg", "{:02d}_broken.jpg"])
def test_a_signal_ends_the_run_and_the_summary_has_what_came_before(
    predictor: AnomalyPredictor, photos, tmp_path: Path, ask_to_stop, name: str
) -> None:
    source, told = photos(*map(name.format, range(40))), []

    def tell(*of_an_image: object) -> None:
        told.append(of_an_image)
        if len(told) == 3:
            ask_to_stop()

    with pytest.raises(Interrupted, match=r"stopped by signal 15 after \d+ images, which summary.csv has") as caught:
        predict_to_folder(predictor, str(source), tmp_path / "output", 1, save_coco=True, on_result=tell, on_error=tell)
    assert caught.value.signal_number == 15
    assert [row["input_path"] for row in rows_of(tmp_path / "output")] == [
        str(source / name.format(number)) for number in range(len(told))
    ]
    assert 3 <= len(told) < 40
    assert (tmp_path / "output" / "coco.json").exists()


def test_a_folder_that_another_run_is_writing_to_is_refused_and_left_as_it_is(
    predictor: AnomalyPredictor, photos, tmp_path: Path
) -> None:
    source, output = str(photos("a.jpg")), tmp_path / "output"

    def run_again(*of_an_image: object) -> None:
        before = sorted(output.iterdir())
        with pytest.raises(ConfigError, match="another run is writing its results to this folder"):
            predict_to_folder(predictor, source, output, 1)
        assert sorted(output.iterdir()) == before

    assert predict_to_folder(predictor, source, output, 1, on_result=run_again)["images"] == 1
    assert predict_to_folder(predictor, source, output, 1)["images"] == 1
