"""PaddleX's ways to say how a network is run mean something here, or are refused with the reason."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from paddlex.errors import ConfigError
from paddlex.inference.engine_options import RunChoice, choose_run, refuse_arguments

OWN = RunChoice("mkldnn", 3)


@pytest.mark.parametrize(
    ("asked", "run_mode", "threads"),
    [
        ({}, "mkldnn", 3),
        ({"use_hpip": False}, "mkldnn", 3),
        ({"use_hpip": True}, "auto", 3),
        ({"use_hpip": True, "hpi_config": {}}, "auto", 3),
        ({"use_hpip": True, "hpi_config": {"auto_config": False, "backend": "onnxruntime"}}, "onnx", 3),
        ({"use_hpip": True, "hpi_config": {"backend": "openvino", "auto_paddle2onnx": True}}, "openvino", 3),
        (
            {"use_hpip": True, "hpi_config": {"backend": "openvino", "backend_config": {"cpu_num_threads": 8}}},
            "openvino", 8,
        ),
        ({"use_hpip": True, "hpi_config": {"backend": "paddle"}}, "paddle", 3),
        (
            {"use_hpip": True, "hpi_config": {"backend": "paddle", "backend_config": {"run_mode": "mkldnn_bf16"}}},
            "mkldnn_bf16", 3,
        ),
        ({"use_hpip": True, "hpi_config": {"backend": "tensorrt"}}, "trt_fp32", 3),
        ({"use_hpip": True, "hpi_config": {"backend": "tensorrt", "backend_config": {"precision": "fp16"}}}, "trt_fp16", 3),
        ({"engine": "paddle"}, "paddle", 3),
        ({"engine": "paddle_static", "engine_config": {"run_mode": "mkldnn", "cpu_threads": 2}}, "mkldnn", 2),
        ({"engine_config": {"run_mode": "mkldnn"}}, "mkldnn", 3),
        ({"engine": "onnxruntime"}, "onnx", 3),
        ({"engine": "hpi"}, "auto", 3),
        ({"engine": "hpi", "hpi_config": {"backend": "openvino"}}, "openvino", 3),
        ({"engine": "hpi", "engine_config": {"backend": "openvino"}}, "openvino", 3),
        ({"engine": "paddle", "engine_config": {"paddle": {"run_mode": "mkldnn"}, "hpi": {}}}, "mkldnn", 3),
        ({"engine": "onnxruntime", "use_hpip": True}, "onnx", 3),
    ],
)  # fmt: skip
def test_what_is_asked_for_is_a_run_mode(asked: dict[str, Any], run_mode: str, threads: int) -> None:
    assert choose_run(OWN, **asked) == RunChoice(run_mode, threads)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"hpi_config": {"backend": "onnxrutime"}}, "Did you mean onnxruntime?"),
        ({"hpi_config": {"backend": "om"}}, "Ascend"),
        ({"hpi_config": {"bakend": "openvino"}}, "Did you mean backend?"),
        ({"hpi_config": {"device_id": 0}}, "Set device"),
        ({"hpi_config": {"backend_config": {"precision": "fp16"}}}, "Name the backend"),
        ({"hpi_config": {"backend": "openvino", "backend_config": {"precision": "fp16"}}}, "cpu_num_threads"),
        ({"hpi_config": {"backend": "openvino", "backend_config": {"cpu_num_threads": 0}}}, "1 or more"),
        ({"hpi_config": {"backend": "tensorrt", "backend_config": {"dynamic_shapes": {}}}}, "one input size"),
        ({"hpi_config": {"backend": "tensorrt", "backend_config": {"precision": "int8"}}}, "fp32, fp16"),
        ({"hpi_config": "openvino"}, "must be a mapping"),
        ({"hpi_config": {"backend": "openvino", "backend_config": 3}}, "must be a mapping"),
        ({"engine": "transformers"}, "Hugging Face"),
        ({"engine": "genai_client"}, "write text"),
        ({"engine": "onnx"}, "onnxruntime"),
        ({"engine": "paddle", "engine_config": {"enable_cinn": True}}, "run_mode, cpu_threads"),
    ],
)
def test_what_there_is_not_is_refused_with_what_to_do(asked: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        choose_run(OWN, use_hpip=True, **asked)
    assert words in str(caught.value)


def test_settings_that_change_nothing_are_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="paddlex"):
        assert choose_run(OWN, hpi_config={"backend": "openvino"}) == OWN
    assert "use_hpip" in caplog.text


def test_arguments_of_paddlex_are_refused_with_the_reason_and_others_as_python_does() -> None:
    refuse_arguments("create_model", {"pp_option": None}, ["backend"])  # PaddleX's default asks for nothing
    with pytest.raises(ConfigError, match="threads"):
        refuse_arguments("create_model", {"pp_option": object()}, ["backend"])
    with pytest.raises(TypeError, match="Did you mean threshold"):
        refuse_arguments("create_model", {"treshold": 1}, ["backend", "threshold"])
