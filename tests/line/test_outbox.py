"""What is in the outbox is there whatever happens, and whatever may have been delivered before says so."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from paddlex.errors import LineError
from paddlex.line.outbox import DiskFull, Outbox, OutboxFull
from paddlex.utils.child_process import environment_of_child
from tests.line.conftest import made_answer

LARGE = 10**9


def opened(folder: Path, *ports: str, most_bytes: int = LARGE) -> Outbox:
    return Outbox(folder, ports or ["plc"], most_bytes)


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """For a process, a file that may not grow is a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_sequences_have_no_gaps_over_a_start(tmp_path: Path) -> None:
    outbox = opened(tmp_path)
    assert [outbox.put(made_answer(id)).sequence for id in "abc"] == [1, 2, 3]
    outbox.close()
    assert opened(tmp_path).put(made_answer("d")).sequence == 4


def test_an_answer_comes_back_as_it_was_stored(tmp_path: Path) -> None:
    answer = made_answer("Teil 7/ä", score=0.1, fail_safe="deadline", is_ok=False, product="Dose")
    opened(tmp_path).put(answer)
    assert opened(tmp_path).next("plc") == replace(answer, sequence=1)
    assert opened(tmp_path).find("Teil 7/ä") == replace(answer, sequence=1, repeated=True)


def test_a_killed_process_has_lost_nothing_that_was_stored(tmp_path: Path) -> None:
    script = (
        "import os, signal, sys; from pathlib import Path; from paddlex.line.outbox import Outbox;"
        "from paddlex.line.contract import Answer;"
        "outbox = Outbox(Path(sys.argv[1]), ['plc'], 10**9);"
        "[outbox.put(Answer(0, str(n), 'plc', True, None, 1.0, 2.0, 'ab', None, '', 0.1)) for n in range(5)];"
        "outbox.next('plc'); outbox.delivered('plc', 1); outbox.next('plc'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], env=environment_of_child(), check=False)
    assert done.returncode == -signal.SIGKILL
    outbox = opened(tmp_path)
    assert outbox.undelivered() == {"plc": 4}
    second = outbox.next("plc")
    assert second is not None
    assert (second.id, second.repeated) == ("1", True)  # it was handed out, and nobody knows what became of it
    assert outbox.put(made_answer("new")).sequence == 6
    for sequence in range(2, 6):
        outbox.delivered("plc", sequence)
    new = outbox.next("plc")
    assert new is not None
    assert not new.repeated


def test_what_was_not_handed_out_before_a_clean_stop_is_not_marked(tmp_path: Path) -> None:
    outbox = opened(tmp_path)
    for id in "abc":
        outbox.put(made_answer(id))
    outbox.next("plc")
    outbox.close()
    outbox = opened(tmp_path)
    marks = []
    while (answer := outbox.next("plc")) is not None:
        marks.append(answer.repeated)
        outbox.delivered("plc", answer.sequence)
    assert marks == [True, False, False]


def test_a_new_port_delivers_what_comes_from_now_on_and_each_port_is_where_it_is(tmp_path: Path) -> None:
    outbox = opened(tmp_path)
    outbox.put(made_answer("old"))
    outbox.close()
    outbox = opened(tmp_path, "plc", "mes")
    outbox.put(made_answer("new"))
    assert outbox.undelivered() == {"plc": 2, "mes": 1}
    outbox.delivered("mes", 2)
    assert outbox.undelivered() == {"plc": 2, "mes": 0}


def test_room_is_made_by_what_all_have_taken_and_by_nothing_else(tmp_path: Path) -> None:
    size = 60_000
    outbox = opened(tmp_path, "plc", "mes", most_bytes=size)
    stored = 0
    with pytest.raises(OutboxFull, match="the outbox is full"):
        for stored in range(2000):
            outbox.put(made_answer(f"{stored}" * 20))
    assert outbox.fault() == "the outbox is full"
    outbox.delivered("plc", stored)
    with pytest.raises(OutboxFull, match=f"{stored} answers wait for mes"):  # it has all to deliver still
        outbox.put(made_answer("one more"))
    outbox.delivered("mes", stored)
    assert outbox.fault() == ""
    assert outbox.put(made_answer("one more")).sequence == stored + 1
    answer = outbox.next("plc")
    assert answer is not None
    assert answer.id == "one more"


def test_a_full_disk_stores_nothing_and_is_used_again_when_it_has_space(tmp_path: Path) -> None:
    outbox = opened(tmp_path)
    outbox.put(made_answer("before"))
    with files_of_at_most(sum(path.stat().st_size for path in tmp_path.iterdir()) // 4):
        with pytest.raises(DiskFull, match=str(tmp_path)):
            outbox.put(made_answer("while it is full"))
        assert outbox.fault() != ""
    assert outbox.fault() == ""
    assert outbox.put(made_answer("after")).sequence == 2


def test_an_outbox_that_is_none_is_an_error_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "outbox.db").write_text("no database, but more than a hundred bytes of text" * 9)
    with pytest.raises(LineError, match=r"cannot be opened.*outbox\.db"):
        opened(tmp_path)
