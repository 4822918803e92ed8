"""The programs in clients/python/examples do what they say, in at most 30 lines each."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.daemon import Daemon

EXAMPLES = Path(__file__).parents[2] / "clients" / "python" / "examples"


def run(daemon: Daemon, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"HCSD_ADDRESS": daemon.address}
    return subprocess.run(
        [sys.executable, EXAMPLES / name, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


def test_a_build_shows_each_step_live_and_ends_what_takes_too_long(daemon: Daemon) -> None:
    done = run(daemon, "build.py")
    assert (done.returncode, done.stderr) == (1, "")
    lines = done.stdout.splitlines()
    told = {
        step: [line[7:] for line in lines if line.startswith(step)]
        for step in ("lint", "test", "docs")
    }
    assert told == {
        "lint": ["checking", "clean", "code 0"],
        "test": ["3 tests", "1 failed", "code 1"],
        "docs": ["waiting for a lock", "took too long"],
    }


def test_a_program_that_answers_is_asked(daemon: Daemon) -> None:
    done = run(daemon, "repl.py")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [" 42", "ZeroDivisionError: division by zero"]


def test_a_worker_that_fails_is_started_again(daemon: Daemon) -> None:
    done = run(daemon, "supervise.py", "sh", "-c", "exit 5")
    assert (done.returncode, done.stderr) == (5, "")
    assert done.stdout.splitlines() == ["started", "ended with 5"] * 3


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_an_example_is_short(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 30
