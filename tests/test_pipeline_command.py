"""``paddlex --pipeline`` as shells and scripts use it: its output, its files and its exit status."""

from __future__ import annotations

import contextlib
import csv
import fcntl
import json
import os
import pty
import select
import shutil
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

import paddlex
from paddlex import create_model
from paddlex.cli import main
from paddlex.inference.pipelines.pipeline_config import PipelineConfig, load_pipeline_config
from paddlex.inference.predictor import AnomalyPredictor
from paddlex.pipeline_command import _Teller

ROOT = Path(paddlex.__file__).parent.parent

#: Runs the command where a package cannot be imported.
WITHOUT = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {missing!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing())
from paddlex.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def val(demo_dataset: Path) -> Path:
    return demo_dataset / "images" / "val"


@pytest.fixture
def run(trained: Path, capsys: pytest.CaptureFixture[str]):
    """Run ``paddlex --pipeline`` on the trained model; returns the exit status, standard output and standard error."""

    def run(*arguments: str | Path, model_dir: Path = trained) -> tuple[int, str, str]:
        options = ["--pipeline", "anomaly_detection", "--model_dir", str(model_dir), "--device", "cpu"]
        capsys.readouterr()
        status = main([*options, *map(str, arguments)])
        return status, *capsys.readouterr()

    return run


def test_the_command_takes_whatever_model_the_folder_holds(run, val: Path, patchcore: Path) -> None:
    part = val / "bent" / "000.jpg"
    status, out, err = run("--input", part, "--json", model_dir=patchcore)
    (row,) = map(json.loads, out.splitlines())
    known = next(create_model(model_dir=patchcore, device="cpu").predict(part))
    assert (status, row["score"]) == (0, pytest.approx(known["score"], abs=1e-6))
    assert "Model PatchCore from" in err


class SlowServer:
    """Serves the same image under two URLs; ``before_second`` runs before the second is sent."""

    def __init__(self, image: Path) -> None:
        server, content = self, image.read_bytes()
        self.before_second: Callable[[], object] = lambda: None

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/2.jpg":
                    server.before_second()
                self.send_response(200)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.urls = [f"http://127.0.0.1:{self._server.server_port}/{number}.jpg" for number in (1, 2)]
        self.environment = {**os.environ, "no_proxy": "127.0.0.1"}

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def slow_server(val: Path) -> Iterator[SlowServer]:
    server = SlowServer(val / "bent" / "000.jpg")
    yield server
    server.close()


def start(*arguments: str | Path, code: str | None = None, **options: object) -> subprocess.CompletedProcess[str]:
    how = ["-m", "paddlex"] if code is None else ["-c", code]
    command = [sys.executable, *how, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=ROOT, **options)  # type: ignore[call-overload]


# What it tells


def test_each_image_gets_a_line_and_a_summary_ends_it(run, trained: Path, val: Path) -> None:
    status, out, _ = run("--input", val / "bent", val / "good")
    assert status == 0
    told, _, summary = out.partition("\n\n")
    results = list(create_model(model_dir=trained, device="cpu").predict([str(val / "bent"), str(val / "good")]))
    assert told.splitlines() == [
        f"{'ANOMALOUS' if result['is_anomalous'] else 'normal':9}  {result['score']:.3f}  {result['input_path']}"
        for result in results
    ]
    table = {name: rest for name, _, rest in (line.partition("  ") for line in summary.splitlines())}
    assert int(table["images"]) == len(results)
    assert int(table["anomalous"]) == sum(result["is_anomalous"] for result in results)
    assert int(table["could not be judged"]) == 0
    assert float(table["images a second"]) > 0


def test_json_is_one_object_an_image_and_nothing_else_on_standard_output(run, trained: Path, val: Path) -> None:
    status, out, err = run("--input", val, "--json")
    assert status == 0
    rows = [json.loads(line) for line in out.splitlines()]
    results = list(create_model(model_dir=trained, device="cpu").predict(str(val)))
    for row, result in zip(rows, results, strict=True):
        assert row.pop("error") is None
        assert row == {key: result[key] for key in row}
        assert {"input_path", "is_anomalous", "score", "raw_score", "threshold", "anomalous_area", "regions"} <= set(
            row
        )
    assert "images a second" in err


