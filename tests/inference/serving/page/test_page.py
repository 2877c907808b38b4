"""The page: real images in, the predictor's own verdicts out, and everything that a user does with them."""

from __future__ import annotations

import base64
import csv
import io
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from paddlex.inference.pictures import heat_map
from paddlex.inference.postprocess import Limit
from paddlex.inference.predictor import AnomalyPredictor

Open = Callable[..., Any]


def word(is_anomalous: bool) -> str:
    return "NG" if is_anomalous else "OK"


def drop(page: Any, paths: list[Path]) -> None:
    """Drop files and folders from the disk onto the page, as a hand does."""
    devtools = page.browser.context.new_cdp_session(page.browser)
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        devtools.send("Input.dispatchDragEvent", {"type": kind, "x": 300, "y": 400, "data": data})


def test_dropped_images_get_the_predictors_own_verdicts(page: Any, parts: list[Path], expected: dict[str, Any]) -> None:
    drop(page, parts)
    rows = page.wait_for(len(parts)).rows()
    assert {row["name"]: row["verdict"] for row in rows} == {
        name: word(result["is_anomalous"]) for name, result in expected.items()
    }
    assert {"OK", "NG"} <= {row["verdict"] for row in rows}
    for row in rows:
        result = expected[row["name"]]
        assert float(row["score"]) == pytest.approx(result["score"], abs=6e-4)
        assert float(row["raw"]) == pytest.approx(result["raw_score"], rel=1e-3)
        assert float(row["area"].strip("%")) == pytest.approx(100 * result["anomalous_area"], abs=0.01)
    assert page.complaints == []


def test_a_dropped_folder_is_walked_through(page: Any, parts: list[Path], tmp_path: Path) -> None:
    for name, source in (("a 夹/b/2.jpg", 0), ("a 夹/b/10.jpg", 1), ("a 夹/1.jpg", 2), ("a 夹/.hidden/3.jpg", 3)):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(parts[source], tmp_path / name)
    (tmp_path / "a 夹" / "notes.txt").write_text("no image")
    (tmp_path / "a 夹" / "b" / "Thumbs.db").write_bytes(b"no image")
    drop(page, [tmp_path / "a 夹", parts[4]])
    rows = page.wait_for(4).rows()
    names = [row["about"] + row["name"] for row in rows]
    assert names == [parts[4].name, "a 夹/1.jpg", "a 夹/b/2.jpg", "a 夹/b/10.jpg"]
    assert "2 files" in page.browser.inner_text("#notice")


def test_a_pasted_picture_is_judged(page: Any, parts: list[Path], expected: dict[str, Any]) -> None:
    script = """async data => {
        const bytes = Uint8Array.from(atob(data), c => c.charCodeAt(0));
        const transfer = new DataTransfer();
        transfer.items.add(new File([bytes], "image.png", {type: "image/jpeg"}));
        document.dispatchEvent(new ClipboardEvent("paste", {clipboardData: transfer, bubbles: true}));
    }"""
    page.browser.evaluate(script, base64.b64encode(parts[0].read_bytes()).decode())
    page.wait_for(1)
    assert page.rows()[0]["verdict"] == word(expected[parts[0].name]["is_anomalous"])


def test_the_verdict_is_seen_at_once_with_heat_map_and_outlines(
    page: Any, parts: list[Path], expected: dict[str, Any], predictor: Any
) -> None:
    part = next(path for path in parts if expected[path.name]["is_anomalous"])
    result = expected[part.name]
    page.choose([part])
    assert page.verdict() == ("NG", f"{result['score']:.3f}")
    page.browser.wait_for_selector("#outlines polygon.line", state="attached")
    polygons = page.browser.locator("#outlines polygon.line").evaluate_all(
        "all => all.map(p => p.getAttribute('points'))"
    )
    wanted = [" ".join(f"{x + 0.5},{y + 0.5}" for x, y in region["polygon"]) for region in result["regions"]]
    assert polygons == wanted
    assert page.browser.get_attribute("#outlines", "viewBox") == "0 0 128 128"

    pixels = page.browser.evaluate("""() => {
        const canvas = document.getElementById("heat");
        const {data, width, height} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        return [height, width, ...data];
    }""")
    shown = np.array(pixels[2:], np.uint8).reshape(pixels[0], pixels[1], 4)
    assert shown.shape[:2] == result["anomaly_map"].shape
    colours = heat_map(result["anomaly_map"], predictor.limits.pixel)[:, :, ::-1].astype(int)  # OpenCV's own, as RGB
    covered = shown[..., 3] == 255  # from just below the pixel threshold on
    assert covered[result["anomaly_map"] > predictor.limits.pixel.threshold].all()
    assert 0 < covered.mean() < 1
    assert np.abs(shown[..., :3].astype(int) - colours)[covered].max() <= 16  # one grey value off, and 17 places of 256

    page.browser.fill("#opacity", "20")
    assert page.browser.evaluate("getComputedStyle(document.getElementById('heat')).opacity") == "0.2"
    page.browser.uncheck("#show-outlines")
    assert not page.browser.is_visible("#outlines polygon.line >> nth=0")


