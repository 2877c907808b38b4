"""A look at a data set before it is converted: which pictures are photos of parts, which are masks, and which are neither."""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath

import cv2

from paddlex.config_schema import MODES
from paddlex.data.dataset import is_lossy
from paddlex.data.dataset_checker.grey_levels import MOST_LABELS, count_grey_levels
from paddlex.data.dataset_checker.layout import (
    DEMO_FOLDER,
    FULL_FRAME,
    HISTOGRAM,
    MASK_ENDINGS,
    SUSPECTS,
    first_folder,
    without_suffix,
)
from paddlex.data.dataset_checker.problems import Problem, ProblemCollector
from paddlex.data.dataset_checker.rules import TOP, FolderRules, Role
from paddlex.data.dataset_checker.workers import map_in_threads
from paddlex.data.folder_names import (
    doubtful_folder,
    is_defective_folder,
    is_mask_folder,
    is_neutral_folder,
    is_normal_folder,
    is_partition_folder,
    system_folder,
)
from paddlex.errors import DatasetError, ImageReadError
from paddlex.inference.image_files import decode_image, read_bytes
from paddlex.inference.inputs import list_images
from paddlex.inference.list_files import is_list_file
from paddlex.inference.walk import IMAGE_SUFFIXES, PassedOver

ANNOTATION_SUFFIXES = frozenset({".json", ".xml"})

_RESULT_FILES = frozenset(f"{mode}_result.json" for mode in MODES)

_RESULT_ENDINGS = ("_res", "_mask", "_heatmap", "_map")

#: How people name a mask after its image, beside `MASK_ENDINGS`: ``mask_000``, ``000-mask``, ``000.Mask2``, ``000_seg`` …
_MASK_NAME = re.compile(
    r"(?:mask|gt|seg)s?[\W_]+(?P<after>.+)|(?P<before>.+?)[\W_]*(?:mask|gt|label|seg|segmentation|掩码|掩膜)s?(?:[\W_]*\d+)?",
    re.I,
)

_LOOKED_AT = 5  # pictures of a folder


@dataclass
class Survey:
    """The pictures of a data set, as paths relative to it, with ``/`` between their parts.

    Attributes:
        root: the data set's folder.
        rules: what the user says of its folders.
        images: what may be photos of parts, folder by folder in sorted order.
        masks: pictures in folders of masks, or beside their image and named after it.
        left_out: why pictures are neither: (folder, reason) -> how many.
        annotations: files that end in ``.json`` or ``.xml``.
        passed: all other files.
    """

    root: Path
    rules: FolderRules
    images: list[str] = field(default_factory=list)
    masks: list[str] = field(default_factory=list)
    left_out: Counter[tuple[str, str]] = field(default_factory=Counter)
    annotations: list[str] = field(default_factory=list)
    passed: PassedOver = field(default_factory=PassedOver)

    def leave_out(self, path: str, reason: str) -> None:
        """Count a picture that is passed over."""
        self.left_out[folder_of(path), reason] += 1


def survey(root: Path, rules: FolderRules, parts: Iterable[str] = ()) -> Survey:
    """Look at all pictures below a folder.

    Left out are folders that systems make (trash, thumbnails), the results of this program, and what the user says. A
    folder whose name or whose pictures look like something else than photos of parts is an error that names the keys which
    decide, because its pictures would train a model, or count as defective.

    Args:
        root: the data set's folder.
        rules: what the user says of its folders.
        parts: the outermost folders that the layout has, in lower case; those of others are left out. None given: any.

    Raises:
        DatasetError: there are no pictures, or a rule names no folder.
        DatasetCheckError: folders that have to be decided upon.
    """
    found = Survey(root, rules)
    wanted = frozenset(parts)
    by_folder = _pictures(root, found)
    rules.check([*by_folder, *map(folder_of, found.annotations)])
    problems = ProblemCollector()
    for folder, paths in by_folder.items():
        if wanted and first_folder(f"{folder}/") not in wanted:
            reason: str | None = "no folder of this layout"
        else:
            reason = _reason_to_leave_out(folder, rules)
        if reason is not None:
            found.left_out[folder, reason] += len(paths)
        elif _are_masks(folder, rules):
            found.masks += [path for path in paths if f"/{FULL_FRAME}" not in f"/{path}"]
        else:
            _sort_out(paths, found)
    problems.extend(_doubts({folder_of(path): None for path in found.images}, rules))
    problems.extend(_named_as_masks(found))
    problems.raise_if_errors()
    problems.extend(_look_like_masks(found, wanted))
    problems.raise_if_errors()
    found.annotations = [path for path in found.annotations if not _reason_to_leave_out(folder_of(path), rules)]
    if not found.images:
        others = [*words_of_left_out(found), *([f"{len(found.masks)} masks"] if found.masks else [])]
        passed = f" of parts (left out: {', '.join(others)})" if others else ""
        raise DatasetError(
            f"the data set folder holds no images{passed}",
            where=root,
            remedy=f"Images end in {', '.join(sorted(IMAGE_SUFFIXES))}",
        )
    return found


