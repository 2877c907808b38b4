"""What is set for drift: when shifts begin, where alarms are sent, and since when a product is as it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from paddlex.studio.database.schema import Setting
from paddlex.studio.drift.shifts import Shifts
from paddlex.utils.posting import place_of

_SHIFTS, _WEBHOOK, _BASELINE = "shifts", "webhook", "drift/{}"


@dataclass(frozen=True)
class Webhook:
    """Where alarms are sent.

    Attributes:
        url: of http or https; None for nowhere.
        since: alarms from this moment on, ms UTC.
    """

    url: str | None = None
    since: int = 0

    @property
    def place(self) -> str | None:
        """The URL without what may be secret in it: scheme, host and port."""
        return None if self.url is None else place_of(self.url)


def shifts(session: Session) -> Shifts:
    """The shifts of a workspace; at first three, of eight hours, in UTC."""
    kept = session.get(Setting, _SHIFTS)
    return Shifts() if kept is None else Shifts(tuple(kept.value["starts"]), kept.value["timeZone"])


def set_shifts(session: Session, new: Shifts) -> None:
    """Set the shifts of a workspace."""
    session.merge(Setting(name=_SHIFTS, value={"starts": list(new.starts), "timeZone": new.time_zone}))


def webhook(session: Session) -> Webhook:
    """Where a workspace sends its alarms."""
    kept = session.get(Setting, _WEBHOOK)
    return Webhook() if kept is None else Webhook(kept.value["url"], kept.value["since"])


def set_webhook(session: Session, new: Webhook) -> None:
    """Set where a workspace sends its alarms."""
    session.merge(Setting(name=_WEBHOOK, value={"url": new.url, "since": new.since}))


def baseline(session: Session, product_id: int) -> int:
    """When somebody last said of a product that this is how it is now, ms UTC; 0 for never."""
    kept = session.get(Setting, _BASELINE.format(product_id))
    return 0 if kept is None else int(kept.value["since"])


def set_baseline(session: Session, product_id: int, since: int) -> None:
    """Say it."""
    value: dict[str, Any] = {"since": since}
    session.merge(Setting(name=_BASELINE.format(product_id), value=value))
