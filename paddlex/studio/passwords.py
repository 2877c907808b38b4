"""Passwords: which may be used, and how they are hashed. Hashing is dear on purpose, so only so much of it is done at once."""

from __future__ import annotations

import asyncio
import threading
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

from paddlex.errors import WorkspaceError
from paddlex.inference.serving.errors import Busy

T = TypeVar("T")

LEAST_CHARACTERS = 10
MOST_BYTES = 1024

#: Hashes that are computed at once, each in 64 MiB, and tasks that may wait for their turn.
_AT_ONCE = 2
_WAITING = 32

#: RFC 9106, section 4, the second recommended choice: Argon2id, 64 MiB, three passes, four lanes.
_HASHER = PasswordHasher(time_cost=3, memory_cost=64 * 2**10, parallelism=4, hash_len=32, salt_len=16, type=Type.ID)

#: Of no password: what a password is compared with where there is no such user, so that both take the same time.
_OF_NOBODY = _HASHER.hash("")

#: Those of the usual lists that are long enough.
_WORDS = """
0123456789 01234567890 1234567890 12345678910 123456789a 123456789q 1234567891 0987654321 9876543210
1q2w3e4r5t 1q2w3e4r5t6y 1qaz2wsx3edc 1qazxsw23edc a123456789 abc1234567 abcd123456 abcdefghij administrator
adminadmin asdfghjkl1 asdfghjkl123 changeme123 football123 iloveyou123 liverpool1 manchester1 michelle123
p@ssw0rd123 passw0rd123 password01 password11 password12 password123 password1234 password12345 password123456
passwordpassword q1w2e3r4t5 q1w2e3r4t5y6 qazwsxedcrfv qwerty1234 qwerty12345 qwerty123456 qwertyuiop
qwertyuiop1 qwertyuiop123 sunshine123 superman123 welcome123 welcome1234 woaini1314520 zaq12wsxcde3 zxcvbnm123
letmein123 administrator1 engineer123 operator123
"""
_COMMON = frozenset(_WORDS.split())


def check_new(password: str, name: str) -> None:
    """See that a password may be used by a user.

    Raises:
        WorkspaceError: it is too short or too long, or among the first that anyone would try.
    """
    plain = _normal(password)
    if len(plain) < LEAST_CHARACTERS:
        raise WorkspaceError(f"the password has fewer than {LEAST_CHARACTERS} characters", remedy="Choose a longer one")
    if len(plain.encode()) > MOST_BYTES:
        raise WorkspaceError(f"the password has more than {MOST_BYTES} bytes", remedy="Choose a shorter one")
    low = plain.lower()
    if low in _COMMON or len(set(low)) < 4 or low.replace(name.lower(), "", 1).strip("0123456789!.") == "":
        raise WorkspaceError("the password is one of the first that anyone would try", remedy="Choose another one")


def hash_of(password: str) -> str:
    """The hash that is kept, with its salt and its parameters."""
    return _HASHER.hash(_normal(password))


def is_right(password: str, kept: str | None) -> bool:
    """Whether a password is the one of a hash; for None, where there is no such user, it takes as long and is not."""
    try:
        _HASHER.verify(_OF_NOBODY if kept is None else kept, _normal(password)[: MOST_BYTES + 1])
    except (VerificationError, InvalidHashError):
        return False
    return kept is not None


def is_outdated(kept: str) -> bool:
    """Whether a hash was made with other parameters than hashes are now."""
    return _HASHER.check_needs_rehash(kept)


def _normal(password: str) -> str:
    """What is typed alike is the same, whichever of Unicode's spellings a keyboard chooses (NIST SP 800-63B, 5.1.1.2)."""
    return unicodedata.normalize("NFKC", password)


class Bench:
    """The threads on which passwords are hashed: few, so that a thousand sign-ins at once leave the rest its processors."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="password")
        self._places = threading.BoundedSemaphore(_AT_ONCE + _WAITING)

    async def run(self, work: Callable[[], T]) -> T:
        """Do it on one of them; a client that leaves meanwhile makes no room before it is done.

        Raises:
            Busy: too many wait already.
        """
        if not self._places.acquire(blocking=False):
            raise Busy("too many people sign in at once", retry_after=2)
        future = self._pool.submit(work)
        future.add_done_callback(lambda _: self._places.release())
        return await asyncio.shield(asyncio.wrap_future(future))

    def close(self) -> None:
        """Wait for what is at work."""
        self._pool.shutdown(cancel_futures=True)
