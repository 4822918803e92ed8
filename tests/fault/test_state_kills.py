"""The journal of a daemon that is killed: all turns up to one, whole, and nothing of those after it.

A child keeps one turn after the other at full speed, tells each that is written, and is killed. What is
found may be more than was told, and never less.
"""

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hcsd import failpoints
from hcsd.daemon.state.directory import StateDirectory
from hcsd.daemon.state.journal import Journal
from hcsd.daemon.state.rows import Saved
from tests.support import saved

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="has no state directories yet")

ROOT = Path(__file__).parents[2]
PROCESSES, SYSTEMS, EVENTS = 7, 5, 50  # that are kept


def turn(journal: Journal, number: int) -> None:
    """Do what a daemon may do in one turn: something of each kind, all of which tells the number."""
    process = saved.process(number)
    journal.add_process(process, saved.state(number))
    journal.set_state(process.identity.uid, saved.state(number + 1))
    journal.remove_process(f"{number - PROCESSES:026}")
    journal.put_system(saved.system(f"s{number % SYSTEMS}", number))
    journal.add_event(saved.process_event(2 * number - 1, process.identity))
    journal.add_event(saved.system_event(2 * number))
    journal.drop_events(2 * number - EVENTS + 1)


def require_turns(found: Saved) -> int:
    """Return the last turn of what was found, which must be all of it."""
    last, odd = divmod(found.newest, 2)
    assert not odd
    kept = range(max(1, last - PROCESSES + 1), last + 1)
    assert [process.number for process, _ in found.processes] == list(kept)
    for process, state in found.processes:
        assert state == saved.state(process.number + 1)
    systems = {f"s{number % SYSTEMS}": number for number in range(last - SYSTEMS + 1, last + 1)}
    expected = [saved.system(name, number) for name, number in systems.items() if number > 0]
    assert sorted(found.systems, key=lambda system: system.id) == sorted(
        expected, key=lambda system: system.id
    )
    revisions = [event.revision for event in found.events]
    assert revisions == list(range(max(1, 2 * last - EVENTS + 1), 2 * last + 1))
    for event in found.events:
        if not event.revision % 2:
            assert event == saved.system_event(event.revision)
    return last


WRITER = """
import asyncio, os, sys
from pathlib import Path
from hcsd.daemon.state.directory import StateDirectory
from tests.fault.test_state_kills import require_turns, turn

async def main():
    directory = StateDirectory.open(Path(sys.argv[1]))
    number = require_turns(directory.journal.load())
    while True:
        number += 1
        turn(directory.journal, number)
        await directory.journal.written()
        os.write(1, b"%d\\n" % number)

asyncio.run(main())
"""


@pytest.mark.parametrize(("place", "found"), [("journal.commit", 4), ("journal.committed", 5)])
def test_a_turn_is_there_when_its_commit_is_done_and_not_before(
    tmp_path: Path, place: str, found: int
) -> None:
    child = subprocess.run(
        [sys.executable, "-c", WRITER, str(tmp_path / "state")],
        env={**os.environ, failpoints.VARIABLE: f"{place}=5"},
        capture_output=True,
        cwd=ROOT,
        check=False,
    )
    assert child.returncode == -signal.SIGKILL
    assert child.stdout.split() == [b"1", b"2", b"3", b"4"]
    directory = StateDirectory.open(tmp_path / "state")
    assert require_turns(directory.journal.load()) == found
    directory.close()


def killed(path: Path, chance: random.Random) -> int:
    """Let a child write, kill it, and return the last turn that it told."""
    child = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, cwd=ROOT
    )
    assert child.stdout is not None
    told = 0
    for _, line in zip(_some(chance), child.stdout, strict=False):
        told = int(line)
    os.kill(child.pid, signal.SIGKILL)
    rest = child.stdout.read().splitlines()
    child.wait()
    child.stdout.close()
    assert told, "it has written nothing"
    return int(rest[-1]) if rest else told


def _some(chance: random.Random) -> Iterator[int]:
    """Count up to any number: mostly small ones, or more than one log of what is written ahead has."""
    return iter(range(chance.choice([1, 10, 100, 1500]) + chance.randrange(50)))


# Each of some kills; in pieces, so that none of them takes long.
KILLS = 6
RUNS = [0, *(pytest.param(run, marks=pytest.mark.slow) for run in range(1, 50))]


@pytest.mark.parametrize("run", RUNS)
def test_what_is_found_is_all_turns_up_to_one(tmp_path: Path, run: int) -> None:
    path, seed = tmp_path / "state", random.randrange(1 << 32)  # noqa: S311  (no secret)
    print("run", run, "seed", seed)  # noqa: T201  (shown of a test that fails)
    chance = random.Random(seed)  # noqa: S311
    incarnation, last = "", 0
    for number in range(KILLS if run else 2):
        told = killed(path, chance)
        directory = StateDirectory.open(path)
        journal = directory.journal
        found = require_turns(journal.load())
        assert max(told, last + 1) <= found <= told + 1
        assert journal.incarnation == (incarnation or journal.incarnation)
        assert journal.restores == 2 * number + 1
        incarnation, last = journal.incarnation, found
        directory.close()


@pytest.mark.parametrize("run", RUNS)
def test_one_that_is_killed_while_it_opens_loses_nothing(tmp_path: Path, run: int) -> None:
    path, seed = tmp_path / "state", random.randrange(1 << 32)  # noqa: S311  (no secret)
    print("run", run, "seed", seed)  # noqa: T201  (shown of a test that fails)
    chance = random.Random(seed)  # noqa: S311
    last = 0
    for _ in range(KILLS if run else 2):
        child = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)], cwd=ROOT, stdout=subprocess.DEVNULL
        )
        try:
            child.wait(chance.uniform(0.1, 0.4))
        except subprocess.TimeoutExpired:
            os.kill(child.pid, signal.SIGKILL)
        child.wait()
        directory = StateDirectory.open(path)
        found = require_turns(directory.journal.load())
        assert found >= last
        last = found
        directory.close()
        assert not [name for name in os.listdir(path) if "damaged" in name]
