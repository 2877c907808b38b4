"""The cluster that is started for one run: for its user alone, and gone without a trace."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

ray = pytest.importorskip("ray")

#: Starts the cluster and lets two other processes that know its address connect: one has its token, one has another.
PROGRAM = """
import json, os, subprocess, sys
import ray
from paddlex.inference.scale_out.local_ray import local_cluster

def connects(seconds, **token):
    command = [sys.executable, "-c", "import ray, sys; ray.init(sys.argv[1], log_to_driver=False)", address]
    try:
        return subprocess.run(command, env={**os.environ, **token}, capture_output=True, timeout=seconds).returncode == 0
    except subprocess.TimeoutExpired:
        return False

with local_cluster():
    address = ray.get_runtime_context().gcs_address
    friend, stranger = connects(400), connects(60, RAY_AUTH_TOKEN="0" * 64)
    answer = ray.get(ray.remote(lambda: 42).remote())
print(json.dumps({
    "address": address, "friend": friend, "stranger": stranger, "answer": answer,
    "secrets": [name for name in os.environ if name.startswith("RAY_AUTH")], "connected": ray.is_initialized(),
}))
"""


@pytest.mark.slow
def test_a_cluster_answers_to_nobody_without_its_token_and_leaves_nothing(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="t") as folder:  # Ray's sockets cannot have long names
        environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env={**environment, "TMPDIR": folder, "HOME": str(tmp_path)}, capture_output=True, text=True, timeout=590,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        result = json.loads(done.stdout.splitlines()[-1])
        assert os.listdir(folder) == []
    assert result.pop("address").startswith("127.0.0.1:")
    assert result == {"friend": True, "stranger": False, "answer": 42, "secrets": [], "connected": False}
    assert not (tmp_path / ".ray").exists()
