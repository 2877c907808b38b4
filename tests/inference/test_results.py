"""What is drawn and written of a result, on a result made by hand: 40 x 80 pixels with one defect at the right."""

from __future__ import annotations

import io
import json
import os
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from paddlex.errors import ResultFileError
from paddlex.inference.pictures import draw_result, heat_map, outline, resize_for_show, write_image
from paddlex.inference.postprocess import Limit
from paddlex.inference.results import AnomalyResult
from paddlex.inference.rle import rle_to_mask

LIMIT = Limit(threshold=6, typical=2)
RED, GREEN = [40, 40, 220], [60, 150, 40]


def make_result(**changes: object) -> AnomalyResult:
    anomaly_map = np.full((40, 80), 2, np.float32)
    anomaly_map[10:30, 50:70] = 18
    values = {
        "input_path": "folder/部件 1.jpg", "is_anomalous": True, "score": 0.875, "raw_score": 18.0, "threshold": 6.0,
        "pixel_threshold": 6.0, "anomalous_area": 0.125, "regions": [], "anomaly_map": anomaly_map,
        "pred": (anomaly_map > 6).astype(np.uint8)[None] * 255, "input_img": np.full((40, 80, 3), 128, np.uint8),
    }  # fmt: skip
    return AnomalyResult({**values, **changes}, LIMIT)


# Pictures


def test_the_verdict_stands_in_the_colour_of_the_header() -> None:
    assert draw_result(make_result(), LIMIT)[2, 2].tolist() == RED
    assert draw_result(make_result(is_anomalous=False), LIMIT)[2, 2].tolist() == GREEN


@pytest.mark.parametrize(
    ("shape", "panel"), [((40, 80), (256, 512)), ((1200, 600), (512, 256)), ((1, 3), (171, 512)), ((3000, 2), (512, 1))]
)
def test_image_and_heat_map_stand_side_by_side_at_one_size(shape: tuple[int, int], panel: tuple[int, int]) -> None:
    """512 pixels on the longer side; a panel is at least 280 wide, and 16 lie between and around."""
    result = make_result(
        input_img=np.full((*shape, 3), 128, np.uint8), anomaly_map=np.full(shape, 2, np.float32),
        pred=np.zeros((1, *shape), np.uint8),
    )  # fmt: skip
    drawn = draw_result(result, LIMIT)
    assert drawn.dtype == np.uint8
    assert drawn.shape == (84 + panel[0] + 62, 2 * max(panel[1], 280) + 3 * 16, 3)


def test_the_outline_runs_around_the_mask_and_nowhere_else() -> None:
    image = np.full((40, 80, 3), 128, np.uint8)
    drawn = outline(image, make_result()["pred"][0])
    changed = (drawn != image).any(axis=2)
    border = np.zeros((40, 80), bool)
    border[10:30, 50:70] = True
    border[11:29, 51:69] = False
    assert changed[border].all()
    assert not changed[14:26, 54:66].any()
    assert not changed[:, :46].any()
    assert (image == 128).all()


def test_nothing_is_outlined_where_nothing_is_anomalous() -> None:
    image = np.full((40, 80, 3), 128, np.uint8)
    assert np.array_equal(outline(image, np.zeros((40, 80), np.uint8)), image)


