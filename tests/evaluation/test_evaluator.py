"""The figures of an evaluation are scikit-learn's on the results of predict."""

import shutil
from copy import copy as shallow_copy
from pathlib import Path

import cv2
import numpy as np
import pytest
from sklearn import metrics

from paddlex.data.dataset import read_mask, read_samples
from paddlex.data.demo.part import draw_part
from paddlex.errors import DatasetError
from paddlex.evaluation.evaluator import evaluate
from paddlex.inference.alignment import Alignment
from paddlex.inference.inspection import Inspection
from paddlex.inference.predictor import AnomalyPredictor
from paddlex.inference.preparation import Preparation


@pytest.fixture(scope="module")
def predictor(trained) -> AnomalyPredictor:
    return AnomalyPredictor(trained, device="cpu", quiet=True)


@pytest.fixture(scope="module")
def samples(demo_dataset):
    return read_samples(demo_dataset, "val.txt")


@pytest.fixture(scope="module")
def figures(predictor, samples) -> dict:
    return evaluate(predictor, samples).to_dict()


@pytest.fixture(scope="module")
def results(predictor, samples) -> list:
    """What predict says, one image at a time."""
    return [result for sample in samples for result in predictor.predict(str(sample.image_path))]


@pytest.fixture(scope="module")
def truth(samples) -> np.ndarray:
    """bool [n, H, W], read without the project's code."""
    blank = np.zeros((128, 128), np.uint8)
    return (
        np.stack([blank if s.mask is None else cv2.imread(str(s.mask_path), cv2.IMREAD_GRAYSCALE) for s in samples]) > 0
    )


@pytest.fixture
def copy(demo_dataset, tmp_path) -> Path:
    return Path(shutil.copytree(demo_dataset, tmp_path / "data"))


def of_images(truth: np.ndarray) -> np.ndarray:
    return truth.any(axis=(1, 2))


def pixel_predictions(results: list) -> np.ndarray:
    return np.concatenate([result["pred"][0].ravel() > 0 for result in results])


def test_image_auroc_is_that_of_the_raw_scores(figures, results, truth):
    expected = metrics.roc_auc_score(of_images(truth), [result["raw_score"] for result in results])
    assert figures["image_auroc"] == pytest.approx(expected)


def test_pixel_auroc_is_that_of_the_maps(figures, results, truth):
    maps = np.stack([result["anomaly_map"] for result in results])
    assert figures["pixel_auroc"] == pytest.approx(metrics.roc_auc_score(truth.ravel(), maps.ravel()), abs=1e-5)


@pytest.mark.parametrize(
    ("name", "score"),
    [
        ("IoU", metrics.jaccard_score),
        ("Precision", metrics.precision_score),
        ("Recall", metrics.recall_score),
        ("F1", metrics.f1_score),
    ],
)
def test_pixel_figures_are_those_of_the_predicted_masks(figures, results, truth, name, score):
    assert figures[name] == pytest.approx(score(truth.ravel(), pixel_predictions(results)), rel=1e-3)


@pytest.mark.parametrize(
    ("name", "score"),
    [
        ("image_precision", metrics.precision_score),
        ("image_recall", metrics.recall_score),
        ("image_f1", metrics.f1_score),
    ],
)
def test_image_figures_are_those_of_the_decisions(figures, results, truth, name, score):
    decisions = [result["is_anomalous"] for result in results]
    assert figures[name] == pytest.approx(score(of_images(truth), decisions))


def test_the_false_positive_rate_is_the_share_of_normal_images_called_anomalous(figures, results, truth):
    decisions = np.array([result["is_anomalous"] for result in results])
    assert figures["image_false_positive_rate"] == pytest.approx(decisions[~of_images(truth)].mean())


def test_images_are_counted(figures):
    assert (figures["normal_images"], figures["anomalous_images"]) == (4, 10)
    assert figures["notes"] == []


def test_each_kind_of_defect_is_held_against_all_normal_images(figures, samples, results, truth):
    kinds = np.array([sample.defect_type for sample in samples])
    scores = np.array([result["raw_score"] for result in results])
    normal = ~of_images(truth)
    assert set(figures["by_defect_type"]) == set(kinds[~normal])
    for kind, values in figures["by_defect_type"].items():
        chosen = normal | (kinds == kind)
        expected = metrics.roc_auc_score(of_images(truth)[chosen], scores[chosen])
        assert values["image_level"]["auroc"] == pytest.approx(expected), kind


def test_without_normal_images_figures_are_none_and_a_note_says_why(predictor, samples):
    figures = evaluate(predictor, [sample for sample in samples if sample.defect_type != "good"]).to_dict()
    assert figures["image_auroc"] is None
    assert figures["image_false_positive_rate"] is None
    assert figures["image_recall"] is not None
    assert any("need normal validation images" in note for note in figures["notes"])


