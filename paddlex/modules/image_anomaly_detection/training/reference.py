"""``Train.alignment``: the picture that all photos are aligned to, and how alike the part must be to count as found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import cv2
import numpy as np

from paddlex.config_schema import AlignmentSection
from paddlex.data.dataset import Sample, thinned
from paddlex.errors import ConfigError, DatasetError, ImageReadError
from paddlex.inference.alignment import Alignment
from paddlex.inference.inputs import read_image
from paddlex.inference.position import Position
from paddlex.inference.registration import Fit
from paddlex.utils.logging import logger
from paddlex.utils.paddle_environment import usable_cores

#: Photos of which one becomes the reference, if none is given; they are spread over the list.
_CANDIDATES = 15

#: Grey levels, of the reference without noise and slow changes of light: below, there is nothing to find it by.
_LEAST_CONTRAST = 2.0

#: The reference is cut into so many pieces each way, and so often put together wrongly, to see what chance correlates to.
_PIECES, _SHUFFLES = 4, 8

#: By how much most photos must correlate better than that.
_LEAST_GAIN = 0.15

#: The share of training photos in which the part may not be found; they are left out. One may always be.
_MOST_NOT_FOUND = 0.05

_KEY = "Train.alignment"
_NAMED = 5

#: What to do where photos cannot be aligned.
_ADVICE = (
    f"Take those photos out; or raise {_KEY}.max_shift or max_angle, lower min_seen, or set motion to similarity, if the parts "
    "lie so; or set reference to a typical photo; or enable to False"
)


@dataclass(frozen=True)
class Aligned:
    """What the training photos say about alignment.

    Attributes:
        alignment: to be used from now on.
        found: which samples of the training list show the part, by number.
    """

    alignment: Alignment
    found: tuple[int, ...]


def align(options: AlignmentSection, samples: Sequence[Sample]) -> Aligned:
    """Choose the reference, and from all photos the least quality of alignment.

    Without a reference of its own, that of some photos is taken which the others correlate best with, and show most of. The
    part is found in a photo if that correlates better than midway between chance and the median of all photos. The least
    quality from now on is midway between chance and the lowest of those. Chance is the best that the reference itself reaches
    in pieces that are put together wrongly.

    Raises:
        ConfigError: the reference cannot be used.
        DatasetError: the part is not found in too many of the photos.
        ImageReadError: a photo cannot be read.
    """
    logger.info("Train.alignment: %d photos are aligned.", len(samples))
    alignment, name = _reference(options, samples)
    contrast = alignment.registration.contrast
    if contrast < _LEAST_CONTRAST:
        raise ConfigError(
            f"the reference picture {name} shows nothing to align by: its contrast is {contrast:.1f} grey levels, and "
            f"{_LEAST_CONTRAST:g} are the least",
            where=f"{_KEY}.reference",
            remedy=f"Set it to a photo of a part with edges or a pattern, or set {_KEY}.enable to False",
        )
    fits = _mapped(lambda sample: _fit(alignment, sample), samples)
    chance = _chance(alignment)
    qualities = np.array([fit.quality for fit, _ in fits])
    typical = float(np.median(qualities))
    if typical < chance + _LEAST_GAIN:
        raise DatasetError(
            f"most training photos have too little in common with the reference picture {name}: a correlation of "
            f"{typical:.2f}, where {chance:.2f} is chance",
            where=samples[0].root / samples[0].list_name,
            remedy=_ADVICE,
        )
    strict = replace(alignment, least_quality=(chance + typical) / 2)
    positions = [strict.position(fit, size) for fit, size in fits]
    found = _found(samples, positions)
    least = (chance + float(qualities[list(found)].min())) / 2
    shifts = np.array([np.abs(positions[number].shift).max() for number in found])
    angles = np.array([abs(positions[number].angle) for number in found])
    logger.info(
        "Train.alignment: to %s; photos are moved by up to %.0f pixels and turned by up to %.1f degrees. They correlate %.2f "
        "or more, most %.2f, chance %.2f; below %.2f the part counts as not found.",
        name, shifts.max(), angles.max(), qualities[list(found)].min(), typical, chance, least,
    )  # fmt: skip
    return Aligned(replace(alignment, least_quality=least), found)


def showing_enough(samples: Sequence[Sample]) -> list[Sample]:
    """The aligned samples that show enough of what is to be inspected.

    Raises:
        DatasetError: too few do.
        ImageReadError: a photo cannot be read.
    """
    positions = _mapped(lambda sample: sample.view().position, samples)
    return [samples[number] for number in _found(samples, positions)]


def _found(samples: Sequence[Sample], positions: Sequence[Position]) -> tuple[int, ...]:
    """The numbers of the samples in which the part is found; the others are named.

    Raises:
        DatasetError: they are too many.
    """
    lost = [
        f"{sample.image} (line {sample.line}: {position.reason})"
        for sample, position in zip(samples, positions, strict=True)
        if not position.found
    ]
    if lost:
        named = "; ".join(lost[:_NAMED]) + (f"; and {len(lost) - _NAMED} more" if len(lost) > _NAMED else "")
        what = f"the part is not found in {len(lost)} of {len(samples)} training photos: {named}"
        if len(lost) > max(1, _MOST_NOT_FOUND * len(samples)):
            raise DatasetError(what, where=samples[0].root / samples[0].list_name, remedy=_ADVICE)
        logger.warning("Train.alignment: %s. They are left out.", what)
    return tuple(number for number, position in enumerate(positions) if position.found)


def _reference(options: AlignmentSection, samples: Sequence[Sample]) -> tuple[Alignment, str]:
    """Alignment to the reference that is given or chosen, whatever the quality; and what it is called."""
    if options.reference is not None:
        try:
            photo = read_image(options.reference, samples[0].reading)
        except ImageReadError as error:
            what, where = (
                f"the reference picture cannot be used: {error.what}",
                f"{_KEY}.reference: {options.reference}",
            )
            raise ConfigError(what, where=where, remedy=error.remedy) from error
        alignment = _to(photo, options)
        size = samples[0].read().shape[:2]
        if "shape" in (reason := alignment.position(_EXACT, size).reason):
            remedy = "Set it to a whole photo of the same camera"
            raise ConfigError(
                f"the reference picture cannot be used: {reason}", where=f"{_KEY}.reference", remedy=remedy
            )
        return alignment, options.reference
    candidates = [(sample, sample.read()) for sample in thinned(samples, _CANDIDATES)]
    best: tuple[float, Alignment, str] | None = None
    for number, (sample, photo) in enumerate(candidates):
        alignment = _to(photo, options)
        others = [other for place, (_, other) in enumerate(candidates) if place != number]
        value = float(np.mean([_value(alignment, other) for other in others] or [1.0]))
        if best is None or value > best[0]:
            best = value, alignment, sample.image
    assert best is not None
    return best[1:]


#: A photo that lies as the reference does.
_EXACT = Fit(np.eye(3), 1.0, 1.0)


def _value(alignment: Alignment, photo: np.ndarray) -> float:
    """How well a photo fits a candidate: correlation, times what it shows; 0 where it is not found."""
    fit = alignment.fit(photo)
    return fit.quality * fit.seen if alignment.position(fit, photo.shape[:2]).found else 0.0


def _to(photo: np.ndarray, options: AlignmentSection) -> Alignment:
    return Alignment.to(
        photo,
        motion=options.motion,
        max_shift=options.max_shift,
        max_angle=options.max_angle,
        least_quality=0.0,
        min_seen=options.min_seen,
        not_found=options.not_found,
    )


def _fit(alignment: Alignment, sample: Sample) -> tuple[Fit, tuple[int, int]]:
    photo = sample.read()
    return alignment.fit(photo), photo.shape[:2]


def _chance(alignment: Alignment) -> float:
    """The best correlation with the reference of what has its look, but shows another thing."""
    registration = alignment.registration
    height, width = (side // _PIECES * _PIECES for side in registration.size)
    whole = cv2.resize(registration.reference, (width, height), interpolation=cv2.INTER_AREA)
    rows = [row for one in np.split(whole, _PIECES) for row in np.split(one, _PIECES, axis=1)]

    def shuffled(seed: int) -> float:
        order = np.random.default_rng(seed).permutation(len(rows)).reshape(_PIECES, _PIECES)
        mixed = np.vstack([np.hstack([rows[number] for number in line]) for line in order])
        return registration.find(cv2.resize(mixed, registration.size[::-1])).quality

    return max(0.0, *_mapped(shuffled, range(_SHUFFLES)))


def _mapped(work: Callable, items: Sequence) -> list:
    with ThreadPoolExecutor(usable_cores()) as workers:
        return list(workers.map(work, items))
