"""A synthetic data set for trying everything out: photo-like pictures of a woven metal grid, some with a defect.

A picture is made in three steps: the weave is drawn at twice the size from a height map, a defect is put in or on it,
and a camera adds uneven light, blur and noise. The mask is where the camera, without its noise, sees a difference
between the grid with its defect and the same grid without.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from paddlex.data.dataset import TRAIN_LIST, VAL_LIST
from paddlex.data.demo.defects import DEFECTS, draw_defect
from paddlex.data.demo.weave import BORDER, OVERSAMPLING, Weave
from paddlex.errors import DatasetError
from paddlex.utils.files import atomic_directory, write_json, write_text
from paddlex.utils.progress import progress
from paddlex.utils.strict import read_json

MARKER = "demo.json"
VERSION = 1
"""To be raised whenever the pictures change, so that a folder of older pictures is not taken for this one."""

MIN_SIZE = 128
VISIBLE_DIFFERENCE = 9.0 / 255
MIN_DEFECT_AREA = 80 / 256**2
"""As a share of the picture: anything smaller is drawn again, since nobody could find it."""

README = """\
metal_grid: a synthetic data set for anomaly detection

These pictures were drawn by a program, not taken with a camera, and they are not part of any published data set.
Scores on them say that the software works; they cannot be compared with scores on real benchmarks.

train.txt   pictures without a defect (each line repeats the picture in place of a mask)
val.txt     pictures without a defect (no mask), and pictures with one, each with its mask
masks/      255 where the defect changed the picture, 0 elsewhere
demo.json   the parameters from which the data set was made
"""


@dataclass(frozen=True)
class _Item:
    """One picture to make: ``key`` seeds its random generators, ``name`` is its path without folder and suffix."""

    split: str
    defect: str | None
    name: str
    key: tuple[int, int, int]

    @property
    def image(self) -> str:
        return f"images/{self.name}.jpg"

    @property
    def mask(self) -> str:
        return f"masks/{self.name}.png"

    @property
    def line(self) -> str:
        if self.split == "train":
            return f"{self.image} {self.image}"
        return self.image if self.defect is None else f"{self.image} {self.mask}"


def make_demo_dataset(
    folder: str | os.PathLike[str],
    *,
    seed: int = 0,
    train: int = 264,
    val_normal: int = 21,
    val_anomalous: int = 57,
    size: int = 256,
) -> Path:
    """Write the demonstration data set, in the SegDataset format, and return its folder.

    The same arguments give the same bytes (with the same versions of NumPy and OpenCV), and a data set with fewer
    pictures is the beginning of one with more. A folder that already holds this very data set is left as it is.

    Args:
        folder: where to write; must be missing or empty.
        seed: not negative.
        train: number of training pictures, all normal.
        val_normal: number of normal validation pictures.
        val_anomalous: number of validation pictures with a defect; the kinds of defect take turns.
        size: width and height in pixels, at least 128.

    Raises:
        DatasetError: an argument is out of range, the folder holds other files, or it cannot be written.
    """
    target = Path(folder)
    counts = {"train": train, "val_normal": val_normal, "val_anomalous": val_anomalous}
    parameters = {"generator": "metal_grid", "version": VERSION, "seed": seed, **counts, "size": size}
    _check_arguments(seed, counts, size)
    if _holds(target, parameters):
        return target
    try:
        _check_free(target)
        with atomic_directory(target) as temporary:
            _write_dataset(temporary, _items(seed, **counts), size)
            write_text(temporary / "README.txt", README)
            write_json(temporary / MARKER, parameters)
    except OSError as error:
        raise DatasetError(
            f"the demonstration data set cannot be written: {error.strerror or error}",
            where=target,
            remedy="Choose a folder on a writable disk with 50 MB to spare",
        ) from error
    return target


def draw_sample(defect: str | None, key: tuple[int, ...], size: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw one picture.

    The same key gives the same grid, light and noise, whatever the defect.

    Args:
        defect: one of ``DEFECTS``, or None for a normal picture.
        key: seeds the random generators.
        size: width and height in pixels.

    Returns:
        The picture, uint8 [size, size, 3], BGR, and its mask, uint8 [size, size], 255 where it is anomalous.
    """
    grid_rng, defect_rng, camera_rng = (np.random.default_rng(s) for s in np.random.SeedSequence(key).spawn(3))
    weave = Weave.draw(grid_rng, size)
    camera = Camera.draw(camera_rng, size)
    clean = camera.see(weave.render())
    if defect is None:
        return camera.develop(clean), np.zeros((size, size), np.uint8)
    while True:
        anomalous = camera.see(draw_defect(defect_rng, weave, defect))
        mask = difference_mask(clean, anomalous)
        if np.count_nonzero(mask) >= MIN_DEFECT_AREA * size * size:
            return camera.develop(anomalous), mask


def difference_mask(clean: np.ndarray, anomalous: np.ndarray) -> np.ndarray:
    """Where two pictures, float [H, W, 3], visibly differ: uint8 [H, W], 0 or 255, without specks and pinholes."""
    differs = (np.abs(anomalous - clean).max(axis=2) > VISIBLE_DIFFERENCE).astype(np.uint8)
    differs = cv2.morphologyEx(differs, cv2.MORPH_CLOSE, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3)))
    _, labels, stats, _ = cv2.connectedComponentsWithStats(differs, connectivity=8)
    keep = stats[:, cv2.CC_STAT_AREA] >= MIN_DEFECT_AREA * differs.size / 8
    keep[0] = False
    return keep[labels].astype(np.uint8) * 255


