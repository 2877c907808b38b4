"""One pass over the training images: patch features, as many as memory allows."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from paddlex.errors import ModelError
from paddlex.inference.backends import Backend, open_backend
from paddlex.inference.view import inspected_positions, resized_region
from paddlex.modules.image_anomaly_detection.export.exporter import export_layer
from paddlex.modules.image_anomaly_detection.model_card import ModelCard
from paddlex.modules.image_anomaly_detection.models.patches.copies import Copy
from paddlex.modules.image_anomaly_detection.models.patches.network import PatchBackbone, map_size_of
from paddlex.modules.image_anomaly_detection.models.patches.part import PatchFeatures
from paddlex.modules.image_anomaly_detection.training.batches import ImageBatches, consecutive
from paddlex.utils.devices import Device
from paddlex.utils.logging import logger
from paddlex.utils.progress import progress_bar

#: Images are divided among so many folds, see ``PatchFeatures``.
FOLDS = 5


def collect_features(
    backbone: PatchBackbone,
    card: ModelCard,
    images: ImageBatches,
    device: Device,
    *,
    photos: np.ndarray,
    sampled_patches: int,
    memory_bytes: float,
    batch_size: int,
    seed: int,
    copies: Sequence[Copy] = (),
) -> dict[str, PatchFeatures]:
    """The features of some images by ``backbone.names``.

    Every image gives equally many patches to the pool, from where it is inspected, and every copy as many. Whole feature maps
    are kept of as many images as fit the memory, drawn at random.

    Args:
        backbone: in evaluation mode.
        card: of the model.
        images: to look at, each once.
        device: where the backbone runs.
        photos: int [n], which photo each image is (a tile) of: all of a photo are in one fold.
        sampled_patches: of all images and their copies together, for each name.
        memory_bytes: for the feature maps.
        batch_size: images that the backbone sees at once.
        seed: of what is drawn.
        copies: what the pool has patches of besides: they are in their photo's fold. Feature maps are kept of the images alone.
    """
    rng = np.random.default_rng([seed, len(images)])
    folds, versions = photos % FOLDS, 1 + len(copies)
    collected = {name: Collected() for name in backbone.names}
    counts = shares(len(images) * versions, sampled_patches)
    is_kept = np.ones(len(images), bool)
    batches = consecutive(len(images), batch_size)
    with TemporaryDirectory() as folder, progress_bar(len(images), 0, "Features", "image") as bar:
        backend = open_backbone(backbone, card, Path(folder), device)
        for numbers, x in zip(batches, images(batches), strict=True):
            for version, seen in enumerate([x, *(copy(x) for copy in copies)]):
                outputs = backend.run(seen)
                if not numbers[0] and not version:
                    size = sum(output[0].size for output in outputs) * np.dtype(np.float16).itemsize
                    is_kept = _drawn(len(images), int(memory_bytes // size), rng)
                for of_name, output in zip(collected.values(), outputs, strict=True):
                    for features, number in zip(output.transpose(0, 2, 3, 1), numbers, strict=True):
                        if not version and is_kept[number]:
                            of_name.kept.append(features.astype(np.float16))
                        patches = seen_patches(
                            features, images.inspected(number), copies[version - 1] if version else None
                        )
                        of_name.draw(patches, counts[number * versions + version], number, rng)
            bar.update(len(numbers))
    if not is_kept.all():
        said = "The thresholds rest on %d of %d images, drawn at random: so many fit Train.memory_gb."
        logger.info(said, is_kept.sum(), len(images))
    return {name: of_name.features(folds, is_kept) for name, of_name in collected.items()}


@dataclass
class Collected:
    """What there is of the features of one name so far: feature maps [h, w, C], patches [m, C] and the image of each patch."""

    kept: list[np.ndarray] = field(default_factory=list)
    pool: list[np.ndarray] = field(default_factory=list)
    pool_numbers: list[np.ndarray] = field(default_factory=list)

    def draw(self, patches: np.ndarray, count: int, number: int, rng: np.random.Generator) -> None:
        """Take so many of some patches [m, C] of an image, or all of them, into the pool."""
        some = patches[rng.permutation(len(patches))[:count]]
        self.pool.append(some)
        self.pool_numbers.append(np.full(len(some), number))

    def features(self, folds: np.ndarray, is_kept: np.ndarray) -> PatchFeatures:
        """All of it, of images in these folds, int [n], some of which have given feature maps, bool [n]."""
        numbers = np.flatnonzero(is_kept)
        pool, pool_numbers = np.concatenate(self.pool), np.concatenate(self.pool_numbers)
        return PatchFeatures(np.stack(self.kept), folds[numbers], numbers, pool, folds[pool_numbers], pool_numbers)


def pool_sizes(
    card: ModelCard, names: Sequence[str], images: ImageBatches, versions: int, sampled_patches: int
) -> dict[str, int]:
    """How many patches ``collect_features`` will draw of some images in so many versions together, for each name."""
    each = shares(len(images) * versions, sampled_patches)
    return {name: int(np.minimum(each, _there_are(map_size_of(card, name), images, versions)).sum()) for name in names}


def _there_are(size: tuple[int, int], images: ImageBatches, versions: int) -> np.ndarray:
    """How many positions of a map of a size (h, w) are inspected in each version of each image: int [images * versions]."""
    inspected = (inspected_positions(images.inspected(number), size) for number in range(len(images)))
    return np.repeat([size[0] * size[1] if one is None else np.count_nonzero(one) for one in inspected], versions)


def seen_patches(features: np.ndarray, inspected: np.ndarray | None, copy: Copy | None) -> np.ndarray:
    """The patches [m, C] of a feature map [h, w, C] at the positions that are inspected.

    Args:
        features: of an image, or of a copy of it.
        inspected: bool [H, W] of the image itself; None for everywhere.
        copy: None for the image itself.
    """
    height, width, channels = features.shape
    if inspected is None:
        return features.reshape(-1, channels)
    size = (width, height) if copy is not None and copy.turns % 2 else (height, width)
    positions = resized_region(inspected, *size)
    return features[positions if copy is None else copy(positions[None, None])[0, 0]]


def shares(pictures: int, total: int) -> np.ndarray:
    """How many of ``total`` patches each of so many pictures gives: int [pictures], about equally many, ``total`` together.

    Where there are more pictures than patches, those that give one are drawn at random: every n-th would be of one fold.
    """
    ends = np.arange(1, pictures + 1) * total // pictures
    each = np.diff(ends, prepend=0)
    return each if total >= pictures else np.random.default_rng(pictures).permutation(each)


def _drawn(count: int, most: int, rng: np.random.Generator) -> np.ndarray:
    is_drawn = np.zeros(count, bool)
    is_drawn[rng.permutation(count)[: max(most, FOLDS)]] = True
    return is_drawn


def open_backbone(backbone: PatchBackbone, card: ModelCard, folder: Path, device: Device) -> Backend:
    """The backbone in the fastest engine that is here: many times as fast as Paddle's dynamic graph on a CPU."""
    if not device.is_gpu:
        with suppress(ModelError):  # no converter, or no ONNX Runtime
            return open_backend(export_layer(backbone, card, folder, backbone.names), "onnx", device)
    return open_backend(export_layer(backbone, card, folder), "paddle" if device.is_gpu else "mkldnn", device)
