"""What several tests share: small real data sets and a model that was really trained, once for the whole run."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from setuptools import Distribution

from paddlex.inference.model_folder import CONFIG_NAME, open_model_folder
from paddlex.modules.image_anomaly_detection.models import MODELS
from paddlex.utils.locks import exclusive
from paddlex.utils.paddle_environment import import_paddle

ROOT = Path(__file__).parent.parent
CONFIG = ROOT / "paddlex" / "configs" / "image_anomaly_detection" / "STFPM.yaml"

#: What makes a training short, as far as a model has such a key.
SHORT = {"image_size": 128, "epochs_iters": 3, "batch_size": 4, "log_interval": 1}


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
def distribution() -> Distribution:
    """What pyproject.toml says: version, dependencies, extras, packages and the files beside their code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        known = Distribution()
        known.parse_config_files()
    return known


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Path], object]], Path]:
    """(name, fill) -> a folder that ``fill`` has made, once for all workers of the run. Do not change it."""
    root = tmp_path_factory.getbasetemp()
    shared = (root.parent if "PYTEST_XDIST_WORKER" in os.environ else root) / "shared"

    def made(name: str, fill: Callable[[Path], object]) -> Path:
        folder, mark = shared / name, shared / f"{name}.made"
        with exclusive(shared / f"{name}.lock", wait_seconds=600):
            if not mark.exists():
                shutil.rmtree(folder, ignore_errors=True)  # of a worker that failed
                fill(folder)
                mark.touch()
        return folder

    return made


@pytest.fixture(scope="session")
def demo_dataset(once: Callable[..., Path]) -> Path:
    """A small demonstration data set: 24 normal images to train on, 4 normal and 10 defective to validate. Do not change it."""
    from paddlex.data.demo import make_demo_dataset

    return once(
        "metal grid", lambda folder: make_demo_dataset(folder, train=24, val_normal=4, val_anomalous=10, size=128)
    )


@pytest.fixture(scope="session")
def trained_models(demo_dataset: Path, once: Callable[..., Path]) -> Callable[[str], Path]:
    """Name -> the output folder of a short, real training run (128x128) of that model by main.py. Do not change it."""

    def trained(name: str) -> Path:
        keys = MODELS[name].options.model_fields
        short = [f"Train.{key}={value}" for key, value in SHORT.items() if key in keys]

        def train(output: Path) -> None:
            done = run_main(
                "Global.mode=train", f"Global.dataset_dir={demo_dataset}", f"Global.output={output}",
                "Global.device=cpu", *short, config=CONFIG.with_name(f"{name}.yaml"),
            )  # fmt: skip
            assert done.returncode == 0, done.stderr

        return once(f"trained {name}", train)

    return trained


@pytest.fixture(scope="session")
def used_models(
    trained_models: Callable[[str], Path], demo_dataset: Path, once: Callable[..., Path]
) -> Callable[[str], Path]:
    """Name -> the same after all other modes: checked, evaluated, exported with everything, and predicted with the export."""

    def used(name: str) -> Path:
        def use(output: Path) -> None:
            shutil.copytree(trained_models(name), output)
            for mode, *more in (
                ["check_dataset"],
                ["evaluate", "Evaluate.analyses=[]"],
                ["export", "Export.precision=int8", "Export.force=True", "Export.archive=True"],
                ["predict", f"Predict.input={demo_dataset / 'images' / 'val'}", f"Predict.model_dir={output / 'inference'}",
                 "Predict.batch_size=3"],
            ):  # fmt: skip
                done = run_main(
                    f"Global.mode={mode}", f"Global.dataset_dir={demo_dataset}", f"Global.output={output}",
                    "Global.device=cpu", *more, config=CONFIG.with_name(f"{name}.yaml"),
                )  # fmt: skip
                assert done.returncode == 0, done.stderr

        return once(f"{name} 输出 folder", use)

    return used


@pytest.fixture(scope="session")
def trained(trained_models: Callable[[str], Path]) -> Path:
    """The output folder of a short training of an STFPM (3 epochs). Do not change it."""
    return trained_models("STFPM")


@pytest.fixture(scope="session")
def used(used_models: Callable[[str], Path]) -> Path:
    """That of an STFPM that went through all modes. Do not change it."""
    return used_models("STFPM")


@pytest.fixture
def trained_copy(trained: Path, tmp_path: Path) -> Path:
    """A copy of ``trained`` that a test may change."""
    return Path(shutil.copytree(trained, tmp_path / "trained"))


@pytest.fixture(scope="session")
def patchcore(trained_models: Callable[[str], Path]) -> Path:
    """The output folder of a short training of another model than STFPM. Do not change it."""
    return trained_models("PatchCore")


@pytest.fixture(scope="session")
def disc_dataset(once: Callable[..., Path]) -> Path:
    """Another product than the demonstration's: 16 photos of a disc to train on, and of 3 to validate one scratched."""

    def draw(folder: Path) -> None:
        for name, seeds in (("train", range(16)), ("val", range(100, 103))):
            (folder / name).mkdir(parents=True)
            for seed in seeds:
                rng = np.random.default_rng(seed)
                photo = np.full((128, 128, 3), (70, 80, 90), np.uint8)
                x, y = (int(value) for value in rng.integers(62, 67, 2))
                cv2.circle(photo, (x, y), 40, (160, 190, 200), -1)
                cv2.circle(photo, (x, y), 12, (60, 60, 70), -1)
                if seed == 102:
                    cv2.line(photo, (80, 40), (95, 70), (30, 30, 30), 4)
                noisy = np.clip(photo + rng.normal(0, 5, photo.shape), 0, 255).astype(np.uint8)
                cv2.imwrite(str(folder / name / f"{seed:03}.png"), noisy)
        (folder / "train.txt").write_text("".join(f"train/{seed:03}.png\n" for seed in range(16)), encoding="utf-8")
        (folder / "val.txt").write_text("val/100.png\nval/101.png\n", encoding="utf-8")

    return once("discs", draw)


@pytest.fixture(scope="session")
def bank(patchcore: Path, disc_dataset: Path, once: Callable[..., Path]) -> Path:
    """A folder with the models of two products, ``grid`` (the demonstration's) and ``disc``. Do not change it."""

    def fill(folder: Path) -> None:
        shutil.copytree(patchcore / "best_model" / "inference", folder / "grid")
        done = run_main(
            "Global.mode=train", f"Global.dataset_dir={disc_dataset}", f"Global.output={folder / 'disc'}",
            "Global.device=cpu", "Train.image_size=128", config=CONFIG.with_name("PatchCore.yaml"),
        )  # fmt: skip
        assert done.returncode == 0, done.stderr

    return once("bank", fill)


@pytest.fixture(scope="session")
def forget_signature() -> Callable[[Path], None]:
    """Makes a model folder one that was trained before signatures were noted."""

    def forget(model: Path) -> None:
        folder = open_model_folder(model)
        replace(folder, own=replace(folder.own, signature=None)).write_config(folder.path / CONFIG_NAME)

    return forget


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


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """The system's Chromium, driven by Playwright; ``CHROMIUM`` may name its executable.

    For a module, not for longer: as long as Playwright is there, asyncio.run() refuses to run in this thread.
    """
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="Playwright drives the browser: pip install playwright"
    )
    names = ("chromium", "chromium-browser", "google-chrome")
    executable = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if executable is None:
        pytest.skip("the page is tested in Chromium, which is not installed (Debian: apt-get install chromium)")
    arguments = ["--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=executable, args=arguments)
        yield browser
        browser.close()
