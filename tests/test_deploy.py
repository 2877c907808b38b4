"""What deploy/ holds: images whose steps are all carried out, as far as this can be without Docker, and units of systemd."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

from paddlex import create_model

ROOT = Path(__file__).parent.parent
DEPLOY = ROOT / "deploy"
DOCKERFILES = sorted(DEPLOY.glob("*.Dockerfile"))
UNITS = sorted(DEPLOY.glob("*.service"))
#: Whom this machine trusts; a proxy's certificate may be among them.
AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"

#: Within an image: starts what it starts, waits until it is healthy, has a picture judged, tries to write, and ends it.
TRY = """
import base64, json, os, subprocess, sys, time, urllib.request
command, health, picture = json.loads(sys.argv[1])
server = subprocess.Popen(command)
while server.poll() is None and subprocess.run(health, capture_output=True).returncode:
    time.sleep(0.5)
body = json.dumps({"image": base64.b64encode(open(picture, "rb").read()).decode()}).encode()
url, kind = "http://127.0.0.1:8080/image-anomaly-detection", {"Content-Type": "application/json"}
with urllib.request.urlopen(urllib.request.Request(url, body, kind), timeout=240) as answer:
    score = json.load(answer)["result"]["rawScore"]
def writes(folder):
    try:
        open(folder + "/new", "w").close()
        return True
    except OSError:
        return False