def words_of_left_out(found: Survey) -> list[str]:
    """What was left out, a phrase for each folder: ``@eaDir/ (12: thumbnails that a NAS makes)``."""
    return [f"{folder}/ ({count}: {reason})" for (folder, reason), count in sorted(found.left_out.items())]


def telling_names(folder: str) -> list[str]:
    """The parts of a folder's path that say something about the pictures in it."""
    return [
        name
        for name in PurePosixPath(folder).parts
        if name != TOP and not is_partition_folder(name) and not is_neutral_folder(name)
    ]


def says_good(folder: str) -> bool:
    """Whether a part of a folder's path is a name for good parts."""
    return any(map(is_normal_folder, telling_names(folder)))


def says_bad(folder: str) -> bool:
    """Whether a part of a folder's path plainly is a name for bad parts."""
    return any(map(is_defective_folder, telling_names(folder)))


def folder_of(path: str) -> str:
    """The folder of a relative path; ``.`` for the data set folder itself."""
    return os.path.dirname(path) or TOP


def _pictures(root: Path, found: Survey) -> dict[str, list[str]]:
    """The pictures of each folder; results of this program are left out, wherever they lie."""
    by_folder: dict[str, list[str]] = defaultdict(list)
    outputs: dict[str, tuple[str, ...]] = {}  # folder -> endings of its results, and of those below it

    def is_known(path: str) -> bool:
        relative = Path(path).relative_to(root).as_posix()
        if os.path.basename(path) in _RESULT_FILES:
            outputs[folder_of(relative)] = ("",)
        elif os.path.basename(path) == "summary.csv":
            outputs.setdefault(folder_of(relative), _RESULT_ENDINGS)
        elif os.path.splitext(path)[1].lower() in ANNOTATION_SUFFIXES and not _is_result(relative):
            found.annotations.append(relative)
        return is_known_file(path)

    for path in list_images(root, found.passed, is_known):
        relative = Path(path).relative_to(root).as_posix()
        by_folder[folder_of(relative)].append(relative)
    outputs.pop(TOP, None)
    found.annotations = [path for path in found.annotations if outputs.keys().isdisjoint(_folders_above(path))]
    for folder, paths in by_folder.items():
        if found.rules.role(folder) is None:
            places = [folder, *_folders_above(folder)]
            endings = tuple(ending for place in places for ending in outputs.get(place, ()))
            own = [path for path in paths if _is_result(path, endings) or _is_from_a_check(path)]
            for path in own:
                found.leave_out(path, "results of this program")
            by_folder[folder] = sorted(set(paths).difference(own))
    return {folder: paths for folder, paths in by_folder.items() if paths}


def _folders_above(path: str) -> list[str]:
    return [str(parent) for parent in PurePosixPath(path).parents]


def is_known_file(path: str) -> bool:
    """Whether a file that is no picture has its use: an annotation, a list or the copy of one."""
    return os.path.splitext(path)[1].lower() in ANNOTATION_SUFFIXES or is_list_file(path)


def _is_result(path: str, endings: tuple[str, ...] = ()) -> bool:
    return without_suffix(path).endswith(("_res", "_heatmap", *endings))


def _is_from_a_check(path: str) -> bool:
    folder = f"/{os.path.dirname(path)}"
    return folder.endswith(f"/{DEMO_FOLDER}") or f"/{path}".endswith((f"/{HISTOGRAM}", f"/{SUSPECTS}"))


