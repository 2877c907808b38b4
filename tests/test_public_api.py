"""What users' scripts and shells rely on: ``from paddlex import create_model``, result objects, the ``paddlex`` command."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

import paddlex
from paddlex import create_model
from paddlex.errors import DeviceError, ModelError, PaddleXError

HEAVY = ("numpy", "cv2", "paddle", "pydantic", "yaml", "PIL", "scipy", "matplotlib", "sklearn", "tqdm", "jinja2")


def run_python(*arguments: str) -> subprocess.CompletedProcess[str]:
    root = Path(paddlex.__file__).parent.parent
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, timeout=240, cwd=root)


@pytest.fixture(scope="module")
def image_path(demo_dataset: Path) -> Path:
    return demo_dataset / "images" / "val" / "glue" / "000.jpg"


@pytest.fixture(scope="module")
def model(trained: Path):
    return create_model("STFPM", model_dir=trained, device="cpu")


@pytest.fixture(scope="module")
def result(model, image_path: Path):
    return next(model.predict(str(image_path)))


# Importing, and the command


def test_importing_paddlex_imports_nothing_heavy() -> None:
    code = f"import sys, paddlex; print([name for name in {HEAVY} if name in sys.modules])"
    assert run_python("-c", code).stdout.strip() == "[]"


def test_the_command_explains_itself() -> None:
    done = run_python("-m", "paddlex", "--help")
    assert done.returncode == 0
    assert done.stdout.startswith("usage: paddlex ")
    assert "--config" in done.stdout


def test_the_command_tells_its_version() -> None:
    done = run_python("-m", "paddlex", "--version")
    assert (done.returncode, done.stdout) == (0, f"paddlex {paddlex.__version__}\n")


def test_the_command_without_a_task_ends_with_2() -> None:
    done = run_python("-m", "paddlex")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


# create_model


@pytest.mark.parametrize("below", [".", "best_model/inference"])
def test_create_model_takes_a_training_output_or_its_inference_folder(trained: Path, below: str) -> None:
    model = create_model("STFPM", model_dir=str(trained / below), device="cpu")
    assert model.folder.path == trained / "best_model" / "inference"


def test_a_missing_model_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        create_model("STFPM", model_dir=tmp_path / "nothing")
    assert str(caught.value) == (
        f"the model folder does not exist ({tmp_path / 'nothing'}). There is no 'nothing' in {tmp_path}."
    )


@pytest.mark.parametrize("name", ["STPFM", "PatchCore"])
def test_a_name_without_an_official_model_is_refused(name: str) -> None:
    with pytest.raises(ModelError, match=rf"there is no official model '{name}'\. Give model_dir, or one of STFPM"):
        create_model(name)


def test_a_folder_given_in_the_place_of_the_name_is_refused_with_the_argument_that_takes_it(trained: Path) -> None:
    with pytest.raises(ModelError, match=f"Give it as model_dir='{trained}'"):
        create_model(str(trained))


def test_an_unknown_run_mode_is_refused_with_those_that_exist(trained: Path) -> None:
    with pytest.raises(ModelError, match=r"unknown run mode 'fast'\. It is one of auto, paddle, mkldnn"):
        create_model("STFPM", model_dir=trained, device="cpu", backend="fast")


def test_an_unknown_device_is_refused(trained: Path) -> None:
    with pytest.raises(DeviceError, match="unknown device 'tpu'"):
        create_model("STFPM", model_dir=trained, device="tpu")


def test_all_errors_are_of_one_family() -> None:
    assert issubclass(ModelError, PaddleXError)
    assert issubclass(DeviceError, PaddleXError)


# Results


def test_a_result_has_the_promised_keys(result, image_path: Path) -> None:
    height, width = cv2.imread(str(image_path)).shape[:2]
    assert result["input_path"] == str(image_path)
    assert result["pred"].shape == (1, height, width)
    assert result["pred"].dtype == np.uint8
    assert set(np.unique(result["pred"])) <= {0, 255}
    assert type(result["is_anomalous"]) is bool
    assert 0 <= result["score"] <= 1


def test_json_holds_plain_values_and_the_whole_mask(result) -> None:
    values = json.loads(json.dumps(result.json, allow_nan=False))["res"]
    assert np.array_equal(np.array(values["pred"]), result["pred"])
    assert values["score"] == result["score"]
    assert not {"input_img", "anomaly_map"} & set(values)


def test_img_is_an_rgb_picture(result, tmp_path: Path) -> None:
    picture = result.img["res"]
    assert isinstance(picture, Image.Image)
    assert picture.mode == "RGB"
    from_file = Image.open(result.save_to_img(tmp_path / "picture.png"))
    assert np.array_equal(np.array(picture), np.array(from_file))


def test_print_shows_the_decision_in_one_line(result, capsys: pytest.CaptureFixture[str]) -> None:
    result.print()
    text = capsys.readouterr().out
    assert text.startswith("{'res': {'input_path': ")
    assert text.count("\n") == 1
    assert f"'is_anomalous': {result['is_anomalous']}" in text


def test_print_as_json_is_json(result, capsys: pytest.CaptureFixture[str]) -> None:
    result.print(json_format=True, indent=2)
    text = capsys.readouterr().out
    assert json.loads(text)["res"]["raw_score"] == result["raw_score"]
    assert '\n  "res"' in text


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".webp", ".tiff"])
def test_save_to_img_writes_the_file_it_is_given(result, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / "new folder" / f"picture{suffix}"
    assert result.save_to_img(str(path)) == path
    assert cv2.imread(str(path)).shape == np.array(result.img["res"]).shape


def test_save_to_json_writes_the_file_it_is_given(result, tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "res.json"
    assert result.save_to_json(str(path)) == path
    kept = {key: value for key, value in result.json["res"].items() if key != "pred"}
    assert json.loads(path.read_text(encoding="utf-8")) == kept


@pytest.mark.parametrize("folder", ["output/", "output", "v1.2"])
def test_a_path_that_is_a_folder_gets_files_named_after_the_input(result, tmp_path: Path, folder: str) -> None:
    result.save_to_img(f"{tmp_path}/{folder}")
    result.save_to_json(f"{tmp_path}/{folder}")
    assert sorted(path.name for path in (tmp_path / folder).iterdir()) == ["000_res.json", "000_res.png"]


def test_a_folder_with_a_suffix_in_its_name_is_a_folder_if_it_exists(result, tmp_path: Path) -> None:
    (tmp_path / "all.json").mkdir()
    assert result.save_to_json(tmp_path / "all.json") == tmp_path / "all.json" / "000_res.json"


def test_six_parts_of_the_same_names_have_six_files(model, image_path: Path, tmp_path: Path) -> None:
    """A folder with good/ and bad/, each with 001.png to 003.png, saved into a folder and to one file."""
    for name in ("good", "bad"):
        (tmp_path / "parts" / name).mkdir(parents=True)
        for number in (1, 2, 3):
            (tmp_path / "parts" / name / f"{number:03d}.png").write_bytes(image_path.read_bytes())
    for result in model.predict(str(tmp_path / "parts"), batch_size=4):
        result.save_to_img(f"{tmp_path}/out/")
        result.save_to_json(f"{tmp_path}/out/res.json")
    pictures = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.png")}
    assert pictures == {f"{name}/{number:03d}_res.png" for name in ("good", "bad") for number in (1, 2, 3)}
    told = {json.loads(path.read_text(encoding="utf-8"))["input_path"] for path in (tmp_path / "out").glob("res*.json")}
    assert len(told) == 6


def test_images_that_are_judged_call_by_call_have_files_of_their_own(model, image_path: Path, tmp_path: Path) -> None:
    frame = cv2.imread(str(image_path))
    for source in (frame, frame, image_path.read_bytes(), frame):
        for result in model.predict(source):
            result.save_to_img(tmp_path)
            result.save_map(tmp_path / "map.npy")
    assert {path.name for path in tmp_path.iterdir()} == {
        "image_res.png", "image_2_res.png", "image_3_res.png", "image_4_res.png",
        "map.npy", "map_2.npy", "map_3.npy", "map_4.npy",
    }  # fmt: skip


def test_the_result_of_an_array_is_saved_under_a_name_of_its_own(model, image_path: Path, tmp_path: Path) -> None:
    result = next(model.predict(cv2.imread(str(image_path))))
    assert result["input_path"] is None
    assert result.save_to_img(tmp_path).name == "image_res.png"


def test_the_raw_map_is_saved_as_tiff_or_for_numpy(result, tmp_path: Path) -> None:
    path = result.save_map(tmp_path)
    assert path.name == "000_map.tiff"
    read = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert read.dtype == np.float32
    assert np.array_equal(read, result["anomaly_map"])
    assert np.array_equal(np.load(result.save_map(tmp_path / "map.npy")), result["anomaly_map"])


def test_no_temporary_file_is_left_by_saving(result, tmp_path: Path) -> None:
    saves = (result.save_to_img, result.save_to_json, result.save_map, result.save_mask, result.save_heatmap)
    for save in saves:
        save(tmp_path)
    assert len(list(tmp_path.iterdir())) == len(saves)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"threads": 0}, "threads must be a whole number, 1 or more"),
        ({"threads": "2"}, "threads must be a whole number"),
        ({"batch_size": 0}, "batch_size must be a whole number, 1 or more"),
    ],
)
def test_a_number_that_cannot_be_is_refused_with_its_name(trained: Path, options: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        create_model("STFPM", model_dir=trained, device="cpu", **options)


def test_no_pipeline_at_all_is_refused_in_words() -> None:
    with pytest.raises(PaddleXError, match="no pipeline is named"):
        paddlex.create_pipeline(None)
