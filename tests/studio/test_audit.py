"""The audit trail: what is written stays as it was, and a change by whoever owns the file is found."""

from __future__ import annotations

import hashlib
import json
import threading
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from paddlex.studio import audit
from paddlex.studio.workspace import Workspace


@pytest.fixture(autouse=True)
def entries(workspace: Workspace) -> None:
    for number in range(1, 6):
        with workspace.writing() as session:
            audit.append(
                session, by="anna", action="threshold.change", product="网格", details={"to": number / 3, "ü": [number]}
            )


def tamper(workspace: Workspace, *statements: str) -> None:
    """As whoever owns the database can: take the triggers away, and change what is there."""
    is_file = workspace.engine.dialect.name == "sqlite"
    with workspace.engine.begin() as connection:
        if is_file:
            triggers = connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).scalars().all()
            assert triggers
        else:
            triggers = []
            connection.exec_driver_sql("ALTER TABLE audit DISABLE TRIGGER USER")
        for trigger in triggers:
            connection.exec_driver_sql(f"DROP TRIGGER {trigger}")
        for statement in statements:
            connection.execute(text(statement))


def verified(workspace: Workspace, expected: str | None = None) -> audit.Verification:
    with workspace.reading() as session:
        return audit.verify(session, expected)


def rows(workspace: Workspace) -> list[dict[str, object]]:
    with workspace.engine.connect() as connection:
        return [dict(row) for row in connection.execute(text("SELECT * FROM audit ORDER BY number")).mappings()]


def test_a_trail_that_nobody_touched_is_intact(workspace: Workspace) -> None:
    found = verified(workspace)
    assert (found.is_intact, found.entries, found.error) == (True, 5, "")
    assert found.head == rows(workspace)[-1]["hash"]


def test_the_hashes_are_those_of_a_few_lines_that_anyone_can_write(workspace: Workspace) -> None:
    before = "0" * 64
    for row in rows(workspace):
        told = {key: row[key] for key in ("number", "at", "by", "action", "product", "details")} | {"previous": before}
        plain = json.dumps(told, sort_keys=True, separators=(",", ":"))
        before = hashlib.sha256(plain.encode()).hexdigest()
        assert row["hash"] == before


def test_an_empty_trail_is_intact(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "empty")
    assert verified(workspace) == audit.Verification(0, "0" * 64)
    workspace.close()


_AGAIN = "INTO audit SELECT number, at, 'bert', action, product, details, previous, hash FROM audit WHERE number = 3"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET by = 'bert' WHERE number = 3",
        "DELETE FROM audit WHERE number = 5",
        "DELETE FROM audit",
        f"INSERT OR REPLACE {_AGAIN}",
        f"INSERT {_AGAIN} ON CONFLICT (number) DO UPDATE SET by = 'bert'",
        "TRUNCATE audit",
    ],
)
def test_the_database_itself_refuses_to_alter_an_entry(workspace: Workspace, statement: str) -> None:
    is_file = workspace.engine.dialect.name == "sqlite"
    if (statement.startswith("TRUNCATE") and is_file) or (" OR " in statement and not is_file):
        pytest.skip("not in this database's language")
    before = rows(workspace)
    with pytest.raises(DBAPIError, match="never"), workspace.engine.begin() as connection:
        connection.exec_driver_sql(statement)
    assert rows(workspace) == before


