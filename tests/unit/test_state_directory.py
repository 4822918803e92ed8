"""The state directory: who may have it, when it begins anew, and what becomes of damage."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hcsd.daemon.state.directory import MAX_DAMAGED, StateDirectory
from hcsd.daemon.state.errors import StateError
from hcsd.daemon.state.journal import Journal
from hcsd.daemon.state.rows import Saved
from tests.support import saved
from tests.support.records import ours

ROOT = Path(__file__).parents[2]
EVENTS = 40
pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform == "win32", reason="has no state directories yet"),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state"


def reopen(path: Path) -> tuple[str, Saved]:
    """Open and close a directory; return its incarnation, and what was found."""
    directory = StateDirectory.open(path)
    directory.close()
    return directory.journal.incarnation, directory.journal.load()


async def fill(journal: Journal) -> None:
    """Keep something of everything."""
    for number in range(1, EVENTS // 2):
        process = saved.process(number)
        journal.add_process(process, saved.state(number))
        journal.add_event(saved.process_event(2 * number - 1, process.identity))
        journal.add_event(saved.system_event(2 * number))
        journal.put_system(saved.system(f"s{number}", number))
    await journal.written()


@pytest.fixture
async def filled(path: Path) -> Path:
    """A directory that a daemon has left."""
    directory = StateDirectory.open(path)
    await fill(directory.journal)
    (directory.streams / "uid").mkdir()
    (directory.engine / "host.json").touch()
    directory.close()
    return path


# --- whose it is ---


def test_it_is_made_for_its_user_alone_and_is_gone_on_with(path: Path) -> None:
    directory = StateDirectory.open(path / "below")
    assert (directory.path, directory.journal.restores) == (path / "below", 0)
    for folder in (directory.path, directory.streams, directory.engine):
        assert folder.stat().st_mode & 0o777 == 0o700
    directory.close()
    directory.close()
    again = StateDirectory.open(path / "below")
    assert again.journal.incarnation == directory.journal.incarnation
    assert again.journal.restores == 1
    again.close()


@pytest.mark.parametrize("mode", [0o750, 0o701, 0o777])
def test_one_that_others_may_enter_is_refused(path: Path, mode: int) -> None:
    path.mkdir()
    path.chmod(mode)
    with pytest.raises(StateError, match=rf"'{path}'.*others may enter.*--state-dir"):
        StateDirectory.open(path)
    assert os.listdir(path) == []


def test_a_file_is_refused(path: Path) -> None:
    path.write_text("text")
    with pytest.raises(StateError, match=rf"'{path}' is no folder; name another with --state-dir"):
        StateDirectory.open(path)
    with pytest.raises(StateError, match=rf"'{path}/below'.*Not a directory.*--state-dir"):
        StateDirectory.open(path / "below")


def test_a_folder_of_other_things_is_refused_and_left_as_it_is(path: Path) -> None:
    path.mkdir(mode=0o700)
    (path / "thesis.txt").touch()
    (path / "streams").mkdir()
    with pytest.raises(StateError, match=r"such as 'thesis.txt'; name an empty folder"):
        StateDirectory.open(path)
    assert {*os.listdir(path)} == {"thesis.txt", "streams", "lock"}


# In a process of its own, since the user is that of all threads. Python loads nothing as the other user.
AS_ANOTHER = """
import encodings.ascii, os, sqlite3, sys
from pathlib import Path
from hcsd.daemon.state.directory import StateDirectory
from hcsd.daemon.state.errors import StateError

parent, path = Path(sys.argv[1]), Path(sys.argv[1], "state")

def attempt():
    os.seteuid(65534)
    try:
        StateDirectory.open(path).close()
        print("opened")
    except StateError as error:
        print(error)
    finally:
        os.seteuid(0)

attempt()
parent.chmod(0o755)
path.mkdir(mode=0o500)
attempt()
os.chown(path, 65534, 65534)
attempt()
path.chmod(0o700)
attempt()
os.chown(path / "journal.db", 0, 0)
attempt()
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
def test_one_that_is_out_of_reach_is_refused() -> None:
    with tempfile.TemporaryDirectory() as name:
        command = [sys.executable, "-c", AS_ANOTHER, name]
        told = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True).stdout
    closed, foreign, read_only, opened, half = told.splitlines()
    assert f"'{name}/state' cannot be used: Permission denied" in closed
    assert "user 'root' may enter" in foreign
    assert "lock': Permission denied; name another with --state-dir" in read_only
    assert opened == "opened"
    assert f"the journal in state directory '{name}/state' cannot be written: Perm" in half