def test_a_line_comes_as_soon_as_its_image_is_judged(trained: Path, slow_server) -> None:
    """The first line arrives while the second image is still on its way."""
    first_line_is_here = threading.Event()
    slow_server.before_second = lambda: first_line_is_here.wait(60)
    command = [sys.executable, "-m", "paddlex", "--pipeline", "anomaly_detection", "--model_dir", str(trained)]
    command += ["--device", "cpu", "--json", "--input", *slow_server.urls]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=slow_server.environment) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["input_path"] == slow_server.urls[0]
        assert not first_line_is_here.is_set()
        first_line_is_here.set()
        assert json.loads(process.stdout.readline())["input_path"] == slow_server.urls[1]
    assert process.returncode == 0


@pytest.mark.parametrize("is_terminal", [True, False])
def test_a_progress_bar_is_drawn_on_a_terminal_and_nowhere_else(trained: Path, slow_server, is_terminal: bool) -> None:
    slow_server.before_second = lambda: time.sleep(0.8)  # a shorter run needs no bar
    command = [sys.executable, "-m", "paddlex", "--pipeline", "anomaly_detection", "--model_dir", str(trained)]
    command += ["--device", "cpu", "--input", *slow_server.urls]
    ours, theirs = pty.openpty() if is_terminal else os.pipe()
    if is_terminal:
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 24, 100, 0, 0))  # a new one has no columns
    os.set_blocking(ours, False)
    written = b""
    options = {"stdout": subprocess.DEVNULL, "stderr": theirs, "cwd": ROOT, "env": slow_server.environment}
    with subprocess.Popen(command, **options) as process:
        while process.poll() is None:
            select.select([ours], [], [], 0.1)
            with contextlib.suppress(BlockingIOError):
                written += os.read(ours, 65536)
    os.close(ours)
    os.close(theirs)
    assert process.returncode == 0
    assert (b"Predict: " in written) == is_terminal


# What it writes


def test_save_path_gets_a_picture_and_a_json_for_each_image_and_a_summary(run, val: Path, tmp_path: Path) -> None:
    status, out, _ = run("--input", val, "--save_path", tmp_path / "out", "--json", "--batch_size", 3)
    assert status == 0
    rows = [json.loads(line) for line in out.splitlines()]
    for row in rows:
        assert Path(row["image"]).is_file()
        assert json.loads(Path(row["json"]).read_text(encoding="utf-8"))["score"] == row["score"]
    with (tmp_path / "out" / "summary.csv").open(encoding="utf-8-sig", newline="") as file:
        assert [row["input_path"] for row in csv.DictReader(file)] == [row["input_path"] for row in rows]