def test_without_anomalous_images_figures_are_none_and_a_note_says_why(predictor, samples):
    figures = evaluate(predictor, [sample for sample in samples if sample.defect_type == "good"]).to_dict()
    assert (figures["image_auroc"], figures["pixel_auroc"], figures["Recall"], figures["image_recall"]) == (None,) * 4
    assert figures["image_false_positive_rate"] is not None
    assert any("need anomalous validation images" in note for note in figures["notes"])


def test_a_mask_of_another_size_than_its_image_is_an_error_that_names_both(predictor, copy):
    sample = next(sample for sample in read_samples(copy, "val.txt") if sample.mask is not None)
    cv2.imwrite(str(sample.mask_path), np.zeros((100, 90), np.uint8))
    with pytest.raises(DatasetError, match=rf"{sample.mask} is 90x100, its image 128x128 pixels.*line {sample.line}\)"):
        evaluate(predictor, [sample])


@pytest.mark.parametrize("everywhere", [0, 255])
def test_a_defect_whose_place_the_mask_does_not_tell_counts_as_anomalous_but_not_its_pixels(
    predictor, copy, everywhere
):
    samples = read_samples(copy, "val.txt")
    emptied = next(sample for sample in samples if sample.defect_type not in ("", "good"))
    cv2.imwrite(str(emptied.mask_path), np.full((128, 128), everywhere, np.uint8))
    figures = evaluate(predictor, samples).to_dict()
    others = evaluate(predictor, [sample for sample in samples if sample is not emptied]).to_dict()
    assert figures["anomalous_images"] == 10
    assert others["anomalous_images"] == 9
    for name in ("pixel_auroc", "IoU", "Precision", "Recall"):
        assert figures[name] == pytest.approx(others[name], abs=1e-6), name  # other batches round otherwise
    assert figures["notes"] == [
        "1 defective images have a mask that does not say where the defect is (it marks nothing, or the whole image) and "
        "are left out of the pixel figures"
    ]


@pytest.mark.parametrize("not_found", ["ng", "error"])
def test_a_part_that_is_not_found_counts_as_called_anomalous(predictor, samples, copy, not_found):
    """A good part where another is expected: a false alarm that has a place in no pixel figure."""
    good = next(sample for sample in samples if sample.mask is None)
    alignment = Alignment.to(
        good.read(),
        motion="translation",
        max_shift=0.1,
        max_angle=0,
        least_quality=0.5,
        min_seen=0.7,
        not_found=not_found,
    )
    aligned = shallow_copy(predictor)
    aligned.preparation = Preparation(alignment=alignment)
    wrong = copy / "images/val/good/wrong.png"
    cv2.imwrite(str(wrong), draw_part(3, 128, 128))
    (copy / "val.txt").write_text(f"{good.image}\nimages/val/good/wrong.png\n", encoding="utf-8")
    evaluation = evaluate(aligned, read_samples(copy, "val.txt"))
    found, lost = evaluation.rows
    assert (lost.called_anomalous, lost.score, lost.pixels) == (True, 1.0, None)
    assert found.pixels is not None
    assert evaluation.image.confusion.false_positive == 1 + found.called_anomalous
    assert "1 of 2 images: not found: wrong part or position" in evaluation.notes[-1]
    half = Inspection.parse({"size": [128, 128], "inspect": [[[0, 0], [64, 0], [64, 128], [0, 128]]]})
    aligned.preparation = Preparation(alignment=alignment, regions=half)
    assert "50% of the photo is inspected" in evaluate(aligned, read_samples(copy, "val.txt")).notes[-1]


def test_a_defect_outside_the_inspected_area_is_named_and_its_pixels_are_called_normal(predictor, samples):
    """Of the photo the quarter with the least of the defect is inspected, and that has none of it."""
    sample = next(one for one in samples if one.mask is not None)
    mask = read_mask(sample.mask_path)
    height, width = mask.shape
    corners = [(0, 0), (width // 2, 0), (0, height // 2), (width // 2, height // 2)]
    of_quarter = {(x, y): mask[y:, x:][: height // 2, : width // 2].sum() for x, y in corners}
    left, top = min(of_quarter, key=of_quarter.get)
    assert of_quarter[left, top] == 0
    right, bottom = left + width // 2, top + height // 2
    quarter = [[left, top], [right, top], [right, bottom], [left, bottom]]
    model = shallow_copy(predictor)
    model.preparation = Preparation(regions=Inspection.parse({"size": [width, height], "inspect": [quarter]}))
    evaluation = evaluate(model, [sample])
    (row,) = evaluation.rows
    assert row.is_outside
    assert (row.pixels.true_positive, row.pixels.false_negative) == (0, mask.sum())
    assert any("25% of the photo is inspected" in note for note in evaluation.notes)
    assert any(note.startswith("1 defect lies wholly outside") and sample.image in note for note in evaluation.notes)
