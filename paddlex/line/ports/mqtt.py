"""MQTT 5: triggers from one topic, answers to another, the state kept at a third; by paho-mqtt."""

from __future__ import annotations

import json
import ssl
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from paho.mqtt.client import MQTTMessage
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from pydantic import Field, StringConstraints, model_validator
from typing_extensions import Self

from paddlex.config_schema import UserPath
from paddlex.errors import LineError, in_one_line
from paddlex.line.contract import Answer, DeliveryError, PortOptions, State, Trigger
from paddlex.line.ports.mqtt_link import Client, Link
from paddlex.line.ports.reconnecting import Reconnecting
from paddlex.line.secret import SignInOptions
from paddlex.utils.logging import logger
from paddlex.utils.strict import Malformed, parse_json

_CONNECT_SECONDS = 5.0
_KEEPALIVE = 15
"""Seconds: after one and a half times as many without a sign of life the broker sends the last will."""

_TRIGGERS_AT_ONCE = 32
"""That the broker may send before the first of them is answered: its Receive Maximum, and so a bound of our memory."""

_LONG_AGO = 86400.0
"""Seconds, beyond any deadline."""

_LONGEST_ID = 128


class MqttOptions(PortOptions, SignInOptions):
    """What the config may say.

    Attributes:
        host, port: of the broker; port None for 8883 with TLS, 1883 without.
        topic: stands before /trigger, /answer and /state.
        client_id: one that no other client of the broker has; None for one made of the topic.
        tls: encrypt, and take no broker whose certificate is not trusted.
        ca_file: of the authorities that are trusted, PEM; None for those of the system.
        certificate_file, key_file: show this certificate to the broker, PEM.
        session_expiry_s: how long the broker keeps triggers while the line is away.
        picture_mb: most of a picture that comes with a trigger.
    """

    host: Annotated[str, Field(min_length=1, max_length=255)]
    port: Annotated[int, Field(ge=1, le=65535, strict=True)] | None = None
    topic: Annotated[str, StringConstraints(pattern=r"^[^#+$/\x00][^#+\x00]{0,199}$")]
    client_id: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    tls: bool = False
    ca_file: UserPath | None = None
    certificate_file: UserPath | None = None
    key_file: UserPath | None = None
    session_expiry_s: Annotated[int, Field(ge=0, le=2**32 - 2, strict=True)] = 0
    picture_mb: Annotated[float, Field(gt=0, le=200)] = 16

    @model_validator(mode="after")
    def _files_go_with_tls(self) -> Self:
        if not self.tls and (self.ca_file or self.certificate_file or self.key_file):
            raise ValueError("ca_file, certificate_file and key_file go with tls: true")
        return self


@dataclass
class _Asked:
    """A trigger that is not answered yet: over which connection it came, as which packet, and where the answer goes too."""

    link: Link
    packet: int
    reply_topic: str | None
    correlation: bytes | None


