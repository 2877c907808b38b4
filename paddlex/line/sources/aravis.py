"""A GenICam camera, over Ethernet (GigE Vision) or USB (USB3 Vision), by way of Aravis."""

from __future__ import annotations

import ctypes
import json
from typing import Annotated, Any, ClassVar

from pydantic import Field, StringConstraints

from paddlex.config_schema import Section
from paddlex.errors import MissingPackageError
from paddlex.line.sources.aravis_process import LIBRARY
from paddlex.line.sources.camera import HeldCamera, HeldOptions

FeatureName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,99}$")]


class AravisOptions(HeldOptions):
    """What the config may say.

    Attributes:
        camera: its name as ``arv-tool-0.8`` lists it, its serial number or its address; "" for the only one.
        features: GenICam's names -> what they are set to, in this order.
    """

    camera: Annotated[str, StringConstraints(pattern=r"^[\x20-\x7e]{0,200}$")] = ""
    features: Annotated[dict[FeatureName, bool | int | float | str], Field(max_length=200, default_factory=dict)]


class AravisSource(HeldCamera):
    """Asked for a picture by a software trigger, where the camera has one.

    Args:
        options: which camera.

    Raises:
        MissingPackageError: Aravis is not installed.
    """

    options: ClassVar[type[Section]] = AravisOptions

    def __init__(self, options: AravisOptions) -> None:
        try:
            ctypes.CDLL(LIBRARY)
        except OSError:
            remedy = "On Debian or Ubuntu: apt-get install libaravis-0.8-0"
            raise MissingPackageError("the source aravis needs Aravis, which is not installed", remedy=remedy) from None
        request: dict[str, Any] = {"camera": options.camera, "features": options.features}
        place = options.camera or "the first camera that is found"
        super().__init__(options, place, "paddlex.line.sources.aravis_process", json.dumps(request, allow_nan=False))
