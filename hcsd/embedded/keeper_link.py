"""A keeper and the line to it: how the engine comes by one that it starts."""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING, NamedTuple

from hcsd.embedded.keeper import frames
from hcsd.embedded.keeper.spare import require_room
from hcsd.embedded.keeper_process import ChildProcess
from hcsd.embedded.keeper_program import start_program

if TYPE_CHECKING:
    from hcsd.embedded.child_settings import ChildSettings
    from hcsd.embedded.groups import Groups
    from hcsd.embedded.keeper_process import KeeperProcess


class Link(NamedTuple):
    """A keeper, and the line to it.

    Attributes:
        mark: Begins the marks of its processes.
        sock: The socket, for a look whether there is something.
        line: What comes and goes through it. Ownership: of both.
        process: Its process.
    """

    mark: str
    sock: socket.socket
    line: frames.Line
    process: KeeperProcess


def start_keeper(
    settings: ChildSettings, groups: Groups, door: socket.socket | None, window: float
) -> Link:
    """Start a keeper.

    Args:
        settings: What is the same for all processes.
        groups: Control groups of the system, which have been made.
        door: Where it waits for another engine when this one has died; None for nowhere. Ownership:
            the caller's.
        window: For how many seconds.

    Raises:
        OSError: It cannot be started; nothing of it is left.
    """
    sock, theirs = socket.socketpair()
    line = frames.Line(sock)
    with theirs, contextlib.ExitStack() as failed:
        failed.callback(line.close)
        require_room([sock.fileno()])
        number = -1 if door is None else door.fileno()
        child = start_program(theirs.fileno(), settings, groups, number, window)
        failed.pop_all()
    return Link(groups.mark, sock, line, ChildProcess(child))
