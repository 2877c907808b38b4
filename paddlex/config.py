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
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from paddlex.config_schema import Config, Section
from paddlex.errors import ConfigError


def load_config(path: str | os.PathLike[str], overrides: Sequence[str] = ()) -> Config:
    """Read a YAML file, apply ``A.b.c=value`` overrides in order, and check everything.

    Raises:
        ConfigError: the first thing that is wrong, and how many more there are.
    """
    origin: dict[str, str] = {}
    values = _read_file(path, origin)
    for override in overrides:
        _apply_override(values, override, origin)
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        raise _explain(error, origin) from None


def read_loosely(path: str | os.PathLike[str], overrides: Sequence[str]) -> dict[str, Any]:
    """What can be read of a config that may be broken: the values, unchecked. Never raises."""
    values: dict[str, Any] = {}
    origin: dict[str, str] = {}
    with contextlib.suppress(ConfigError):
        values = _read_file(path, origin)
    for override in overrides:
        with contextlib.suppress(ConfigError):
            _apply_override(values, override, origin)
    return values


def _read_file(path: str | os.PathLike[str], origin: dict[str, str]) -> dict[str, Any]:
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ConfigError("the config file does not exist", where=path, remedy="Check the path after -c") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the config file cannot be read: {error}", where=path, remedy="Save it as UTF-8") from None
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise ConfigError(f"the config is not valid YAML: {problem}", where=f"{path}{line}", remedy="Mend it") from None
    if node is None:
        return {}
    if not isinstance(node, yaml.MappingNode):
        raise ConfigError("the config is not a mapping of sections", where=path, remedy="Start from a shipped config")
    try:
        return _construct(node, "", lambda line: f"{path} line {line}", origin)
    except RecursionError:
        raise ConfigError("an alias in the config refers to itself", where=path, remedy="Write it out") from None


def _apply_override(values: dict[str, Any], override: str, origin: dict[str, str]) -> None:
    key, equals, text = override.partition("=")
    key = key.strip()
    where = f"-o {override}"
    if not equals or not key:
        raise ConfigError("an override must read KEY=VALUE", where=where, remedy="For example -o Global.mode=train")
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError:  # a glob such as *.png, say: it can only be meant as it stands
        node = None
    if node is None:
        node = yaml.ScalarNode("tag:yaml.org,2002:str" if text.strip() else "tag:yaml.org,2002:null", text)
    is_list = isinstance(node, yaml.SequenceNode) and _takes_list(key)
    is_plain_text = isinstance(node, yaml.ScalarNode) and node.style is None and not node.tag.endswith(":null")
    if is_plain_text and _takes_text(key):  # a path may hold " #", or start with "!"
        node = yaml.ScalarNode("tag:yaml.org,2002:str", text.strip())
    elif not isinstance(node, yaml.ScalarNode) and not is_list:  # a file called [1].png, say
        node = yaml.ScalarNode("tag:yaml.org,2002:str", text)
    *parents, last = key.split(".")
    section = values
    for depth, parent in enumerate(parents, 1):
        section = section.setdefault(parent, {})
        if not isinstance(section, dict):
            raise ConfigError(f"{'.'.join(parents[:depth])} is not a section", where=where, remedy=_suggestion(key))
    origin[key] = where
    section[last] = _construct(node, key, lambda line: where, origin)


def _construct(node: yaml.Node, key: str, describe: Any, origin: dict[str, str]) -> Any:
    """Turn a YAML node into plain values, note where each key came from, and keep the text of what is meant as text."""
    if isinstance(node, yaml.MappingNode):
        values: dict[str, Any] = {}
        for name_node, value_node in node.value:
            where = describe(name_node.start_mark.line + 1)
            if not isinstance(name_node, yaml.ScalarNode):
                raise ConfigError("a key must be a name", where=where, remedy="Mend it")
            name = str(name_node.value)
            child = f"{key}.{name}" if key else name
            if name in values:
                raise ConfigError(f"the key {child} stands twice", where=where, remedy="Keep one of the two")
            origin[child] = where
            value = _construct(value_node, child, describe, origin)
            is_empty_section = value is None and _is_section(_annotation(child))
            values[name] = {} if is_empty_section else value
        return values
    if isinstance(node, yaml.SequenceNode):
        return [_construct(item, key, describe, origin) for item in node.value]
    if _takes_text(key) and not node.tag.endswith(":null"):
        return node.value
    if node.tag.endswith(":str"):
        return node.value
    try:
        return yaml.SafeLoader("").construct_object(node)
    except (yaml.YAMLError, ValueError):  # a tag that YAML does not know, or a date such as 2026-13-01
        where = describe(node.start_mark.line + 1)
        raise ConfigError(f"{key} cannot be read", where=where, remedy="Mend the value, or quote it") from None


def _annotation(key: str) -> Any:
    """The declared type of a dotted key; None if there is no such key."""
    model: Any = Config
    for part in key.split("."):
        if not _is_section(model) or part not in model.model_fields:
            return None
        model = model.model_fields[part].annotation
    return model


def _is_section(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Section)


def _members(annotation: Any) -> tuple[Any, ...]:
    is_union = typing.get_origin(annotation) in (typing.Union, types.UnionType)
    return typing.get_args(annotation) if is_union else (annotation,)


def _takes_text(key: str) -> bool:
    """Whether the key holds text, so that 007, 1e3 or 2026-01-01 must be kept as written."""
    return any(member is str or member == list[str] for member in _members(_annotation(key)))


def _takes_list(key: str) -> bool:
    return any(typing.get_origin(member) is list for member in _members(_annotation(key)))


def _explain(error: ValidationError, origin: Mapping[str, str]) -> ConfigError:
    problems = error.errors(include_url=False)
    first = problems[0]
    names = [part for part in first["loc"] if isinstance(part, str) and part not in ("str", "list[str]")]
    key = ".".join(names)
    where = next((origin[k] for k in origin if k == key or k.startswith(f"{key}.")), None)
    more = f" (and {len(problems) - 1} more problems)" if len(problems) > 1 else ""
    if first["type"] == "extra_forbidden":
        return ConfigError(f"unknown key {key}{more}", where=where, remedy=_suggestion(key))
    got = "" if isinstance(first["input"], dict) else f", not {first['input']!r}"
    is_section_type = first["type"] in ("model_type", "model_attributes_type")
    message = "must be a section of keys" if is_section_type else first["msg"].partition(" after validation")[0]
    message = message.removeprefix("Input ").removeprefix("List ").replace("should ", "must ")
    return ConfigError(f"{key} {message}{got}{more}", where=where, remedy="Mend the value")


def _suggestion(key: str) -> str:
    known = list(_leaf_keys(Config, ""))
    same_name = [k for k in known if k.rpartition(".")[2] == key.rpartition(".")[2]]
    near = same_name or difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    return f"Did you mean {near[0]}?" if near else f"The sections are {', '.join(Config.model_fields)}"


def _leaf_keys(model: type[Section], prefix: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        annotation = field.annotation
        if _is_section(annotation):
            yield from _leaf_keys(typing.cast("type[Section]", annotation), f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"
