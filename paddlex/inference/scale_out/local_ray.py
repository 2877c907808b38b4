"""A Ray cluster of this machine and this user alone: it listens on the loopback, and asks and tells nobody anything."""

from __future__ import annotations

import importlib
import logging
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from paddlex.errors import ScaleOutError
from paddlex.utils.paddle_environment import changed_environment


@contextmanager
def local_cluster() -> Iterator[None]:
    """Start Ray on this machine and connect to it; stop it after the block.

    By itself Ray listens on all of the machine's addresses, keeps its files where every user sees them, and starts a
    server that asks the cloud's metadata service where it is, statistics or not. Here nothing is reached from outside,
    whoever connects needs a token that is new each time, and the files, spilled objects too, lie in a folder of the user's
    own that is removed in the end.

    Raises:
        ScaleOutError: this version of Ray would listen to others all the same.
    """
    environment = {
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # a single machine: what Ray does elsewhere than on Linux
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True))
        stack.callback(_read_environment)
        stack.enter_context(changed_environment(environment))
        import ray
        from ray._private import node, ray_constants

        _read_environment()  # Ray may have been imported before
        stack.enter_context(_replaced(ray_constants, "ENABLE_RAY_CLUSTER", False))
        stack.enter_context(_replaced(node.Node, "start_api_server", lambda *_, **__: None))
        stack.callback(ray.shutdown)
        ray.init(include_dashboard=False, _temp_dir=folder, log_to_driver=False, logging_level=logging.WARNING)
        if not ray.util.get_node_ip_address().startswith("127."):
            remedy = "Install the version of Ray that pyproject.toml names, or start a cluster and give its address"
            raise ScaleOutError("Ray would listen to other machines", remedy=remedy)
        yield


def _read_environment() -> None:
    """Let Ray read its settings and its token anew: it keeps those of its import."""
    raylet: Any = importlib.import_module("ray._raylet")
    raylet.Config.initialize("")
    raylet.AuthenticationTokenLoader.instance().reset_cache()


@contextmanager
def _replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)
