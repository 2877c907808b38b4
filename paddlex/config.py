"""How a YAML file and ``-o`` overrides become a config, strictly.

An unknown key, a wrong type or a value out of range is a ``ConfigError`` that names the key, the line or the ``-o`` it
came from, and the nearest key that exists.
"""

from __future__ import annotations

import contextlib
import difflib
import os
import types
import typing
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import ValidationError, create_model

from paddlex.config_messages import explain, shipped, suggestion
from paddlex.config_schema import DEFAULT_MODEL, Config, Section
from paddlex.errors import ConfigError
from paddlex.modules.image_anomaly_detection.models import MODELS
from paddlex.utils.logging import logger
from paddlex.utils.paths import advice_for_missing
from paddlex.utils.settings import read_settings, shortened
from paddlex.utils.strict import Malformed, compose_yaml, construct_yaml, yaml_value

_CONFIGS = Path(__file__).parent / "configs"


def load_config(path: str | os.PathLike[str], overrides: Sequence[str] = ()) -> Config:
    """Read a YAML file, apply ``A.b.c=value`` overrides in order, and check everything.

    Raises:
        ConfigError: the first thing that is wrong, and how many more there are.
    """
    found = find_config(path)
    if found != Path(path):
        logger.info("Config: %s.", found)
    reader = _Reader(schema_for(_model_of(found, overrides)))
    reader.read(found)
    for override in overrides:
        reader.override(override)
    try:
        config = reader.schema.model_validate(reader.values)
    except ValidationError as error:
        raise explain(error, reader.origin, reader.schema) from None
    for model in config.Benchmark.models:
        _check_model(model, reader.origin.get("Benchmark.models"))
    return config


def read_loosely(path: str | os.PathLike[str], overrides: Sequence[str]) -> dict[str, Any]:
    """What can be read of a config that may be broken: the values, unchecked. Never raises."""
    return _read_loosely(path, overrides).values


@cache
def schema_for(model: str) -> type[Config]:
    """The schema of a model's config: ``Config`` with the model's own ``Train`` section.

    Args:
        model: one of ``MODELS``.
    """
    options = MODELS[model].options
    schema = create_model("Config", __base__=_ModelConfig, Train=(options, options()))
    schema.for_model = model
    return schema


