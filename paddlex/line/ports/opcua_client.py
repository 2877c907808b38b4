"""An OPC UA client by asyncua: a trigger node of a PLC's server is watched, and the answer written to nodes there."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Callable
from concurrent.futures import CancelledError
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Annotated, Any, ClassVar, Literal

from asyncua import Client, ua
from pydantic import StringConstraints, model_validator
from typing_extensions import Self

from paddlex.config_schema import Section, UserPath
from paddlex.errors import LineError, PaddleXError
from paddlex.line.contract import Answer, DeliveryError, PortOptions, State, Trigger
from paddlex.line.ports.reconnecting import Reconnecting, begin, set_event
from paddlex.line.secret import SignInOptions
from paddlex.utils.logging import logger

_TIMEOUT = 5.0
"""Seconds for an answer of the PLC's server."""

_LIFE_CHECK = 2.0
"""Seconds between two looks whether the connection lives."""

_PERIOD = 10
"""Milliseconds between two looks at the trigger that the server is asked for; it may take longer."""

_LONGEST_ID = 128

NodeName = Annotated[str, StringConstraints(pattern=r"^(ns=\d{1,5};)?[isgb]=.{1,200}$")]


class ClientNodes(Section):
    """Nodes of the PLC's server, as ``ns=3;s="Inspection"."Trigger"``; those with None are not used.

    Attributes:
        trigger: Boolean, a change to true asks; or an integer, a change to any value but 0 asks.
        id, product: text or integer, read when the trigger changes; id may not repeat.
        sequence, ok, verdict, fail_safe, score, threshold, answered_id, repeated: of the answer.
        done: Boolean, or an integer: the trigger's value. Written last; false or 0 as long as nothing valid is there.
        heartbeat, state: a counter, and ready, busy or fault, as text.
    """

    trigger: NodeName
    done: NodeName
    ok: NodeName
    id: NodeName | None = None
    product: NodeName | None = None
    sequence: NodeName | None = None
    verdict: NodeName | None = None
    fail_safe: NodeName | None = None
    score: NodeName | None = None
    threshold: NodeName | None = None
    answered_id: NodeName | None = None
    repeated: NodeName | None = None
    heartbeat: NodeName | None = None
    state: NodeName | None = None


class OpcuaClientOptions(PortOptions, SignInOptions):
    """What the config may say.

    Attributes:
        address: of the PLC's server, opc.tcp://host:port.
        nodes: what is where.
        certificate_file, key_file: of this client, PEM or DER: the connection is signed and encrypted then.
        server_certificate_file: the only one that is taken then.
    """

    answers: Literal["all", "own"] = "own"
    address: Annotated[str, StringConstraints(pattern=r"^opc\.tcp://[^@/\s]+(/\S*)?$")]
    nodes: ClientNodes
    certificate_file: UserPath | None = None
    key_file: UserPath | None = None
    server_certificate_file: UserPath | None = None

    @model_validator(mode="after")
    def _files_go_together(self) -> Self:
        files = (self.certificate_file, self.key_file, self.server_certificate_file)
        if any(files) and not all(files):
            raise ValueError("certificate_file, key_file and server_certificate_file go together")
        return self


