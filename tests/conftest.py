"""What several tests share: small real data sets and a model that was really trained, once for the whole run."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from paddlex.utils.paddle_environment import import_paddle

ROOT = Path(__file__).parent.parent
CONFIG = ROOT / "paddlex" / "configs" / "image_anomaly_detection" / "STFPM.yaml"


import_paddle()  # before a test does it otherwise


def pytest_configure() -> None:
    """Who is started in the background by a script ignores Ctrl-C, and so would the programs under test."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, lambda number, frame: None)  # is not handed on, ignoring would be


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("slow") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(1800))


def run_main(*overrides: str, config: Path | str = CONFIG, **options: object) -> subprocess.CompletedProcess[str]:
    """Run main.py in a process of its own, as a user does; each override without its ``-o``."""
    arguments = [part for override in overrides for part in ("-o", override)]
    command = [sys.executable, str(ROOT / "main.py"), "-c", str(config), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=600, cwd=ROOT, **options)  # type: ignore[call-overload]


@pytest.fixture(scope="session")
def main_runner():
    return run_main


@pytest.fixture(scope="session")
def demo_dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small demonstration data set: 24 normal images to train on, 4 normal and 10 defective to validate. Do not change it."""
    from paddlex.data.demo import make_demo_dataset

    return make_demo_dataset(
        tmp_path_factory.mktemp("data") / "metal grid", train=24, val_normal=4, val_anomalous=10, size=128
    )


@pytest.fixture(scope="session")
def trained(demo_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output folder of a short, real training run (128x128, 3 epochs) by main.py. Do not change it."""
    output = tmp_path_factory.mktemp("trained")
    done = run_main(
        "Global.mode=train", f"Global.dataset_dir={demo_dataset}", f"Global.output={output}", "Global.device=cpu",
        "Train.image_size=128", "Train.epochs_iters=3", "Train.batch_size=4", "Train.log_interval=1",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return output


@pytest.fixture
def trained_copy(trained: Path, tmp_path: Path) -> Path:
    """A copy of ``trained`` that a test may change."""
    return Path(shutil.copytree(trained, tmp_path / "trained"))


@pytest.fixture(scope="session")
def patchcore(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a training run whose model goes by another name than STFPM. Do not change it."""
    output = tmp_path_factory.mktemp("another model") / "output"
    inference = shutil.copytree(trained / "best_model" / "inference", output / "best_model" / "inference")
    config = inference / "inference.yml"
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace("model_name: STFPM", "model_name: PatchCore", 1), encoding="utf-8")
    return output


@pytest.fixture(scope="session")
def ask_to_stop() -> Callable[[], None]:
    """What a SIGTERM does to a process that listens to it. A real one could land anywhere, and end the tests."""
    return lambda: signal.getsignal(signal.SIGTERM)(signal.SIGTERM, None)


@pytest.fixture(scope="session")
def magnetic_tile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A writable copy of the magnetic tile data set, in MVTec AD layout; it is not part of the project."""
    source = Path(os.environ.get("MAGNETIC_TILE", ROOT.parent / "shared" / "data" / "magnetic_tile"))
    if not source.is_dir():
        pytest.skip("the magnetic tile data set is not here; set MAGNETIC_TILE to its folder")
    copy = Path(shutil.copytree(source, tmp_path_factory.mktemp("magnetic_tile") / "magnetic_tile"))
    for path in copy.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return copy
