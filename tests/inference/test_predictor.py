"""One path from any input to its result, whatever the batch, the size and the kind of input."""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from pathlib import Path
from types import GeneratorType

import cv2
import numpy as np
import pytest
from PIL import Image

from paddlex.errors import ImageReadError, ModelError, NotFiniteError, PaddleXError
from paddlex.inference.backends import Backend
from paddlex.inference.inputs import Source
from paddlex.inference.predictor import AnomalyPredictor
from paddlex.inference.tiling import Tiling


@pytest.fixture(scope="module")
def array(images: list[str]) -> np.ndarray:
    return cv2.imread(images[1])


@pytest.fixture(scope="module")
def reference(predictor: AnomalyPredictor, array: np.ndarray) -> np.ndarray:
    return next(predictor.predict(array))["anomaly_map"]


@pytest.fixture(scope="module")
def mixed(images: list[str]) -> list[np.ndarray]:
    """Seven images of as many sizes, from 40 x 200 to 500 x 333."""
    sizes = [(128, 128), (64, 96), (500, 333), (40, 200), (129, 127), (256, 256), (300, 31)]
    pictures = [cv2.imread(images[number % len(images)]) for number in range(len(sizes))]
    return [cv2.resize(picture, size) for picture, size in zip(pictures, sizes, strict=True)]


@pytest.fixture(scope="module")
def one_by_one(predictor: AnomalyPredictor, mixed: list[np.ndarray]) -> list[dict]:
    return [next(predictor.predict(image)) for image in mixed]


# Results


def test_results_are_at_the_images_own_size(mixed: list[np.ndarray], one_by_one: list[dict]) -> None:
    for image, result in zip(mixed, one_by_one, strict=True):
        assert result["pred"].shape == (1, *image.shape[:2])
        assert result["anomaly_map"].shape == image.shape[:2]
        assert result["input_img"].shape == image.shape


def test_the_numbers_of_a_result_belong_together(predictor: AnomalyPredictor, one_by_one: list[dict]) -> None:
    limits = predictor.limits
    for result in one_by_one:
        assert result["is_anomalous"] == (result["raw_score"] > limits.image.threshold)
        assert (result["score"] > 0.5) == result["is_anomalous"]
        assert result["anomalous_area"] == pytest.approx((result["pred"] > 0).mean())
        assert (result["anomaly_map"][result["pred"][0] > 0] > limits.pixel.threshold).all()
        assert sum(region["area"] for region in result["regions"]) == (result["pred"] > 0).sum()


def test_the_maps_of_many_images_are_those_of_each_alone_in_order(
    predictor: AnomalyPredictor, mixed: list[np.ndarray], one_by_one: list[dict]
) -> None:
    maps = list(predictor.many_photo_maps((image for image in mixed * 2), batch_size=3))
    for result, anomaly_map in zip(one_by_one * 2, maps, strict=True):
        np.testing.assert_allclose(anomaly_map, result["anomaly_map"], rtol=1e-3, atol=1e-3)


def test_the_raw_score_is_the_maximum_of_the_map_at_the_networks_resolution(
    predictor: AnomalyPredictor, mixed: list[np.ndarray], one_by_one: list[dict]
) -> None:
    for image, result in zip(mixed, one_by_one, strict=True):
        assert result["raw_score"] == pytest.approx(predictor.anomaly_maps([image])[0].max(), abs=1e-4)


def test_the_map_lies_over_the_image_as_the_network_sees_it(
    predictor: AnomalyPredictor, mixed: list[np.ndarray], one_by_one: list[dict]
) -> None:
    """Enlarged bilinearly, a map keeps the values of its four corners, each in its place."""
    raw, enlarged = predictor.anomaly_maps([mixed[2]])[0], one_by_one[2]["anomaly_map"]
    assert enlarged.shape == (333, 500)
    corners = np.ix_([0, -1], [0, -1])
    assert np.abs(enlarged[corners] - raw[corners]).max() < 1e-4
    assert len(np.unique(raw[corners].round(3))) == 4


