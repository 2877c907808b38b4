"""Names of files and folders in pictures: any script, any length."""

from __future__ import annotations

import unicodedata
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

# matplotlib's own font has no Chinese, Japanese or Korean. The usual families that do, of Linux, macOS and Windows.
_FALLBACK_FONTS = (
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "WenQuanYi Zen Hei",
    "PingFang SC",
    "Hiragino Sans",
    "Microsoft YaHei",
    "SimHei",
    "Malgun Gothic",
    "Arial Unicode MS",
)


@contextmanager
def fonts_for_any_name() -> Iterator[None]:
    """Let matplotlib draw any name inside the block; a character that no installed font has becomes a box."""
    from matplotlib import rc_context
    from matplotlib.font_manager import fontManager

    installed = set(fontManager.get_font_names())
    families = ["DejaVu Sans", *(family for family in _FALLBACK_FONTS if family in installed)]
    with rc_context({"font.family": families}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph", category=UserWarning)  # drawn as a box: no reason to fail
        yield


def shorten(name: str, longest: int, *, keep_end: bool = False) -> str:
    """The name with ``?`` for what cannot be printed, and with ``…`` for its end, or its beginning, if it is too long."""
    printable = "".join("?" if unicodedata.category(character).startswith("C") else character for character in name)
    if len(printable) <= longest:
        return printable
    return "…" + printable[1 - longest :] if keep_end else printable[: longest - 1] + "…"
