"""An OPC UA server by asyncua: states, methods and results in the manner of OPC 40100-1, see docs/line_protocols.md."""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import logging
import time
import uuid
from collections.abc import Callable
from concurrent.futures import CancelledError
from concurrent.futures import TimeoutError as FutureTimeout
from pathlib import Path
from typing import Annotated, Any, ClassVar

from asyncua import Server, ua
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.crypto.truststore import TrustStore
from asyncua.crypto.validator import CertificateValidator, CertificateValidatorOptions
from pydantic import Field, model_validator
from typing_extensions import Self

from paddlex.config_schema import UserPath
from paddlex.errors import LineError
from paddlex.line.contract import Answer, DeliveryError, PortOptions, State, Trigger
from paddlex.line.ports.opcua_vision import WRONG_STATE, VisionSystem
from paddlex.line.ports.reconnecting import Reconnecting, begin, check_free, set_event
from paddlex.line.secret import SignInOptions

_DELIVER_SECONDS = 10.0
_MOST_BYTES = 2**20
"""Of a message from a client: a method call takes some hundred."""

_LONGEST_ID = 128

_MOST_JOBS = 1000
"""That may have no result yet: one, and those that were stopped."""


class OpcuaOptions(PortOptions, SignInOptions):
    """What the config may say.

    Attributes:
        host, port: where the server listens.
        name: of the vision system's node; None for the port's.
        user: who may sign in; None for anybody.
        anonymous: that anybody may call methods from outside of this machine.
        certificate_file, key_file: of the server, PEM or DER: every connection is signed and encrypted then.
        trusted_folder: of the certificates of clients, or of the authorities that have signed them; None for any client.
    """

    host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535, strict=True)] = 4840
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9 _-]{1,64}$")] | None = None
    anonymous: bool = False
    certificate_file: UserPath | None = None
    key_file: UserPath | None = None
    trusted_folder: UserPath | None = None

    @model_validator(mode="after")
    def _is_closed_to_strangers(self) -> Self:
        if (self.certificate_file is None) != (self.key_file is None):
            raise ValueError("certificate_file and key_file go together")
        if self.trusted_folder is not None and self.certificate_file is None:
            raise ValueError("trusted_folder goes with certificate_file and key_file")
        if not _is_loopback(self.host):
            if self.user is None and not self.anonymous:
                raise ValueError("beyond this machine the server needs a user, or anonymous: true for anybody")
            if self.user is not None and self.certificate_file is None:
                raise ValueError(
                    "beyond this machine a password needs certificate_file and key_file, or all could read it"
                )
        return self


