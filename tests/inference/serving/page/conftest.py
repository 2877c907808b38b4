"""A real headless Chromium that opens the page of a real service process, with a really trained model behind it."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from paddlex.inference.predictor import AnomalyPredictor


class Page:
    """A browser page with the service's page in it, and what it said and asked for meanwhile."""

    def __init__(self, page: Any, address: str) -> None:
        self.browser = page
        self.requests: list[str] = []
        self.complaints: list[str] = []  # errors of scripts, and what the Content-Security-Policy refused
        page.set_default_timeout(120_000)
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda message: message.type == "error" and self.complaints.append(message.text))
        page.goto(address)

    def ready(self) -> Page:
        self.browser.wait_for_selector("#service[data-state=ready]")
        return self

    def choose(self, files: list[Path | str]) -> Page:
        """Put files into the file input, as its dialog does, and wait for their verdicts."""
        count = int(self.browser.inner_text("#count-all")) + len(files)
        self.browser.set_input_files("#files", [str(file) for file in files])
        return self.wait_for(count)

    def wait_for(self, count: int) -> Page:
        """Wait until the page has so many images, none of them unjudged."""
        self.browser.locator("#count-all", has_text=re.compile(f"^{count}$")).wait_for()
        self.browser.locator("#progress").wait_for(state="hidden")
        return self

    def wait_for_verdicts(self) -> Page:
        """Wait until no row of the table waits for its verdict; after a change of the model they all begin anew."""
        deadline = time.monotonic() + 120
        while any(row["verdict"] == "Wait" for row in self.rows()) and time.monotonic() < deadline:
            self.frame()
        return self

    def rows(self) -> list[dict[str, str]]:
        """The rows of the table that exist as elements: name, verdict, score, raw, area, about."""
        script = """rows => rows.map(row => {
            const [, name, verdict, score, raw, area] = row.cells;
            const [first, about] = name.children;
            return {name: first.textContent, about: about.textContent, verdict: verdict.textContent,
                    score: score.textContent, raw: raw.textContent, area: area.textContent};
        })"""
        return self.browser.locator("#rows tr[role=row]").evaluate_all(script)

    def frame(self) -> None:
        """Let the page draw what has changed."""
        self.browser.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def verdict(self) -> tuple[str, str]:
        """The large word and the score beside it."""
        return self.browser.inner_text("#verdict-word"), self.browser.text_content("#verdict-score")

    def slide(self, presses: int) -> None:
        """Move the threshold by so many presses of an arrow key."""
        self.browser.focus("#threshold")
        for _ in range(abs(presses)):
            self.browser.keyboard.press("ArrowRight" if presses > 0 else "ArrowLeft")
        self.frame()


@pytest.fixture(scope="module")
def open_lasting(server: Any, chromium: Any) -> Callable[..., Page]:
    """Opens the page of ``server``, or at an address, in a fresh profile; keywords are Playwright's."""

    def open_(address: str | None = None, **options: Any) -> Page:
        context = chromium.new_context(**{"viewport": {"width": 1440, "height": 900}, "locale": "en-US", **options})
        return Page(context.new_page(), address or server.url)

    return open_


@pytest.fixture
def open_page(open_lasting: Callable[..., Page]) -> Iterator[Callable[..., Page]]:
    """The same; the pages are closed after the test."""
    pages = []

    def open_(address: str | None = None, **options: Any) -> Page:
        pages.append(open_lasting(address, **options))
        return pages[-1]

    yield open_
    for page in pages:
        page.browser.context.close()


@pytest.fixture
def page(open_page: Callable[..., Page]) -> Page:
    return open_page().ready()


@pytest.fixture(scope="module")
def lasting(open_lasting: Callable[..., Page], parts: list[Path]) -> Page:
    return open_lasting().ready().choose(parts)


@pytest.fixture
def judged(lasting: Page) -> Page:
    """A page on which ``parts`` have been judged, in the order of their names; tests share it, each finds it as it was."""
    browser = lasting.browser
    if browser.is_enabled("#threshold-reset"):
        browser.click("#threshold-reset")
    browser.check("input[name=filter][value=all]")
    browser.fill("#search", "")
    browser.locator("#scroller").evaluate("element => element.scrollTop = 0")
    while browser.get_attribute("th[data-sort=name]", "aria-sort") != "ascending":
        browser.click("th[data-sort=name] button")
        lasting.frame()
    return lasting


@pytest.fixture(scope="package")
def parts(demo_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The 14 validation images, each under a name of its own."""
    folder = tmp_path_factory.mktemp("parts")
    sources = sorted((demo_dataset / "images" / "val").glob("*/*.jpg"))
    return [Path(shutil.copy(source, folder / f"{source.parent.name}-{source.name}")) for source in sources]


@pytest.fixture(scope="package")
def expected(predictor: AnomalyPredictor, parts: list[Path]) -> dict[str, Any]:
    """What the predictor itself says about each of ``parts``, by name."""
    return {Path(result["input_path"]).name: result for result in predictor.predict(list(map(str, parts)))}


@pytest.fixture(scope="package")
def service_models(client: httpx.Client) -> list[dict[str, Any]]:
    """What the service says of its models, ``parts`` and ``strict``."""
    return client.get("/models").json()["models"]
