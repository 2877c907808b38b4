"""One pass over the training images: patch features, as many as memory allows."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from paddlex.errors import ModelError
from paddlex.inference.backends import Backend, open_backend
from paddlex.inference.refit.copies import Copy
from paddlex.inference.refit.features import PatchFeatures, collect, shares
from paddlex.inference.view import inspected_positions
from paddlex.modules.image_anomaly_detection.export.exporter import export_layer
from paddlex.modules.image_anomaly_detection.model_card import ModelCard
from paddlex.modules.image_anomaly_detection.models.patches.network import PatchBackbone, map_size_of
from paddlex.modules.image_anomaly_detection.training.batches import ImageBatches
from paddlex.utils.devices import Device
from paddlex.utils.progress import progress_bar


def collect_features(
    backbone: PatchBackbone,
    card: ModelCard,
    images: ImageBatches,
    device: Device,
    *,
    photos: np.ndarray,
    judged: np.ndarray,
    sampled_patches: int,
    memory_bytes: float,
    batch_size: int,
    seed: int,
    copies: Sequence[Copy] = (),
) -> dict[str, PatchFeatures]:
    """The features of some images by ``backbone.names``, see ``inference.refit.features.collect``.

    Args:
        backbone: in evaluation mode.
        card: of the model.
        images: to look at, each once.
        device: where the backbone runs.
        photos: int [n], which photo each image is (a tile) of: all of a photo are in one fold.
        judged: bool [n], which of them are judged by a fit to others, too.
        sampled_patches: of all images and their copies together, for each name.
        memory_bytes: for the feature maps.
        batch_size: images that the backbone sees at once.
        seed: of what is drawn.
        copies: what the pool has patches of besides.
    """
    with TemporaryDirectory() as folder, progress_bar(len(images), 0, "Features", "image") as bar:
        return collect(
            open_backbone(backbone, card, Path(folder), device), backbone.names, images,
            photos=photos, judged=judged, sampled_patches=sampled_patches, memory_bytes=memory_bytes, batch_size=batch_size,
            seed=seed, copies=copies, done=bar.update,
        )  # fmt: skip


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


def open_backbone(backbone: PatchBackbone, card: ModelCard, folder: Path, device: Device) -> Backend:
    """The backbone in the fastest engine that is here: many times as fast as Paddle's dynamic graph on a CPU."""
    if not device.is_gpu:
        with suppress(ModelError):  # no converter, or no ONNX Runtime
            return open_backend(export_layer(backbone, card, folder, backbone.names), "onnx", device)
    return open_backend(export_layer(backbone, card, folder), "paddle" if device.is_gpu else "mkldnn", device)
