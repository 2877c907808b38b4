"""What the page computes and says by itself, against Python: the scale of scores, rates, colours, strings."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from scipy import stats

from paddlex.inference.postprocess import Limit
from paddlex.inference.serving.web_pages import PAGE
from paddlex.inference.walk import IMAGE_SUFFIXES


def test_scores_are_pythons_to_the_last_bit(page: Any) -> None:
    random = np.random.default_rng(7)
    cases = random.normal(0, 10.0 ** random.integers(-6, 6, (2000, 1)), (2000, 4))  # threshold, typical, moved to, raw
    cases[:50, 2] = cases[:50, 1]  # moved to what is typical
    cases[50:100, 0] = cases[50:100, 1]  # a scale without width
    cases[100:150, 3] = cases[100:150, 2]  # exactly on the threshold
    script = """async cases => {
        const {Limit} = await import("/page/scale.js");
        return cases.map(([threshold, typical, moved, raw]) => {
            const own = new Limit(threshold, typical);
            return [own.normalise(raw), own.movedTo(moved).normalise(raw)];
        });
    }"""
    wanted = [
        [float(Limit(t, typical).normalise(raw)), float(Limit(t, typical).moved_to(moved).normalise(raw))]
        for t, typical, moved, raw in cases.tolist()
    ]
    assert page.browser.evaluate(script, cases.tolist()) == wanted


def test_the_sliders_places_are_scores(page: Any) -> None:
    script = """async places => {
        const {Limit} = await import("/page/scale.js");
        return places.map(place => new Limit(7.01, 4.45).rawAt(place));
    }"""
    places = np.linspace(0.02, 0.98, 97)
    assert Limit(7.01, 4.45).normalise(page.browser.evaluate(script, places.tolist())) == pytest.approx(
        places, abs=1e-12
    )


def test_the_rate_of_false_alarms_has_wilsons_interval(page: Any) -> None:
    script = """async ([scores, threshold]) => {
        const {falseAlarms} = await import("/page/scale.js");
        return falseAlarms(scores, threshold);
    }"""
    scores = np.random.default_rng(3).normal(5, 1, 53)
    for threshold in (0.0, 4.0, 6.2, float(np.sort(scores)[-2]), 100.0):
        rate = page.browser.evaluate(script, [scores.tolist(), threshold])
        above = int((scores > threshold).sum())
        interval = stats.binomtest(above, 53).proportion_ci(0.95, method="wilson")
        assert (rate["above"], rate["n"], rate["share"]) == (above, 53, above / 53)
        assert (rate["low"], rate["high"]) == pytest.approx((interval.low, interval.high), abs=1e-9)
    assert page.browser.evaluate(script, [[], 1.0]) is None


def test_the_colours_are_those_of_the_saved_pictures(page: Any) -> None:
    script = """async () => {
        const {colour} = await import("/page/heat.js");
        return Array.from({length: 256}, (_, i) => colour(i / 255));
    }"""
    turbo = cv2.applyColorMap(np.arange(256, dtype=np.uint8)[None], cv2.COLORMAP_TURBO)[0, :, ::-1].astype(int)
    assert np.abs(np.array(page.browser.evaluate(script)) - turbo).max() <= 6


def strings(language: str) -> dict[str, str]:
    text = (PAGE / f"strings.{language}.js").read_text(encoding="utf-8")
    return dict(re.findall(r'^  "?([\w.]+)"?: "(.*)",$', text, re.MULTILINE))


def test_both_languages_have_every_string() -> None:
    english, chinese = strings("en"), strings("zh")
    assert list(english) == list(chinese) and len(english) > 80
    values = re.compile(r"\{\w+\}")
    for key, text in english.items():
        assert sorted(values.findall(text)) == sorted(values.findall(chinese[key])), key
    page = (PAGE / "index.html").read_text(encoding="utf-8")
    scripts = "".join(path.read_text(encoding="utf-8") for path in PAGE.glob("*.js"))
    named = set(re.findall(r'data-(?:text|label|placeholder)="([\w.]+)"', page))
    named |= set(re.findall(r'\bt\(\s*"([\w.]+)"', scripts))
    assert named <= english.keys()
    for key, text in english.items():
        assert f'"{key}"' in page + scripts or re.search(rf"`{key.split('.')[0]}\.\$", scripts), f"{key} is never used"
        assert text != chinese[key] or key.startswith(("word.", "model.facts")), key


def test_the_page_takes_the_same_files_as_predict() -> None:
    text = (PAGE / "intake.js").read_text(encoding="utf-8")
    listed = re.search(r"const SUFFIXES = \[(.*)\]", text)
    assert listed is not None
    assert set(re.findall(r'"([^"]+)"', listed[1])) == IMAGE_SUFFIXES


def test_nothing_of_the_page_comes_from_elsewhere_or_stands_inline() -> None:
    for path in PAGE.iterdir():
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert re.findall(r"https?://[\w.]+", text.replace("https:// ", "")) == [], path.name
        assert "innerHTML" not in text and "eval(" not in text, path.name
    page = (PAGE / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"\sstyle=|\son\w+=|<style|<script(?! src=| type=\"module\" src=)", page)


@pytest.mark.skipif(shutil.which("node") is None, reason="node checks the syntax of the scripts; it is not installed")
@pytest.mark.parametrize("script", sorted(path.name for path in PAGE.glob("*.js")))
def test_scripts_are_well_formed(script: str) -> None:
    kind = "commonjs" if script == "theme.js" else "module"
    done = subprocess.run(
        ["node", "--check", f"--input-type={kind}"], input=Path(PAGE / script).read_text(encoding="utf-8"), text=True,
        capture_output=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_what_is_kept_in_memory_is_bounded(page: Any) -> None:
    script = """async () => {
        const {State, Item, KEPT_FRAMES} = await import("/page/state.js");
        const {details, thumbnails} = await import("/page/details.js");
        const state = new State();
        state.add(Array.from({length: 300}, (_, i) => new Item(null, `file ${i}`)));
        for (let i = 0; i < 250; i++) state.add([new Item(null, `frame ${i}`, "camera")]);
        const frames = state.items.filter(item => item.source === "camera").map(item => item.name);
        for (let i = 0; i < 2000; i++) {
            details.set(`d${i}`, i, 100_000);
            thumbnails.set(`t${i}`, "", 1);
        }
        const places = [...Array(2000).keys()];
        const count = (kept, letter) => places.filter(i => kept.get(letter + i) !== undefined).length;
        return [state.items.length, KEPT_FRAMES, frames[0], frames.at(-1), count(details, "d"), count(thumbnails, "t"),
                details.get("d1999")];
    }"""
    kept = 64 * 2**20 // 100_000
    assert page.browser.evaluate(script) == [500, 200, "frame 50", "frame 249", kept, 600, 1999]


def test_a_heat_map_that_was_dropped_is_asked_for_again(page: Any, parts: list[Path], expected: dict[str, Any]) -> None:
    part = next(path for path in parts if expected[path.name]["is_anomalous"])
    page.choose([part, *[path for path in parts if path != part][:1]])
    page.browser.click("#rows tr[role=row] >> nth=1")
    page.frame()
    page.browser.evaluate("""async () => {
        const {details} = await import("/page/details.js");
        details.delete(1);
    }""")
    with page.browser.expect_request(lambda request: "judge" in request.url):
        page.browser.click("#rows tr[role=row] >> nth=0")
    page.browser.wait_for_selector("#outlines polygon.line", state="attached")
    polygons = page.browser.locator("#outlines polygon.line").count()
    assert polygons == len(expected[part.name]["regions"])
