"""Whether a model sees at all: a few defects that are plain to see, drawn on good parts. Seconds, at the end of a training."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from paddlex.evaluation.analyses.drawing import (
    KINDS,
    Canvas,
    Defect,
    canvas_of,
    make_defect,
    random_numbers,
    tile_of,
)
from paddlex.inference.predictor import AnomalyPredictor

#: Kinds that are drawn for robustness; a texture is no defect on an even surface, so blindness is judged without it.
PLAIN_KINDS = ("spot", "scratch", "texture")

#: Of the defects, as a share of the square root of the photo's area; a scratch is twice as long.
PLAIN_SIZE = 0.06

#: Half of the range of grey values brighter or darker; a texture replaces what was there wholly.
PLAIN_CONTRAST = 0.5


@dataclass(frozen=True)
class QuickCheck:
    """What was found.

    Attributes:
        size, contrast: ``PLAIN_SIZE`` and ``PLAIN_CONTRAST``.
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


def quick_check(
    predictor: AnomalyPredictor,
    images: Iterable[np.ndarray],
    *,
    kinds: Sequence[str] = ("spot", "scratch"),
    seed: int = 0,
) -> QuickCheck:
    """Draw one plain defect of each kind on each photo, and count those that the model finds.

    A defect is found if the raw map exceeds the image threshold where it lies: such an image is called anomalous, and not by
    chance. Defects are drawn where the model inspects. Of a photo that is scanned in tiles as it is, one tile is judged.

    Args:
        predictor: the model.
        images: photos of good parts, uint8 [H, W, 3] BGR, of any sizes. Those that the model was not fitted to are better;
            on others its map is a little lower than on new parts, and somewhat less is found.
        kinds: any of ``PLAIN_KINDS``.
        seed: the same photos and seed give the same defects.

    Raises:
        ModelError: the model cannot judge the pictures.
    """
    drawn, found = dict.fromkeys(kinds, 0), dict.fromkeys(kinds, 0)
    for number, image in enumerate(images):
        rng = random_numbers(seed, number)
        canvas = canvas_of(predictor, tile_of(predictor, image, rng))
        for kind in kinds:
            defect, with_defect = draw_plain(canvas, kind, rng)
            (anomaly_map,) = predictor.photo_maps([with_defect])
            drawn[kind] += 1
            found[kind] += defect.is_found(anomaly_map, predictor.limits.image.threshold)
    return QuickCheck(PLAIN_SIZE, PLAIN_CONTRAST, drawn, found)


def draw_plain(canvas: Canvas, kind: str, rng: np.random.Generator) -> tuple[Defect, np.ndarray]:
    """A plain defect of one of ``PLAIN_KINDS`` somewhere on the part, and the photo with it, uint8 [H, W, 3] BGR."""
    image = canvas.image
    size = PLAIN_SIZE * (image.shape[0] * image.shape[1]) ** 0.5 * (2 if kind == "scratch" else 1)
    defect = make_defect(canvas, kind, max(2, round(size)), rng)
    return defect, defect.on(image, PLAIN_CONTRAST if KINDS[kind].level == "contrast" else 1.0)
