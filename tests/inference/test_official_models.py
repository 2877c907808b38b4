"""The official archive: fetched once, unpacked safely, with a way out when there is no network."""

from __future__ import annotations

import hashlib
import shutil
import socket
import tarfile
from pathlib import Path

import numpy as np
import pytest

from paddlex import create_model, create_pipeline
from paddlex.errors import DownloadError, ModelError
from paddlex.inference import official_models
from paddlex.inference.official_models import OFFICIAL_MODELS, official_model_folder


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PADDLEX_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def serve(web_server, home: Path, trained: Path, monkeypatch: pytest.MonkeyPatch):
    """Put the trained model's inference folder on the web server as the official archive, below a folder of the archive."""

    def serve(below: str) -> None:
        monkeypatch.setitem(OFFICIAL_MODELS, "STFPM", f"{web_server.url}/STFPM_infer.tar")
        with tarfile.open(web_server.folder / "STFPM_infer.tar", "w") as tar:
            tar.add(trained / "best_model" / "inference", below)

    return serve


def files_below(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("below", ["STFPM_infer", "."], ids=["as PaddleX packs it", "without a folder"])
def test_the_archive_is_unpacked_into_the_cache(serve, home: Path, trained: Path, below: str) -> None:
    serve(below)
    folder = official_model_folder("STFPM")
    assert folder == home / "official_models" / "STFPM"
    files = [f"STFPM/{name}" for name in files_below(trained / "best_model" / "inference")]
    assert files_below(home / "official_models") == ["STFPM.sha256", *files]


def test_it_is_fetched_once_and_works_offline_afterwards(serve, web_server) -> None:
    serve("STFPM_infer")
    first = official_model_folder("STFPM")
    (web_server.folder / "STFPM_infer.tar").unlink()
    assert official_model_folder("STFPM") == first
    assert web_server.requests == ["/STFPM_infer.tar"]


@pytest.mark.parametrize(
    "create",
    [
        lambda: create_model("STFPM", device="cpu"),
        lambda: create_model(device="cpu"),
        lambda: create_pipeline("anomaly_detection", device="cpu"),
    ],
    ids=["its name", "no name", "PaddleX's pipeline"],
)
def test_without_a_folder_the_official_model_judges(serve, predictor, images: list[str], create) -> None:
    serve("STFPM_infer")
    result = next(create().predict(images[0]))
    assert np.array_equal(result["anomaly_map"], next(predictor.predict(images[0]))["anomaly_map"])


def test_an_archive_that_has_changed_since_it_was_first_seen_is_refused(serve, web_server, home: Path) -> None:
    serve("STFPM_infer")
    shutil.rmtree(official_model_folder("STFPM"))
    archive = web_server.folder / "STFPM_infer.tar"
    first = hashlib.sha256(archive.read_bytes()).hexdigest()
    assert (home / "official_models" / "STFPM.sha256").read_text() == f"{first}\n"
    serve("another")
    with pytest.raises(DownloadError, match=rf"{first} was expected.* remove .*STFPM\.sha256"):
        official_model_folder("STFPM")
    assert files_below(home) == ["official_models/STFPM.sha256"]


def test_the_checksum_that_the_archive_must_have_can_be_given_before(serve, home: Path) -> None:
    serve("STFPM_infer")
    stated = home / "official_models" / "STFPM.sha256"
    stated.parent.mkdir(parents=True)
    stated.write_text(f"{'0' * 64}  STFPM_infer.tar\n")  # as sha256sum prints it
    with pytest.raises(DownloadError, match=f"{'0' * 64} was expected"):
        official_model_folder("STFPM")
    stated.write_text("what?")
    with pytest.raises(ModelError, match=r"the file holds no SHA-256 .*Correct or remove it\."):
        official_model_folder("STFPM")


def test_offline_it_says_what_can_be_done(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/STFPM_infer.tar"
    monkeypatch.setitem(OFFICIAL_MODELS, "STFPM", url)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with pytest.raises(DownloadError) as caught:
        create_model("STFPM")
    message = str(caught.value)
    assert message.startswith("the official STFPM model cannot be fetched: the server cannot be reached: ")
    assert f"({url})" in message
    assert "Train a model and give its folder as model_dir" in message
    assert str(home / "official_models" / "STFPM" / "inference.yml") in message


def test_a_folder_unpacked_by_hand_is_used_as_the_message_promises(
    home: Path, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(OFFICIAL_MODELS, "STFPM", "http://127.0.0.1:1/STFPM_infer.tar")
    shutil.copytree(trained / "best_model" / "inference", home / "official_models" / "STFPM")
    assert official_model_folder("STFPM") == home / "official_models" / "STFPM"


def test_a_damaged_archive_leaves_nothing_behind_and_is_fetched_again(serve, web_server, home: Path) -> None:
    serve("STFPM_infer")
    archive = web_server.folder / "STFPM_infer.tar"
    good = archive.read_bytes()
    archive.write_bytes(good[: len(good) // 2])
    with pytest.raises(DownloadError, match="the archive cannot be extracted"):
        official_model_folder("STFPM")
    assert files_below(home) == []
    archive.write_bytes(good)
    assert (official_model_folder("STFPM") / "inference.yml").is_file()


def test_an_archive_without_a_model_is_an_error_and_leaves_nothing_behind(serve, web_server, home: Path) -> None:
    serve("STFPM_infer/too/deep")
    with pytest.raises(DownloadError, match=r"the archive holds no inference\.yml"):
        official_model_folder("STFPM")
    assert files_below(home) == []


def test_an_archive_that_writes_elsewhere_is_refused(serve, web_server, home: Path, tmp_path: Path) -> None:
    serve("STFPM_infer/../../../../evil")
    with pytest.raises(DownloadError, match="would lie outside the folder"):
        official_model_folder("STFPM")
    assert list(tmp_path.rglob("evil")) == []


def test_a_model_that_paddlex_does_not_publish_is_refused() -> None:
    with pytest.raises(ModelError, match=r"there is no official model 'PatchCore'\. Give model_dir, or one of STFPM\."):
        official_model_folder("PatchCore")


def test_the_address_is_paddlex_s_own() -> None:
    assert official_models.OFFICIAL_MODELS["STFPM"].startswith("https://paddle-model-ecology.bj.bcebos.com/paddlex/")