@dataclass(frozen=True)
class Camera:
    """What happens to the light between the grid and the file.

    Attributes:
        exposure: brightness of each pixel, from uneven light and the lens, float32 [H, W, 1].
        blur: radius of the lens blur, in pixels.
        noise: float32 [H, W, 3], of standard deviation 1.
        grain: standard deviation of the noise of a white pixel.
    """

    exposure: np.ndarray
    blur: float
    noise: np.ndarray
    grain: float

    @classmethod
    def draw(cls, rng: np.random.Generator, size: int) -> Camera:
        """Draw one shot's light, focus and noise."""
        y, x = (np.indices((size, size), dtype=np.float32) + 0.5) / size - 0.5
        direction, slope = rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.3)
        gradient = 1 + np.float32(slope * np.cos(direction)) * x + np.float32(slope * np.sin(direction)) * y
        centre_x, centre_y = rng.normal(0, 0.07, size=2).astype(np.float32)
        vignette = 1 - np.float32(rng.uniform(0.3, 0.7)) * ((x - centre_x) ** 2 + (y - centre_y) ** 2)
        exposure = np.float32(rng.uniform(1.0, 1.2)) * gradient * vignette
        grey = rng.standard_normal((size, size, 1), dtype=np.float32)
        colour = rng.standard_normal((size, size, 3), dtype=np.float32)
        return cls(exposure[..., None], rng.uniform(0.45, 0.7), 0.9 * grey + 0.45 * colour, rng.uniform(0.02, 0.03))

    def see(self, picture: np.ndarray) -> np.ndarray:
        """Bring a drawn picture to the final size, with light and blur but no noise: float32 [size, size, 3]."""
        border = BORDER * OVERSAMPLING
        blurred = cv2.GaussianBlur(picture, (0, 0), self.blur * OVERSAMPLING)[border:-border, border:-border]
        seen = cv2.resize(blurred, self.exposure.shape[1::-1], interpolation=cv2.INTER_AREA) * self.exposure
        return np.clip(seen, 0, 1) ** np.float32(1 / 1.25)

    def develop(self, seen: np.ndarray) -> np.ndarray:
        """Add the sensor's noise, which grows with the light, and round to uint8."""
        noisy = seen + self.noise * self.grain * np.sqrt(0.15 + 0.85 * seen)
        return np.rint(np.clip(noisy, 0, 1) * 255).astype(np.uint8)


def _items(seed: int, train: int, val_normal: int, val_anomalous: int) -> list[_Item]:
    items = []
    for index in range(train):
        items.append(_Item("train", None, f"train/good/{index:03d}", (seed, 0, index)))
    for index in range(val_normal):
        items.append(_Item("val", None, f"val/good/{index:03d}", (seed, 1, index)))
    for index in range(val_anomalous):
        defect = DEFECTS[index % len(DEFECTS)]
        items.append(_Item("val", defect, f"val/{defect}/{index // len(DEFECTS):03d}", (seed, 2, index)))
    return items


def _check_arguments(seed: int, counts: dict[str, int], size: int) -> None:
    lowest = {"seed": 0, "train": 1, "val_normal": 0, "val_anomalous": 0, "size": MIN_SIZE}
    for name, value in {"seed": seed, **counts, "size": size}.items():
        if value < lowest[name]:
            raise DatasetError(
                f"{name} is {value}", where="demonstration data set", remedy=f"Give {lowest[name]} or more"
            )
    if counts["val_normal"] + counts["val_anomalous"] == 0:
        raise DatasetError(
            "no validation pictures were asked for",
            where="demonstration data set",
            remedy="Give val_normal or val_anomalous 1 or more",
        )


def _holds(folder: Path, parameters: dict[str, object]) -> bool:
    """Whether the folder was made by this generator with these parameters."""
    try:
        return read_json(folder / MARKER) == parameters
    except (OSError, ValueError):
        return False


def _check_free(folder: Path) -> None:
    occupied = any(folder.iterdir()) if folder.is_dir() else folder.exists()
    if occupied:
        raise DatasetError(
            "the demonstration data set would replace what is already there",
            where=folder,
            remedy="Choose a folder that is new or empty, or delete this one yourself",
        )


def _write_dataset(folder: Path, items: list[_Item], size: int) -> None:
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        written = pool.map(lambda item: _write_item(folder, item, size), items)
        for _ in progress(written, "Drawing the demonstration data set", total=len(items)):
            pass
    for split, name in (("train", TRAIN_LIST), ("val", VAL_LIST)):
        write_text(folder / name, "".join(f"{item.line}\n" for item in items if item.split == split))


def _write_item(folder: Path, item: _Item, size: int) -> None:
    image, mask = draw_sample(item.defect, item.key, size)
    _write_image(folder / item.image, image)
    if item.defect is not None:
        _write_image(folder / item.mask, mask)


def _write_image(path: Path, image: np.ndarray) -> None:
    # OpenCV's own writer cannot open every path on every system.
    _, encoded = cv2.imencode(path.suffix, image, [cv2.IMWRITE_JPEG_QUALITY, 95])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded.tobytes())
