"""The studio as an extension of the service: whoever may use it, what it answers besides, and its memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from fastapi import APIRouter, FastAPI
from starlette.types import Scope

from paddlex.inference.serving.batching import Judgement
from paddlex.inference.serving.judging import Service
from paddlex.inference.serving.registry import Loaded
from paddlex.studio.changes import Changes
from paddlex.studio.database.schema import Verdict
from paddlex.studio.gate import Gate
from paddlex.studio.gate_jobs import GateJobs
from paddlex.studio.live import Live, version_of
from paddlex.studio.loading import Loader
from paddlex.studio.recording import Recorder
from paddlex.studio.versions import tidy
from paddlex.studio.web import version_routes
from paddlex.studio.web.problems import answer_problems
from paddlex.studio.workspace import Workspace


class Studio:
    """An ``Extension`` of the service, see there.

    Args:
        workspace: that it works in.
        device: that models judge on; None for whatever there is.

    Attributes:
        workspace: the same.
        service: what it extends; set before any request, as are:
        live: lets versions go live.
        changes: what people ask for.
        gate: looks at versions.
        gate_jobs: the same, beside the service.
        is_started: whether what was left was taken up.
    """

    service: Service
    live: Live
    changes: Changes
    is_started = False

    def __init__(self, workspace: Workspace, device: str | None = None) -> None:
        self.workspace = workspace
        self.loader = Loader(workspace, device)
        self.gate = Gate(workspace, self.loader)
        self.gate_jobs = GateJobs(workspace, self.gate)
        self._recorder = Recorder(workspace, self._judged)

    def load(self, pipeline: str) -> Loaded:
        """Open a version for the service."""
        return Loaded(self.loader.open(version_of(pipeline)))

    def check_access(self, scope: Scope, headers: Mapping[bytes, bytes]) -> None:
        """Who asks, and whether they may."""
        scope["user"] = ""

    def add_routes(self, app: FastAPI, service: Service) -> None:
        """All that the studio answers, below ``/studio``."""
        self.service = service
        self.live = Live(self.workspace, service.registry)
        self.changes = Changes(self.workspace, self.loader, self.live, self.gate)
        answer_problems(app)
        router = APIRouter(prefix="/studio", include_in_schema=False)
        version_routes.add_routes(router, self)
        app.include_router(router)

    def record(
        self, data: bytes, name: str, model: str, user: str, image: np.ndarray, judgement: Judgement
    ) -> Mapping[str, Any]:
        """Remember a verdict."""
        return self._recorder.record(data, name, user, image, judgement)

    def start(self) -> None:
        """Take up what was left when the studio last ended."""
        tidy(self.workspace)
        self.gate_jobs.tidy()
        self.live.start()
        self.is_started = True

    def close(self) -> None:
        """Let go of the workspace."""
        self.gate_jobs.close()
        self.workspace.close()

    def _judged(self, verdict: Verdict) -> None:
        """What follows a verdict that is remembered."""