class OpcuaClientPort:
    """See ``Port``. The connection has a thread and an event loop of its own."""

    options: ClassVar[type[PortOptions]] = OpcuaClientOptions

    def __init__(self, name: str, options: OpcuaClientOptions) -> None:
        self._name, self._options = name, options
        self._trigger: Callable[[Trigger], None] = lambda trigger: None
        self._link: _Link | None = None
        self._asked, self._value = "", 0  # the id of the trigger that waits, and its value
        self._seen: Any = None  # the trigger's last value, also over a lost connection: it asks once
        self._task: asyncio.Task[None] | None = None
        self._connection = Reconnecting(name, lambda: asyncio.run(self._stay()))

    def start(self, trigger: Callable[[Trigger], None]) -> None:
        self._options.password()
        self._trigger = trigger
        logging.getLogger("asyncua").setLevel(logging.CRITICAL)  # what it tells is in the errors as well
        self._connection.start()

    def deliver(self, answer: Answer) -> None:
        link = self._link
        if link is None:
            raise DeliveryError("the PLC's server is not connected", where=self._where(), may_have_arrived=False)
        done = begin(self._answer(link, answer), link.loop)
        try:
            done.result(2 * _TIMEOUT)
        except (Exception, CancelledError) as error:  # asyncua raises whatever has broken
            done.cancel()
            begin(set_event(link.end), link.loop)
            raise DeliveryError(f"the PLC's server has not taken it: {_reason(error)}", where=self._where()) from None

    def beat(self, state: State) -> None:
        link = self._link
        if link is not None:
            begin(link.beat(state), link.loop)

    def check(self) -> str:
        return asyncio.run(self._checked())

    def close(self) -> None:
        self._connection.closing.set()
        link = self._link
        if link is not None:
            begin(set_event(link.end), link.loop)
        self._connection.close()

    def _where(self) -> str:
        return f"{self._name}: {self._options.address}"

    async def _client(self) -> Client:
        options = self._options
        client = Client(options.address, timeout=_TIMEOUT)
        if options.user is not None:
            client.set_user(options.user)
            client.set_password(options.password())
        if options.certificate_file is not None:
            from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256

            await client.set_security(
                SecurityPolicyBasic256Sha256, options.certificate_file, options.key_file,
                server_certificate=options.server_certificate_file,
            )  # fmt: skip
        return client

    async def _checked(self) -> str:
        try:
            async with await self._client() as client:
                link = _Link(client, self._options.nodes)
                await link.open()
        except (ua.UaError, OSError, asyncio.TimeoutError, ValueError) as error:
            raise self._failed(error) from None
        return f"connected to {self._options.address}, all nodes are there"

    async def _stay(self) -> None:
        """Connect, and return when the connection is over.

        Raises:
            LineError: there was none.
        """
        link: _Link | None = None
        try:
            async with await self._client() as client:
                link = _Link(client, self._options.nodes)
                await link.open()
                subscription = await client.create_subscription(
                    _PERIOD, _Watch(lambda value: self._seen_now(link, value))
                )
                await subscription.subscribe_data_change(client.get_node(self._options.nodes.trigger))
                logger.info("%s: connected to %s.", self._name, self._options.address)
                self._link = link
                while not self._connection.closing.is_set():
                    try:
                        await asyncio.wait_for(link.end.wait(), _LIFE_CHECK)
                        break
                    except asyncio.TimeoutError:
                        await client.check_connection()
                        await client.nodes.server_state.read_value()
        except PaddleXError:
            raise
        except Exception as error:  # asyncua raises whatever has broken
            if self._link is None:
                raise self._failed(error) from None
            if not self._connection.closing.is_set():
                logger.warning("%s: the connection is lost: %s", self._name, _reason(error))
        finally:
            self._link = None

    def _failed(self, error: Exception) -> LineError:
        remedy = "Check that it runs, and address, user, password, certificates and nodes"
        return LineError(f"no connection to the PLC's server: {_reason(error)}", where=self._where(), remedy=remedy)

    def _seen_now(self, link: _Link, value: Any) -> None:
        """Called in the event loop with each value of the trigger."""
        before, self._seen = self._seen, value
        if value == before:
            return
        self._asked = ""
        if value and before is None:
            logger.warning("%s: the trigger was up when it was first seen, and asks for nothing.", self._name)
            return
        self._task = asyncio.get_running_loop().create_task(self._take(link, value, time.monotonic()))

    async def _take(self, link: _Link, value: Any, received: float) -> None:
        """Take back what stands there of the last part; then, if the trigger is up, judge the next."""
        try:
            async with link.writing:
                await link.reset()
            given = await link.given() if value else {}
        except Exception as error:  # the PLC waits in vain, and takes the part as bad
            logger.error("%s: a trigger is lost: %s", self._name, _reason(error))
            link.end.set()
            return
        if value and value == self._seen:
            self._asked, self._value = given.get("id", "")[:_LONGEST_ID] or uuid.uuid4().hex, value
            self._trigger(Trigger(self._asked, received, given.get("product") or None, port=self._name))

    async def _answer(self, link: _Link, answer: Answer) -> None:
        async with link.writing:
            is_asked = answer.id == self._asked
            if is_asked or answer.port != self._name:  # else the PLC has taken its trigger back, or another run had it
                await link.write(answer, self._value if is_asked else 0)
            if answer.id == self._asked:
                self._asked = ""


