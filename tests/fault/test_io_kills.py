"""A process that drains or feeds is killed at random moments: no byte is lost, and none is there twice."""

import random
import subprocess
import sys

import pytest

from tests.support import io_kills

KINDS = sorted(io_kills.KINDS)


def kill(kinds: list[str], rounds: int) -> None:
    seed = random.randrange(1 << 30)  # noqa: S311 - it is told if something goes wrong
    module = "tests.support.io_kills"
    program = [sys.executable, "-m", module, ",".join(kinds), str(rounds), str(seed)]
    done = subprocess.run(program, capture_output=True, text=True, timeout=600, check=False)
    assert (done.returncode, done.stderr) == (0, ""), f"{' '.join(program)}\n{done.stderr}"
    kills = rounds * io_kills.KILLS
    assert done.stdout.splitlines() == [f"{kind}: {kills} kills" for kind in kinds]


def test_a_kill_leaves_every_byte_once() -> None:
    kill(KINDS, 2)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_three_hundred_kills_leave_every_byte_once(kind: str) -> None:
    kill([kind], 100)
