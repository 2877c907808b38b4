"""The heat map of a verdict, judged anew by the version that judged it: maps are not kept."""

from __future__ import annotations

import threading

from paddlex.errors import PaddleXError
from paddlex.inference.serving.answers import heat_map_png
from paddlex.inference.serving.errors import Busy, RequestError
from paddlex.studio.database.schema import Verdict, Version
from paddlex.studio.loading import Loader
from paddlex.studio.workspace import Workspace

#: Requests that are at work or wait; one is judged at a time.
_MOST = 8


class Heat:
    """Judges anew, a verdict at a time.

    Args:
        workspace: of the verdicts.
        loader: opens versions.
    """

    def __init__(self, workspace: Workspace, loader: Loader) -> None:
        self._workspace = workspace
        self._loader = loader
        self._places = threading.Semaphore(_MOST)
        self._lock = threading.Lock()

    def png(self, verdict_id: int) -> bytes:
        """An 8-bit grey PNG, see ``heat_map_png``.

        Raises:
            RequestError: 404, there is no such verdict, or its picture or version is not there any more.
            Busy: others wait already.
        """
        with self._workspace.reading() as session:
            verdict = session.get(Verdict, verdict_id)
            version = None if verdict is None else session.get(Version, verdict.version_id)
        if verdict is None or version is None:
            raise RequestError(404, f"there is no verdict {verdict_id}", remedy="Reload the page")
        if not self._places.acquire(blocking=False):
            raise Busy("too many heat maps are being made")
        try:
            with self._lock:
                predictor = self._loader.kept(version.id)
                result = predictor.look_at(self._workspace.pictures, verdict.digest)
            return heat_map_png(result["anomaly_map"], predictor.limits.pixel)
        except PaddleXError as error:
            raise RequestError(404, f"there is no heat map any more: {error.what}") from error
        finally:
            self._places.release()
