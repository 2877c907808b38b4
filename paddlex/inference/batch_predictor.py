"""Many images, one after the other or side by side: what each one's result is, is said by whoever knows the model."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Union

import cv2
import numpy as np

from paddlex.errors import ModelError, PaddleXError
from paddlex.inference import reading
from paddlex.inference.checked import named, optional, whole
from paddlex.inference.inputs import Source, describe, expand, is_camera, read_image
from paddlex.inference.model_folder import checked_argument
from paddlex.inference.parallel import in_order
from paddlex.inference.reading import Reading
from paddlex.inference.results import AnomalyResult

#: What becomes of one image.
Outcome = Union[AnomalyResult, PaddleXError]

#: What one image can do to its own judging; anything else is an error in the program.
FAILURES = (PaddleXError, cv2.error, MemoryError)

#: From how many batches a thread on it pays to be made for many images at once.
_MANY = 4


class BatchPredictor(ABC):
    """Reads images and has them judged in batches.

    Attributes:
        batch_size: images that are judged at once, where ``predict`` is not told.
        reading: how pictures are read.
        threads: CPU threads to use.
    """

    batch_size: int
    reading: Reading
    threads: int

    @property
    @abstractmethod
    def takes_one(self) -> bool:
        """Whether one image is batch enough."""

    @abstractmethod
    def outcomes(self, images: Sequence[np.ndarray], sources: Sequence[Source | None] | None = None) -> list[Outcome]:
        """What ``judge`` does, but an image that cannot be judged has its error for an outcome, and the others are judged."""

    def opened_for_many(self) -> BatchPredictor:
        """The same, as it judges most images a second."""
        return self

    def predict(
        self,
        input: Source | Iterable[Source],
        batch_size: int | None = None,
        on_error: Callable[[Source, PaddleXError], None] | None = None,
        read_ahead: bool | None = None,
    ) -> Iterator[AnomalyResult]:
        """Yield one result an image, in order, at the image's own size; only a few batches are in memory at a time.

        Args:
            input: a file, folder, glob, URL, video, camera (0 or ``camera:0``), encoded bytes, array (uint8 [H, W, 3], BGR) or
                an iterable of these. Of a video or camera every frame has a result.
            batch_size: images that the network takes at once, None for the model's; the results do not depend on it.
            on_error: called with the source and the error for an image that cannot be read or judged, which is then left
                out; without it the error is raised.
            read_ahead: whether later images may be read, and worked on by other threads, before the results of earlier ones
                are taken. None: for a folder, glob, list or tuple yes; for a camera or a generator no, since it
                may stand for a line that waits for its results.

        Raises:
            ImageReadError: an image that cannot be read.
            NotFiniteError: the network's answer to an image has a value that is not finite.
            ModelError: an image cannot be judged for another reason.
        """
        batch_size = self.batch_size if batch_size is None else batch_size
        batch_size = named("batch_size", whole(1), batch_size)
        if self.takes_one:
            batch_size, read_ahead = 1, False
        root = os.fspath(input) if isinstance(input, (str, os.PathLike)) and os.path.isdir(input) else None
        sources = expand(input)
        batches = iter(lambda: list(islice(sources, batch_size)), [])
        if read_ahead is None:
            read_ahead = isinstance(input, (str, os.PathLike, list, tuple)) and not is_camera(input)
        for batch in self._side_by_side(batches) if read_ahead else map(self._work, batches):
            for source, outcome in batch:
                if isinstance(outcome, AnomalyResult):
                    outcome.root = root
                    yield outcome
                elif on_error is None:
                    raise outcome
                else:
                    on_error(source, outcome)

    def _side_by_side(self, batches: Iterator[list[Source]]) -> Iterator[list[tuple[Source, Outcome]]]:
        """``_work`` for each batch, in order, on several threads: while one decodes, another runs the network."""
        workers = max(2, self.threads)
        first = list(islice(batches, _MANY * workers))
        if len(first) <= 1:
            return map(self._work, first)
        worker = self if len(first) < _MANY * workers else self.opened_for_many()
        return in_order(worker._work, chain(first, batches), workers)

    def _work(self, sources: list[Source]) -> list[tuple[Source, Outcome]]:
        """Read and judge one batch; an image that cannot be read or judged has its error for an outcome."""
        images: list[np.ndarray] = []
        errors: list[PaddleXError | None] = []
        for source in sources:
            try:
                images.append(read_image(source, self.reading))
                errors.append(None)
            except PaddleXError as error:
                errors.append(error)
        read = [source for source, error in zip(sources, errors, strict=True) if error is None]
        outcomes = iter(self.outcomes(images, read))
        return [(source, error or next(outcomes)) for source, error in zip(sources, errors, strict=True)]

    def judge(
        self, images: Sequence[np.ndarray], sources: Sequence[Source | None] | None = None
    ) -> list[AnomalyResult]:
        """Judge images that are read already, all at once.

        Args:
            images: uint8 [H, W, 3] BGR, of any sizes.
            sources: where each comes from, for ``input_path``; None where that has no name.

        Raises:
            NotFiniteError: the network's answer to an image has a value that is not finite.
            ModelError: an image cannot be judged for another reason.
        """
        results = []
        for outcome in self.outcomes(images, sources):
            if isinstance(outcome, PaddleXError):
                raise outcome
            results.append(outcome)
        return results


def reading_for(own_depth: int | None, bit_depth: int | None, max_megapixels: float | None) -> Reading:
    """How pictures are read for a model.

    Args:
        own_depth: the bit depth that the model was made for.
        bit_depth: what a user asks for; None as the model was made.
        max_megapixels: likewise; None as is usual.

    Raises:
        ModelError: a value that cannot be.
    """
    return Reading(
        checked_argument("bit_depth", optional(reading.bit_depth), bit_depth) or own_depth,
        checked_argument("max_megapixels", optional(reading.megapixels), max_megapixels) or reading.MAX_MEGAPIXELS,
    )


def as_outcome(error: Exception, source: Source | None) -> PaddleXError:
    """The error of one image, with the image's name where it has none."""
    where = None if source is None else describe(source)
    if isinstance(error, PaddleXError):
        return type(error)(error.what, where=where, remedy=error.remedy) if error.where is None else error
    reason = " ".join(str(error).split()) or type(error).__name__
    return ModelError(f"the image cannot be judged: {reason}", where=where, remedy="Try it alone, or a smaller one")
