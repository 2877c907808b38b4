"""``paddlex --line`` as a process of its own, with a real model."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from paddlex import create_model
from paddlex.errors import ModelError
from paddlex.inference.model_bank import find_bank
from paddlex.inference.model_folder import open_model_folder
from paddlex.line.config import load_line_config
from paddlex.line.judge import Judge
from paddlex.utils.child_process import environment_of_child
from paddlex.utils.files import folder_digest
from tests.line.conftest import until


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@pytest.fixture
def model(patchcore: Path) -> Path:
    return patchcore / "best_model" / "inference"


@pytest.fixture
def picture(demo_dataset: Path) -> Path:
    return min(demo_dataset.rglob("val/good/*.jpg"))


@pytest.fixture
def config(tmp_path: Path, model: Path) -> Path:
    path = tmp_path / "line.yaml"
    (tmp_path / "hot").mkdir()
    path.write_text(
        f"Line:\n  model_dir: {model}\n  outbox: {tmp_path / 'outbox'}\n  deadline_s: 60\n  heartbeat_s: 0.1\n"
        f"Source:\n  type: folder\n  path: {tmp_path / 'hot'}\n  settle_s: 0\n"
        f"Ports:\n  web:\n    type: http\n    port: {free_port()}\n  mes:\n    type: webhook\n    url: http://127.0.0.1:1/\n"
    )
    return path


def run(*arguments: str | Path, **others: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "paddlex", *map(str, arguments)]
    environment = {**environment_of_child(), **others}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


@pytest.fixture
def start(config: Path, tmp_path: Path) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    """Start the station; it is ready, as its service manager hears, when this returns."""
    started = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(120)

        def start() -> subprocess.Popen[str]:
            process = run("--line", config, NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC="1000000")
            process.heard = lambda: manager.recv(1000).decode()  # type: ignore[attr-defined]
            started.append(process)
            assert process.heard() == "READY=1"  # type: ignore[attr-defined]
            assert process.heard() == "WATCHDOG=1"  # type: ignore[attr-defined]
            return process

        yield start
        for process in started:
            process.kill()
            process.communicate()


def test_from_a_picture_to_a_stored_answer_and_to_a_clean_stop(
    start: Callable[[], subprocess.Popen[str]], config: Path, tmp_path: Path, model: Path, picture: Path
) -> None:
    expected = next(iter(create_model("PatchCore", model, device="cpu").predict(str(picture))))
    process = start()
    web = load_line_config(config).ports["web"]._options.port  # type: ignore[attr-defined]
    client = http.client.HTTPConnection("127.0.0.1", web, timeout=120)
    client.request("POST", "/trigger?id=17", picture.read_bytes(), {"Content-Type": "image/jpeg"})
    answer = json.loads(client.getresponse().read())["result"]
    assert (answer["id"], answer["sequence"], answer["fail_safe"]) == ("17", 1, None)
    assert answer["is_ok"] is not expected["is_anomalous"]
    assert answer["score"] == pytest.approx(expected["raw_score"], rel=1e-4)
    assert answer["threshold"] == expected["threshold"]
    assert answer["model"] == folder_digest(model)

    shutil.copyfile(picture, tmp_path / "part.jpg")
    os.replace(tmp_path / "part.jpg", tmp_path / "hot" / "a.jpg")
    until(lambda: (tmp_path / "hot" / "done" / answer["verdict"].lower() / "a.jpg").is_file())

    process.send_signal(signal.SIGTERM)
    _, log = process.communicate(timeout=120)
    assert process.returncode == 0, log
    assert "The station has stopped." in log
    while (word := process.heard()) == "WATCHDOG=1":  # type: ignore[attr-defined]
        pass
    assert word == "STOPPING=1"
    with sqlite3.connect(tmp_path / "outbox" / "outbox.db") as database:
        assert database.execute("SELECT count(*) FROM answers").fetchone() == (2,)
        places = dict(database.execute("SELECT name, delivered FROM ports").fetchall())
    assert places == {"web": 2, "mes": 0}  # nobody took what was for the other, and it waits


def test_a_check_says_in_a_line_each_what_works(config: Path) -> None:
    process = run("--line", config, "--check")
    output, log = process.communicate(timeout=120)
    assert process.returncode == 1, log
    lines = [line[:20].split(":")[0] for line in output.splitlines()]
    assert lines == ["ok      model", "ok      outbox", "ok      source", "ok      port web", "FAILED  port mes"]
    assert "it cannot be reached: Connection refused (http://127.0.0.1:1)" in output


#: The same program, but its model hangs.
HANGS = """
import sys, threading
import paddlex.line.judge

