"""The kinds of sources and ports: type -> the class, which is imported only where a config names the type."""

from __future__ import annotations

import importlib
from typing import Any, NamedTuple

from paddlex.errors import MissingPackageError
from paddlex.utils.extras import install


class Kind(NamedTuple):
    """A class that is resolved when it is used.

    Attributes:
        target: ``module:Class``.
        extra: of the package, with what the class needs; "" where the line's own is enough.
    """

    target: str
    extra: str = ""

    def resolve(self) -> Any:
        """The class.

        Raises:
            MissingPackageError: what it needs is not installed.
        """
        module, name = self.target.split(":")
        try:
            return getattr(importlib.import_module(module), name)
        except ModuleNotFoundError as error:
            if (error.name or "").startswith("paddlex"):
                raise
            remedy = f"Install it: {install(self.extra or 'line')}"
            raise MissingPackageError(f"{name} needs {error.name}, which is not installed", remedy=remedy) from None


SOURCES = {
    "none": Kind("paddlex.line.sources.nothing:NoSource"),
    "folder": Kind("paddlex.line.sources.folder:FolderSource"),
    "camera": Kind("paddlex.line.sources.camera:CameraSource"),
    "aravis": Kind("paddlex.line.sources.aravis:AravisSource"),
}

PORTS = {
    "tcp": Kind("paddlex.line.ports.tcp:TcpPort"),
    "webhook": Kind("paddlex.line.ports.webhook:WebhookPort"),
    "http": Kind("paddlex.line.ports.http:HttpPort"),
    "mqtt": Kind("paddlex.line.ports.mqtt:MqttPort", "mqtt"),
    "opcua": Kind("paddlex.line.ports.opcua:OpcuaPort", "opcua"),
    "opcua_client": Kind("paddlex.line.ports.opcua_client:OpcuaClientPort", "opcua"),
    "modbus": Kind("paddlex.line.ports.modbus:ModbusPort", "modbus"),
}
