"""Where the part lies in a photo: each photo is brought to the frame of a reference picture before the network sees it.

A part that is not found is never called good: see ``Position``.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Annotated, Any

import cv2
import numpy as np

from paddlex.errors import PaddleXError
from paddlex.inference.checked import Checked, Invalid, text, whole, within, word
from paddlex.inference.image_files import decode_image
from paddlex.inference.position import Position
from paddlex.inference.reading import Reading
from paddlex.inference.registration import FINE, MOTIONS, Fit, Registration, resizing, small_size
from paddlex.inference.view import View

#: What becomes of such a photo: it is called anomalous, or it is an error.
OUTCOMES = ("ng", "error")

_SHAPE = 0.05  # by which share the aspect ratio of a photo may differ from the reference's
#: How far off the search may be, in degrees and as a share of a side: so far beyond the limits a part still counts as found.
_ANGLE_ROOM, _SHIFT_ROOM = 2.5, 0.02
_SCALE_LIMIT = 1.25
_MARGIN = 0.015  # share of the longest side: what is nearer than this to unseen places is not judged
_SMALL = Reading(max_megapixels=0.1)  # nobody can make a program decode more by what stands in inference.yml


@dataclass(frozen=True)
class Alignment(Checked):
    """Brings photos to the frame of a reference picture.

    Attributes:
        reference: the reference, its longest side 256 pixels or less: a JPEG file as base64 text.
        height, width: of the reference photo, and of the views that are made.
        motion: how parts may lie: ``translation``, ``rigid`` (turned as well) or ``similarity`` (larger or smaller as well).
        max_shift: how far the middle may be moved, a share of each side.
        max_angle: how far it may be turned, in degrees, each way.
        least_quality: the least correlation at which the part counts as found.
        min_seen: the least share of the reference's frame that a photo must show.
        not_found: what becomes of a photo in which it is not found: ``ng`` (called anomalous) or ``error``.

    Raises:
        Invalid: a value that cannot be.
    """

    reference: Annotated[str, text]
    height: Annotated[int, whole(1)]
    width: Annotated[int, whole(1)]
    motion: Annotated[str, word(*MOTIONS)]
    max_shift: Annotated[float, within(0, 0.5, "from 0 to 0.5")]
    max_angle: Annotated[float, within(0, 180, "from 0 to 180")]
    least_quality: Annotated[float, within(0, 1, "from 0 to 1")]
    min_seen: Annotated[float, within(0, 1, "above 0, and at most 1", open_below=True)]
    not_found: Annotated[str, word(*OUTCOMES)]

    def __post_init__(self) -> None:
        super().__post_init__()
        if self._picture().shape[:2] != small_size((self.height, self.width), FINE):
            raise Invalid("must have the size that height and width lead to", "reference")

    def _picture(self) -> np.ndarray:
        """The reference, uint8 [h, w, 3] BGR."""
        try:
            data = base64.b64decode(self.reference, validate=True)
            return decode_image(data, flags=cv2.IMREAD_COLOR, name="the reference", reading=_SMALL)
        except (PaddleXError, ValueError):
            raise Invalid("must be a small picture as base64 text", "reference") from None

    @classmethod
    def to(cls, photo: np.ndarray, **options: Any) -> Alignment:
        """Alignment to a photo, uint8 [H, W, 3] BGR.

        Raises:
            Invalid: an option that cannot be.
        """
        height, width = photo.shape[:2]
        small = cv2.resize(photo, small_size((height, width), FINE)[::-1], interpolation=cv2.INTER_AREA)
        _, encoded = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 95])
        return cls(base64.b64encode(encoded.tobytes()).decode("ascii"), height, width, **options)

    @cached_property
    def registration(self) -> Registration:
        """Made when it is first needed, and then used by all threads."""
        picture = cv2.cvtColor(self._picture(), cv2.COLOR_BGR2GRAY)
        return Registration(picture, self.motion, self.max_shift, self.max_angle)

    def __call__(self, view: View) -> View:
        """A photo in the reference's frame, judged where it shows that frame; one that is not found is brought to its size."""
        fit = self.fit(view.image)
        position = self.position(fit, view.image.shape[:2])
        size = self.height, self.width
        photo_size, small = view.image.shape[:2], self.registration.size
        matrix = fit.matrix if position.found else np.eye(3)
        to_photo = (resizing(small, photo_size) @ matrix @ resizing(size, small))[:2]
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        image = cv2.warpAffine(view.image, to_photo, size[::-1], flags=flags, borderMode=cv2.BORDER_REPLICATE)
        shown = cv2.warpAffine(
            np.ones(photo_size, np.uint8), to_photo, size[::-1], flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
        )
        inspected = None
        if not shown.all():
            image = self._completed(image, shown)
            margin = 2 * round(_MARGIN * max(size)) + 1
            inspected = cv2.erode(shown, np.ones((margin, margin), np.uint8)) > 0
        return replace(
            view, image=image, inspected=inspected, matrix=cv2.invertAffineTransform(to_photo), position=position
        )

    @cached_property
    def _whole(self) -> np.ndarray:
        """The reference at its own size, uint8 [height, width, 3]."""
        return cv2.resize(self._picture(), (self.width, self.height), interpolation=cv2.INTER_CUBIC)

    def _completed(self, image: np.ndarray, shown: np.ndarray) -> np.ndarray:
        """The image with the reference, as bright as it is itself, where it shows nothing: the network sees no strange edge."""
        light = np.array(cv2.mean(image, shown)[:3]) / np.maximum(cv2.mean(self._whole, shown)[:3], 1)
        fill = np.clip(self._whole * light.astype(np.float32), 0, 255).astype(np.uint8)
        return np.where(shown[..., None] > 0, image, fill)

    def scaled_to(self, pixels: int) -> np.ndarray:
        """The reference as a photo of about so many pixels, uint8 [h, w, 3]."""
        factor = (pixels / (self.height * self.width)) ** 0.5
        size = max(1, round(self.width * factor)), max(1, round(self.height * factor))
        return cv2.resize(self._picture(), size, interpolation=cv2.INTER_AREA)

    def fit(self, photo: np.ndarray) -> Fit:
        """How a photo, uint8 [H, W, 3] BGR, lies; whether that is where it may be is asked of ``position``."""
        return self.registration.find(grey(photo, self.registration.size))

    def position(self, fit: Fit, photo_size: tuple[int, int]) -> Position:
        """The same in the pixels of a photo of a size (height, width), and whether the part is found."""
        small = self.registration.size
        right, down = fit.shift(small)
        y, x = (photo / one for photo, one in zip(photo_size, small, strict=True))
        reason = self._reason(fit, photo_size)
        return Position(
            not reason, reason, fit.quality, fit.seen, (float(right * x), float(down * y)), fit.angle, fit.scale
        )

    def _reason(self, fit: Fit, photo_size: tuple[int, int]) -> str:
        """Why the part is not found; "" where it is."""
        (height, width), small = photo_size, self.registration.size
        shift = float(np.abs(fit.shift(small) / small[::-1]).max())
        if abs(np.log(height * self.width / (width * self.height))) > _SHAPE:
            return f"the photo, {width} x {height}, has another shape than the reference, {self.width} x {self.height}"
        if fit.quality < self.least_quality:
            return f"the correlation with the reference is {fit.quality:.2f}, below {self.least_quality:.2f}"
        if shift > self.max_shift + _SHIFT_ROOM:
            return f"it is moved by {shift:.0%} of the picture, more than {self.max_shift:.0%}"
        if abs(fit.angle) > self.max_angle + _ANGLE_ROOM:
            return f"it is turned by {fit.angle:.0f} degrees, more than {self.max_angle:g}"
        if not 1 / _SCALE_LIMIT <= fit.scale <= _SCALE_LIMIT:
            return f"its size is {fit.scale:.2f} times the reference's"
        if fit.seen < self.min_seen:
            return f"the photo shows {fit.seen:.0%} of the reference's frame, less than {self.min_seen:.0%}"
        return ""


def grey(photo: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A photo, uint8 [H, W, 3] BGR, as a grey picture of a size (height, width), uint8."""
    small = cv2.resize(photo, size[::-1], interpolation=cv2.INTER_AREA)  # first smaller, then grey: that is faster
    return cv2.cvtColor(small, cv2.COLOR_BGR2GRAY)
