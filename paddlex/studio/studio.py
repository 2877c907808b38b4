"""The studio as an extension of the service: whoever may use it, what it answers besides, and its memory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from fastapi import APIRouter, FastAPI
from starlette.types import Scope

from paddlex.inference.serving.batching import Judgement
from paddlex.inference.serving.errors import RequestError
from paddlex.inference.serving.judging import Service
from paddlex.inference.serving.registry import Loaded
from paddlex.studio.access import Access
from paddlex.studio.changes import Changes
from paddlex.studio.checking import Checking
from paddlex.studio.corrections import Corrections
from paddlex.studio.database.schema import Job, Verdict
from paddlex.studio.drift.answers import Gauges
from paddlex.studio.drift.watch import Watch
from paddlex.studio.drift.webhook import Sender
from paddlex.studio.fitting import Fitting
from paddlex.studio.gate import Gate
from paddlex.studio.gate_jobs import GateJobs
from paddlex.studio.heat import Heat
from paddlex.studio.intake import Intake
from paddlex.studio.jobs import Jobs
from paddlex.studio.live import Live, version_of
from paddlex.studio.loading import Loader
from paddlex.studio.qualifying import Qualifying
from paddlex.studio.recording import Recorder
from paddlex.studio.refitting import Refitting
from paddlex.studio.retention import Retention
from paddlex.studio.shadow import Shadow
from paddlex.studio.versions import tidy
from paddlex.studio.web import (
    access_routes,
    audit_routes,
    correction_routes,
    drift_routes,
    history_routes,
    job_routes,
    product_routes,
    qualify_routes,
    version_routes,
)
from paddlex.studio.web.problems import answer_problems
from paddlex.studio.workspace import Workspace
from paddlex.utils.logging import logger


class Studio:
    """An ``Extension`` of the service, see there.

    Args:
        workspace: that it works in.
        device: that models judge on; None for whatever there is.
        behind_proxy: see ``Access``.

    Attributes:
        workspace: the same.
        service: what it extends; set before any request, as are:
        access: who may ask what.
        live: lets versions go live.
        changes: what people ask for.
        gate: looks at versions.
        gate_jobs: the same, beside the service.
        retention: keeps the workspace within its limits.
        corrections: of verdicts.
        refitting: what comes of them.
        shadow: judges beside what is live.
        heat: judges anew.
        intake: takes pictures in.
        jobs: runs what is done in processes of its own; among them:
        fitting: trainings and refits.
        checking: checks of a product's pictures.
        drift: looks whether a product drifts.
        webhook: sends its alarms.
        qualifying: what is proven of a version before a line starts.
    """

    page: Path | None = Path(__file__).parent / "page"
    service: Service
    access: Access
    live: Live
    changes: Changes
    refitting: Refitting
    corrections: Corrections
    shadow: Shadow
    drift: Watch

    def __init__(self, workspace: Workspace, device: str | None = None, *, behind_proxy: bool = False) -> None:
        self.workspace = workspace
        self._behind_proxy = behind_proxy
        self._device = device
        self.loader = Loader(workspace, device)
        self.gate = Gate(workspace, self.loader)
        self.gate_jobs = GateJobs(workspace, self.gate)
        self.retention = Retention(workspace)
        self.heat = Heat(workspace, self.loader)
        self.intake = Intake(workspace)
        self.jobs = Jobs(workspace)
        self.fitting = Fitting(workspace, self.jobs)
        self.checking = Checking(workspace, self.jobs)
        self.webhook = Sender(workspace)
        self.qualifying = Qualifying(workspace, self.jobs)
        self._recorder = Recorder(workspace, self._judged)

    def load(self, pipeline: str) -> Loaded:
        """Open a version for the service."""
        return Loaded(self.loader.open(version_of(pipeline)))

    async def check_access(self, scope: Scope, headers: Mapping[bytes, bytes]) -> None:
        """Who asks, and whether they may."""
        await self.access.check(scope, headers)

    def add_routes(self, app: FastAPI, service: Service) -> None:
        """All that the studio answers, below ``/studio``."""
        self.service = service
        self.access = Access(self.workspace, service.settings, behind_proxy=self._behind_proxy)
        self.access.say_what_to_know()
        self.live = Live(self.workspace, service.registry)
        self.changes = Changes(self.workspace, self.loader, self.live, self.gate)
        self.refitting = Refitting(self.workspace, self.start_refit, self.gate_jobs, self.changes)
        self.fitting.on_version = self.refitting.fitted
        self.corrections = Corrections(self.workspace, self.refitting.soon)
        self.shadow = Shadow(self.workspace, Loader(self.workspace, self._device), lambda: service.registry.depth > 0)
        self.drift = Watch(self.workspace, self.webhook.send_now, Gauges(service.metrics.registry).show)
        answer_problems(app)
        router = APIRouter(prefix="/studio", include_in_schema=False)
        for routes in (
            access_routes,
            audit_routes,
            correction_routes,
            drift_routes,
            history_routes,
            job_routes,
            product_routes,
            qualify_routes,
            version_routes,
        ):
            routes.add_routes(router, self)
        app.include_router(router)

    def record(
        self, data: bytes, name: str, model: str, user: str, image: np.ndarray, judgement: Judgement
    ) -> Mapping[str, Any]:
        """Remember a verdict."""
        return self._recorder.record(data, name, user, image, judgement)

    def start_refit(self, product_id: int, by: str) -> Job | None:
        """Let a product's model learn anew; None where it cannot by itself."""
        try:
            return self.fitting.start(product_id, "refit", by)
        except RequestError as error:
            logger.warning("The model of product %d does not learn anew: %s", product_id, error)
            return None

    def start(self) -> None:
        """Take up what was left when the studio last ended."""
        tidy(self.workspace)
        self.gate_jobs.tidy()
        self.jobs.open()
        self.live.start()
        self.shadow.start()
        self.refitting.start()
        self.retention.start()
        self.drift.start()
        self.webhook.start()

    def close(self) -> None:
        """Let go of the workspace."""
        for part in (
            self.access,
            self.refitting,
            self.shadow,
            self.gate_jobs,
            self.retention,
            self.drift,
            self.webhook,
            self.jobs,
        ):
            part.close()
        self.loader.release()
        self.workspace.close()

    def _judged(self, verdict: Verdict) -> None:
        """What follows a verdict that is remembered."""
        self.shadow.offer(verdict)
