"""Schemathesis makes requests out of the server's own OpenAPI description, sensible and absurd ones, and checks the answers."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import httpx


def test_no_generated_request_breaks_the_server_or_its_promises(server, tmp_path: Path) -> None:
    """All checks but one: a random string is a valid string by the schema, and yet no image. Speed is not asked."""
    command = [
        str(Path(sys.executable).parent / "st"), "run", f"{server.url}/openapi.json", "--phases", "examples,coverage,fuzzing",
        "--checks", "all", "--exclude-checks", "positive_data_acceptance", "--max-examples", "4", "--seed", "1",
        "--request-timeout", "120", "--max-response-time", "120", "--continue-on-failure",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout
    assert "Tested: 8" in done.stdout
    generated = re.search(r"(\d+) generated", done.stdout)
    assert generated is not None and int(generated[1]) > 100
    assert httpx.get(f"{server.url}/readyz").status_code == 200


def test_the_examples_of_the_description_are_judged(client: httpx.Client) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    for path in ("/image-anomaly-detection", "/image-anomaly-detection/batch"):
        schema = paths[path]["post"]["requestBody"]["content"]["application/json"]["schema"]
        assert client.post(path, json=schema["examples"][0]).status_code == 200
