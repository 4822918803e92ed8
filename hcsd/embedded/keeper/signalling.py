"""Signals to processes that may end at any time, by pidfds that are checked after they were opened."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import signal
import time
from typing import TYPE_CHECKING

from hcsd.embedded.keeper.procfs import is_still, look_at

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hcsd.embedded.keeper.procfs import Identity

BATCH = 100  # of descriptors at a time
MOST_URGENT = -20  # nice value


def send_to(member: Identity, number: int) -> int:
    """Send a signal to a process that may have ended; return the errno if that is not allowed."""
    pid = member[0]
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return 0
    except OSError as error:
        return _send_to_child(member, number) if _is_child(member) else error.errno or errno.EMFILE
    try:
        if is_still(member):
            signal.pidfd_send_signal(descriptor, number)
    except ProcessLookupError:
        return 0
    except OSError as error:
        return error.errno or errno.EPERM
    finally:
        os.close(descriptor)
    return 0


def kill_all(members: Iterable[Identity], deadline: float) -> tuple[set[int], set[int]]:
    """Kill processes, and wait until they are dead, or the time is over.

    Returns:
        The pids of those that this has killed, and of those that may not be killed.
    """
    todo = list(members)
    dead: set[int] = set()
    refused: set[int] = set()
    for begin in range(0, len(todo), BATCH):
        _kill_batch(todo[begin : begin + BATCH], deadline, dead, refused)
    return dead, refused


def _kill_batch(
    members: list[Identity], deadline: float, dead: set[int], refused: set[int]
) -> None:
    poll = select.poll()
    dying: dict[int, int] = {}  # pidfd to pid
    opened: list[int] = []
    try:
        for member in members:
            try:
                descriptor = os.pidfd_open(member[0])
                opened.append(descriptor)
                if not is_still(member):
                    continue  # it has ended; the pid may be another's by now
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
            except ProcessLookupError:
                continue
            except PermissionError:
                refused.add(member[0])
            except OSError:  # no descriptors are left
                if send_to(member, signal.SIGKILL):
                    refused.add(member[0])
            else:
                poll.register(descriptor, select.POLLIN)
                dying[descriptor] = member[0]
        while dying and (left := deadline - time.monotonic()) > 0:
            for descriptor, _ in poll.poll(left * 1000):
                poll.unregister(descriptor)
                dead.add(dying.pop(descriptor))
    finally:
        for descriptor in opened:
            os.close(descriptor)


def _is_child(member: Identity) -> bool:
    entry = look_at(member[0])
    return entry is not None and entry.started == member[1] and entry.parent == os.getpid()


def _send_to_child(member: Identity, number: int) -> int:
    try:
        os.kill(member[0], number)
    except ProcessLookupError:
        return 0
    except OSError as error:
        return error.errno or errno.EPERM
    return 0


@contextlib.contextmanager
def first_in_line() -> Iterator[None]:
    """Get the processor before all that is to be stopped, as far as the host allows it."""
    before = os.getpriority(os.PRIO_PROCESS, 0)
    try:
        os.setpriority(os.PRIO_PROCESS, 0, MOST_URGENT)
    except OSError:
        yield
        return
    try:
        yield
    finally:
        os.setpriority(os.PRIO_PROCESS, 0, before)