def files_below(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("by", ["command", "file"])
def test_the_files_that_are_asked_for_are_saved_of_anomalous_images_alone_if_asked_to(
    run, trained: Path, val: Path, tmp_path: Path, by: str, capsys
) -> None:
    good, bad = val / "good" / "000.jpg", val / "bent" / "000.jpg"
    scores = {
        path: next(create_model(model_dir=trained, device="cpu").predict(str(path)))["raw_score"]
        for path in (good, bad)
    }
    assert scores[good] < scores[bad]
    middle = (scores[good] + scores[bad]) / 2
    arguments = ["--input", good, bad, "--save_path", tmp_path / "out", "--json", "--threshold", middle]
    if by == "command":
        status, out, _ = run(*arguments, "--save", "mask", "heatmap", "--save_anomalous_only")
    else:
        config = {"pipeline_name": "anomaly_detection", "save": ["mask", "heatmap"], "save_anomalous_only": True}
        (tmp_path / "my.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
        options = ["--pipeline", str(tmp_path / "my.yaml"), "--model_dir", str(trained), "--device", "cpu"]
        capsys.readouterr()
        status = main([*options, *map(str, arguments)])
        out = capsys.readouterr().out
    assert status == 0
    rows = {row["input_path"]: row for row in map(json.loads, out.splitlines())}
    assert not {"mask", "heatmap", "image", "json"} & set(rows[str(good)])
    assert Path(rows[str(bad)]["mask"]) == tmp_path / "out" / "000_2_mask.png"
    assert files_below(tmp_path / "out") == {"000_2_mask.png", "000_2_heatmap.png", "summary.csv"}
    with (tmp_path / "out" / "summary.csv").open(encoding="utf-8-sig", newline="") as file:
        assert [row["is_anomalous"] for row in csv.DictReader(file)] == ["False", "True"]


@pytest.mark.parametrize("encoding", [{"PYTHONIOENCODING": "ascii:strict"}, {"PYTHONIOENCODING": "cp1252:strict"}, {
    "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0",
}])  # fmt: skip
@pytest.mark.parametrize("as_json", [True, False])
def test_any_name_is_told_in_any_encoding_and_commands_no_terminal(
    trained: Path, val: Path, tmp_path: Path, encoding: dict[str, str], as_json: bool
) -> None:
    names = ["部件 é\u202e.jpg".encode(), b"caf\xe9\x1b[31m.jpg", b"two\nlines.jpg", b"broken\x1b[2J\xff.jpg"]
    folder = tmp_path / "in"
    folder.mkdir()
    for name in names:
        path = os.fsencode(folder) + b"/" + name
        Path(os.fsdecode(path)).write_bytes(b"no" if b"broken" in name else (val / "bent" / "000.jpg").read_bytes())
    (folder / "passed over.\x1b[31m").write_bytes(b"")
    command = [sys.executable, "-m", "paddlex", "--pipeline", "anomaly_detection", "--model_dir", str(trained)]
    command += ["--device", "cpu", "--input", str(folder), *(["--json"] if as_json else [])]
    done = subprocess.run(command, capture_output=True, timeout=300, cwd=ROOT, env={**os.environ, **encoding})
    assert done.returncode == 1
    assert not set(done.stdout + done.stderr) & (set(range(32)) - {ord("\n")})
    assert b"Traceback" not in done.stderr
    assert b"\xe2\x80\xae" not in done.stdout
    lines = done.stdout.decode("ascii" if as_json else "cp1252").splitlines()
    if as_json:
        assert len(lines) == len(names)
        told = {row["input_path"]: row["error"] for row in map(json.loads, lines)}
        assert sum(error is None for error in told.values()) == 3
    else:
        assert sum(line.startswith(("ANOMALOUS ", "normal ")) for line in lines) == 3
        assert sum(line.startswith("UNREAD ") for line in lines) == 1


def test_an_image_whose_files_cannot_be_written_is_told_and_the_status_is_1(run, val: Path, tmp_path: Path) -> None:
    (tmp_path / "out" / "000_res.png").mkdir(parents=True)
    status, out, err = run(
        "--input", val / "bent" / "000.jpg", val / "bent" / "001.jpg", "--save_path", tmp_path / "out"
    )
    assert status == 1
    assert f"UNSAVED    -----  {val / 'bent' / '000.jpg'}" in out
    assert "cannot be written: Is a directory" in err


def test_get_pipeline_config_writes_a_file_that_is_a_pipeline(tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["--get_pipeline_config", "anomaly_detection"]) == 0
    assert main(["--get_pipeline_config", "anomaly_detection", "--save_path", "folder"]) == 0
    assert main(["--get_pipeline_config", "anomaly_detection", "--save_path", "my.yaml"]) == 0
    written = [
        tmp_path / "anomaly_detection.yaml",
        tmp_path / "folder" / "anomaly_detection.yaml",
        tmp_path / "my.yaml",
    ]
    assert [tmp_path / line for line in capsys.readouterr().out.splitlines()] == written
    assert [load_pipeline_config(path) for path in written] == [PipelineConfig()] * 3


def test_get_pipeline_config_never_overwrites_a_file(tmp_path: Path, capsys) -> None:
    (tmp_path / "my.yaml").write_text("mine", encoding="utf-8")
    assert main(["--get_pipeline_config", "anomaly_detection", "--save_path", str(tmp_path / "my.yaml")]) == 1
    assert "the file is there already" in capsys.readouterr().err
    assert (tmp_path / "my.yaml").read_text(encoding="utf-8") == "mine"


# How it ends


def test_status_3_tells_of_an_anomaly_if_asked_to(run, val: Path) -> None:
    image, always, never = val / "bent" / "000.jpg", ("--threshold", 0), ("--threshold", 1e9)
    assert run("--input", image, *always)[0] == 0
    assert run("--input", image, *always, "--fail_on_anomaly")[0] == 3
    assert run("--input", image, *never, "--fail_on_anomaly")[0] == 0


def test_a_raw_threshold_that_was_meant_as_a_score_is_warned_of_with_what_it_rejects(run, val: Path) -> None:
    _, _, err = run("--input", val / "good", "--threshold", 0.6)
    assert "would reject 5 of the 5 normal calibration images (100%)" in err
    assert "score_threshold takes one on the scale of the scores, 0 to 1" in err
    assert "would reject" not in run("--input", val / "good")[2]


def test_a_threshold_on_the_scores_scale_decides_as_the_scores_do(run, val: Path) -> None:
    def verdicts(*options: str | float) -> dict[str, dict]:
        lines = run("--input", val, "--json", *options)[1].splitlines()
        return {row["input_path"]: row for row in map(json.loads, lines)}

    own = verdicts()
    scores = sorted(row["score"] for row in own.values())
    middle = (scores[6] + scores[7]) / 2
    moved = verdicts("--score_threshold", middle)
    assert len(moved) == 14
    for path, row in moved.items():
        assert row["is_anomalous"] == (own[path]["score"] > middle) == (row["score"] > 0.5)


@pytest.mark.parametrize("saving", [False, True])
def test_status_1_tells_of_an_image_that_nobody_judged(run, val: Path, tmp_path: Path, saving: bool) -> None:
    shutil.copy(val / "bent" / "000.jpg", tmp_path / "a.jpg")
    (tmp_path / "broken.jpg").write_bytes(b"no image")
    options = ["--save_path", tmp_path / "out"] if saving else []
    status, out, err = run("--input", tmp_path, "--json", "--fail_on_anomaly", "--threshold", 0, *options)
    assert status == 1
    good, broken = sorted((json.loads(line) for line in out.splitlines()), key=lambda row: row["input_path"])
    assert good["error"] is None
    assert broken["input_path"] == str(tmp_path / "broken.jpg")
    assert broken["is_anomalous"] is None
    assert "truncated, damaged" in broken["error"]
    assert broken["error"] in err


@pytest.mark.parametrize("saving", [False, True])
def test_status_1_tells_of_an_image_for_which_the_networks_answer_is_not_finite(
    run, val: Path, tmp_path: Path, saving: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged_maps = AnomalyPredictor.anomaly_maps

    def anomaly_maps(predictor: AnomalyPredictor, images: Sequence[np.ndarray]) -> np.ndarray:
        maps = judged_maps(predictor, images)
        maps[[image.min() == 255 for image in images], -1, -1] = np.nan
        return maps

    monkeypatch.setattr(AnomalyPredictor, "anomaly_maps", anomaly_maps)
    shutil.copy(val / "good" / "000.jpg", tmp_path / "a.jpg")
    cv2.imwrite(str(tmp_path / "white.png"), np.full((64, 64, 3), 255, np.uint8))
    options = ["--save_path", tmp_path / "out"] if saving else []
    status, out, err = run("--input", tmp_path, "--json", *options)
    assert status == 1
    rows = {Path(row["input_path"]).name: row for row in map(json.loads, out.splitlines())}
    assert rows["a.jpg"]["is_anomalous"] is False
    assert rows["white.png"]["is_anomalous"] is None
    assert rows["white.png"]["error"].startswith("the network's answer is not finite (NaN or infinity)")
    assert "white.png" in err


@pytest.mark.parametrize("saving", [False, True])
def test_status_1_if_not_one_image_could_be_read(run, tmp_path: Path, saving: bool) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"no image")
    status, _, err = run("--input", tmp_path, *(["--save_path", tmp_path / "out"] if saving else []))
    assert status == 1
    assert "none of the 1 images could be judged" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--input", "/no/such/photo.jpg"], "no such file or folder (/no/such/photo.jpg). There is no 'no' in /."),
        (["--input", ".", "--model_dir", "/no/model"], "the model folder does not exist (/no/model)"),
        (["--input", ".", "--device", "tpu"], "unknown device 'tpu'"),
        (["--input", ".", "--run_mode", "warp"], "unknown run mode 'warp'"),
        (["--input", ".", "--batch_size", "0"], "batch_size must be a whole number, 1 or more, not 0"),
    ],
)
def test_status_1_and_one_line_for_what_cannot_be_done(run, options: list[str], message: str) -> None:
    status, out, err = run(*options)
    assert (status, out) == (1, "")
    assert message in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give --pipeline"),
        (["--pipeline", "anomaly_detection"], "--pipeline needs --input"),
        (["--pipeline", "x", "--input", "a", "--save", "mask"], "--save and --save_anomalous_only need --save_path"),
        (["--pipeline", "x", "--input", "a", "--save", "picure"], "invalid choice: 'picure'"),
        (["-c", "a", "b\n\x1b[31m"], "unrecognized arguments: b\\n\\u001b[31m"),
        (["--pipeline", "anomaly_detection", "--input", "a", "--engine", "ray"], "--engine ray needs --save_path"),
        (
            ["--pipeline", "x", "--input", "a", "--engine", "ray", "--save_path", "b", "--json"],
            "--json is for --engine local",
        ),
        (["--pipeline", "anomaly_detection", "--input", "a", "--threshold", "1", "--target_fpr", "0.1"], "not allowed"),
        (["--pipeline", "anomaly_detection", "--input", "a", "--treshold", "1"], "did you mean --threshold?"),
        (["train"], "-o Global.mode=train"),
        (["--pipeline", "x", "--input", "a", "--workers", "2"], "--workers and --shard_size are for --engine ray"),
        (["--pipeline", "anomaly_detection", "--input", "a", "--workers", "0", "--engine", "ray"], "invalid"),
    ],
)
def test_status_2_for_a_wrong_command_line(capsys, arguments: list[str], message: str) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


