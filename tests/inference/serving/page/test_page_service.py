"""The page when things go wrong: broken files, a full queue, a service that is gone, a key, an interrupted judging."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from paddlex.errors import ImageReadError
from paddlex.inference.inputs import read_image

Open = Callable[..., Any]
BUSY = json.dumps({"logId": "1", "errorCode": 503, "errorMsg": "the queue is full"})


@pytest.fixture
def broken(parts: list[Path], tmp_path: Path) -> Path:
    """An image that ends too early."""
    path = tmp_path / "broken.jpg"
    path.write_bytes(parts[0].read_bytes()[:1500])
    with pytest.raises(ImageReadError):
        read_image(str(path))
    return path


def test_a_broken_file_has_its_reason_and_spoils_no_other(page: Any, parts: list[Path], broken: Path) -> None:
    page.choose([parts[0], broken, parts[1]])
    verdicts = [row["verdict"] for row in page.rows()]
    assert verdicts[1] == "Error" and {verdicts[0], verdicts[2]} <= {"OK", "NG"}
    assert "415" in page.rows()[1]["about"]
    assert page.browser.inner_text("#count-error") == "1"
    page.browser.check("input[name=filter][value=error]")
    page.browser.click("#rows tr[role=row]")
    page.frame()
    assert page.verdict()[0] == "Error"
    assert page.browser.inner_text("#picture-note") == page.rows()[0]["about"]


def test_a_broken_file_alone_has_its_reason(page: Any, broken: Path) -> None:
    page.choose([broken])
    assert page.verdict()[0] == "Error" and "415" in page.rows()[0]["about"]


def test_a_file_that_is_gone_spoils_no_other(page: Any, parts: list[Path], tmp_path: Path) -> None:
    copies = [Path(shutil.copy(part, tmp_path)) for part in parts[:3]]
    page.choose(copies)
    copies[1].unlink()
    page.browser.select_option("#model", "strict")
    page.wait_for(3).wait_for_verdicts()
    verdicts = [row["verdict"] for row in page.rows()]
    assert verdicts[1] == "Error" and {verdicts[0], verdicts[2]} <= {"OK", "NG"}
    assert "cannot be read any more" in page.rows()[1]["about"]


def test_a_full_queue_is_waited_for(page: Any, parts: list[Path]) -> None:
    refusals = []

    def refuse_twice(route: Any) -> None:
        if len(refusals) < 2:
            refusals.append(route.request.url)
            route.fulfill(status=503, headers={"Retry-After": "0.2"}, content_type="application/json", body=BUSY)
        else:
            route.continue_()

    page.browser.route("**/judge*", refuse_twice)
    page.choose(parts[:3])
    assert len(refusals) == 2
    assert {row["verdict"] for row in page.rows()} <= {"OK", "NG"}


def test_one_refused_image_of_a_batch_comes_again(page: Any, parts: list[Path]) -> None:
    # Changed in the page and not on the way, where the bodies of files cannot be passed on.
    page.browser.evaluate("""() => {
        const ask = window.fetch;
        window.fetch = async (address, options) => {
            const answer = await ask(address, options);
            if (!address.startsWith("judge") || window.refused) return answer;
            const content = await answer.clone().json();
            if (content.results.length < 2) return answer;
            window.refused = content.results.pop().name;
            content.results.push({name: window.refused, errorCode: 503, errorMsg: "the queue is full"});
            return Response.json(content);
        };
    }""")
    page.choose(parts[:4])
    assert page.browser.evaluate("window.refused") == parts[3].name
    assert [row["about"] for row in page.rows() if row["verdict"] not in ("OK", "NG")] == []


def test_errors_can_be_tried_again(page: Any, parts: list[Path]) -> None:
    page.browser.route("**/judge*", lambda route: route.fulfill(status=400, content_type="application/json", body=BUSY))
    page.choose(parts[:2])
    assert [row["verdict"] for row in page.rows()] == ["Error", "Error"]
    page.browser.unroute("**/judge*")
    page.browser.click("#retry")
    page.wait_for(2)
    page.frame()
    assert {row["verdict"] for row in page.rows()} <= {"OK", "NG"}
    assert not page.browser.is_visible("#retry")


def test_a_service_that_is_gone_is_told_of(page: Any, parts: list[Path]) -> None:
    page.browser.route("**/judge*", lambda route: route.abort())
    page.browser.set_input_files("#files", str(parts[0]))
    page.browser.wait_for_selector("#service[data-state=lost]")
    assert "does not answer" in page.browser.inner_text("#service")
    page.browser.unroute("**/judge*")
    page.wait_for(1)
    assert page.verdict()[0] in ("OK", "NG")


def test_a_service_that_falls_silent_is_told_of(page: Any, parts: list[Path]) -> None:
    asked = []
    page.browser.clock.install()
    page.browser.route("**/judge*", lambda route: asked.append(route) if len(asked) < 1 else route.continue_())
    page.browser.set_input_files("#files", str(parts[0]))
    while not asked:
        page.browser.clock.run_for(100)
    page.browser.clock.fast_forward(200_000)
    page.browser.wait_for_selector("#service[data-state=lost]")
    page.browser.clock.resume()
    page.wait_for(1)
    assert page.verdict()[0] in ("OK", "NG")


def test_judging_can_be_cancelled_and_the_page_cleared(page: Any, parts: list[Path]) -> None:
    page.browser.route("**/judge*", lambda route: None)  # never answered
    page.browser.set_input_files("#files", [str(part) for part in parts])
    page.browser.wait_for_selector("#progress:not([hidden])")
    assert page.browser.inner_text("#progress-text") == f"0 of {len(parts)} judged"
    page.browser.click("#cancel")
    page.wait_for(len(parts))
    assert {(row["verdict"], row["about"]) for row in page.rows()} == {("Error", "cancelled")}
    page.browser.click("#clear")
    page.wait_for(0)
    assert page.rows() == [] and page.browser.is_visible("#empty") and page.browser.is_disabled("#export")
    page.browser.unroute("**/judge*")
    page.choose(parts[:1])
    assert page.verdict()[0] in ("OK", "NG")


def test_a_key_is_asked_for_and_kept_for_the_tab(
    open_page: Open, serve_here: Callable[..., str], parts: list[Path]
) -> None:
    key = "a-key-for-the-tests-0123456789"
    page = open_page(serve_here(api_key=key))
    for typed in ("not-the-key", key):
        page.browser.wait_for_selector("#key-dialog[open]")
        assert page.browser.is_visible("#key-wrong") == (typed == key)
        page.browser.keyboard.press("Escape")
        assert page.browser.is_visible("#key-dialog")
        page.browser.fill("#key", typed)
        page.browser.press("#key", "Enter")
    page.ready().choose(parts[:1])
    assert page.verdict()[0] in ("OK", "NG")
    stored = page.browser.evaluate("[sessionStorage.apiKey, localStorage.length, document.cookie]")
    assert stored == [key, 0, ""]


def test_no_other_host_is_asked_for_anything(page: Any, parts: list[Path], server: Any) -> None:
    page.choose(parts[:2])
    page.browser.click("#language")
    page.browser.click("#theme")
    assert len(page.requests) > 20
    assert [url for url in page.requests if not url.startswith((f"{server.url}/", f"blob:{server.url}/"))] == []
    assert page.complaints == []


@pytest.mark.parametrize(
    "change",
    ["result.rawScore = null", "result.score = null", "delete result.rawScore", "delete result.errorCode",
     "result.threshold = null", "result.isAnomalous = !result.isAnomalous",
     "result.heatMap = null", "result.regions = null", "content.results[1] = null"],
)  # fmt: skip
def test_an_answer_without_a_valid_score_is_an_error_in_red(page: Any, parts: list[Path], change: str) -> None:
    page.choose(parts[:1])  # the first image goes alone
    page.browser.evaluate("""change => {
        const ask = window.fetch;
        const spoil = new Function("content", "result", change);
        window.fetch = async (address, options) => {
            const answer = await ask(address, options);
            const content = await answer.clone().json();
            if (content.results?.length !== 2) return answer;
            spoil(content, content.results[1]);
            return Response.json(content);
        };
    }""", change)  # fmt: skip
    page.browser.set_input_files("#files", [str(part) for part in parts[1:4]])  # one alone, then two
    page.wait_for(4)
    assert [row["verdict"] for row in page.rows()][3] == "Error"
    assert "no valid score" in page.rows()[3]["about"]
    colours = page.browser.evaluate("""() => ["#rows tr[data-verdict=error] .chip", ".wrong"].map(
        name => getComputedStyle(document.querySelector(name)).color)""")
    assert colours[0] == colours[1]
    assert {row["verdict"] for row in page.rows()[:3]} <= {"OK", "NG"}


def test_after_a_reload_no_verdict_rests_on_the_limit_of_the_old_model(
    open_page: Open, start_server: Callable[..., Any], trained: Path, parts: list[Path], tmp_path: Path
) -> None:
    pipeline = tmp_path / "parts.yaml"

    def write(threshold: float) -> None:
        model = f"SubModules:\n  AnomalyDetection:\n    model_dir: {trained}\n    threshold: {threshold}\n"
        pipeline.write_text(model, encoding="utf-8")

    write(1000)
    server = start_server("--pipeline", str(pipeline)).wait_until_ready()
    page = open_page(server.url).ready().choose(parts[:3])
    assert {row["verdict"] for row in page.rows()} == {"OK"}
    page.slide(2)
    write(0)
    assert httpx.post(f"{server.url}/models/parts/reload").status_code == 200
    page.choose(parts[3:4])
    page.browser.locator("#threshold-raw").evaluate(
        "async field => { while (field.value !== '0') await new Promise(requestAnimationFrame); }"
    )
    page.wait_for_verdicts()
    assert [row["verdict"] for row in page.rows()] == 4 * ["NG"]
    assert "another version" in page.browser.inner_text("#notice") and page.browser.is_disabled("#threshold-reset")
    assert page.complaints == []