can_write = [folder for folder in ("/", "/etc", "/opt/paddlex", "/var/lib", "/models/default", "/tmp") if writes(folder)]
server.terminate()
print(json.dumps({"score": score, "status": server.wait(240), "uid": os.getuid(), "can_write": can_write}))
"""


def instructions(dockerfile: Path) -> list[tuple[str, str]]:
    """Each instruction and what follows it, of all stages, in their order."""
    text = re.sub(r"^#.*\n", "", dockerfile.read_text(encoding="utf-8"), flags=re.MULTILINE).replace("\\\n", " ")
    return [(line.split(None, 1)[0], line.split(None, 1)[1].strip()) for line in text.splitlines() if line.strip()]


def last(dockerfile: Path, instruction: str) -> str:
    return [value for name, value in instructions(dockerfile) if name == instruction][-1]


def context() -> list[Path]:
    """The files that .dockerignore lets through, relative to the project's folder."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    wanted = [line[1:] for line in lines if line.startswith("!")]
    found = [path for pattern in wanted for path in ROOT.glob(pattern)]
    files = [file for path in found for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file()]
    return [file.relative_to(ROOT) for file in files if "__pycache__" not in file.parts]


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.stem)
def test_an_image_runs_as_nobody_in_particular_and_installs_by_checksum(dockerfile: Path) -> None:
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", last(dockerfile, "USER"))
    runs = [value for name, value in instructions(dockerfile) if name == "RUN"]
    installs = [run for run in runs if " install " in run and "/pip " in run]
    assert len(installs) >= 2
    assert all("--require-hashes" in run or run.endswith("--no-deps .") for run in installs)


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.stem)
def test_all_that_an_image_copies_is_in_its_context_and_no_data_is(dockerfile: Path) -> None:
    files = {str(path) for path in context()}
    copied = [
        value.split()[:-1] for name, value in instructions(dockerfile) if name == "COPY" and "--from" not in value
    ]
    assert {source for sources in copied for source in sources if source != "."} <= files
    assert {"pyproject.toml", "docs/package.md", "LICENSE", "paddlex/cli.py"} <= files
    assert not [file for file in files if fnmatch(file, "output*") or fnmatch(file, "dataset*") or ".git" in file]


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.stem)
def test_systemd_takes_a_unit_as_it_stands_and_finds_it_well_shut(unit: Path, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed: apt-get install systemd")
    here = tmp_path / unit.name
    text = unit.read_text(encoding="utf-8")
    here.write_text(text.replace("/opt/paddlex/bin/paddlex", "/bin/true"), encoding="utf-8")
    done = subprocess.run(["systemd-analyze", "verify", here], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    shut = ["systemd-analyze", "security", "--offline=true", "--threshold=25", "--no-pager", here]
    done = subprocess.run(shut, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


class Image:
    """A Dockerfile that is carried out without Docker: Debian's own smallest system, and its steps within it."""

    def __init__(self, dockerfile: Path, base: Path, folder: Path) -> None:
        self._environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
        self._user, self._workdir, roots = "0:0", "/", {}
        for name, value in instructions(dockerfile):
            if name == "FROM":
                self.root = folder / str(len(roots))
                subprocess.run(["cp", "-a", base, self.root], check=True)
                self._environment, self._workdir = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}, "/"
                roots[value.partition(" AS ")[2]] = self.root
            elif name == "ENV":
                self._environment |= dict(part.split("=", 1) for part in shlex.split(value))
            elif name == "WORKDIR":
                self._workdir = value
                self._path(value).mkdir(parents=True, exist_ok=True)
            elif name == "USER":
                self._user = value
            elif name == "COPY":
                self._copy(value, roots)
            elif name == "RUN":
                self._run(value)

    def _path(self, inside: str) -> Path:
        return self.root / os.path.normpath(os.path.join(self._workdir, inside)).lstrip("/")

    def _copy(self, value: str, roots: dict[str, Path]) -> None:
        if found := re.fullmatch(r"--from=(\w+) (\S+) (\S+)", value):
            subprocess.run(["cp", "-a", roots[found[1]] / found[2].lstrip("/"), self._path(found[3])], check=True)
            return
        *sources, target = value.split()
        for path in context():
            if sources == ["."] or str(path) in sources:
                to = self._path(target) / (path if sources == ["."] else path.name)
                to.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(ROOT / path, to)

    def _run(self, command: str) -> None:
        """As root, with the network; what this machine knows of proxies and indexes is lent to it."""
        lent = []
        for path, inside in (
            ("/etc/resolv.conf",) * 2,
            ("/etc/apt/apt.conf.d",) * 2,
            (AUTHORITIES, "/run/authorities"),
        ):
            lent += ["--ro-bind", path, inside] if Path(path).exists() else []
        known = re.compile("(https?|no)_proxy|PIP_", re.IGNORECASE)
        environment = {key: value for key, value in os.environ.items() if known.match(key)}
        environment |= {"PIP_CERT": "/run/authorities"} if Path(AUTHORITIES).exists() else {}
        sandbox = [
            "bwrap",
            "--cap-add",
            "ALL",
            "--bind",
            self.root,
            "/",
            "--dev",
            "/dev",
            "--proc",
            "/proc",
            *lent,
            "--chdir",
            self._workdir,
        ]
        done = subprocess.run(
            [*sandbox, "/bin/sh", "-c", command],
            env={**environment, **self._environment},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"

    def run(self, command: list[str], *bind: object) -> subprocess.CompletedProcess[str]:
        """As Docker does with --read-only, --tmpfs /tmp and --cap-drop ALL: by the image's user, with a network of its own."""
        user, group = self._user.split(":")
        known = [part for name, value in self._environment.items() for part in ("--setenv", name, value)]
        sandbox = [
            "bwrap", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--die-with-parent", "--cap-add", "ALL",
            "--ro-bind", self.root, "/", "--dev", "/dev", "--proc", "/proc", "--perms", "1777", "--tmpfs", "/tmp", *bind,
            "--clearenv", *known, "--chdir", self._workdir,
            "/usr/bin/setpriv", "--reuid", user, "--regid", group, "--clear-groups", "--bounding-set=-all", "--inh-caps=-all",
            "--no-new-privs", *command,
        ]  # fmt: skip
        return subprocess.run(sandbox, capture_output=True, text=True)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Debian's smallest system, which debian:bookworm-slim is made of."""
    if missing := [tool for tool in ("bwrap", "debootstrap", "setpriv") if shutil.which(tool) is None]:
        pytest.skip(f"not installed: {', '.join(missing)}. apt-get install bubblewrap debootstrap util-linux")
    if os.geteuid() != 0:
        pytest.skip("only root may make a system")
    folder = tmp_path_factory.mktemp("base")
    done = subprocess.run(
        ["debootstrap", "--variant=minbase", "bookworm", folder / "root"], capture_output=True, text=True
    )
    if done.returncode != 0:
        pytest.skip(f"Debian's archive cannot be reached: {done.stdout[-200:]}")
    for name in ("models/default", "pictures", "work"):  # Docker makes the places that are mounted
        (folder / "root" / name).mkdir(parents=True)
    yield folder / "root"
    shutil.rmtree(folder)


def readable(source: Path, target: Path) -> Path:
    """A copy that everybody may read."""
    shutil.copytree(source, target)
    subprocess.run(["chmod", "-R", "a+rX", target], check=True)
    return target


@pytest.mark.slow
@pytest.mark.endurance
def test_the_runtime_is_healthy_and_judges_where_it_can_write_nothing_but_tmp(
    base: Path, trained: Path, demo_dataset: Path, tmp_path: Path
) -> None:
    dockerfile = DEPLOY / "runtime.Dockerfile"
    image = Image(dockerfile, base, tmp_path)
    model = readable(trained / "best_model" / "inference", tmp_path / "model")
    photo = readable(demo_dataset / "images" / "val" / "thread", tmp_path / "pictures") / "000.jpg"
    command = json.loads(last(dockerfile, "ENTRYPOINT")) + json.loads(last(dockerfile, "CMD"))
    health = json.loads(last(dockerfile, "HEALTHCHECK").partition("CMD ")[2])
    given = json.dumps([command, health, "/pictures/000.jpg"])
    mounted = ("--ro-bind", model, "/models/default", "--ro-bind", photo.parent, "/pictures")
    done = image.run(["/opt/paddlex/bin/python", "-c", TRY, given], *mounted)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    (here,) = create_model(model_dir=trained, device="cpu").predict(str(photo))
    assert result["score"] == pytest.approx(here["raw_score"], rel=1e-3)
    assert (result["status"], result["uid"], result["can_write"]) == (0, 65532, ["/tmp"])
    bill = json.loads((image.root / "opt" / "paddlex" / "sbom.json").read_text(encoding="utf-8"))
    assert {"numpy", "onnxruntime", "fastapi"} <= {one["name"] for one in bill["components"]}
    assert image.run(["python", "-c", "import paddle"]).returncode == 1


@pytest.mark.slow
@pytest.mark.endurance
def test_the_training_image_makes_a_model_and_writes_nowhere_but_into_work(
    base: Path, demo_dataset: Path, tmp_path: Path
) -> None:
    image = Image(DEPLOY / "training.Dockerfile", base, tmp_path)
    work = tmp_path / "work"
    readable(demo_dataset, work / "dataset")
    subprocess.run(["chown", "-R", "65532:65532", work], check=True)
    keys = ("Global.mode=train", "Global.dataset_dir=/work/dataset", "Train.image_size=64", "Train.epochs_iters=1")
    options = [part for key in keys for part in ("-o", key)]
    done = image.run(["paddlex", "-c", "configs/image_anomaly_detection/STFPM.yaml", *options], "--bind", work, "/work")
    assert done.returncode == 0, done.stderr[-2000:]
    assert (work / "output" / "best_model" / "inference" / "inference.onnx").is_file()
