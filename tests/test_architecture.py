"""The rules that hold the house up: using a model never needs what makes one, nor Paddle, nor anything heavy."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import paddlex
from paddlex.modules.image_anomaly_detection.models import MODELS
from paddlex.modules.image_anomaly_detection.models.gradient_options import GradientSection

PACKAGE = Path(paddlex.__file__).parent

#: A room that needs no Paddle -> what nothing in it may import, not even inside a function.
HIGHER = ("paddlex.engine", "paddlex.modes", "paddlex.cli", "paddlex.modules")
FORBIDDEN = {
    "inference": (*HIGHER, "paddlex.data", "paddlex.evaluation"),
    "data": (*HIGHER, "paddlex.evaluation"),
    "evaluation": HIGHER,
    "studio": HIGHER,
    "line": (*HIGHER, "paddlex.data", "paddlex.evaluation", "paddlex.studio"),
}
FILES = [path for room in FORBIDDEN for path in sorted((PACKAGE / room).rglob("*.py"))]

#: Imports every module of paddlex.inference where Paddle cannot be imported, then opens a model folder.
WITHOUT_PADDLE = """
import json, pkgutil, sys, traceback

class NoPaddle:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "paddle":
            raise ImportError("Paddle is not here")

sys.meta_path.insert(0, NoPaddle())

import importlib
import paddlex.inference

failures = {}
modules = [module.name for module in pkgutil.walk_packages(paddlex.inference.__path__, "paddlex.inference.")]
serving = [name for name in modules if name.startswith("paddlex.inference.serving.")]  # may need FastAPI, and so pydantic
modules = [name for name in modules if name not in serving]
for name in modules:
    try:
        importlib.import_module(name)
    except BaseException:
        failures[name] = traceback.format_exc()
imported = set(sys.modules)
for name in serving:
    try:
        importlib.import_module(name)
    except BaseException:
        failures[name] = traceback.format_exc()
heavy_in_serving = [name for name in ("torch", "sklearn", "matplotlib", "scipy", "jinja2") if name in sys.modules]
heavy = [name for name in ("torch", "sklearn", "matplotlib", "scipy", "pydantic") if name in imported] + heavy_in_serving
making = [name for name in sys.modules if name.startswith("paddlex.modules")]
for room in ("data", "evaluation"):
    package = importlib.import_module(f"paddlex.{room}")
    for name in [module.name for module in pkgutil.walk_packages(package.__path__, f"paddlex.{room}.")]:
        try:
            importlib.import_module(name)
        except BaseException:
            failures[name] = traceback.format_exc()

from paddlex.errors import ModelError
from paddlex.inference.model_folder import open_model_folder
from paddlex.inference.predictor import AnomalyPredictor

folder = open_model_folder(sys.argv[1])
try:
    AnomalyPredictor(sys.argv[1], device="cpu", run_mode="paddle")
    error = None
except ModelError as caught:
    error = str(caught)
print(json.dumps({
    "modules": modules, "serving": serving, "failures": failures, "heavy": heavy, "making": making,
    "model_name": folder.model_name, "threshold": folder.limits.image.threshold, "error": error,
}))
"""


@pytest.fixture(scope="module")
def without_paddle(trained: Path) -> dict:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_PADDLE, str(trained)],
        capture_output=True, text=True, timeout=240, cwd=PACKAGE.parent,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def imported_names(path: Path) -> Iterator[str]:
    """Every module that a file imports anywhere, inside functions too, as an absolute dotted name."""
    package = path.relative_to(PACKAGE.parent).with_suffix("").parts[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_rooms_without_paddle_import_no_room_above_them(path: Path) -> None:
    forbidden = FORBIDDEN[path.relative_to(PACKAGE).parts[0]]
    assert [name for name in imported_names(path) if name.startswith(forbidden)] == []


def test_the_check_above_sees_every_way_of_importing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "PACKAGE", tmp_path / "paddlex")
    path = tmp_path / "paddlex" / "inference" / "file.py"
    path.parent.mkdir(parents=True)
    path.write_text(
        "import paddlex.modules.a\nfrom paddlex import modules\ndef f():\n    from ..modules import b\n",
        encoding="utf-8",
    )
    found = list(imported_names(path))
    assert {"paddlex.modules.a", "paddlex.modules", "paddlex.modules.b"} <= set(found)


def test_every_module_of_inference_data_and_evaluation_imports_without_paddle(without_paddle: dict) -> None:
    assert "paddlex.inference.predictor" in without_paddle["modules"]
    assert "paddlex.inference.serving.server" in without_paddle["serving"]
    assert without_paddle["failures"] == {}


def test_importing_inference_imports_nothing_heavy(without_paddle: dict) -> None:
    assert without_paddle["heavy"] == []


def test_importing_inference_imports_nothing_of_making_models(without_paddle: dict) -> None:
    assert without_paddle["making"] == []


def test_a_model_folder_opens_without_paddle(without_paddle: dict) -> None:
    assert without_paddle["model_name"] == "STFPM"
    assert without_paddle["threshold"] > 0


def test_running_a_model_without_paddle_says_what_to_install(without_paddle: dict) -> None:
    assert without_paddle["error"] == "the run mode paddle needs paddle. pip install paddlepaddle==3.2.2."


def test_the_networks_and_the_metrics_know_no_files_and_no_config() -> None:
    making = PACKAGE / "modules" / "image_anomaly_detection"
    rooms = (making / "backbones", PACKAGE / "evaluation" / "metrics")
    files = [*(path for room in rooms for path in room.glob("*.py")), *(making / "models").glob("*/network.py")]
    files.remove(making / "backbones" / "weights.py")  # that one is about files
    assert len(files) > 9
    imports = {(path.name, name) for path in files for name in imported_names(path)}
    impure = ("paddlex.config", "paddlex.engine", "paddlex.modes", "paddlex.utils", "pathlib", "os", "yaml", "json")
    assert [
        pair for pair in imports if pair[1] in impure or pair[1].startswith(("paddlex.config", "paddlex.utils"))
    ] == []


MODELS_ROOM = PACKAGE / "modules" / "image_anomaly_detection" / "models"
GRADIENT = "paddlex.modules.image_anomaly_detection.training.gradient"

#: Folder of a model -> what it is called; what several models share is in folders that are not here.
FOLDERS = {model.network.split(".")[-2]: name for name, model in MODELS.items()}

#: Where a model's name may stand besides: facts about PaddleX, PaddleSeg and what others have published.
NAMES_ALLOWED = {
    "config_schema.py",  # the model of a config that names none, as in PaddleX
    "inference/official_models.py",
    "inference/postprocess.py",  # PaddleX's constant threshold
    "integrations/paddleseg.py",
    "modules/image_anomaly_detection/benchmark/published.py",
    "modules/image_anomaly_detection/benchmark/words.py",  # published means
    "modules/image_anomaly_detection/models/__init__.py",
}


def words_of_code(path: Path) -> Iterator[tuple[int, str]]:
    """Every name and every text in a file's code, with its line; docstrings and comments, which may cite papers, are none."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        for _, value in ast.iter_fields(node):
            if isinstance(value, str) and id(node) not in docstrings:
                yield getattr(node, "lineno", 0), value


