"""PaddleX's ways to say how a network is run (use_hpip, hpi_config, engine, engine_config), turned into a run mode."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from paddlex.errors import ConfigError
from paddlex.utils.logging import logger

#: PaddleX's backends of high-performance inference -> the run mode, and the keys of ``backend_config``.
_BACKENDS = {
    "paddle": ("paddle", ("run_mode", "cpu_threads")),
    "onnxruntime": ("onnx", ("cpu_num_threads",)),
    "openvino": ("openvino", ("cpu_num_threads",)),
    "tensorrt": ("trt_fp32", ("precision",)),
}
_PRECISIONS = {"fp32": "trt_fp32", "fp16": "trt_fp16"}

#: PaddleX's engines -> the backend that is meant.
_ENGINES = {"paddle": "paddle", "paddle_static": "paddle", "onnxruntime": "onnxruntime", "hpi": None}

#: What PaddleX knows and this toolkit refuses, and what to do instead.
_REFUSED = {
    "om": "It is for Ascend NPUs: use onnxruntime, openvino, paddle or tensorrt",
    "paddle_dynamic": "An inference folder holds a graph: use paddle",
    "flexible": "It is for other models: use paddle, onnxruntime or hpi",
    "transformers": "It is for models of Hugging Face: use paddle, onnxruntime or hpi",
    "genai_client": "It is for models that write text: use paddle, onnxruntime or hpi",
    "dynamic_shapes": "The network has one input size: leave it out",
    "use_dynamic_shapes": "The network has one input size: leave it out",
    "device_type": "Set device instead",
    "device_id": "Set device instead",
    "pp_option": "Set backend for its run_mode, and threads for its cpu_threads",
    "genai_config": "It is for models that write text: leave it out",
}


@dataclass(frozen=True)
class RunChoice:
    """How the network is run: one of ``backends.RUN_MODES`` or ``auto``, and the CPU threads (None: as many as usual)."""

    run_mode: str = "auto"
    threads: int | None = None


def choose_run(
    own: RunChoice,
    *,
    use_hpip: bool | None = None,
    hpi_config: Mapping[str, Any] | None = None,
    engine: str | None = None,
    engine_config: Mapping[str, Any] | None = None,
) -> RunChoice:
    """What PaddleX's arguments ask for; ``own`` where they ask for nothing.

    Args:
        own: this toolkit's way to say it.
        use_hpip: True for the fastest way there is, or the one that ``hpi_config`` names.
        hpi_config: ``backend``, ``backend_config``; ``auto_config`` and ``auto_paddle2onnx`` change nothing, because every
            way is checked when it is chosen and a model brings its ONNX file along.
        engine: outranks ``use_hpip``.
        engine_config: options of the engine, or a mapping of engines to theirs.

    Raises:
        ConfigError: an engine, a backend or a key that there is not, or a value that cannot be.
    """
    asked = None if hpi_config is None else _of_hpi_config(_mapping("hpi_config", hpi_config), own)
    if engine is None and engine_config is None:
        if asked is not None and not use_hpip:
            logger.warning("hpi_config changes nothing without use_hpip=True.")
        return (asked or RunChoice("auto", own.threads)) if use_hpip else own
    engine = engine or ("hpi" if use_hpip else "paddle")
    _check_known("engine", engine, _ENGINES)
    options = _mapping("engine_config", engine_config or {})
    if options and set(options) <= set(_ENGINES):
        options = _mapping(f"engine_config.{engine}", options.get(engine, {}))
    backend = _ENGINES[engine]
    if backend is None:
        return _of_hpi_config(options, own) if options or asked is None else asked
    return _of_backend(backend, options, "engine_config", own)


def refuse_arguments(function: str, others: Mapping[str, Any], known: Iterable[str]) -> None:
    """Refuse arguments that a function does not take: PaddleX's with the reason, others as Python does.

    Raises:
        ConfigError: one of PaddleX's.
        TypeError: another.
    """
    for name, value in others.items():
        if name not in _REFUSED:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f". Did you mean {near[0]}?" if near else ""
            raise TypeError(f"{function}() got an unexpected keyword argument {name!r}{hint}")
        if value is not None:
            raise ConfigError(f"{function} takes no {name}", remedy=_REFUSED[name])


def _of_hpi_config(config: Mapping[str, Any], own: RunChoice) -> RunChoice:
    for key in config:
        _check_known("hpi_config", key, ("backend", "backend_config", "auto_config", "auto_paddle2onnx"))
    options = _mapping("hpi_config.backend_config", config.get("backend_config") or {})
    backend = config.get("backend")
    if backend is not None:
        return _of_backend(backend, options, "hpi_config.backend_config", own)
    if options:
        raise ConfigError("hpi_config has a backend_config without a backend", remedy="Name the backend as well")
    return RunChoice("auto", own.threads)


def _of_backend(backend: Any, options: Mapping[str, Any], where: str, own: RunChoice) -> RunChoice:
    _check_known("hpi_config.backend", backend, _BACKENDS)
    run_mode, known = _BACKENDS[backend]
    for key in options:
        _check_known(where, key, known)
    if "precision" in options:
        _check_known(f"{where}.precision", options["precision"], _PRECISIONS)
        run_mode = _PRECISIONS[options["precision"]]
    threads = options.get("cpu_threads", options.get("cpu_num_threads"))
    if threads is not None and (not isinstance(threads, int) or isinstance(threads, bool) or threads < 1):
        raise ConfigError(f"{where}: the CPU threads must be a whole number, 1 or more, not {threads!r}")
    return RunChoice(str(options.get("run_mode", run_mode)), threads or own.threads)


def _mapping(name: str, value: Any) -> Mapping[str, Any]:
    if isinstance(value, Mapping):
        return value
    remedy = 'For example {"backend": "onnxruntime"}'
    raise ConfigError(f"{name} must be a mapping of keys to values, not {value!r}", remedy=remedy)


def _check_known(where: str, name: Any, known: Iterable[str]) -> None:
    known = list(known)
    if name in known:
        return
    reason = _REFUSED.get(name) if isinstance(name, str) else None
    near = difflib.get_close_matches(str(name), known, n=1)
    remedy = reason or (f"Did you mean {near[0]}?" if near else f"It takes {', '.join(known)}")
    raise ConfigError(f"{where} cannot take {name!r}", remedy=remedy)
