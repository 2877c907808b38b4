"""A bill of materials of what is installed: this package, all that its extras bring, their versions and licences.

``python -m paddlex.utils.bill_of_materials`` prints it as CycloneDX 1.6, ``--markdown`` as a table of the licences.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from paddlex.utils.extras import DISTRIBUTION

#: What nobody gets who makes or uses models: the tests, and what writes and checks the code.
_DEVELOPMENT = "dev"

#: What stands in the place of a licence's name: its text, or a word for none.
_NO_NAME = re.compile(r"\n|copyright|agreement|unknown|dual license", re.IGNORECASE)
_CLASSIFIER = re.compile(r"License :: (?:OSI Approved :: )?(.+)")


def installed() -> dict[str, tuple[Distribution, set[str]]]:
    """Canonical name -> a package that this one needs, or an extra of it, and is installed; with the names of what it needs."""
    found: dict[str, tuple[Distribution, set[str]]] = {}
    own = distribution(DISTRIBUTION)
    pending = [(own, {"", *own.metadata.get_all("Provides-Extra", ())} - {_DEVELOPMENT})]
    seen: set[tuple[str, str]] = set()
    while pending:
        one, extras = pending.pop()
        name = canonicalize_name(one.metadata["Name"])
        _, needed = found.setdefault(name, (one, set()))
        new = {extra for extra in extras if (name, extra) not in seen}
        seen |= {(name, extra) for extra in new}
        for requirement in map(Requirement, one.requires or ()):
            if any(requirement.marker is None or requirement.marker.evaluate({"extra": extra}) for extra in new):
                try:
                    pending.append((distribution(requirement.name), {"", *requirement.extras}))
                except PackageNotFoundError:  # of an extra that is not installed
                    continue
                needed.add(canonicalize_name(requirement.name))
    return dict(sorted(found.items()))


def licence(one: Distribution) -> str:
    """What its author has written, the most exact first: an SPDX expression, a name, a classifier; "" for nothing."""
    metadata = one.metadata
    expression, name = (metadata.get_all(key, [""])[0] for key in ("License-Expression", "License"))
    named = [match[1] for text in metadata.get_all("Classifier", ()) if (match := _CLASSIFIER.fullmatch(text))]
    is_name = 0 < len(name) < 60 and not _NO_NAME.search(name)
    return expression or (name.removeprefix("OSI Approved :: ") if is_name else " and ".join(named))


def bill(packages: Mapping[str, tuple[Distribution, set[str]]]) -> dict[str, Any]:
    """CycloneDX 1.6: the package, its components, and which of them needs which."""

    def component(name: str, kind: str) -> dict[str, Any]:
        one = packages[name][0]
        reference = f"pkg:pypi/{name}@{one.version}"
        said = {"bom-ref": reference, "type": kind, "name": name, "version": one.version, "purl": reference}
        return {**said, "licenses": [{"license": {"name": licence(one)}}]} if licence(one) else said

    components = {name: component(name, "library") for name in packages if name != DISTRIBUTION}
    own = component(DISTRIBUTION, "application")
    reference = {name: one["bom-ref"] for name, one in {**components, DISTRIBUTION: own}.items()}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": own},
        "components": list(components.values()),
        "dependencies": [
            {"ref": reference[name], "dependsOn": sorted(reference[other] for other in needed - {name})}
            for name, (_, needed) in packages.items()
        ],
    }


def table(packages: Mapping[str, tuple[Distribution, set[str]]]) -> str:
    """Markdown: a row for each package but this."""
    rows = [f"| {name} | {licence(one) or '–'} |" for name, (one, _) in packages.items() if name != DISTRIBUTION]
    return "\n".join(["| package | licence |", "|---|---|", *rows, ""])


if __name__ == "__main__":
    packages = installed()
    print(table(packages) if "--markdown" in sys.argv[1:] else json.dumps(bill(packages), indent=2, allow_nan=False))
