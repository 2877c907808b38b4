"""What a picture looks like beside the other good pictures of its product: blurred, too dark, too bright, or there already."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock

import cv2
import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from paddlex.data.dataset_checker.descriptors import THUMBNAIL, Descriptor, describe
from paddlex.data.dataset_checker.exposure import is_bright, is_dark, is_flat
from paddlex.data.dataset_checker.near_duplicates import TrainImages
from paddlex.errors import PaddleXError
from paddlex.inference.appearance import Appearance, appearance_of
from paddlex.studio.database.schema import Member, Picture, Product
from paddlex.studio.pictures import Pictures, thumbnail_of

#: A picture is held against so many good ones, the last.
_MOST = 500

#: With fewer good pictures what is usual is not known.
_FEWEST = 5

#: Sharpness below which a picture of anything is blurred: those of real parts that were measured reach from -1.6 up.
_LEAST_SHARPNESS = -2.2

#: Less sharp than is usual by so much, or by so many spreads (details a fifth coarser; of Gaussian blur by 2 of 512 pixels
#: twice as much is lost). Brighter or darker by so many grey values.
_LESS_SHARP, _SHARPNESS_SPREADS = 0.25, 4.0
_OTHER_LIGHT, _LIGHT_SPREADS = 25.0, 5.0

#: Thumbnails of one part, photographed twice without moving it, differ by the camera's noise alone: grey values, root of the
#: mean square. Those of different parts that were measured differ by 2.7 or more.
_SAME = 1.5

#: A near-duplicate's thumbnail is as near as this share of the nearest pairs of good pictures, too: what stands out in a part
#: is hardly known from few of them.
_NEAREST_PAIRS = 0.05


@dataclass(frozen=True, eq=False)
class Look:
    """What is measured of a picture.

    Attributes:
        descriptor: of its thumbnail.
        appearance: of itself.
    """

    descriptor: Descriptor
    appearance: Appearance

    @classmethod
    def of(cls, image: np.ndarray) -> Look:
        """Of a picture, uint8 [H, W, 3] BGR."""
        return cls(_described(thumbnail_of(image)), appearance_of(image))


def _described(thumbnail: bytes) -> Descriptor:
    image = cv2.imdecode(np.frombuffer(thumbnail, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return describe(image)


class GoodPictures:
    """The good pictures of a product that others are held against.

    Args:
        digests: of them.
        descriptors: of the same.
        brightness: of those that nothing is wrong with, float [n].
        sharpness: likewise.
    """

    def __init__(
        self, digests: Sequence[str], descriptors: Sequence[Descriptor], brightness: np.ndarray, sharpness: np.ndarray
    ) -> None:
        self._digests = digests
        self._thumbnails = np.array([one.thumbnail for one in descriptors], np.float32).reshape(
            len(digests), THUMBNAIL**2
        )
        self._index = TrainImages(descriptors)
        self._near = _usual_distance(self._thumbnails)
        self._brightness, self._sharpness = brightness, sharpness

    def problem_of(self, look: Look) -> str:
        """``dark``, ``bright``, ``flat`` or ``blurred``; empty where nothing is wrong with a picture."""
        if is_dark(look.descriptor) or self._light_is_other(look, -1):
            return "dark"
        if is_bright(look.descriptor) or self._light_is_other(look, 1):
            return "bright"
        if is_flat(look.descriptor):
            return "flat"
        return "blurred" if self._is_blurred(look.appearance.sharpness) else ""

    def like(self, look: Look) -> str:
        """The digest of a good picture that shows the same part; empty for none."""
        if not self._digests:
            return ""
        thumbnail = look.descriptor.thumbnail.astype(np.float32).ravel()
        distances = np.sqrt(np.square(self._thumbnails - thumbnail).mean(axis=1))
        nearest = int(distances.argmin())
        if distances[nearest] <= _SAME:
            return self._digests[nearest]
        for pair in self._index.nearly([look.descriptor]):
            if distances[pair.train] <= self._near:
                return self._digests[pair.train]
        return ""

    def _light_is_other(self, look: Look, sign: int) -> bool:
        usual, spread = _usual(self._brightness)
        return sign * (look.appearance.brightness - usual) > max(_OTHER_LIGHT, _LIGHT_SPREADS * spread)

    def _is_blurred(self, sharpness: float) -> bool:
        usual, spread = _usual(self._sharpness)
        return sharpness < _LEAST_SHARPNESS or sharpness < usual - max(_LESS_SHARP, _SHARPNESS_SPREADS * spread)


def _usual(values: np.ndarray) -> tuple[float, float]:
    """Median and spread; NaN, which nothing is above or below, where there are too few."""
    if len(values) < _FEWEST:
        return float("nan"), float("nan")
    median = np.median(values)
    return float(median), float(1.4826 * np.median(np.abs(values - median)))


def _usual_distance(thumbnails: np.ndarray) -> float:
    if len(thumbnails) < 2:
        return 0.0
    some = thumbnails[-100:]
    squares = np.square(some).sum(axis=1)
    distances = np.maximum(squares[:, None] + squares[None] - 2 * some @ some.T, 0) / some.shape[1]
    return float(np.sqrt(np.quantile(distances[np.triu_indices(len(some), 1)], _NEAREST_PAIRS)))


class Looks:
    """What is remembered of the pictures of a workspace, so that each is measured once.

    Args:
        pictures: of the workspace.
    """

    def __init__(self, pictures: Pictures) -> None:
        self._pictures = pictures
        self._descriptors: OrderedDict[str, Descriptor] = OrderedDict()
        self._products: OrderedDict[int, tuple[object, GoodPictures]] = OrderedDict()
        self._lock = Lock()

    def good_pictures(self, session: Session, product: Product) -> GoodPictures:
        """The good pictures of a product, as of now."""
        rows = session.execute(
            select(Member.digest, Member.problem, Picture.brightness, Picture.sharpness)
            .join(Picture, Picture.digest == Member.digest)
            .where(Member.product_id == product.id, Member.role == "good")
            .order_by(Member.id.desc())
            .limit(_MOST)
        ).all()
        state = tuple((row.digest, row.problem) for row in rows)
        with self._lock:
            if (known := self._products.get(product.id)) is not None and known[0] == state:
                return known[1]
            found = [(digest, one) for digest, _ in state if (one := self._descriptor(digest)) is not None]
            sound = [
                row for row in rows if not row.problem and row.brightness is not None and row.sharpness is not None
            ]
            good = GoodPictures(
                [digest for digest, _ in found],
                [one for _, one in found],
                np.array([row.brightness for row in sound]),
                np.array([row.sharpness for row in sound]),
            )
            self._products[product.id] = (state, good)
            while len(self._products) > 8:
                self._products.popitem(last=False)
            return good

    def remember(self, digest: str, look: Look) -> None:
        """A picture was measured."""
        with self._lock:
            self._keep(digest, look.descriptor)

    def _descriptor(self, digest: str) -> Descriptor | None:
        known = self._descriptors.get(digest)
        if known is None:
            try:
                known = _described(self._pictures.thumbnail(digest))
            except PaddleXError:  # its file was removed
                return None
            self._keep(digest, known)
        return known

    def _keep(self, digest: str, descriptor: Descriptor) -> None:
        self._descriptors[digest] = descriptor
        while len(self._descriptors) > 8 * _MOST:
            self._descriptors.popitem(last=False)
