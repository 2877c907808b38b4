"""A bank of models as one predictor: each photo is judged by the model of the product that it shows."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import numpy as np

from paddlex.errors import ConfigError, ModelError, UnknownProductError
from paddlex.inference.batch_predictor import BatchPredictor, Outcome, as_outcome, reading_for
from paddlex.inference.checked import named, optional, whole
from paddlex.inference.inputs import Source
from paddlex.inference.model_bank import AUTO, bank_of
from paddlex.inference.model_folder import ModelFolder
from paddlex.inference.predictor import AnomalyPredictor
from paddlex.inference.recognition import Recognised, recognise
from paddlex.inference.results import AnomalyResult
from paddlex.inference.tiling import Tiling
from paddlex.utils.devices import resolve_device
from paddlex.utils.logging import logger
from paddlex.utils.paddle_environment import default_threads

#: Other limits than a model's own, which hold for all alike.
_LIMITS = ("score_threshold", "target_fpr", "min_area")


class BankPredictor(BatchPredictor):
    """The models of a bank, ready to judge photos of any of its products.

    Of a photo that shows none of them, or as good as two, the outcome is an ``UnknownProductError``: it is not judged. A model
    is loaded when the first photo of its product comes; where that fails, the outcome of its product's photos is the error.

    Args:
        model_dir: the bank.
        options: of ``AnomalyPredictor``, for each model alike; not ``threshold``, which is on a scale of each model's own.

    Attributes:
        path: the bank's folder.
        loaded: product -> predictor, of those that were needed.

    Raises:
        ConfigError: ``threshold`` is given.
        ModelError: the folder is no bank, or one of its models is damaged or has no signature.
    """

    def __init__(
        self,
        model_dir: str | os.PathLike[str] | None,
        *,
        batch_size: int = 1,
        threads: int | None = None,
        threshold: float | None = None,
        tiling: Tiling | Mapping[str, Any] | int | None = None,
        bit_depth: int | None = None,
        max_megapixels: float | None = None,
        quiet: bool = False,
        **options: Any,
    ) -> None:
        if threshold is not None:
            what = "threshold is a raw score, and each model of the bank has a scale of its own"
            raise ConfigError(what, remedy="Give score_threshold or target_fpr, or set product to a name")
        bank = bank_of(model_dir)
        self.path = bank.path
        self._folders = bank.open_all()
        for folder in self._folders.values():  # what is wrong with an option is said before the first photo comes
            folder.limits_at(**{name: options[name] for name in _LIMITS if name in options})
        resolve_device(options.get("device"))
        signatures = {product: folder.own.signature for product, folder in self._folders.items()}
        self._signatures = {product: one for product, one in signatures.items() if one is not None}  # all have one
        self.batch_size = named("batch_size", whole(1), batch_size)
        self.threads = named("threads", optional(whole(1)), threads) or default_threads()
        self._tiling = tiling
        own_depth = common_depth(self._folders) if bit_depth is None else None
        self.reading = reading_for(own_depth, bit_depth, max_megapixels)
        self.loaded: dict[str, AnomalyPredictor] = {}
        self._options = {
            **options, "threads": threads, "tiling": tiling, "bit_depth": bit_depth, "max_megapixels": max_megapixels,
            "quiet": quiet,
        }  # fmt: skip
        self._loading = threading.Lock()
        if not quiet:
            logger.info("Each photo is judged by the model of its product: %s from %s.", bank.names, bank.path)

    @property
    def takes_one(self) -> bool:
        """Whether a model scans photos in tiles."""
        if self._tiling is not None:
            return Tiling.of(self._tiling) is not None
        return any(folder.own.tiling is not None for folder in self._folders.values())

    def outcomes(self, images: Sequence[np.ndarray], sources: Sequence[Source | None] | None = None) -> list[Outcome]:
        """What ``judge`` does, but an image that cannot be judged, or shows no product, has its error for an outcome."""
        sources = [None] * len(images) if sources is None else sources
        outcomes: dict[int, Outcome] = {}
        recognised: dict[int, Recognised] = {}
        for number, (image, source) in enumerate(zip(images, sources, strict=True)):
            try:
                recognised[number] = recognise(image, self._signatures)
            except UnknownProductError as error:
                outcomes[number] = as_outcome(error, source)
        for product in dict.fromkeys(one.product for one in recognised.values()):
            numbers = [number for number, one in recognised.items() if one.product == product]
            judged = self._judged_by(
                product, [images[number] for number in numbers], [sources[number] for number in numbers]
            )
            outcomes.update(zip(numbers, judged, strict=True))
        for number, one in recognised.items():
            if isinstance(outcome := outcomes[number], AnomalyResult):
                outcome.update(one.to_dict())
        return [outcomes[number] for number in range(len(images))]

    def refit(self, images: object, save_dir: object, **options: object) -> NoReturn:
        """A model is refitted, not a bank.

        Raises:
            ConfigError: always.
        """
        raise ConfigError("a bank of models is not refitted", remedy="Set product to the name of the one that is meant")

    def _judged_by(self, product: str, images: Sequence[np.ndarray], sources: Sequence[Source | None]) -> list[Outcome]:
        try:
            predictor = self._predictor(product)
        except ModelError as error:  # it is damaged, and the other products are judged all the same
            return [error] * len(images)
        return predictor.outcomes(images, sources)

    def _predictor(self, product: str) -> AnomalyPredictor:
        with self._loading:
            if product not in self.loaded:
                predictor = AnomalyPredictor(self.path, product=product, **self._options)
                if predictor.folder.own != self._folders[product].own:  # what it was recognised by is another's
                    what, where = "the model has been replaced since the bank was opened", predictor.folder.path
                    raise ModelError(what, where=where, remedy="Start again")
                self.loaded[product] = predictor
            return self.loaded[product]


def common_depth(folders: Mapping[str, ModelFolder]) -> int | None:
    """The bit depth of the pictures that all models of a bank are for: a photo is read before its product is known.

    Raises:
        ModelError: they differ.
    """
    depths = {product: folder.own.bit_depth or 8 for product, folder in folders.items()}
    if len(set(depths.values())) > 1:
        told = ", ".join(f"{product} {depth}" for product, depth in depths.items())
        what = f"the models are for pictures of different bit depths ({told}), and {AUTO} reads all pictures alike"
        raise ModelError(what, remedy="Set product to a name, or bit_depth to that of the camera")
    return next((folder.own.bit_depth for folder in folders.values() if folder.own.bit_depth), None)


def open_predictor(
    model_dir: str | os.PathLike[str] | None, *, product: str | None = None, **options: Any
) -> AnomalyPredictor | BankPredictor:
    """The predictor of a model, of a product's model in a bank, or, with ``auto``, of the bank.

    Args:
        model_dir: see ``open_model``.
        product: None for a model; a name, or ``auto``, for a bank.
        options: of ``AnomalyPredictor``.

    Raises:
        ConfigError, ModelError, DownloadError, DeviceError: as the predictors do.
    """
    if product == AUTO:
        return BankPredictor(model_dir, **options)
    return AnomalyPredictor(model_dir, product=product, **options)
