"""``refit``: a model folder and good pictures in, a new model folder out."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Union

import numpy as np

from paddlex.errors import ImageReadError, RefitError
from paddlex.inference.batch_predictor import reading_for
from paddlex.inference.calibration import Calibration
from paddlex.inference.checked import rate, whole
from paddlex.inference.fit_facts import BANK, FEW_IMAGES, FEWEST_TRAINING_IMAGES, FitFacts
from paddlex.inference.inputs import Source, expand, is_camera
from paddlex.inference.inspection import Inspection
from paddlex.inference.model_facts import OwnBlock
from paddlex.inference.model_folder import checked_argument
from paddlex.inference.official_models import open_model
from paddlex.inference.preparation import NOTHING, Preparation
from paddlex.inference.refit.copies import WORDS, copies_of
from paddlex.inference.refit.features import FOLDS, collect
from paddlex.inference.refit.fitted import Fitted, fit_parts, with_thresholds
from paddlex.inference.refit.pictures import GoodPictures, LeftOut
from paddlex.inference.refit.source import Refittable
from paddlex.inference.refit.steps import BANK_FOLD, STAGES, Report, Steps
from paddlex.utils.files import atomic_directory
from paddlex.utils.logging import logger

_NAMED = 5


class _Unchanged:
    def __repr__(self) -> str:
        return "UNCHANGED"


#: As the model has it.
UNCHANGED = _Unchanged()


@dataclass(frozen=True)
class RefitResult:
    """What a refit has done.

    Attributes:
        path: the new inference folder.
        images: how many different pictures were learnt from.
        same: how many more there were with the content of one of these.
        left_out: pictures that nothing was learnt from, each with its error.
        calibration: the new thresholds, and the scores that they rest on.
        before: the old ones.
        warnings: what the user should know, in sentences.
        seconds: how long it took.
    """

    path: Path
    images: int
    same: int
    left_out: tuple[LeftOut, ...]
    calibration: Calibration
    before: Calibration
    warnings: tuple[str, ...]
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "path": str(self.path),
            "images": self.images,
            "same": self.same,
            "left_out": [{"source": one.source, "error": str(one)} for one in self.left_out],
            "calibration": self.calibration.to_dict(),
            "before": self.before.to_dict(),
            "warnings": list(self.warnings),
            "seconds": round(self.seconds, 3),
        }


def refit(
    model_dir: str | os.PathLike[str],
    images: Source | Iterable[Source],
    save_dir: str | os.PathLike[str],
    *,
    false_alarms: Source | Iterable[Source] = (),
    seed: int | None = None,
    target_fpr: float | None = None,
    regions: Union[Inspection, _Unchanged, None] = UNCHANGED,
    progress: Report | None = None,
    product: str | None = None,
    run_mode: str = "auto",
    bit_depth: int | None = None,
    max_megapixels: float | None = None,
) -> RefitResult:
    """Let a model that compares patch features learn anew, from these good parts alone, and write it as a new folder.

    It becomes what ``Global.mode=train`` makes of the same pictures in the same order with the same options and
    ``Train.robust=off``, by the same code; no Paddle is needed. Photos are prepared as the model's are: the reference picture
    of its alignment, its light and its regions stay, as does the backbone.

    Args:
        model_dir: an inference folder, a training's output folder or an exported .tar.
        images: good parts, whatever ``predict`` takes, but no camera: files, folders, uint8 [H, W, 3] BGR arrays.
        save_dir: the new folder, which must not be there yet, or be empty. It appears whole or not at all.
        false_alarms: further good parts, those that a model has called anomalous. They are learnt from, but no threshold rests
            on them: they were chosen because their scores were high, and one of them among 30 parts would be the threshold.
        seed: of what is drawn; None for the model's.
        target_fpr: the share of good parts that may be called anomalous; None for the model's.
        regions: where photos are inspected; None for everywhere. By default as it was.
        progress: called, in this thread, with ``(done, total, what)``; ``what`` is one of ``steps.STAGES``. An exception that
            it raises cancels the refit, which leaves nothing behind, and comes out of here.
        product: whose model, where ``model_dir`` holds several.
        run_mode: ``onnx``, ``openvino``, or ``auto`` for the first of these that works.
        bit_depth: of 16-bit pictures; None as the model was made.
        max_megapixels: a larger picture is left out.

    Raises:
        RefitError: the model cannot be refitted, the pictures are too few, or ``save_dir`` is in use.
        TrainingError: the pictures are too much alike.
        ModelError: the folder cannot be used, or no engine is installed.
        ImageReadError: ``images`` is no such thing.
        OSError: the folder cannot be written.
    """
    start = time.monotonic()
    source = Refittable.of(open_model(None, model_dir, product), run_mode)
    own, target = source.folder.own, _new_folder(save_dir)
    before = own.calibration
    assert before is not None
    facts = _facts(source.facts, seed)
    aims = (
        before if target_fpr is None else replace(before, target_fpr=checked_argument("target_fpr", rate, target_fpr))
    )
    preparation = own.preparation or NOTHING
    if not isinstance(regions, _Unchanged):
        preparation = replace(preparation, regions=regions)
    if is_camera(images) or is_camera(false_alarms):
        raise ImageReadError("a camera gives no end of pictures", remedy="Give files, folders or arrays")
    sources, alarms = list(expand(images)), list(expand(false_alarms))
    steps = Steps(progress, _units(source, len(sources) + len(alarms)))
    transform = source.folder.transform
    width, height = transform.size
    with atomic_directory(target) as temporary:
        steps.begin("pictures")
        reading = reading_for(own.bit_depth, bit_depth, max_megapixels)
        pictures = GoodPictures.of(sources, alarms, reading, preparation, transform, steps)
        for one in pictures.left_out:
            logger.error("Left out: %s", one)
        _check_count(pictures)
        steps.begin("features")
        with source.backbone() as backbone:
            features = collect(
                backbone, facts.names, pictures,
                photos=np.arange(len(pictures)), judged=pictures.judged, sampled_patches=facts.sampled_patches,
                memory_bytes=facts.memory_gb * 2**30, batch_size=facts.batch_size, seed=facts.seed,
                copies=copies_of(facts.copies), done=steps,
            )  # fmt: skip
        steps.begin("memory")
        parts = fit_parts(facts, features, steps)
        steps.begin("thresholds")
        numbers = features[facts.names[0]].judged_numbers
        fitted = with_thresholds(
            facts, parts, aims, (height, width),
            lambda position: pictures.inspected(int(numbers[position])), preparation.regions,
        )  # fmt: skip
        steps.begin("writing")
        new = _own_block(own, facts, fitted, preparation, pictures)
        warnings = [*_warnings(pictures, facts), *source.write(temporary, new, fitted.arrays)]
        steps(BANK_FOLD)
    for warning in warnings:
        logger.warning("%s", warning)
    left_out, seconds = tuple(pictures.left_out), time.monotonic() - start
    return RefitResult(
        target, len(pictures), pictures.same, left_out, fitted.calibration, before, tuple(warnings), seconds
    )


def _new_folder(save_dir: str | os.PathLike[str]) -> Path:
    """Where the new model is to be; nothing of anybody's is replaced."""
    target = Path(save_dir).expanduser()
    if target.is_file() or (target.is_dir() and any(target.iterdir())):
        raise RefitError(
            "the folder for the new model is in use", where=target, remedy="Give one that is not there yet"
        )
    return target