# --- one daemon at a time ---

HOLD = """
import sys
from pathlib import Path
from hcsd.daemon.state.directory import StateDirectory
directory = StateDirectory.open(Path(sys.argv[1]))
print("held", flush=True)
for line in sys.stdin:
    if line == "stop\\n":
        directory.stopping()
        print("stopping", flush=True)
    elif line == "discard\\n":
        directory.discard()
        break
    else:
        directory.close()
        break
"""


class Holder:
    """Another process that has a directory."""

    def __init__(self, path: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(path)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
        )  # fmt: skip
        assert self.hear() == "held"

    def hear(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def say(self, word: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{word}\n")
        self.process.stdin.flush()


@contextmanager
def holder(path: Path) -> Iterator[Holder]:
    held = Holder(path)
    try:
        yield held
    finally:
        held.process.kill()
        held.process.communicate()


def test_a_second_daemon_is_refused_until_the_first_is_killed(path: Path) -> None:
    with holder(path) as first:
        words = rf"'{path}'.*another hcsd, process {first.process.pid}, uses it; stop that one"
        with pytest.raises(StateError, match=words):
            StateDirectory.open(path, wait=0.1)
        os.kill(first.process.pid, signal.SIGKILL)
        StateDirectory.open(path).close()  # also if the kill is not done yet


def test_two_in_one_process_are_two(path: Path) -> None:
    directory = StateDirectory.open(path)
    with pytest.raises(StateError, match=f"process {os.getpid()}, uses it"):
        StateDirectory.open(path, wait=0.1)
    directory.close()


@pytest.mark.parametrize("end", ["close", "discard"])
def test_one_that_is_stopping_is_waited_for(path: Path, end: str) -> None:
    with holder(path) as first:
        first.say("stop")
        assert first.hear() == "stopping"
        with pytest.raises(StateError, match="is still stopping"):
            StateDirectory.open(path, wait=0.1)
        first.say(end)
        directory = StateDirectory.open(path)
        assert directory.journal.restores == (1 if end == "close" else 0)
        directory.close()


def test_what_was_just_being_started_may_hold_the_lock_of_a_dead_one_for_a_moment(
    path: Path,
) -> None:
    program = (
        "import os, sys\nfrom pathlib import Path\n"
        "from hcsd.daemon.state.directory import StateDirectory\n"
        "directory = StateDirectory.open(Path(sys.argv[1]))\n"
        "if not os.fork():\n"
        "    os.read(0, 1)\n"
        "os._exit(0)"
    )
    forked = subprocess.Popen(
        [sys.executable, "-c", program, str(path)], stdin=subprocess.PIPE, cwd=ROOT
    )
    assert forked.wait(60) == 0
    with pytest.raises(StateError, match="another hcsd"):
        StateDirectory.open(path, wait=0.1)
    assert forked.stdin is not None
    forked.stdin.close()
    StateDirectory.open(path).close()


# --- when it begins anew ---


async def test_another_boot_of_the_host_ends_all_but_what_is_not_ours(filled: Path) -> None:
    incarnation, found = reopen(filled)
    assert found.events
    (filled / "note").touch()
    (filled / "streams" / "link").symlink_to(filled / "note")
    (filled / "boot").write_text("another\n")
    directory = StateDirectory.open(filled)
    assert directory.journal.incarnation != incarnation
    assert {*os.listdir(filled)} >= {"note", "lock", "boot", "journal.db", "streams", "engine"}
    assert os.listdir(directory.streams) == os.listdir(directory.engine) == []
    assert directory.journal.load().events == []
    directory.close()
    assert reopen(filled)[0] == directory.journal.incarnation


async def test_a_link_in_the_place_of_a_folder_is_removed_and_not_followed(
    filled: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "file").touch()
    shutil.rmtree(filled / "streams")
    (filled / "streams").symlink_to(elsewhere)
    (filled / "boot").write_text("another\n")
    StateDirectory.open(filled).close()
    assert os.listdir(elsewhere) == ["file"]
    assert not (filled / "streams").is_symlink()


async def test_discarding_leaves_nothing_but_what_is_not_ours(filled: Path) -> None:
    directory = StateDirectory.open(filled)
    (filled / "note").touch()
    directory.discard()
    directory.discard()
    assert os.listdir(filled) == ["note"]


async def test_a_newer_one_is_refused_and_left_as_it_is(filled: Path) -> None:
    journal = filled / "journal.db"
    content = bytearray(journal.read_bytes())
    content[60:64] = (7).to_bytes(4, "big")
    journal.write_bytes(content)
    words = r"newer version of hcsd.*schema 7.*Start that version, or name another.*delete"
    with pytest.raises(StateError, match=words):
        StateDirectory.open(filled)
    assert journal.read_bytes() == content
    assert (filled / "engine" / "host.json").exists()


# --- damage ---


def overwrite(path: Path) -> None:
    path.write_bytes(os.urandom(path.stat().st_size))


def hollow(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:4096] + bytes(len(content) - 4096))


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def put_text(path: Path) -> None:
    path.write_text("Dear diary, ...\n" * 1000)


def put_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "file").touch()