@pytest.mark.parametrize(
    ("statements", "right", "error"),
    [
        (["UPDATE audit SET by = 'bert' WHERE number = 3"], 2, "entry 3 was changed after it was written"),
        (["UPDATE audit SET at = at + 1 WHERE number = 1"], 0, "entry 1 was changed after it was written"),
        (["UPDATE audit SET details = '{}' WHERE number = 5"], 4, "entry 5 was changed after it was written"),
        (["UPDATE audit SET hash = 'x' WHERE number = 2"], 1, "entry 2 was changed after it was written"),
        (["UPDATE audit SET previous = 'x' WHERE number = 2"], 1, "entry 2 does not follow the one before it"),
        (["DELETE FROM audit WHERE number = 3"], 2, "entry 3 is missing"),
        (["DELETE FROM audit WHERE number = 1"], 0, "entry 1 is missing"),
        (["DELETE FROM audit WHERE number = 3", "UPDATE audit SET number = 3 WHERE number = 4",
          "UPDATE audit SET number = 4 WHERE number = 5"], 2, "entry 3 does not follow the one before it"),
        (["UPDATE audit SET number = 9 WHERE number = 3", "UPDATE audit SET number = 3 WHERE number = 4",
          "UPDATE audit SET number = 4 WHERE number = 9"], 2, "entry 3 does not follow the one before it"),
        (["INSERT INTO audit SELECT 6, at, 'bert', action, product, details, hash, 'x' FROM audit WHERE number = 5"], 5,
         "entry 6 was changed after it was written"),
        (["INSERT INTO audit SELECT 0, at, by, action, product, details, previous, hash FROM audit WHERE number = 1"], 0,
         "entry 0 is out of order"),
    ],
)  # fmt: skip
def test_a_change_is_found_and_its_first_entry_named(
    workspace: Workspace, statements: list[str], right: int, error: str
) -> None:
    tamper(workspace, *statements)
    assert verified(workspace) == audit.Verification(
        right, rows(workspace)[right - 1]["hash"] if right else "0" * 64, error
    )


@pytest.mark.parametrize("value", ["x'00ff'", "CAST(x'ff' AS TEXT)", "1.5", "'x'"])
@pytest.mark.parametrize("column", ["details", "at", "hash", "by"])
@pytest.mark.parametrize("database_url", [None])
def test_what_is_not_even_of_the_right_kind_is_found(workspace: Workspace, column: str, value: str) -> None:
    """SQLite keeps anything in any column."""
    tamper(workspace, f"UPDATE audit SET {column} = {value} WHERE number = 4")
    found = verified(workspace)
    assert not found.is_intact
    assert "4" in found.error or "follows entry" in found.error


def test_a_cut_off_end_shows_only_by_a_hash_that_was_noted_down(workspace: Workspace) -> None:
    noted = verified(workspace).head
    tamper(workspace, "DELETE FROM audit WHERE number >= 4")
    assert verified(workspace).is_intact
    found = verified(workspace, noted)
    assert not found.is_intact
    assert "no entry has the expected hash" in found.error


def test_a_noted_hash_holds_when_the_trail_has_grown(workspace: Workspace) -> None:
    noted = verified(workspace).head
    with workspace.writing() as session:
        audit.append(session, by="anna", action="version.live", details={})
    found = verified(workspace, noted)
    assert found.is_intact
    assert found.entries == 6


def test_a_trail_that_was_written_anew_shows_only_by_a_hash_that_was_noted_down(workspace: Workspace) -> None:
    noted = verified(workspace).head
    tamper(workspace, "DELETE FROM audit")
    with workspace.writing() as session:
        audit.append(session, by="bert", action="threshold.change", details={})
    assert verified(workspace).is_intact
    assert not verified(workspace, noted).is_intact


def test_what_did_not_happen_leaves_no_entry(workspace: Workspace) -> None:
    with pytest.raises(RuntimeError), workspace.writing() as session:
        audit.append(session, by="anna", action="version.live", details={})
        raise RuntimeError
    assert verified(workspace).entries == 5


def test_what_json_cannot_say_is_refused(workspace: Workspace) -> None:
    with pytest.raises(ValueError, match="JSON"), workspace.writing() as session:
        audit.append(session, by="anna", action="threshold.change", details={"to": float("nan")})
    assert verified(workspace).entries == 5


def test_many_write_at_once_and_the_chain_is_one(workspace: Workspace) -> None:
    def write(name: str) -> None:
        for number in range(10):
            with workspace.writing() as session:
                audit.append(session, by=name, action="threshold.change", details={"to": number})

    threads = [threading.Thread(target=write, args=(f"user {number}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = verified(workspace)
    assert (found.is_intact, found.entries) == (True, 65)