def test_the_slider_judges_everything_anew_without_asking_the_service(
    judged: Any, parts: list[Path], expected: dict[str, Any], predictor: Any, service_models: list[dict[str, Any]]
) -> None:
    page = judged
    own = Limit(service_models[0]["threshold"], service_models[0]["typical"])
    assert own == predictor.limits.image
    calibration = service_models[0]["calibrationScores"]
    seen = set()
    page.requests.clear()
    for presses in (-70, 40, 60, 100):
        page.slide(presses)
        raw = page.browser.evaluate("document.getElementById('threshold').valueAsNumber")
        v = 2 * raw - 1
        threshold = own.threshold + v / (1 - abs(v)) * (own.threshold - own.typical)  # the inverse of Limit.normalise
        limit = own.moved_to(threshold)
        verdicts = {row["name"]: row["verdict"] for row in page.rows()}
        scores = {row["name"]: float(row["score"]) for row in page.rows()}
        assert verdicts == {name: word(r["raw_score"] > threshold) for name, r in expected.items()}
        assert scores == {
            name: pytest.approx(float(limit.normalise(r["raw_score"])), abs=6e-4) for name, r in expected.items()
        }
        above = sum(score > threshold for score in calibration)
        rate = page.browser.inner_text("#false-alarms")
        assert f"{100 * above / len(calibration):.1f}%" in rate and f"{above} of {len(calibration)}" in rate
        assert float(page.browser.input_value("#threshold-raw")) == pytest.approx(threshold, rel=1e-5)
        seen.add(tuple(verdicts.values()))
    assert len(seen) > 1, "no verdict ever changed"
    page.browser.click("#threshold-reset")
    page.frame()
    assert {row["name"]: row["verdict"] for row in page.rows()} == {
        name: word(r["is_anomalous"]) for name, r in expected.items()
    }
    assert [url for url in page.requests if not url.startswith("blob:")] == []


def test_a_threshold_can_be_typed(judged: Any, parts: list[Path], expected: dict[str, Any]) -> None:
    page = judged
    ordered = sorted(r["raw_score"] for r in expected.values())
    middle = round((ordered[4] + ordered[5]) / 2, 4)
    page.browser.fill("#threshold-raw", str(middle))
    page.browser.press("#threshold-raw", "Enter")
    page.frame()
    assert {row["name"]: row["verdict"] for row in page.rows()} == {
        name: word(r["raw_score"] > middle) for name, r in expected.items()
    }
    assert page.browser.inner_text("#count-ng") == str(len(parts) - 5)


def test_the_table_is_sorted_by_any_column(judged: Any, parts: list[Path], expected: dict[str, Any]) -> None:
    page = judged
    names = lambda: [row["name"] for row in page.rows()]  # noqa: E731
    by_score = sorted(expected, key=lambda name: -expected[name]["raw_score"])
    score = page.browser.locator("th[data-sort=score]")
    for wanted, direction in ((by_score, "descending"), (by_score[::-1], "ascending")):
        score.locator("button").click()
        page.frame()
        assert (names(), score.get_attribute("aria-sort")) == (wanted, direction)
    score.locator("button").click()
    page.frame()
    assert (names(), score.get_attribute("aria-sort")) == ([part.name for part in parts], "none")
    for wanted in (sorted(expected), sorted(expected, reverse=True)):
        page.browser.click("th[data-sort=name] button")
        page.frame()
        assert names() == wanted
    page.browser.click("th[data-sort=verdict] button")
    page.frame()
    assert [row["verdict"] for row in page.rows()] == sorted(row["verdict"] for row in page.rows())


def test_the_table_is_filtered_by_verdict_and_by_name(judged: Any, parts: list[Path], expected: dict[str, Any]) -> None:
    page = judged
    for verdict, is_anomalous in (("ng", True), ("ok", False)):
        page.browser.check(f"input[name=filter][value={verdict}]")
        page.frame()
        wanted = [name for name, result in expected.items() if result["is_anomalous"] == is_anomalous]
        assert [row["name"] for row in page.rows()] == wanted
        assert page.browser.inner_text(f"#count-{verdict}") == str(len(wanted))
    page.browser.check("input[name=filter][value=all]")
    page.browser.fill("#search", "GLUE")
    page.frame()
    assert [row["name"] for row in page.rows()] == [name for name in expected if "glue" in name]
    page.browser.fill("#search", "no such name")
    page.frame()
    assert page.rows() == [] and page.browser.is_visible("#no-rows")


def test_arrow_keys_walk_through_the_images(judged: Any, parts: list[Path], expected: dict[str, Any]) -> None:
    page = judged
    name = lambda: page.browser.inner_text("#picture-name")  # noqa: E731
    page.browser.focus("#table")
    walked = []
    for key in ("Home", "ArrowDown", "ArrowDown", "ArrowUp", "End"):
        page.browser.keyboard.press(key)
        page.frame()
        walked.append(name())
        active = page.browser.get_attribute("#table", "aria-activedescendant")
        assert page.browser.get_attribute(f"#{active}", "aria-selected") == "true"
    assert walked == [parts[i].name for i in (0, 1, 2, 1, -1)]
    page.browser.focus("#help")
    page.browser.keyboard.press("ArrowLeft")
    page.frame()
    assert name() == parts[-2].name
    assert page.verdict()[0] == word(expected[parts[-2].name]["is_anomalous"])


