"""Several products, a model each, in one folder: by name, or whichever a photo shows."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from paddlex import create_model, create_pipeline
from paddlex.cli import main
from paddlex.errors import ConfigError, DeviceError, ModelError, UnknownProductError
from paddlex.inference.archive import pack
from paddlex.inference.bank_predictor import BankPredictor
from paddlex.inference.model_folder import CONFIG_NAME, open_model_folder
from paddlex.inference.scale_out.job import ScaleOut, judge_on_ray

GRID, DISC = "grid", "disc"


@pytest.fixture
def copy_of(bank: Path, tmp_path: Path) -> Path:
    """A copy of the bank that a test may change."""
    return Path(shutil.copytree(bank, tmp_path / "bank"))


@pytest.fixture
def photos(demo_dataset: Path, disc_dataset: Path) -> dict[str, list[str]]:
    """Validation photos of each product, good and bad."""
    grid = [str(demo_dataset / "images" / "val" / kind / "000.jpg") for kind in ("good", "bent", "glue")]
    return {GRID: grid, DISC: [str(path) for path in sorted((disc_dataset / "val").glob("*.png"))]}


def test_a_product_is_judged_by_its_own_model(bank: Path, photos: dict[str, list[str]]) -> None:
    named = create_model(model_dir=bank, product=DISC, device="cpu")
    alone = create_model(model_dir=bank / DISC, device="cpu")
    [result], [expected] = named.predict(photos[DISC][0]), alone.predict(photos[DISC][0])
    assert result["product"] == DISC and result["raw_score"] == expected["raw_score"]
    assert "product" not in expected


def test_auto_judges_each_photo_by_the_model_of_its_product(bank: Path, photos: dict[str, list[str]]) -> None:
    mixed = [path for pair in zip(photos[GRID], photos[DISC], strict=True) for path in pair]
    results = list(create_model(model_dir=bank, product="auto", device="cpu").predict(mixed, batch_size=4))
    assert [result["input_path"] for result in results] == mixed
    assert [result["product"] for result in results] == [GRID, DISC] * 3
    assert all(0 < result["product_distance"] <= 1 for result in results)
    for product in (GRID, DISC):
        own = create_model(model_dir=bank / product, device="cpu").predict(photos[product])
        expected = [result["raw_score"] for result in own]
        judged = [result["raw_score"] for result in results if result["product"] == product]
        assert judged == pytest.approx(expected, rel=1e-4)


def test_models_are_loaded_when_they_are_needed_and_once(bank: Path, photos: dict[str, list[str]]) -> None:
    predictor = create_model(model_dir=bank, product="auto", device="cpu")
    assert isinstance(predictor, BankPredictor) and not predictor.loaded
    list(predictor.predict(photos[GRID]))
    first = dict(predictor.loaded)
    list(predictor.predict(photos[GRID]))
    assert list(first) == [GRID] and predictor.loaded == first


def test_a_photo_of_no_product_is_an_error_and_the_others_are_judged(bank: Path, photos: dict[str, list[str]]) -> None:
    unknown = np.random.default_rng(0).integers(0, 256, (128, 128, 3), dtype=np.uint8)
    predictor, refused = create_model(model_dir=bank, product="auto", device="cpu"), []
    judged = list(predictor.predict([unknown, photos[GRID][0]], on_error=lambda source, error: refused.append(error)))
    assert [result["product"] for result in judged] == [GRID]
    assert [type(error) for error in refused] == [UnknownProductError]
    assert "none of the products disc, grid: the nearest is" in str(refused[0])
    with pytest.raises(UnknownProductError):
        list(predictor.predict(unknown))


def test_a_bank_without_a_product_named_lists_them(bank: Path) -> None:
    with pytest.raises(
        ModelError, match=r"models of 2 products: disc, grid .*Set product .* to one of them, or to auto"
    ):
        create_model(model_dir=bank, device="cpu")


def test_an_unknown_product_is_told_the_nearest(bank: Path) -> None:
    with pytest.raises(ModelError, match=r"no product 'gird' .*Did you mean grid\?"):
        create_model(model_dir=bank, product="gird", device="cpu")
    with pytest.raises(ModelError, match=r"no product 'xyz' .*Set product to one of disc, grid, or to auto"):
        create_model(model_dir=bank, product="xyz", device="cpu")


@pytest.mark.parametrize("product", ["..", ".", "bank/../..", "x" * 5000, "a\0b", "", 5, ["grid"]])
def test_what_is_no_name_in_the_folder_leads_nowhere(copy_of: Path, product: object) -> None:
    """Least of all to a model beside it."""
    shutil.copytree(copy_of / GRID, copy_of.parent, dirs_exist_ok=True)
    with pytest.raises(ModelError, match=r"the folder has no product|product must be text"):
        create_model(model_dir=copy_of, product=product, device="cpu")


@pytest.mark.parametrize("product", [GRID, "auto"])
def test_a_product_of_a_folder_that_is_no_bank_is_refused(bank: Path, tmp_path: Path, product: str) -> None:
    for folder in (bank / GRID, tmp_path, None):
        with pytest.raises(ModelError, match="product is for a folder of models"):
            create_model(model_dir=folder, product=product, device="cpu")


def test_an_empty_folder_is_no_bank(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=f"the folder holds no {CONFIG_NAME}"):
        create_model(model_dir=tmp_path, device="cpu")


def test_two_models_of_one_name_are_refused(copy_of: Path) -> None:
    pack(open_model_folder(copy_of / GRID).path, copy_of / f"{GRID}.tar")
    with pytest.raises(ModelError, match=r"two models are called grid: grid and grid\.tar .*Remove or rename"):
        create_model(model_dir=copy_of, product=DISC, device="cpu")


def test_an_archive_is_a_product_too(copy_of: Path, photos: dict[str, list[str]]) -> None:
    pack(open_model_folder(copy_of / GRID).path, copy_of / "net.tar")
    shutil.rmtree(copy_of / GRID)
    [result] = create_model(model_dir=copy_of, product="auto", device="cpu").predict(photos[GRID][0])
    assert result["product"] == "net"


def test_a_product_called_auto_is_refused(copy_of: Path) -> None:
    (copy_of / GRID).rename(copy_of / "auto")
    with pytest.raises(ModelError, match="a product cannot be called auto"):
        create_model(model_dir=copy_of, product="auto", device="cpu")


def test_a_damaged_product_stops_auto_but_not_the_others(copy_of: Path, photos: dict[str, list[str]]) -> None:
    config = open_model_folder(copy_of / GRID).path / CONFIG_NAME
    config.write_text(config.read_text(encoding="utf-8").replace("signature:", "signatur:"), encoding="utf-8")
    with pytest.raises(ModelError, match=rf"'signatur' is not known \({config}"):
        create_model(model_dir=copy_of, product="auto", device="cpu")
    [result] = create_model(model_dir=copy_of, product=DISC, device="cpu").predict(photos[DISC][0])
    assert result["product"] == DISC


def test_a_product_whose_graph_is_gone_does_not_stop_the_others(copy_of: Path, photos: dict[str, list[str]]) -> None:
    folder = open_model_folder(copy_of / GRID).path
    for path in folder.iterdir():
        if path.name != CONFIG_NAME:
            path.unlink()
    predictor, failed = create_model(model_dir=copy_of, product="auto", device="cpu"), []
    judged = list(
        predictor.predict([photos[GRID][0], photos[DISC][0]], on_error=lambda source, error: failed.append(error))
    )
    assert [result["product"] for result in judged] == [DISC]
    assert [type(error) for error in failed] == [ModelError] and str(folder) in str(failed[0])


def test_a_product_that_was_replaced_after_the_bank_was_opened_is_not_judged(
    copy_of: Path, photos: dict[str, list[str]]
) -> None:
    """A photo that is recognised as the old product must not be judged by the new one's model."""
    predictor, failed = create_model(model_dir=copy_of, product="auto", device="cpu"), []
    shutil.rmtree(copy_of / GRID)
    shutil.copytree(copy_of / DISC, copy_of / GRID)
    assert not list(predictor.predict([photos[GRID][0]], on_error=lambda source, error: failed.append(error)))
    assert "the model has been replaced since the bank was opened" in str(failed[0])


