"""What is said about a config that is wrong: the key, where it stands, what it takes, and the key that was probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from paddlex.config_schema import Config, Section
from paddlex.errors import ConfigError
from paddlex.modules.image_anomaly_detection.models import MODELS
from paddlex.utils.settings import SOMEWHAT, nearest_key, shortened, siblings_of

#: Keys that PaddleX's own configs may hold and this program does not take: why, and what to do instead.
_PADDLEX_KEYS = {
    "Train.dy2st": "The training is not compiled by CINN: leave it out",
    "CheckDataset.split.gallery_percent": "It is for image retrieval: set train_percent and val_percent",
    "CheckDataset.split.query_percent": "It is for image retrieval: set train_percent and val_percent",
    "Predict.engine": "Set Predict.kernel_option.run_mode",
    "Predict.engine_config": "Set Predict.kernel_option.run_mode and cpu_threads",
    "Predict.genai_config": "It is for models that write text: leave it out",
    "pipeline_name": "It belongs to a pipeline's file: paddlex --pipeline FILE",
    "Pdparams2safetensors": "Weights stay .pdparams files, which load without running code: leave it out",
}

#: What pydantic puts into the place of an error, beside names: the member of a union that it tried.
_TYPES = ("str", "float", "int")

#: Of a section with more keys than this they are not listed.
_FEW = 8

#: How alike a key must be to be meant by one that another model has, which is hardly a slip of the pen.
_VERY = 0.8


def shipped(model: str) -> str:
    """The config of a model that comes along."""
    return f"paddlex/configs/image_anomaly_detection/{model}.yaml"


def explain(error: ValidationError, origin: Mapping[str, str], schema: type[Config]) -> ConfigError:
    """The first thing that is wrong, and how many more there are.

    Args:
        error: of the schema.
        origin: where each dotted key stands: a line of the file, or an ``-o``.
        schema: of the config.
    """
    problems = error.errors(include_url=False)
    first = problems[0]
    names = [part for part in first["loc"] if isinstance(part, str) and part.isidentifier() and part not in _TYPES]
    key = ".".join(names)
    is_unknown = first["type"] == "extra_forbidden"
    below = [other for other in origin if other.startswith(f"{key}.")]
    if is_unknown and below:  # of a section that is not there, the key that was asked for
        key = below[-1]
    where = origin.get(key) or (origin[below[0]] if below else None)
    more = f" (and {len(problems) - 1} more problems)" if len(problems) > 1 else ""
    if is_unknown:
        return unknown_key(key, schema, where, more)
    what, remedy = _complaint(first)
    return ConfigError(f"{key} {what}{more}", where=where, remedy=remedy)


def unknown_key(key: str, schema: type[Config], where: str | None, more: str = "") -> ConfigError:
    """A key that the schema does not know, with the one that was probably meant."""
    for known in (key, key.partition(".")[0]):
        if known in _PADDLEX_KEYS:
            what = f"{key} is a key of PaddleX that means nothing here{more}"
            return ConfigError(what, where=where, remedy=_PADDLEX_KEYS[known])
    others = [name for name, model in MODELS.items() if key in _leaf_keys(model.options, "Train.")]
    owner = f", which is one of {others[0]}'s and means nothing for {schema.for_model}" if others else ""
    remedy = suggestion(key, schema, alike=_VERY if others else SOMEWHAT)
    return ConfigError(f"unknown key {shortened(key)}{owner}{more}", where=where, remedy=remedy)


def suggestion(key: str, schema: type[Config], alike: float = SOMEWHAT) -> str:
    """What to say to who wrote a key that is not there, and how alike another must be to be meant."""
    known = list(_leaf_keys(schema, ""))
    if near := nearest_key(key, known, alike):
        return near
    section, siblings = siblings_of(key, known)
    if not siblings and "." in section:
        return suggestion(section, schema, alike)
    if not siblings:
        return f"The sections are {', '.join(Config.model_fields)}"
    if len(siblings) <= _FEW:
        return f"The keys of {section} are {', '.join(siblings)}"
    return f"The keys of {section} are those in {shipped(schema.for_model)}"


def _complaint(problem: ErrorDetails) -> tuple[str, str]:
    """What is wrong with a value, as the end of a sentence that starts with its key; and what to do."""
    kind, got, context = problem["type"], problem["input"], problem.get("ctx", {})
    must = {
        "bool": "True or False",
        "int": "a whole number",
        "float": "a number",
        "finite": "a finite number",
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
    if isinstance(got, dict):
        return what, "Correct the value"
    shown = "empty" if got is None else shortened(repr(got))
    if name in ("int", "float") and isinstance(got, str) and got.strip().lstrip("+-").replace(".", "", 1).isdigit():
        return f"{what}, not the text {shown}", "Leave the quotes out"
    if name == "literal" and isinstance(got, str):
        choices = must[name].replace(" or ", ", ").split(", ")
        near = [choice for choice in choices if choice.casefold() == got.casefold()]
        near = near or difflib.get_close_matches(got, choices, n=1)
        if near:
            return f"{what}, not {shown}", f"Did you mean {near[0]}?"
    return f"{what}, not {shown}", "Correct the value"


def _leaf_keys(model: type[Section], prefix: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        annotation: Any = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, Section):
            yield from _leaf_keys(annotation, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"
