"""No source: every trigger brings its picture."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import numpy as np

from paddlex.config_schema import Section
from paddlex.line.contract import Answer, CameraError, Trigger


class NoOptions(Section):
    """It has none."""


class NoSource:
    """See ``Source``.

    Args:
        options: none.
    """

    options: ClassVar[type[Section]] = NoOptions

    def __init__(self, options: NoOptions) -> None:
        pass

    def start(self, trigger: Callable[[Trigger], None]) -> None:
        pass

    def capture(self, seconds: float) -> np.ndarray:
        remedy = "Send a picture with the trigger, or set Source.type"
        raise CameraError("the station has no camera", where="Source", remedy=remedy)

    def fault(self) -> str:
        return ""

    def answered(self, trigger: Trigger, answer: Answer) -> None:
        pass

    def check(self) -> str:
        return "none: each trigger has to bring its picture"

    def close(self) -> None:
        pass
