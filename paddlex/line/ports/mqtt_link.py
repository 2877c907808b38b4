"""One connection to an MQTT broker: made, waited for, and what its callbacks tell."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

_ACKNOWLEDGE_SECONDS = 10.0
_FAILURE = 0x80
"""Reason codes from here on are failures."""

_REFUSED = {0x86: "bad user name or password", 0x87: "not authorized"}
_BY_BROKER = "the broker has ended it"


class Client(paho.Client):
    """A client whose thread says that it is over, whatever has ended it.

    It has a thread of its own making: only then does paho-mqtt let one thread alone write to the socket.
    """

    def __init__(self, client_id: str) -> None:
        self.is_over = threading.Event()
        super().__init__(
            paho.CallbackAPIVersion.VERSION2,
            client_id,
            protocol=paho.MQTTv5,
            reconnect_on_failure=False,
            manual_ack=True,
        )

        self.on_socket_open = _without_delay

    def loop_forever(self, *arguments: Any, **options: Any) -> paho.MQTTErrorCode:
        try:
            return super().loop_forever(*arguments, **options)
        finally:
            self.is_over.set()


def _without_delay(client: Any, data: Any, connection: Any) -> None:
    """Send small packets at once: else each waits some 40 ms for the acknowledgement of the one before."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


class Link:
    """One connection, and what its callbacks tell of it; they run in the thread of the connection."""

    client: Client
    topic: str
    is_up: Callable[[Link], None]

    def __init__(self, is_check: bool = False) -> None:
        self.is_check = is_check
        self.was_up = False
        self.reason = _BY_BROKER
        self._changed = threading.Condition()
        self._is_lost = False
        self._acknowledged: dict[int, int] = {}

    def publish(self, topic: str, payload: bytes, properties: Properties) -> str:
        """Publish with QoS 1 and wait for the acknowledgement; what went wrong, or ""."""
        with self._changed:
            self._acknowledged.clear()
        packet = self.client.publish(topic, payload, qos=1, properties=properties).mid
        with self._changed:
            self._changed.wait_for(lambda: self._is_lost or packet in self._acknowledged, _ACKNOWLEDGE_SECONDS)
            code = self._acknowledged.get(packet)
        if code is None:
            return "the broker has not acknowledged it"
        return f"the broker refuses it: {code:#04x}" if code >= _FAILURE else ""

    def acknowledge(self, packet: int) -> None:
        """Tell the broker that a trigger is answered; if the connection is over it sends the trigger again."""
        if packet:
            self.client.ack(packet, 1)

    def lost(self) -> None:
        """The connection is over: nobody waits for it any longer."""
        with self._changed:
            self._is_lost = True
            self._changed.notify_all()

    def on_connect(self, client: Any, data: Any, flags: Any, code: Any, properties: Any) -> None:
        if code.value >= _FAILURE:
            self.reason = f"the broker refuses the connection: {_REFUSED.get(code.value, str(code).lower())}"
        else:
            client.subscribe(self.topic, options=SubscribeOptions(qos=1, noLocal=True, retainHandling=2))

    def on_subscribe(self, client: Any, data: Any, packet: int, codes: Any, properties: Any) -> None:
        if codes[0].value >= _FAILURE:
            self.reason = f"the broker refuses {self.topic}: {str(codes[0]).lower()}"
            client.disconnect()
        else:
            self.was_up = True
            self.is_up(self)

    def on_publish(self, client: Any, data: Any, packet: int, code: Any, properties: Any) -> None:
        with self._changed:
            self._acknowledged[packet] = code.value
            self._changed.notify_all()

    def on_disconnect(self, client: Any, data: Any, flags: Any, code: Any, properties: Any) -> None:
        if self.was_up or self.reason == _BY_BROKER:
            self.reason = str(code).lower()
        self.lost()
