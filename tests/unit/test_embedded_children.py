"""What the keeper holds of the processes that it has started or adopted."""

import os
import select
import subprocess
import sys

import pytest

from hcsd.embedded.keeper.children import Children

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