class MqttPort:
    """A client of a broker. Each connection has a client object of its own, so that nothing is sent twice behind our back."""

    options: ClassVar[type[PortOptions]] = MqttOptions

    def __init__(self, name: str, options: MqttOptions) -> None:
        self._name, self._options = name, options
        self._trigger: Callable[[Trigger], None] = lambda trigger: None
        self._link: Link | None = None
        self._state = b""
        self._lock = threading.Lock()
        self._asked: dict[str, list[_Asked]] = {}
        self._ids: dict[int, str] = {}  # of triggers that came without one, by their packet
        self._connection = Reconnecting(name, lambda: self._stay(Link()))

    def start(self, trigger: Callable[[Trigger], None]) -> None:
        self._trigger = trigger
        self._client("")  # what it cannot read will not come by waiting
        if self._options.user and not self._options.tls and self._options.host not in ("localhost", "127.0.0.1", "::1"):
            logger.warning("%s: the password goes over the network unencrypted. Set tls: true.", self._name)
        self._connection.start()

    def deliver(self, answer: Answer) -> None:
        link = self._link
        if link is None:
            raise DeliveryError("the broker is not connected", where=self._name, may_have_arrived=False)
        with self._lock:
            asked = list(self._asked.get(answer.id, ()))
        payload = _json(answer.to_json())
        try:
            for one in asked:
                if one.reply_topic is not None:
                    self._publish(link, one.reply_topic, payload, one.correlation)
            self._publish(link, self._topic("answer"), payload)
        except DeliveryError:
            if not answer.sequence:  # it does not come again
                self._acknowledge(answer.id)
            raise
        self._acknowledge(answer.id)

    def beat(self, state: State) -> None:
        word = {"state": state.word, "reason": state.reason, "counter": state.counter}
        self._state = _json({**word, "answers": state.answers, "undelivered": state.undelivered})
        link = self._link
        if link is not None:
            link.client.publish(self._topic("state"), self._state, qos=0, retain=True)

    def check(self) -> str:
        link = Link(is_check=True)
        self._stay(link)
        secured = "with TLS" if self._options.tls else "without TLS"
        who = "nobody" if self._options.user is None else self._options.user
        return f"connected to {self._where()} {secured} as {who}, subscribed to {self._topic('trigger')}"

    def close(self) -> None:
        self._connection.closing.set()
        link, self._link = self._link, None
        if link is not None:
            link.client.publish(self._topic("state"), _json({"state": "stopped"}), qos=0, retain=True)
            link.client.disconnect()
            link.lost()
        self._connection.close()

    def _topic(self, last: str) -> str:
        return f"{self._options.topic}/{last}"

    def _where(self) -> str:
        return f"{self._options.host}:{self._options.port or (8883 if self._options.tls else 1883)}"

    def _client(self, suffix: str) -> Client:
        """A client that is not connected.

        Raises:
            LineError: a file of TLS cannot be read.
            ConfigError: nor can the password.
        """
        options = self._options
        client = Client((options.client_id or options.topic.replace("/", "-")) + suffix)
        client.connect_timeout = _CONNECT_SECONDS
        if options.user is not None:
            client.username_pw_set(options.user, options.password())
        if options.tls:
            try:
                context = ssl.create_default_context(cafile=options.ca_file)
                if options.certificate_file is not None:
                    context.load_cert_chain(options.certificate_file, options.key_file, password="")
            except (OSError, ValueError) as error:  # an SSLError is an OSError, and says no file
                files = ", ".join(filter(None, (options.ca_file, options.certificate_file, options.key_file)))
                raise LineError(f"no certificate or key can be read: {error}", where=f"{self._name}: {files}") from None
            client.tls_set_context(context)
        if not suffix:
            client.will_set(self._topic("state"), _json({"state": "fault", "reason": "connection lost"}), 1, True)
        return client

    def _stay(self, link: Link) -> None:
        """Connect, and return when the connection is over.

        Raises:
            LineError: there was none.
        """
        options = self._options
        link.client = client = self._client("-check" if link.is_check else "")
        client.on_connect, client.on_subscribe = link.on_connect, link.on_subscribe
        client.on_publish, client.on_disconnect = link.on_publish, link.on_disconnect
        client.on_message = lambda client, data, message: self._take(link, message)
        link.topic, link.is_up = self._topic("trigger"), self._connected
        properties = Properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = 0 if link.is_check else options.session_expiry_s
        properties.ReceiveMaximum = _TRIGGERS_AT_ONCE
        properties.MaximumPacketSize = int(options.picture_mb * 2**20) + 65536
        begins_clean = link.is_check or not options.session_expiry_s
        host, _, port = self._where().rpartition(":")
        try:
            client.connect(host, int(port), _KEEPALIVE, clean_start=begins_clean, properties=properties)
            client.loop_start()
            client.is_over.wait()
        except ssl.SSLCertVerificationError as error:
            remedy = "Set ca_file to the authority that has signed it, and host to a name that is in it"
            raise self._failed(f"the broker's certificate is not trusted: {error.verify_message}", remedy) from None
        except ssl.SSLError as error:
            raise self._failed(f"TLS fails: {error.reason or error}", "Check tls, port and certificate_file") from None
        except OSError as error:
            raise self._failed(f"the broker does not answer: {error.strerror or error}", None) from None
        finally:
            self._link = None
            link.lost()
        if not link.was_up:
            raise self._failed(link.reason, "Check user, password and what the broker allows them")
        if not self._connection.closing.is_set() and not link.is_check:
            logger.warning("%s: the connection is lost: %s.", self._name, link.reason)

    def _failed(self, what: str, remedy: str | None) -> LineError:
        return LineError(what, where=f"{self._name}: {self._where()}", remedy=remedy)

    def _connected(self, link: Link) -> None:
        if link.is_check or self._connection.closing.is_set():
            link.client.disconnect()
            return
        logger.info("%s: connected to %s.", self._name, self._where())
        self._link = link
        if self._state:
            link.client.publish(self._topic("state"), self._state, qos=0, retain=True)

    def _publish(self, link: Link, topic: str, payload: bytes, correlation: bytes | None = None) -> None:
        properties = Properties(PacketTypes.PUBLISH)
        properties.ContentType = "application/json"
        if correlation is not None:
            properties.CorrelationData = correlation
        failed = link.publish(topic, payload, properties)
        if failed:
            raise DeliveryError(failed, where=f"{self._name}: {topic}")

    def _acknowledge(self, identity: str) -> None:
        with self._lock:
            for one in self._asked.get(identity, ()):
                one.link.acknowledge(one.packet)
            self._asked.pop(identity, None)

    def _take(self, link: Link, message: MQTTMessage) -> None:
        try:
            self._received(link, message)
        except Exception as error:  # it would end the connection, over which the broker would send the same again
            logger.error("%s: a trigger is lost: %s", self._name, in_one_line(error))

    def _received(self, link: Link, message: MQTTMessage) -> None:
        """Hand in what the broker brings. Whatever it is is answered: what cannot be read as a picture that cannot be."""
        received = time.monotonic()
        if message.retain:
            logger.warning("%s: a retained trigger is no trigger, and is ignored.", self._name)
            link.acknowledge(message.mid)
            return
        given, problem = _read_trigger(message)
        picture = None if message.payload.startswith(b"{") else bytes(message.payload) or None
        if picture is not None and len(picture) > self._options.picture_mb * 2**20:
            problem = f"has a picture of more than {self._options.picture_mb:g} MB"
        if problem:
            logger.warning("%s: a trigger %s. It is answered with a fail-safe NG.", self._name, problem)
            picture = b""
        identity = given.get("id") or self._identity(message)
        if picture is None and self._may_be_late(message, identity):
            received -= _LONG_AGO
        correlation = getattr(message.properties, "CorrelationData", None)
        asked = _Asked(link, message.mid, self._reply_topic(message), correlation)
        with self._lock:
            others = self._asked.setdefault(identity, [])
            is_new = not others
            if message.dup:
                others[:] = [one for one in others if one.packet != message.mid]
            if message.mid or len(others) < _TRIGGERS_AT_ONCE:
                others.append(asked)
        if is_new:
            self._trigger(Trigger(identity, received, given.get("product"), picture, self._name))

    def _identity(self, message: MQTTMessage) -> str:
        """Of a trigger that has none: one that is the same when the broker sends it again."""
        if not (message.dup and message.mid in self._ids):
            self._ids[message.mid] = uuid.uuid4().hex
        return self._ids[message.mid]

    def _may_be_late(self, message: MQTTMessage, identity: str) -> bool:
        """Whether a trigger may be so old that the camera shows another part by now."""
        if message.dup and identity not in self._asked:
            return True
        is_bounded = hasattr(message.properties, "MessageExpiryInterval")
        return bool(self._options.session_expiry_s) and not is_bounded

    def _reply_topic(self, message: MQTTMessage) -> str | None:
        """Where the answer is asked for, too; None where that is nowhere, or where it would be taken for something else."""
        topic = str(getattr(message.properties, "ResponseTopic", ""))
        is_own = topic in map(self._topic, ("trigger", "answer", "state"))
        return None if not topic or is_own or len(topic) > 1000 or any(sign in topic for sign in "#+\0") else topic


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, allow_nan=False).encode()


def _read_trigger(message: MQTTMessage) -> tuple[dict[str, str], str]:
    """The id and the product of a trigger, in its JSON or, beside a picture, as user properties; and what is wrong, or ""."""
    found = {key: value for key, value in getattr(message.properties, "UserProperty", []) if key in ("id", "product")}
    given: dict[str, str] = {}
    problem = ""
    if message.payload.startswith(b"{"):
        try:
            found |= parse_json(message.payload[:65536].decode())
        except UnicodeDecodeError:
            problem = "is not text in UTF-8"
        except Malformed as error:
            problem = str(error)
    for key, value in found.items():
        if key not in ("id", "product"):
            problem = f"has the key {key[:64]!r}, and may have id and product"
        elif type(value) in (str, int) and 0 < len(str(value)) <= _LONGEST_ID:
            given[key] = str(value)
        elif value is not None:
            problem = f"has no text of up to {_LONGEST_ID} characters at {key}"
    return given, problem