def put_database(path: Path) -> None:
    import sqlite3  # noqa: PLC0415  (as the daemon does)

    path.unlink()
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE songs (title)")
    connection.close()


@pytest.mark.parametrize(
    "damage", [overwrite, hollow, truncate, put_text, put_folder, put_database]
)
async def test_a_damaged_journal_is_kept_aside_and_all_else_stays(
    filled: Path, damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    incarnation, _ = reopen(filled)
    for number in range(1, MAX_DAMAGED + 3):
        damage(filled / "journal.db")
        directory = StateDirectory.open(filled)
        assert directory.journal.load().events == []
        assert directory.journal.incarnation != incarnation
        assert (directory.engine / "host.json").exists()
        assert (directory.streams / "uid").exists()
        assert f"journal.db.damaged-{number}" in ours(caplog)[-1].getMessage()
        await fill(directory.journal)
        directory.close()
    kept = sorted(name for name in os.listdir(filled) if "damaged" in name)
    assert kept == [f"journal.db.damaged-{number}" for number in range(3, 6)]
    assert len(ours(caplog)) == MAX_DAMAGED + 2


async def test_an_empty_journal_is_a_new_one(filled: Path) -> None:
    os.truncate(filled / "journal.db", 0)
    assert reopen(filled)[1].events == []
    assert not [name for name in os.listdir(filled) if "damaged" in name]


@given(st.data())
@settings(max_examples=30)
def test_what_is_loaded_of_a_damaged_journal_was_kept(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("damaged") / "state"
    shutil.copytree(_pattern(tmp_path_factory), path)
    journal = path / "journal.db"
    content = bytearray(journal.read_bytes())
    for place in data.draw(st.lists(st.integers(100, len(content) - 1), min_size=1, max_size=8)):
        content[place] = data.draw(st.integers(0, 255))
    journal.write_bytes(content)
    _, found = reopen(path)
    whole = _WHOLE[0]
    for process in found.processes:
        assert repr(process) in {repr(row) for row in whole.processes}
    for system in found.systems:
        assert system in whole.systems
    for event in found.events:
        assert repr(event) == repr(whole.events[event.revision - 1])
    assert [event.revision for event in found.events] == list(
        range(found.newest + 1 - len(found.events), found.newest + 1)
    )


_PATTERNS: list[Path] = []
_WHOLE: list[Saved] = []


def _pattern(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory to be copied; it is made once."""
    if not _PATTERNS:
        import asyncio  # noqa: PLC0415

        path = tmp_path_factory.mktemp("pattern") / "state"
        directory = StateDirectory.open(path)

        async def keep() -> None:
            await fill(directory.journal)

        asyncio.run(keep())
        directory.close()
        _PATTERNS.append(path)
        _WHOLE.append(reopen(path)[1])
    return _PATTERNS[0]
