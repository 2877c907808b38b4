"""From a picture to a verdict, by the model that the config names, or by that of a product."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from paddlex.errors import ModelError, PaddleXError
from paddlex.inference.inputs import read_image
from paddlex.inference.model_bank import AUTO, find_bank
from paddlex.inference.pipelines.anomaly_detection import AnomalyDetectionPipeline
from paddlex.inference.pipelines.pipeline_config import PipelineConfig, load_pipeline_config
from paddlex.inference.predictor import AnomalyPredictor
from paddlex.line.config import LineSection
from paddlex.utils.files import folder_digest

_SETTINGS = ("model_dir", "product", "run_mode", "score_threshold", "target_fpr")


@dataclass(frozen=True)
class Verdict:
    """What a model says of a picture: see ``Answer``."""

    is_ok: bool
    score: float
    threshold: float
    model: str
    product: str | None


class Judge:
    """Every model that a trigger may need, loaded.

    Args:
        line: names them.

    Raises:
        PaddleXError: one cannot be loaded.
    """

    def __init__(self, line: LineSection) -> None:
        overrides = {name: getattr(line, name) for name in _SETTINGS}
        config = load_pipeline_config(line.pipeline, overrides)
        bank = None if config.model_dir is None else find_bank(config.model_dir)
        self._usual = config.product
        self._models: dict[str | None, AnomalyPredictor] = {}
        for product in [None] if bank is None else bank.products:
            self._models[product] = self._opened(replace(config, product=product), line.device)
        self._bank = self._opened(config, line.device) if config.product == AUTO else None
        if self._bank is not None:
            self._bank.loaded.update(self._models)
        self._digests = {model.folder.path: folder_digest(model.folder.path) for model in self._models.values()}
        for model in self._models.values():
            model.outcomes([np.zeros((64, 64, 3), np.uint8)])  # the first picture takes an engine longest

    def __str__(self) -> str:
        """What is loaded, in a line."""
        names = {product or model.folder.model_name: model for product, model in self._models.items()}
        return ", ".join(f"{name} {self._digests[model.folder.path][:12]}" for name, model in names.items())

    def judge(self, picture: bytes | np.ndarray | Path, product: str | None) -> Verdict:
        """Judge a picture.

        Args:
            picture: encoded bytes, uint8 [H, W, 3] BGR, or a file.
            product: of a bank; None for the config's.

        Raises:
            ImageReadError: it cannot be read.
            PhotoError: it shows no part that the model can judge.
            PaddleXError: there is no such product, or the model fails.
        """
        wanted = self._usual if product is None else product
        predictor = self._bank if wanted == AUTO else self._models.get(wanted)
        if predictor is None:
            names = ", ".join(str(name) for name in self._models if name is not None)
            remedy = f"Send one of {names} with the trigger" if names else "Send none: there is one model"
            raise ModelError(f"there is no model of the product {wanted}", remedy=remedy)
        [outcome] = predictor.outcomes([read_image(picture, predictor.reading)])
        if isinstance(outcome, PaddleXError):
            raise outcome
        found = outcome.get("product")
        digest = self._digests[self._models[found].folder.path]
        return Verdict(not outcome["is_anomalous"], outcome["raw_score"], outcome["threshold"], digest, found)

    @staticmethod
    def _opened(config: PipelineConfig, device: str) -> Any:
        return AnomalyDetectionPipeline(config, device).predictor