def test_two_limits_decide_differently_on_the_same_map(
    trained: Path, images: list[str], predictor: AnomalyPredictor
) -> None:
    expected = next(predictor.predict(images[0]))
    low, high = (
        next(AnomalyPredictor(trained, device="cpu", threshold=value, quiet=True).predict(images[0]))
        for value in (expected["raw_score"] - 0.1, expected["raw_score"] + 0.1)
    )
    assert (low["is_anomalous"], high["is_anomalous"]) == (True, False)
    assert low["score"] > 0.5 > high["score"]
    assert np.array_equal(low["pred"], expected["pred"])


# Batches


@pytest.mark.parametrize("batch_size", [2, 3, 7, 100])
def test_a_batch_of_mixed_sizes_gives_what_one_by_one_gives(
    predictor: AnomalyPredictor, mixed: list[np.ndarray], one_by_one: list[dict], batch_size: int
) -> None:
    results = list(predictor.predict(mixed, batch_size=batch_size))
    assert len(results) == len(mixed)
    for single, batched in zip(one_by_one, results, strict=True):
        assert np.abs(single["anomaly_map"] - batched["anomaly_map"]).max() < 1e-4
        assert single["is_anomalous"] == batched["is_anomalous"]
        assert np.array_equal(single["input_img"], batched["input_img"])


def test_a_batch_size_below_one_is_refused(predictor: AnomalyPredictor) -> None:
    with pytest.raises(ValueError, match="batch_size must be a whole number, 1 or more, not 0"):
        next(predictor.predict("a.png", batch_size=0))


def test_sources_are_read_only_as_needed(predictor: AnomalyPredictor, array: np.ndarray) -> None:
    asked = []

    def endless() -> Iterator[np.ndarray]:
        while True:
            asked.append(len(asked))
            yield array

    results = predictor.predict(endless(), batch_size=2)
    assert isinstance(results, GeneratorType)
    assert asked == []
    next(results)
    assert len(asked) == 2
    next(results)
    assert len(asked) == 2
    next(results)
    assert len(asked) == 4


# Inputs


def test_path_object_text_list_and_bytes_give_what_the_array_gives(
    predictor: AnomalyPredictor, images: list[str], reference: np.ndarray
) -> None:
    path = Path(images[1])
    for source in (path, str(path), [str(path)], path.read_bytes(), (p for p in [path])):
        assert np.array_equal(next(predictor.predict(source))["anomaly_map"], reference)


@pytest.mark.parametrize(("source", "input_path"), [(Path, str), (str, str)])
def test_the_input_path_is_text(predictor: AnomalyPredictor, images: list[str], source: type, input_path: type) -> None:
    found = next(predictor.predict(source(images[0])))["input_path"]
    assert (found, type(found)) == (images[0], input_path)


def test_bytes_and_arrays_have_no_path(predictor: AnomalyPredictor, images: list[str], array: np.ndarray) -> None:
    results = predictor.predict([Path(images[0]).read_bytes(), array])
    assert [result["input_path"] for result in results] == [None, None]


def test_a_folder_and_a_glob_are_predicted_in_order(predictor: AnomalyPredictor, demo_dataset: Path) -> None:
    folder = demo_dataset / "images" / "val"
    expected = sorted(str(path) for path in folder.rglob("*.jpg"))
    assert [result["input_path"] for result in predictor.predict(folder, batch_size=8)] == expected
    good = [path for path in expected if "/good/" in path]
    assert [result["input_path"] for result in predictor.predict(f"{folder}/good/*.jpg", batch_size=8)] == good