def test_the_csv_says_what_the_table_says_and_runs_no_formulas(
    page: Any, parts: list[Path], expected: dict[str, Any], tmp_path: Path
) -> None:
    names = ["=cmd|'calc'!A1.jpg", '+a, "b".jpg', "@x\nSUM.jpg", "零件-1.jpg"]
    files = [Path(shutil.copy(parts[i], tmp_path / name)) for i, name in enumerate(names)]
    broken = tmp_path / "-broken.jpg"
    broken.write_bytes(b"no image")
    page.choose([*files, broken])
    with page.browser.expect_download() as download:
        page.browser.click("#export")
    data = Path(download.value.path()).read_bytes()
    assert data.startswith(b"\xef\xbb\xbf") and data.endswith(b"\r\n")
    assert download.value.suggested_filename.endswith(".csv")
    rows = list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline="")))
    assert [row["name"] for row in rows] == [*("'" + name for name in names[:3]), names[3], "'-broken.jpg"]
    for row, part in zip(rows[:4], parts[:4], strict=True):
        result = expected[part.name]
        assert row["verdict"] == word(result["is_anomalous"])
        assert float(row["raw_score"]) == pytest.approx(result["raw_score"], rel=1e-4)
        assert float(row["score"]) == pytest.approx(result["score"], abs=1e-4)
        assert float(row["threshold"]) == result["threshold"] == float(row["model_threshold"])
        assert [row["height"], row["width"], row["model"]] == ["128", "128", "parts"]
        assert int(row["regions"]) == len(result["regions"])
    assert rows[4]["verdict"] == "error" and rows[4]["score"] == "" and "415" in rows[4]["error"]


def test_many_images_make_few_elements(open_page: Open, parts: list[Path]) -> None:
    page = open_page(viewport={"width": 1200, "height": 740}).ready().choose(parts * 3)
    assert page.browser.locator("#rows tr").count() < 25
    page.browser.focus("#table")
    page.browser.keyboard.press("End")
    page.frame()
    assert page.browser.get_attribute("#table [aria-selected=true]", "aria-rowindex") == str(3 * len(parts) + 1)
    assert page.browser.get_attribute("#table", "aria-rowcount") == str(3 * len(parts) + 1)
    assert page.browser.is_visible("#table [aria-selected=true]")


def test_names_are_only_ever_text(page: Any, parts: list[Path], tmp_path: Path) -> None:
    hostile = tmp_path / "<img src=x onerror=document.title='owned'>.jpg"
    shutil.copy(parts[0], hostile)
    page.choose([hostile])
    assert page.rows()[0]["name"] == hostile.name == page.browser.inner_text("#picture-name")
    assert page.browser.title() == "Visual inspection"
    assert page.complaints == []


def test_the_page_tells_which_model_judges(open_page: Open, serve_here: Callable[..., str], patchcore: Path) -> None:
    page = open_page(serve_here(AnomalyPredictor(patchcore, device="cpu"))).ready()
    assert page.browser.inner_text("#model-facts").startswith("PatchCore · 128×128 · cpu · ")


def test_another_model_judges_everything_anew(
    page: Any, parts: list[Path], expected: dict[str, Any], service_models: list[dict[str, Any]]
) -> None:
    own, strict = service_models
    assert own["threshold"] != strict["threshold"]
    page.choose(parts[:5])
    page.slide(30)
    with page.browser.expect_request(lambda request: "judge?model=strict" in request.url):
        page.browser.select_option("#model", "strict")
    page.wait_for(5)
    page.frame()
    assert {row["name"]: row["verdict"] for row in page.rows()} == {
        part.name: word(expected[part.name]["raw_score"] > strict["threshold"]) for part in parts[:5]
    }
    assert page.browser.is_disabled("#threshold-reset")  # the slider was the other model's
    page.browser.wait_for_selector("#outlines polygon.line", state="attached")
    page.browser.select_option("#model", "parts")
    page.wait_for(5)
    assert page.browser.is_enabled("#threshold-reset")


def test_a_picture_that_browsers_do_not_know_is_judged_all_the_same(
    page: Any, parts: list[Path], expected: dict[str, Any], tmp_path: Path
) -> None:
    part = next(path for path in parts if expected[path.name]["is_anomalous"])
    tiff = tmp_path / "part.tiff"
    cv2.imwrite(str(tiff), cv2.imread(str(part)))
    page.choose([tiff])
    page.browser.wait_for_selector("#picture-note:not([hidden])")
    assert "cannot show" in page.browser.inner_text("#picture-note")
    assert page.verdict()[0] == "NG"
    page.browser.wait_for_selector("#outlines polygon.line", state="attached")