def test_what_is_not_inspected_is_dark_and_has_no_colours() -> None:
    inspected = np.zeros((40, 80), bool)
    inspected[:, 40:] = True
    drawn = draw_result(make_result(inspected=inspected, inspected_area=0.5), LIMIT)
    picture, heated = drawn[84 : 84 + 256, 16 : 16 + 512], drawn[84 : 84 + 256, 544 : 544 + 512]
    assert (picture[:, :256] == 128 // 3).all()
    assert (heated[:, :256] == 128 // 3).all()
    assert picture[2, 300].tolist() == [128, 128, 128]
    assert len(set(heated[2, 300].tolist())) > 1


def test_a_thin_line_runs_around_each_zone() -> None:
    zones = np.zeros((40, 80), np.uint8)
    zones[:, :40] = 1
    drawn = draw_result(make_result(zones=zones), LIMIT)[84 : 84 + 256, 16 : 16 + 512]
    lines = (drawn == (230, 190, 60)).all(axis=2)
    assert lines[100, 250:260].sum() in (1, 2)
    assert not lines[:, :250].any()
    assert not lines[:, 262:].any()


def test_where_it_was_inspected_is_no_part_of_the_json() -> None:
    record = make_result(inspected=np.ones((40, 80), bool), inspected_area=1.0).record()
    assert record["inspected_area"] == 1
    assert "inspected" not in record


def test_the_heat_map_has_the_same_colours_on_every_image() -> None:
    """Blue end of the scale at typical and below, its middle at the threshold, and redder the further above."""
    scale = cv2.applyColorMap(np.arange(256, dtype=np.uint8)[None], cv2.COLORMAP_TURBO)[0]
    colours = heat_map(np.array([[-50, 2, 6, 10, 18]], np.float32), LIMIT)[0]
    expected = [scale[0], scale[0], scale[127], scale[191], scale[223]]  # 255 times 0, 0, 0.5, 0.75, 0.875
    assert np.array_equal(colours, expected)


def test_a_picture_in_a_format_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"the image cannot be encoded as \.xyz"):
        write_image(tmp_path / "a.xyz", np.zeros((3, 3, 3), np.uint8))
    assert list(tmp_path.iterdir()) == []


def test_a_picture_is_written_under_any_name(tmp_path: Path) -> None:
    image = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    write_image(tmp_path / "图 像.png", image)
    read = cv2.imdecode(np.fromfile(tmp_path / "图 像.png", np.uint8), cv2.IMREAD_COLOR)
    assert np.array_equal(read, image)


# Files


def test_files_are_named_after_the_input(tmp_path: Path) -> None:
    result = make_result()
    assert result.save_to_img(tmp_path) == tmp_path / "部件 1_res.png"
    assert result.save_to_json(tmp_path) == tmp_path / "部件 1_res.json"


@pytest.mark.parametrize(
    ("input_path", "name"),
    [
        ("http://host/a/b.jpg?x=1&y=2", "b_res.json"),
        (None, "image_res.json"),
        ("archive.tar.png", "archive.tar_res.json"),
    ],
)
def test_files_of_urls_and_arrays_have_names_too(tmp_path: Path, input_path: str | None, name: str) -> None:
    assert make_result(input_path=input_path).save_to_json(tmp_path).name == name


def test_json_has_the_mask_as_run_lengths_of_its_columns_on_one_line(tmp_path: Path) -> None:
    """40 x 80: 50 empty columns and 10 pixels; then 20 columns with 20 pixels each and 20 between; 10 and 10 empty columns."""
    text = make_result().save_to_json(tmp_path).read_text(encoding="utf-8")
    counts = [50 * 40 + 10, *[20, 20] * 19, 20, 10 + 10 * 40]
    assert json.loads(text)["mask"] == {"size": [40, 80], "counts": counts}
    assert f'"counts": {str(counts).replace(" ", "")}' in text
    assert "pred" not in json.loads(text)


def test_the_json_of_a_large_photo_is_small(tmp_path: Path) -> None:
    """12 megapixels with a disk of 600 pixels: COCO's run lengths of it are two numbers a column."""
    mask = cv2.circle(np.zeros((3000, 4000), np.uint8), (2000, 1500), 300, 255, cv2.FILLED)
    path = make_result(pred=mask[None]).save_to_json(tmp_path)
    assert path.stat().st_size < 10_000
    assert np.array_equal(rle_to_mask(json.loads(path.read_text(encoding="utf-8"))["mask"]), mask)


@pytest.mark.parametrize("indent", [None, 0, 2])
def test_json_is_json_at_every_indentation(tmp_path: Path, indent: int | None) -> None:
    result = make_result(input_path='"counts": "COUNTS".png')
    written = json.loads(result.save_to_json(tmp_path / "a.json", indent=indent).read_text(encoding="utf-8"))
    assert {**written, "pred": result["pred"].tolist()} == result.json["res"]


def test_json_keeps_letters_unless_ascii_is_asked_for(tmp_path: Path) -> None:
    assert "部件" in make_result().save_to_json(tmp_path / "a.json").read_text(encoding="utf-8")
    assert "部件" not in make_result().save_to_json(tmp_path / "b.json", ensure_ascii=True).read_text(encoding="utf-8")


def test_the_mask_is_one_channel_of_the_image_s_size(tmp_path: Path) -> None:
    result = make_result()
    for path in (result.save_mask(tmp_path), result.save_mask(tmp_path / "mask.tif")):
        assert np.array_equal(cv2.imread(str(path), cv2.IMREAD_UNCHANGED), result["pred"][0])
    assert {path.name for path in tmp_path.iterdir()} == {"部件 1_mask.png", "mask.tif"}


def test_the_heat_map_alone_has_the_size_of_the_image(tmp_path: Path) -> None:
    result = make_result()
    picture = cv2.imdecode(np.fromfile(result.save_heatmap(tmp_path), np.uint8), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(picture, heat_map(result["anomaly_map"], LIMIT))


@pytest.mark.parametrize(
    ("save", "name"),
    [("save_mask", "a.jpg"), ("save_map", "a.png"), ("save_to_json", "a.png"), ("save_to_img", "a.npy")],
)
def test_a_format_that_a_file_cannot_have_is_an_error(tmp_path: Path, save: str, name: str) -> None:
    with pytest.raises(ResultFileError, match=r"cannot be written as \.(jpg|png|npy) .*Let it end in \."):
        getattr(make_result(), save)(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_is_not_utf_8_is_in_the_json_as_it_is_on_the_disk(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.png")
    path = make_result(input_path=name).save_to_json(tmp_path)
    assert path.name == "caf__res.json"
    assert os.fsencode(json.loads(path.read_text(encoding="utf-8"))["input_path"]) == b"caf\xe9.png"


@pytest.mark.parametrize("call", [{"json_format": True}, {"format_json": True}])
def test_printing_shortens_the_mask_and_leaves_out_the_polygons(call, capsys: pytest.CaptureFixture[str]) -> None:
    region = {"bbox": [50, 10, 20, 20], "polygon": [[50, 10]], "area": 400, "max_score": 0.875, "mean_score": 0.875}
    make_result(regions=[region]).print(**call)
    printed = json.loads(capsys.readouterr().out)["res"]
    assert printed["pred"] == "... uint8 [1, 40, 80]"
    assert printed["regions"] == [{key: value for key, value in region.items() if key != "polygon"}]


def test_the_text_of_a_result_is_what_it_prints(capsys: pytest.CaptureFixture[str]) -> None:
    make_result().print(format_json=False)
    assert capsys.readouterr().out == f"{{'res': {make_result().str['res']}}}\n"


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
@pytest.mark.parametrize("is_json", [True, False])
def test_printing_works_whatever_the_terminal_and_the_name(monkeypatch, encoding: str, is_json: bool) -> None:
    name = "部件 é\x1b[31m\x9b\u2028\u202e" + os.fsdecode(b"\xe9.png")
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    make_result(input_path=name).print(json_format=is_json, indent=None)
    stream.flush()
    text = stream.buffer.getvalue().decode(encoding)
    assert text.endswith("\n")
    assert text[:-1].isprintable()
    if is_json:
        assert json.loads(text)["res"]["input_path"] == name


def test_what_is_strong_and_small_stays_visible_when_a_large_map_shrinks():
    """One pixel of 2000 x 3000 in a picture of 512: in the heat map, and with its outline."""
    anomaly_map = np.zeros((2000, 3000), np.float32)
    anomaly_map[777, 1234] = 5
    for size in ((512, 341), (300, 200)):
        assert resize_for_show(anomaly_map, *size).max() > 1
    np.testing.assert_array_equal(resize_for_show(anomaly_map, 3000, 2000), anomaly_map)
    mask = (anomaly_map > 1).astype(np.uint8)[None] * 255
    image = np.full((2000, 3000, 3), 128, np.uint8)
    values = {"input_img": image, "anomaly_map": anomaly_map, "pred": mask}
    drawn = draw_result(make_result(**values), LIMIT)
    without = draw_result(make_result(**{**values, "pred": np.zeros_like(mask)}), LIMIT)
    assert (drawn != without).any()
