"""A real headless Chromium that opens the page of a real studio, in which people sign in, with a really trained model."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from paddlex.inference.serving.server import Server, listen
from paddlex.inference.serving.settings import ServerSettings
from paddlex.studio import versions
from paddlex.studio.database.schema import Member, Product, Version
from paddlex.studio.studio import Studio
from paddlex.studio.users import Users
from paddlex.studio.workspace import Workspace, now_ms

PASSWORD = "a line of many words"

#: What is drawn around the defect of a known bad part.
AROUND = [[0.05, 0.05], [0.95, 0.05], [0.95, 0.95], [0.05, 0.95]]


class RunningStudio:
    """A studio behind a server in a thread of this process.

    Attributes:
        studio, workspace: which one.
        url: where it listens.
        client: asks it, signed in as the engineer ``ada``.
    """

    def __init__(self, workspace: Workspace) -> None:
        settings = ServerSettings(port=0, drain_delay=0, max_batch=2)
        listener = listen(settings.host, settings.port)
        self.workspace = workspace
        self.studio = Studio(workspace, "cpu")
        self._server = Server({}, self.studio.load, settings, extension=self.studio)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [listener]}, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        self.client = httpx.Client(base_url=self.url, timeout=240)
        while self.client.get("/readyz").status_code != 200:
            time.sleep(0.02)
        answer = self.client.post("/studio/session", json={"name": "ada", "password": PASSWORD})
        self.client.headers["X-CSRF-Token"] = answer.json()["csrf"]

    def judge(self, pictures: list[Path], product: str = "grid") -> list[dict[str, Any]]:
        """What is answered of pictures."""
        files = [("files", (picture.name, picture.read_bytes())) for picture in pictures]
        answer = self.client.post(f"/judge?model={product}", files=files)
        assert answer.status_code == 200, answer.text
        return answer.json()["results"]

    def stop(self) -> None:
        self.client.close()
        self._server.should_exit = True
        self._thread.join(240)
        assert not self._thread.is_alive()


class StudioPage:
    """A browser page with the studio in it, and what it complained of meanwhile."""

    def __init__(self, page: Any, url: str, user: str) -> None:
        self.browser = page
        self.complaints: list[str] = []  # errors of scripts, and what the Content-Security-Policy refused
        page.set_default_timeout(60_000)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.goto(url)
        page.wait_for_selector(".access")
        page.on("console", self._listen)  # from here on: before, the browser tells that nobody is signed in
        page.fill(".access input[type=text]", user)
        page.fill(".access input[type=password]", PASSWORD)
        page.click(".access .primary")
        page.wait_for_selector(".access", state="detached")
        page.wait_for_selector("#rail a[aria-current]")

    def _listen(self, message: Any) -> None:
        if message.type == "error" and "status of 4" not in message.text:  # a refusal is an answer, not a complaint
            self.complaints.append(message.text)

    def open(self, view: str) -> StudioPage:
        """Go to a view, such as ``history?verdict=ng``."""
        self.browser.evaluate("hash => { location.hash = hash; }", view)
        self.browser.wait_for_selector(f"body[data-view={view.split('?')[0].split('/')[0]}] main.view > *")
        return self

    def toast(self, words: str) -> None:
        """Wait for a word about what was done, and take it away."""
        self.browser.click(f".toast:has-text('{words}') >> button[aria-label]")


@pytest.fixture(scope="package")
def model(patchcore: Path) -> Path:
    """The inference folder of a model that was trained on the demonstration's grid."""
    return patchcore / "best_model" / "inference"


@pytest.fixture(scope="package")
def parts(demo_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The 14 validation images, each under a name of its own."""
    folder = tmp_path_factory.mktemp("parts")
    sources = sorted((demo_dataset / "images" / "val").glob("*/*.jpg"))
    return [Path(shutil.copy(source, folder / f"{source.parent.name}-{source.name}")) for source in sources]


def prepare(path: Path, model: Path, good: list[Path], challenge: list[Path]) -> Workspace:
    """A workspace of the engineer ``ada`` and the operator ``olga``; version 1 of ``grid`` is live, a second one is there."""
    workspace = Workspace(path)
    users = Users(workspace)
    users.set_up("ada", PASSWORD)
    users.add("olga", "operator", PASSWORD, "ada")
    with workspace.writing() as session:
        product = Product(name="grid", made_at=now_ms(), settings={}, target_fpr=0.05)
        session.add(product)
        session.flush()
    rows: list[Version] = []
    for _ in range(2):
        with versions.staged(workspace, model) as staged, workspace.writing() as session:
            product = session.query(Product).one()
            parent = rows[-1].id if rows else None
            how = "refit" if rows else "train"
            version = versions.add(
                session,
                workspace,
                product,
                staged,
                how=how,
                by="ada",
                pictures=len(good),
                learnt_at=now_ms(),
                parent_id=parent,
            )
            rows.append(version)
            if product.live_id is None:
                product.live_id, version.live_at = version.id, now_ms()
    with workspace.writing() as session:
        product = session.query(Product).one()
        for role, pictures in (("good", good), ("challenge", challenge)):
            for picture in pictures:
                row = workspace.pictures.add(session, picture.read_bytes())
                session.flush()
                member = Member(
                    product_id=product.id, digest=row.digest, role=role, name=picture.name, source="import",
                    where=[AROUND] if role == "challenge" else [],
                    added_at=now_ms(), added_by="ada",
                )  # fmt: skip
                session.add(member)
    return workspace


@pytest.fixture(scope="module")
def studio(
    tmp_path_factory: pytest.TempPathFactory, model: Path, demo_dataset: Path, parts: list[Path]
) -> Iterator[RunningStudio]:
    """A studio for the tests of a module: what ``prepare`` makes, and a verdict on each of ``parts``, in their order."""
    good = sorted((demo_dataset / "images" / "train").rglob("*.jpg"))
    bad = [part for part in parts if part.name.startswith("glue")]  # the model finds them
    running = RunningStudio(prepare(tmp_path_factory.mktemp("studio") / "workspace", model, good, bad))
    running.judge(parts)
    yield running
    running.stop()


@pytest.fixture
def open_studio(studio: RunningStudio, chromium: Any) -> Iterator[Callable[..., StudioPage]]:
    """Opens the studio as a user; keywords are Playwright's. Whatever the page complained of fails the test."""
    pages: list[StudioPage] = []

    def open_(user: str = "ada", **options: Any) -> StudioPage:
        context = chromium.new_context(**{"viewport": {"width": 1440, "height": 900}, "locale": "en-US", **options})
        pages.append(StudioPage(context.new_page(), studio.url, user))
        return pages[-1]

    yield open_
    for page in pages:
        page.browser.context.close()
    assert [complaint for page in pages for complaint in page.complaints] == []
