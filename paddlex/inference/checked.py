"""What may stand in a file or an argument: finite numbers, known words. One checked dataclass for each block of a file."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, fields, is_dataclass
from typing import Any, TypeVar, get_type_hints

Check = Callable[[Any], Any]
Block = TypeVar("Block", bound="Checked")

_LARGEST = 3.4028234e38  # of float32, which maps and scores are
_LONGEST = 60


class Invalid(ValueError):
    """A value that cannot be.

    Args:
        problem: what it must be, as in "must be a finite number".
        key: the dotted name of the value, within what was checked; "" for that itself.
    """

    def __init__(self, problem: str, key: str = "") -> None:
        self.problem, self.key = problem, key
        super().__init__(f"{key} {problem}" if key else problem)


@dataclass(frozen=True)
class Checked:
    """Base of dataclasses whose values are checked whenever one is made: from a file, by a program, by ``replace``.

    The check of a field stands in its type, ``Annotated[float, number]``; the field becomes what the check returns.

    Raises:
        Invalid: a value that cannot be.
    """

    def __post_init__(self) -> None:
        for name, check in _checks(type(self)).items():
            object.__setattr__(self, name, named(name, check, getattr(self, name)))

    @classmethod
    def parse(cls: type[Block], values: object) -> Block:
        """One of a section of a YAML or JSON file; a key that is not known is an error, for it may be a typing error.

        Raises:
            Invalid: no section, an unknown key, one that is missing, or a value that cannot be.
        """
        section = mapping(values)
        known = {one.name: one for one in fields(cls)}
        for key in section:
            if key not in known:
                raise Invalid("is not known", shown(key))
        for name, one in known.items():
            if name not in section and one.default is MISSING and one.default_factory is MISSING:
                raise Invalid("is missing", name)
        return cls(**section)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for YAML and JSON: what ``parse`` takes."""
        return {one.name: _plain(getattr(self, one.name)) for one in fields(self)}


def _checks(block: type[Checked]) -> dict[str, Check]:
    """Field -> check."""
    types = get_type_hints(block, include_extras=True)
    return {one.name: types[one.name].__metadata__[0] for one in fields(block)}


def named(name: str, check: Check, value: Any) -> Any:
    """What ``check`` makes of a value; an error gets its name, and the value.

    Raises:
        Invalid: the value cannot be.
    """
    try:
        return check(value)
    except Invalid as error:
        if error.key:
            raise Invalid(error.problem, name + ("" if error.key.startswith("[") else ".") + error.key) from None
        is_told = error.problem.startswith("must")  # what a value must be, beside what it is
        raise Invalid(f"{error.problem}, not {shown(value)}" if is_told else error.problem, name) from None


def shown(value: object) -> str:
    """A value as an error may show it: on one line, and not all of a long one."""
    if isinstance(value, Mapping):
        return "a section"
    if isinstance(value, (list, tuple)):
        return "a list"
    text = repr(value) if value is None or isinstance(value, (str, int, float)) else f"a {type(value).__name__}"
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def number(value: Any) -> float:
    """A finite number that a map of float32 can hold; text that stands for one, too, for YAML takes 1e-3 for text."""
    try:
        found = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        found = math.nan
    if not abs(found) <= _LARGEST:
        raise Invalid("must be a finite number")
    return found


def within(low: float, high: float, words: str, *, open_below: bool = False, open_above: bool = False) -> Check:
    """A check for a number from ``low`` to ``high``; the open ends are not in it."""

    def check(value: Any) -> float:
        found = number(value)
        is_in = (low < found if open_below else low <= found) and (found < high if open_above else found <= high)
        if not is_in:
            raise Invalid(f"must be {words}")
        return found

    return check


#: A probability: neither 0 nor 1.
rate = within(0, 1, "between 0 and 1", open_below=True, open_above=True)
#: A part of something, less than all of it.
share = within(0, 1, "0 or more, and below 1", open_above=True)
#: A part of something, or all of it.
fraction = within(0, 1, "from 0 to 1")


def whole(least: int, most: int | None = None) -> Check:
    """A check for a whole number."""

    def check(value: Any) -> int:
        if (
            isinstance(value, bool)
            or not isinstance(value, int)
            or value < least
            or (most is not None and value > most)
        ):
            raise Invalid(f"must be a whole number, {least} " + ("or more" if most is None else f"to {most}"))
        return value

    return check


def text(value: Any) -> str:
    """Text that is not empty."""
    if not isinstance(value, str) or not value:
        raise Invalid("must be text (quote it if YAML takes it for a number)")
    return value


def word(*words: str) -> Check:
    """A check for one of some words."""
    listed = " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))

    def check(value: Any) -> str:
        if not isinstance(value, str) or value not in words:
            raise Invalid(f"must be {listed}")
        return value

    return check


def list_of(check_one: Check, *, least: int = 0, length: int | None = None) -> Check:
    """A check for a list whose values pass a check."""

    def check(value: Any) -> list[Any]:
        is_list = isinstance(value, Sequence) and not isinstance(value, (str, bytes))
        if not is_list or len(value) < least or (length is not None and len(value) != length):
            count = f"{length} values" if length is not None else f"{least} or more values" if least else "values"
            raise Invalid(f"must be a list of {count}")
        return [named(f"[{place}]", check_one, one) for place, one in enumerate(value)]

    return check


def mapping(value: Any) -> dict[str, Any]:
    """A section of keys."""
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise Invalid("must be a section of keys")
    return dict(value)


def block(kind: type[Block]) -> Check:
    """A check for a block of this kind, or for the section of a file that is one."""
    return lambda value: value if isinstance(value, kind) else kind.parse(value)


def optional(check: Check) -> Check:
    """A check that lets None pass."""
    return lambda value: None if value is None else check(value)


def _plain(value: Any) -> Any:
    if isinstance(value, Checked):
        return value.to_dict()
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, (list, tuple)) else value