class OpcuaPort:
    """See ``Port``. The server has a thread and an event loop of its own; all of its state is touched there only."""

    options: ClassVar[type[PortOptions]] = OpcuaOptions

    def __init__(self, name: str, options: OpcuaOptions) -> None:
        self._name, self._options = name, options
        self._trigger: Callable[[Trigger], None] = lambda trigger: None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._end: asyncio.Event | None = None
        self._system: VisionSystem | None = None
        self._word = ""  # of the last heartbeat
        self._is_halted, self._is_automatic = False, True
        self._shown = ""
        self._job = ""  # that the state machine waits for
        self._jobs: dict[str, dict[str, Any]] = {}
        self._service = Reconnecting(name, lambda: asyncio.run(self._serve()))

    def start(self, trigger: Callable[[Trigger], None]) -> None:
        self.check()
        self._trigger = trigger
        logging.getLogger("asyncua").setLevel(logging.CRITICAL)  # it tells of each client that comes and goes
        self._service.start()

    def deliver(self, answer: Answer) -> None:
        if self._system is None or self._loop is None:
            raise DeliveryError("the server does not run", where=self._name, may_have_arrived=False)
        done = begin(self._answered(answer), self._loop)
        try:
            done.result(_DELIVER_SECONDS)
        except (FutureTimeout, CancelledError):
            done.cancel()
            raise DeliveryError("the server has ended, or does not answer", where=self._name) from None

    def beat(self, state: State) -> None:
        if self._system is not None and self._loop is not None:
            begin(self._beaten(state), self._loop)

    def check(self) -> str:
        options = self._options
        for file in filter(None, (options.certificate_file, options.key_file)):
            try:
                Path(file).read_bytes()
            except OSError as error:
                raise LineError(
                    f"no certificate or key can be read: {error.strerror}", where=f"{self._name}: {file}"
                ) from None
        options.password()
        check_free(self._name, options.host, options.port)
        return f"{options.host}:{options.port} is free to listen on"

    def close(self) -> None:
        self._service.closing.set()
        if self._loop is not None and self._end is not None:
            begin(set_event(self._end), self._loop)
        self._service.close()

    async def _serve(self) -> None:
        options = self._options
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        server = Server(user_manager=_Users(options))
        server.limits.max_message_size, server.limits.max_chunk_count = _MOST_BYTES, _MOST_BYTES // 65535 + 1
        await server.init()
        server.set_server_name("paddlex --line")
        await server.set_application_uri("urn:paddlex:line")
        server.set_endpoint(f"opc.tcp://{f'[{options.host}]' if ':' in options.host else options.host}:{options.port}")
        server.set_identity_tokens([ua.AnonymousIdentityToken if options.user is None else ua.UserNameIdentityToken])
        kinds = ua.SecurityPolicyType
        if options.certificate_file is None or options.key_file is None:
            server.set_security_policy([kinds.NoSecurity])
        else:
            server.set_security_policy([kinds.Basic256Sha256_SignAndEncrypt, kinds.Aes256Sha256RsaPss_SignAndEncrypt])
            await server.load_certificate(options.certificate_file)
            await server.load_private_key(options.key_file)
            if options.trusted_folder is not None:
                trusted = TrustStore([Path(options.trusted_folder)], [])
                await trusted.load()
                rules = CertificateValidatorOptions.TRUSTED_VALIDATION | CertificateValidatorOptions.PEER_CLIENT
                server.set_certificate_validator(CertificateValidator(rules, trusted))
        system = VisionSystem(server, options.name or self._name)
        await system.build(
            {
                "StartSingleJob": self._start_single_job, "Stop": self._stop, "Abort": self._stop, "Halt": self._halt,
                "Reset": self._reset, "SelectModeAutomatic": self._select_mode_automatic,
            }
        )  # fmt: skip
        try:
            async with server:
                self._system, self._shown = system, ""
                await self._show_state()
                if not self._service.closing.is_set():
                    await self._end.wait()
        finally:
            self._system = None

    async def _answered(self, answer: Answer) -> None:
        assert self._system is not None
        await self._system.show_answer(answer, self._jobs.pop(answer.id, {}))
        if answer.id == self._job:
            self._job = ""
            await self._show_state()

    async def _beaten(self, state: State) -> None:
        self._word = state.word
        if self._system is not None:
            await self._system.show_beat(state)
            await self._show_state()

    def _state(self) -> str:
        """Of the outer state machine."""
        if self._is_halted:
            return "Halted"
        if self._word == "fault":
            return "Error"
        return "Operational" if self._is_automatic and self._word else "Preoperational"

    async def _show_state(self) -> None:
        assert self._system is not None
        state = self._state()
        if state != "Operational":
            self._job, shown = "", state
        else:
            shown = "SingleExecution" if self._job else "Ready"
        if shown == self._shown:
            return
        if state == "Operational" and self._shown not in ("Ready", "SingleExecution"):
            await self._system.show_state(state, "Initialized")
        self._shown = shown
        await self._system.show_state(state, shown if state == "Operational" else None)

    async def _start_single_job(
        self,
        parent: ua.NodeId,
        meas: ua.Variant,
        part: ua.Variant,
        recipe: ua.Variant,
        product: ua.Variant,
        *rest: ua.Variant,
    ) -> list[ua.Variant]:
        received = time.monotonic()
        if self._state() != "Operational" or self._job:
            return [_job_id(""), _error(WRONG_STATE)]
        self._job = uuid.uuid4().hex
        while len(self._jobs) > _MOST_JOBS:
            self._jobs.pop(next(iter(self._jobs)))
        self._jobs[self._job] = {"MeasId": meas.Value, "PartId": part.Value, "ProductId": product.Value}
        wanted = (getattr(product.Value, "Id", None) or "")[:_LONGEST_ID] or None
        job = self._job
        await self._show_state()
        self._trigger(Trigger(job, received, wanted, port=self._name))
        return [_job_id(job), _error(0)]

    async def _stop(self, parent: ua.NodeId, *cause: ua.Variant) -> list[ua.Variant]:
        return await self._changed(bool(self._job))

    async def _halt(self, parent: ua.NodeId, *cause: ua.Variant) -> list[ua.Variant]:
        is_allowed, self._is_halted = not self._is_halted, True
        return await self._changed(is_allowed)

    async def _reset(self, parent: ua.NodeId, *cause: ua.Variant) -> list[ua.Variant]:
        self._is_halted = self._is_automatic = False
        return await self._changed(True)

    async def _select_mode_automatic(self, parent: ua.NodeId) -> list[ua.Variant]:
        is_allowed = self._state() == "Preoperational"
        self._is_automatic = self._is_automatic or is_allowed
        return await self._changed(is_allowed)

    async def _changed(self, is_allowed: bool) -> list[ua.Variant]:
        if is_allowed:
            self._job = ""
            await self._show_state()
        return [_error(0 if is_allowed else WRONG_STATE)]


class _Users:
    """Who may sign in."""

    def __init__(self, options: OpcuaOptions) -> None:
        self._options = options

    def get_user(
        self, iserver: Any, username: str | None = None, password: str | None = None, certificate: Any = None
    ) -> User | None:
        """A user that may read and call methods, or None."""
        wanted = self._options.user
        if wanted is None:
            return User(role=UserRole.User)
        given, right = f"{username}\0{password}", f"{wanted}\0{self._options.password()}"
        return User(role=UserRole.User, name=wanted) if hmac.compare_digest(given.encode(), right.encode()) else None


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _job_id(job: str) -> ua.Variant:
    return ua.Variant(ua.JobIdDataType(Id=job))


def _error(code: int) -> ua.Variant:
    return ua.Variant(code, ua.VariantType.Int32)
