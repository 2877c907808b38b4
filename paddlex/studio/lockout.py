"""Lock-out: after some wrong passwords the next one has to wait, longer each time."""

from __future__ import annotations

import ipaddress
import threading
from collections import OrderedDict
from dataclasses import dataclass

#: Wrong passwords that cost nothing, the first pause and the longest, in milliseconds.
FREE = 5
_FIRST, _LONGEST = 30_000, 15 * 60_000

#: After so long without a wrong password all is forgotten.
_FORGOTTEN = 24 * 3600_000

#: Of names that are nobody's, and of addresses, the latest are remembered.
_REMEMBERED = 10_000


@dataclass(frozen=True)
class Count:
    """Wrong passwords in a row.

    Attributes:
        failures: how many.
        until: when the next password is looked at; before a pause, when the last wrong one came. In ms.
    """

    failures: int = 0
    until: int = 0


def next_count(count: Count, now: int) -> Count:
    """After one more: 30 s from the fifth on, twice as long each time, at most a quarter of an hour."""
    failures = 1 if now - count.until > _FORGOTTEN else count.failures + 1
    pause = 0 if failures < FREE else min(_LONGEST, _FIRST << min(failures - FREE, 16))
    return Count(failures, now + pause)


class Counts:
    """A count for each of many keys, such as addresses; safe on threads."""

    def __init__(self) -> None:
        self._counts: OrderedDict[str, Count] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: str, otherwise: Count = Count()) -> Count:
        """The count of a key, and what it is where none is remembered."""
        with self._lock:
            return self._counts.get(key, otherwise)

    def add(self, key: str, now: int, otherwise: Count = Count()) -> Count:
        """Count one more."""
        with self._lock:
            count = self._counts[key] = next_count(self._counts.get(key, otherwise), now)
            self._counts.move_to_end(key)
            while len(self._counts) > _REMEMBERED:
                self._counts.popitem(last=False)
            return count

    def clear(self, key: str) -> None:
        """Forget a key's."""
        with self._lock:
            self._counts.pop(key, None)


def neighbourhood(address: str) -> str:
    """What is counted as one address: of IPv6 the network, of which a single customer has 2^64 addresses."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return str(ip.ipv4_mapped)
        return str(ipaddress.ip_network((ip, 64), strict=False))
    return str(ip)
