"""A device on the line: the wheel with one extra, in an environment without Paddle, judges images in every way there is."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

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
        [sys.executable, "-m", "pip", "--quiet", *arguments], capture_output=True, text=True, cwd=ROOT
    )
    if "No matching distribution" in done.stderr or "Connection" in done.stderr:
        pytest.skip("no package index can be reached")
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--no-deps", "--wheel-dir", str(folder), ".")
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module", params=["onnx", "openvino"])
def edge(request: pytest.FixtureRequest, wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with the wheel and one backend, and no Paddle."""
    folder = tmp_path_factory.mktemp("edge") / request.param
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    python = folder / "bin" / "python"
    pip("--python", str(python), "install", "--no-compile", f"{wheel}[{request.param}]")
    return python


@pytest.mark.slow
def test_it_judges_as_the_development_machine_does_and_without_anything_heavy(
    edge: Path, trained: Path, images: list[str], tmp_path: Path
) -> None:
    from paddlex import create_model

    folder = trained / "best_model" / "inference"
    done = subprocess.run(
        [edge, "-c", JUDGE, str(folder), json.dumps(images)], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    expected = [one["raw_score"] for one in create_model("STFPM", folder, "cpu", backend="mkldnn").predict(images)]
    assert result["scores"] == pytest.approx(expected, abs=1e-3)
    assert result["piped"] == result["scores"]
    assert result["heavy"] == []


@pytest.mark.slow
def test_the_command_works_and_says_what_making_a_model_needs(
    edge: Path, trained: Path, images: list[str], tmp_path: Path
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
    done = subprocess.run([*command, images[0]], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[0])["input_path"] == images[0]
    asked = subprocess.run([edge, "-m", "paddlex", "-c", "any.yaml"], capture_output=True, text=True, cwd=tmp_path)
    assert asked.returncode == 1
    assert 'pip install "image-anomaly-toolkit[train,cpu]"' in asked.stderr


@pytest.mark.slow
def test_it_is_small(edge: Path) -> None:
    """The sizes that the documents state, of the installed packages, in MiB."""
    folder = next((edge.parent.parent / "lib").glob("python*")) / "site-packages"
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 2**20
    assert size < {"onnx": 300, "openvino": 400}[edge.parent.parent.name]


@pytest.fixture(scope="module")
def images(demo_dataset: Path) -> list[str]:
    folder = demo_dataset / "images" / "val"
    return [str(folder / name / "000.jpg") for name in ("good", "thread")]