def _facts(facts: FitFacts, seed: int | None) -> FitFacts:
    """How the model is to be fitted.

    Raises:
        RefitError: there are copies that this version cannot make.
    """
    if unknown := [word for word in facts.copies if word not in WORDS]:
        what = f"the model remembers copies of photos that are not known here: {', '.join(unknown)}"
        raise RefitError(what, remedy="Use the version of this program that has trained it, or train it again")
    return facts if seed is None else replace(facts, seed=checked_argument("seed", whole(0), seed))


def _units(source: Refittable, pictures: int) -> dict[str, int]:
    """Of each stage, see ``steps``."""
    parts = enumerate(source.facts.parts)
    memory = sum((FOLDS + 1) * BANK_FOLD if part.kind == BANK else source.rows(number) for number, part in parts)
    return dict(zip(STAGES, (pictures, pictures, memory, BANK_FOLD, BANK_FOLD), strict=True))


def _check_count(pictures: GoodPictures) -> None:
    count = int(pictures.judged.sum())
    if count >= FEWEST_TRAINING_IMAGES:
        return
    lost = (
        f"; {len(pictures.left_out)} were left out, the first because {pictures.left_out[0].error.what}"
        if pictures.left_out
        else ""
    )
    what = f"{count} different good pictures are too few, {FEWEST_TRAINING_IMAGES} are the least{lost}"
    raise RefitError(what, remedy="Give more photos of good parts; 50 are a start, 200 are better")


def _warnings(pictures: GoodPictures, facts: FitFacts) -> list[str]:
    warnings = []
    if len(pictures) < FEW_IMAGES:
        warnings.append(
            f"{len(pictures)} pictures are few: below {FEW_IMAGES} the model and its thresholds rest on chance. "
            "Take more photos of good parts, on several days; 200 are better."
        )
    if constant := pictures.constant():
        named = ", ".join(constant[:_NAMED]) + (f" and {len(constant) - _NAMED} more" if len(constant) > _NAMED else "")
        warnings.append(f"Of a single colour: {named}. A camera that was covered or dark? Take them out.")
    if facts.rule != "target_fpr":
        warnings.append(
            f"The threshold of the old model was chosen by {facts.rule}, on images with defects; that of the new one by the "
            "share of good parts that may be called anomalous."
        )
    return warnings


def _own_block(
    own: OwnBlock, facts: FitFacts, fitted: Fitted, preparation: Preparation, pictures: GoodPictures
) -> OwnBlock:
    """What inference.yml is to say of the new model."""
    architecture = {**own.architecture, "banks": dict(fitted.banks)} if fitted.banks else own.architecture
    return replace(
        own,
        architecture=architecture,
        calibration=fitted.calibration,
        preparation=None if preparation == NOTHING else preparation,
        signature=pictures.signature,
        fit=replace(facts, rule="target_fpr"),
    )
