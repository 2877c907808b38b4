"""What all pages share: one file that opens anywhere, without a network and without scripts."""

from __future__ import annotations

from importlib.resources import files
from string import Template

from paddlex.evaluation.report.markup import Html

_FOLDER = files(__package__)


def framed_page(title: Html, template: str, *, more_style: str = "", img_src: str = "'none'", **parts: Html) -> str:
    """A whole file.

    Args:
        title: of the page, and of its heading.
        template: HTML of the body, with a ``$name`` for the title and each part.
        more_style: CSS beside that of all pages.
        img_src: where its images may come from, as the Content-Security-Policy has it.
        parts: what goes into the body.
    """
    body = Template(template).substitute(title=title, **parts)
    style = (_FOLDER / "report.css").read_text(encoding="utf-8") + more_style
    frame = Template((_FOLDER / "frame.html").read_text(encoding="utf-8"))
    return frame.substitute(title=title, style=style, body=body, img_src=img_src)
