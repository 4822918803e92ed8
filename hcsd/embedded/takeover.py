"""Taking over what an earlier engine has left running.

For each system that is written down:

    it was never started ──▶ CREATED, as before
    its keeper answers   ──▶ taken over, with all that it tells
    nobody is at its door, or the keeper does not answer in time
                         ──▶ what is left of it is ended, and nothing of it is listed

All keepers are asked at once, and then all are waited for. A keeper may still be starting: the door is there
before it. One that was stopped by a signal is continued.

Thread: the worker's, before anything else happens. It waits.
"""

from __future__ import annotations

import logging
import os
import select
import signal
import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hcsd.embedded.groups import Groups
from hcsd.embedded.keeper import frames
from hcsd.embedded.keeper.families import KEEPER_MARK, kill_marked
from hcsd.embedded.keeper.procfs import all_pids, environment_of
from hcsd.embedded.keeper_link import Link
from hcsd.embedded.keeper_process import TakenProcess
from hcsd.embedded.records import SOCKET, address, read_records

if TYPE_CHECKING:
    from hcsd.embedded.keeper.frames import Message
    from hcsd.embedded.keeper.groups import Places
    from hcsd.embedded.records import Facts, Record
    from hcsd.embedded.restoring import Restore

MOMENT = 0.2  # seconds that a keeper takes at most, most likely, unless a signal has stopped it
RESUME = 0  # id of the request; those of a `KeeperClient` come after it

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Taken:
    """A system whose keeper has answered.

    Attributes:
        link: The keeper.
        groups: Its control groups.
        processes: What the keeper has told of each process.
        paused: Whether the system is paused.
        draining: Whether it was asked to shut down.
    """

    link: Link
    groups: Groups
    processes: list[Message]
    paused: bool
    draining: bool


@dataclass(slots=True)
class Asked:
    """A keeper that was asked.

    Attributes:
        record: What is written down of its system.
        sock: The socket to it, and the line over it; None if nobody is at the door.
        taken: What it has answered; None until then.
    """

    record: Record
    sock: socket.socket | None = None
    line: frames.Line | None = None
    taken: Taken | None = None

    @property
    def is_open(self) -> bool:
        """Whether it may still answer."""
        return self.line is not None and self.taken is None and not self.line.ended

    def give_up(self) -> None:
        """Close the line."""
        if self.line is not None:
            self.line.close()
        self.sock = self.line = None


def take_over(restore: Restore, patience: float) -> list[tuple[Record, Taken | None]]:
    """Take over all that is written down; see the module's head.

    Args:
        restore: Where that is, and for how long the keepers will wait for the engine after this one.
        patience: How many seconds a keeper may take to answer.

    Returns:
        The records of all systems that are still there. With each, if it was started, its keeper; that
        is the caller's from then on.
    """
    records = read_records(restore)
    asked = [_ask(record, restore) for record, started in records if started]
    _await(asked, patience)
    found: list[tuple[Record, Taken | None]] = [
        (record, None) for record, started in records if not started
    ]
    for one in asked:
        if one.taken is None:
            one.give_up()
            _clean(one.record.facts)
            one.record.remove()
        else:
            found.append((one.record, one.taken))
    return found


def _ask(record: Record, restore: Restore) -> Asked:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.setblocking(False)
    try:
        with address(restore.directory, record.facts.runtime_id + SOCKET) as path:
            sock.connect(path)
    except OSError:
        sock.close()
        return Asked(record)
    line = frames.Line(sock)
    line.put({"id": RESUME, "resume": restore.window})
    line.flush()
    return Asked(record, sock, line)


def _await(asked: list[Asked], patience: float) -> None:
    """Wait for the answers."""
    deadline = time.monotonic() + patience
    continue_at = time.monotonic() + min(MOMENT, patience / 2)
    while (waiting := [one for one in asked if one.is_open]) and time.monotonic() < deadline:
        if time.monotonic() >= continue_at:
            for one in waiting:
                _continue(one.record.facts.mark)
            continue_at = deadline
        poll = select.poll()
        for one in waiting:
            if one.sock is not None:
                poll.register(one.sock, select.POLLIN)
        poll.poll(max(0.0, min(deadline, continue_at) - time.monotonic()) * 1000)
        for one in waiting:
            _hear(one)


def _hear(one: Asked) -> None:
    """Take the answer of a keeper, if it is there."""
    assert one.line is not None and one.sock is not None  # noqa: S101, PT018  (it is open)
    frame = one.line.receive()
    while frame is not None and frame[0].get("id") != RESUME:
        frame = one.line.receive()  # a report, of what the answer tells as well
    if frame is None:
        return
    answer, fds = frame
    facts = one.record.facts
    try:
        keeper, processes = answer["keeper"], answer["processes"]
        assert isinstance(keeper, list) and isinstance(processes, list)  # noqa: S101, PT018
        process = TakenProcess(*keeper)
    except (OSError, KeyError, AssertionError):
        logger.exception("keeper of system '%s' cannot be taken over", facts.id)
        for fd in fds:
            os.close(fd)
        one.give_up()
        return
    one.taken = Taken(
        Link(facts.mark, one.sock, one.line, process),
        Groups.taken(facts.mark, _locked(facts.places, fds), limits_tasks=facts.limits_tasks),
        processes,
        paused=answer["paused"] is True,
        draining=answer["draining"] is True,
    )


def _locked(places: Places | None, fds: list[int]) -> Places | None:
    return places._replace(lock=fds[0] if fds else -1) if places is not None else None


def _continue(mark: str) -> None:
    """Continue a keeper that was stopped."""
    wanted = f"{KEEPER_MARK}={mark}".encode()
    for pid in all_pids():
        if wanted in environment_of(pid):
            try:
                os.kill(pid, signal.SIGCONT)
            except OSError:  # it has ended
                continue


def _clean(facts: Facts) -> None:
    """End what a keeper has left that is gone, or that does not answer."""
    logger.warning("the keeper of system '%s' is gone; what it has left behind is ended", facts.id)
    groups = Groups.taken(facts.mark, facts.places, limits_tasks=facts.limits_tasks)
    groups.kill()
    kill_marked(facts.mark)
    groups.remove()
