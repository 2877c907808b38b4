"""The shipped file of a station shows every source and port with all of its keys, each with its default where it has one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from paddlex.config_schema import Section
from paddlex.line.config import SHIPPED
from paddlex.line.kinds import PORTS, SOURCES, Kind

TEXT = (Path(__file__).parents[2] / SHIPPED).read_text(encoding="utf-8")


def examples() -> dict[str, dict[str, Any]]:
    """Type -> what the file says of it, commented out or not."""
    sources, ports = TEXT[TEXT.index("\nSource:") :].split("\nPorts:\n")
    blocks = [block for block in re.split(r"^(?:# )?Source:\n", sources, flags=re.MULTILINE) if "type:" in block]
    found = [yaml.safe_load(re.sub("^# ", "", block, flags=re.MULTILINE)) for block in blocks]
    found += yaml.safe_load(re.sub("^#", "", ports, flags=re.MULTILINE)).values()
    return {example["type"]: example for example in found}


def differences(schema: type[Section], example: dict[str, Any], prefix: str = "") -> list[str]:
    """Keys that are missing, or not there, or shown with another value than their default."""
    fields = schema.model_fields
    wrong = [f"{prefix}{key}" for key in set(fields) ^ set(example)]
    for key, field in fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            wrong += differences(field.annotation, example.get(key, {}), f"{prefix}{key}.")
        elif not field.is_required() and example.get(key) != field.get_default(call_default_factory=True):
            wrong.append(f"{prefix}{key}: {example.get(key)}")
    return sorted(wrong)


@pytest.mark.parametrize(("name", "kind"), [*SOURCES.items(), *PORTS.items()])
def test_each_source_and_port_is_shown_with_every_key(name: str, kind: Kind) -> None:
    if name == "none":
        return
    given = examples()[name]
    del given["type"]
    if name == "http":
        given["answers"] = "all"  # not shown: it answers whoever asks
    options = kind.resolve().options
    assert differences(options, given) == []
    options.model_validate(given)
