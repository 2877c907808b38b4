"""Elements of SVG as Python calls, for drawings whose every number is computed. Pages are templates, see ``rendering``."""

from __future__ import annotations

from collections.abc import Iterable

from markupsafe import Markup, escape


def element(name: str, *children: str | None, **attributes: object) -> Markup:
    """One element.

    Args:
        name: of the element.
        children: ``Markup`` goes in as it is, any other text is escaped, None is left out.
        attributes: a trailing underscore is dropped (``class_``), others become hyphens; None leaves it out.
    """
    words = Markup().join(
        Markup(' {}="{}"').format(key.removesuffix("_").replace("_", "-"), value)
        for key, value in attributes.items()
        if value is not None
    )
    inside = Markup().join(escape(child) for child in children if child is not None)
    return Markup("<{0}{1}>{2}</{0}>" if inside else "<{0}{1}/>").format(name, words, inside)


def drawing(name: str, description: str, width: float, height: float, parts: Iterable[str | None]) -> Markup:
    """A whole chart.

    Args:
        name: for those who cannot see it; of its letters are the ids of its parts, so no two of a page share it.
        description: what it shows, in words.
        width: of its own units, which the page scales.
        height: likewise.
        parts: its elements, those behind first.
    """
    key = "".join(letter if letter.isalnum() else "-" for letter in name.lower())
    return element(
        "svg", element("title", name, id=f"{key}-title"), element("desc", description, id=f"{key}-text"), *parts,
        viewBox=f"0 0 {width:g} {height:g}", role="img", aria_labelledby=f"{key}-title {key}-text", class_="chart",
    )  # fmt: skip
