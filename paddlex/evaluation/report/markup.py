"""HTML and SVG elements as Python calls. Text is escaped unless it was made here: no file name can break the page, or hide."""

from __future__ import annotations

from html import escape
from itertools import chain

from paddlex.utils.console import visible_lines

_EMPTY_ELEMENTS = frozenset({"br", "circle", "img", "input", "line", "path", "rect"})


class Html(str):
    """Text that is HTML already and goes into a page as it is."""

    __slots__ = ()


Node = str | None


def tag(name: str, *children: Node, **attributes: object) -> Html:
    """One element.

    Args:
        name: of the element.
        children: ``Html`` goes in as it is, any other text is escaped, None is left out.
        attributes: a trailing underscore is dropped (``class_``), others become hyphens; None and False leave it out, True
            stands for an attribute without a value.
    """
    words = "".join(_attribute(key, value) for key, value in attributes.items())
    if name in _EMPTY_ELEMENTS:
        return Html(f"<{name}{words}/>")
    return Html(f"<{name}{words}>{join(*children)}</{name}>")


def join(*children: Node, separator: str = "") -> Html:
    """Several nodes one after the other."""
    return Html(separator.join(_text(child) for child in children if child is not None))


def table(caption: Node, header: list[str], rows: list[list[Node]], *, class_: str | None = None) -> Html:
    """A table whose rows each begin with their heading; wide ones scroll sideways by themselves."""
    head = tag("thead", tag("tr", *(tag("th", text, scope="col") for text in header)))
    body = tag(
        "tbody", *(tag("tr", tag("th", row[0], scope="row"), *(tag("td", cell) for cell in row[1:])) for row in rows)
    )
    whole = tag("table", tag("caption", caption) if caption else None, head, body, class_=class_)
    return tag("div", whole, class_="scroll", tabindex="0", role="region", aria_label=f"Table: {caption}")


def describe(pairs: list[tuple[Node, Node]], **attributes: object) -> Html:
    """A list of names and what they stand for."""
    return tag("dl", *chain.from_iterable((tag("dt", name), tag("dd", value)) for name, value in pairs), **attributes)


def _text(child: str) -> str:
    return child if isinstance(child, Html) else escape(visible_lines(child))


def _attribute(key: str, value: object) -> str:
    if value is None or value is False:
        return ""
    name = key.removesuffix("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{escape(visible_lines(str(value)))}"'
