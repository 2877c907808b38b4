"""A device on the line: the wheel with an extra, in an environment without Paddle, judges images in every way there is."""

from __future__ import annotations

import contextlib
import email
import json
import os
import posixpath
import re
import signal
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from paddlex import __version__, create_model

ROOT = Path(__file__).parent.parent

#: Extras -> MiB that what they bring may take.
SIZES = {"onnx": 300, "openvino": 400, "onnx,studio": 800}

#: The target of a link or of a picture in Markdown, but for places on the web.
TARGET = re.compile(r"\]\((?!https?://|#)([^)#]+)")

#: No way leads from an environment to the source beside these tests.
BARE = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}

SDIST = "import sys; from setuptools.build_meta import build_sdist; build_sdist(sys.argv[1])"

JUDGE = """
import json, sys
from paddlex import create_model, create_pipeline
model, images = sys.argv[1], json.loads(sys.argv[2])
results = list(create_model("STFPM", model).predict(images))
piped = list(create_pipeline("anomaly_detection", model_dir=model).predict(images))
heavy = [name for name in ("paddle", "scipy", "sklearn", "matplotlib", "pydantic", "jinja2", "PIL") if name in sys.modules]
print(json.dumps({
    "scores": [result["raw_score"] for result in results], "piped": [result["raw_score"] for result in piped],
    "heavy": heavy,
}))
"""


def pip(*arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--quiet", *arguments], capture_output=True, text=True, cwd=ROOT, env=BARE
    )
    if "No matching distribution" in done.stderr or "Connection" in done.stderr:
        pytest.skip("no package index can be reached")
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source distribution."""
    folder = tmp_path_factory.mktemp("sdist")
    done = subprocess.run([sys.executable, "-c", SDIST, folder], capture_output=True, text=True, cwd=ROOT, env=BARE)
    assert done.returncode == 0, done.stderr
    (path,) = folder.iterdir()
    return path


@pytest.fixture(scope="module")
def wheel(sdist: Path) -> Path:
    """What the source distribution makes."""
    pip("wheel", "--no-deps", "--wheel-dir", str(sdist.parent / "wheel"), str(sdist))
    (path,) = (sdist.parent / "wheel").iterdir()
    return path


@pytest.fixture(scope="module", params=SIZES)
def edge(request: pytest.FixtureRequest, wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with the wheel and these extras, and no Paddle."""
    folder = tmp_path_factory.mktemp("edge") / request.param
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    python = folder / "bin" / "python"
    pip("--python", str(python), "install", "--no-compile", f"{wheel}[{request.param}]")
    return python


@pytest.mark.slow
def test_it_judges_as_the_development_machine_does_and_without_anything_heavy(
    edge: Path, trained: Path, images: list[str], tmp_path: Path
) -> None:
    folder = trained / "best_model" / "inference"
    done = subprocess.run(
        [edge, "-c", JUDGE, str(folder), json.dumps(images)], capture_output=True, text=True, cwd=tmp_path, env=BARE
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    expected = [one["raw_score"] for one in create_model("STFPM", folder, "cpu", backend="mkldnn").predict(images)]
    assert result["scores"] == pytest.approx(expected, abs=1e-3)
    assert result["piped"] == result["scores"]
    assert result["heavy"] == []


@pytest.mark.slow
def test_the_command_works_and_says_what_making_a_model_needs(
    edge: Path, trained: Path, demo_dataset: Path, images: list[str], tmp_path: Path
) -> None:
    command = [
        edge,
        "-m",
        "paddlex",
        "--pipeline",
        "anomaly_detection",
        "--model_dir",
        str(trained),
        "--json",
        "--input",
    ]
    done = subprocess.run([*command, images[0]], capture_output=True, text=True, cwd=tmp_path, env=BARE)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[0])["input_path"] == images[0]
    making = [
        edge,
        "-m",
        "paddlex",
        "-c",
        "configs/image_anomaly_detection/STFPM.yaml",
        "-o",
        f"Global.dataset_dir={demo_dataset}",
    ]
    asked = subprocess.run([*making, "-o", "Global.mode=train"], capture_output=True, text=True, cwd=tmp_path, env=BARE)
    assert asked.returncode == 1
    assert 'pip install "image-anomaly-toolkit[train,cpu]"' in asked.stderr
    assert "Traceback" not in asked.stderr


