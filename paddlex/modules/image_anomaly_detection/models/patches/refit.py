"""Fitting a patch model again and again, to some of its photos each time: their features are computed once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
import paddle
from paddle import nn

from paddlex.config_schema import Config
from paddlex.data.dataset import Sample
from paddlex.errors import TrainingError
from paddlex.evaluation.analyses.learning_curve.refitting import Draw, Refit
from paddlex.inference.backends import Backend
from paddlex.inference.postprocess import anomaly_score
from paddlex.inference.refit.calibrating import CALIBRATED, where_inspected
from paddlex.inference.refit.copies import copies_of
from paddlex.inference.refit.features import FOLDS, Collected, PatchFeatures, seen_patches, shares
from paddlex.inference.view import inspected_positions
from paddlex.modules.image_anomaly_detection.calibration.calibrator import calibrate_distances
from paddlex.modules.image_anomaly_detection.model import build_network
from paddlex.modules.image_anomaly_detection.model_card import ModelCard
from paddlex.modules.image_anomaly_detection.models.network import AnomalyNetwork
from paddlex.modules.image_anomaly_detection.models.patches.features import open_backbone
from paddlex.modules.image_anomaly_detection.models.patches.network import PatchNetwork, channels_of, map_size_of
from paddlex.modules.image_anomaly_detection.models.patches.options import PatchSection
from paddlex.modules.image_anomaly_detection.training.batches import ImageBatches, consecutive
from paddlex.utils.devices import Device
from paddlex.utils.progress import progress_bar

#: So many patches are drawn for each fit at most: a training has more of them, but this is soon done.
_SAMPLED_PATCHES = 10_000

#: So many photos are looked at, drawn at random: what more of them would change is small beside what chance does.
_MOST_PHOTOS = 300

_BATCH_SIZE = 8
_SALT = 0x7265666974  # keeps these random numbers apart from others that are made from the same seed

#: Feature maps by name: float16 [n, h, w, C].
_Maps = Mapping[str, np.ndarray]


class PatchRefitter:
    """A ``Refitter`` for models that are made of parts.

    Args:
        network: the model; it stays as it is.
        card: of the model, calibrated.
        photos: that it was fitted to.
        config: how it was fitted.
        device: where the backbone runs.
    """

    def __init__(
        self, network: AnomalyNetwork, card: ModelCard, photos: Sequence[Sample], config: Config, device: Device
    ) -> None:
        empty = build_network(card)
        assert isinstance(network, PatchNetwork) and isinstance(empty, PatchNetwork) and card.calibration is not None
        self._network, self._card, self._device, self._options = empty, card, device, PatchSection.of(config)
        self._network.eval()
        self._backbone, self._names = network.backbone, network.backbone.names
        height, width = card.size
        copies = copies_of(getattr(self._options, "copies", []))  # not every patch model remembers turned copies
        self._copies = [copy for copy in copies if height == width or copy.turns % 2 == 0]
        drawn = np.random.default_rng([_SALT, self._options.seed]).permutation(len(photos))
        some = np.sort(drawn[: min(_MOST_PHOTOS, self._photos_in_memory())])
        self._images = ImageBatches([photos[number] for number in some], card.transform)
        fusion = CALIBRATED if card.calibration.fusion == CALIBRATED else "paper"
        aims = {"fusion": fusion, "target_fpr": card.calibration.target_fpr}
        self._calibration = self._options.calibration.model_copy(update=aims)
        self._of_photos: _Maps = {}
        self._of_drawings: _Maps = {}
        self._places: dict[int, list[tuple[int, np.ndarray]]] = {}

    @property
    def photos(self) -> int:
        return len(self._images)

    def prepare(self, draw_on: Sequence[int], draw: Draw) -> None:
        """Compute the features of all photos, and of some with defects."""
        total = len(self._images) + len(draw_on)
        with TemporaryDirectory() as folder, progress_bar(total, 0, "Features", "image") as bar:
            backend = open_backbone(self._backbone, self._card, Path(folder), self._device)
            self._of_photos = self._maps(backend, self._with_copies(), bar.update)
            self._of_drawings = self._maps(backend, self._with_defects(draw_on, draw), bar.update)

    def fit(self, chosen: np.ndarray, judged: np.ndarray, drawn_on: np.ndarray) -> Refit:
        """Fit to the chosen photos, and judge others and the drawings."""
        inspected = self._images.inspected
        calibration = calibrate_distances(
            self._network, self._fit_parts(chosen), self._calibration, self._card.size,
            lambda number: inspected(int(chosen[number])),
        )  # fmt: skip
        limit = calibration.image_threshold
        maps = self._judged(self._of_photos, judged * self._versions)
        scores = [
            anomaly_score(where_inspected(one, inspected(int(photo)))) for one, photo in zip(maps, judged, strict=True)
        ]
        drawings = [drawing for photo in drawn_on for drawing in self._places[int(photo)]]
        maps = self._judged(self._of_drawings, np.array([number for number, _ in drawings], int))
        peaks = [float(one[place].max(initial=-np.inf)) for one, (_, place) in zip(maps, drawings, strict=True)]
        return Refit(limit, np.array(calibration.scores), np.array(scores), np.array(peaks))

    @property
    def _versions(self) -> int:
        """How many pictures there are of each photo: itself first, then its copies."""
        return 1 + len(self._copies)

    def _photos_in_memory(self) -> int:
        each = [np.prod(map_size_of(self._card, name)) * channels_of(self._card, name) for name in self._names]
        size = int(sum(each)) * self._versions * np.dtype(np.float16).itemsize
        return int(self._options.memory_gb * 2**30 // size)

    def _with_copies(self) -> Iterator[tuple[int, np.ndarray]]:
        for x in self._images(consecutive(len(self._images), _BATCH_SIZE)):
            for picture in x[:, None]:
                yield 1, np.concatenate([picture, *(copy(picture) for copy in self._copies)])

    def _with_defects(self, draw_on: Sequence[int], draw: Draw) -> Iterator[tuple[int, np.ndarray]]:
        width, height = self._card.transform.size
        number = 0
        for photo in draw_on:
            view = self._images.samples[photo].view()
            drawings, self._places[photo] = draw(view, photo), []
            inside = inspected_positions(view.inspected, (height, width))
            for drawing in drawings:
                cover = cv2.resize(drawing.mask.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA) > 0
                self._places[photo].append((number, cover if inside is None else cover & inside))
                number += 1
            yield 1, self._card.transform([drawing.image for drawing in drawings])

    def _maps(
        self, backend: Backend, pictures: Iterable[tuple[int, np.ndarray]], done: Callable[[int], object]
    ) -> _Maps:
        """The features of network inputs, float32 [N, 3, H, W] at a time, with how many photos each time are of."""
        kept: dict[str, list[np.ndarray]] = {name: [] for name in self._names}
        for photos, x in pictures:
            for name, output in zip(self._names, backend.run(x), strict=True):
                kept[name].append(output.transpose(0, 2, 3, 1).astype(np.float16))
            done(photos)
        return {name: np.concatenate(maps) for name, maps in kept.items()}

    def _fit_parts(self, chosen: np.ndarray) -> list[np.ndarray]:
        """Give the network parts that are fitted to these photos; the cross-fitted distances of each."""
        parts, distances = [], []
        for part in self._network.parts:
            features = self._features(part.layer, chosen)
            try:
                parts.append(part.unfitted(len(features.pool)))
                distances.append(parts[-1].fit(features, self._options.seed))
            except ValueError as error:
                raise TrainingError(f"{len(chosen)} of the photos cannot be fitted to: {error}") from error
        self._network.parts = nn.LayerList(parts)
        return distances

    def _features(self, name: str, chosen: np.ndarray) -> PatchFeatures:
        """What a training on the chosen photos would see, but for the number of patches."""
        pictures = (chosen[:, None] * self._versions + np.arange(self._versions)).ravel()
        maps = self._of_photos[name]
        counts = shares(len(pictures), min(self._options.sampled_patches, _SAMPLED_PATCHES))
        rng = np.random.default_rng([_SALT, self._options.seed, len(chosen)])
        collected = Collected(kept=list(maps[pictures[:: self._versions]]))
        for place, (picture, count) in enumerate(zip(pictures, counts, strict=True)):
            number, version = divmod(place, self._versions)
            copy = self._copies[version - 1] if version else None
            patches = seen_patches(maps[picture], self._images.inspected(int(chosen[number])), copy)
            collected.draw(patches.astype(np.float32), count, number, rng)
        return collected.features(np.arange(len(chosen)) % FOLDS, np.ones(len(chosen), bool))

    def _judged(self, maps: _Maps, numbers: np.ndarray) -> Iterator[np.ndarray]:
        """The anomaly maps, float32 [H, W], of some feature maps."""
        network = self._network
        fuse = network.fusions().of(self._calibration)
        for start in range(0, len(numbers), _BATCH_SIZE):
            some = numbers[start : start + _BATCH_SIZE]
            with paddle.no_grad():
                features = {
                    name: paddle.to_tensor(maps[name][some].transpose(0, 3, 1, 2).astype(np.float32))
                    for name in self._names
                }
                distances = [part(features[part.layer]).numpy()[:, 0] for part in network.parts]
            yield from fuse(distances, self._card.size)
