"""The outbox: answers on the disk, and how far each port has delivered them.

An answer is on the disk, power failure or not, before any port sees it. Before a port may deliver one, it is on the disk that
it may have been delivered: whatever is delivered twice, because the process ended in between, says so. What has been delivered
is noted without waiting for the disk: the end of the process repeats no more than one, a power failure no more than a few.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

from paddlex.errors import LineError, in_one_line
from paddlex.line.contract import Answer

FILE = "outbox.db"

#: Answers that a port may deliver until it is noted anew that it has tried: one wait for the disk for so many.
_AHEAD = 32

#: Delivered answers that are removed at once where the outbox is full.
_REMOVED_AT_ONCE = 1000

_TABLES = """
CREATE TABLE IF NOT EXISTS answers (sequence INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS ports (name TEXT PRIMARY KEY, delivered INTEGER NOT NULL, tried INTEGER NOT NULL);
"""

#: What ``body`` is a list of.
_COLUMNS = tuple(field.name for field in fields(Answer) if field.name not in ("sequence", "repeated"))


class OutboxFull(LineError):
    """An answer is not stored: the outbox has its size, and nothing in it was delivered by all."""


class DiskFull(LineError):
    """The disk takes or gives no more: it is full or broken."""


@dataclass
class _Place:
    """How far a port is, as sequences of answers.

    Attributes:
        delivered: the last that was.
        handed: the last that the port was given.
        tried: on the disk; what is above was not delivered.
        tried_before: the same when the outbox was opened.
    """

    delivered: int
    handed: int
    tried: int
    tried_before: int


class Outbox:
    """Answers that are stored in a folder, which is this one's alone.

    Args:
        folder: made if it is not there.
        ports: by their names. One that is new delivers what comes from now on; one that is gone is forgotten.
        most_bytes: that the answers may take.

    Attributes:
        changed: notified of each answer that is stored or delivered.

    Raises:
        LineError: it cannot be opened.
    """

    def __init__(self, folder: Path, ports: Sequence[str], most_bytes: int) -> None:
        self.path = folder / FILE
        self._most_bytes = most_bytes
        self.changed = threading.Condition(threading.RLock())
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._durable = self._connected("FULL")
            self._durable.executescript(_TABLES)
            self._quick = self._connected("NORMAL")
            self._last = self._number("SELECT max(sequence) FROM answers")
            self._places = {name: self._place(name) for name in ports}
            for (name,) in self._durable.execute("SELECT name FROM ports").fetchall():
                if name not in self._places:
                    self._durable.execute("DELETE FROM ports WHERE name = ?", (name,))
        except (sqlite3.Error, OSError) as error:
            remedy = "See that the disk is sound and has space, and who may write there; or set another Line.outbox"
            what = f"the outbox cannot be opened: {in_one_line(error)}"
            raise LineError(what, where=self.path, remedy=remedy) from error

    def put(self, answer: Answer) -> Answer:
        """Store an answer; returns it with its sequence.

        Raises:
            OutboxFull, DiskFull: it is not stored.
        """
        body = json.dumps([getattr(answer, name) for name in _COLUMNS], allow_nan=False)
        with self._on_disk():
            if self._is_full() and not self._remove_delivered():
                waiting = self.undelivered()
                slowest = max(waiting, key=waiting.__getitem__, default="no port")
                what = f"the outbox is full: {waiting.get(slowest, 0)} answers wait for {slowest}"
                remedy = "See why nobody takes them, remove the port, or raise Line.outbox_gb"
                raise OutboxFull(what, where=self.path, remedy=remedy)
            self._durable.execute("INSERT INTO answers VALUES (?, ?, ?)", (self._last + 1, answer.id, body))
            self._last += 1
            self.changed.notify_all()
            return replace(answer, sequence=self._last)

    def find(self, id: str) -> Answer | None:
        """The answer to a trigger, marked repeated; None where it has none, or it was removed.

        Raises:
            DiskFull: the disk does not say.
        """
        with self._on_disk():
            row = self._durable.execute("SELECT sequence, body FROM answers WHERE id = ?", (id,)).fetchone()
        return None if row is None else _answer(row[0], row[1], True)

    def next(self, port: str) -> Answer | None:
        """What a port has to deliver next; None where all is delivered.

        Raises:
            DiskFull: it cannot be noted that it was tried.
        """
        with self._on_disk():
            place = self._places[port]
            if place.delivered >= self._last:
                return None
            query = "SELECT sequence, body FROM answers WHERE sequence > ? ORDER BY sequence LIMIT 1"
            sequence, body = self._durable.execute(query, (place.delivered,)).fetchone()
            if sequence > place.tried:
                tried = sequence + _AHEAD - 1
                self._durable.execute("UPDATE ports SET tried = ? WHERE name = ?", (tried, port))
                place.tried = tried
            place.handed = max(place.handed, sequence)
            return _answer(sequence, body, sequence <= place.tried_before)

    def delivered(self, port: str, sequence: int) -> None:
        """A port has delivered an answer. What cannot be noted is delivered again after the next start, marked repeated."""
        with self.changed:
            self._places[port].delivered = sequence
            with contextlib.suppress(sqlite3.Error):
                self._quick.execute("UPDATE ports SET delivered = ? WHERE name = ?", (sequence, port))
            self.changed.notify_all()

    def waits(self, port: str, sequence: int) -> bool:
        """Whether a port has still to deliver an answer."""
        with self.changed:
            return sequence > self._places[port].delivered

    def undelivered(self) -> dict[str, int]:
        """How many answers each port has still to deliver."""
        with self.changed:
            return {name: self._last - place.delivered for name, place in self._places.items()}

    def fault(self) -> str:
        """Why the next answer could not be stored; "" if it could. Writes to see."""
        try:
            with self._on_disk():
                self._durable.execute(f"PRAGMA user_version = {self._number('PRAGMA user_version') % 1000 + 1}")
                return "the outbox is full" if self._is_full() and not self._remove_delivered() else ""
        except DiskFull as error:
            return error.what

    def close(self) -> None:
        """Note exactly what was tried, and let go."""
        with self.changed, contextlib.suppress(sqlite3.Error):
            for name, place in self._places.items():
                values = (place.delivered, max(place.handed, place.tried_before), name)
                self._durable.execute("UPDATE ports SET delivered = ?, tried = ? WHERE name = ?", values)
        self._quick.close()
        self._durable.close()

    def _connected(self, synchronous: str) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, timeout=10)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        return connection

    def _place(self, name: str) -> _Place:
        self._durable.execute("INSERT OR IGNORE INTO ports VALUES (?, ?, ?)", (name, self._last, self._last))
        row = self._durable.execute("SELECT delivered, tried FROM ports WHERE name = ?", (name,)).fetchone()
        delivered, tried = row[0], min(row[1], self._last)  # answers that come from now on were certainly not tried
        return _Place(delivered, delivered, tried, tried)

    def _number(self, query: str) -> int:
        row = self._durable.execute(query).fetchone()
        return int(row[0] or 0)

    def _is_full(self) -> bool:
        pages = self._number("PRAGMA page_count") - self._number("PRAGMA freelist_count")
        return pages * self._number("PRAGMA page_size") > self._most_bytes

    def _remove_delivered(self) -> bool:
        """Make room; the last answer stays, because the next one's sequence comes from it."""
        taken = min([self._last - 1, *(place.delivered for place in self._places.values())])
        first = self._number("SELECT min(sequence) FROM answers")
        last = min(taken, first + _REMOVED_AT_ONCE - 1)
        self._durable.execute("DELETE FROM answers WHERE sequence <= ?", (last,))
        return last >= first > 0

    @contextlib.contextmanager
    def _on_disk(self) -> Iterator[None]:
        with self.changed:
            try:
                yield
            except sqlite3.Error as error:
                remedy = "Free some space on the disk, or see whether it is sound"
                raise DiskFull(f"the outbox cannot be used: {error}", where=self.path, remedy=remedy) from error


def _answer(sequence: int, body: str, repeated: bool) -> Answer:
    return Answer(sequence, **dict(zip(_COLUMNS, json.loads(body), strict=True)), repeated=repeated)
