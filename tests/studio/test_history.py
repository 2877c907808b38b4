"""Verdicts are remembered as they were answered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from paddlex.studio import history
from paddlex.studio.database.schema import Verdict, Version
from paddlex.studio.workspace import Workspace, now_ms

RESULT: dict[str, Any] = {
    "is_anomalous": True,
    "score": 0.75,
    "raw_score": 31.5,
    "threshold": 20.25,
    "anomalous_area": 0.01,
    "regions": [{"box": [1, 2, 3, 4], "score": 1 - number / 20} for number in range(12)],
    "position": {"found": True, "shift": [1.5, -2.25], "angle": 0.5},
}


def test_a_verdict_is_remembered_as_it_was_answered(
    workspace: Workspace, png: Callable[[int], bytes], add_version: Callable[..., Version]
) -> None:
    version, before = add_version(workspace), now_ms()
    with workspace.writing() as session:
        picture = workspace.pictures.add(session, png(0))
        shadow = history.Shadow(version_id=7, score=0.25, is_anomalous=False)
        made = history.record(session, picture, version, RESULT, name="a.png", by="anna", sharpness=3.5, shadow=shadow)
    with workspace.reading() as session:
        kept = session.get_one(Verdict, made.id)
    assert before <= kept.at <= now_ms()
    assert (kept.product_id, kept.version_id, kept.model_digest) == (version.product_id, version.id, version.digest)
    assert (kept.name, kept.by, kept.digest, kept.is_kept) == ("a.png", "anna", picture.digest, True)
    assert (kept.is_anomalous, kept.score, kept.raw_score, kept.threshold, kept.area) == (True, 0.75, 31.5, 20.25, 0.01)
    assert (kept.offset_x, kept.offset_y, kept.angle, kept.sharpness, kept.brightness) == (1.5, -2.25, 0.5, 3.5, None)
    assert (kept.shadow_id, kept.shadow_score, kept.shadow_anomalous, kept.corrected) == (7, 0.25, False, "")
    assert kept.regions == RESULT["regions"][:10]


def test_a_part_that_is_not_found_has_no_position(
    workspace: Workspace, png: Callable[[int], bytes], add_version: Callable[..., Version]
) -> None:
    version = add_version(workspace)
    lost = {**RESULT, "position": {"found": False, "shift": [400.0, 3.0], "angle": 170.0}}
    with workspace.writing() as session:
        kept = history.record(
            session, workspace.pictures.add(session, png(0)), version, lost, name="", by="api", at=1234
        )
    assert (kept.at, kept.offset_x, kept.offset_y, kept.angle) == (1234, None, None, None)


@pytest.mark.parametrize("name", ["\0", "\udce9.png", "x" * 1000, "图像 🎉.png", "'; DROP TABLE verdicts; --"])
def test_any_name_can_be_remembered(
    workspace: Workspace, png: Callable[[int], bytes], add_version: Callable[..., Version], name: str
) -> None:
    version = add_version(workspace)
    with workspace.writing() as session:
        kept = history.record(session, workspace.pictures.add(session, png(0)), version, RESULT, name=name, by="api")
    with workspace.reading() as session:
        found = session.get_one(Verdict, kept.id).name
    assert found == name[:255] or (found.startswith(("?", "\N{REPLACEMENT CHARACTER}")) and len(found) == len(name))
