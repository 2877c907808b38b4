"""The one place for libraries that, when they are imported, tell their makers so or write into the home folder unasked."""

from __future__ import annotations

import os
import sys
from types import ModuleType

from paddlex.utils.caches import cache_folder
from paddlex.utils.paddle_environment import changed_environment


def import_openvino() -> ModuleType:
    """OpenVINO without ``openvino_telemetry``, which at import looks up a server and writes an identifier into the home.

    Where that package cannot be imported, OpenVINO uses a stand-in of its own that does nothing.

    Raises:
        ImportError: OpenVINO is not installed.
    """
    if "openvino_telemetry" not in sys.modules:
        sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # what makes Python refuse an import
    import openvino

    return openvino


def import_onnxruntime() -> ModuleType:
    """ONNX Runtime without its telemetry: from 1.29 on its official builds send what they run to Microsoft.

    The variable, which is read when the library starts, keeps its sender and its identifier in the home from being made;
    the call stops the events of one that is running already, and those of Windows.

    Raises:
        ImportError: ONNX Runtime is not installed.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    onnxruntime.disable_telemetry_events()
    return onnxruntime


def import_visualdl() -> ModuleType:
    """VisualDL, with its folder ``.visualdl`` in the cache: at import it makes one where it takes the home to be.

    Raises:
        ImportError: VisualDL is not installed.
    """
    with changed_environment({"HOME": str(cache_folder()), "USERPROFILE": str(cache_folder())}):
        import visualdl

    return visualdl