def test_a_wrong_command_line_is_told_in_two_lines(capsys) -> None:
    with pytest.raises(SystemExit):
        main(["--pipline", "anomaly_detection"])
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_a_models_folder_as_a_pipeline_is_refused_with_where_to_give_it(trained: Path, capsys) -> None:
    assert main(["--pipeline", str(trained), "--input", "a.png"]) == 1
    assert "--model_dir" in capsys.readouterr().err


def test_status_130_after_an_interrupt(trained: Path, val: Path, tmp_path: Path) -> None:
    for number in range(2000):
        (tmp_path / f"{number:04d}.jpg").symlink_to(val / "bent" / "000.jpg")
    command = [sys.executable, "-m", "paddlex", "--pipeline", "anomaly_detection", "--model_dir", str(trained)]
    command += ["--device", "cpu", "--input", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=240)
    assert process.returncode == 130
    assert err.endswith("Interrupted.\n")
    assert "Traceback" not in err


def test_status_143_after_sigterm_with_a_summary_of_what_came_before(
    trained: Path, val: Path, tmp_path: Path, ask_to_stop, monkeypatch, capsys
) -> None:
    judged = _Teller.result

    def judged_and_stopped(told: _Teller, *of_an_image: object) -> None:
        judged(told, *of_an_image)
        if told.images == 1:
            ask_to_stop()

    monkeypatch.setattr(_Teller, "result", judged_and_stopped)
    options = ["--pipeline", "anomaly_detection", "--model_dir", str(trained), "--device", "cpu"]
    assert main([*options, "--input", *[str(val)] * 4, "--save_path", str(tmp_path / "out")]) == 143
    assert (tmp_path / "out" / "summary.csv").exists()
    assert "stopped by signal 15" in capsys.readouterr().err


