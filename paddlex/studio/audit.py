"""The audit trail: every change of a model, a threshold, a region or a user, each entry bound to the one before by its hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from paddlex.studio.database.schema import AuditEntry
from paddlex.studio.workspace import now_ms

#: What the first entry has before it.
NO_HASH = "0" * 64


@dataclass(frozen=True)
class Verification:
    """What a look at the whole trail has found.

    Attributes:
        entries: how many there are, up to the first that is wrong.
        head: the hash of the last of them; noted down elsewhere, it shows later whether anything up to it was changed.
        error: what is wrong with the first entry that is; empty where all are right.
    """

    entries: int
    head: str
    error: str = ""

    @property
    def is_intact(self) -> bool:
        """Whether nothing is wrong."""
        return not self.error


def append(session: Session, *, by: str, action: str, product: str = "", details: Mapping[str, Any]) -> AuditEntry:
    """Add an entry in the caller's transaction: what it tells of and the entry are kept together, or neither is.

    Args:
        session: of ``Workspace.writing``, so that entries are written one after another.
        by: who did it: a user's name, ``console`` or ``studio``.
        action: dotted words, such as ``version.live``.
        product: whose it is; empty where it is nobody's.
        details: what JSON can say; never a password or a token.

    Raises:
        ValueError: ``details`` hold what JSON cannot say, such as NaN.
    """
    written = _canonical(details)
    last = session.execute(
        select(AuditEntry.number, AuditEntry.hash).order_by(AuditEntry.number.desc()).limit(1)
    ).one_or_none()
    entry = AuditEntry(
        number=1 if last is None else last.number + 1,
        at=now_ms(),
        by=by,
        action=action,
        product=product,
        details=written,
        previous=NO_HASH if last is None else last.hash,
    )
    entry.hash = hash_of(entry)
    session.add(entry)
    session.flush()
    return entry


def hash_of(entry: AuditEntry) -> str:
    """SHA-256 of an entry's canonical JSON, in hexadecimal.

    Canonical: an object with the keys at, action, by, details (a string: JSON too), number, previous and product in the
    order of the alphabet, without spaces, other characters than ASCII escaped.
    """
    told = {key: getattr(entry, key) for key in ("number", "at", "by", "action", "product", "details", "previous")}
    return hashlib.sha256(_canonical(told).encode("ascii")).hexdigest()


def verify(session: Session, expected: str | None = None) -> Verification:
    """Look at every entry: its number follows the last one's, it names that one's hash, and its own hash is right.

    A chain shows what was changed within it. That its end was cut off, or all of it was written anew, shows only by a hash
    that was noted down elsewhere.

    Args:
        session: that reads.
        expected: the hash of an entry that must be there.
    """
    number, head, is_found = 0, NO_HASH, expected in (None, NO_HASH)
    query = select(AuditEntry).order_by(AuditEntry.number).execution_options(yield_per=1000)
    try:
        for entry in session.scalars(query):
            if (error := _error_of(entry, number, head)) is not None:
                return Verification(number, head, error)
            number, head = entry.number, entry.hash
            is_found = is_found or head == expected
            session.expunge(entry)  # a trail of any length takes the same memory
    except SQLAlchemyError:  # say, text that is no text
        return Verification(number, head, f"what follows entry {number} cannot be read")
    if not is_found:
        what = "no entry has the expected hash: entries were removed from the end, or the trail was written anew"
        return Verification(number, head, what)
    return Verification(number, head)


def _error_of(entry: AuditEntry, number: int, head: str) -> str | None:
    """What is wrong with an entry, given the number and the hash of the one before it."""
    if entry.number > number + 1:
        return f"entry {number + 1} is missing"
    if entry.number != number + 1:
        return f"entry {entry.number} is out of order"
    if entry.previous != head:
        return f"entry {entry.number} does not follow the one before it"
    try:
        is_right = entry.hash == hash_of(entry)
    except (TypeError, ValueError):  # what is not even of the kind that was written
        is_right = False
    return None if is_right else f"entry {entry.number} was changed after it was written"


def _canonical(value: Mapping[str, Any]) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
