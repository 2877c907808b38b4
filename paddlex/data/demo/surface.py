"""Large photos of a ground metal surface, some with a scratch two pixels wide: what tiling is tried out on."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np

from paddlex.data.dataset import TRAIN_LIST, VAL_LIST
from paddlex.utils.files import atomic_directory, write_text

SCRATCH_WIDTH = 2
"""Pixels, whatever the size of the photo."""

SCRATCH_LENGTH = (60, 120)
_STREAK = 31
_FINER = 8


def draw_surface(rng: np.random.Generator, height: int, width: int, scratched: bool) -> tuple[np.ndarray, np.ndarray]:
    """One photo.

    Grinding leaves fine streaks along the rows; the light falls off unevenly, and the camera adds noise.

    Returns:
        The photo, uint8 [height, width, 3], and where its scratch is, uint8 [height, width], 255 or 0.
    """
    grain = cv2.blur(rng.standard_normal((height, width), dtype=np.float32), (_STREAK, 1)) * _STREAK**0.5
    spots = rng.standard_normal((height // 8 + 1, width // 8 + 1), dtype=np.float32)
    mottle = cv2.resize(cv2.GaussianBlur(spots, (0, 0), 2) * 5, (width, height), interpolation=cv2.INTER_LINEAR)
    columns, rows = np.linspace(-1, 1, width, dtype=np.float32), np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    tilt_x, tilt_y = rng.uniform(-0.08, 0.08, size=2).astype(np.float32)
    light = 1 + tilt_x * columns + tilt_y * rows - 0.1 * (columns**2 + rows**2)
    grey = (130 + 9 * grain + 5 * mottle) * light
    mask = np.zeros((height, width), np.uint8)
    if scratched:
        _draw_scratch(rng, mask)
        grey += 70 * (mask > 0)
    grey += 2 * rng.standard_normal((height, width), dtype=np.float32)
    photo = np.clip(grey, 0, 255).astype(np.uint8)
    return cv2.merge([photo, photo, photo]), mask


def make_surface_dataset(
    folder: str | os.PathLike[str],
    *,
    train: int,
    val_normal: int,
    val_anomalous: int,
    size: tuple[int, int],
    seed: int = 0,
) -> Path:
    """Write a SegDataset of such photos, ``size`` (height, width) each; returns its folder, which must not exist."""
    target = Path(folder)
    lists: dict[str, list[str]] = {TRAIN_LIST: [], VAL_LIST: []}
    with atomic_directory(target) as temporary:
        for number in range(train + val_normal + val_anomalous):
            is_train, scratched = number < train, number >= train + val_normal
            name = f"{'train' if is_train else 'val'}/{'scratch' if scratched else 'good'}/{number:03d}"
            photo, mask = draw_surface(np.random.default_rng([seed, number]), *size, scratched)
            _write(temporary / "images" / f"{name}.jpg", photo)
            line = f"images/{name}.jpg"
            if scratched:
                _write(temporary / "masks" / f"{name}.png", mask)
                line += f" masks/{name}.png"
            lists[TRAIN_LIST if is_train else VAL_LIST].append(line)
        for name, lines in lists.items():
            write_text(temporary / name, "".join(f"{line}\n" for line in lines))
    return target


def _draw_scratch(rng: np.random.Generator, mask: np.ndarray) -> None:
    """A slightly bent line across the streaks."""
    height, width = mask.shape
    length, angle = rng.uniform(*SCRATCH_LENGTH), rng.uniform(0.25 * np.pi, 0.75 * np.pi)
    centre = rng.uniform(0.15, 0.85, size=2) * (width, height)
    along = np.linspace(-0.5, 0.5, 24)[:, None] * length
    direction, across = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
    points = centre + along * direction + rng.uniform(-4, 4) * (2 * along / length) ** 2 * across
    low = np.maximum(points.min(axis=0).astype(int) - 4, 0)
    high = np.minimum(points.max(axis=0).astype(int) + 4, (width, height))
    fine = np.zeros(
        _FINER * (high - low)[::-1], np.uint8
    )  # drawn larger, since OpenCV's thin lines are wider than asked for
    corners = np.rint(_FINER * (points - low)).astype(np.int32)
    cv2.polylines(fine, [corners], isClosed=False, color=255, thickness=_FINER * SCRATCH_WIDTH)
    covered = cv2.resize(fine, tuple((high - low).tolist()), interpolation=cv2.INTER_AREA) > 127
    mask[low[1] : high[1], low[0] : high[0]][covered] = 255


def _write(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(path.suffix, image, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes())