def test_a_reader_that_has_seen_enough_is_no_traceback(trained: Path, val: Path) -> None:
    command = (
        f"{sys.executable} -m paddlex --pipeline anomaly_detection --model_dir '{trained}' --device cpu "
        f"--input '{val}' '{val}' '{val}' '{val}' | head -1"
    )
    done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=300, cwd=ROOT)
    assert len(done.stdout.splitlines()) == 1
    assert "Traceback" not in done.stderr
    assert "Broken" not in done.stderr


# What it needs


def test_using_a_model_needs_nothing_of_what_making_one_needs(trained: Path, val: Path) -> None:
    code = WITHOUT.format(missing=("pydantic", "jinja2", "scipy", "sklearn", "matplotlib", "ray", "pyarrow"))
    options = ["--pipeline", "anomaly_detection", "--model_dir", trained, "--device", "cpu", "--input", val / "bent"]
    done = start(*options, code=code)
    assert done.returncode == 0, done.stderr


def test_without_what_making_a_model_needs_it_says_what_to_install() -> None:
    done = start("-c", "any.yaml", code=WITHOUT.format(missing=("pydantic", "paddle")))
    assert done.returncode == 1
    assert done.stderr.endswith('which is not installed. Install it: pip install "image-anomaly-toolkit[train,cpu]".\n')
    assert "Traceback" not in done.stderr


def test_the_demonstration_data_set_needs_nothing_of_what_making_a_model_needs(tmp_path: Path) -> None:
    of_three = """
from functools import partial
from paddlex.data import demo
demo.make_demo_dataset = partial(demo.make_demo_dataset, train=1, val_normal=1, val_anomalous=1)
"""
    code = WITHOUT.format(missing=("pydantic", "paddle")).replace("from paddlex.cli", f"{of_three}from paddlex.cli")
    done = start("--make_demo_dataset", tmp_path / "grid", code=code)
    assert (done.returncode, done.stdout) == (0, f"{tmp_path / 'grid'}\n"), done.stderr


def test_without_ray_the_engine_says_what_to_install(trained: Path, val: Path, tmp_path: Path) -> None:
    options = ["--pipeline", "anomaly_detection", "--model_dir", trained, "--input", val, "--engine", "ray"]
    done = start(*options, "--save_path", tmp_path / "out", code=WITHOUT.format(missing=("ray",)))
    assert done.returncode == 1
    assert (
        'the engine ray needs ray, which is not installed. Install it: pip install "image-anomaly-toolkit[ray]".'
        in done.stderr
    )
    assert "Traceback" not in done.stderr