def _reason_to_leave_out(folder: str, rules: FolderRules) -> str | None:
    role = rules.role(folder)
    if role is Role.LEFT_OUT:
        return "CheckDataset.convert.ignore"
    if role is not None:
        return None
    return next(filter(None, map(system_folder, PurePosixPath(folder).parts)), None)


def _are_masks(folder: str, rules: FolderRules) -> bool:
    role = rules.role(folder)
    return role is Role.MASKS or (role is None and any(map(is_mask_folder, PurePosixPath(folder).parts)))


def _sort_out(paths: list[str], found: Survey) -> None:
    """Tell masks that lie beside their images from these."""
    stems = {without_suffix(path) for path in paths}
    for path in paths:
        stem = without_suffix(path)
        is_mask = any(stem.endswith(ending) and stem[: -len(ending)] in stems for ending in MASK_ENDINGS)
        (found.masks if is_mask else found.images).append(path)


def _named_as_masks(found: Survey) -> list[Problem]:
    """Pictures that by their names are masks of others beside them: one problem for each folder."""
    images = {without_suffix(path) for path in found.images}
    first: dict[str, Problem] = {}
    for path in found.images:
        folder, name = os.path.split(without_suffix(path))
        match = _MASK_NAME.fullmatch(name)
        image = os.path.join(folder, match["after"] or match["before"]) if match is not None else None
        if image in images and folder not in first and found.rules.role(folder_of(path)) is None:
            what = f"by its name the picture {path} may be a mask of {image}"
            remedy = (
                f"If it and others like it are masks, name them as {image}_mask.png; else name the folder in "
                "CheckDataset.convert.normal or defects"
            )
            first[folder] = Problem(what, os.fspath(found.root / path), remedy)
    return list(first.values())


def _doubts(folders: Iterable[str], rules: FolderRules) -> list[Problem]:
    doubtful: dict[str, str] = {}
    for folder in folders:
        parts = PurePosixPath(folder).parts
        for depth, name in enumerate(parts, 1):
            what = doubtful_folder(name)
            if what is not None and rules.role(folder) is None:
                doubtful.setdefault("/".join(parts[:depth]), f"its name {name!r} looks like {what}")
                break
    return [undecided(folder, why) for folder, why in doubtful.items()]


def _look_like_masks(found: Survey, wanted: frozenset[str]) -> list[Problem]:
    """Folders all of whose pictures have hardly any grey levels, as masks do and photos do not."""
    by_folder: dict[str, list[str]] = defaultdict(list)
    for path in found.images:
        by_folder[folder_of(path)].append(path)
    asked = [folder for folder in by_folder if found.rules.role(folder) is None]
    chosen = [path for folder in asked for path in _some(by_folder[folder])]
    answers = dict(
        zip(chosen, map_in_threads(partial(_grey_levels, found.root), chosen, "Looking at folders"), strict=True)
    )
    problems = []
    for folder in asked:
        levels = [answers[path] for path in _some(by_folder[folder])]
        if all(1 <= count <= MOST_LABELS for count in levels) and max(levels) > 1:
            what = f"its pictures have {max(levels)} grey levels at most, as masks do"
            problems.append(undecided(folder, what))
    return problems


def _some(paths: Sequence[str]) -> list[str]:
    return (
        [paths[number * len(paths) // _LOOKED_AT] for number in range(_LOOKED_AT)]
        if len(paths) > _LOOKED_AT
        else list(paths)
    )


def _grey_levels(root: Path, path: str) -> int:
    """How many grey levels a picture has, at most 9; 9 for one in colours, 0 for one that cannot be read."""
    try:
        data = read_bytes(root / path)
        pixels = decode_image(data, flags=cv2.IMREAD_COLOR, name=path)
    except ImageReadError:  # it is reported where it is read for its own sake
        return 0
    return count_grey_levels(pixels, is_lossy(data))


def undecided(folder: str, why: str) -> Problem:
    """The error that asks the user what a folder holds."""
    return Problem(
        f"it is not clear what the folder {folder} holds: {why}",
        f"CheckDataset.convert, {folder}",
        "Say so with CheckDataset.convert.ignore, masks, normal or defects, as in "
        f'-o CheckDataset.convert.ignore="[{folder}]"',
    )
