"""The users of a workspace: who they are, and what they may do."""

from __future__ import annotations

import re
import unicodedata

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from paddlex.errors import WorkspaceError
from paddlex.studio import audit, passwords
from paddlex.studio.database.schema import User
from paddlex.studio.sessions import Sessions
from paddlex.studio.workspace import Workspace, now_ms

ROLES = ("operator", "engineer")

_MOST_USERS = 1000
_NAME = re.compile(r"\w(?:[\w .@-]{0,62}\w)?")

#: What stands in the history and in the audit trail for what is no user.
_TAKEN = frozenset({"api", "console", "studio"})


class Users:
    """The users of a workspace. All methods that take a password take a while.

    Attributes:
        sessions: of these users.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self.sessions = Sessions(workspace)
        self._are_there = False

    def are_there(self) -> bool:
        """Whether there is a user: one that there is stays."""
        if not self._are_there:
            with self._workspace.reading() as session:
                self._are_there = session.scalar(select(User.id).limit(1)) is not None
        return self._are_there

    def all(self) -> list[User]:
        """By name."""
        with self._workspace.reading() as session:
            return sorted(session.scalars(select(User)), key=lambda user: user.name.casefold())

    def set_up(self, name: str, password: str, by: str | None = None) -> None:
        """Make the first engineer.

        Raises:
            WorkspaceError: there is a user already; or the name or the password may not be used.
        """
        name, kept = _checked_name(name), _new_hash(password, name)
        with self._workspace.writing() as session:
            if session.scalar(select(func.count()).select_from(User)):
                raise WorkspaceError("there is a user already", remedy="Sign in")
            _add(session, name, "engineer", kept, by or name, "user.setup")

    def add(self, name: str, role: str, password: str, by: str) -> User:
        """Make another one.

        Raises:
            WorkspaceError: the name is taken; or it or the password may not be used.
        """
        name, kept = _checked_name(name), _new_hash(password, name)
        with self._workspace.writing() as session:
            if find(session, name) is not None:
                raise WorkspaceError(f"there is a user {name}", remedy="Choose another name")
            if (session.scalar(select(func.count()).select_from(User)) or 0) >= _MOST_USERS:
                raise WorkspaceError(f"there are {_MOST_USERS} users already")
            return _add(session, name, role, kept, by, "user.add")

    def change(
        self,
        name: str,
        by: str,
        *,
        role: str | None = None,
        password: str | None = None,
        is_active: bool | None = None,
        but: str | None = None,
    ) -> User:
        """Change what is not None, and end the user's sessions, but for the one whose digest is ``but``.

        A new password also ends a lock-out.

        Raises:
            WorkspaceError: there is no such user; nobody would be left who may do everything; the password may not be used.
        """
        with self._workspace.reading() as session:
            found = known(session, name)
        kept = None if password is None else _new_hash(password, found.name)
        with self._workspace.writing() as session:
            user = known(session, name)
            changes = {"role": role, "isActive": is_active, "password": None if kept is None else "new"}
            now = {"role": user.role, "isActive": user.is_active, "password": None}
            told = {key: value for key, value in changes.items() if value not in (None, now[key])}
            if not told:
                return user
            user.role = user.role if role is None else role
            user.is_active = user.is_active if is_active is None else is_active
            if kept is not None:
                user.password, user.failures, user.locked_until = kept, 0, 0
            session.flush()
            if not session.scalar(select(User.id).where(User.role == "engineer", User.is_active).limit(1)):
                raise WorkspaceError("nobody would be left who is an engineer", remedy="Make another one first")
            self.sessions.end_all(session, user.id, but)
            audit.append(session, by=by, action="user.change", details={"name": user.name, **told})
        self.sessions.forget(user.id)
        return user

    def sign_out(self, user_id: int) -> None:
        """End all sessions of a user."""
        with self._workspace.writing() as session:
            self.sessions.end_all(session, user_id)
        self.sessions.forget(user_id)

    def set_password(self, name: str, password: str) -> str:
        """As whoever owns the workspace's files may; where there is no user yet, it makes the first engineer. Returns the name.

        Raises:
            WorkspaceError: there is no such user; the password may not be used.
        """
        if not self.are_there():
            self.set_up(name, password, by="console")
            return _checked_name(name)
        return self.change(name, "console", password=password).name


def _add(session: Session, name: str, role: str, kept: str, by: str, action: str) -> User:
    user = User(name=name, role=role, password=kept, is_active=True, failures=0, locked_until=0, made_at=now_ms())
    session.add(user)
    session.flush()
    audit.append(session, by=by, action=action, details={"name": name, "role": role})
    return user


def find(session: Session, name: str) -> User | None:
    """A user by name, in whatever case: a phone begins every word with a capital letter."""
    low = name.casefold()
    return next((user for user in session.scalars(select(User)) if user.name.casefold() == low), None)


def known(session: Session, name: str) -> User:
    """The same.

    Raises:
        WorkspaceError: there is none.
    """
    if (user := find(session, normal(name))) is None:
        raise WorkspaceError(f"there is no user {name[:64]}", remedy="Check the name")
    return user


def normal(name: str) -> str:
    """A name as it is kept: Unicode spells the same name in several ways."""
    return unicodedata.normalize("NFKC", name).strip()


def _checked_name(name: str) -> str:
    name = normal(name)
    if not _NAME.fullmatch(name):
        what = "a name has 1 to 64 letters and digits, and between them spaces, dots, dashes, underscores and @"
        raise WorkspaceError(what, remedy="Choose another one")
    if name.casefold() in _TAKEN:
        raise WorkspaceError(f"{name} stands for what is no user", remedy="Choose another name")
    return name


def _new_hash(password: str, name: str) -> str:
    passwords.check_new(password, name)
    return passwords.hash_of(password)
