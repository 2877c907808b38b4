"""What a picture looks like beside the other good pictures of its product: blurred, too dark, too bright, or there already."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Lock

import cv2
import numpy as np
from sqlalchemy import ColumnElement, case, func, select
from sqlalchemy.orm import Session

from paddlex.data.dataset_checker.descriptors import THUMBNAIL, Descriptor, describe
from paddlex.data.dataset_checker.exposure import is_bright, is_dark, is_flat
from paddlex.data.dataset_checker.near_duplicates import align
from paddlex.errors import PaddleXError
from paddlex.inference.appearance import Appearance, appearance_of
from paddlex.studio.database.schema import Member, Picture, Product
from paddlex.studio.pictures import Pictures, thumbnail_of

#: A picture is held against so many good ones, the last; what is usual is told by so many of them.
_MOST, _USUAL = 5000, 500

#: How different they are is found anew when there are so many times as many pictures as when it was last.
_GROWTH = 1.5

#: Pictures that tell how different good ones are, and products that are kept in memory.
_PAIRED, _PRODUCTS = 40, 8

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

#: Where it was moved a little, its thumbnail is laid over the other. It is the same part if the two then differ by less than
#: nearly all good pictures differ from the one that is most like them: so much of what one in ten of them falls short of. With
#: fewer good pictures that is not known.
_NEARER, _SHARE, _FEWEST_PAIRS = 0.85, 0.1, 10

#: Pixels of a thumbnail's border that are not compared: what was moved came in there.
_MARGIN = 8


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

    Attributes:
        state: changes when the pictures of the product do.
    """

    state: object = None

    def __init__(self) -> None:
        self._digests: list[str] = []
        self._thumbnails = np.empty((0, THUMBNAIL, THUMBNAIL), np.uint8)
        self._measured, self._near = 0, 0.0
        self._brightness = self._sharpness = np.empty(0)
        self._lock = Lock()

    def update(self, found: Mapping[str, Descriptor], brightness: np.ndarray, sharpness: np.ndarray) -> None:
        """There are other pictures now; where there are only more of them, little is done anew.

        Args:
            found: all of them, by digest.
            brightness: of those that nothing is wrong with, float [n].
            sharpness: likewise.
        """
        with self._lock:
            self._brightness, self._sharpness = brightness, sharpness
            self._extend(found)

    def _extend(self, found: Mapping[str, Descriptor]) -> None:
        if any(digest not in found for digest in self._digests):
            self._digests, self._thumbnails, self._measured = [], self._thumbnails[:0], 0
        known = set(self._digests)
        more = {digest: one for digest, one in found.items() if digest not in known}
        self._digests += more
        added = np.array([one.thumbnail for one in more.values()], np.uint8).reshape(-1, THUMBNAIL, THUMBNAIL)
        self._thumbnails = np.concatenate([self._thumbnails, added])
        if len(self._digests) >= max(_FEWEST_PAIRS, _GROWTH * self._measured):
            self._measured, self._near = len(self._digests), self._usual_difference()

    def _usual_difference(self) -> float:
        """What good pictures fall short of, laid over the one that is most like them, if they show the same part."""
        found = []
        for number in range(len(self._thumbnails))[-_PAIRED:]:
            distances = self._distances(self._thumbnails[number])
            distances[number] = np.inf
            found.append(_difference(self._thumbnails[number], self._thumbnails[int(distances.argmin())]))
        usual = [one for one in found if one is not None]
        return _NEARER * float(np.quantile(usual, _SHARE)) if usual else 0.0

    def _distances(self, thumbnail: np.ndarray) -> np.ndarray:
        """Of a thumbnail from each, as the root of the mean square of grey values: float [n]."""
        return np.array([cv2.norm(one, thumbnail) for one in self._thumbnails]) / THUMBNAIL

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
        thumbnail = look.descriptor.thumbnail
        with self._lock:
            if not self._digests:
                return ""
            distances = self._distances(thumbnail)
            nearest = int(distances.argmin())
            if distances[nearest] > _SAME:
                difference = _difference(thumbnail, self._thumbnails[nearest])
                if difference is None or difference > self._near:
                    return ""
            return self._digests[nearest]

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


def _difference(moving: np.ndarray, fixed: np.ndarray) -> float | None:
    """Between two thumbnails, one laid over the other; None where they have nothing in common."""
    aligned = align(moving, fixed)
    if aligned is None:
        return None
    inner = np.s_[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN]
    return float(cv2.norm(aligned[inner], fixed[inner])) / (THUMBNAIL - 2 * _MARGIN)


class Looks:
    """What is remembered of the pictures of a workspace, so that each is measured once.

    Args:
        pictures: of the workspace.
    """

    def __init__(self, pictures: Pictures) -> None:
        self._pictures = pictures
        self._descriptors: OrderedDict[str, Descriptor] = OrderedDict()
        self._products: OrderedDict[int, GoodPictures] = OrderedDict()
        self._lock = Lock()

    def good_pictures(self, session: Session, product: Product) -> GoodPictures:
        """The good pictures of a product, as of now."""
        of_product = (Member.product_id == product.id, Member.role == "good")
        flags = func.sum(case((Member.problem == "", 0), else_=1))
        state = tuple(session.execute(select(func.count(), func.sum(Member.id), flags).where(*of_product)).one())
        with self._lock:
            good = self._products.setdefault(product.id, GoodPictures())
            if good.state != state:
                self._update(session, good, of_product)
                good.state = state
            while len(self._products) > _PRODUCTS:
                self._products.popitem(last=False)
            return good

    def _update(self, session: Session, good: GoodPictures, of_product: Sequence[ColumnElement[bool]]) -> None:
        digests = session.scalars(
            select(Member.digest).where(*of_product).order_by(Member.id.desc()).limit(_MOST)
        ).all()
        found = {digest: one for digest in reversed(digests) if (one := self._descriptor(digest)) is not None}
        measured = (
            select(Picture.brightness, Picture.sharpness)
            .join(Member, Member.digest == Picture.digest)
            .where(*of_product, Member.problem == "", Picture.brightness.is_not(None), Picture.sharpness.is_not(None))
        )
        sound = np.array(session.execute(measured.order_by(Member.id.desc()).limit(_USUAL)).all(), np.float64)
        brightness, sharpness = sound.reshape(-1, 2).T
        good.update(found, brightness, sharpness)

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
        while len(self._descriptors) > 2 * _MOST:
            self._descriptors.popitem(last=False)
