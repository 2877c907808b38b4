"""Training images as network inputs, read once and kept in memory as far as they fit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from paddlex.data.dataset import Sample
from paddlex.data.tiles import TileSample
from paddlex.inference.refit.features import consecutive as consecutive
from paddlex.inference.refit.pictures import is_constant
from paddlex.inference.transforms import Transform
from paddlex.inference.view import inspected_positions
from paddlex.utils.paddle_environment import usable_cores

#: A resized image, uint8 [H, W, 3] RGB, the epoch and the image's number -> the image as it might also have looked.
Augmentation = Callable[[np.ndarray, int, int], np.ndarray]

#: Resized images kept in memory; beyond it they are read again in every epoch.
IMAGE_MEMORY_BYTES = 1 << 30


class ImageBatches:
    """The images of some samples, prepared and resized; the next batch is made ready while the network works on the last.

    Args:
        samples: what to read; any of them may be asked for any number of times.
        transform: makes the network's input.
        memory_bytes: how much may be kept.
        augmentation: changes the resized images, before they are normalised; None leaves them as they are.
    """

    def __init__(
        self,
        samples: Sequence[Sample | TileSample],
        transform: Transform,
        memory_bytes: int = IMAGE_MEMORY_BYTES,
        augmentation: Augmentation | None = None,
    ) -> None:
        self.samples = samples
        self._transform = transform
        self._augmentation = augmentation
        width, height = transform.size
        self._capacity = memory_bytes // (3 * width * height)
        self._kept: dict[int, np.ndarray] = {}
        self._inspected: dict[int, np.ndarray | None] = {}
        self._distinct: dict[bytes, np.ndarray] = {}

    def __len__(self) -> int:
        return len(self.samples)

    def __call__(self, batches: Sequence[Sequence[int]], epoch: int = 0) -> Iterator[np.ndarray]:
        """Yield float32 [N, 3, H, W] for each list of N sample numbers, in order.

        Args:
            batches: the lists.
            epoch: counted from 0; the augmentation is another one in each.

        Raises:
            ImageReadError: an image that cannot be read.
        """
        with ThreadPoolExecutor(usable_cores()) as readers, ThreadPoolExecutor(1) as ahead:

            def picture(number: int) -> np.ndarray:
                resized = self._resized(number)
                return resized if self._augmentation is None else self._augmentation(resized, epoch, number)

            def make(numbers: Sequence[int]) -> np.ndarray:
                return self._transform.normalise(np.stack(list(readers.map(picture, numbers))))

            pending = None
            for numbers in [*batches, None]:
                ready = pending
                pending = None if numbers is None else ahead.submit(make, numbers)
                if ready is not None:
                    yield ready.result()

    def constant(self) -> list[Sample]:
        """The photos of a single colour where they are inspected. Reads all images, so that they are in memory afterwards.

        Tiles are left out: in a large photo of a good part there may well be a place without any detail.

        Raises:
            ImageReadError: an image that cannot be read.
        """

        def look(number: int) -> bool:
            return is_constant(self._resized(number), self.inspected(number))

        with ThreadPoolExecutor(usable_cores()) as readers:
            found = list(readers.map(look, range(len(self))))
        samples = [sample for sample, is_found in zip(self.samples, found, strict=True) if is_found]
        return [sample for sample in samples if isinstance(sample, Sample)]

    def inspected(self, number: int) -> np.ndarray | None:
        """Where an image is judged, bool [H, W] at the size of the network's input; None for everywhere."""
        if number not in self._inspected:
            self._resized(number)
        return self._inspected[number]

    def _resized(self, number: int) -> np.ndarray:
        if number in self._kept:
            return self._kept[number]
        view = self.samples[number].view()
        width, height = self._transform.size
        inspected = inspected_positions(view.inspected, (height, width))
        if inspected is not None:  # most often all photos have the same
            inspected = self._distinct.setdefault(np.packbits(inspected).tobytes(), inspected)
        self._inspected[number] = inspected
        resized = self._transform.resize(view.image)
        if len(self._kept) < self._capacity:
            self._kept[number] = resized
        return resized


def shuffled(count: int, batch_size: int, seed: int, epoch: int) -> list[list[int]]:
    """The batches of one epoch, each image once, in an order that depends on seed and epoch alone.

    A last batch of half the batch size or less is added to the one before: batch statistics of one or two images harm.
    """
    order = np.random.default_rng([seed, epoch]).permutation(count).tolist()
    batches = [order[start : start + batch_size] for start in range(0, count, batch_size)]
    if len(batches) > 1 and len(batches[-1]) <= batch_size / 2:
        short = batches.pop()
        batches[-1] += short
    return batches
