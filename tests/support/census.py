"""What a test process holds of the operating system, and how to wait for what the kernel tells late.

A test that starts things compares a census from before with one from after. The mark is a variable
in the environment: every process that descends from the test has it, whatever it did to its parents,
its session or its group, so nothing that was left behind can hide.
"""

import os
import select
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

PROC = Path("/proc")
MARK = "TEST_CENSUS_MARK"


class Census(NamedTuple):
    """How many of what the kernel gives out this process has."""

    descriptors: int
    threads: int

    @classmethod
    def take(cls) -> "Census":
        if sys.platform == "win32":  # Wine does not count handles; the double counts its own
            return cls(0, threading.active_count())
        # The listing has a descriptor of its own while it runs.
        return cls(len(os.listdir("/proc/self/fd")) - 1, len(os.listdir("/proc/self/task")))


def until(condition: Callable[[], bool], what: str, seconds: float = 30.0) -> None:
    """Wait for what the kernel has no event for, such as an entry that vanishes from /proc."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds} s: {what}")
        time.sleep(0.002)


async def eventually(condition: Callable[[], bool], what: str, seconds: float = 30.0) -> None:
    """As `until`, while the event loop goes on: for what it does itself, or hears of from threads."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds} s: {what}")
        await anyio.lowlevel.checkpoint()


def children(pid: int | None = None) -> list[int]:
    """The pids of the children of a process, of this one by default, zombies included."""
    found: list[int] = []
    if sys.platform == "win32":  # no process has children there
        return found
    for task in (PROC / str(pid or "self") / "task").iterdir():
        with suppress(FileNotFoundError):  # a thread that has just ended
            found += map(int, (task / "children").read_text(encoding="ascii").split())
    return found


def descriptors_of(pid: int) -> int:
    """How many descriptors a process has."""
    return len(os.listdir(PROC / str(pid) / "fd"))


def state_of(pid: int) -> str:
    """The state letter of a process: "" if there is none."""
    try:
        stat = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return stat.rpartition(")")[2].split()[0]


def is_running(pid: int) -> bool:
    return state_of(pid) not in {"", "Z", "X"}


def marked(mark: str) -> list[int]:
    """The pids of all living processes with that mark in the environment they were started with."""
    entry = f"{MARK}={mark}".encode()
    found: list[int] = []
    for folder in PROC.iterdir():
        if not folder.name.isdigit():
            continue
        try:
            environment = (folder / "environ").read_bytes()
        except OSError:
            continue  # it has ended, or is a zombie
        if entry in environment.split(b"\0") and is_running(int(folder.name)):
            found.append(int(folder.name))
    return found


@contextmanager
def marking() -> Iterator[str]:
    """Mark whatever is started inside."""
    mark = uuid.uuid4().hex
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(MARK, mark)
        yield mark


def holders_of(pipe: str) -> set[int]:
    """The pids of all other processes that have a pipe open, at either end.

    Args:
        pipe: What its link in /proc/self/fd says.
    """
    found: set[int] = set()
    for process in PROC.glob("[0-9]*"):
        with suppress(OSError):  # it has ended meanwhile
            for name in os.listdir(process / "fd"):
                with suppress(OSError):  # it has closed that one
                    if os.readlink(process / "fd" / name) == pipe:
                        found.add(int(process.name))
    return found - {os.getpid()}


async def ended(pid: int) -> None:
    """Wait until a process of anyone has ended; at once if there is none."""
    if sys.platform == "win32":
        from tests.windows.native import wait_for_end  # noqa: PLC0415

        await anyio.to_thread.run_sync(wait_for_end, pid)
        return
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        await anyio.wait_readable(descriptor)
    finally:
        os.close(descriptor)


def ended_within(pids: list[int], seconds: float) -> bool:
    """Tell whether these processes end in time, without an event loop."""
    deadline = time.monotonic() + seconds
    for pid in pids:
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        try:
            left = max(0.0, deadline - time.monotonic())
            if not select.select([descriptor], [], [], left)[0]:
                return False
        finally:
            os.close(descriptor)
    return True
