"""Signing in: passwords are looked at slowly, and after some wrong ones not at once."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import ceil

from paddlex.errors import WorkspaceError
from paddlex.studio import audit, passwords
from paddlex.studio.database.schema import User
from paddlex.studio.lockout import FREE, Count, Counts, neighbourhood
from paddlex.studio.sessions import SignedIn
from paddlex.studio.users import Users, find, known, normal
from paddlex.studio.workspace import Workspace, now_ms
from paddlex.utils.logging import logger

#: Failed sign-ins that the audit trail takes at once, and the seconds after which it takes another one.
_TOLD, _TOLD_AGAIN = 20, 180


class WrongPassword(WorkspaceError):
    """No user has this name and this password."""


class Locked(WorkspaceError):
    """Too many wrong passwords.

    Args:
        seconds: until the next one is looked at.
    """

    def __init__(self, seconds: int) -> None:
        self.seconds = seconds
        super().__init__("too many wrong passwords", remedy=f"Try again in {seconds} s, or ask an engineer")


@dataclass(frozen=True)
class Welcome:
    """What a browser gets at a sign-in.

    Attributes:
        token: of the session.
        device: by which this browser is known again as one that this user has signed in from.
    """

    user_id: int
    name: str
    role: str
    token: str
    device: str


class SignIn:
    """The door to a workspace. Its methods take a while.

    A name's lock-out would let a stranger lock its owner out for ever. So a browser from which its owner has signed in before,
    which its device cookie shows, has a count of its own, and neither the name's pause nor the address's holds for it.
    """

    def __init__(self, workspace: Workspace, users: Users) -> None:
        self._workspace, self._users = workspace, users
        self._names, self._strangers, self._addresses, self._devices = Counts(), Counts(), Counts(), Counts()
        self._budget = _Budget()
        self._later = ThreadPoolExecutor(1, thread_name_prefix="failed sign-in")

    def locked_until(self, user: User) -> int | None:
        """Until when no password of a user is looked at, in ms; None if it would be."""
        count = self._names.get(_key(user), Count(user.failures, user.locked_until))
        return count.until if _wait(count, now_ms()) > 0 else None

    def close(self) -> None:
        """Write what is still to be written."""
        self._later.shutdown()

    def sign_in(self, name: str, password: str, address: str, devices: Mapping[str, str]) -> Welcome:
        """Begin a session.

        Args:
            name: as it was typed.
            password: as it was typed.
            address: of the client.
            devices: user id -> device cookie, of the browser.

        Raises:
            WrongPassword: no active user has them both.
            Locked: it is not looked at yet.
        """
        with self._workspace.reading() as session:
            user = find(session, normal(name))
        device = None if user is None else _known_device(devices.get(str(user.id), ""), user)
        counts = self._counts_of(user, name, device, neighbourhood(address))
        now = now_ms()
        if (wait := max(_wait(group.get(key, first), now) for group, key, first in counts)) > 0:
            raise Locked(ceil(wait / 1000))
        is_right = passwords.is_right(password, None if user is None else user.password)
        if not is_right or user is None or not user.is_active:
            self._note_failure(user, address, counts, is_known=device is not None)
            raise WrongPassword("no user has this name and this password", remedy="Check both")
        for group, key, _ in counts:
            if group is not self._addresses:  # else a user's own password would free them to guess those of others
                group.clear(key)
        renewed = passwords.hash_of(password) if passwords.is_outdated(user.password) else user.password
        with self._workspace.writing() as session:
            current = session.get_one(User, user.id)
            if current.password != user.password or not current.is_active:  # changed since it was looked at
                raise WrongPassword("no user has this name and this password", remedy="Check both")
            current.password, current.failures, current.locked_until = renewed, 0, 0
            token = self._users.sessions.begin(session, current)
            audit.append(session, by=current.name, action="session.start", details={"address": address})
        return Welcome(current.id, current.name, current.role, token, _device(current))

    def change_own(self, signed_in: SignedIn, old: str, new: str) -> str:
        """Change one's own password, and end one's other sessions; returns a device cookie instead of the old one.

        Raises:
            WrongPassword: the old one is not right.
            Locked: it is not looked at yet.
            WorkspaceError: the new one may not be used.
        """
        now = now_ms()
        if (wait := _wait(self._devices.get(signed_in.digest), now)) > 0:
            raise Locked(ceil(wait / 1000))
        with self._workspace.reading() as session:
            user = known(session, signed_in.name)
        if not passwords.is_right(old, user.password):
            self._devices.add(signed_in.digest, now)
            raise WrongPassword("the old password is wrong")
        self._devices.clear(signed_in.digest)
        return _device(self._users.change(user.name, user.name, password=new, but=signed_in.digest))

    def _counts_of(
        self, user: User | None, name: str, device: str | None, address: str
    ) -> list[tuple[Counts, str, Count]]:
        """Where a wrong password counts: group, key, and the count that a restart has kept."""
        if user is None:
            return [(self._strangers, normal(name).casefold()[:100], Count()), (self._addresses, address, Count())]
        if device is not None:
            return [(self._devices, device, Count())]
        kept = Count(user.failures, user.locked_until)
        return [(self._names, _key(user), kept), (self._addresses, address, Count())]

    def _note_failure(
        self, user: User | None, address: str, counts: list[tuple[Counts, str, Count]], *, is_known: bool
    ) -> None:
        """Count a wrong password; it is written down after the answer, whose time would else tell a name."""
        now = now_ms()
        count = max((group.add(key, now, first) for group, key, first in counts), key=lambda count: count.until)
        told = self._budget.take()

        def write() -> None:
            with self._workspace.writing() as session:
                if user is not None and not is_known:
                    row = session.get_one(User, user.id)
                    if row.password == user.password:
                        mine = self._names.get(_key(user))
                        row.failures, row.locked_until = mine.failures, mine.until
                if told is not None:  # a name that is nobody's may be a password that was typed into the wrong field
                    named = {} if user is None else {"name": user.name}
                    details = {"address": address, **named, **({"untold": told} if told else {})}
                    audit.append(session, by="", action="session.fail", details=details)
                if user is not None and count.until > now:
                    details = {"address": address, "name": user.name, "seconds": (count.until - now) // 1000}
                    audit.append(session, by="studio", action="session.lock", details=details)

        if told is not None or user is not None:
            self._later.submit(_logged, write)


class _Budget:
    """How many failed sign-ins the audit trail takes: nobody shall fill a disk by guessing."""

    def __init__(self) -> None:
        self._left, self._at, self._untold = float(_TOLD), time.monotonic(), 0
        self._lock = threading.Lock()

    def take(self) -> int | None:
        """How many went untold since the last one that was told; None if this one does too."""
        with self._lock:
            now = time.monotonic()
            self._left, self._at = min(_TOLD, self._left + (now - self._at) / _TOLD_AGAIN), now
            if self._left < 1:
                self._untold += 1
                return None
            self._left -= 1
            untold, self._untold = self._untold, 0
            return untold


def _logged(work: Callable[[], None]) -> None:
    try:
        work()
    except Exception:
        logger.exception("A failed sign-in could not be written down.")


def _key(user: User) -> str:
    """Of a user's count: another password begins another one, be it set here or from the command line."""
    return f"{user.id} {user.password}"


def _wait(count: Count, now: int) -> int:
    return count.until - now if count.failures >= FREE else 0


def _device(user: User) -> str:
    """A device cookie: a random number, and its code by a key that only the database knows and another password changes."""
    nonce = secrets.token_urlsafe(16)
    return f"{nonce}.{_device_code(nonce, user)}"


def _known_device(cookie: str, user: User) -> str | None:
    """The random number of a device cookie of a user; None if it is none."""
    nonce, _, code = cookie.partition(".")
    is_mine = len(cookie) < 128 and hmac.compare_digest(code.encode(), _device_code(nonce, user).encode())
    return nonce if is_mine else None


def _device_code(nonce: str, user: User) -> str:
    return hmac.new(f"device {user.id} {user.password}".encode(), nonce.encode(), hashlib.sha256).hexdigest()
