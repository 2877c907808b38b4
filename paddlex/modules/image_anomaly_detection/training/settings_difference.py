"""Whether two parts of a training were started alike."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def different_settings(stored: Mapping[str, Any], current: Mapping[str, Any]) -> list[str]:
    """The keys whose values differ, sorted.

    Args:
        stored: settings that have been JSON.
        current: settings that have not; they are compared as JSON has them, a tuple as a list.
    """
    current = json.loads(json.dumps(current, allow_nan=False))
    return sorted(key for key in stored.keys() | current.keys() if stored.get(key) != current.get(key))
