"""What is said about a config that is wrong: the key, where it stands, what it takes, and the key that was probably meant."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import ValidationError

from paddlex.config_complaints import complaint, leaf_keys
from paddlex.config_schema import Config
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
    what, remedy = complaint(first)
    return ConfigError(f"{key} {what}{more}", where=where, remedy=remedy)


def unknown_key(key: str, schema: type[Config], where: str | None, more: str = "") -> ConfigError:
    """A key that the schema does not know, with the one that was probably meant."""
    for known in (key, key.partition(".")[0]):
        if known in _PADDLEX_KEYS:
            what = f"{key} is a key of PaddleX that means nothing here{more}"
            return ConfigError(what, where=where, remedy=_PADDLEX_KEYS[known])
    others = [name for name, model in MODELS.items() if key in leaf_keys(model.options, "Train.")]
    owner = f", which is one of {others[0]}'s and means nothing for {schema.for_model}" if others else ""
    remedy = suggestion(key, schema, alike=_VERY if others else SOMEWHAT)
    return ConfigError(f"unknown key {shortened(key)}{owner}{more}", where=where, remedy=remedy)


def suggestion(key: str, schema: type[Config], alike: float = SOMEWHAT) -> str:
    """What to say to who wrote a key that is not there, and how alike another must be to be meant."""
    known = list(leaf_keys(schema, ""))
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
