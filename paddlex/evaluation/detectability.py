"""What a model finds of defects that are drawn on photos of good parts: whether it sees at all, told without a real defect."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np

from paddlex.inference.predictor import AnomalyPredictor
from paddlex.inference.tiling import TileGrid

#: A spot that is darker or brighter; a line that is; something that belongs elsewhere on the part (CutPaste: Li, Sohn, Yoon,
#: Pfister, CVPR 2021).
KINDS = ("spot", "scratch", "patch")

#: Of the longer side of the picture that is looked for detail, in pixels.
_COARSE = 256

#: Of so many places that a patch could come from the least alike is taken: on a texture most are much like what they cover.
_SOURCES = 8

#: A scratch is longer than a spot is wide, and thinner.
_SCRATCH_LENGTH, _SCRATCH_WIDTH = 3.0, 1 / 6

_SALT = 0x6465746563  # keeps these random numbers apart from others that are made from the same seed


@dataclass(frozen=True)
class Drawing:
    """A photo with a defect.

    Attributes:
        image: uint8 [H, W, 3], BGR.
        mask: bool [H, W]: where the defect covers at least half of what was there.
    """

    image: np.ndarray
    mask: np.ndarray


@dataclass(frozen=True)
class Detectability:
    """What was found.

    Attributes:
        size: of the defects, as a share of the square root of the picture's area.
        contrast: of spots and scratches, in grey values of 255.
        drawn: how many defects of each kind were drawn.
        found: how many of these the model marks at its image threshold.
    """

    size: float
    contrast: float
    drawn: dict[str, int]
    found: dict[str, int]

    @property
    def share(self) -> float:
        """Found of all that were drawn, 0 to 1."""
        return sum(self.found.values()) / sum(self.drawn.values())

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def words(self) -> list[str]:
        found, drawn = sum(self.found.values()), sum(self.drawn.values())
        return [f"Of {drawn} defects drawn on photos of good parts the model finds {found} ({self.share:.0%})."]


def measure_detectability(
    predictor: AnomalyPredictor,
    images: Iterable[np.ndarray],
    *,
    size: float = 0.06,
    contrast: float = 128,
    kinds: Sequence[str] = KINDS,
    seed: int = 0,
) -> Detectability:
    """Draw one defect of each kind on each photo, and count those that the model finds.

    A defect is found if the raw map exceeds the image threshold where it lies: such an image is called anomalous, and not by
    chance. Of a photo that is scanned in tiles one tile is judged.

    Args:
        predictor: the model.
        images: photos of good parts, uint8 [H, W, 3] BGR, of any sizes. Those that the model was not fitted to are better;
            on others its map is a little lower than on new parts, and somewhat less is found.
        size: of a spot, see ``Detectability``.
        contrast: of spots and scratches, see there.
        kinds: any of ``KINDS``.
        seed: the same photos and seed give the same defects.

    Raises:
        ModelError: the model cannot judge the pictures.
    """
    drawn, found = dict.fromkeys(kinds, 0), dict.fromkeys(kinds, 0)
    for number, image in enumerate(images):
        rng = np.random.default_rng([_SALT, seed, number])
        if predictor.tiling is not None:
            height, width = image.shape[:2]
            grid = TileGrid.over(height, width, predictor.tiling)
            image = grid.cut(image, int(rng.integers(len(grid))))
        for kind in kinds:
            drawing = draw_defect(image, kind, size=size, contrast=contrast, rng=rng)
            anomaly_map = next(predictor.photo_maps([drawing.image]))
            drawn[kind] += 1
            found[kind] += bool(anomaly_map[drawing.mask].max() > predictor.limits.image.threshold)
    return Detectability(size, contrast, drawn, found)


def draw_defect(image: np.ndarray, kind: str, *, size: float, contrast: float, rng: np.random.Generator) -> Drawing:
    """Draw a defect somewhere on the part: the more detail a place has, the likelier it is there.

    Args:
        image: uint8 [H, W, 3], BGR; it stays as it is.
        kind: one of ``KINDS``.
        size: see ``Detectability``.
        contrast: see there. A spot or a scratch is dark where the place is bright, and bright where it is dark.
        rng: decides everything else.
    """
    height, width = image.shape[:2]
    length = max(2.0, size * (height * width) ** 0.5)
    place, *sources = _places(image, length, 1 + _SOURCES, rng)
    reach = round(_SCRATCH_LENGTH * length / 2) + 2
    left, top = (max(0, int(value) - reach) for value in place)
    around = np.s_[top : int(place[1]) + reach, left : int(place[0]) + reach]
    before = image[around].astype(np.float32)
    rows, columns = np.indices(before.shape[:2], dtype=np.float32)
    x, y = columns - (place[0] - left), rows - (place[1] - top)
    cover = _line(x, y, length, rng.uniform(0, np.pi)) if kind == "scratch" else _disc(x, y, length)
    if kind == "patch":
        corner = place - (left, top)
        others = [_turned(image, source, corner, before.shape[:2], rng.uniform(0, 360)) for source in sources]
        after = max(others, key=lambda other: float((np.abs(other - before).mean(axis=2) * cover).sum()))
    else:
        is_bright = (before.mean(axis=2) * cover).sum() > 127.5 * cover.sum()
        after = before - contrast if is_bright else before + contrast
    drawn, mask = image.copy(), np.zeros((height, width), bool)
    drawn[around] = np.clip(np.rint(before + (after - before) * cover[..., None]), 0, 255)
    mask[around] = cover >= 0.5
    return Drawing(drawn, mask)


def _places(image: np.ndarray, length: float, count: int, rng: np.random.Generator) -> np.ndarray:
    """Places where the photo has detail, float [count, 2], x and y: on the part, and seldom on what lies behind it."""
    height, width = image.shape[:2]
    scale = min(1.0, _COARSE / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    grey = cv2.cvtColor(cv2.resize(image, size, interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2GRAY)
    detail = np.hypot(cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1))
    detail = cv2.GaussianBlur(detail, (0, 0), max(0.5, length * scale / 4)).astype(np.float64) ** 2 + 1e-6
    edge = min(round(length * scale), (min(detail.shape) - 1) // 2)  # a defect is not to be cut off
    likely = np.pad(detail[edge : detail.shape[0] - edge, edge : detail.shape[1] - edge], edge)
    chosen = rng.choice(likely.size, count, p=likely.ravel() / likely.sum())
    rows, columns = np.divmod(chosen, likely.shape[1])
    return (np.stack([columns, rows], axis=1) + rng.random((count, 2))) / scale


def _disc(x: np.ndarray, y: np.ndarray, diameter: float) -> np.ndarray:
    """How far each pixel is covered, 0 to 1, by a disc with a soft edge about (0, 0); x, y and it are float32 [h, w]."""
    return np.clip(0.5 + (diameter / 2 - np.hypot(x, y)) / max(1.0, diameter / 6), 0, 1)


def _line(x: np.ndarray, y: np.ndarray, length: float, angle: float) -> np.ndarray:
    """The same for a straight scratch."""
    along, across = x * np.cos(angle) + y * np.sin(angle), x * np.sin(angle) - y * np.cos(angle)
    beyond = np.maximum(np.abs(along) - _SCRATCH_LENGTH * length / 2, 0)
    return np.clip(0.5 + max(1.0, length * _SCRATCH_WIDTH) / 2 - np.hypot(beyond, across), 0, 1).astype(np.float32)


def _turned(
    image: np.ndarray, source: np.ndarray, target: np.ndarray, shape: tuple[int, int], degrees: float
) -> np.ndarray:
    """What surrounds a place of the image, turned about it, float32 [*shape, 3], the place at ``target``, x and y."""
    matrix = cv2.getRotationMatrix2D((float(source[0]), float(source[1])), degrees, 1.0)
    matrix[:, 2] += target - source
    size = shape[1], shape[0]
    return cv2.warpAffine(image, matrix, size, borderMode=cv2.BORDER_REFLECT_101).astype(np.float32)
