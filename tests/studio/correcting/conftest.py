"""A studio in which everyone is an engineer, with a product whose model was really trained, behind a real server."""

from __future__ import annotations

import contextlib
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from starlette.types import Scope

from paddlex.inference.model_folder import CONFIG_NAME, open_model_folder
from paddlex.inference.serving.server import Server, listen
from paddlex.inference.serving.settings import ServerSettings
from paddlex.studio import versions
from paddlex.studio.database.schema import Member, Product, Version
from paddlex.studio.studio import Studio
from paddlex.studio.workspace import Workspace, now_ms


class OpenStudio(Studio):
    """Lets everyone in; the header X-Role says as whom."""

    async def check_access(self, scope: Scope, headers: Mapping[bytes, bytes]) -> None:
        scope["user"] = "ada"
        scope["role"] = headers.get(b"x-role", b"engineer").decode()


class Running:
    """A studio behind a server in a thread of this process.

    Attributes:
        studio: which one.
        client: asks it.
    """

    def __init__(self, workspace: Workspace) -> None:
        settings = ServerSettings(port=0, drain_delay=0, max_batch=2)
        listener = listen(settings.host, settings.port)
        self.studio = OpenStudio(workspace, "cpu")
        self._server = Server({}, self.studio.load, settings, extension=self.studio)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [listener]}, daemon=True)
        self._thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        self.client = httpx.Client(base_url=url, timeout=240)
        while self.client.get("/readyz").status_code != 200:
            time.sleep(0.02)

    def judge(self, picture: Path, product: str = "grid") -> dict:
        """What is answered of a picture."""
        answer = self.client.post(f"/judge?model={product}", files={"files": (picture.name, picture.read_bytes())})
        assert answer.status_code == 200, answer.text
        return answer.json()["results"][0]

    def pass_gate(self, version: Version) -> dict:
        """Run the gate, wait, and return what it found."""
        job = self.client.post(f"/studio/versions/{version.id}/gate").json()
        return self.result_of(job["id"])

    def result_of(self, job_id: int) -> dict:
        from paddlex.studio.database.schema import Job

        deadline = time.monotonic() + 240
        while time.monotonic() < deadline:
            with self.studio.workspace.reading() as session:
                job = session.get_one(Job, job_id)
            if job.state not in ("waiting", "running"):
                assert job.state == "done", job.error
                return job.result
            time.sleep(0.05)
        raise AssertionError("the job does not end")

    def go_live(self, version: Version) -> httpx.Response:
        return self.client.post(f"/studio/versions/{version.id}/live")

    def stop(self) -> None:
        self.client.close()
        self._server.should_exit = True
        self._thread.join(240)
        assert not self._thread.is_alive()


@pytest.fixture
def database_url() -> None:
    """SQLite, where a module does not say otherwise: ``test_going_live`` does."""


@pytest.fixture
def run_studio() -> Iterator[Callable[[Workspace], Running]]:
    """Workspace -> a studio that works in it."""
    running: list[Running] = []

    def run(workspace: Workspace) -> Running:
        running.append(Running(workspace))
        return running[-1]

    yield run
    for one in running:
        with contextlib.suppress(RuntimeError):  # stopped by the test
            one.stop()


@pytest.fixture(scope="session")
def model(patchcore: Path) -> Path:
    """The inference folder of a model that was trained on the demonstration's grid."""
    return patchcore / "best_model" / "inference"


@pytest.fixture(scope="session")
def blind_model(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with a threshold of its own that no defect of the demonstration exceeds."""
    folder = Path(shutil.copytree(model, tmp_path_factory.mktemp("blind") / "model"))
    opened = open_model_folder(folder)
    assert opened.calibration is not None
    calibration = replace(opened.calibration, image_threshold=100 * opened.calibration.image_threshold)
    replace(opened, own=replace(opened.own, calibration=calibration)).write_config(folder / CONFIG_NAME)
    return folder


@pytest.fixture
def add_model(workspace: Workspace) -> Callable[..., Version]:
    """A model's folder -> a version of the product ``grid`` that was made of it; ``learnt_at`` is now by default."""

    def added(folder: Path, product: str = "grid", learnt_at: int | None = None) -> Version:
        with versions.staged(workspace, folder) as staged, workspace.writing() as session:
            row = session.query(Product).filter_by(name=product).one_or_none()
            if row is None:
                row = Product(name=product, made_at=now_ms(), settings={}, target_fpr=0.05)
                session.add(row)
                session.flush()
            return versions.add(
                session, workspace, row, staged, how="train", by="ada", pictures=24, learnt_at=learnt_at or now_ms()
            )

    return added


@pytest.fixture
def add_member(workspace: Workspace) -> Callable[..., Member]:
    """A picture's path and a role -> its part in teaching the product ``grid``."""

    def added(picture: Path, role: str, where: list | None = None) -> Member:
        with workspace.writing() as session:
            row = workspace.pictures.add(session, picture.read_bytes())
            product = session.query(Product).filter_by(name="grid").one()
            member = Member(
                product_id=product.id, digest=row.digest, role=role, name=picture.name, source="import", where=where or [],
                added_at=now_ms(), added_by="ada",
            )  # fmt: skip
            session.add(member)
        return member

    return added


@pytest.fixture(scope="session")
def bad_part(demo_dataset: Path) -> Path:
    """A part of the demonstration with a defect."""
    return demo_dataset / "images" / "val" / "glue" / "000.jpg"


@pytest.fixture(scope="session")
def good_part(demo_dataset: Path) -> Path:
    """A good part that nothing was learnt from."""
    return demo_dataset / "images" / "val" / "good" / "000.jpg"


@pytest.fixture
def live_studio(
    workspace: Workspace, model: Path, add_model: Callable[..., Version], run_studio: Callable[[Workspace], Running]
) -> tuple[Running, Version]:
    """A studio whose product ``grid`` is live, and the version that is."""
    version = add_model(model)
    running = run_studio(workspace)
    running.pass_gate(version)
    assert running.go_live(version).status_code == 200
    return running, version
