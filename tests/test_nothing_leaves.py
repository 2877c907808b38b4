"""Nothing leaves the machine unasked: every mode and entrance is watched by the kernel, native code and child processes too."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import paddlex

PACKAGE = Path(paddlex.__file__).parent
ROOT = PACKAGE.parent
CONFIG = PACKAGE / "configs" / "image_anomaly_detection" / "STFPM.yaml"
MAIN = [str(ROOT / "main.py"), "-c", str(CONFIG)]

#: What a socket is given, other than on the machine itself: strace prints an address as one of these.
ADDRESS = re.compile(r'inet_addr\("([^"]+)"\)|inet_pton\(AF_INET6, "([^"]+)"')
LOOPBACK = re.compile(r"127\.|::1$|::ffff:127\.")

#: The caches of this program and of Paddle. Nothing else may appear in a home folder.
CACHES = {".cache/paddlex", ".cache/paddle"}

#: By these some libraries know that a machine builds software, and keep quiet there.
CI = ("CI", "GITHUB_", "GITLAB_", "TF_BUILD", "BUILD_", "JENKINS_", "TEAMCITY_", "TRAVIS", "CIRCLECI")


@pytest.fixture(scope="module")
def strace() -> str:
    path = shutil.which("strace")
    if path is None or subprocess.run([path, "-qq", "-o", os.devnull, "true"], check=False).returncode != 0:
        pytest.skip("strace is not installed, or may not be used here")
    return path


class Watched:
    """Runs a program under strace, in an empty home."""

    def __init__(self, strace: str, folder: Path) -> None:
        self._trace, self.home, self._strace = folder / "trace", folder / "home", strace
        self.home.mkdir()

    def run(self, *arguments: object) -> str:
        """What the program prints; its exit status must be 0."""
        environment = {
            key: value for key, value in os.environ.items() if not key.startswith(("XDG_", "MPL", "PADDLEX", "RAY"))
        }
        command = [
            self._strace,
            "-f",
            "-qq",
            "-e",
            "trace=connect,bind,sendto,sendmsg,sendmmsg",
            "-o",
            str(self._trace),
        ]
        done = subprocess.run(
            [*command, sys.executable, *map(str, arguments)],
            env={**environment, "HOME": str(self.home)}, capture_output=True, text=True, cwd=ROOT,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def addresses(self) -> set[str]:
        """Beyond the machine, of everything that a socket was connected or bound to, or sent something to."""
        found = {"".join(pair) for pair in ADDRESS.findall(self._trace.read_text(encoding="utf-8", errors="replace"))}
        return {address for address in found if not LOOPBACK.match(address)}

    def in_home(self) -> list[str]:
        """What lies in the home folder now, but for the caches."""
        found = [*self.home.glob("*"), *(self.home / ".cache").glob("*")]
        names = {path.relative_to(self.home).as_posix() for path in found} - {".cache"}
        return sorted(names - CACHES)


@pytest.fixture
def watched(strace: str, tmp_path: Path) -> Watched:
    return Watched(strace, tmp_path)


def test_the_watch_sees_a_look_up_a_connection_a_port_for_all_and_a_child(watched: Watched) -> None:
    child = "import socket; s = socket.socket(socket.AF_INET6); s.bind(('::', 0))"
    watched.run(
        "-c",
        "import socket, subprocess, sys\n"
        "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.connect(('192.0.2.1', 9)); s.sendto(b'x', ('127.0.0.1', 9))\n"
        f"subprocess.run([sys.executable, '-c', {child!r}], check=True)",
    )
    assert watched.addresses() == {"192.0.2.1", "::"}


SHORT = (
    "-o",
    "Train.image_size=64",
    "-o",
    "Train.epochs_iters=1",
    "-o",
    "Train.batch_size=4",
    "-o",
    "Global.device=cpu",
)


def mode(name: str, dataset: Path, output: Path, *overrides: str) -> list[str]:
    given = (f"Global.mode={name}", f"Global.dataset_dir={dataset}", f"Global.output={output}", *overrides)
    return [*MAIN, *SHORT, *(part for override in given for part in ("-o", override))]


def slow(name: str, *overrides: str):
    return pytest.param(name, list(overrides), marks=pytest.mark.slow)


@pytest.mark.parametrize(
    ("name", "overrides"),
    [
        ("check_dataset", []),
        slow("train", "Train.visualdl=True"),
        slow("train", "Train.processes=2"),
        slow("evaluate"),
        slow("export", "Export.precision=int8", "Export.archive=True", "Export.force=True"),
        ("predict", []),
        slow("predict", "Predict.kernel_option.run_mode=onnx"),
        slow("predict", "Predict.kernel_option.run_mode=openvino"),
        slow("predict", "Predict.kernel_option.run_mode=mkldnn"),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(one.rpartition(".")[2] for one in value) or "plain",
)
def test_no_mode_reaches_beyond_the_machine(
    watched: Watched, demo_dataset: Path, trained_copy: Path, tmp_path: Path, name: str, overrides: list[str]
) -> None:
    output = tmp_path / "output" if name == "train" else trained_copy
    given = (
        [f"Predict.input={demo_dataset / 'images' / 'val' / 'good'}", *overrides] if name == "predict" else overrides
    )
    watched.run(*mode(name, demo_dataset, output, *given))
    meeting_point = {"0.0.0.0"} if "Train.processes=2" in overrides else set()  # Paddle's, which no setting confines
    assert (watched.addresses(), watched.in_home()) == (meeting_point, [])


def test_the_command_reaches_nobody(watched: Watched, demo_dataset: Path, trained: Path) -> None:
    images = demo_dataset / "images" / "val" / "good"
    watched.run("-m", "paddlex", "--pipeline", "anomaly_detection", "--model_dir", trained, "--input", images)
    assert (watched.addresses(), watched.in_home()) == (set(), [])


def test_python_reaches_nobody(watched: Watched, demo_dataset: Path, trained: Path) -> None:
    image = next((demo_dataset / "images" / "val" / "good").iterdir())
    program = (
        "import sys\nfrom paddlex import create_model, create_pipeline\n"
        "for run_mode in ('onnx', 'openvino', 'mkldnn'):\n"
        "    list(create_model('STFPM', sys.argv[1], 'cpu', backend=run_mode).predict(sys.argv[2]))\n"
        "list(create_pipeline('anomaly_detection', model_dir=sys.argv[1]).predict(sys.argv[2]))\n"
    )
    watched.run("-c", program, trained, image)
    assert (watched.addresses(), watched.in_home()) == (set(), [])


#: Starts the service, asks for a verdict, and stops it.
SERVE = """
import json, re, signal, subprocess, sys, urllib.request
command = [sys.executable, "-m", "paddlex", "--serve", "--pipeline", sys.argv[1], "--device", "cpu", "--port", "0"]
server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
url = next(found[1] for line in server.stderr if (found := re.search(r"Serving on (http://[^ ]*[0-9])", line)))
next(line for line in server.stderr if "ready" in line.lower())
print(urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url + "/healthz").status)
server.send_signal(signal.SIGTERM)
server.stderr.read()
sys.exit(server.wait(60))
"""


def test_the_service_listens_on_the_loopback_alone(watched: Watched, trained: Path) -> None:
    assert watched.run("-c", SERVE, trained).split() == ["200"]
    assert (watched.addresses(), watched.in_home()) == (set(), [])


@pytest.mark.slow
def test_ray_listens_on_the_loopback_alone(watched: Watched, demo_dataset: Path, trained: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    watched.run(
        "-m", "paddlex", "--pipeline", "anomaly_detection", "--model_dir", trained, "--engine", "ray", "--device", "cpu",
        "--workers", "1", "--input", demo_dataset / "images" / "val" / "good", "--save_path", tmp_path / "table",
    )  # fmt: skip
    assert list((tmp_path / "table").glob("part-*.parquet"))
    assert (watched.addresses(), watched.in_home()) == (set(), [])


@pytest.mark.slow
def test_a_benchmark_reaches_nobody(watched: Watched, demo_dataset: Path, tmp_path: Path) -> None:
    shutil.copytree(demo_dataset, tmp_path / "categories" / "grid")
    watched.run(*mode("benchmark", tmp_path / "categories", tmp_path / "output"))
    assert json.loads((tmp_path / "output" / "benchmark_result.json").read_text(encoding="utf-8"))["done_flag"]
    assert (watched.addresses(), watched.in_home()) == (set(), [])


def test_what_tells_its_makers_or_writes_into_the_home_is_imported_in_one_place() -> None:
    found = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Import)
        and {alias.name for alias in node.names} & {"openvino", "onnxruntime", "visualdl"}
    }
    assert found == {"utils/private_imports.py"}
