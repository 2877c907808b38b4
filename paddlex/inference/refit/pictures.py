"""The good parts that a refit learns from: read once, prepared as the model's photos are, and kept at the network's size."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from paddlex.errors import PaddleXError, PartNotFoundError
from paddlex.inference.batch_predictor import FAILURES, as_outcome
from paddlex.inference.image_files import decode_picture, read_bytes
from paddlex.inference.inputs import Source, describe, read_image
from paddlex.inference.parallel import in_order
from paddlex.inference.position import NOT_FOUND
from paddlex.inference.preparation import Preparation
from paddlex.inference.reading import Reading
from paddlex.inference.signature import MOST_PHOTOS, Signature, descriptions
from paddlex.inference.transforms import Transform
from paddlex.inference.view import inspected_positions
from paddlex.utils.paddle_environment import usable_cores
from paddlex.utils.sequences import thinned

#: An image is constant if the values of each channel differ by no more: what compression can make of a single colour.
_CONSTANT_RANGE = 2


@dataclass(frozen=True)
class LeftOut:
    """A picture that nothing was learnt from.

    Attributes:
        source: its path, or what else is known of it.
        error: why.
    """

    source: str
    error: PaddleXError

    def __str__(self) -> str:
        return str(self.error)


@dataclass(frozen=True)
class _Seen:
    """A picture: its resized view, uint8 [H, W, 3] RGB, where it is inspected, bool [H, W], and what it looks like."""

    name: str
    is_false_alarm: bool
    content: bytes
    resized: np.ndarray
    inspected: np.ndarray | None
    looks: list[np.ndarray]


@dataclass(frozen=True)
class GoodPictures:
    """The pictures, see ``features.Pictures``; of those with the same content there is the first alone.

    Attributes:
        transform: makes the network's input.
        names: of the pictures.
        left_out: what cannot be read, or does not show the part.
        same: how many more there were of the same content.
        signature: what the product looks like, by all of them; None of fewer than two.
    """

    transform: Transform
    names: list[str]
    left_out: list[LeftOut]
    same: int
    signature: Signature | None
    _seen: list[_Seen]

    @classmethod
    def of(
        cls,
        sources: Sequence[Source],
        false_alarms: Sequence[Source],
        reading: Reading,
        preparation: Preparation,
        transform: Transform,
        done: Callable[[], object],
    ) -> GoodPictures:
        """Read pictures.

        Args:
            sources: what to read; one that cannot be read is left out.
            false_alarms: likewise, see ``list_files.FALSE_ALARMS_LIST``.
            reading: how.
            preparation: what is done to them before the network sees them.
            transform: makes the network's input.
            done: called after each.
        """

        def look(asked: tuple[Source, bool]) -> _Seen | LeftOut:
            source, is_false_alarm = asked
            try:
                return _look(source, is_false_alarm, reading, preparation, transform)
            except FAILURES as error:
                return LeftOut(describe(source), as_outcome(error, source))

        seen: list[_Seen] = []
        left_out: list[LeftOut] = []
        asked = [*((source, False) for source in sources), *((source, True) for source in false_alarms)]
        for one in in_order(look, iter(asked), usable_cores()):
            if isinstance(one, LeftOut):
                left_out.append(one)
            else:
                seen.append(one)
            done()
        looks = [one.looks for one in thinned(seen, MOST_PHOTOS)] if seen else []
        different: dict[bytes, _Seen] = {}
        for one in seen:
            different.setdefault(one.content, one)
        kept = list(different.values())
        signature = Signature.of(looks) if len(looks) >= 2 else None
        names = [one.name for one in kept]
        return cls(transform, names, left_out, len(seen) - len(kept), signature, kept)

    def __len__(self) -> int:
        return len(self._seen)

    @property
    def judged(self) -> np.ndarray:
        """Which of them a fit to others judges, bool [n]: those that are no false alarms."""
        return np.array([not one.is_false_alarm for one in self._seen], bool)

    def __call__(self, batches: Sequence[Sequence[int]]) -> Iterator[np.ndarray]:
        """Yield float32 [N, 3, H, W] for each list of N numbers, in order."""
        for numbers in batches:
            yield self.transform.normalise(np.stack([self._seen[number].resized for number in numbers]))

    def inspected(self, number: int) -> np.ndarray | None:
        """Where a picture is judged, bool [H, W]; None for everywhere."""
        return self._seen[number].inspected

    def constant(self) -> list[str]:
        """The names of pictures of a single colour."""
        return [one.name for one in self._seen if is_constant(one.resized, one.inspected)]


def is_constant(resized: np.ndarray, inspected: np.ndarray | None) -> bool:
    """Whether a picture, uint8 [H, W, 3], is of a single colour where it is inspected, bool [H, W] or None for everywhere."""
    pixels = resized.reshape(-1, 3) if inspected is None else resized[inspected]
    return bool(np.all(np.ptp(pixels, axis=0) <= _CONSTANT_RANGE))


def _look(
    source: Source, is_false_alarm: bool, reading: Reading, preparation: Preparation, transform: Transform
) -> _Seen:
    if isinstance(source, (str, os.PathLike, bytes)):
        data = read_bytes(source, reading)
        photo = decode_picture(data, describe(source), reading)
    else:
        photo = read_image(source, reading)
        data = repr(photo.shape).encode() + photo.tobytes()
    view = preparation(photo)
    if not view.is_found:
        why = "" if view.position is None else f" ({view.position.reason})"
        raise PartNotFoundError(f"{NOT_FOUND}{why}", where=describe(source), remedy="Take another photo of the part")
    width, height = transform.size
    content = hashlib.sha1(data, usedforsecurity=False).digest()
    inspected = inspected_positions(view.inspected, (height, width))
    return _Seen(
        describe(source), is_false_alarm, content, transform.resize(view.image), inspected, descriptions(photo)
    )
