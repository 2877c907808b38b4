"""The memory of what was judged: the picture is on the disk and the verdict committed before the answer is sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import cv2
import numpy as np
from sqlalchemy.exc import SQLAlchemyError

from paddlex.errors import WorkspaceError, in_one_line
from paddlex.inference.appearance import appearance_of
from paddlex.inference.serving.batching import Judgement
from paddlex.inference.serving.errors import RequestError
from paddlex.studio import history
from paddlex.studio.database.schema import Verdict
from paddlex.studio.loading import VersionPredictor
from paddlex.studio.workspace import Workspace
from paddlex.utils.logging import logger

#: Corners of a remembered region's polygon.
_MOST_CORNERS = 200


class Recorder:
    """Remembers verdicts.

    Args:
        workspace: that remembers.
        then: called with each verdict when it is committed; must be quick.
    """

    def __init__(self, workspace: Workspace, then: Callable[[Verdict], None]) -> None:
        self._workspace = workspace
        self._then = then

    def record(self, data: bytes, name: str, user: str, image: np.ndarray, judgement: Judgement) -> Mapping[str, Any]:
        """Remember a verdict, see ``Extension.record``.

        Raises:
            RequestError: 503, it cannot be remembered.
        """
        predictor, result = judgement.predictor, judgement.result
        assert isinstance(predictor, VersionPredictor)  # the studio opens no others
        known = {**result, "regions": [_small(region) for region in result["regions"][: history.REGIONS]]}
        appearance = appearance_of(image, result.get("inspected"))
        try:
            with self._workspace.writing() as session:
                picture = self._workspace.pictures.add(session, data, image)
                verdict = history.record(
                    session, picture, predictor.version, known, name=name, by=user,
                    brightness=appearance.brightness, sharpness=appearance.sharpness,
                )  # fmt: skip
        except (OSError, SQLAlchemyError, WorkspaceError) as error:
            logger.error("A verdict cannot be remembered: %s", in_one_line(error))
            raise RequestError(
                503,
                f"the verdict cannot be remembered, so there is none: {_reason(error)}",
                remedy="See to the workspace's disk and database, then send the picture again",
                headers={"Retry-After": "5"},
            ) from error
        try:
            self._then(verdict)
        except Exception as error:  # whatever comes after a verdict does not change it
            logger.error("After verdict %d: %s", verdict.id, in_one_line(error))
        return {"verdictId": verdict.id}


def _small(region: Mapping[str, Any]) -> dict[str, Any]:
    """The same region with a polygon of so few corners that a hundred thousand verdicts can have theirs."""
    corners: np.ndarray = np.array(region["polygon"], np.int32)
    precision = 1.0
    while len(corners) > _MOST_CORNERS:
        corners, precision = cv2.approxPolyDP(corners, precision, True)[:, 0], 2 * precision
    return {**region, "polygon": corners.tolist()}


def _reason(error: Exception) -> str:
    """What a client may know of it: neither paths nor SQL."""
    if isinstance(error, WorkspaceError):
        return error.what
    return (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
