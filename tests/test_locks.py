"""The lock files name all that pyproject.toml asks for, in versions it allows, with checksums and no place to fetch from."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from setuptools import Distribution

ROOT = Path(__file__).parent.parent
RUNTIME = ("onnx", "openvino", "serving", "line", "mqtt", "opcua", "modbus")
#: A lock, the extras that it is for, and one of the packages that these bring.
LOCKS = [("demo", ("train",), "scipy"), ("test", ("dev",), "fastapi"), ("runtime", RUNTIME, "uvicorn")]
PYTHONS = ("3.10", "3.11", "3.12", "3.13")


def asked_for(distribution: Distribution, extras: set[str]) -> list[Requirement]:
    """What an installation with these extras needs; an extra may name others."""
    wanted = [Requirement(text) for text in distribution.install_requires]
    for extra in extras:
        for requirement in map(Requirement, distribution.extras_require[extra]):
            own = requirement.name == distribution.get_name()
            wanted += asked_for(distribution, requirement.extras) if own else [requirement]
    return wanted


def locked(name: str) -> list[Requirement]:
    text = (ROOT / "locks" / f"{name}.txt").read_text(encoding="utf-8").replace("\\\n", "")
    return [Requirement(line.partition("--hash")[0]) for line in text.splitlines()]


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize(("lock", "extras", "among"), LOCKS)
def test_a_lock_has_all_that_is_asked_for_in_versions_that_are_allowed(
    distribution: Distribution, lock: str, extras: tuple[str, ...], among: str, python: str
) -> None:
    here = {"python_version": python, "python_full_version": f"{python}.1", "sys_platform": "linux",
            "platform_machine": "x86_64", "platform_system": "Linux", "platform_python_implementation": "CPython"}  # fmt: skip
    chosen = [one for one in locked(lock) if one.marker is None or one.marker.evaluate(here)]
    versions = {canonicalize_name(one.name): next(iter(one.specifier)).version for one in chosen}
    assert len(versions) == len(chosen)
    wanted = asked_for(distribution, set(extras))
    assert among in {requirement.name for requirement in wanted}
    for requirement in wanted:
        if requirement.marker is None or requirement.marker.evaluate(here):
            assert requirement.specifier.contains(versions[canonicalize_name(requirement.name)]), str(requirement)


def test_the_lock_of_paddle_has_the_version_that_is_asked_for(distribution: Distribution) -> None:
    assert [str(one) for one in locked("paddle")] == distribution.extras_require["cpu"]


@pytest.mark.parametrize("lock", ["demo", "test", "paddle", "runtime"])
def test_a_lock_states_checksums_and_no_place(lock: str) -> None:
    text = (ROOT / "locks" / f"{lock}.txt").read_text(encoding="utf-8")
    for line in text.replace("\\\n", "").splitlines():
        assert re.fullmatch(r"[\w.-]+(?:\[\w+\])?==[\w.]+( ; [^-]+)?( +--hash=sha256:[0-9a-f]{64})+", line), line


def test_the_demonstration_is_not_asked_to_install_what_only_tests_need() -> None:
    names = {canonicalize_name(one.name) for one in locked("demo")}
    assert len(names) < 60
    assert names.isdisjoint({"pytest", "ray", "openvino", "playwright", "fastapi", "visualdl", "torch"})
