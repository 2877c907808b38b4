"""The config of a station, read strictly: what is wrong is said with the file, the line and the key."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

import yaml
from pydantic import Field, ValidationError

from paddlex.config_complaints import complaint, leaf_keys
from paddlex.config_schema import PositiveInt, Rate, Section, UserPath
from paddlex.errors import ConfigError
from paddlex.line.contract import Port, Source
from paddlex.line.kinds import PORTS, SOURCES, Kind
from paddlex.utils.files import read_regular_file
from paddlex.utils.paths import advice_for_missing
from paddlex.utils.settings import nearest_key, read_settings, shortened
from paddlex.utils.strict import yaml_value

SHIPPED = "paddlex/configs/line/line.yaml"

_MAX_SECRET_BYTES = 2**16

_SECTIONS = ("Line", "Source", "Ports")

Seconds = Annotated[float, Field(gt=0, le=86_400)]

_Section = TypeVar("_Section", bound=Section)


class LineSection(Section):
    """What a station does between a trigger and its answer; the shipped file explains each key."""

    pipeline: UserPath = "anomaly_detection"
    model_dir: UserPath | None = None
    product: str | None = None
    device: str = "auto"
    run_mode: str | None = None
    score_threshold: Rate | None = None
    target_fpr: Rate | None = None
    deadline_s: Seconds = 1.0
    queue: Annotated[PositiveInt, Field(le=10_000)] = 8
    heartbeat_s: Seconds = 1.0
    restart_after_s: Seconds = 60.0
    stop_s: Seconds = 5.0
    outbox: UserPath
    outbox_gb: Annotated[float, Field(gt=0)] = 1.0


@dataclass(frozen=True)
class LineConfig:
    """All of a station, not opened yet.

    Attributes:
        line: of the station itself.
        source: where pictures come from.
        ports: by their names.
        only_own: those of them that deliver the answers to their own triggers alone.
    """

    line: LineSection
    source: Source
    ports: Mapping[str, Port]
    only_own: frozenset[str] = frozenset()


def load_line_config(path: str | os.PathLike[str]) -> LineConfig:
    """Read a station's YAML.

    Raises:
        ConfigError: the first thing that is wrong.
        MissingPackageError: a type that it names needs what is not installed.
    """
    if not os.path.exists(path):
        raise ConfigError("the config file does not exist", where=path, remedy=advice_for_missing(path))
    reader = _Reader(path)
    line = reader.checked(LineSection, "Line", reader.section("Line"))
    source, _ = reader.made("Source", SOURCES, {"type": "none", **reader.section("Source")})
    ports, only_own = {}, set()
    for name in reader.section("Ports"):
        key = f"Ports.{name}"
        if not re.fullmatch("[A-Za-z0-9_-]{1,40}", name):
            remedy = "Name it by letters, digits, - and _, at most 40: its place in the outbox goes by that name"
            raise ConfigError(f"a port cannot be called {shortened(name)}", where=reader.where(key), remedy=remedy)
        ports[name], options = reader.made(key, PORTS, reader.section(key), name)
        if options.answers == "own":
            only_own.add(name)
    return LineConfig(line, source, ports, frozenset(only_own))


def read_secret(path: str) -> str:
    """A password or token from a file of its own, without the white space around it.

    Raises:
        ConfigError: it cannot be read, or is empty.
    """
    try:
        secret = read_regular_file(os.path.expanduser(path), _MAX_SECRET_BYTES).decode("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        remedy = "Correct the path, and let the station's user read it"
        raise ConfigError(f"the secret cannot be read: {reason}", where=path, remedy=remedy) from None
    if not secret:
        raise ConfigError("the file of the secret is empty", where=path, remedy="Write it there")
    return secret


class _Reader:
    """What a file says, and where."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = path
        start = f"Start from {SHIPPED}"
        self.values, self.origin = read_settings(path, kind="config", holds="sections", start=start, scalar=_scalar)
        for name in self.values:
            if name not in _SECTIONS:
                raise self.unknown(name, _SECTIONS, f"The sections are {', '.join(_SECTIONS)}")

    def section(self, key: str) -> dict[str, Any]:
        """The keys below a key; {} where it is not there, or empty."""
        value: Any = self.values
        for part in key.split("."):
            value = value.get(part)
            if value is None:
                return {}
        if not isinstance(value, dict):
            remedy = "Put each key on a line of its own below it, indented, as KEY: value"
            raise ConfigError(f"{key} must be a section of keys", where=self.where(key), remedy=remedy)
        return value

    def made(self, key: str, kinds: Mapping[str, Kind], values: Mapping[str, Any], *name: str) -> tuple[Any, Any]:
        """The object of the class that a section's ``type`` names, and its options."""
        given, known = values.get("type"), ", ".join(kinds)
        if given is None:
            remedy = f"Set {key}.type: one of {known}"
            raise ConfigError(f"{key} has no type", where=self.where(key), remedy=remedy)
        if not isinstance(given, str) or given not in kinds:
            remedy = nearest_key(str(given), kinds) or f"Set it to one of {known}"
            what = f"{key}.type is unknown: {shortened(str(given))}"
            raise ConfigError(what, where=self.where(f"{key}.type"), remedy=remedy)
        chosen = kinds[given].resolve()
        rest = {other: value for other, value in values.items() if other != "type"}
        options = self.checked(chosen.options, key, rest)
        return chosen(*name, options), options

    def checked(self, schema: type[_Section], prefix: str, values: Mapping[str, Any]) -> _Section:
        try:
            return schema.model_validate(values)
        except ValidationError as error:
            problems = error.errors(include_url=False)
        first = min(
            problems, key=lambda problem: problem["type"] != "extra_forbidden"
        )  # a slip explains what is missing
        names = [part for part in first["loc"] if isinstance(part, str) and part.isidentifier()]
        key = ".".join([prefix, *names])
        while key not in self.origin and first["type"] != "missing" and key != prefix:
            key = key.rpartition(".")[0]  # the member of a union that pydantic has tried is no key
        more = f" (and {len(problems) - 1} more problems)" if len(problems) > 1 else ""
        if first["type"] == "extra_forbidden":
            known = list(leaf_keys(schema, f"{prefix}."))
            keys = ", ".join(other.removeprefix(f"{prefix}.") for other in known)
            raise self.unknown(key, known, f"The keys of {prefix} are {keys}", more)
        what, remedy = complaint(first)
        raise ConfigError(f"{key} {what}{more}", where=self.where(key), remedy=remedy)

    def unknown(self, key: str, known: Any, otherwise: str, more: str = "") -> ConfigError:
        remedy = nearest_key(key, known) or otherwise
        return ConfigError(f"unknown key {shortened(key)}{more}", where=self.where(key), remedy=remedy)

    def where(self, key: str) -> str:
        """The line of a key, or of the section that it is missing from."""
        while key and key not in self.origin:
            key = key.rpartition(".")[0]
        return self.origin.get(key, os.fspath(self.path))


def _scalar(node: yaml.ScalarNode, key: str) -> Any:
    """What stands at a key; None is null, as in the other configs, unless it is quoted."""
    return None if node.value == "None" and node.style is None else yaml_value(node, key)
