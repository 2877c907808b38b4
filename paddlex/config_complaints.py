"""What is said about a value that a schema does not take, whichever config it stands in."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any

from pydantic_core import ErrorDetails

from paddlex.config_schema import Section
from paddlex.utils.settings import shortened


def complaint(problem: ErrorDetails) -> tuple[str, str]:
    """What is wrong with a value, as the end of a sentence that starts with its key; and what to do."""
    kind, got, context = problem["type"], problem["input"], problem.get("ctx", {})
    must = {
        "bool": "True or False",
        "int": "a whole number",
        "float": "a number",
        "finite": "a finite number",
        "missing": "set",
        "string": "text",
        "list": "a list, such as [a, b]",
        "dict": "a mapping, such as {key: value}",
        "model": "a section of keys",
        "greater_than": f"more than {context.get('gt', 0):g}",
        "greater_than_equal": f"{context.get('ge', 0):g} or more",
        "less_than": f"less than {context.get('lt', 0):g}",
        "less_than_equal": f"{context.get('le', 0):g} or less",
        "too_short": f"a list of {context.get('min_length')} or more",
        "literal": str(context.get("expected", "")).replace("'", ""),
    }
    name = kind if kind in must else kind.partition("_")[0]
    what = (
        f"must be {must[name]}"
        if name in must
        else problem["msg"].removeprefix("Value error, ").replace("should", "must")
    )
    if name == "missing":
        return what, "Set it"
    if isinstance(got, dict):
        return what, "Correct the value"
    shown = "empty" if got is None else shortened(repr(got))
    if name in ("int", "float") and isinstance(got, str) and got.strip().lstrip("+-").replace(".", "", 1).isdigit():
        return f"{what}, not the text {shown}", "Leave the quotes out"
    if name == "string" and isinstance(got, int | float):
        return f"{what}, not {shown}", "Put it in quotes"
    if name == "literal" and isinstance(got, str):
        choices = must[name].replace(" or ", ", ").split(", ")
        near = [choice for choice in choices if choice.casefold() == got.casefold()]
        near = near or difflib.get_close_matches(got, choices, n=1)
        if near:
            return f"{what}, not {shown}", f"Did you mean {near[0]}?"
    return f"{what}, not {shown}", "Correct the value"


def leaf_keys(model: type[Section], prefix: str) -> Iterator[str]:
    """The dotted keys of a section and of the sections in it, each behind a prefix."""
    for name, field in model.model_fields.items():
        annotation: Any = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, Section):
            yield from leaf_keys(annotation, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"
