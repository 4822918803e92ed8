"""The journal: what is kept, when it is written, and what happens when it cannot be."""

import asyncio
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hcsd.daemon.events import Event, ProcessEvent
from hcsd.daemon.state.errors import JournalError, NewerError
from hcsd.daemon.state.journal import Journal
from hcsd.daemon.state.rows import NOTHING, Saved, SavedProcess, SavedState, SavedSystem
from tests.support import saved
from tests.support.records import ours

pytestmark = pytest.mark.anyio


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    opened = Journal.open(path)
    yield opened
    opened.close()


def again(journal: Journal, path: Path) -> Saved:
    """Close a journal, and return what the next one finds."""
    journal.close()
    opened = Journal.open(path)
    opened.close()
    return opened.load()


# --- what is kept ---


class Model:
    """A journal, and what it should have; each step takes a number that makes it another one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.journal = Journal.open(path)
        self.incarnation = self.journal.incarnation
        self.made: list[SavedProcess] = []
        self.processes: dict[str, tuple[SavedProcess, SavedState]] = {}
        self.systems: dict[str, SavedSystem] = {}
        self.events: list[Event] = []
        self.newest = 0

    def add(self, n: int) -> None:
        process, state = saved.process(len(self.made) + 1), saved.state(n)
        self.made.append(process)
        self.processes[process.identity.uid] = process, state
        self.journal.add_process(process, state)

    def set(self, n: int) -> None:
        if self.processes:
            uid, state = list(self.processes)[n % len(self.processes)], saved.state(n)
            self.processes[uid] = self.processes[uid][0], state
            self.journal.set_state(uid, state)

    def remove(self, n: int) -> None:
        if self.processes:
            uid = list(self.processes)[n % len(self.processes)]
            del self.processes[uid]
            self.journal.remove_process(uid)
            self.journal.remove_process(uid)
            self.journal.set_state(uid, saved.state())

    def system(self, n: int) -> None:
        system = saved.system(saved.STRANGE + str(n % 4), n)
        self.systems[system.id] = system
        self.journal.put_system(system)

    def forget(self, n: int) -> None:
        self.systems.pop(saved.STRANGE + str(n % 4), None)
        self.journal.remove_system(saved.STRANGE + str(n % 4))

    def event(self, n: int) -> None:
        self.newest += 1
        event = saved.system_event(self.newest)
        if self.made and n % 3:
            event = saved.process_event(self.newest, self.made[n % len(self.made)].identity)
        self.events.append(event)
        self.journal.add_event(event)

    def drop(self, n: int) -> None:
        oldest = min(n, self.newest + 1)
        self.events = [event for event in self.events if event.revision >= oldest]
        self.journal.drop_events(oldest)

    def reopen(self, _: int) -> None:
        restores = self.journal.restores
        self.journal.close()
        self.journal = Journal.open(self.path)
        assert self.journal.incarnation == self.incarnation
        assert self.journal.restores == restores + 1
        assert self.journal.restore_time >= self.journal.create_time
        found = self.journal.load()
        assert repr(found.processes) == repr(list(self.processes.values()))
        assert found.systems == list(self.systems.values())
        assert repr(found.events) == repr(self.events)
        assert found.newest == self.newest
        assert found.next_number > len(self.made)
        _require_one_identity_each(found)
        assert self.journal.load() == NOTHING

    async def follow(self, steps: list[tuple[str, int]]) -> None:
        moves = {
            "add": self.add,
            "set": self.set,
            "remove": self.remove,
            "system": self.system,
            "forget": self.forget,
            "event": self.event,
            "drop": self.drop,
            "reopen": self.reopen,
        }
        try:
            for name, n in [*steps, ("reopen", 0)]:
                if name in moves:
                    moves[name](n)
                else:
                    await self.journal.written()
        finally:
            self.journal.close()


STEP = st.sampled_from(
    ["add", "set", "remove", "system", "forget", "event", "drop", "turn", "reopen"]
)


@given(steps=st.lists(st.tuples(STEP, st.integers(0, 30)), max_size=40))
@settings(max_examples=25)
def test_what_is_kept_comes_back(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]
) -> None:
    path = tmp_path_factory.mktemp("journal") / "journal.db"

    async def follow() -> None:
        await Model(path).follow(steps)

    asyncio.run(follow())


def _require_one_identity_each(found: Saved) -> None:
    known = {process.identity.uid: process.identity for process, _ in found.processes}
    for event in found.events:
        if isinstance(event.what, ProcessEvent):
            identity = event.what.process.identity
            assert known.setdefault(identity.uid, identity) is identity


async def test_nothing_is_left_in_the_file_of_what_was_removed(
    journal: Journal, path: Path
) -> None:
    process = saved.process(1)
    journal.add_process(process, saved.state())
    journal.add_event(saved.process_event(1, process.identity))
    journal.put_system(saved.system())
    await journal.written()
    journal.remove_process(process.identity.uid)
    await journal.written()
    database = journal._database
    assert database is not None
    assert [len(database.read(table)) for table in database.tables[1:]] == [1, 0, 1, 1]
    journal.drop_events(2)
    journal.remove_system(saved.STRANGE)
    await journal.written()
    assert [len(database.read(table)) for table in database.tables[1:]] == [0, 0, 0, 0]
    found = again(journal, path)
    assert (found.newest, found.next_number > 1, found.events) == (1, True, [])


async def test_a_journal_without_a_file_keeps_nothing() -> None:
    journal, calls = Journal.none(), []
    assert (journal.restores, journal.restore_time, journal.load()) == (0, 0, NOTHING)
    assert journal.incarnation != Journal.none().incarnation
    journal.add_process(saved.process(1), saved.state())
    journal.put_system(saved.system())
    journal.add_event(saved.system_event(1))
    journal.after_written(lambda: calls.append(1))
    await journal.written()
    assert calls == [1]
    journal.close()


# --- when it is written ---


async def test_calls_come_after_the_commit_and_in_order(journal: Journal) -> None:
    calls: list[int] = []
    journal.after_written(lambda: calls.append(0))
    assert calls == [0]  # there is nothing to wait for

    def second() -> None:
        calls.append(2)
        journal.after_written(lambda: calls.append(4))

    journal.put_system(saved.system())
    journal.after_written(lambda: calls.append(1))
    journal.after_written(second)
    journal.after_written(lambda: calls.append(3))
    assert calls == [0]
    await journal.written()
    await asyncio.sleep(0)
    assert calls == [0, 1, 2, 3, 4]


async def test_what_a_call_collects_is_of_the_next_turn(journal: Journal) -> None:
    calls: list[int] = []

    def first() -> None:
        journal.put_system(saved.system())
        journal.after_written(lambda: calls.append(2))
        calls.append(1)

    journal.put_system(saved.system())
    journal.after_written(first)
    await journal.written()
    assert calls == [1]
    await journal.written()
    assert calls == [1, 2]


async def test_a_call_that_fails_keeps_none_from_coming(
    journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    calls: list[int] = []

    def wrong() -> None:
        raise ValueError("wrong")

    journal.put_system(saved.system())
    journal.after_written(wrong)
    journal.after_written(lambda: calls.append(1))
    await journal.written()
    assert calls == [1]
    assert [record.levelno for record in ours(caplog)] == [logging.ERROR]


async def test_closing_writes_what_is_collected_and_ends_all_waiting(path: Path) -> None:
    journal, calls = Journal.open(path), []
    journal.put_system(saved.system())
    journal.after_written(lambda: calls.append(1))
    waiting = asyncio.get_running_loop().create_task(journal.written())
    await asyncio.sleep(0)  # it waits now
    found = again(journal, path)
    assert found.systems == [saved.system()]
    assert calls == [1]
    await waiting
    journal.close()
    journal.put_system(saved.system("later"))  # it keeps nothing any more
    await journal.written()


# --- when it cannot be ---

FULL = """
import asyncio, logging, resource, signal, sys
from pathlib import Path
from hcsd.daemon.state.errors import JournalError
from hcsd.daemon.state.journal import Journal
from tests.support import saved

