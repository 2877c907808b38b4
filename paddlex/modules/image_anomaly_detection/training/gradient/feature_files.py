"""Features that do not fit in memory, in memory-mapped files that later trainings find again."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import paddle
from paddle import nn

from paddlex.utils.files import atomic_path
from paddlex.utils.leftovers import tidy_up
from paddlex.utils.logging import logger

#: Of all trainings together; 9,000 images of 256x256 with a ResNet-18.
FEATURE_FILE_BYTES = 16 << 30

#: The rest of the disk's free space is left to others.
_SHARE_OF_FREE_DISK = 0.5


class FeatureFiles:
    """A folder of features, one ``<name>.npy`` an image: a record with a field for each layer.

    A name is a digest of all that the features depend on: the teacher's weights, the image as the network sees it (so the
    file's content and every step of the transform), the version of Paddle and its threads, which decide how sums are rounded.
    Features of what has changed are not found; they are deleted when the room is needed, the longest unused first.

    A folder that cannot be written, or a full disk, costs time and not the training: a warning, and nothing more is kept.

    Args:
        folder: made when first needed.
        limit_bytes: of all files in it; less where the disk has little free space.
    """

    def __init__(self, folder: Path, limit_bytes: int = FEATURE_FILE_BYTES) -> None:
        self._folder, self._limit_bytes = folder, limit_bytes
        self._teacher: bytes | None = None
        self._unused: list[Path] | None = None
        self._free_bytes = 0
        self._is_open = True

    def name_of(self, network: nn.Layer, image: np.ndarray) -> str:
        """The name of an image's features.

        Args:
            network: its ``teacher`` makes the features; always the same one.
            image: float32 [3, H, W].
        """
        if self._teacher is None:
            self._teacher = _digest_of_teacher(network)
        digest = hashlib.blake2b(self._teacher, digest_size=20)
        digest.update(str(image.shape).encode())
        digest.update(image.tobytes())
        return digest.hexdigest()

    def read(self, name: str) -> list[np.ndarray] | None:
        """The layers of an image, [C, h, w] each, mapped into memory; None if they are not there, or the file is damaged."""
        path = self._path(name)
        if not path.is_file():
            return None
        try:
            (record,) = np.lib.format.open_memmap(path, mode="r")
            os.utime(path)  # in use: the last to be deleted
            layers = [record[field] for field in record.dtype.names]
        except Exception:  # NumPy parses the header as Python: there is hardly one that it could not raise
            return None
        return layers if all(layer.dtype.kind == "f" for layer in layers) else None

    def write(self, name: str, layers: Sequence[np.ndarray]) -> None:
        """Keep the layers of an image, [C, h, w] each, if there is room."""
        if not self._is_open:
            return
        fields = [(f"layer{number}", layer.dtype, layer.shape) for number, layer in enumerate(layers)]
        record = np.array([tuple(layers)], dtype=fields)
        try:
            self._is_open = self._make_room(record.nbytes)
            if self._is_open:
                with atomic_path(self._path(name)) as temporary, temporary.open("wb") as file:
                    np.save(file, record)
                self._free_bytes -= record.nbytes
        except OSError as error:
            self._is_open = False
            logger.warning("No more features can be kept in %s: %s. They are computed again.", self._folder, error)

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.npy"

    def _make_room(self, size: int) -> bool:
        """Delete what was not used for the longest time, but nothing of this run, until so much fits."""
        if self._unused is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            tidy_up(self._folder)
            self._opened = time.time()
            files = [(path, path.stat()) for path in self._folder.glob("*.npy")]
            self._unused = [path for path, _ in sorted(files, key=lambda item: item[1].st_mtime)]
            available = _SHARE_OF_FREE_DISK * shutil.disk_usage(self._folder).free
            self._free_bytes = int(min(self._limit_bytes - sum(status.st_size for _, status in files), available))
        while self._free_bytes < size and self._unused:
            path = self._unused.pop(0)
            status = path.stat()
            if status.st_mtime < self._opened:
                path.unlink()
                self._free_bytes += status.st_size
        if self._free_bytes < size:
            logger.warning(
                "%s is full: the features of the other images are computed again in every step.", self._folder
            )
        return self._free_bytes >= size


def _digest_of_teacher(network: nn.Layer) -> bytes:
    """Of all but the image that decides the features, to the last bit."""
    digest = hashlib.blake2b(f"Paddle {paddle.__version__} {os.environ.get('OMP_NUM_THREADS')}".encode())
    digest.update(f"{paddle.device.get_device()} {network.teacher.layers}".encode())
    for name, tensor in network.teacher.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.numpy().tobytes())
    return digest.digest()
