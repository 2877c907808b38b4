"""What a pipeline's YAML says, checked strictly and with nothing but PyYAML: whoever only uses a model has no pydantic."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paddlex.errors import ConfigError
from paddlex.inference.checked import (
    Check,
    Invalid,
    mapping,
    named,
    number,
    optional,
    rate,
    share,
    text,
    whole,
    within,
    word,
)
from paddlex.inference.engine_options import RunChoice, choose_run
from paddlex.inference.reading import bit_depth, megapixels
from paddlex.inference.results import DEFAULT_FILES, FILES
from paddlex.inference.tiling import LARGEST_OVERLAP, LEAST_TILE_SIZE
from paddlex.utils.paths import advice_for_missing
from paddlex.utils.settings import is_yaml, nearest_key, read_settings, shortened

#: The pipelines that are shipped: name -> file.
SHIPPED = {"anomaly_detection": Path(__file__).parents[2] / "configs" / "pipelines" / "anomaly_detection.yaml"}

_MODULE = "SubModules.AnomalyDetection"
_SECTIONS = ("Serving", "SubModules", _MODULE)

#: The ways to set the image threshold, of which one can be used.
_LIMITS = ("threshold", "score_threshold", "target_fpr")

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
    model_name: str | None = None
    model_dir: str | None = None
    product: str | None = None
    batch_size: int = 1
    threshold: float | None = None
    score_threshold: float | None = None
    target_fpr: float | None = None
    min_area: float | None = None
    tile_size: int | None = None
    tile_overlap: float = 0.25
    bit_depth: int | None = None
    max_megapixels: float | None = None
    run_mode: str = "auto"
    threads: int | None = None

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
    for key, value, where in sorted(found, key=lambda item: item[0].count(".")):  # what stands deeper outranks the rest
        if key not in _FIELDS:
            raise _unknown(key, where)
        values[_FIELDS[key]] = _checked(key, value, where)
    given = {field: value for field, value in (overrides or {}).items() if value is not None}
    if not given.keys().isdisjoint(_LIMITS):  # what is asked for now outranks the file's other ways to say it
        values = {field: value for field, value in values.items() if field not in _LIMITS}
    for field, value in given.items():
        values[field] = _checked(field, value, "given with the call")
    asked = {field: values.pop(field, None) for field in ("hpi_config", "engine", "engine_config")}
    own = RunChoice(values.get("run_mode", PipelineConfig.run_mode))
    choice = choose_run(own, use_hpip=values.get("use_hpip"), **asked)
    config = PipelineConfig(**{**values, "run_mode": choice.run_mode, "threads": choice.threads})
    limits = [field for field in _LIMITS if getattr(config, field) is not None]
    if len(limits) > 1:
        file = None if isinstance(pipeline, Mapping) else pipeline
        raise ConfigError(f"both {limits[0]} and {limits[1]} are given", where=file, remedy="Give one of them")
    return config


def pipeline_file(pipeline: str | os.PathLike[str]) -> Path:
    """The YAML file behind the name of a shipped pipeline, or behind a path.

    Raises:
        ConfigError: there is none.
    """
    name = os.fspath(pipeline)
    if name not in SHIPPED and os.path.isfile(name):
        return Path(name)
    if name not in SHIPPED and os.path.isdir(name):
        remedy = "Give a model's folder as model_dir (--model_dir), with the pipeline anomaly_detection"
        raise ConfigError("a pipeline is a YAML file, and this is a folder", where=name, remedy=remedy)
    if is_yaml(name) or os.path.basename(name) != name:
        raise ConfigError("the pipeline's file does not exist", where=name, remedy=advice_for_missing(name))
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
    start = (
        "A pipeline is a name or a YAML file: start from what paddlex --get_pipeline_config anomaly_detection writes"
    )
    values, origin = read_settings(path, start=start)
    return _flatten(values, origin.__getitem__)


def _flatten(content: Mapping[Any, Any], where: Callable[[str], str], prefix: str = "") -> Iterator[Found]:
    for name, value in content.items():
        key = f"{prefix}{name}"
        if key in _SECTIONS and isinstance(value, Mapping):
            yield from _flatten(value, where, f"{key}.")
        elif key in _SECTIONS:
            raise ConfigError(f"{key} must be a section of keys", where=where(key), remedy="Correct it")
        else:
            yield key, value, where(key)


def _path(value: Any) -> str:
    return os.path.expanduser(os.fspath(value) if isinstance(value, os.PathLike) else text(value))


def _switch(value: Any) -> bool:
    if not isinstance(value, bool):
        raise Invalid("must be True or False")
    return value


def _files(value: Any) -> tuple[str, ...]:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) and name in FILES for name in names):
        raise Invalid(f"must be a list of {', '.join(FILES)}")
    return tuple(dict.fromkeys(names))


def _tile_size(value: Any) -> int:
    if value != 0 and whole(1)(value) < LEAST_TILE_SIZE:
        raise Invalid(f"must be 0, or {LEAST_TILE_SIZE} or more")
    return int(value)


#: Field -> how its value is checked.
_CHECKS: dict[str, Check] = {
    "pipeline_name": word("anomaly_detection"),
    "use_hpip": _switch,
    "save": _files,
    "save_anomalous_only": _switch,
    "visualize": _switch,
    "module_name": word("anomaly_detection"),
    "model_name": optional(text),
    "model_dir": optional(_path),
    "product": optional(text),
    "batch_size": whole(1),
    "threshold": optional(number),
    "score_threshold": optional(rate),
    "target_fpr": optional(rate),
    "min_area": optional(share),
    "tile_size": optional(_tile_size),
    "tile_overlap": within(0, LARGEST_OVERLAP, f"from 0 to {LARGEST_OVERLAP}"),
    "bit_depth": optional(bit_depth),
    "max_megapixels": optional(megapixels),
    "run_mode": text,
    "hpi_config": optional(mapping),
    "engine": optional(text),
    "engine_config": optional(mapping),
}

#: Dotted key -> field.
_PREFIXES = {"pipeline_name": "", "save": "", "save_anomalous_only": "", "visualize": "Serving."}
_FIELDS = {_PREFIXES.get(field, f"{_MODULE}.") + field: field for field in _CHECKS}
_FIELDS |= {field: field for field in ("use_hpip", "hpi_config", "engine", "engine_config")}  # for all modules


def _checked(key: str, value: Any, where: str) -> Any:
    try:
        return named(key, _CHECKS[key.rpartition(".")[2]], value)
    except Invalid as error:
        raise ConfigError(str(error), where=where, remedy="Correct the value") from None


def _unknown(key: str, where: str) -> ConfigError:
    if key.rpartition(".")[2] == "device":
        what, remedy = f"{key} is not taken from the file", "Give --device, or create_pipeline(device=...)"
        return ConfigError(what, where=where, remedy=remedy)
    if key in ("Global", "CheckDataset", "Train", "Evaluate", "Export", "Predict"):
        what, remedy = "this is the config of a model, not of a pipeline", "Give it to paddlex -c"
        return ConfigError(what, where=where, remedy=remedy)
    return ConfigError(
        f"unknown key {shortened(key)}",
        where=where,
        remedy=nearest_key(key, (*_SECTIONS, *_FIELDS)) or f"The keys are {', '.join(_FIELDS)}",
    )
