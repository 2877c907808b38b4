"""The models that a server has, by name; each can be loaded anew while it works."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from paddlex.errors import ConfigError
from paddlex.inference.backends import Backend
from paddlex.inference.model_bank import AUTO
from paddlex.inference.preparation import Preparation
from paddlex.inference.reading import Reading
from paddlex.inference.recognition import Recognised, recognise
from paddlex.inference.serving.batching import Batcher, Judge, check_finite
from paddlex.inference.serving.errors import Busy, RequestError
from paddlex.inference.serving.metrics import Metrics
from paddlex.inference.serving.settings import ServerSettings
from paddlex.inference.signature import Signature
from paddlex.inference.tiling import Tiling
from paddlex.utils.devices import Device
from paddlex.utils.logging import logger


class Predictor(Judge, Protocol):
    """A loaded model, see ``AnomalyPredictor``."""

    device: Device
    backend: Backend
    tiling: Tiling | None
    preparation: Preparation


#: Batches at work at once, where the backend serves several threads.
_WORKERS = 2

#: Letters of an answer that says why a model is not served.
_LONGEST_REASON = 500


@dataclass(frozen=True)
class Loaded:
    """What a pipeline is for the service.

    Attributes:
        predictor: judges images.
        visualize: whether an answer holds a picture when the request does not say.
    """

    predictor: Predictor
    visualize: bool = True


#: Loads a pipeline, given as on the command line.
PipelineLoader = Callable[[str], Loaded]


def parse_pipelines(arguments: list[str]) -> dict[str, str]:
    """``--pipeline`` arguments, ``NAME``, ``FILE.yaml`` or ``name=…``, as name -> pipeline in their order.

    A file without a name goes by its stem.

    Raises:
        ConfigError: two of one name, or an empty one.
    """
    pipelines: dict[str, str] = {}
    for argument in arguments:
        name, equals, pipeline = argument.partition("=")
        if not equals or "/" in name or "\\" in name:  # an equals sign in a path is no name
            name, pipeline = Path(argument).stem, argument
        if not name or not pipeline:
            raise ConfigError("a pipeline without a name or a path", where=argument, remedy="Give NAME=PATH")
        if name in pipelines:
            raise ConfigError(f"two pipelines are called {name}", where=argument, remedy="Give one as NAME=PATH")
        pipelines[name] = pipeline
    return pipelines


class ServedModel:
    """One name: its predictor of the moment, behind its batcher."""

    def __init__(self, name: str, pipeline: str, loaded: Loaded, settings: ServerSettings, metrics: Metrics):
        self.name = name
        self.pipeline = pipeline
        is_tiled = loaded.predictor.tiling is not None  # then the tiles of one image are batch enough
        is_concurrent = loaded.predictor.backend.is_concurrent and not is_tiled
        self.batcher = Batcher(
            loaded.predictor,
            name=name,
            max_batch=1 if is_tiled else settings.max_batch,
            max_wait=settings.batch_wait,
            queue_size=settings.queue_size,
            workers=_WORKERS if is_concurrent else 1,
            observe=metrics.watch_model(name, lambda: self.batcher.depth),
        )
        self._loaded = loaded

    def chosen(self, image: np.ndarray) -> tuple[ServedModel, Recognised | None]:
        """Who judges an image, and what it was recognised by: this model, whatever it shows."""
        return self, None

    @property
    def visualize(self) -> bool:
        return self._loaded.visualize

    @property
    def signature(self) -> Signature | None:
        """What its product looks like, where that is known."""
        return self._loaded.predictor.folder.own.signature

    @property
    def reading(self) -> Reading:
        """How its pictures are read."""
        return self._loaded.predictor.reading

    def replace(self, loaded: Loaded) -> None:
        """Use another predictor from the next batch on."""
        self._loaded = loaded
        self.batcher.replace(loaded.predictor)

    def describe(self, is_default: bool) -> dict[str, Any]:
        """What ``GET /models`` tells."""
        predictor = self._loaded.predictor
        limits, folder = predictor.limits, predictor.folder
        calibration = folder.calibration
        return {
            "name": self.name,
            "modelName": folder.model_name,
            "isDefault": is_default,
            "threshold": limits.image.threshold,
            "typical": limits.image.typical,
            "pixelThreshold": limits.pixel.threshold,
            "pixelTypical": limits.pixel.typical,
            "thresholdSource": limits.source,
            "targetFpr": None if calibration is None else calibration.target_fpr,
            "calibrationScores": [] if calibration is None else calibration.scores,
            "inputSize": list(folder.transform.size),
            "inspectedArea": 1.0 if (regions := folder.own.regions) is None else regions.share,
            "zones": [] if regions is None else [zone.name for zone in regions.zones],
            "runMode": predictor.backend.run_mode,
            "device": str(predictor.device),
        }


class ServedBank:
    """The name ``auto``: each image is judged by the model of the product that it shows.

    Args:
        models: product -> model; each has a signature.
    """

    name = AUTO

    def __init__(self, models: Mapping[str, ServedModel]) -> None:
        self._models = models

    def chosen(self, image: np.ndarray) -> tuple[ServedModel, Recognised | None]:
        """Who judges an image, uint8 [H, W, 3] BGR, and what it was recognised by.

        Raises:
            UnknownProductError: it shows none of the products, or may show two.
        """
        signatures = {product: model.signature for product, model in self._models.items()}
        known = {product: signature for product, signature in signatures.items() if signature is not None}
        if len(known) < len(signatures):  # a model that was loaded anew has none
            lacking = ", ".join(signatures.keys() - known.keys())
            raise RequestError(409, f"{AUTO} cannot recognise {lacking} any more", remedy="Name the model")
        recognised = recognise(image, known)
        return self._models[recognised.product], recognised

    @property
    def visualize(self) -> bool:
        return all(model.visualize for model in self._models.values())

    @property
    def reading(self) -> Reading:
        """How its pictures are read: all models read them alike."""
        return next(iter(self._models.values())).reading

    def describe(self, is_default: bool) -> dict[str, Any]:
        """What ``GET /models`` tells."""
        return {"name": self.name, "modelName": AUTO, "isDefault": is_default, "products": list(self._models)}


class ModelRegistry:
    """All models of a server. Loading blocks, so it belongs on a thread; the rest does not.

    Args:
        pipelines: name -> pipeline.
        load: loads one.
        settings: of the server.
        metrics: are told of each model.
        products: the names among which ``auto``, which is then the default, recognises; none for no such name.
    """

    def __init__(
        self,
        pipelines: Mapping[str, str],
        load: PipelineLoader,
        settings: ServerSettings,
        metrics: Metrics,
        products: Sequence[str] = (),
    ) -> None:
        self.default = AUTO if products else next(iter(pipelines), "")
        self._products = list(products)
        self._bank: ServedBank | None = None
        self._pipelines = dict(pipelines)
        self._load = load
        self._settings = settings
        self._metrics = metrics
        self._models: dict[str, ServedModel] = {}
        self._withdrawn: dict[str, str] = {}
        self._reload_lock = threading.Lock()
        self.is_ready = False

    def load(self) -> None:
        """Load and try every model. They are told of as soon as ``is_ready`` is set.

        Raises:
            PaddleXError: one cannot be loaded.
        """
        for name, pipeline in self._pipelines.items():
            self._models[name] = ServedModel(name, pipeline, self._open(pipeline), self._settings, self._metrics)
        if self._products:
            self._bank = ServedBank({name: self._models[name] for name in self._products})

    def get(self, name: str | None) -> ServedModel | ServedBank:
        """A model by its name, or the default one.

        Raises:
            RequestError: 404, there is none of this name; 409, it was withdrawn; 422, none is the default.
            Busy: they are not loaded yet.
        """
        self.check_ready()
        name = self.default if name is None else name
        if not name and not self._pipelines and not self._withdrawn:
            raise RequestError(404, "there is no model yet", remedy="Teach one, and let it go live")
        if not name:
            raise RequestError(
                422, "there are several models", remedy="Name the one that is meant: GET /models lists them"
            )
        if (why := self._withdrawn.get(name)) is not None:
            raise RequestError(409, f"{name} is not served: {why}"[:_LONGEST_REASON])
        if name not in self._pipelines and not (name == AUTO and self._products):
            raise RequestError(404, f"there is no model {name[:80]!r}", remedy="GET /models lists them")
        return self._bank if name == AUTO and self._bank is not None else self._models[name]

    def check_ready(self) -> None:
        """See that the models are loaded, if there are any.

        Raises:
            Busy: they are not.
        """
        if not self.is_ready:
            raise Busy("the models are being loaded", retry_after=5)

    def reload(self, name: str) -> ServedModel:
        """Load a model anew from its path, try it, and put it in the old one's place between two batches.

        Raises:
            RequestError: 404, there is none of this name.
            PaddleXError: the new one cannot be loaded, and the old one stays.
        """
        model = self.get(name)
        if isinstance(model, ServedBank):
            raise RequestError(409, f"{AUTO} is no model of its own", remedy="Load those of its products anew")
        with self._reload_lock:  # two copies in memory are enough
            model.replace(self._open(model.pipeline))
        self._metrics.reloads.labels(name).inc()
        logger.info("Model %s was loaded anew from %s.", name, model.pipeline)
        return model

    def opened(self, pipeline: str) -> Loaded:
        """Load a pipeline and try it; nothing is served by it yet.

        Raises:
            PaddleXError: it cannot be loaded.
        """
        with self._reload_lock:
            return self._open(pipeline)

    def serves(self, name: str, pipeline: str) -> bool:
        """Whether a name stands for a pipeline."""
        return self._pipelines.get(name) == pipeline

    def put(self, name: str, pipeline: str, loaded: Loaded) -> None:
        """Serve a pipeline that is ``opened`` by a name from the next batch on, whether the name is new or not.

        The only name is the default; of several none is, lest a request that names none is judged by what it does not mean.
        """
        with self._reload_lock:
            if (model := self._models.get(name)) is not None:
                model.replace(loaded)
                model.pipeline = pipeline
            else:
                self._models[name] = ServedModel(name, pipeline, loaded, self._settings, self._metrics)
            self._withdrawn.pop(name, None)
            self._pipelines[name] = pipeline
            self._choose_default()

    def withdraw(self, name: str, why: str) -> None:
        """Serve a name no more, and tell whoever asks for it why; what is queued is finished."""
        with self._reload_lock:
            self._pipelines.pop(name, None)
            model = self._models.pop(name, None)
            self._withdrawn[name] = why
            self._choose_default()
        if model is not None:
            model.batcher.close()

    def remove(self, name: str) -> None:
        """Forget a name; what is queued is finished."""
        self.withdraw(name, "")
        with self._reload_lock:
            self._withdrawn.pop(name, None)
            self._choose_default()

    def _choose_default(self) -> None:
        names = [*self._pipelines, *self._withdrawn]
        self.default = names[0] if len(names) == 1 else ""

    @property
    def depth(self) -> int:
        """Images that wait for any of the models."""
        return sum(model.batcher.depth for model in list(self._models.values()))

    def describe(self) -> list[dict[str, Any]]:
        """What ``GET /models`` tells of each."""
        self.check_ready()
        served: list[ServedBank | ServedModel] = list(self._models.values())
        if self._bank is not None:
            served.insert(0, self._bank)
        return [model.describe(model.name == self.default) for model in served]

    def close(self) -> None:
        """Finish what is queued and stop."""
        self.is_ready = False
        for model in self._models.values():
            model.batcher.close()

    def _open(self, pipeline: str) -> Loaded:
        loaded = self._load(pipeline)
        predictor = loaded.predictor
        width, height = predictor.folder.transform.size
        grey = predictor.preparation.example(height, width)
        for count in sorted({1, self._settings.max_batch}):  # fails here rather than at the first customer
            for result in predictor.judge([grey] * count):
                check_finite(result)
        return loaded