def test_a_url_is_predicted(predictor: AnomalyPredictor, web_server, array: np.ndarray, reference: np.ndarray) -> None:
    cv2.imwrite(str(web_server.folder / "a b.png"), array)
    result = next(predictor.predict(f"{web_server.url}/a b.png"))
    assert result["input_path"] == f"{web_server.url}/a b.png"
    assert np.array_equal(result["anomaly_map"], reference)


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".webp"])
def test_every_lossless_format_gives_the_same_map(
    predictor: AnomalyPredictor, array: np.ndarray, reference: np.ndarray, tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"a{suffix}"
    Image.fromarray(array[:, :, ::-1]).save(path, **({"lossless": True} if suffix == ".webp" else {}))
    assert np.array_equal(next(predictor.predict(path))["anomaly_map"], reference)


def test_an_image_turned_by_exif_gives_the_map_of_the_upright_one(
    predictor: AnomalyPredictor, array: np.ndarray, reference: np.ndarray, tmp_path: Path
) -> None:
    """Orientation 6: the file holds the picture turned left by a quarter."""
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.rot90(array[:, :, ::-1]).copy()).save(tmp_path / "a.png", exif=exif)
    assert np.array_equal(next(predictor.predict(tmp_path / "a.png"))["anomaly_map"], reference)


def test_gray_alpha_and_sixteen_bit_files_give_the_map_of_their_eight_bit_picture(
    predictor: AnomalyPredictor, array: np.ndarray, tmp_path: Path
) -> None:
    gray = cv2.cvtColor(array, cv2.COLOR_BGR2GRAY)
    expected = next(predictor.predict(np.dstack([gray] * 3)))["anomaly_map"]
    Image.fromarray(gray).save(tmp_path / "gray.png")
    Image.fromarray(np.dstack([gray, gray, gray, np.zeros_like(gray)])).save(tmp_path / "alpha.png")
    Image.fromarray(gray.astype(np.uint16) * 257).save(tmp_path / "deep.png")
    for result in predictor.predict(tmp_path):
        assert np.array_equal(result["anomaly_map"], expected), result["input_path"]


def test_a_cmyk_jpeg_is_judged_nearly_as_its_rgb_picture(
    predictor: AnomalyPredictor, array: np.ndarray, tmp_path: Path
) -> None:
    Image.fromarray(array[:, :, ::-1]).convert("CMYK").save(tmp_path / "a.jpg", quality=95)
    as_rgb = np.array(Image.open(tmp_path / "a.jpg").convert("RGB"))[:, :, ::-1]
    expected = next(predictor.predict(as_rgb))["anomaly_map"]
    assert np.abs(next(predictor.predict(tmp_path / "a.jpg"))["anomaly_map"] - expected).mean() < 0.02 * np.ptp(
        expected
    )


def test_an_array_is_neither_changed_nor_needs_it_be_contiguous(predictor: AnomalyPredictor, array: np.ndarray) -> None:
    turned = array[:, ::-1]
    before = turned.copy()
    result = next(predictor.predict(turned))
    assert np.array_equal(turned, before)
    assert np.array_equal(result["anomaly_map"], next(predictor.predict(before))["anomaly_map"])


# Failures


def test_a_broken_image_is_an_error_without_on_error(predictor: AnomalyPredictor, images: list[str]) -> None:
    results = predictor.predict([images[0], b"\0no image", images[1]])
    assert next(results)["input_path"] == images[0]
    with pytest.raises(ImageReadError, match="truncated, damaged or of an unknown format"):
        next(results)


@pytest.mark.parametrize("batch_size", [1, 2, 5])
def test_a_broken_image_is_told_to_on_error_and_left_out(
    predictor: AnomalyPredictor, images: list[str], batch_size: int
) -> None:
    told: list[tuple[object, PaddleXError]] = []
    sources = [b"broken", images[0], b"", images[1], images[2]]
    results = predictor.predict(sources, batch_size, on_error=lambda source, error: told.append((source, error)))
    assert [result["input_path"] for result in results] == images[:3]
    assert [source for source, _ in told] == [b"broken", b""]
    assert all(isinstance(error, ImageReadError) for _, error in told)


class Spoilt:
    """A backend that gives one value that is not finite, far from the maximum, for every white image."""

    run_mode, is_concurrent = "spoilt", True

    def __init__(self, backend: Backend, value: float) -> None:
        self._backend, self._value = backend, value

    def run(self, batch: np.ndarray) -> list[np.ndarray]:
        outputs = [output.copy() for output in self._backend.run(batch)]
        is_white = batch.reshape(len(batch), -1).min(axis=1) > 2
        for output in outputs:
            output[is_white, :, 0, 0] = self._value
        return outputs


