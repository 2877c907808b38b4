"""What is done with a workspace from the command line, beside a studio that may be at work in it."""

from __future__ import annotations

import getpass
import sys

from paddlex.errors import WorkspaceError
from paddlex.studio import audit
from paddlex.studio.passwords import MOST_BYTES
from paddlex.studio.users import Users
from paddlex.studio.workspace import Workspace
from paddlex.utils.console import say


def set_password(workspace: Workspace, name: str) -> int:
    """Give a user another password, read from standard input; where there is no user yet, make the first engineer.

    Raises:
        WorkspaceError: there is no such user; the password may not be used.
    """
    users = Users(workspace)
    try:
        name = users.set_password(name, _read_password())
    finally:
        users.sessions.close()
    say(f"{name} has a new password, and has to sign in again.")
    return 0


def verify_audit(workspace: Workspace, expected: str | None) -> int:
    """Print what a look at the whole audit trail has found; returns 0 where nothing is wrong, else 1."""
    with workspace.reading() as session:
        found = audit.verify(session, None if expected is None else expected.strip().lower())
    if not found.is_intact:
        say(f"The audit trail is not as it was written: {found.error}.")
        say(f"Right until there: {found.entries} entries, the last with the hash {found.head}")
        return 1
    say(f"The audit trail is a whole chain of {found.entries} entries.")
    say(f"Hash of the last, to note down elsewhere: {found.head}")
    if expected is None:
        say(
            "Only with --expect HASH, noted down before, does it show that no entry was removed from the end, or all rewritten."
        )
    return 0


def _read_password() -> str:
    """From a terminal, where it is not shown and asked for twice, or one line of a pipe."""
    if not sys.stdin.isatty():
        return sys.stdin.readline(MOST_BYTES + 2).rstrip("\r\n")
    password = getpass.getpass("New password: ")
    if getpass.getpass("Once more: ") != password:
        raise WorkspaceError("the two are not the same", remedy="Try again")
    return password