class _ModelConfig(Config):
    """A config that can be sent to another process: its class, which is made here, is found there by the model's name."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _blank, (self.for_model,), self.__getstate__()


def _blank(model: str) -> Config:
    """A config of a model without its values, which pickle adds."""
    schema = schema_for(model)
    return schema.__new__(schema)


def _read_loosely(path: str | os.PathLike[str], overrides: Sequence[str]) -> _Reader:
    reader = _Reader(Config)
    with contextlib.suppress(ConfigError):
        reader.read(find_config(path))
    for override in overrides:
        with contextlib.suppress(ConfigError):
            reader.override(override)
    return reader


def _model_of(path: Path, overrides: Sequence[str]) -> str:
    """``Global.model``, which decides what the other keys may be; whatever is wrong with them is said later.

    Raises:
        ConfigError: there is no such model.
    """
    reader = _read_loosely(path, overrides)
    section = reader.values.get("Global")
    model = section.get("model", DEFAULT_MODEL) if isinstance(section, dict) else DEFAULT_MODEL
    if not isinstance(model, str):
        return DEFAULT_MODEL  # it is of the wrong type
    _check_model(model, reader.origin.get("Global.model"))
    return model


def _check_model(model: str, where: str | None) -> None:
    if model in MODELS:
        return
    alike = difflib.get_close_matches(model.casefold(), [name.casefold() for name in MODELS], n=1)
    near = [name for name in MODELS if name.casefold() in alike]
    remedy = f"Did you mean {near[0]}?" if near else f"It is one of {', '.join(MODELS)}"
    raise ConfigError(f"unknown model {shortened(repr(model))}", where=where, remedy=remedy)


def find_config(path: str | os.PathLike[str]) -> Path:
    """The file that is meant: the one at the path, or else the shipped one whose path ends in the same way.

    The same from any folder, and under PaddleX's path: ``configs/modules/image_anomaly_detection/STFPM.yaml``.
    """
    given = Path(os.path.expanduser(path))
    if "configs" in given.parts and not given.exists():
        *_, below = "/".join(given.parts).rpartition("configs/")
        shipped = _CONFIGS / below.removeprefix("modules/")
        if shipped.is_file():
            return shipped
    return given


def _is_section(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Section)


def _members(annotation: Any) -> list[Any]:
    """The types that a key can have, without what is said about them."""
    is_union = typing.get_origin(annotation) in (typing.Union, types.UnionType)
    members = typing.get_args(annotation) if is_union else (annotation,)
    return [typing.get_args(member)[0] if typing.get_origin(member) is Annotated else member for member in members]


def _is_text(annotation: Any) -> bool:
    """Whether it is text, or one of some words."""
    words = typing.get_args(annotation) if typing.get_origin(annotation) is typing.Literal else ()
    return annotation is str or (bool(words) and all(isinstance(word, str) for word in words))


class _Reader:
    """The values of a config, and where each of them stands.

    Args:
        schema: tells what is meant as text.
    """

    def __init__(self, schema: type[Config]) -> None:
        self.schema = schema
        self.values: dict[str, Any] = {}
        self.origin: dict[str, str] = {}

    def read(self, path: Path) -> None:
        """Take what a file says.

        Raises:
            ConfigError: it cannot be read, or is no mapping of sections.
        """
        if not os.path.exists(path):
            advice = advice_for_missing(path)
            remedy = (
                advice if advice.endswith("?") else f"{advice}; the one that comes along is {shipped(DEFAULT_MODEL)}"
            )
            raise ConfigError("the config file does not exist", where=path, remedy=remedy)
        self.values, self.origin = read_settings(
            path, kind="config", holds="sections", start="Start from a shipped config", may_be_empty=True,
            scalar=self._value,
        )  # fmt: skip

    def override(self, override: str) -> None:
        """Take ``A.b.c=value``.

        Raises:
            ConfigError: it cannot be understood.
        """
        key, equals, text = override.partition("=")
        key = key.strip()
        where = f"-o {shortened(override)}"
        if not equals or not key:
            raise ConfigError("an override must read KEY=VALUE", where=where, remedy="For example -o Global.mode=train")
        try:
            node = compose_yaml(text)
        except Malformed:  # a glob such as *.png, say: it can only be meant as it stands
            node = None
        if node is None:
            node = yaml.ScalarNode("tag:yaml.org,2002:str" if text.strip() else "tag:yaml.org,2002:null", text)
        is_collection = (isinstance(node, yaml.SequenceNode) and self._takes(list, key)) or (
            isinstance(node, yaml.MappingNode) and self._takes(dict, key)
        )
        is_plain_text = isinstance(node, yaml.ScalarNode) and node.style is None and not node.tag.endswith(":null")
        if is_plain_text and self._takes_text(key):  # a path may hold " #", or start with "!"
            node = yaml.ScalarNode("tag:yaml.org,2002:str", text.strip())
        elif not isinstance(node, yaml.ScalarNode) and not is_collection:  # a file called [1].png, say
            node = yaml.ScalarNode("tag:yaml.org,2002:str", text)
        *parents, last = key.split(".")
        section = self.values
        for depth, parent in enumerate(parents, 1):
            section = section.setdefault(parent, {})
            if not isinstance(section, dict):
                name = ".".join(parents[:depth])
                if not _is_section(self._annotation(name)):
                    raise ConfigError(f"{name} is not a section", where=where, remedy=suggestion(key, self.schema))
                what = f"{name} must be a section of keys, not {shortened(repr(section))}"
                remedy = "Put each key on a line of its own below it, indented, as KEY: value"
                raise ConfigError(what, where=self.origin.get(name, where), remedy=remedy)
        self.origin[key] = where
        try:
            section[last] = construct_yaml(node, key, scalar=self._value)
        except Malformed:
            raise ConfigError(f"{key} cannot be read", where=where, remedy="Correct the value, or quote it") from None

    def _value(self, node: yaml.ScalarNode, key: str) -> Any:
        """What stands at a key; what is meant as text is kept as written, and a section left empty is one.

        None is null, as in PaddleX, unless it is quoted.
        """
        if node.tag.endswith(":null") or (node.value == "None" and node.style is None):
            return {} if _is_section(self._annotation(key)) else None
        return node.value if self._takes_text(key) else yaml_value(node, key)

    def _annotation(self, key: str) -> Any:
        """The declared type of a dotted key; None if there is no such key."""
        model: Any = self.schema
        for part in key.split("."):
            if not _is_section(model) or part not in model.model_fields:
                return None
            model = model.model_fields[part].annotation
        return model

    def _takes_text(self, key: str) -> bool:
        """Whether the key holds text, so that 007, 1e3, 2026-01-01 or off must be kept as written."""
        members = _members(self._annotation(key))
        items = [item for member in members if typing.get_origin(member) is list for item in typing.get_args(member)]
        return any(_is_text(kind) for kind in (*members, *(kind for item in items for kind in _members(item))))

    def _takes(self, kind: type, key: str) -> bool:
        """Whether the key holds a list, or a dict."""
        return any(typing.get_origin(member) is kind for member in _members(self._annotation(key)))
