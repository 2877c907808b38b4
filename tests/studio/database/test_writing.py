"""Transactions that write come one after another, on either database."""

from __future__ import annotations

import shutil
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select

from paddlex.studio.database.failures import DatabaseError
from paddlex.studio.database.schema import Setting
from paddlex.studio.workspace import Workspace


def test_what_one_has_counted_no_other_changes_before_it_has_written(workspace: Workspace) -> None:
    """Without that both would count nothing, and both would write."""
    counted, barrier = [], threading.Barrier(2)

    def write(name: str) -> None:
        barrier.wait()
        with workspace.writing() as session:
            there = session.scalar(select(func.count()).select_from(Setting).where(Setting.name.like("engineer %")))
            counted.append(there)
            if not there:
                session.add(Setting(name=f"engineer {name}", value={}))

    threads = [threading.Thread(target=write, args=(name,)) for name in ("anna", "bert")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counted == [0, 1]


def test_two_that_change_the_same_in_opposite_order_both_end(workspace: Workspace) -> None:
    names, ended, barrier = ["a", "b"], [], threading.Barrier(2)
    with workspace.writing() as session:
        session.add_all(Setting(name=name, value={}) for name in names)

    def write(order: list[str]) -> None:
        barrier.wait()
        for number in range(20):
            with workspace.writing() as session:
                for name in order:
                    session.get_one(Setting, name).value = {"number": number}
                    session.flush()
        ended.append(order)

    threads = [threading.Thread(target=write, args=(order,)) for order in (names, names[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ended) == 2


def test_whoever_reads_waits_for_nobody(workspace: Workspace) -> None:
    def read() -> Setting | None:
        with workspace.reading() as reader:
            return reader.get(Setting, "a")

    with workspace.writing() as session:
        session.add(Setting(name="a", value={}))
        session.flush()
        with ThreadPoolExecutor(1) as another:
            assert another.submit(read).result(timeout=30) is None


@pytest.mark.parametrize("database_url", [None])
@pytest.mark.parametrize("is_replaced", [False, True])
def test_nothing_is_written_to_a_file_that_somebody_has_removed(workspace: Workspace, is_replaced: bool) -> None:
    """It would be lost when the studio ends, though it was acknowledged."""
    with workspace.writing() as session:
        session.add(Setting(name="a", value={}))
    file = workspace.path / "studio.db"
    if is_replaced:
        shutil.copy(file, workspace.path / "copy.db")
        (workspace.path / "copy.db").replace(file)
    else:
        file.unlink()
    with pytest.raises(DatabaseError, match="removed or replaced"), workspace.writing() as session:
        session.add(Setting(name="b", value={}))
