"""How much light, lens and mount may change before good parts are called defective, or defects are no longer seen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from paddlex.evaluation.analyses.disturbances import DISTURBANCES, Change, Disturbance, is_grey
from paddlex.evaluation.analyses.drawing import canvas_of
from paddlex.evaluation.analyses.quick_check import PLAIN_KINDS, draw_plain
from paddlex.evaluation.analyses.robustness_words import all_words
from paddlex.evaluation.analyses.standing import Standing, Withstood, passes
from paddlex.evaluation.analyses.subject import Subject
from paddlex.evaluation.metrics import share_interval
from paddlex.inference.predictor import AnomalyPredictor
from paddlex.utils.progress import progress

#: Good parts that are disturbed, and those of them that defects are drawn on.
MOST_PHOTOS, DRAWN_PHOTOS = 24, 4

_FEWEST_PHOTOS = 4
_MOST_BYTES = 200_000_000  # of all photos together: what is large takes long

#: How often a strength between the last that stands and the first that does not is tried.
_HALVINGS = 2

#: Of the drawn defects so many must be found without a disturbance, or there is nothing to be lost.
_FEWEST_FOUND = 4

#: With which of a direction's strengths is begun; the weaker ones are tried where that does not stand.
_BEGIN = 2

_USUAL_TARGET = 0.05  # of a model that was never calibrated
_SALT = 0x6C69676874  # keeps these random numbers apart from others that are made from the same seed


@dataclass(frozen=True)
class Robustness:
    """What was measured.

    Attributes:
        photos: good parts that were disturbed.
        undisturbed: how many of them are called defective as they are.
        target_fpr: the share of good parts that the model is made to call defective at most.
        limit: twice that: what a disturbance is held against.
        drawn: defects that were drawn, and how many of them are found in undisturbed photos.
        withstood: each disturbance.
        notes: what was left out, or is to be thought of.
    """

    photos: int
    undisturbed: int
    target_fpr: float
    limit: float
    drawn: tuple[int, int]
    withstood: Sequence[Withstood]
    notes: Sequence[str] = field(default_factory=list)

    @property
    def is_stood(self) -> bool:
        """Whether there is anything to be stood: good parts pass as they are."""
        return all(one.stands_up_to is not None for withstood in self.withstood for one in withstood.standings)

    def to_dict(self) -> dict[str, Any]:
        """As it stands in evaluate_result.json; see docs/outputs.md."""
        return {
            "photos": self.photos,
            "undisturbed_called_anomalous": self.undisturbed,
            "target_fpr": self.target_fpr,
            "limit": self.limit,
            "drawn_defects": self.drawn[0],
            "drawn_defects_found": self.drawn[1],
            "disturbances": [one.to_dict() for one in self.withstood],
            "notes": list(self.notes),
        }

    def words(self) -> list[str]:
        return all_words(self)


def analyse(subject: Subject) -> Robustness:
    """Disturb good parts, see ``measure_robustness``; of photos that are scanned in tiles one tile each."""
    notes = [] if subject.note is None else [subject.note]
    first = subject.spread_by_score(MOST_PHOTOS, fewest=_FEWEST_PHOTOS)[0].read()
    most = MOST_PHOTOS
    is_tiled = subject.predictor.tiling is not None and not subject.predictor.preparation.steps
    if is_tiled:
        notes.append("Of each photo the tile that looks least usual was disturbed; shifts are per cent of a tile.")
    else:
        most = min(MOST_PHOTOS, max(_FEWEST_PHOTOS, _MOST_BYTES // first.nbytes))
    photos = [sample.read() for sample in subject.spread_by_score(most)]
    if is_tiled:
        photos = [least_usual_tile(subject.predictor, photo) for photo in photos]
    found = measure_robustness(subject.predictor, photos, seed=subject.seed)
    return replace(found, notes=[*found.notes, *notes])


def least_usual_tile(predictor: AnomalyPredictor, photo: np.ndarray) -> np.ndarray:
    """The tile about the highest place of a photo's map, uint8 [tile_size, tile_size, 3], or as far as the photo reaches."""
    assert predictor.tiling is not None
    (anomaly_map,) = predictor.photo_maps([photo])
    place = np.unravel_index(int(anomaly_map.argmax()), anomaly_map.shape)
    side = predictor.tiling.tile_size
    top, left = (
        max(0, min(int(at) - side // 2, length - side)) for at, length in zip(place, anomaly_map.shape, strict=True)
    )
    return photo[top : top + side, left : left + side].copy()


def measure_robustness(
    predictor: AnomalyPredictor,
    photos: Sequence[np.ndarray],
    *,
    seed: int = 0,
    disturbances: Sequence[Disturbance] = DISTURBANCES,
) -> Robustness:
    """Disturb photos of good parts more and more, until more than twice the target share of them is called defective.

    Each direction is tried at its strengths, from a weak one up to the first at which it is certain that more are, and
    twice in between. What lies between two strengths that it stands is taken to be stood. Then defects that are drawn on
    some of the photos are looked for at the strengths that it stands, from the strongest down to the first at which half of
    them are found. A photo that cannot be judged any more counts as one that is called defective.

    Args:
        predictor: the model.
        photos: of good parts, uint8 [H, W, 3] BGR, of any sizes; those that the model was not fitted to are better.
        seed: the same photos and seed give the same figures.
        disturbances: what is tried.
    """
    calibration = predictor.folder.calibration
    target = _USUAL_TARGET if calibration is None else calibration.target_fpr
    limit = min(2 * target, 1.0)
    trial = _Trial(predictor, photos, seed)
    undisturbed, seen = trial.called(_unchanged, 0.0), trial.found(_unchanged, 0.0)
    notes = []
    if seen.sum() < _FEWEST_FOUND:
        notes.append(
            f"Of {len(seen)} defects drawn on undisturbed photos the model finds {seen.sum()}: too few to say when it is blind."
        )
    has_colour = not all(map(is_grey, photos))
    possible = [one for one in disturbances if has_colour or not one.needs_colour]
    if len(possible) < len(disturbances):
        notes.append("The photos have no colour, so what changes colours alone was left out.")
    none_tried = [one for one in possible if any(max(way.strengths) < _least(one, photos) for way in one.directions)]
    if none_tried:
        possible = [one for one in possible if one not in none_tried]
        notes.append(
            "The photos are so small that no shift that was to be tried moves them by a pixel: none was tried."
        )
    standings: dict[str, list[Standing]] = {one.name: [] for one in possible}
    directions = [(one, direction) for one in possible for direction in one.directions]
    for one, direction in progress(directions, "Robustness", unit="disturbance"):
        levels = {0.0: undisturbed}
        for strength in _strengths(levels, direction.strengths, limit, _least(one, photos)):
            levels[strength] = trial.called(direction.change, strength)
        standing = Standing(direction, levels, limit)
        if seen.sum() >= _FEWEST_FOUND:
            find = partial(trial.found, direction.change, moves=one.moves_along is not None)
            standing = _with_defects(standing, find, seen)
        standings[one.name].append(standing)
    return Robustness(
        len(photos), int(undisturbed.sum()), target, limit, (len(seen), int(seen.sum())),
        [Withstood(one, standings[one.name], _side(one, photos)) for one in possible], notes,
    )  # fmt: skip


def _strengths(
    levels: Mapping[float, np.ndarray], planned: Sequence[float], limit: float, least: float
) -> Iterator[float]:
    """What to try next, as long as ``levels`` gets what came of it: the plan, then between what stands and what does not.

    Nothing below ``least`` is tried.
    """
    planned = [strength for strength in planned if strength >= least]
    begin = min(_BEGIN, len(planned) - 1)  # of small photos only the strongest may be left, and it must be tried
    for strength in planned[begin:]:
        yield strength
        called = levels[strength]
        if share_interval(int(called.sum()), len(called))[0] > limit:
            break
    for strength in reversed(planned[:begin]):
        if passes(levels[min(levels.keys() - {0.0}, default=0.0)], limit):
            break
        yield strength
    for _ in range(_HALVINGS):
        fails = next((one for one in sorted(levels) if not passes(levels[one], limit)), 0.0)
        stands = max((one for one in levels if one < fails), default=fails)
        middle = float(f"{(stands + fails) / 2:.2g}")
        if middle not in levels and middle >= least:
            yield middle


def _with_defects(standing: Standing, find: Callable[[float], np.ndarray], seen: np.ndarray) -> Standing:
    """The same with how many of the defects that are seen otherwise are found."""
    found: dict[float, int] = {}
    for strength in reversed([one for one in standing.strengths if 0 < one <= (standing.stands_up_to or 0)]):
        found[strength] = int((find(strength) & seen).sum())
        if 2 * found[strength] >= seen.sum():
            break
    return replace(standing, found=found, drawn=int(seen.sum()))


class _Trial:
    """Photos, disturbed and judged.

    Args:
        predictor, photos, seed: see ``measure_robustness``.
    """

    def __init__(self, predictor: AnomalyPredictor, photos: Sequence[np.ndarray], seed: int) -> None:
        self._predictor, self._photos, self._seed = predictor, photos, seed
        self._canvases = [canvas_of(predictor, photo) for photo in photos[:DRAWN_PHOTOS]]

    def called(self, change: Change, strength: float) -> np.ndarray:
        """Whether each photo is called defective, bool [n]."""
        changed = (change(photo, strength, self._rng(number)) for number, photo in enumerate(self._photos))
        called: list[bool] = []
        for result in self._predictor.predict(
            changed, batch_size=1, read_ahead=True, on_error=lambda *_: called.append(True)
        ):
            called.append(bool(result["is_anomalous"]))
        return np.array(called)

    def found(self, change: Change, strength: float, moves: bool = False) -> np.ndarray:
        """Whether each drawn defect is found where it lies, bool [m]; one on a photo that cannot be judged counts as found."""
        masks: list[np.ndarray] = []

        def changed() -> Iterator[np.ndarray]:
            for number, canvas in enumerate(self._canvases):
                for place, kind in enumerate(PLAIN_KINDS):
                    defect, with_defect = draw_plain(canvas, kind, self._rng(number, place))
                    mask = defect.covered(canvas.image).astype(np.uint8)
                    masks.append((change(mask, strength, self._rng(number)) if moves else mask) > 0)
                    yield change(with_defect, strength, self._rng(number))

        found: list[bool] = []
        for result in self._predictor.predict(
            changed(), batch_size=1, read_ahead=True, on_error=lambda *_: found.append(True)
        ):
            there = result["anomaly_map"][masks[len(found)]]
            found.append(bool(there.size and there.max() > self._predictor.limits.image.threshold))
        return np.array(found, bool)

    def _rng(self, *numbers: int) -> np.random.Generator:
        return np.random.default_rng([_SALT, self._seed, *numbers])


def _unchanged(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    return image


def _least(disturbance: Disturbance, photos: Sequence[np.ndarray]) -> float:
    """The weakest strength that changes anything: photos are moved by whole pixels."""
    side = _side(disturbance, photos)
    return 0.0 if side is None else 50 / side


def _side(disturbance: Disturbance, photos: Sequence[np.ndarray]) -> int | None:
    """Pixels of the side that photos are moved along; of photos of many sizes the median."""
    if disturbance.moves_along is None:
        return None
    axis = 1 if disturbance.moves_along == "width" else 0
    return int(np.median([photo.shape[axis] for photo in photos]))