@pytest.mark.parametrize(
    ("options", "problem"),
    [({"target_fpr": 2}, "target_fpr must be between 0 and 1"), ({"device": "tpu"}, "tpu")],
)
def test_an_option_that_cannot_be_is_said_before_the_first_photo(
    bank: Path, options: dict[str, object], problem: str
) -> None:
    with pytest.raises((ModelError, DeviceError), match=problem):
        create_model(model_dir=bank, product="auto", **options)


def test_a_product_whose_model_is_missing_is_told_of(copy_of: Path, caplog: pytest.LogCaptureFixture) -> None:
    (open_model_folder(copy_of / GRID).path / CONFIG_NAME).unlink()
    with pytest.raises(ModelError, match=f"the folder holds no {CONFIG_NAME}"):
        create_model(model_dir=copy_of, product=GRID, device="cpu")
    create_model(model_dir=copy_of, product="auto", device="cpu")
    assert f"{copy_of / GRID} holds no model" in caplog.text


def test_a_model_without_a_signature_can_be_named_only(
    copy_of: Path, photos: dict[str, list[str]], forget_signature: Callable[[Path], None]
) -> None:
    forget_signature(copy_of / GRID)
    with pytest.raises(ModelError, match=r"auto cannot recognise grid: .*Train them again, .*or set product to a name"):
        create_model(model_dir=copy_of, product="auto", device="cpu")
    [result] = create_model(model_dir=copy_of, product=GRID, device="cpu").predict(photos[GRID][0])
    assert result["product"] == GRID


