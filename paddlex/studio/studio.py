"""The studio as an extension of the service: whoever may use it, what it answers besides, and its memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from fastapi import APIRouter, FastAPI
from starlette.types import Scope

from paddlex.inference.predictor import AnomalyPredictor
from paddlex.inference.serving.batching import Judgement
from paddlex.inference.serving.judging import Service
from paddlex.inference.serving.registry import Loaded
from paddlex.studio.workspace import Workspace


class Studio:
    """An ``Extension`` of the service, see there.

    Args:
        workspace: that it works in.
        device: that models judge on; None for whatever there is.

    Attributes:
        workspace: the same.
        service: what it extends; set before any request.
    """

    service: Service

    def __init__(self, workspace: Workspace, device: str | None = None) -> None:
        self.workspace = workspace
        self._device = device

    def load(self, folder: str) -> Loaded:
        """Open a model for the service."""
        return Loaded(AnomalyPredictor(folder, device=self._device))

    def check_access(self, scope: Scope, headers: Mapping[bytes, bytes]) -> None:
        """Who asks, and whether they may."""
        scope["user"] = ""

    def add_routes(self, app: FastAPI, service: Service) -> None:
        """All that the studio answers, below ``/studio``."""
        self.service = service
        router = APIRouter(prefix="/studio", include_in_schema=False)
        app.include_router(router)

    def record(
        self, data: bytes, name: str, model: str, user: str, image: np.ndarray, judgement: Judgement
    ) -> Mapping[str, Any]:
        """Remember a verdict."""
        return {}

    def start(self) -> None:
        """Take up what was left when the studio last ended."""

    def close(self) -> None:
        """Let go of the workspace."""
        self.workspace.close()
