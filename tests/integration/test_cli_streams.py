"""Commands whose standard streams are closed, full or broken: one line, a sensible exit code, no traceback."""

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.integration.test_cli import Line, hcsd
from tests.support import commands

__all__ = ["hcsd"]  # a fixture here, too

pytestmark = pytest.mark.skipif(
    not os.path.exists("/dev/full"), reason="needs a device that is full"
)

FULL = "hcsd: cannot write to stdout: No space left on device\n"

# What is typed, and its exit code if stdout is full. PROCESS is one that has ended, and has written a line.
COMMANDS = {
    "ps": 1,
    "logs PROCESS": 1,
    "inspect PROCESS": 1,
    "wait PROCESS": 1,
    "events": 1,
    "info": 1,
    "system ps": 1,
    "run -- echo x": 125,
    "run -d -- true": 125,
    "docs": 1,
    "docs limits": 1,
    "completion bash": 1,
    "--help": 1,
    "--version": 1,
}


@pytest.fixture
async def process(hcsd: Line) -> str:
    name = (await hcsd("run", "-d", "--", "echo", "line")).stdout.strip()
    assert (await hcsd("wait", name)).returncode == 0
    return name


@pytest.fixture
def full() -> Iterator[int]:
    descriptor = os.open("/dev/full", os.O_WRONLY)
    yield descriptor
    os.close(descriptor)


@pytest.fixture
def broken() -> Iterator[int]:
    """The end for writing of a pipe that nobody will read."""
    reads, writes = os.pipe()
    os.close(reads)
    yield writes
    os.close(writes)


def words(typed: str, process: str) -> list[str]:
    return typed.replace("PROCESS", process).split()


async def test_a_full_stdout_is_told_in_one_line(hcsd: Line, process: str, full: int) -> None:
    for typed, code in COMMANDS.items():
        done = await commands.run(words(typed, process), hcsd.environment, stdout=full)
        assert (typed, done.returncode, done.stderr.decode()) == (typed, code, FULL)


async def test_a_stdout_that_nobody_reads_ends_quietly(
    hcsd: Line, process: str, broken: int
) -> None:
    for typed in COMMANDS:
        done = await commands.run(words(typed, process), hcsd.environment, stdout=broken)
        assert (typed, done.returncode, done.stderr) == (typed, 141, b"")


@pytest.mark.parametrize("where", ["full", "broken"])
def test_a_stderr_that_takes_nothing_changes_no_exit_code(
    hcsd: Line, where: str, request: pytest.FixtureRequest
) -> None:
    stderr = request.getfixturevalue(where)
    typed = {
        "ps": 0,
        "ps --nope": 2,
        "nope": 2,
        "": 2,
        "logs nope": 1,
        "stop nope": 1,
        "run nope-program": 127,
        "run -- sh -c exit\\ 7": 7,
    }
    for words, code in typed.items():
        with ExitStack() as stack:
            nothing = stack.enter_context(Path(os.devnull).open("r+b")).fileno()
            command = commands.Command(
                shlex.split(words), hcsd.environment, (nothing, nothing, stderr)
            )
            stack.callback(command.kill)
            assert (words, command.wait(30)) == (words, code)


@pytest.mark.parametrize(
    ("closed", "typed", "code", "written"),
    [
        ("2>&-", "run -- sh -c 'echo x; echo y >&2; exit 7'", 7, "x\n"),
        ("<&- >&- 2>&-", "run -- sh -c 'echo x; exit 7'", 7, ""),
        ("<&-", "run -i -- cat", 0, ""),
        ("<&- >&- 2>&-", "ps", 0, ""),
        ("2>&-", "logs nope", 1, ""),
        ("2>&-", "ps --nope", 2, ""),
    ],
)
def test_streams_that_are_closed_do_no_harm(
    hcsd: Line, closed: str, typed: str, code: int, written: str
) -> None:
    script = f"exec {shlex.quote(sys.executable)} -m hcsd {typed} {closed}"
    done = subprocess.run(
        ["/bin/sh", "-c", script],
        env=hcsd.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (code, written, "")
