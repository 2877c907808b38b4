"""Users, sessions and lock-out without a server, on either database."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator

import pytest
from argon2 import PasswordHasher

from paddlex.errors import WorkspaceError
from paddlex.inference.serving.errors import Busy
from paddlex.studio import audit, passwords, sessions, sign_in
from paddlex.studio.lockout import FREE, Count, Counts, neighbourhood, next_count
from paddlex.studio.sign_in import Locked, SignIn, WrongPassword
from paddlex.studio.users import Users, find
from paddlex.studio.workspace import Workspace

PASSWORD = "correct horse battery staple"
MINUTE = 60_000
SHIPPED = passwords._HASHER


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is tested here is not how dear a hash is."""
    hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(passwords, "_HASHER", hasher)
    monkeypatch.setattr(passwords, "_OF_NOBODY", hasher.hash(""))


@pytest.fixture
def users(workspace: Workspace) -> Iterator[Users]:
    """Anna the engineer, bert the operator."""
    users = Users(workspace)
    users.set_up("anna", PASSWORD)
    users.add("bert", "operator", PASSWORD, "anna")
    yield users
    users.sessions.close()


@pytest.fixture
def door(workspace: Workspace, users: Users) -> Iterator[SignIn]:
    door = SignIn(workspace, users)
    yield door
    door.close()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Milliseconds -> lets so many pass."""
    now = [1_800_000_000_000]
    for module in (sign_in, sessions):
        monkeypatch.setattr(module, "now_ms", lambda: now[0])

    def wait(milliseconds: int) -> None:
        now[0] += milliseconds

    return wait


def actions(workspace: Workspace) -> list[str]:
    with workspace.reading() as session:
        found = audit.verify(session)
        assert found.is_intact
        return [entry.action for entry in session.query(audit.AuditEntry).order_by(audit.AuditEntry.number)]


# ---- who may be left


@pytest.mark.parametrize("change", [{"role": "operator"}, {"is_active": False}])
def test_the_last_engineer_stays(users: Users, workspace: Workspace, change: dict) -> None:
    before = actions(workspace)
    with pytest.raises(WorkspaceError, match="nobody would be left who is an engineer"):
        users.change("anna", "anna", **change)
    assert [user.role for user in users.all() if user.is_active] == ["engineer", "operator"]
    assert actions(workspace) == before


def test_two_engineers_cannot_dismiss_each_other_at_once(users: Users) -> None:
    users.change("bert", "anna", role="engineer")
    refused = []

    def dismiss(name: str, by: str) -> None:
        try:
            users.change(name, by, is_active=False)
        except WorkspaceError:
            refused.append(name)

    threads = [threading.Thread(target=dismiss, args=pair) for pair in (("anna", "bert"), ("bert", "anna"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 1
    assert [user.name for user in users.all() if user.is_active] == refused


def test_one_of_two_set_ups_at_once_wins(workspace: Workspace) -> None:
    users, refused = Users(workspace), []

    def set_up(name: str) -> None:
        try:
            users.set_up(name, PASSWORD)
        except WorkspaceError as error:
            refused.append(error.what)

    threads = [threading.Thread(target=set_up, args=(f"user {number}",)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert refused == 4 * ["there is a user already"]
    assert len(users.all()) == 1
    assert actions(workspace) == ["user.setup"]
    users.sessions.close()


def test_what_does_not_change_is_not_written_down(users: Users, workspace: Workspace) -> None:
    before = actions(workspace)
    users.change("bert", "anna", role="operator", is_active=True)
    assert actions(workspace) == before


def test_a_name_is_one_however_it_is_typed(users: Users, door: SignIn) -> None:
    for spelled in ("anna", "Anna", " ANNA ", "ａｎｎａ"):
        assert door.sign_in(spelled, PASSWORD, "192.0.2.1", {}).name == "anna"
        with pytest.raises(WorkspaceError, match="there is a user"):
            users.add(spelled, "operator", PASSWORD, "anna")


@pytest.mark.parametrize("name", ["x", "王芳", "José Ñandú", "line-3@factory", "Łukasz_2", "o.k"])
def test_names_of_all_alphabets_are_names(users: Users, name: str) -> None:
    assert users.add(name, "operator", PASSWORD, "anna").name == name


# ---- passwords


@pytest.mark.parametrize(
    "password",
    ["password123", "QWERTYUIOP", "aaaaaaaaaaaaaaaa", "abababababab", "anna123456", "2024anna2025", "1234567890"],
)
def test_what_anyone_would_try_first_is_no_password(password: str) -> None:
    with pytest.raises(WorkspaceError, match="one of the first"):
        passwords.check_new(password, "anna")


@pytest.mark.parametrize(
    "password", ["correct horse", "löwenzahn und gras", "密码很长并且只有我知道的", "annabelle's teapot"]
)
def test_any_other_long_one_is(password: str) -> None:
    passwords.check_new(password, "anna")


def test_a_password_is_the_same_on_every_keyboard() -> None:
    composed, decomposed = "l\u00f6wenzahn gras", "lo\u0308wenzahn gras"
    assert passwords.is_right(decomposed, passwords.hash_of(composed))
    assert not passwords.is_right("lowenzahn gras", passwords.hash_of(composed))


def test_hashes_are_salted_and_of_argon2id() -> None:
    first, second = passwords.hash_of(PASSWORD), passwords.hash_of(PASSWORD)
    assert first != second
    assert first.startswith("$argon2id$v=19$")


def test_as_shipped_a_hash_costs_what_rfc_9106_asks_for() -> None:
    """Section 4, the second recommended choice: t=3, p=4, m=2^16 KiB, 128 bits of salt, 256 bits of hash."""
    assert (SHIPPED.time_cost, SHIPPED.parallelism, SHIPPED.memory_cost) == (3, 4, 2**16)
    assert (8 * SHIPPED.salt_len, 8 * SHIPPED.hash_len, SHIPPED.type.name) == (128, 256, "ID")


def test_a_name_that_is_nobodys_costs_a_hash_too(door: SignIn, monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at = []
    verify = passwords._HASHER.verify

    class Counting:
        def __getattr__(self, name: str) -> object:
            return getattr(PasswordHasher(), name)

        def verify(self, kept: str, password: str) -> bool:
            looked_at.append(kept)
            return verify(kept, password)

    monkeypatch.setattr(passwords, "_HASHER", Counting())
    for name in ("anna", "nobody"):
        with pytest.raises(WrongPassword):
            door.sign_in(name, "a guess or two", "192.0.2.1", {})
    assert len(looked_at) == 2
    assert looked_at[1] == passwords._OF_NOBODY


def test_a_hash_of_other_parameters_is_made_anew_at_the_next_sign_in(
    users: Users, door: SignIn, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passwords, "_HASHER", PasswordHasher(time_cost=2, memory_cost=16, parallelism=1))
    before = {user.name: user.password for user in users.all()}
    door.sign_in("anna", PASSWORD, "192.0.2.1", {})
    after = {user.name: user.password for user in users.all()}
    assert "m=8,t=1" in before["anna"]
    assert "m=16,t=2" in after["anna"]
    assert after["bert"] == before["bert"]
    door.sign_in("anna", PASSWORD, "192.0.2.1", {})
    assert {user.name: user.password for user in users.all()} == after


async def _ask_for_places(bench: passwords.Bench, places: int, gate: threading.Event) -> int:
    tasks = [asyncio.create_task(bench.run(gate.wait)) for _ in range(places)]
    await asyncio.sleep(0.1)
    for task in tasks[: places // 2]:
        task.cancel()  # clients that leave
    await asyncio.sleep(0)
    refused = 0
    try:
        await bench.run(gate.wait)
    except Busy:
        refused += 1
    gate.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    return refused


def test_only_so_many_wait_for_a_hash_and_leaving_makes_no_room() -> None:
    bench = passwords.Bench()
    places = passwords._AT_ONCE + passwords._WAITING
    assert asyncio.run(_ask_for_places(bench, places, threading.Event())) == 1
    bench.close()


# ---- lock-out


def test_the_pause_grows_to_a_quarter_of_an_hour_and_is_forgotten_after_a_day() -> None:
    count, pauses = Count(), []
    for _ in range(12):
        later = next_count(count, count.until)
        pauses.append(later.until - count.until)
        count = later
    seconds = [pause / 1000 for pause in pauses]
    assert seconds == [0, 0, 0, 0, 30, 60, 120, 240, 480, 900, 900, 900]
    assert next_count(count, count.until + 24 * 60 * MINUTE + 1) == Count(1, count.until + 24 * 60 * MINUTE + 1)


def test_a_flood_of_names_is_not_remembered_for_ever() -> None:
    counts = Counts()
    for number in range(10_050):
        counts.add(str(number), 0)
    assert counts.get("49") == Count()
    assert counts.get("50").failures == 1


def test_addresses_of_one_customer_count_as_one() -> None:
    assert neighbourhood("2001:db8:1:2::5") == neighbourhood("2001:db8:1:2:ffff::1") == "2001:db8:1:2::/64"
    assert neighbourhood("2001:db8:1:3::5") != neighbourhood("2001:db8:1:2::5")
    assert neighbourhood("::ffff:192.0.2.1") == neighbourhood("192.0.2.1") == "192.0.2.1"
    assert neighbourhood("unknown") == "unknown"


def test_after_the_pause_the_right_password_opens_and_begins_anew(door: SignIn, clock: Callable[[int], None]) -> None:
    for _ in range(FREE):
        with pytest.raises(WrongPassword):
            door.sign_in("anna", "a guess or two", "192.0.2.1", {})
    with pytest.raises(Locked, match="30 s"):
        door.sign_in("anna", PASSWORD, "192.0.2.2", {})
    clock(29_000)
    with pytest.raises(Locked, match="1 s"):
        door.sign_in("anna", PASSWORD, "192.0.2.2", {})
    clock(1_000)
    door.sign_in("anna", PASSWORD, "192.0.2.2", {})
    with pytest.raises(WrongPassword):
        door.sign_in("anna", "a guess or two", "192.0.2.2", {})
    door.sign_in("anna", PASSWORD, "192.0.2.2", {})


def test_ones_own_password_does_not_free_an_address_to_guess_those_of_others(door: SignIn) -> None:
    for _ in range(FREE - 1):
        with pytest.raises(WrongPassword):
            door.sign_in("anna", "a guess or two", "192.0.2.1", {})
        door.sign_in("bert", PASSWORD, "192.0.2.1", {})
    with pytest.raises(WrongPassword):
        door.sign_in("nobody", "a guess or two", "192.0.2.1", {})
    with pytest.raises(Locked):
        door.sign_in("bert", PASSWORD, "192.0.2.1", {})


def test_a_device_cookie_is_of_one_user_and_one_password(users: Users, door: SignIn) -> None:
    welcome = door.sign_in("anna", PASSWORD, "192.0.2.1", {})
    mine = {str(welcome.user_id): welcome.device}
    for _ in range(FREE):
        with pytest.raises(WrongPassword):
            door.sign_in("anna", "a guess or two", "192.0.2.9", {})
    door.sign_in("anna", PASSWORD, "192.0.2.1", mine)
    for wrong in (welcome.device[:-1], "", ".", "é.é", welcome.device + "0", welcome.device.replace(".", "..")):
        for _ in range(FREE):
            with pytest.raises((WrongPassword, Locked)):
                door.sign_in("anna", "a guess or two", "192.0.2.9", {str(welcome.user_id): wrong})
        with pytest.raises(Locked):
            door.sign_in("anna", PASSWORD, "192.0.2.1", {str(welcome.user_id): wrong})
    users.change("anna", "bert", password="another good password")
    for _ in range(FREE):
        with pytest.raises((WrongPassword, Locked)):
            door.sign_in("anna", "a guess or two", "192.0.2.8", {})
    with pytest.raises(Locked):
        door.sign_in("anna", "another good password", "192.0.2.1", mine)


def test_the_trail_takes_so_many_failed_sign_ins_and_then_counts_them(
    workspace: Workspace, door: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(sign_in.time, "monotonic", lambda: now[0])
    door._budget = sign_in._Budget()
    for number in range(50):
        with pytest.raises(WrongPassword):
            door.sign_in(f"nobody {number}", "a guess or two", f"192.0.2.{number}", {})
    now[0] += 180
    with pytest.raises(WrongPassword):
        door.sign_in("nobody", "a guess or two", "192.0.2.99", {})
    door.close()
    assert actions(workspace).count("session.fail") == 21
    with workspace.reading() as session:
        last = session.query(audit.AuditEntry).order_by(audit.AuditEntry.number.desc()).first()
        assert last is not None
        assert last.details == '{"address":"192.0.2.99","untold":30}'


# ---- sessions


def test_a_session_ends_when_it_is_not_used_and_a_week_after_it_began(
    users: Users, door: SignIn, clock: Callable[[int], None]
) -> None:
    used, unused = (door.sign_in("anna", PASSWORD, "192.0.2.1", {}).token for _ in range(2))
    hours = 0
    while hours < 7 * 24:
        assert users.sessions.find(used) is not None
        users.sessions._later.submit(int).result()  # the last request is noted beside
        clock(11 * 60 * MINUTE)
        hours += 11
        if hours > 12:
            assert users.sessions.find(unused) is None
    assert users.sessions.find(used) is None


def test_a_user_has_fifty_sessions_and_the_oldest_makes_room(
    users: Users, door: SignIn, clock: Callable[[int], None]
) -> None:
    tokens = []
    for _ in range(51):
        tokens.append(door.sign_in("anna", PASSWORD, "192.0.2.1", {}).token)
        clock(1)
    assert [users.sessions.find(token) is not None for token in tokens] == [False] + 50 * [True]


def test_what_is_looked_up_while_a_session_ends_is_not_remembered(
    users: Users, door: SignIn, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = door.sign_in("anna", PASSWORD, "192.0.2.1", {}).token
    made = sessions.csrf_of

    def slowly(sent: str) -> str:  # between the look at the database and the remembering
        monkeypatch.setattr(sessions, "csrf_of", made)
        users.change("anna", "bert", password="another good password")
        return made(sent)

    monkeypatch.setattr(sessions, "csrf_of", slowly)
    assert users.sessions.find(token) is not None
    assert users.sessions.remembered(token) is None
    assert users.sessions.find(token) is None


def test_the_database_has_no_token(users: Users, door: SignIn, workspace: Workspace) -> None:
    token = door.sign_in("anna", PASSWORD, "192.0.2.1", {}).token
    with workspace.reading() as session:
        assert find(session, "anna") is not None
        [row] = session.query(sessions.SessionRow).all()
        assert token not in (row.token_digest, sessions.csrf_of(token))
        assert len(row.token_digest) == 64
