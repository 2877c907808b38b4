"""What a service manager hears, through a real socket."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from paddlex.line.systemd import Systemd


@pytest.mark.parametrize("is_abstract", [False, True])
def test_the_words_arrive_at_the_socket(tmp_path: Path, is_abstract: bool) -> None:
    name = f"@{tmp_path}" if is_abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0" + name[1:] if is_abstract else name)
        manager.settimeout(60)
        systemd = Systemd({"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "3000000"})
        systemd.say("READY=1", "STATUS=ready")
        assert manager.recv(100) == b"READY=1\nSTATUS=ready"
        assert systemd.interval == 1.5


def test_without_a_manager_nothing_is_said_and_one_that_has_gone_is_no_error(tmp_path: Path) -> None:
    assert Systemd({}).interval is None
    Systemd({}).say("READY=1")
    Systemd({"NOTIFY_SOCKET": str(tmp_path / "gone")}).say("READY=1")
