"""The one place where pages are made: templates that escape every text they print, and let nothing in it hide."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

import paddlex
from paddlex.evaluation.numbers import NOT_MEASURABLE, figure, interval, percent
from paddlex.utils.console import visible_lines

#: What all pages share, by its bare name: frame.html, macros.html; a page of its own by its path below paddlex/.
_FOLDERS = (Path(__file__).parent / "templates", Path(paddlex.__file__).parent)

#: Filters whose output would count as escaped.
_TRUSTING_FILTERS = ("safe", "urlize", "xmlattr", "tojson")


def _printed(value: object) -> Markup:
    """Markup as it is, any other value as escaped text, even where a template switches the escaping off; None is nothing."""
    return Markup("") if value is None else escape(value)


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_FOLDERS), autoescape=True, undefined=StrictUndefined, finalize=_printed,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    for name in _TRUSTING_FILTERS:
        del environment.filters[name]
    environment.filters.update(figure=figure, interval=interval)
    environment.globals.update(NOT_MEASURABLE=NOT_MEASURABLE, percent=percent)
    return environment


_ENVIRONMENT = _environment()


def render(template: str, **values: object) -> Markup:
    """A page, or a part of one.

    Args:
        template: its file in templates/, or its path below paddlex/.
        values: what it prints; a name of a file may be anything. ``Markup`` alone goes in as it is.

    Raises:
        jinja2.UndefinedError: the template prints what it was not given.
    """
    return Markup(visible_lines(_ENVIRONMENT.get_template(template).render(values)))


@dataclass(frozen=True)
class Section:
    """One section of a page.

    Attributes:
        name: its id in the page.
        title: its heading.
        link: what the list of sections calls it.
        body: what stands below the heading.
    """

    name: str
    title: str
    link: str
    body: Markup


def section(
    name: str, title: str, *, link: str | None = None, template: str | None = None, **values: object
) -> Section:
    """The section of the report that templates/sections/<template>.html makes of its values; <name>.html if none is named."""
    return Section(name, title, link or title, render(f"sections/{template or name}.html", **values))
