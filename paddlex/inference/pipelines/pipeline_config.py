"""What a pipeline's YAML says, checked strictly and with nothing but PyYAML: whoever only uses a model has no pydantic."""

from __future__ import annotations

import difflib
import math
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paddlex.errors import ConfigError
from paddlex.inference.results import DEFAULT_FILES, FILES
from paddlex.inference.tiling import LARGEST_OVERLAP, LEAST_TILE_SIZE
from paddlex.utils.strict import Malformed, read_yaml

#: The pipelines that are shipped: name -> file.
SHIPPED = {"anomaly_detection": Path(__file__).parents[2] / "configs" / "pipelines" / "anomaly_detection.yaml"}

_MODULE = "SubModules.AnomalyDetection"
_SECTIONS = ("Serving", "SubModules", _MODULE)

#: A key that was found: its dotted name, its value and where it stands.
Found = tuple[str, Any, str]


@dataclass(frozen=True)
class PipelineConfig:
    """The settings of the anomaly detection pipeline; the shipped YAML explains each."""

    pipeline_name: str = "anomaly_detection"
    use_hpip: bool = False
    save: tuple[str, ...] = DEFAULT_FILES
    save_anomalous_only: bool = False
    visualize: bool = True
    module_name: str = "anomaly_detection"
    model_name: str = "STFPM"
    model_dir: str | None = None
    batch_size: int = 1
    threshold: float | None = None
    target_fpr: float | None = None
    min_area: float | None = None
    tile_size: int | None = None
    tile_overlap: float = 0.25
    run_mode: str = "auto"

    @property
    def tiling(self) -> dict[str, Any] | None:
        """``tile_size`` and ``tile_overlap`` as ``Tiling.of`` takes them; None for what the model was made for."""
        return None if self.tile_size is None else {"tile_size": self.tile_size, "overlap": self.tile_overlap}


def load_pipeline_config(
    pipeline: str | os.PathLike[str] | Mapping[str, Any], overrides: Mapping[str, Any] | None = None
) -> PipelineConfig:
    """Read a pipeline's settings.

    Args:
        pipeline: the name of a shipped pipeline, the path of a YAML file, or what such a file holds.
        overrides: fields of ``PipelineConfig`` that outrank what stands there; None changes nothing.

    Raises:
        ConfigError: no such pipeline or file, no YAML, an unknown key or a value that cannot be. It names the file, the
            line, the key, and the nearest key that there is.
    """
    if isinstance(pipeline, Mapping):
        found = _flatten(pipeline, lambda key: "the config")
    else:
        found = _read_file(pipeline_file(pipeline))
    values: dict[str, Any] = {}
    for key, value, where in found:
        if key not in _FIELDS:
            raise ConfigError(f"unknown key {key}", where=where, remedy=_suggestion(key))
        values[_FIELDS[key]] = _checked(key, value, where)
    given = {field: value for field, value in (overrides or {}).items() if value is not None}
    for field, rival in (("threshold", "target_fpr"), ("target_fpr", "threshold")):
        if field in given and rival not in given:  # what is asked for now outranks the file's other way to say it
            values[rival] = None
    for field, value in given.items():
        values[field] = _checked(field, value, "given with the call")
    config = PipelineConfig(**values)
    if config.threshold is not None and config.target_fpr is not None:
        file = None if isinstance(pipeline, Mapping) else pipeline
        raise ConfigError("both threshold and target_fpr are given", where=file, remedy="Give one of them")
    return config


def pipeline_file(pipeline: str | os.PathLike[str]) -> Path:
    """The YAML file behind the name of a shipped pipeline, or behind a path.

    Raises:
        ConfigError: there is none.
    """
    name = os.fspath(pipeline)
    if name not in SHIPPED and os.path.isfile(name):
        return Path(name)
    if name.lower().endswith((".yaml", ".yml")) or os.path.basename(name) != name:
        raise ConfigError("the pipeline's file does not exist", where=name, remedy="Check the path")
    return shipped_file(name)


def shipped_file(name: str) -> Path:
    """The YAML file of a pipeline that is shipped.

    Raises:
        ConfigError: there is none of that name.
    """
    if name in SHIPPED:
        return SHIPPED[name]
    near = difflib.get_close_matches(name, SHIPPED, n=1)
    remedy = f"Did you mean {near[0]}?" if near else f"There is {', '.join(SHIPPED)}"
    raise ConfigError(f"there is no pipeline {name!r}", remedy=remedy)


