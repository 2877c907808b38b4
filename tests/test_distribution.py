"""What is installed is what is here: templates, style sheets, configs and weights beside the code that reads them."""

from __future__ import annotations

from pathlib import Path

import pytest
from packaging.requirements import Requirement
from setuptools import Distribution

import paddlex

PACKAGE = Path(paddlex.__file__).parent
ROOT = PACKAGE.parent

pytestmark = pytest.mark.skipif(
    not (ROOT / "pyproject.toml").is_file(), reason="there is no source beside what is installed"
)


def test_every_file_beside_the_code_is_part_of_the_distribution(distribution: Distribution) -> None:
    packed = {
        path
        for package, patterns in distribution.package_data.items()
        for pattern in patterns
        for path in ROOT.joinpath(*package.split(".")).glob(pattern)
    }
    assert set(distribution.package_data) <= set(distribution.packages)
    beside = {path for path in PACKAGE.rglob("*.*") if path.is_file() and path.suffix not in (".py", ".pyc")}
    assert PACKAGE / "evaluation" / "report" / "templates" / "sections" / "scores.html" in beside
    assert {str(path.relative_to(ROOT)) for path in beside - packed} == set()


def test_requirements_txt_is_what_using_and_making_a_model_need_and_paddle(distribution: Distribution) -> None:
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    listed = {Requirement(text) for line in lines if (text := line.partition("#")[0].strip())}
    extras = distribution.extras_require
    assert listed == {Requirement(text) for text in (*distribution.install_requires, *extras["train"], *extras["cpu"])}


def test_the_version_stands_in_one_place(distribution: Distribution) -> None:
    assert distribution.get_version() == paddlex.__version__
    assert paddlex.__version__ not in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