async def main():
    logging.basicConfig(format="%(message)s", stream=sys.stdout)
    path = Path(sys.argv[1])
    retry = 600.0 if sys.argv[2] == "closed" else float(sys.argv[2])
    journal = Journal.open(path, retry=retry)
    journal.add_event(saved.system_event(1))
    await journal.written()
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, hard))  # of the log of what is written ahead
    revision, refused = 1, 0
    while refused < 5:
        revision += 1
        journal.add_event(saved.system_event(revision))
        process = saved.process(revision)
        journal.add_process(process, saved.state(revision))
        if revision % 2:
            journal.remove_process(process.identity.uid)
        told = []
        journal.after_written(lambda: told.append(revision))
        try:
            await journal.written()
        except JournalError as error:
            assert error.errno, str(error)
            refused += 1
        assert told == [revision]
    if sys.argv[2] == "closed":
        journal.close()
        journal = Journal.open(path)  # there is no more room for it
        print("found", journal.load().newest, "of", revision - 5)
        return
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    if retry < 1:
        async with asyncio.timeout(60):
            while journal._commits._pending:
                await asyncio.sleep(0.01)
    else:
        await journal.written()
    journal._database.close()  # nothing is written at the end
    print("newest", revision)

asyncio.run(main())
"""


def fill(path: Path, how: str) -> list[str]:
    """Run a journal out of room, in a process of its own; return what it says."""
    command = [sys.executable, "-c", FULL, str(path), how]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, capture_output=True, text=True, cwd=root, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.skipif(sys.platform == "win32", reason="has no such limits")
@pytest.mark.parametrize("retry", ["0.02", "600"], ids=["by-itself", "with-the-next"])
def test_what_cannot_be_written_is_written_later(path: Path, retry: str) -> None:
    first, second, last = fill(path, retry)
    assert "cannot be written" in first
    assert "written again" in second
    newest = int(last.split()[1])
    journal = Journal.open(path)
    found = journal.load()
    journal.close()
    assert [event.revision for event in found.events] == list(range(1, newest + 1))
    assert [process.number for process, _ in found.processes] == list(range(2, newest + 1, 2))


@pytest.mark.skipif(sys.platform == "win32", reason="has no such limits")
def test_a_journal_without_room_can_be_gone_on_with(path: Path) -> None:
    first, *_, last = fill(path, "closed")
    assert "cannot be written" in first
    _, found, _, written = last.split()
    assert found == written


async def test_a_commit_that_fails_is_told_to_all_who_wait(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    journal = Journal.open(path)
    database = journal._database
    assert database is not None
    database._connection.execute("PRAGMA query_only = ON")  # what a file system can become
    journal.put_system(saved.system())
    for _ in range(2):
        with pytest.raises(JournalError) as refused:
            await journal.written()
        assert refused.value.errno
    assert len(ours(caplog)) == 1
    database._connection.execute("PRAGMA query_only = OFF")
    await journal.written()
    assert "nothing is missing" in ours(caplog)[-1].getMessage()
    assert again(journal, path).systems == [saved.system()]


# --- versions ---


def test_a_newer_journal_is_not_touched(path: Path) -> None:
    Journal.open(path).close()
    content = bytearray(path.read_bytes())
    content[60:64] = (999).to_bytes(4, "big")
    path.write_bytes(content)
    with pytest.raises(NewerError, match=r"schema 999.*knows 1"):
        Journal.open(path)
    assert path.read_bytes() == content
    assert os.listdir(path.parent) == [path.name]


def test_the_version_is_in_the_file_also_while_it_is_open(path: Path) -> None:
    journal = Journal.open(path)
    assert path.read_bytes()[60:64] == (1).to_bytes(4, "big")
    journal.close()


def test_a_file_of_its_own_user_alone(path: Path) -> None:
    Journal.open(path).close()
    assert path.stat().st_mode & 0o777 == 0o600


# What version 1 made, in full. Nobody may change it: later versions must go on with it.
VERSION_1 = (
    "CREATE TABLE facts (key BLOB UNIQUE, data BLOB)",
    "CREATE TABLE processes (key INTEGER PRIMARY KEY, data BLOB)",
    "CREATE TABLE states (key INTEGER PRIMARY KEY, data BLOB)",
    "CREATE TABLE systems (key BLOB UNIQUE, data BLOB)",
    "CREATE TABLE events (key INTEGER PRIMARY KEY, data BLOB)",
    "INSERT INTO facts VALUES (CAST('incarnation' AS BLOB), x'{incarnation}')",
    "INSERT INTO facts VALUES (CAST('create_time' AS BLOB), x'{create_time}')",
    "INSERT INTO facts VALUES (CAST('restores' AS BLOB), x'{restores}')",
    "INSERT INTO systems VALUES (CAST('host' AS BLOB), x'{system}')",
    "PRAGMA user_version = 1",
)


def test_a_journal_of_version_1_is_gone_on_with(path: Path) -> None:
    import sqlite3  # noqa: PLC0415  (as the daemon does)
    import zlib  # noqa: PLC0415

    def sealed(key: bytes, text: bytes) -> str:
        return (zlib.crc32(text, zlib.crc32(key)).to_bytes(4, "big") + text).hex()

    rows = {
        "incarnation": sealed(b"incarnation", b'"abc"'),
        "create_time": sealed(b"create_time", b"5"),
        "restores": sealed(b"restores", b"2"),
        "system": sealed(
            b"host",
            b'{"id":"host","runtime_id":"r","create_time":null,"request":{"id":"","fingerprint":""},'
            b'"limits":null,"properties":{"id":"host"},"life":"OWN"}',
        ),
    }
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in VERSION_1:
        connection.execute(statement.format(**rows))
    connection.close()
    journal = Journal.open(path)
    assert (journal.incarnation, journal.create_time, journal.restores) == ("abc", 5, 3)
    (system,) = journal.load().systems
    assert (system.id, system.life.name) == ("host", "OWN")
    journal.close()
