"""The command that a version shows gives the verdicts that the studio gives."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from paddlex.studio.database.schema import Version

from .conftest import Running


def test_the_command_of_a_version_gives_the_same_verdict(live_studio: tuple[Running, Version], bad_part: Path) -> None:
    running, _ = live_studio
    threshold = running.judge(bad_part)["rawScore"] - 1e-3
    made = running.client.post("/studio/products/grid/threshold", json={"threshold": threshold}).json()
    running.result_of(running.client.post(f"/studio/versions/{made['id']}/gate").json()["id"])
    assert running.client.post(f"/studio/versions/{made['id']}/live").status_code == 200
    answer = running.judge(bad_part)
    name, *arguments = shlex.split(made["command"].replace("PICTURES", shlex.quote(str(bad_part))))
    assert name == "paddlex"
    command = [sys.executable, "-m", "paddlex", *arguments, "--device", "cpu", "--json"]
    said = json.loads(subprocess.run(command, capture_output=True, text=True, check=True, timeout=240).stdout)
    assert (said["is_anomalous"], said["threshold"]) == (answer["isAnomalous"], threshold)
    assert said["raw_score"] == pytest.approx(answer["rawScore"], rel=1e-5)
