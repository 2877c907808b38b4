"""The programs of clients/http, built as docs/clients.md says, against the running server and one that answers badly."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

CLIENTS = Path(__file__).parents[3] / "clients" / "http"
GSON = "/usr/share/java/gson.jar"
JSON_NET = "/usr/lib/cli/Newtonsoft.Json-5.0/Newtonsoft.Json.dll"
MONO_HTTP = "/usr/lib/mono/4.5/System.Net.Http.dll"

#: Language: what it needs (a program or a file, and Debian's package of it), how it is built, how it is run.
LANGUAGES: dict[str, tuple[dict[str, str], str, list[str]]] = {
    "python": ({}, "true", [sys.executable, "judge.py"]),
    "node": ({"node": "nodejs"}, "true", ["node", "judge.mjs"]),
    "php": ({"php": "php-cli"}, "true", ["php", "judge.php"]),
    "go": ({"go": "golang-go"}, "go vet . && go build", ["./judge"]),
    "java": (
        {"javac": "default-jdk-headless", GSON: "libgoogle-gson-java"},
        f"javac -Xlint:all -Werror -cp {GSON} Judge.java",
        ["java", "-cp", f"{GSON}:.", "Judge"],
    ),
    "csharp": (
        {"mcs": "mono-mcs", MONO_HTTP: "libmono-system-net-http4.0-cil", JSON_NET: "libnewtonsoft-json5.0-cil"},
        f"mcs -r:System.Net.Http,{JSON_NET} -out:judge.exe Judge.cs && cp {JSON_NET} .",
        ["mono", "judge.exe"],
    ),
    "cpp": (
        {"cmake": "cmake", "/usr/include/nlohmann/json.hpp": "nlohmann-json3-dev", "curl-config": "libcurl4-openssl-dev"},
        "cmake -S . -B build && cmake --build build",
        ["build/judge"],
    ),
}  # fmt: skip

#: Answers that are no verdict: HTTP status and body.
BAD = {
    "an error of the service": (503, '{"errorCode": 503, "errorMsg": "busy\\ncome back"}'),
    "an error with a verdict in it": (500, '{"errorCode": 0, "result": {"isAnomalous": false, "score": 0.1}}'),
    "an error with status 200": (200, '{"errorCode": 500, "errorMsg": "x", "result": {"isAnomalous": false, "score": 0.1}}'),
    "no errorCode": (200, '{"errorMsg": "x", "result": {"isAnomalous": false, "score": 0.1}}'),
    "no result": (200, '{"errorCode": 0, "errorMsg": "Success"}'),
    "no decision": (200, '{"errorCode": 0, "errorMsg": "Success", "result": {"score": 0.1}}'),
    "a decision in words": (200, '{"errorCode": 0, "errorMsg": "x", "result": {"isAnomalous": "false", "score": 0.1}}'),
    "no number as score": (200, '{"errorCode": 0, "errorMsg": "x", "result": {"isAnomalous": false, "score": null}}'),
    "a score that is not a number": (200, '{"errorCode": 0, "errorMsg": "x", "result": {"isAnomalous": false, "score": NaN}}'),
    "half an answer": (200, '{"errorCode": 0, "errorMsg": "x", "result": {"isAnomalous": false, "score": 0.1}'),
    "a page": (200, "<html>\nOK\n</html>"),
    "nothing": (200, ""),
}  # fmt: skip

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=LANGUAGES)
def judge(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., tuple[int, str, str]]:
    """(URL, picture) -> exit status, output and errors of the client in one language."""
    needs, build, command = LANGUAGES[request.param]
    for tool, package in needs.items():
        if shutil.which(tool) is None and not Path(tool).is_file():
            pytest.skip(f"{tool} is not installed: apt-get install {package}")
    folder = tmp_path_factory.mktemp("client") / request.param
    shutil.copytree(CLIENTS / request.param, folder)
    caches = {"GOCACHE": str(folder / "cache"), "GOFLAGS": "-mod=mod"}
    built = subprocess.run(
        build, shell=True, cwd=folder, env={**os.environ, **caches}, capture_output=True, text=True, timeout=600
    )
    assert built.returncode == 0, built.stdout + built.stderr

    def run(url: str, picture: object, **environment: str) -> tuple[int, str, str]:
        done = subprocess.run(
            [*command, url, str(picture)], cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True
        )
        return done.returncode, done.stdout, done.stderr

    return run


@pytest.fixture(scope="module")
def answering() -> Iterator[tuple[str, list[tuple[int, str]]]]:
    """A server's URL, and the list whose last entry is its answer to everything."""
    answers: list[tuple[int, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            status, text = answers[-1]
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", answers
        server.shutdown()


def no_verdict(status: int, output: str, errors: str) -> bool:
    """Status 2, nothing said but one line of error."""
    return status == 2 and output == "" and errors.startswith("error: ") and errors.count("\n") == 1


def test_it_says_what_the_service_says_of_good_and_bad_parts(
    judge, server, client: httpx.Client, images: list[str]
) -> None:
    for path in images[1:3]:
        entry = client.post("/judge", files={"files": Path(path).read_bytes()}).json()["results"][0]
        status, output, errors = judge(server.url, path)
        assert (status, errors) == (int(entry["isAnomalous"]), "")
        assert output == f"{'NG' if entry['isAnomalous'] else 'OK'} {entry['score']:.6f}\n"


def test_the_verdict_alone_decides_whatever_the_score(judge, answering, images: list[str]) -> None:
    url, answers = answering
    for anomalous in (True, False):
        result = {"isAnomalous": anomalous, "score": 0.25}
        answers.append((200, json.dumps({"errorCode": 0, "errorMsg": "Success", "result": result})))
        assert judge(url, images[0]) == (int(anomalous), f"{'NG' if anomalous else 'OK'} 0.250000\n", "")


def test_no_answer_but_a_verdict_is_a_verdict(judge, answering, images: list[str]) -> None:
    url, answers = answering
    said = {}
    for name, answer in BAD.items():
        answers.append(answer)
        said[name] = judge(url, images[0])
    assert {name: answer for name, answer in said.items() if not no_verdict(*answer)} == {}
    assert "busy" in said["an error of the service"][2]


def test_a_picture_that_is_none_a_missing_file_and_a_missing_service_are_no_verdict(
    judge, server, images: list[str], tmp_path: Path
) -> None:
    (tmp_path / "no picture.png").write_bytes(b"no picture")
    assert no_verdict(*judge(server.url, tmp_path / "no picture.png"))
    assert no_verdict(*judge(server.url, tmp_path / "missing.png"))
    assert no_verdict(*judge("http://127.0.0.1:9", images[0]))


def test_the_key_of_the_service_is_taken_from_the_environment(judge, serve_here, images: list[str]) -> None:
    url = serve_here(api_key="s" * 32)
    assert no_verdict(*judge(url, images[0]))
    assert judge(url, images[0], PADDLEX_API_KEY="s" * 32)[0] in (0, 1)
