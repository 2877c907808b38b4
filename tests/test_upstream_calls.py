"""What PaddleX's pages for image anomaly detection show, call by call: each works, or is refused with the reason.

The table in docs/compatibility.md has a row for each call in ``CALLS``; ``python tests/test_upstream_calls.py`` prints it.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml
from PIL import Image

from paddlex import create_model, create_pipeline
from paddlex.cli import main as paddlex
from paddlex.config import load_config
from paddlex.engine import main
from paddlex.errors import ConfigError, DeviceError

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "compatibility.md"
CONFIG = "paddlex/configs/modules/image_anomaly_detection/STFPM.yaml"
HPI = {"backend": "onnxruntime"}

#: Makes a training short.
SMALL = "-o Train.image_size=64 -o Train.epochs_iters=1 -o Train.batch_size=4"

#: All keys of PaddleX's STFPM.yaml, with its values but for the GPUs and what is on the internet.
UPSTREAM_CONFIG = """
Global: {model: STFPM, mode: check_dataset, dataset_dir: /data/mvtec_examples, device: cpu, output: output}
CheckDataset:
  convert: {enable: False, src_dataset_type: null}
  split: {enable: False, train_percent: null, val_percent: null}
Train: {epochs_iters: 50, num_classes: 1, batch_size: 1, learning_rate: 0.4, pretrain_weight_path: null, warmup_steps: 100,
        resume_path: null, log_interval: 10, eval_interval: 100}
