"""The clients in docs/serving.md, run as they stand but for the port, against the running server."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

PAGE = Path(__file__).parents[3] / "docs" / "serving.md"


def client_block(language: str) -> str:
    blocks = re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return next(block for block in blocks if "http://127.0.0.1:8080" in block)


@pytest.fixture
def run_client(server, images: list[str], tmp_path: Path):
    """Runs a command in a folder with part.jpg (a defective part) and other.jpg (a good one)."""
    shutil.copy(images[1], tmp_path / "part.jpg")
    shutil.copy(images[2], tmp_path / "other.jpg")

    def run(*command: str) -> str:
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=240)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def verdict(client: httpx.Client, path: str) -> str:
    entry = client.post("/judge", files={"files": ("part.jpg", Path(path).read_bytes())}).json()["results"][0]
    return "NG" if entry["isAnomalous"] else "OK"


def test_the_python_client_prints_the_verdict_and_saves_the_picture(
    run_client, server, client: httpx.Client, images: list[str], tmp_path: Path
) -> None:
    output = run_client(sys.executable, "-c", client_block("python").replace("http://127.0.0.1:8080", server.url))
    assert output.split()[0] == verdict(client, images[1])
    assert (tmp_path / "out.jpg").read_bytes().startswith(b"\xff\xd8\xff")


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_curl_client_gets_an_entry_a_file(run_client, server) -> None:
    output = run_client("bash", "-ec", client_block("bash").replace("http://127.0.0.1:8080", server.url))
    assert re.findall(r'"name":"(\w+\.jpg)","errorCode":0', output) == ["part.jpg", "other.jpg"]


@pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not installed")
def test_the_javascript_client_prints_a_verdict_a_file(
    run_client, server, client: httpx.Client, images: list[str], tmp_path: Path
) -> None:
    code = client_block("javascript").replace("http://127.0.0.1:8080", server.url)
    (tmp_path / "client.mjs").write_text(code, encoding="utf-8")
    lines = [line.split()[:2] for line in run_client("node", "client.mjs").splitlines()]
    assert lines == [["part.jpg", verdict(client, images[1])], ["other.jpg", verdict(client, images[2])]]