@pytest.fixture(params=[np.nan, np.inf, -np.inf])
def spoilt(request: pytest.FixtureRequest, predictor: AnomalyPredictor) -> AnomalyPredictor:
    other = copy(predictor)
    other.backend = Spoilt(predictor.backend, request.param)
    return other


WHITE = np.full((40, 40, 3), 255, np.uint8)


def test_an_answer_that_is_not_finite_anywhere_is_an_error_and_no_verdict(spoilt: AnomalyPredictor) -> None:
    with pytest.raises(NotFiniteError, match=r"the network's answer is not finite .*\(array of shape \(40, 40, 3\)\)"):
        next(spoilt.predict(WHITE))


@pytest.mark.parametrize("batch_size", [1, 2, 5])
def test_one_answer_that_is_not_finite_is_that_images_error_and_the_others_are_judged(
    spoilt: AnomalyPredictor, array: np.ndarray, predictor: AnomalyPredictor, batch_size: int
) -> None:
    told: list[tuple[Source, PaddleXError]] = []
    results = spoilt.predict([array, WHITE, array, WHITE, array], batch_size, on_error=lambda *what: told.append(what))
    expected = next(predictor.predict(array))["raw_score"]
    assert [result["raw_score"] for result in results] == pytest.approx([expected] * 3, rel=1e-4)
    assert [type(error) for _, error in told] == [NotFiniteError] * 2
    assert all(source is WHITE for source, _ in told)


def test_a_tile_that_is_not_finite_spoils_the_whole_image(spoilt: AnomalyPredictor, array: np.ndarray) -> None:
    spoilt.tiling = Tiling(64)
    image = np.vstack([cv2.resize(array, (128, 128)), np.full((64, 128, 3), 255, np.uint8)])
    with pytest.raises(NotFiniteError):
        next(spoilt.predict(image))


def test_an_image_that_cannot_be_judged_for_want_of_memory_is_that_images_error(
    predictor: AnomalyPredictor, array: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    resize = predictor.folder.transform.resize

    def resized(image: np.ndarray) -> np.ndarray:
        if image is WHITE:
            raise MemoryError
        return resize(image)

    monkeypatch.setattr(predictor.folder.transform, "resize", resized)
    told: list[PaddleXError] = []
    results = list(predictor.predict([array, WHITE, array], 3, on_error=lambda _, error: told.append(error)))
    assert len(results) == 2
    assert str(told[0]).startswith("the image cannot be judged: MemoryError (array of shape (40, 40, 3)). ")


def test_a_graph_whose_output_is_no_map_is_refused(predictor: AnomalyPredictor, array: np.ndarray) -> None:
    class Classifier:
        run_mode, is_concurrent = "classifier", True

        def run(self, batch: np.ndarray) -> list[np.ndarray]:
            return [np.zeros((len(batch), 1000), np.float32)] * 2

    other = copy(predictor)
    other.backend = Classifier()
    with pytest.raises(ModelError, match=r"output 1 is no map for each image; it gives \[1, 1000\], \[1, 1000\] for 1"):
        next(other.predict(array))


def test_a_model_without_calibration_decides_by_the_papers_map_and_warns(
    trained: Path, tmp_path: Path, array: np.ndarray, caplog: pytest.LogCaptureFixture
) -> None:
    import shutil

    import yaml

    folder = Path(shutil.copytree(trained / "best_model" / "inference", tmp_path / "inference"))
    content = yaml.safe_load((folder / "inference.yml").read_text(encoding="utf-8"))
    del content["AnomalyDetection"]
    (folder / "inference.yml").write_text(yaml.safe_dump(content), encoding="utf-8")
    with caplog.at_level("WARNING", logger="paddlex"):
        predictor = AnomalyPredictor(folder, device="cpu")
    result = next(predictor.predict(array))
    assert "is not calibrated. Its threshold: PaddleX's constant of 0.01" in caplog.text
    assert result["threshold"] == 0.01
    assert np.array_equal(result["anomaly_map"], predictor.paper_maps([array])[0])