class Hangs:
    def __init__(self, line): pass
    def judge(self, picture, product): threading.Event().wait()

paddlex.line.judge.Judge = Hangs
from paddlex.cli import main
sys.exit(main(["--line", sys.argv[1]]))
"""


def test_a_model_that_hangs_has_its_trigger_answered_and_ends_the_program(tmp_path: Path) -> None:
    web = free_port()
    (tmp_path / "line.yaml").write_text(
        f"Line:\n  outbox: {tmp_path}\n  deadline_s: 0.2\n  restart_after_s: 1\n  stop_s: 0.1\n"
        f"Ports:\n  web:\n    type: http\n    port: {web}\n"
    )
    command = [sys.executable, "-c", HANGS, str(tmp_path / "line.yaml")]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment_of_child())
    client = http.client.HTTPConnection("127.0.0.1", web, timeout=120)

    def is_up() -> bool:
        try:
            client.connect()
            return True
        except OSError:
            return False

    until(is_up)
    client.request("POST", "/trigger", b"picture")
    answer = json.loads(client.getresponse().read())["result"]
    assert (answer["verdict"], answer["fail_safe"]) == ("NG", "deadline")
    _, log = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "The station hangs" in log


def test_two_stations_do_not_share_an_outbox(start: Callable[[], subprocess.Popen[str]], config: Path) -> None:
    start()
    second = run("--line", config)
    _, log = second.communicate(timeout=120)
    assert second.returncode == 1
    assert "another process is at work in this folder" in log


@pytest.mark.parametrize(
    ("text", "message"),
    [("Line:\n  outbx: box\n", "unknown key Line.outbx.*line 2.*Did you mean Line.outbox?"), (None, "does not exist")],
)
def test_a_config_that_is_wrong_is_one_line(tmp_path: Path, text: str | None, message: str) -> None:
    if text is not None:
        (tmp_path / "line.yaml").write_text(text)
    process = run("--line", tmp_path / "line.yaml")
    _, log = process.communicate(timeout=120)
    assert process.returncode == 1
    assert len(log.splitlines()) == 1
    assert re.search(message, log)


def test_the_shipped_config_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    shipped = Path(__file__).parents[2] / "paddlex" / "configs" / "line" / "line.yaml"
    config = load_line_config(shipped)
    assert list(config.ports) == ["plc"]
    defaults = type(config.line)(outbox="./outbox")
    assert config.line == defaults  # what the file says is what holds without it


def test_a_trigger_names_the_product_whose_model_judges(bank: Path, disc_dataset: Path, tmp_path: Path) -> None:
    (tmp_path / "line.yaml").write_text(f"Line:\n  model_dir: {bank}\n  product: auto\n  outbox: {tmp_path}\n")
    judge = Judge(load_line_config(tmp_path / "line.yaml").line)
    found = find_bank(bank)
    assert found is not None
    photo = min(disc_dataset.rglob("*.png"))
    for product in found.products:
        verdict = judge.judge(photo.read_bytes(), product)
        assert (verdict.product, verdict.model) == (
            product,
            folder_digest(open_model_folder(found.products[product]).path),
        )
    assert judge.judge(photo, None).product in found.products
    with pytest.raises(ModelError, match="no model of the product lid"):
        judge.judge(photo, "lid")
