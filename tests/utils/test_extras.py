"""Messages that say what to install or to run are right wherever the package is installed, not in its source alone."""

from __future__ import annotations

import ast
import importlib.metadata
import re
from pathlib import Path

import pytest
from setuptools import Distribution

import paddlex
from paddlex.utils.extras import install

PACKAGE = Path(paddlex.__file__).parent
#: What is not there, or does not work, beside a wheel.
ONLY_IN_THE_SOURCE = re.compile(
    r"""checkout|main\.py|docs/\w+\.md|\bmake (demo|test|install|lint)\b|pip install ["']?\."""
)


def test_extras_are_added_by_the_name_of_the_distribution(distribution: Distribution) -> None:
    assert install("train", "cpu") == f'pip install "{distribution.get_name()}[train,cpu]"'


def test_they_are_added_to_the_source_where_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    assert install("serving") == f'pip install "{PACKAGE.parent}[serving]"'


def test_every_extra_that_a_message_names_exists(distribution: Distribution) -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py"))
    calls = re.findall(r"\binstall\(((?:['\"]\w+['\"](?:, )?)+)\)", source)
    named = {name for call in calls for name in re.findall(r"\w+", call)}
    assert {"serving", "train"} <= named <= set(distribution.extras_require)


def _words(path: Path) -> list[str]:
    """The strings of a file, without its docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    remarks = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    texts = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str))
    return [node.value for node in texts if id(node) not in remarks]


def test_no_message_takes_the_source_for_granted() -> None:
    said = {path: _words(path) for path in PACKAGE.rglob("*.py")}
    pages = [path for suffix in ("js", "html") for path in PACKAGE.rglob(f"*.{suffix}")]
    said |= {path: [path.read_text(encoding="utf-8")] for path in pages}
    texts = [(path.name, text) for path, texts in said.items() for text in texts]
    assert [one for one in texts if ONLY_IN_THE_SOURCE.search(one[1])] == []
