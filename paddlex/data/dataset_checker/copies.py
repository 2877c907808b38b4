"""Files that show the same picture: copies within a list and across the lists, and how many different ones there are."""

from __future__ import annotations

import hashlib
import posixpath
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from paddlex.data.dataset_checker.check import Inspection
from paddlex.data.dataset_checker.problems import Problem, ProblemCollector
from paddlex.data.dataset_checker.workers import map_in_threads
from paddlex.errors import ImageReadError


def check_contents(inspections: Sequence[Inspection], problems: ProblemCollector) -> None:
    """Report image files with the same content: between the lists, or as good and as defective, it spoils every measurement."""
    first_of: dict[bytes, Inspection] = {}
    for inspection in inspections:
        sample = inspection.sample
        found = first_of.setdefault(inspection.digest, inspection)
        first = found.sample
        same_path = posixpath.normpath(first.image) == posixpath.normpath(sample.image)
        if not inspection.digest or first is sample or same_path:  # the same path was reported from the lines already
            continue
        across = first.list_name != sample.list_name
        what = f"the image {sample.image} has the same content as {first.image} of {first.list_name} line {first.line}"
        remedy = "Remove one of them"
        contradicts = inspection.anomalous != found.anomalous
        if contradicts:
            good, bad = (first, sample) if inspection.anomalous else (sample, first)
            what += f", but {bad.image} is listed as defective and {good.image} as good"
            remedy = "Find out which of the two is right, and remove the other"
        elif across:
            remedy = "Train and validate on different images: remove one of them"
        problems.add(Problem(what, sample.where, remedy, "error" if across or contradicts else "warning"))


def recognise_pictures(inspections: Sequence[Inspection]) -> list[Inspection]:
    """Give files the same digest if they show the same pixels, such as one photo that was saved again.

    Only those whose thumbnails are equal to the last grey level are read once more.
    """
    alike: dict[object, list[Inspection]] = defaultdict(list)
    for found in inspections:
        if found.descriptor is not None:
            look = found.descriptor
            alike[look.width, look.height, look.thumbnail.tobytes()].append(found)
    groups = (group for group in alike.values() if len({found.digest for found in group}) > 1)
    doubtful = [found for group in groups for found in group]
    digests = map_in_threads(_hash_pixels, doubtful, "Comparing pictures")
    by_sample = {found.sample: digest for found, digest in zip(doubtful, digests, strict=True)}
    return [replace(found, digest=by_sample.get(found.sample, found.digest)) for found in inspections]


def count_different(inspections: Sequence[Inspection], list_name: str) -> int:
    """How many different image files of a list could be read, by their content."""
    return len({found.digest for found in inspections if found.digest and found.sample.list_name == list_name})


def _hash_pixels(inspection: Inspection) -> bytes:
    try:
        return hashlib.sha1(inspection.sample.read().tobytes(), usedforsecurity=False).digest()
    except ImageReadError:  # it was there a moment ago
        return inspection.digest
