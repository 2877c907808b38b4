"""What the complete graph does where predict refuses, and which models have none."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

from paddlex.data.dataset import read_samples  # noqa: E402
from paddlex.inference.alignment import Alignment  # noqa: E402
from paddlex.inference.calibration import ZoneScale  # noqa: E402
from paddlex.inference.complete_graph import obstacle  # noqa: E402
from paddlex.inference.inspection import Inspection, Zone  # noqa: E402
from paddlex.inference.light import Light  # noqa: E402
from paddlex.inference.model_folder import COMPLETE_NAME, CONFIG_NAME, ModelFolder, open_model_folder  # noqa: E402
from paddlex.inference.preparation import Preparation  # noqa: E402
from paddlex.inference.tiling import Tiling  # noqa: E402
from paddlex.inference.transforms import Transform  # noqa: E402
from paddlex.modules.image_anomaly_detection.export.complete import adding  # noqa: E402
from paddlex.modules.image_anomaly_detection.export.complete.adding import try_to_add_complete  # noqa: E402
from paddlex.modules.image_anomaly_detection.export.complete.graph import complete_graph  # noqa: E402


@pytest.fixture(scope="module")
def folder(trained: Path) -> ModelFolder:
    return open_model_folder(trained)


def judge(model, picture: np.ndarray) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return dict(zip([one.name for one in session.get_outputs()], session.run(None, {"image": picture}), strict=True))


@pytest.fixture
def grey() -> np.ndarray:
    return np.full((60, 80, 3), 128, np.uint8)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_picture_to_which_the_answer_is_not_finite_is_anomalous(
    folder: ModelFolder, grey: np.ndarray, value: float
) -> None:
    model = complete_graph(folder, "RGB")
    map_name = onnx.load(folder.path / "inference.onnx").graph.output[folder.output].name
    spoilt = np.zeros((1, 1, folder.transform.size[1], folder.transform.size[0]), np.float32)
    spoilt[0, 0, 5, 5] = value
    for node in model.graph.node:  # what follows the network gets this map with one value that is not finite
        node.output[:] = [f"{name} no more" if name == map_name else name for name in node.output]
    model.graph.initializer.append(onnx.numpy_helper.from_array(spoilt, map_name))
    verdict = judge(model, grey)
    assert (bool(verdict["is_anomalous"]), float(verdict["score"])) == (True, 1.0)
    assert verdict["mask"].shape == (60, 80)
    assert (verdict["mask"] == 255).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (50, 1)])
def test_a_picture_that_is_a_pixel_or_a_line_is_anomalous(folder: ModelFolder, size: tuple[int, int]) -> None:
    verdict = judge(complete_graph(folder, "RGB"), np.full((*size, 3), 128, np.uint8))
    assert (bool(verdict["is_anomalous"]), float(verdict["score"])) == (True, 1.0)
    assert (verdict["mask"] == 255).all()


@pytest.mark.parametrize("size", [(0, 0), (0, 50), (50, 0)])
def test_an_empty_picture_is_an_error_and_no_verdict(folder: ModelFolder, size: tuple[int, int]) -> None:
    with pytest.raises(Exception, match=r"(?i)invalid|out of|bounds|error"):
        judge(complete_graph(folder, "RGB"), np.zeros((*size, 3), np.uint8))


def test_the_order_of_colours_is_the_one_that_was_exported(folder: ModelFolder, demo_dataset: Path) -> None:
    photo = cv2.imread(str(next((demo_dataset / "images" / "val").rglob("*.*"))))
    photo[..., 0] = 255 - photo[..., 0]
    as_rgb, as_bgr = (
        judge(complete_graph(folder, "RGB"), photo[..., ::-1].copy()),
        judge(complete_graph(folder, "BGR"), photo),
    )
    assert as_rgb["raw_score"] == as_bgr["raw_score"] != judge(complete_graph(folder, "RGB"), photo)["raw_score"]


def test_the_threshold_decides_to_the_last_bit_as_it_does_in_predict(folder: ModelFolder, grey: np.ndarray) -> None:
    raw_score = judge(complete_graph(folder, "RGB"), grey)["raw_score"]
    calibration = folder.own.calibration
    assert calibration is not None
    own = float(raw_score)
    for threshold in (own, float(np.nextafter(own, -np.inf)), float(np.nextafter(own, np.inf))):
        moved = _changed(folder, calibration=replace(calibration, image_threshold=threshold))
        assert judge(complete_graph(moved, "RGB"), grey)["is_anomalous"] == (own > threshold)


def _changed(folder: ModelFolder, **own: object) -> ModelFolder:
    return replace(folder, own=replace(folder.own, **own))


OBSTACLES: dict[str, tuple[str, Callable[[ModelFolder], ModelFolder]]] = {
    "no thresholds": ("not calibrated", lambda folder: replace(_changed(folder, calibration=None), model_name="Other")),
    "another resizing": (
        "resized by BICUBIC",
        lambda folder: replace(folder, transform=Transform((64, 64), interpolation="BICUBIC")),
    ),
    "tiles": ("in tiles", lambda folder: _changed(folder, tiling=Tiling(128))),
    "alignment": (
        "looks for the part",
        lambda folder: _changed(
            folder,
            preparation=Preparation(
                Alignment.to(
                    np.zeros((64, 64, 3), np.uint8), motion="rigid", max_shift=0.2, max_angle=20.0, least_quality=0.5,
                    min_seen=0.7, not_found="ng",
                )
            ),
        ),
    ),
}  # fmt: skip


RIM = Zone("rim", ((0, 0), (128, 0), (128, 40), (0, 40)), factor=2.0)
REGIONS = Inspection(
    (128, 128), inspect=(((5, 0), (128, 0), (128, 120), (64, 100), (5, 120)),), ignore=(((60, 60), (80, 60), (70, 90)),)
)
PREPARATIONS = {
    "regions": Preparation(regions=REGIONS),
    "zones": Preparation(regions=replace(REGIONS, zones=(RIM,))),
    "light that is too low": Preparation(light=Light(50.0, 200.0, 210.0)),
    "light that is too high": Preparation(light=Light(75.0, 20.0, 30.0)),
    "light of the regions": Preparation(regions=REGIONS, light=Light(25.0, 150.0, 210.0)),
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "colour_order"),
    [
        ("regions", "RGB"),
        ("zones", "BGR"),
        ("light that is too low", "BGR"),
        ("light that is too high", "RGB"),
        ("light of the regions", "BGR"),
    ],
)
def test_what_is_done_to_a_photo_is_done_in_the_graph(
    trained_copy: Path, demo_dataset: Path, name: str, colour_order: str
) -> None:
    folder, preparation = open_model_folder(trained_copy), PREPARATIONS[name]
    zones = [] if preparation.regions is None else preparation.regions.zones
    assert folder.calibration is not None
    calibration = replace(folder.calibration, zones=[ZoneScale(zone.name, 0.5, 0.25) for zone in zones])
    _changed(folder, preparation=preparation, calibration=calibration).write_config(folder.path / CONFIG_NAME)
    result = try_to_add_complete(folder.path, read_samples(demo_dataset, "val.txt")[::3], colour_order)
    assert result["pictures"] == (5 if preparation.regions else 10)
    assert (result["largest_score_difference"] < 1e-4, result["mask_pixels_changed"] < 1e-4) == (True, True)


def test_with_regions_a_picture_of_another_size_has_no_verdict(folder: ModelFolder, grey: np.ndarray) -> None:
    with pytest.raises(Exception, match=r"(?i)broadcast"):
        judge(complete_graph(_changed(folder, preparation=PREPARATIONS["regions"]), "RGB"), grey)


@pytest.mark.parametrize("name", OBSTACLES)
def test_a_model_that_does_more_than_the_graph_has_none(folder: ModelFolder, name: str) -> None:
    words, change = OBSTACLES[name]
    assert obstacle(folder) is None
    assert words in (obstacle(change(folder)) or "")


def test_a_refused_graph_leaves_the_export_as_it_is(
    trained_copy: Path, demo_dataset: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = open_model_folder(trained_copy)
    _changed(folder, tiling=Tiling(128)).write_config(folder.path / CONFIG_NAME)
    assert "in tiles" in try_to_add_complete(folder.path, [], "RGB")["refused"]
    assert not (folder.path / COMPLETE_NAME).exists()


def test_a_graph_that_judges_otherwise_is_removed(
    trained_copy: Path, demo_dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here one with another threshold than the model's."""

    def with_another_threshold(folder: ModelFolder, colour_order: str):
        assert folder.calibration is not None
        calibration = replace(folder.calibration, image_threshold=1.5 * folder.calibration.image_threshold)
        return complete_graph(_changed(folder, calibration=calibration), colour_order)

    path = open_model_folder(trained_copy).path
    monkeypatch.setattr(adding, "complete_graph", with_another_threshold)
    refused = try_to_add_complete(path, read_samples(demo_dataset, "val.txt")[::3], "RGB")["refused"]
    assert re.search(
        r"it judges otherwise than predict: \d+ of 10 pictures .*, and scores differ by up to 0\.", refused
    )
    assert not (path / COMPLETE_NAME).exists()