@pytest.mark.slow
def test_it_is_small(edge: Path) -> None:
    """The sizes that the documents state, of the installed packages."""
    folder = next((edge.parent.parent / "lib").glob("python*")) / "site-packages"
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 2**20
    assert size < SIZES[edge.parent.parent.name]


@pytest.mark.slow
def test_the_program_is_there_and_says_its_version_and_what_it_can_do(edge: Path, tmp_path: Path) -> None:
    program = edge.parent / "paddlex"
    assert (
        subprocess.check_output([program, "--version"], text=True, cwd=tmp_path, env=BARE) == f"paddlex {__version__}\n"
    )
    assert "--pipeline" in subprocess.check_output([program, "--help"], text=True, cwd=tmp_path, env=BARE)


@pytest.mark.slow
@pytest.mark.parametrize("edge", ["onnx,studio"], indirect=True)
def test_service_and_studio_start_and_the_service_judges(
    edge: Path, trained: Path, images: list[str], tmp_path: Path
) -> None:
    with served(edge, tmp_path, "--serve", "--pipeline", str(trained)) as url:
        photos = [("files", Path(image).read_bytes()) for image in images]
        answer = httpx.post(f"{url}/judge", files=photos, timeout=240).json()
        judged = create_model("STFPM", trained, "cpu", backend="onnx").predict(images)
        assert [one["rawScore"] for one in answer["results"]] == pytest.approx(
            [one["raw_score"] for one in judged], 1e-3
        )
        assert httpx.get(f"{url}/page/api.js").status_code == 200
    with served(edge, tmp_path, "--studio", str(tmp_path / "workspace")) as url:
        assert "text/html" in httpx.get(f"{url}/").headers["content-type"]


@contextlib.contextmanager
def served(python: Path, folder: Path, *arguments: str) -> Iterator[str]:
    """A server on a free port, once it is ready; SIGTERM must end it well."""
    log = folder / "log.txt"
    command = [python, "-m", "paddlex", "--port", "0", "--device", "cpu", *arguments]
    with log.open("w") as file:
        process = subprocess.Popen(command, cwd=folder, stdout=file, stderr=file, env=BARE)
    deadline, is_ready = time.monotonic() + 240, False
    while not is_ready and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.1)
        if found := re.search(r"Serving on (http://[^\s/]+)", log.read_text(encoding="utf-8")):
            with contextlib.suppress(httpx.TransportError):
                is_ready = httpx.get(f"{found[1]}/readyz", timeout=240).status_code == 200
    try:
        assert is_ready, log.read_text(encoding="utf-8")
        yield found[1]
    finally:
        process.send_signal(signal.SIGTERM)
        status = process.wait(240)
    assert status == 0, log.read_text(encoding="utf-8")


def test_what_the_readme_and_the_documents_link_to_is_in_the_source_distribution(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    pages = ["README.md", *(name for name in names if name.startswith("docs/") and name.endswith(".md"))]
    assert {"docs/images/thread.png", "tests/conftest.py", "locks/test.txt", "main.py", "Makefile"} <= names
    links = {
        (page, posixpath.normpath(posixpath.join(posixpath.dirname(page), target)))
        for page in pages
        for target in TARGET.findall((ROOT / page).read_text(encoding="utf-8"))
    }
    assert len(links) > 50
    assert {link for link in links if link[1] not in names} == set()


def test_what_an_index_shows_of_the_wheel_links_to_nothing_that_is_not_there(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
        page = email.message_from_bytes(archive.read(name))
    assert page["Description-Content-Type"] == "text/markdown"
    assert "pip install" in page.get_payload()
    assert TARGET.findall(page.get_payload()) == []


@pytest.fixture(scope="module")
def images(demo_dataset: Path) -> list[str]:
    folder = demo_dataset / "images" / "val"
    return [str(folder / name / "000.jpg") for name in ("good", "thread")]