def test_nothing_outside_a_models_folder_knows_its_name() -> None:
    known = {name.casefold() for name in (*FOLDERS, *FOLDERS.values())}
    files = [
        path
        for path in sorted(PACKAGE.rglob("*.py"))
        if path.relative_to(PACKAGE).as_posix() not in NAMES_ALLOWED
        and not any(path.is_relative_to(MODELS_ROOM / folder) for folder in FOLDERS)
    ]
    assert len(files) > 200
    assert [
        f"{path.relative_to(PACKAGE)} line {line}: {word}"
        for path in files
        for line, word in words_of_code(path)
        if any(name in word.casefold() for name in known)
    ] == []


def test_only_models_that_learn_by_gradients_meet_what_trains_them() -> None:
    """Of the models it is STFPM alone; ``models/__init__.py`` names functions, and imports none."""
    users = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if any(name.startswith(GRADIENT) for name in imported_names(path))
    }
    room = "modules/image_anomaly_detection/training/gradient/"
    assert [
        path for path in users if not path.startswith((room, "modules/image_anomaly_detection/models/stfpm/"))
    ] == []
    assert {name for name, model in MODELS.items() if issubclass(model.options, GradientSection)} == {"STFPM"}


SCHEMAS_WITHOUT_PADDLE = """
import sys

class NoPaddle:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "paddle":
            raise ImportError("Paddle is not here")

sys.meta_path.insert(0, NoPaddle())

from paddlex.config import schema_for
from paddlex.modules.image_anomaly_detection.models import MODELS

for name, model in MODELS.items():
    assert schema_for(name)().Train == model.options()
print(*MODELS)
"""


def test_what_can_be_set_of_every_model_is_known_without_paddle() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCHEMAS_WITHOUT_PADDLE],
        capture_output=True, text=True, timeout=240, cwd=PACKAGE.parent,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == list(MODELS)


def test_nan_which_is_no_json_is_never_written_unasked() -> None:
    """Python writes it unless told not to; what Python alone reads again may say ``allow_nan=True``."""
    silent = []
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            is_json = isinstance(node, ast.Call) and ast.unparse(node.func) in ("json.dump", "json.dumps")
            if is_json and not any(keyword.arg == "allow_nan" for keyword in node.keywords):
                silent.append(f"{path.relative_to(PACKAGE)} line {node.lineno}")
    assert silent == []


def test_the_studios_page_shows_pictures_only_as_every_browser_can() -> None:
    scripts = sorted((PACKAGE / "studio" / "page").rglob("*.js"))
    addresses = [one for path in scripts for one in re.findall(r"\bstudio/pictures/[^`\"']*", path.read_text("utf-8"))]
    assert len(addresses) > 5
    as_it_came = [one for one in addresses if not one.endswith(("/shown", "/thumbnail"))]
    assert as_it_came == ["studio/pictures/${row.digest}"], "only to judge one again is a picture fetched as it came"


def test_the_studios_page_says_everything_in_both_languages() -> None:
    page = PACKAGE / "studio" / "page"
    parts = sorted(path.name.split(".")[1] for path in page.glob("strings.*.en.js"))
    assert len(parts) > 2
    for part in parts:
        english, chinese = (
            re.findall(r'^\s*"?([\w.]+)"?: ["`(\[{]', (page / f"strings.{part}.{language}.js").read_text("utf-8"), re.M)
            for language in ("en", "zh")
        )
        assert len(english) > 20 and english == chinese