class _Watch:
    """What asyncua calls with each change."""

    def __init__(self, changed: Callable[[Any], None]) -> None:
        self._changed = changed

    def datachange_notification(self, node: Any, value: Any, data: Any) -> None:
        self._changed(value)


class _Link:
    """One connection, and the types of the nodes that are written."""

    def __init__(self, client: Client, nodes: ClientNodes) -> None:
        self.loop, self.end, self.writing = asyncio.get_running_loop(), asyncio.Event(), asyncio.Lock()
        self._client, self._nodes = client, nodes
        self._types: dict[str, Any] = {}

    async def open(self) -> None:
        """Look at each node.

        Raises:
            ValueError: one is not there.
        """
        for role, node in self._nodes.model_dump(exclude_none=True).items():
            try:
                self._types[role] = await self._client.get_node(node).read_data_type_as_variant_type()
            except ua.UaError as error:
                raise ValueError(f"the node {node} ({role}) cannot be read: {_reason(error)}") from None

    async def given(self) -> dict[str, str]:
        """The id and the product that stand at their nodes now."""
        roles = [role for role in ("id", "product") if role in self._types]
        nodes = [self._client.get_node(getattr(self._nodes, role)) for role in roles]
        values = await self._client.read_values(nodes) if nodes else []
        return {role: str(value).strip() for role, value in zip(roles, values, strict=True) if value is not None}

    async def reset(self) -> None:
        """Nothing valid is there."""
        await self._put(ok=False, done=0)

    async def write(self, answer: Answer, value: int) -> None:
        """Write an answer: what else there is before ``ok``, and ``done`` last.

        Args:
            answer: the answer.
            value: of the trigger that has asked; 0 for the answer to another port.
        """
        nan = float("nan")
        await self.reset()
        await self._put(
            sequence=answer.sequence, verdict=answer.verdict, fail_safe=answer.fail_safe or "",
            score=nan if answer.score is None else answer.score,
            threshold=nan if answer.threshold is None else answer.threshold, answered_id=answer.id,
            repeated=answer.repeated, ok=answer.is_ok,
        )  # fmt: skip
        await self._put(done=True if self._types["done"] == ua.VariantType.Boolean else value)

    async def beat(self, state: State) -> None:
        """Write the heartbeat; what fails is seen elsewhere."""
        try:
            await self._put(heartbeat=state.counter & 0x7FFF, state=state.word)
        except Exception:
            self.end.set()

    async def _put(self, **values: Any) -> None:
        roles = [role for role in values if role in self._types]
        if not roles:
            return
        nodes = [self._client.get_node(getattr(self._nodes, role)) for role in roles]
        variants = [ua.DataValue(ua.Variant(_as(values[role], self._types[role]), self._types[role])) for role in roles]
        await self._client.write_values(nodes, variants)


def _as(value: Any, kind: Any) -> Any:
    """A value as the type of a node wants it: integers cut to its bits, text of anything."""
    types = ua.VariantType
    bits = {types.SByte: 7, types.Byte: 8, types.Int16: 15, types.UInt16: 16, types.Int32: 31, types.UInt32: 32}
    if kind == types.Boolean:
        return bool(value)
    if kind == types.String:
        return str(value)
    if kind in (types.Float, types.Double):
        return float(value)
    return int(value) & ((1 << bits.get(kind, 63)) - 1)


def _reason(error: BaseException) -> str:
    if isinstance(error, (FutureTimeout, asyncio.TimeoutError)):
        return f"no answer within {_TIMEOUT:g} s"
    return " ".join(str(error).split()) or type(error).__name__
