"""A model learns again, on the device that judges: NumPy, OpenCV and one engine, no Paddle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from paddlex.inference.refit.refitting import UNCHANGED as UNCHANGED
    from paddlex.inference.refit.refitting import RefitResult as RefitResult
    from paddlex.inference.refit.refitting import refit as refit

__all__ = ["UNCHANGED", "RefitResult", "refit"]


def __getattr__(name: str) -> Any:
    """Imported when they are asked for: a training needs the arithmetic alone."""
    if name in __all__:
        from paddlex.inference.refit import refitting

        return getattr(refitting, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
