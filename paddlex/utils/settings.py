"""YAML files of settings, which users write by hand: what stands at each key, and where; which key one that is unknown is for.

What the values may be is checked by whoever reads them: a model's config by pydantic, a pipeline's file without it.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Collection
from typing import Any, NamedTuple

import yaml

from paddlex.errors import ConfigError, remedy_of
from paddlex.utils.strict import Malformed, compose_yaml, construct_yaml, read_text

#: How alike a key must be to be the one that was meant.
SOMEWHAT = 0.6

#: The same where not only its last part is compared, so that what sections share counts as alike.
_ALIKE_IN_WHOLE = 0.75

_MOST_SHOWN = 80


class Settings(NamedTuple):
    """What a file says.

    Attributes:
        values: of the keys of each section.
        origin: where each dotted key stands: the file and its line.
    """

    values: dict[str, Any]
    origin: dict[str, str]


def read_settings(
    path: str | os.PathLike[str],
    *,
    kind: str = "",
    holds: str = "keys",
    start: str,
    may_be_empty: bool = False,
    scalar: Callable[[yaml.ScalarNode, str], Any] | None = None,
) -> Settings:
    """Read a file.

    Args:
        path: of the file.
        kind: what errors call it besides a file, such as "config".
        holds: what its top level maps to.
        start: the remedy for whoever gives a file of something else.
        may_be_empty: whether a file without any key is one.
        scalar: makes the value of what stands at a key, if not ``strict.yaml_value``.

    Raises:
        ConfigError: it cannot be read, is no strict YAML or no mapping.
    """
    called = f"the {kind or 'file'}"
    try:
        node = compose_yaml(read_text(path))
        if node is None and may_be_empty:
            return Settings({}, {})
        if not isinstance(node, yaml.MappingNode):
            raise ConfigError(f"{called} is not a mapping of {holds}", where=path, remedy=start)
        lines: dict[str, int] = {}
        values = construct_yaml(node, lines=lines, scalar=scalar)
    except OSError as error:
        reason, file = error.strerror or str(error), f"{called} file" if kind else called
        raise ConfigError(f"{file} cannot be read: {reason}", where=path, remedy=remedy_of(error, start)) from None
    except Malformed as error:
        remedy = error.remedy if is_yaml(path) else start
        raise ConfigError(f"{called} {error}", where=error.where(path), remedy=remedy) from None
    return Settings(values, {key: f"{os.fspath(path)} line {line}" for key, line in lines.items()})


def is_yaml(name: str | os.PathLike[str]) -> bool:
    """Whether a file is YAML, by its name."""
    return os.fspath(name).lower().endswith((".yaml", ".yml"))


def nearest_key(key: str, known: Collection[str], alike: float = SOMEWHAT) -> str | None:
    """What to say to who wrote a key that is not there, as a remedy; None where no key is like it.

    Args:
        key: the dotted key.
        known: all dotted keys that there are.
        alike: how much another one must be to be meant, from 0 to 1.
    """
    for other in known:
        if other.casefold() == key.casefold():
            return f"It is written {other}: small and capital letters differ"
    name = key.rpartition(".")[2]
    _, siblings = siblings_of(key, known)
    close = difflib.get_close_matches(name, siblings, n=1, cutoff=alike)
    close = close or [sibling for sibling in siblings if len(name) > 3 and sibling.startswith(name)][:1]
    near = [siblings[sibling] for sibling in close]
    near = near or [other for other in known if other.rpartition(".")[2].casefold() == name.casefold()]
    if not near and not siblings:
        near = difflib.get_close_matches(key, known, n=1, cutoff=max(alike, _ALIKE_IN_WHOLE))
    return f"Did you mean {' or '.join(near)}?" if near else None


def siblings_of(key: str, known: Collection[str]) -> tuple[str, dict[str, str]]:
    """The section that a key is in, as it is written, and its keys: last part -> dotted key."""
    section = key.rpartition(".")[0]
    sections = (other.rpartition(".")[0] for other in known)
    section = next((other for other in sections if other.casefold() == section.casefold()), section)
    return section, {other.rpartition(".")[2]: other for other in known if other.rpartition(".")[0] == section}


def shortened(text: str) -> str:
    """What somebody wrote, as much of it as fits a message."""
    return text if len(text) <= _MOST_SHOWN else f"{text[: _MOST_SHOWN - 3]}..."
