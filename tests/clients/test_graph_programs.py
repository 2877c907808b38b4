"""The programs of clients/graph, built as docs/clients.md says, over the golden vectors."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest

from paddlex import create_model

ROOT = Path(__file__).parents[2]
CLIENTS = ROOT / "clients"
PAGE = (ROOT / "docs" / "clients.md").read_text(encoding="utf-8")
GOLDEN = CLIENTS / "golden"
EXPECTED: dict[str, dict[str, Any]] = json.loads((GOLDEN / "golden.json").read_text(encoding="utf-8"))
#: Model and picture; the one in colours is judged by both models.
TAKEN = [*(("rgb.onnx", name) for name in EXPECTED), ("bgr.onnx", "odd_size.png")]

#: Where the headers of ONNX Runtime may be, of libonnxruntime-dev (Debian 13) or unpacked by hand.
HEADERS = [Path("/usr/include/onnxruntime"), Path("/usr/local/include/onnxruntime")]
CARGO = "--config 'source.crates-io.replace-with=\"debian\"' --config 'source.debian.directory=\"/usr/share/cargo/registry\"'"
JNA = "/usr/share/java/jna.jar"
NPM = {"node": "nodejs", "npm": "npm"}

#: Language: what it needs (a program or a file, and Debian's package of it), how it is built in its folder, how it is run.
LANGUAGES: dict[str, tuple[dict[str, str], str, list[str]]] = {
    "python": ({}, "true", [sys.executable, "judge.py"]),
    "node": (NPM, "npm install --ignore-scripts --prefer-offline", ["node", "judge.mjs"]),
    "cpp": (
        {"cmake": "cmake", "/usr/include/stb/stb_image.h": "libstb-dev"},
        "cmake -S . -B build && cmake --build build",
        ["build/judge"],
    ),
    "go": ({"go": "golang-go"}, "go vet . && go build", ["./judge"]),
    "rust": (
        {"cargo": "cargo", "/usr/share/cargo/registry/image-0.24.3": "librust-image-dev"},
        f"cargo build --offline {CARGO}",
        ["target/debug/judge"],
    ),
    "java": (
        {"javac": "default-jdk-headless", JNA: "libjna-java"},
        f"javac -Xlint:all -Werror -cp {JNA} Judge.java",
        ["java", "-Djna.library.path=../c/build", "-cp", f"{JNA}:.", "Judge"],
    ),
    "csharp": (
        {"mcs": "mono-mcs", "/usr/lib/mono/4.5/System.Drawing.dll": "libmono-system-drawing4.0-cil"},
        "mcs -r:System.Drawing -out:judge.exe Judge.cs",
        ["mono", "judge.exe"],
    ),
}  # fmt: skip
WITHOUT_HEADERS = ("python", "node")

Program = Callable[..., tuple[int, str, str]]


def need(tools: dict[str, str]) -> None:
    for tool, package in tools.items():
        if shutil.which(tool) is None and not Path(tool).exists():
            pytest.skip(f"{tool} is not installed: apt-get install {package}")


def run(command: str, folder: Path) -> None:
    done = subprocess.run(command, shell=True, cwd=folder, capture_output=True, text=True, timeout=600)
    if "npm" in command and re.search("ENOTFOUND|EAI_AGAIN|ECONN|TIMEDOUT|ENOTCACHED", done.stderr):
        pytest.skip("npm's registry cannot be reached")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of clients/graph."""
    return Path(shutil.copytree(CLIENTS / "graph", tmp_path_factory.mktemp("clients") / "graph"))


@pytest.fixture(scope="module")
def onnx_runtime(folder: Path) -> Iterator[None]:
    """The environment in which compilers and CMake find ONNX Runtime; ../c is built by them."""
    need({"cmake": "cmake", "cc": "gcc"})
    headers = next((path for path in HEADERS if (path / "onnxruntime_cxx_api.h").is_file()), None)
    if headers is None:
        pytest.skip(f"onnxruntime_cxx_api.h is not in {HEADERS[0]}: apt-get install libonnxruntime-dev (Debian 13)")
    (library,) = (Path(onnxruntime.__file__).parent / "capi").glob("libonnxruntime.so.*")  # beside the wheel's module
    folder.joinpath("lib").mkdir()
    for name in ("libonnxruntime.so", "libonnxruntime.so.1"):
        folder.joinpath("lib", name).symlink_to(library)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("CMAKE_LIBRARY_PATH", str(folder / "lib"))
        environment.setenv("CMAKE_INCLUDE_PATH", str(headers.parent))
        environment.setenv("LD_LIBRARY_PATH", str(folder / "c" / "build"))  # of Mono
        environment.setenv("GOCACHE", str(folder / "go cache"))
        environment.setenv("CARGO_PROFILE_DEV_DEBUG", "0")
        environment.setenv("CFLAGS", "-Wall -Wextra -Werror")
        run("cmake -S . -B build && cmake --build build", folder / "c")
        yield


