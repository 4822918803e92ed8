"""What the keeper holds of the processes that it has started or adopted, and the engine of the keeper."""

import os
import select
import signal
import subprocess
import sys

import pytest

from hcsd.embedded.keeper.children import Children
from hcsd.embedded.keeper_program import is_stopped
from tests.support.census import state_of, until

pytestmark = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="adopts by pidfd")


@pytest.mark.parametrize("by", ["start", "adoption"])
def test_the_end_of_an_adopted_process_is_told_before_another_has_its_pid(by: str) -> None:
    told: list[tuple[int, int | None]] = []
    children = Children(
        select.poll(),
        None,  # type: ignore[arg-type]  # starts: none here
        None,  # type: ignore[arg-type]  # trees: none here
        lambda pid, code: told.append((pid, code)),
    )
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"]) as earlier:
        descriptor = os.pidfd_open(earlier.pid)
        children.adopt(earlier.pid, [descriptor])
        earlier.kill()
    # It is reaped: the keeper has not looked yet, and the pid is free.
    if by == "start":
        children.note_start(earlier.pid, "mark")
    else:
        children.adopt(earlier.pid, [descriptor])
    assert told == [(earlier.pid, None)]
    children.require(earlier.pid)
    os.close(descriptor)


def test_a_child_is_stopped_once_for_each_stop_and_never_once_it_is_dead() -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"]) as child:
        assert not is_stopped(child.pid)
        child.send_signal(signal.SIGSTOP)
        until(lambda: state_of(child.pid) == "T", "it is stopped")
        assert is_stopped(child.pid)
        assert not is_stopped(child.pid)
        child.kill()
        until(lambda: state_of(child.pid) == "Z", "it is dead")
        assert not is_stopped(child.pid)
    assert not is_stopped(child.pid)