def test_a_raw_threshold_is_for_one_model(bank: Path) -> None:
    with pytest.raises(ConfigError, match="each model of the bank has a scale of its own"):
        create_model(model_dir=bank, product="auto", threshold=1.0, device="cpu")


def test_a_threshold_on_the_scale_of_scores_is_for_all(bank: Path, photos: dict[str, list[str]]) -> None:
    predictor = create_model(model_dir=bank, product="auto", score_threshold=0.9, device="cpu")
    [result] = predictor.predict(photos[GRID][0])
    [usual] = create_model(model_dir=bank, product="auto", device="cpu").predict(photos[GRID][0])
    assert result["threshold"] > usual["threshold"]


def test_models_for_pictures_of_different_depths_are_not_for_auto(copy_of: Path) -> None:
    config = open_model_folder(copy_of / GRID).path / CONFIG_NAME
    config.write_text(config.read_text(encoding="utf-8").replace("bit_depth: 8", "bit_depth: 12"), encoding="utf-8")
    with pytest.raises(ModelError, match=r"different bit depths \(disc 8, grid 12\)"):
        create_model(model_dir=copy_of, product="auto", device="cpu")


def test_a_pipeline_takes_the_product_from_its_file(bank: Path, tmp_path: Path, photos: dict[str, list[str]]) -> None:
    file = tmp_path / "parts.yaml"
    file.write_text(
        f"SubModules:\n  AnomalyDetection:\n    model_dir: {bank}\n    product: auto\n    batch_size: 2\n",
        encoding="utf-8",
    )
    results = create_pipeline(file, device="cpu").predict([*photos[GRID], *photos[DISC]])
    assert [result["product"] for result in results] == [GRID] * 3 + [DISC] * 3


def test_the_command_says_the_product_of_each_photo(
    bank: Path, tmp_path: Path, photos: dict[str, list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    noise = tmp_path / "noise.png"
    cv2.imwrite(str(noise), np.random.default_rng(0).integers(0, 256, (128, 128, 3), dtype=np.uint8))
    command = ["--pipeline", "anomaly_detection", "--model_dir", str(bank), "--product", "auto", "--device", "cpu"]
    status = main(
        [*command, "--input", photos[GRID][0], photos[DISC][0], str(noise), "--save_path", str(tmp_path / "out")]
    )
    told = capsys.readouterr().out
    assert status == 1  # what nobody has judged is not good
    assert f"{photos[GRID][0]}  grid" in told and f"{photos[DISC][0]}  disc" in told
    assert f"UNKNOWN    -----  {noise}" in told
    assert "product grid" in told and "product disc" in told
    with (tmp_path / "out" / "summary.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = {row["input_path"]: row for row in csv.DictReader(file)}
    grid, refused = rows[photos[GRID][0]], rows[str(noise)]
    assert grid["product"] == "grid" and rows[photos[DISC][0]]["product"] == "disc" and refused["product"] == ""
    assert 0 < float(grid["product_distance"]) <= 1 and "none of the products" in refused["error"]
    record = json.loads((tmp_path / "out" / grid["json"]).read_text(encoding="utf-8"))
    assert record["product"] == "grid" and record["product_distance"] == float(grid["product_distance"])


def test_the_command_prints_the_product_as_json(
    bank: Path, photos: dict[str, list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    command = [
        "--pipeline",
        "anomaly_detection",
        "--model_dir",
        str(bank),
        "--product",
        DISC,
        "--device",
        "cpu",
        "--json",
    ]
    assert main([*command, "--input", photos[DISC][0]]) == 0
    assert json.loads(capsys.readouterr().out)["product"] == DISC


def test_a_config_names_the_product(
    bank: Path, tmp_path: Path, photos: dict[str, list[str]], main_runner: Callable[..., Any]
) -> None:
    done = main_runner(
        "Global.mode=predict", f"Global.output={tmp_path}", "Global.device=cpu", f"Predict.model_dir={bank}",
        "Predict.product=auto", f"Predict.input={json.dumps([photos[GRID][0], photos[DISC][0]])}",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "predict_result.json").read_text(encoding="utf-8"))
    assert sorted(result["products"]) == [DISC, GRID] and result["model_dir"] == str(bank)
    threshold = create_model(model_dir=bank, product=GRID, device="cpu").limits.image.threshold
    assert result["products"][GRID]["image_threshold"] == threshold


def test_ray_needs_one_product(bank: Path, tmp_path: Path, photos: dict[str, list[str]]) -> None:
    pytest.importorskip("ray")
    pipeline = create_pipeline(model_dir=bank, product="auto", device="cpu")
    with pytest.raises(ModelError, match=r"here one is needed .*Set product to one of disc, grid"):
        judge_on_ray(ScaleOut(pipeline.config), photos[GRID], str(tmp_path))
