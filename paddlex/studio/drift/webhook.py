"""Alarms are sent to a URL: at least once, from the rows in which they are noted, on a thread of its own."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from paddlex.studio.database.schema import DriftAlarm, Product
from paddlex.studio.drift import settings, words
from paddlex.studio.rounds import Rounds
from paddlex.studio.workspace import Workspace, now_ms
from paddlex.utils.logging import logger
from paddlex.utils.posting import PostError, post_json

#: Seconds for all of it: name, connection, request and the head of the answer.
TIMEOUT = 10.0

#: Seconds until it is tried again, twice as long each time, up to an hour; given up after two days.
_FIRST_PAUSE, _LONGEST_PAUSE, MOST_ATTEMPTS = 5.0, 3600.0, 57

_LONGEST_ERROR = 255

#: Seconds after a round that has failed.
_PAUSE = 60.0


class Sender:
    """Sends what was not sent yet.

    Args:
        workspace: whose alarms.
        timeout: seconds for one.
    """

    def __init__(self, workspace: Workspace, timeout: float = TIMEOUT) -> None:
        self._workspace, self._timeout = workspace, timeout
        self._due: dict[int, int] = {}  # alarm -> when it is tried again; after a start all are tried at once
        self._rounds = Rounds("webhook", self._round, failed="The webhook could not be called", rest=_PAUSE)

    def start(self) -> None:
        """Begin."""
        self._rounds.start()

    def send_now(self) -> None:
        """There is an alarm, or the URL has changed: try everything at once."""
        self._due.clear()
        self._rounds.wake()

    def close(self) -> None:
        """End; what is under way may take until its timeout, and nobody waits for that: it is sent again another time."""
        self._rounds.close(waits=False)

    def send(self) -> float:
        """Send what is due; returns in how many seconds to come again."""
        with self._workspace.reading() as session:
            webhook = settings.webhook(session)
            if webhook.url is None:
                return _LONGEST_PAUSE
            query = (
                select(DriftAlarm, Product.name).join(Product, Product.id == DriftAlarm.product_id)
                .where(DriftAlarm.sent_at.is_(None), DriftAlarm.at >= webhook.since, DriftAlarm.attempts < MOST_ATTEMPTS)
                .order_by(DriftAlarm.at, DriftAlarm.id)
            )  # fmt: skip
            waiting = session.execute(query).tuples().all()
        for alarm, product in waiting:
            if self._rounds.is_closed:
                break
            if self._due.get(alarm.id, 0) <= now_ms():
                error = deliver(webhook.url, message(alarm, product), self._timeout)
                self._note(alarm.id, error)
        now = now_ms()
        pauses = [
            max(0.0, (self._due.get(alarm.id, now) - now) / 1000) for alarm, _ in waiting if alarm.id in self._due
        ]
        return min([_LONGEST_PAUSE, *pauses])

    def _note(self, number: int, error: str) -> None:
        with self._workspace.writing() as session:
            row = session.get(DriftAlarm, number)
            if row is None:
                return
            row.attempts += 1
            row.error = error[:_LONGEST_ERROR]
            if error:
                pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** (row.attempts - 1))
                self._due[number] = now_ms() + round(1000 * pause)
                logger.warning("The webhook did not take alarm %d: %s", number, error)
            else:
                row.sent_at = now_ms()
                self._due.pop(number, None)

    def _round(self) -> float:
        return max(1.0, self.send())


def message(alarm: DriftAlarm, product: str) -> dict[str, Any]:
    """What is sent: whoever gets it twice knows it by its ``id``."""
    return {
        "event": "drift",
        "id": alarm.id,
        "product": product,
        "cause": alarm.cause,
        "at": alarm.at,
        "words": words.of_alarm(alarm.cause, alarm.details),
        "details": alarm.details,
    }


def deliver(url: str, content: dict[str, Any], timeout: float = TIMEOUT) -> str:
    """POST JSON to a URL; returns what went wrong, empty for an answer of 2xx."""
    try:
        post_json(url, content, timeout)
    except PostError as error:
        return str(error)
    return ""
