"""Evaluations made from scores, and one made by a real model."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from paddlex.data.dataset import VAL_LIST, Sample, read_samples
from paddlex.evaluation import evaluator
from paddlex.evaluation.evaluator import Evaluation, ImageRow
from paddlex.evaluation.metrics import Confusion, PixelAccumulator, image_metrics
from paddlex.inference.postprocess import Limit, Limits
from paddlex.inference.predictor import AnomalyPredictor

THRESHOLD = 10.0


@pytest.fixture(scope="session")
def predictor(trained: Path) -> AnomalyPredictor:
    return AnomalyPredictor(trained, device="cpu", quiet=True)


@pytest.fixture(scope="session")
def evaluation(predictor: AnomalyPredictor, demo_dataset: Path) -> Evaluation:
    """4 normal and 10 defective images, judged by a model."""
    return evaluator.evaluate(predictor, read_samples(demo_dataset, VAL_LIST))


@pytest.fixture(scope="session")
def evaluation_of() -> Callable[..., Evaluation]:
    """Makes the evaluation of images without masks from their raw scores; what is above 10 is anomalous."""

    def make(normal: Sequence[float], anomalous: Sequence[float], source: str = "given by the user") -> Evaluation:
        limits = Limits(Limit(THRESHOLD, 5.0), Limit(1.0), source)
        rows = [
            ImageRow(
                sample=Sample(Path("data"), f"{folder}/{number}.png", None, VAL_LIST, number + 1),
                is_anomalous=folder == "scratch",
                called_anomalous=score > THRESHOLD,
                score=float(limits.image.normalise(score)),
                raw_score=score,
                pixels=None,
            )
            for folder, scores in (("good", normal), ("scratch", anomalous))
            for number, score in enumerate(scores)
        ]
        metrics = image_metrics(np.array(normal, float), np.array(anomalous, float), THRESHOLD)
        by_type = {"scratch": metrics} if anomalous else {}
        pixels = PixelAccumulator().compute()
        return Evaluation(rows, limits, metrics, pixels, Confusion(0, 0, 0, 0), by_type, {}, [])

    return make