@pytest.fixture(scope="module", params=LANGUAGES)
def program(request: pytest.FixtureRequest, folder: Path) -> Program:
    """(model, picture) -> exit status, output and errors of the program in one language."""
    tools, build, command = LANGUAGES[request.param]
    need(tools)
    if request.param not in WITHOUT_HEADERS:
        request.getfixturevalue("onnx_runtime")
    run(build, folder / request.param)

    def judge(*arguments: object) -> tuple[int, str, str]:
        done = subprocess.run(
            [*command, *map(str, arguments)], cwd=folder / request.param, capture_output=True, text=True, timeout=240
        )
        return done.returncode, done.stdout, done.stderr

    return judge


def no_verdict(status: int, output: str, errors: str) -> bool:
    """Status 2, nothing said but one line of error."""
    return status == 2 and output == "" and errors.startswith("error: ") and errors.count("\n") == 1


def is_right(said: dict[str, Any], name: str) -> bool:
    return said == pytest.approx({key: value for key, value in EXPECTED[name].items() if key != "mapMean"}, abs=1e-5)


def test_they_are_small() -> None:
    suffixes = (".py", ".cpp", ".c", ".h", ".mjs", ".html", ".go", ".rs", ".java", ".cs", ".php")
    paths = [path for kind in ("http", "graph") for path in (CLIENTS / kind).rglob("*.*") if path.suffix in suffixes]
    lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in paths}
    assert {path.suffix for path in lines} == set(suffixes)
    assert {path for path, count in lines.items() if count >= 100} == set()


def test_the_golden_map_and_mask_are_what_opencv_computes(tmp_path: Path) -> None:
    """The other programs say less of a map than this: its highest value, and the number of anomalous pixels."""
    session = onnxruntime.InferenceSession(GOLDEN / "rgb.onnx")
    for name, expected in EXPECTED.items():
        pixels = cv2.cvtColor(cv2.imread(str(GOLDEN / name)), cv2.COLOR_BGR2RGB)
        anomaly_map, mask, raw_score = session.run(["anomaly_map", "mask", "raw_score"], {"image": pixels})
        assert anomaly_map.shape == mask.shape == pixels.shape[:2]
        assert (anomaly_map.mean(), raw_score) == pytest.approx((expected["mapMean"], expected["mapMaximum"]), abs=1e-5)
        assert (mask == 255).sum() == (mask != 0).sum() == expected["anomalousPixels"]


@pytest.mark.slow
def test_it_judges_the_golden_pictures_as_they_are_in_whichever_order_the_model_wants_colours(program: Program) -> None:
    for model, name in TAKEN:
        status, output, errors = program(GOLDEN / model, GOLDEN / name)
        assert (status, errors) == (int(EXPECTED[name]["isAnomalous"]), ""), name
        assert output.count("\n") == 1
        assert is_right(json.loads(output), name)


@pytest.mark.slow
def test_whatever_goes_wrong_is_no_verdict(program: Program, tmp_path: Path) -> None:
    model = onnx.load(GOLDEN / "rgb.onnx")
    del model.metadata_props[:]
    onnx.save(model, tmp_path / "no metadata.onnx")
    (division,) = (node for node in model.graph.node if node.output[0] == "part")
    division.input[1] = "no_size"
    model.graph.initializer.append(onnx.helper.make_tensor("no_size", onnx.TensorProto.FLOAT, [], [0.0]))
    onnx.helper.set_model_props(model, {"colour_order": "RGB"})
    onnx.save(model, tmp_path / "infinite.onnx")
    good, model_path = GOLDEN / "good.png", GOLDEN / "rgb.onnx"
    cases = {
        "no picture of 8 bits": (model_path, GOLDEN / "16_bits.png"),
        "no picture": (model_path, model_path),
        "no file": (model_path, tmp_path / "missing.png"),
        "no model": (good, good),
        "no file of a model": (tmp_path / "missing.onnx", good),
        "a model without colour order": (tmp_path / "no metadata.onnx", good),
        "a score that is not finite": (tmp_path / "infinite.onnx", good),
        "no arguments": (),
    }
    said = {name: program(*arguments) for name, arguments in cases.items()}
    assert {name: answer for name, answer in said.items() if not no_verdict(*answer)} == {}


