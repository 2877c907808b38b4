"""What a larger application adds to the service: who may use it, further routes, and a memory of what was judged."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from fastapi import FastAPI
from starlette.types import Scope

from paddlex.inference.serving.batching import Judgement


class Extension(Protocol):
    """All of it is called by one service, from one process.

    Attributes:
        page: a folder with what is added to the page, see ``web_pages.add_page``; None for the page as it is.
    """

    page: Path | None

    async def check_access(self, scope: Scope, headers: Mapping[bytes, bytes]) -> None:
        """See that whoever asks may, and note in ``scope["user"]`` who it is; called before any route but the open ones.

        Raises:
            RequestError: 401 for a stranger, 403 for whoever is known and may not.
        """
        ...

    def add_routes(self, app: FastAPI, service: Any) -> None:
        """Add what the application answers besides; ``service`` is the ``judging.Service``."""
        ...

    def record(
        self, data: bytes, name: str, model: str, user: str, image: np.ndarray, judgement: Judgement
    ) -> Mapping[str, Any]:
        """Remember a verdict before it is answered; called on a thread.

        Args:
            data: the picture as it came.
            name: of it, as the client calls it; empty where it has none.
            model: the name under which it was judged.
            user: who asked.
            image: uint8 [H, W, 3] BGR.
            judgement: what was found.

        Returns:
            What the answer says besides, such as the verdict's number.

        Raises:
            PaddleXError: it cannot be remembered; then there is no verdict.
        """
        ...

    def start(self) -> None:
        """The models are loaded; the service is ready when this returns. Called on a thread."""
        ...

    def close(self) -> None:
        """The service ends; called on a thread."""
        ...
