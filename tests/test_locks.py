"""The lock files name all that setup.py asks for, in versions that it allows, with checksums, and no place to fetch it from."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from unittest import mock

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
PYTHONS = ("3.10", "3.11", "3.12")


@pytest.fixture(scope="module")
def extras() -> dict[str, list[str]]:
    """What setup.py asks for: ``""`` always, and by extra."""
    with mock.patch("setuptools.setup") as setup:
        runpy.run_path(str(ROOT / "setup.py"))
    given = setup.call_args.kwargs
    return {"": given["install_requires"], **given["extras_require"]}


def locked(name: str) -> list[Requirement]:
    text = (ROOT / "locks" / f"{name}.txt").read_text(encoding="utf-8").replace("\\\n", "")
    return [Requirement(line.partition("--hash")[0]) for line in text.splitlines()]


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize(
    ("lock", "wanted"), [("demo", ["", "train"]), ("test", ["", "train", "dev"]), ("paddle", ["cpu"])]
)
def test_a_lock_has_all_that_is_asked_for_in_versions_that_are_allowed(
    extras: dict[str, list[str]], lock: str, wanted: list[str], python: str
) -> None:
    here = {"python_version": python, "python_full_version": f"{python}.1", "sys_platform": "linux",
            "platform_machine": "x86_64", "platform_system": "Linux", "platform_python_implementation": "CPython"}  # fmt: skip
    chosen = [one for one in locked(lock) if one.marker is None or one.marker.evaluate(here)]
    versions = {canonicalize_name(one.name): next(iter(one.specifier)).version for one in chosen}
    assert len(versions) == len(chosen)
    for requirement in (Requirement(text) for extra in wanted for text in extras[extra]):
        assert requirement.specifier.contains(versions[canonicalize_name(requirement.name)]), str(requirement)


@pytest.mark.parametrize("lock", ["demo", "test", "paddle"])
def test_a_lock_states_checksums_and_no_place(lock: str) -> None:
    text = (ROOT / "locks" / f"{lock}.txt").read_text(encoding="utf-8")
    for line in text.replace("\\\n", "").splitlines():
        assert re.fullmatch(r"[\w.-]+==[\w.]+( ; [^-]+)?( +--hash=sha256:[0-9a-f]{64})+", line), line


def test_the_demonstration_is_not_asked_to_install_what_only_tests_need() -> None:
    names = {canonicalize_name(one.name) for one in locked("demo")}
    assert len(names) < 60
    assert names.isdisjoint({"pytest", "ray", "openvino", "playwright", "fastapi", "visualdl", "torch"})
