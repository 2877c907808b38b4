"""What a model of the family is, readable without Paddle: its settings, and where its network and its fitting are."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from paddlex.config_schema import Config, TrainSection

if TYPE_CHECKING:
    from paddlex.data.dataset import Sample
    from paddlex.evaluation.analyses.learning_curve.refitting import Refitter
    from paddlex.modules.image_anomaly_detection.model_card import ModelCard
    from paddlex.modules.image_anomaly_detection.models.network import AnomalyNetwork
    from paddlex.modules.image_anomaly_detection.training.suspects import Suspect
    from paddlex.utils.devices import Device


@dataclass(frozen=True)
class Model:
    """One model: everything that the rest of the program has to know of it.

    Attributes:
        options: the schema of its ``Train`` section: only keys that mean something for it.
        network: ``module:function`` that makes its network, untrained, from a ``ModelCard``. It raises ValueError where there
            can be no such network.
        fit: ``module:function`` that trains: a ``Config`` and a ``Device`` in, a ``Fitted`` out. It writes finished models
            below ``Global.output``.
        screen: ``module:function`` that judges whole photos of a training list, each by a fit to others: a ``Config``, a
            ``Device`` and ``Sample``s in, the ``Suspect``s among them out; None where only others can.
        interpolation: how photos are brought to the size of the network's input: ``LINEAR``, as PaddleX does it, or ``AREA``,
            which averages where it shrinks: fine detail is not turned into noise (aliasing).
        weights: ``module:function`` that reads weights which others have made, and which come without a card; None where there
            are none.
        checkpoint: ``module:function`` that finds, below ``Global.output``, the checkpoint that ``Train.resume_path`` may go on
            from, or None; None where a training cannot be resumed.
        refitter: ``module:class`` that fits it again to some of its photos, in some seconds: a network, its card, the photos, a
            ``Config`` and a ``Device`` in, a ``Refitter`` out. None where a training takes longer than that.
        writes: what its training writes through temporary names besides the finished model: folder below ``Global.output`` ->
            pattern of the names in it. What a killed training has left there is tidied up.
    """

    options: type[TrainSection]
    network: str
    fit: str
    screen: str | None = None
    interpolation: str = "LINEAR"
    weights: str | None = None
    checkpoint: str | None = None
    refitter: str | None = None
    writes: Mapping[str, str] = field(default_factory=dict)

    def build(self, card: ModelCard) -> AnomalyNetwork:
        """The network that a card describes, with random weights."""
        return cast("AnomalyNetwork", _resolved(self.network)(card))

    def train(self, config: Config, device: Device) -> Fitted:
        """Train as a config says."""
        return cast(Fitted, _resolved(self.fit)(config, device))

    def suspects(self, config: Config, device: Device, photos: Sequence[Sample]) -> list[Suspect]:
        """The photos of a training list that may show defects, the most unusual first."""
        assert self.screen is not None
        return cast("list[Suspect]", _resolved(self.screen)(config, device, photos))

    def last_checkpoint(self, output: Path) -> Path | None:
        """What a training that was stopped has left to go on from; None for nothing."""
        return None if self.checkpoint is None else cast("Path | None", _resolved(self.checkpoint)(output))

    def refit(
        self, network: AnomalyNetwork, card: ModelCard, photos: Sequence[Sample], config: Config, device: Device
    ) -> Refitter:
        """What fits a trained network again to some of its photos."""
        assert self.refitter is not None
        return cast("Refitter", _resolved(self.refitter)(network, card, photos, config, device))

    def read_foreign(self, path: str) -> Any:
        """``Weights`` that others have made."""
        assert self.weights is not None
        return _resolved(self.weights)(path)


@dataclass(frozen=True)
class Fitted:
    """What a training has left.

    Attributes:
        card: of the best model.
        folders: ``best``, and maybe ``last_1``: folders below ``Global.output`` with model.* and inference/.
        scores: by the same names, what the model was chosen by; {} where nothing was to be chosen.
        facts: what ``train_result.json`` says besides: paths, relative to ``Global.output``, and figures.
        warnings: what the user should know, in sentences.
        suspects: the training images that may show defects; whether they are left out is for ``Train.robust`` to say.
    """

    card: ModelCard
    folders: Mapping[str, Path]
    scores: Mapping[str, float] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    suspects: Sequence[Suspect] = ()


def _resolved(reference: str) -> Any:
    module, _, name = reference.partition(":")
    return getattr(importlib.import_module(module), name)