def _read_file(path: Path) -> Iterator[Found]:
    """The keys of a YAML file, in their order."""
    lines: dict[str, int] = {}
    try:
        content = read_yaml(path, lines)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigError(f"the file cannot be read: {reason}", where=path, remedy="Check the path") from None
    except Malformed as error:
        remedy = "Correct it, and save it as UTF-8"
        raise ConfigError(f"the file {error}", where=error.where(path), remedy=remedy) from None
    if not isinstance(content, Mapping):
        remedy = "Start from what paddlex --get_pipeline_config anomaly_detection writes"
        raise ConfigError("the file is not a mapping of keys", where=path, remedy=remedy)
    return _flatten(content, lambda key: f"{path} line {lines[key]}")


def _flatten(content: Mapping[Any, Any], where: Callable[[str], str], prefix: str = "") -> Iterator[Found]:
    for name, value in content.items():
        key = f"{prefix}{name}"
        if key in _SECTIONS and isinstance(value, Mapping):
            yield from _flatten(value, where, f"{key}.")
        elif key in _SECTIONS:
            raise ConfigError(f"{key} must be a section of keys", where=where(key), remedy="Correct it")
        else:
            yield key, value, where(key)


def _text(value: Any) -> str:
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if not isinstance(value, str) or not value:
        raise ValueError("must be text (quote it if YAML takes it for a number)")
    return value


def _only(name: str) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        if value != name:
            raise ValueError(f"must be {name}")
        return name

    return check


def _switch(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be True or False")
    return value


def _files(value: Any) -> tuple[str, ...]:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) and name in FILES for name in names):
        raise ValueError(f"must be a list of {', '.join(FILES)}")
    return tuple(dict.fromkeys(names))


def _count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError("must be a whole number, 1 or more")
    return value


def _number(value: Any) -> float:
    try:  # YAML takes 1e-3 for text
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise ValueError("must be a number")
    return number


def _rate(value: Any) -> float:
    number = _number(value)
    if not 0 < number < 1:
        raise ValueError("must be between 0 and 1")
    return number


def _share(value: Any) -> float:
    number = _number(value)
    if not 0 <= number < 1:
        raise ValueError("must be 0 or more, and below 1")
    return number


def _tile_size(value: Any) -> int:
    if value != 0 and _count(value) < LEAST_TILE_SIZE:
        raise ValueError(f"must be 0, or {LEAST_TILE_SIZE} or more")
    return int(value)


def _overlap(value: Any) -> float:
    number = _number(value)
    if not 0 <= number <= LARGEST_OVERLAP:
        raise ValueError(f"must be from 0 to {LARGEST_OVERLAP}")
    return number


#: Field -> how its value is checked, and whether null is one.
_CHECKS: dict[str, tuple[Callable[[Any], Any], bool]] = {
    "pipeline_name": (_only("anomaly_detection"), False),
    "use_hpip": (_switch, False),
    "save": (_files, False),
    "save_anomalous_only": (_switch, False),
    "visualize": (_switch, False),
    "module_name": (_only("anomaly_detection"), False),
    "model_name": (_text, False),
    "model_dir": (_text, True),
    "batch_size": (_count, False),
    "threshold": (_number, True),
    "target_fpr": (_rate, True),
    "min_area": (_share, True),
    "tile_size": (_tile_size, True),
    "tile_overlap": (_overlap, False),
    "run_mode": (_text, False),
}

#: Dotted key -> field.
_PREFIXES = {
    "pipeline_name": "", "use_hpip": "", "save": "", "save_anomalous_only": "", "visualize": "Serving.",
}  # fmt: skip
_FIELDS = {_PREFIXES.get(field, f"{_MODULE}.") + field: field for field in _CHECKS}


def _checked(key: str, value: Any, where: str) -> Any:
    check, takes_null = _CHECKS[key.rpartition(".")[2]]
    if value is None and takes_null:
        return None
    try:
        return check(value)
    except ValueError as error:
        got = "a list or section" if isinstance(value, list | dict) else repr(value)
        raise ConfigError(f"{key} {error}, not {got}", where=where, remedy="Correct the value") from None


def _suggestion(key: str) -> str:
    same_name = [known for known in _FIELDS if known.rpartition(".")[2] == key.rpartition(".")[2]]
    near = same_name or difflib.get_close_matches(key, _FIELDS, n=1, cutoff=0.5)
    return f"Did you mean {near[0]}?" if near else f"The keys are {', '.join(_FIELDS)}"
