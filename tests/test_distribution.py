"""What is installed is what is here: templates, style sheets, configs and weights beside the code that reads them."""

from __future__ import annotations

import runpy
from pathlib import Path
from unittest import mock

import pytest

import paddlex

PACKAGE = Path(paddlex.__file__).parent
ROOT = PACKAGE.parent


@pytest.mark.skipif(not (ROOT / "setup.py").is_file(), reason="there is no source beside what is installed")
def test_every_file_beside_the_code_is_part_of_the_distribution(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    with mock.patch("setuptools.setup") as setup:
        runpy.run_path(str(ROOT / "setup.py"))
    given = setup.call_args.kwargs
    packed = {
        path
        for package, patterns in given["package_data"].items()
        for pattern in patterns
        for path in ROOT.joinpath(*package.split(".")).glob(pattern)
    }
    assert set(given["package_data"]) <= set(given["packages"])
    beside = {path for path in PACKAGE.rglob("*.*") if path.is_file() and path.suffix not in (".py", ".pyc")}
    assert PACKAGE / "evaluation" / "report" / "templates" / "sections" / "scores.html" in beside
    assert {str(path.relative_to(ROOT)) for path in beside - packed} == set()
