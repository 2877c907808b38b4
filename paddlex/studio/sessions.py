"""Sessions: who is signed in. The browser has a random token, the database only its digest."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import re
import secrets
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from sqlalchemy import delete, or_, select, update
from sqlalchemy.orm import Session

from paddlex.errors import WorkspaceError
from paddlex.studio.database.schema import Session as SessionRow
from paddlex.studio.database.schema import User
from paddlex.studio.workspace import Workspace, now_ms

#: A session ends so long after the last request, and so long after the sign-in, in milliseconds.
IDLE = 12 * 3600_000
ABSOLUTE = 7 * 24 * 3600_000

#: The last request is noted no more often.
_NOTED = 5 * 60_000

#: For so many seconds what the database said holds: it may be changed from the command line, beside the service.
_FRESH = 5.0

#: Of so many sessions.
_REMEMBERED = 10_000

#: Sessions that one user has at once; the oldest makes room.
_OF_ONE_USER = 50

_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True)
class SignedIn:
    """Who is signed in by a token.

    Attributes:
        digest: of the token.
        csrf: what unsafe requests of this session send besides: known to the studio's page alone.
    """

    digest: str
    user_id: int
    name: str
    role: str
    csrf: str


class Sessions:
    """The sessions of a workspace, those in use remembered for seconds, so that not every picture asks the database."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._remembered: dict[str, tuple[SignedIn, float]] = {}
        self._changes = 0
        self._lock = threading.Lock()
        self._later = ThreadPoolExecutor(1, thread_name_prefix="session seen")

    def begin(self, session: Session, user: User) -> str:
        """Sign a user in, in the caller's transaction; returns the token, a new one."""
        now = now_ms()
        over = or_(SessionRow.made_at < now - ABSOLUTE, SessionRow.seen_at < now - IDLE)
        session.execute(delete(SessionRow).where(over))
        mine = select(SessionRow.token_digest).where(SessionRow.user_id == user.id).order_by(SessionRow.made_at.desc())
        for digest in session.scalars(mine.offset(_OF_ONE_USER - 1)).all():
            session.execute(delete(SessionRow).where(SessionRow.token_digest == digest))
        token = secrets.token_urlsafe(32)
        session.add(SessionRow(token_digest=_digest(token), user_id=user.id, made_at=now, seen_at=now))
        return token

    def remembered(self, token: str) -> SignedIn | None:
        """Whose a token is, if that was asked a moment ago; it asks no database."""
        found = self._remembered.get(_digest(token))
        return found[0] if found is not None and time.monotonic() < found[1] else None

    def find(self, token: str) -> SignedIn | None:
        """Whose a token is; None for nobody's, and for one whose time is over."""
        if not _TOKEN.fullmatch(token):
            return None
        digest, changes, now = _digest(token), self._changes, now_ms()
        with self._workspace.reading() as session:
            row = session.execute(
                select(SessionRow, User)
                .join(User, User.id == SessionRow.user_id)
                .where(SessionRow.token_digest == digest)
            ).one_or_none()
        if row is None:
            return None
        known, user = row
        if not user.is_active or now > known.made_at + ABSOLUTE or now > known.seen_at + IDLE:
            return None
        if now > known.seen_at + _NOTED:
            self._later.submit(self._note, digest, now)  # whoever asks need not wait until others have written
        found = SignedIn(digest, user.id, user.name, user.role, csrf_of(token))
        with self._lock:
            if changes == self._changes:  # else it may have been ended meanwhile
                if len(self._remembered) >= _REMEMBERED:
                    self._remembered.clear()
                self._remembered[digest] = (found, time.monotonic() + _FRESH)
        return found

    def _note(self, digest: str, now: int) -> None:
        with contextlib.suppress(WorkspaceError), self._workspace.writing() as session:  # else the next request does it
            session.execute(update(SessionRow).where(SessionRow.token_digest == digest).values(seen_at=now))

    def close(self) -> None:
        """Note what is still to be noted."""
        self._later.shutdown()

    def end(self, digest: str) -> None:
        """End one session."""
        with self._workspace.writing() as session:
            session.execute(delete(SessionRow).where(SessionRow.token_digest == digest))
        with self._lock:
            self._changes += 1
            self._remembered.pop(digest, None)

    def end_all(self, session: Session, user_id: int, but: str | None = None) -> None:
        """End a user's sessions, but for one, in the caller's transaction; call ``forget`` after it."""
        theirs = SessionRow.user_id == user_id
        session.execute(delete(SessionRow).where(theirs, SessionRow.token_digest != (but or "")))

    def forget(self, user_id: int) -> None:
        """Ask the database about this user's sessions again."""
        with self._lock:
            self._changes += 1
            self._remembered = {key: value for key, value in self._remembered.items() if value[0].user_id != user_id}


def csrf_of(token: str) -> str:
    """The CSRF token of a session: it follows from the session's token, and the session's token does not follow from it."""
    return hmac.new(token.encode(), b"csrf", hashlib.sha256).hexdigest()


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
