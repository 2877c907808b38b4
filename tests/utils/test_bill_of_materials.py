"""What is installed is known by name, version and licence, and what binds who passes it on is named in the documents."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from paddlex.utils.bill_of_materials import installed, licence

PAGE = (Path(__file__).parents[2] / "docs" / "licences.md").read_text(encoding="utf-8")
ROWS = dict(re.findall(r"^\| ([\w.-]+) \| (.+) \|$", PAGE, re.MULTILINE))


def test_the_bill_names_every_component_with_its_version_and_licence_and_what_needs_it() -> None:
    done = subprocess.run([sys.executable, "-m", "paddlex.utils.bill_of_materials"], capture_output=True, text=True)
    bill = json.loads(done.stdout)
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    components = {one["name"]: one for one in bill["components"]}
    assert components["numpy"]["purl"] == f"pkg:pypi/numpy@{version('numpy')}"
    assert "BSD" in components["numpy"]["licenses"][0]["license"]["name"]
    assert components.keys().isdisjoint({"pytest", "ruff", "mypy"})
    needs = {one["ref"]: one["dependsOn"] for one in bill["dependencies"]}
    (own,) = (one for one in needs if "image-anomaly-toolkit" in one)
    assert components["numpy"]["bom-ref"] in needs[own]
    assert components["starlette"]["bom-ref"] in needs[components["fastapi"]["bom-ref"]]
    assert {reference for many in needs.values() for reference in many} <= needs.keys()


def test_the_page_of_licences_has_all_that_is_installed_here() -> None:
    assert installed().keys() - {"image-anomaly-toolkit"} - ROWS.keys() == set(), "run: make licences"


def test_what_is_copyleft_is_named_above_the_table() -> None:
    above = PAGE.partition("| package |")[0]
    bound = {name for name, (one, _) in installed().items() if re.search("GPL|General Public", licence(one))}
    assert {name for name in bound if f"`{name}`" not in above} == set()