Evaluate: {weight_path: output/best_model/model.pdparams, log_interval: 10}
Predict: {batch_size: 1, model_dir: output/best_model/inference, input: uad_grid.png, kernel_option: {run_mode: paddle}}
Export: {weight_path: https://host/STFPM_pretrained.pdparams}
"""


@dataclass(frozen=True)
class Call:
    """One call of PaddleX's pages.

    Attributes:
        page: which one.
        text: the call; "|" cannot stand in it.
        here: what becomes of it.
        run: makes the call, and fails where it does not do what ``here`` says.
    """

    page: str
    text: str
    here: str
    run: Callable[[World], object]


CALLS: list[Call] = []


def call(page: str, text: str, here: str = "works") -> Callable[[Callable[[World], object]], Callable[[World], object]]:
    def note(run: Callable[[World], object]) -> Callable[[World], object]:
        CALLS.append(Call(page, text, here, run))
        return run

    return note


class World:
    """The folder that the pages' user works in: uad_grid.png, a data set, and output/ with a trained model.

    Attributes:
        folder: it is the current one.
        server: where a service answers that PaddleX's command has started.
        capsys: what was printed.
    """

    def __init__(self, folder: Path, server: str, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.server, self._capsys = folder, server, capsys

    def printed(self) -> str:
        return self._capsys.readouterr().out

    def said(self) -> str:
        return self._capsys.readouterr().err

    def main(self, mode: str, options: str = "") -> str:
        """``python main.py -c CONFIG -o Global.mode=MODE …``; returns the log."""
        arguments = f"-c {CONFIG} -o Global.mode={mode} -o Global.dataset_dir=./dataset -o Global.device=cpu {options}"
        self._capsys.readouterr()
        assert main(arguments.split()) == 0, self.said()
        return self.said()

    def post(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        request = urllib.request.Request(f"{self.server}{path}", json.dumps(body).encode())
        request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)


def model(**options: Any):
    return create_model(model_name="STFPM", model_dir="./output/best_model/inference", device="cpu", **options)


def one_result(**options: Any):
    return next(iter(model().predict("uad_grid.png", **options)))


def refused(words: str, function: Callable[[], object], error: type[Exception] = ConfigError) -> None:
    with pytest.raises(error, match=words):
        function()


# The module's page


@call("module", '`create_model(model_name="STFPM")`', "works: the official model, fetched once")
def official_model(world: World) -> None:
    assert create_model(model_name="STFPM").folder.model_name == "STFPM"


@call("module", '`create_model(model_name, model_dir, device="cpu")`')
def own_model(world: World) -> None:
    assert str(model().device) == "cpu"


@call("module", '`create_model(…, device="npu:0")`', "refused: CPUs and NVIDIA's GPUs")
def npu(world: World) -> None:
    refused("cpu or gpu:0", lambda: create_model("STFPM", "./output", device="npu:0"), DeviceError)


@call("module", "`create_model(…, use_hpip=True)`", "works: the fastest way to run the network")
def use_hpip(world: World) -> None:
    assert model(use_hpip=True).backend.run_mode == model().backend.run_mode


@call("module", '`create_model(…, use_hpip=True, hpi_config={"backend": "onnxruntime"})`')
def hpi_config(world: World) -> None:
    assert model(use_hpip=True, hpi_config=HPI).backend.run_mode == "onnx"


@call("module", '`model.predict("uad_grid.png", batch_size=1)`')
def predict_a_file(world: World) -> None:
    (result,) = model().predict("uad_grid.png", batch_size=1)
    assert (result["input_path"], result["pred"].dtype, result["pred"].ndim) == ("uad_grid.png", np.uint8, 3)


@call("module", "`model.predict(input=…)` of an array, a folder, a URL, a list of files, arrays or folders")
def predict_all_kinds(world: World) -> None:
    array = cv2.imread("uad_grid.png")
    inputs = [(array, 1), ("./photos", 2), (["uad_grid.png"] * 2, 2), ([array, array], 2), (["./photos"] * 2, 4)]
    loaded = model()
    with ThreadingHTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler) as web:
        threading.Thread(target=web.serve_forever, daemon=True).start()
        inputs.append((f"http://127.0.0.1:{web.server_port}/uad_grid.png", 1))
        for source, count in inputs:
            assert len(list(loaded.predict(input=source, batch_size=2))) == count
        web.shutdown()


@call("module", "`res.print(format_json=True, indent=4, ensure_ascii=False)`", "works; `json_format` is the same")
def print_json(world: World) -> None:
    result = one_result()
    world.printed()
    result.print(format_json=True, indent=2, ensure_ascii=True)
    assert json.loads(world.printed())["res"]["input_path"] == "uad_grid.png"
    result.print()
    assert "uad_grid.png" in world.printed()


@call("module", '`res.save_to_img(save_path="./output/")`', "works: a PNG, whatever the input is")
def save_to_img(world: World) -> None:
    one_result().save_to_img(save_path="./results/")
    assert cv2.imread("./results/uad_grid_res.png") is not None


@call(
    "module",
    "`res.save_to_json(save_path, indent=4, ensure_ascii=False)`",
    "works: the mask as run lengths, not as a list",
)
def save_to_json(world: World) -> None:
    one_result().save_to_json(save_path="./results/res.json", indent=2, ensure_ascii=True)
    assert json.loads(Path("./results/res.json").read_text(encoding="utf-8"))["input_path"] == "uad_grid.png"


@call("module", "`res.json`, `res.img`")
def attributes(world: World) -> None:
    result = one_result()
    assert np.array_equal(result.json["res"]["pred"], result["pred"])
    assert isinstance(result.img["res"], Image.Image)


@call("module", "`-o Global.mode=check_dataset`")
@call("module", f"`main.py -c {CONFIG}`", "works: the path leads to the shipped config")
def check_dataset(world: World) -> None:
    assert "Check dataset passed !" in world.main("check_dataset")
    result = json.loads(Path("output/check_dataset_result.json").read_text(encoding="utf-8"))
    assert {"done_flag", "check_pass", "attributes", "analysis", "dataset_path", "show_type", "dataset_type"} <= set(
        result
    )


@call(
    "module",
    "`train_result.json`, `train.log`, `config.yaml`, `.pdparams`, `.pdema`, `.pdopt`, `.pdiparams`",
    "written; the graph is `.pdmodel`",
)
@call("module", "`-o Global.mode=train -o Train.epochs_iters=10`", "works: epochs, not iterations")
def train(world: World) -> None:
    world.main("train", f"{SMALL} -o Global.output=trained_again")
    output = Path("trained_again")
    best = json.loads((output / "train_result.json").read_text(encoding="utf-8"))["models"]["best"]
    for path in ("train.log", "config.yaml", *(value for key, value in best.items() if key != "score")):
        assert (output / path).stat().st_size > 0


@call("module", "`-o Train.dy2st=True`", "refused: the training is not compiled by CINN")
def dy2st(world: World) -> None:
    refused("CINN", lambda: load_config(CONFIG, ["Train.dy2st=True"]))


@call("module", "`-o Global.mode=evaluate -o Evaluate.weight_path=./output/best_model/model.pdparams`")
def evaluate(world: World) -> None:
    world.main("evaluate", "-o Evaluate.weight_path=./output/best_model/model.pdparams")
    metrics = json.loads(Path("output/evaluate_result.json").read_text(encoding="utf-8"))["metrics"]
    assert {"IoU", "Precision", "Recall"} <= set(metrics)


@call(
    "module",
    '`-o Global.mode=predict -o Predict.model_dir="./output/best_model/inference" -o Predict.input="uad_grid.png"`',
)
def predict(world: World) -> None:
    world.main("predict", "-o Predict.model_dir=./output/best_model/inference -o Predict.input=uad_grid.png")
    assert json.loads(Path("output/predict_result.json").read_text(encoding="utf-8"))["images"] == 1


@call("module", "every key of PaddleX's `STFPM.yaml`", "taken")
def every_key(world: World) -> None:
    Path("upstream.yaml").write_text(UPSTREAM_CONFIG, encoding="utf-8")
    config = load_config("upstream.yaml").model_dump()
    for section, values in yaml.safe_load(UPSTREAM_CONFIG).items():
        for key, value in values.items():
            ours = config[section][key]
            assert ours == value or value.items() <= ours.items()


# The pages about single models, pipelines in Python and high-performance inference


@call("Python API", "`create_model(…, batch_size=2)`")
def batch_size(world: World) -> None:
    assert len(list(model(batch_size=2).predict("./photos"))) == 2


@call("Python API", '`create_model(…, engine="onnxruntime")`; `"paddle"`, `"paddle_static"`, `"hpi"`')
def engines(world: World) -> None:
    for engine, run_mode in (("onnxruntime", "onnx"), ("paddle", "paddle"), ("paddle_static", "paddle")):
        assert model(engine=engine).backend.run_mode == run_mode
    assert model(engine="hpi", engine_config=HPI).backend.run_mode == "onnx"


@call(
    "Python API",
    '`engine="paddle_dynamic"`, `"flexible"`, `"transformers"`, `"genai_client"`',
    "refused: for other models",
)
def other_engines(world: World) -> None:
    for engine in ("paddle_dynamic", "flexible", "transformers", "genai_client"):
        refused("engine cannot take", lambda engine=engine: model(engine=engine))


@call("Python API", '`engine_config={"run_mode": "mkldnn", "cpu_threads": 2}`', "works; other keys are refused")
def engine_config(world: World) -> None:
    assert model(engine="paddle", engine_config={"run_mode": "mkldnn", "cpu_threads": 2}).backend.run_mode == "mkldnn"
    refused("enable_cinn", lambda: model(engine="paddle", engine_config={"enable_cinn": True}))


@call("Python API", "`pp_option=…`, `genai_config=…`", "refused: `backend` and `threads` say the same")
def pp_option(world: World) -> None:
    refused("threads", lambda: model(pp_option=object()))
    refused("write text", lambda: model(genai_config={}))
    refused("threads", lambda: create_pipeline("anomaly_detection", pp_option=object()))


@call("Python API", "`res.str`")
def text_of_a_result(world: World) -> None:
    assert "uad_grid.png" in str(one_result().str)


@call("high-performance inference", '`-o Predict.use_hpip=True -o Predict.hpi_config=\'{"backend": "onnxruntime"}\'`')
def hpip_by_config(world: World) -> None:
    assert "run mode openvino" in world.main(
        "predict", '-o Predict.input=uad_grid.png -o Predict.use_hpip=True -o Predict.hpi_config={"backend":"openvino"}'
    )


@call("high-performance inference", "`-o Predict.model_dir=None`", "the model in `Global.output`, not the official one")
def no_model_dir(world: World) -> None:
    assert "best_model/inference" in world.main("predict", "-o Predict.model_dir=None -o Predict.input=uad_grid.png")


@call("high-performance inference", "`hpi_config` with `auto_config`, `auto_paddle2onnx`, `backend_config`", "works")
def whole_hpi_config(world: World) -> None:
    whole = {
        "auto_config": True,
        "auto_paddle2onnx": True,
        "backend": "openvino",
        "backend_config": {"cpu_num_threads": 1},
    }
    assert model(use_hpip=True, hpi_config=whole).backend.run_mode == "openvino"


@call(
    "high-performance inference", "`backend: om`, `dynamic_shapes`", "refused: Ascend's; the network has one input size"
)
def other_backends(world: World) -> None:
    refused("Ascend", lambda: model(use_hpip=True, hpi_config={"backend": "om"}))
    shapes = {"backend": "tensorrt", "backend_config": {"dynamic_shapes": {}}}
    refused("one input size", lambda: model(use_hpip=True, hpi_config=shapes))


@call(
    "high-performance inference",
    "`paddlex --install hpi-cpu`, `--paddle2onnx`",
    "refused: says what to install; models bring their ONNX",
)
def install_hpi(world: World) -> None:
    assert paddlex(["--install", "hpi-cpu"]) == 1
    assert "pip install" in world.said()
    assert paddlex(["--paddle2onnx", "--paddle_model_dir", "a", "--onnx_model_dir", "b"]) == 1
    assert "inference.onnx" in world.said()


# The pipeline's page


@call("pipeline", "`paddlex --pipeline anomaly_detection --input uad_grid.png --device cpu --save_path ./output`")
def pipeline_command(world: World) -> None:
    arguments = "--pipeline anomaly_detection --input uad_grid.png --device cpu --save_path ./judged"
    assert paddlex(arguments.split()) == 0
    assert {"uad_grid_res.png", "uad_grid_res.json"} <= {path.name for path in Path("judged").iterdir()}


@call("pipeline", '`paddlex … --use_hpip --hpi_config \'{"backend": "onnxruntime"}\'`')
def pipeline_command_with_hpip(world: World) -> None:
    arguments = ["--pipeline", "anomaly_detection", "--input", "uad_grid.png", "--device", "cpu", "--use_hpip"]
    assert paddlex([*arguments, "--hpi_config", json.dumps(HPI)]) == 0
    assert "onnx on cpu" in world.printed()


@call("pipeline", "`paddlex … --engine paddle`", "refused: `--run_mode` says it; `--engine` is local or ray here")
def engine_of_the_command(world: World) -> None:
    with pytest.raises(SystemExit):
        paddlex(["--pipeline", "anomaly_detection", "--input", "uad_grid.png", "--engine", "paddle"])
    assert "--run_mode" in world.said()


@call("pipeline", "`paddlex … --device npu:0`", "refused: CPUs and NVIDIA's GPUs")
def npu_of_the_command(world: World) -> None:
    assert paddlex(["--pipeline", "anomaly_detection", "--input", "uad_grid.png", "--device", "npu:0"]) == 1
    assert "cpu or gpu:0" in world.said()


@call("pipeline", '`create_pipeline(pipeline="anomaly_detection", device, use_hpip, hpi_config)`')
def pipeline_by_name(world: World) -> None:
    pipeline = create_pipeline(pipeline="anomaly_detection", device="cpu", use_hpip=True, hpi_config=HPI)
    assert pipeline.predictor.backend.run_mode == "onnx"


@call("pipeline", "`create_pipeline(config={…})`, also with its name as `pipeline`")
def pipeline_by_config(world: World) -> None:
    config = yaml.safe_load(
        "pipeline_name: anomaly_detection\nSubModules:\n  AnomalyDetection:\n    module_name: anomaly_detection\n"
        "    model_name: STFPM\n    model_dir: ./output/best_model/inference\n    batch_size: 1\n"
    )
    assert create_pipeline(config=config).config.model_dir == "./output/best_model/inference"
    assert create_pipeline(pipeline="anomaly_detection", config=config).config.batch_size == 1


@call("pipeline", '`pipeline.predict(input="uad_grid.png")`, `res.print()`, `res.save_to_img`, `res.save_to_json`')
def pipeline_results(world: World) -> None:
    for result in create_pipeline(pipeline="anomaly_detection", device="cpu").predict(input="uad_grid.png"):
        result.print()
        result.save_to_img(save_path="./of_pipeline/")
        result.save_to_json(save_path="./of_pipeline/")
    assert {path.name for path in Path("of_pipeline").iterdir()} == {"uad_grid_res.png", "uad_grid_res.json"}


@call("pipeline", '`create_pipeline(pipeline="./my_path/anomaly_detection.yaml")`')
@call(
    "pipeline",
    "`paddlex --get_pipeline_config anomaly_detection --save_path ./my_path`",
    "works; without a path it asks nothing and writes here",
)
def own_pipeline_file(world: World) -> None:
    assert paddlex(["--get_pipeline_config", "anomaly_detection", "--save_path", "./my_path"]) == 0
    pipeline = create_pipeline(pipeline="./my_path/anomaly_detection.yaml", device="cpu")
    assert pipeline.predictor.folder.model_name == "STFPM"


@call("pipeline", "`use_hpip` and `hpi_config` in the file, for all or for `SubModules.AnomalyDetection`")
def hpip_in_the_file(world: World) -> None:
    module = {"model_dir": "./output", "use_hpip": True, "hpi_config": {"backend": "openvino"}}
    pipeline = create_pipeline(config={"use_hpip": False, "SubModules": {"AnomalyDetection": module}}, device="cpu")
    assert pipeline.predictor.backend.run_mode == "openvino"


# The part of the pipeline's page on the service, and the page on serving


@call("serving", "`paddlex --install serving`", 'refused: says `pip install "image-anomaly-toolkit[serving]"`')
def install_serving(world: World) -> None:
    assert paddlex(["--install", "serving"]) == 1
    assert "[serving]" in world.said()


@call(
    "serving",
    '`POST /image-anomaly-detection` `{"image": base64}`',
    "works: `logId`, `errorCode`, `errorMsg`, `result.labelMap`, `.size`, `.image`",
)
@call(
    "serving",
    "`paddlex --serve --pipeline … --device … --host … --port … --use_hpip --hpi_config …`",
    "works; listens on 127.0.0.1, not on 0.0.0.0",
)
def infer(world: World) -> None:
    status, answer = world.post("/image-anomaly-detection", {"image": encoded("uad_grid.png")})
    assert (status, answer["errorCode"], answer["errorMsg"]) == (200, 0, "Success")
    height, width = answer["result"]["size"]
    assert len(answer["result"]["labelMap"]) == height * width
    assert set(answer["result"]["labelMap"]) <= {0, 255}
    assert base64.b64decode(answer["result"]["image"]).startswith(b"\xff\xd8\xff")
    assert re.fullmatch(r"[0-9a-f-]{36}", answer["logId"])


@call("serving", '`{"image": …, "visualize": false}`', "works; `null` is what `Serving.visualize` says")
def visualize(world: World) -> None:
    _, answer = world.post("/image-anomaly-detection", {"image": encoded("uad_grid.png"), "visualize": False})
    assert answer["result"]["image"] is None
    _, answer = world.post("/image-anomaly-detection", {"image": encoded("uad_grid.png"), "visualize": None})
    assert answer["result"]["image"]


@call("serving", '`{"image": URL}`', "refused, unless `--allow_urls` is given")
def url(world: World) -> None:
    status, answer = world.post("/image-anomaly-detection", {"image": "http://127.0.0.1/a.png"})
    assert (status, answer["errorCode"]) == (status, status)
    assert status >= 400
    assert "--allow_urls" in answer["errorMsg"]


@call("serving", "an error: `logId`, `errorCode` (the HTTP status), `errorMsg`")
def service_error(world: World) -> None:
    status, answer = world.post("/image-anomaly-detection", {"image": "no image"})
    assert answer["errorCode"] == status >= 400
    assert answer["errorMsg"]
    assert answer["logId"]


@call("serving", "`POST /anomaly-detection`", "404, as from PaddleX's server; its page names it once by mistake")
def other_endpoint(world: World) -> None:
    assert world.post("/anomaly-detection", {"image": encoded("uad_grid.png")})[0] == 404


def encoded(path: str) -> str:
    return base64.b64encode(Path(path).read_bytes()).decode()


# Making the calls


@pytest.fixture(scope="module")
def folder(trained: Path, demo_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("user")
    shutil.copytree(trained, folder / "output")
    (folder / "dataset").symlink_to(demo_dataset)
    image = cv2.imread(str(demo_dataset / "images" / "val" / "bent" / "000.jpg"))
    (folder / "photos").mkdir()
    for name in ("uad_grid.png", "photos/a.png", "photos/b.jpg"):
        cv2.imwrite(str(folder / name), image)
    shutil.copytree(trained / "best_model" / "inference", folder / "home" / "official_models" / "STFPM")
    return folder


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[str]:
    arguments = "--serve --pipeline anomaly_detection --device cpu --host 127.0.0.1 --port 0 --use_hpip --hpi_config"
    command = [sys.executable, "-m", "paddlex", *arguments.split(), json.dumps(HPI)]
    environment = {**os.environ, "PADDLEX_HOME": str(folder / "home"), "PYTHONPATH": str(ROOT)}
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stderr=log, env=environment)
    try:
        deadline = time.monotonic() + 240
        while time.monotonic() < deadline and process.poll() is None:
            log_so_far = (folder / "server.log").read_text(encoding="utf-8")
            found = re.search(r"Serving on (http://\S+)", log_so_far)
            if found and is_ready(found[1]):
                break
            time.sleep(0.1)
        else:
            raise AssertionError(log_so_far)
        yield found[1]
    finally:
        process.kill()
        process.wait()


def is_ready(url: str) -> bool:
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"{url}/readyz", timeout=60):
            return True
    except OSError:
        return False


@pytest.fixture
def world(folder: Path, server: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> World:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PADDLEX_HOME", str(folder / "home"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return World(folder, server, capsys)


RUNS = {one.run.__name__: one.run for one in CALLS}  # one run may be that of several calls


@pytest.mark.parametrize("name", RUNS)
def test_a_call_of_paddlexs_pages_does_what_the_table_says(name: str, world: World) -> None:
    RUNS[name](world)


def table() -> list[str]:
    rows = sorted(CALLS, key=lambda one: list(dict.fromkeys(other.page for other in CALLS)).index(one.page))
    return ["| page | call | here |", "|---|---|---|", *(f"| {one.page} | {one.text} | {one.here} |" for one in rows)]


def test_the_table_of_the_documentation_has_these_calls() -> None:
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    start = lines.index(table()[0])
    assert lines[start : start + len(table())] == table()


if __name__ == "__main__":
    print("\n".join(table()))