@pytest.fixture(scope="module")
def predicted(used: Path, demo_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[Path, dict[str, Any]]:
    """Picture, PNG -> what a program has to say of it by the model of ``used``: what predict says."""
    folder, judged = tmp_path_factory.mktemp("pictures"), {}
    model = create_model(model_dir=used / "inference", device="cpu", backend="onnx")
    for name, size in (("good", (128, 128)), ("glue", (150, 91)), ("bent", (61, 200))):
        photo = cv2.resize(cv2.imread(str(demo_dataset / "images" / "val" / name / "000.jpg")), size)
        path = folder / f"{name}.png"
        path.write_bytes(cv2.imencode(".png", photo)[1].tobytes())
        (result,) = model.predict(str(path))
        said = {
            "score": result["score"],
            "isAnomalous": result["is_anomalous"],
            "mapMaximum": result["anomaly_map"].max(),
        }
        judged[path] = {**said, "anomalousPixels": np.count_nonzero(result["pred"])}
    return judged


@pytest.mark.slow
def test_by_an_exported_model_it_judges_as_predict_does(program: Program, used: Path, predicted) -> None:
    for picture, expected in predicted.items():
        status, output, errors = program(used / "inference" / "inference_complete.onnx", picture)
        assert (status, errors) == (int(expected["isAnomalous"]), "")
        assert json.loads(output) == pytest.approx(expected, rel=1e-3, abs=1e-3)


@pytest.mark.slow
def test_the_first_lines_of_the_page_judge(folder: Path, onnx_runtime: None, tmp_path: Path) -> None:
    python, cpp = (
        re.search(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)[1] for language in ("python", "cpp")
    )
    need({"/usr/include/stb/stb_image.h": "libstb-dev"})
    shutil.copy(GOLDEN / "rgb.onnx", tmp_path / "inference_complete.onnx")
    shutil.copy(GOLDEN / "glue.png", tmp_path / "part.png")
    shutil.copytree(folder / "cpp", tmp_path / "cpp", ignore=shutil.ignore_patterns("build"))
    (tmp_path / "cpp" / "judge.cpp").write_text(cpp, encoding="utf-8")
    run("cmake -S . -B build && cmake --build build", tmp_path / "cpp")
    for command in ([sys.executable, "-c", python], ["cpp/build/judge"]):
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.stdout.split()[0] == "NG", done.stderr
        assert float(done.stdout.split()[1]) == pytest.approx(EXPECTED["glue.png"]["score"], abs=1e-5)


@pytest.fixture(scope="module")
def page_folder(folder: Path) -> Path:
    """The page for the browser, installed, without a model."""
    need(NPM)
    run("npm install --ignore-scripts --prefer-offline", folder / "browser")
    return folder / "browser"


@pytest.fixture
def open_page(chromium: Any, page_folder: Path) -> Iterator[Callable[[Path], Any]]:
    """Opens the page with a model beside it, from a server of static files."""

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(page_folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page = chromium.new_page()
        page.set_default_timeout(120_000)

        def opened(model: Path) -> Any:
            shutil.copy(model, page_folder / "inference_complete.onnx")
            page.goto(f"http://127.0.0.1:{server.server_port}/")
            page.wait_for_function("!document.getElementById('details').textContent.startsWith('Loading')")
            return page

        yield opened
        page.close()
        server.shutdown()


def choose(page: Any, picture: Path) -> tuple[str, str]:
    """The verdict and the details after a picture was chosen."""
    page.set_input_files("#picture", str(picture))
    page.wait_for_function("!document.getElementById('picture').disabled")
    return page.inner_text("#verdict"), page.inner_text("#details")


@pytest.mark.slow
def test_the_page_judges_the_golden_pictures_without_a_server_of_its_own(open_page) -> None:
    for model, name in TAKEN:
        page = open_page(GOLDEN / model)
        verdict, details = choose(page, GOLDEN / name)
        assert verdict == ("NG" if EXPECTED[name]["isAnomalous"] else "OK"), details
        assert is_right(json.loads(details), name)
        assert page.locator("#shown").is_visible()


@pytest.mark.slow
def test_by_an_exported_model_the_page_judges_as_predict_does(open_page, used: Path, predicted) -> None:
    page = open_page(used / "inference" / "inference_complete.onnx")
    for picture, expected in predicted.items():
        assert json.loads(choose(page, picture)[1]) == pytest.approx(expected, rel=1e-3, abs=1e-3)


@pytest.mark.slow
def test_on_the_page_whatever_goes_wrong_takes_the_verdict_away(open_page, tmp_path: Path) -> None:
    page = open_page(GOLDEN / "rgb.onnx")
    (tmp_path / "no picture.png").write_bytes(b"no picture")
    for picture in (GOLDEN / "16_bits.png", tmp_path / "no picture.png"):
        assert choose(page, GOLDEN / "good.png")[0] == "OK"
        verdict, details = choose(page, picture)
        assert (verdict, details[:12]) == ("", "No verdict: ")
        assert page.locator("#shown").is_hidden()
    page = open_page(GOLDEN / "good.png")
    assert page.inner_text("#details").startswith("No verdict: ")
    assert page.locator("#picture").is_disabled()
