"""The engine at the other end, and the door at which the next one asks.

    ATTACHED ──the line hangs up: the engine has died, or lets go──▶ DETACHED
       │  ▲                                                             │ │
       │  └──another engine has come through the door───────────────────┘ └──the window is over──▶ OVER
       └──the line ends, and does not hang up: the engine wants the end──▶ OVER
       └──likewise, and there is no door──▶ OVER

The engine that starts the keeper listens at the door before that, and so an engine that comes later can
connect at any time. It waits until the line before it has hung up. Only the keeper's own user, or root,
is let in.

An answer belongs to the line by which its request came. What is said to a line that is gone is dropped;
what must not get lost, `kept` remembers.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import struct
import time
from typing import TYPE_CHECKING

from hcsd.embedded.keeper.frames import Line, Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hcsd.embedded.keeper.frames import Message
    from hcsd.embedded.keeper.requests import Settings

ROOT = 0
STDOUT, STDERR = 1, 2
_peer = struct.Struct("3i")  # pid, uid, gid

Request = tuple[int, object]  # which line it came by, and its id


class Door:
    """The line to the engine, whichever that is.

    Args:
        sock: The line to the engine that has started the keeper.
        settings: What the keeper was started with.
        poll: Where the sockets are registered.

    Attributes:
        private: Descriptors that no child may hold: the sockets, and the lock on the groups.
        window: For how many seconds the keeper waits for another engine.
        over: Whether no engine is there, and none is waited for.
    """

    def __init__(self, sock: socket.socket, settings: Settings, poll: select.poll) -> None:
        self.private: list[int] = []
        self._lock = [settings.places.lock] if settings.places is not None else []
        self.over = False
        self.window = settings.window
        self._poll = poll
        self._door = socket.socket(fileno=settings.door) if settings.door >= 0 else None
        if self._door is not None:
            self._door.setblocking(False)
            self._door.set_inheritable(False)
        self._count = 0
        self._sock = sock
        self._line = Line(sock)
        self._attached = True
        self._until: float | None = None  # the end of the window, while detached
        self._note_private()

    @property
    def next_deadline(self) -> float | None:
        """When the window is over; None while an engine is there."""
        return self._until

    def register(self) -> None:
        """Register what may have something for `settle`."""
        if self._attached:
            waiting = select.POLLOUT if self._line.waiting else 0
            self._poll.register(self._sock, select.POLLIN | waiting)
        elif self._door is not None:
            self._poll.register(self._door, select.POLLIN)

    def receive(self, ready: Mapping[int, int]) -> tuple[Request, Message, list[int]] | None:
        """Take a request that is there as a whole, or another engine that asks.

        Ownership: the descriptors are the caller's.

        Args:
            ready: Events of descriptors.
        """
        if not self._attached:
            if self._door is not None and self._door.fileno() in ready:
                self._admit()
            elif self._until is not None and self._until <= time.monotonic():
                self.over = True
            return None
        if not ready.get(self._sock.fileno(), 0) & ~select.POLLOUT:
            return None
        frame = self._line.receive()
        if frame is None:
            if self._line.ended:
                self._part()
            return None
        message, fds = frame
        return (self._count, message["id"]), message, fds

    def answer(self, request: Request, answer: Message) -> bool:
        """Answer a request; return whether whoever asked is still there."""
        line, number = request
        if line != self._count or not self._attached:
            return False
        self.put({"id": number, **answer})
        return True

    def answer_with(self, request: Request, answer: Message, fds: list[int]) -> None:
        """Answer a request, with descriptors. Ownership: they stay the caller's."""

        def lost(code: int) -> None:
            self.answer(request, Refusal("keeper", code).answer)

        self._line.send({"id": request[1], **answer}, fds, lost)

    def put(self, message: Message) -> None:
        """Report something; dropped if no engine is there."""
        if self._attached:
            self._line.put(message)

    def flush(self) -> None:
        """Send what the line takes now."""
        if self._attached:
            self._line.flush()

    def drain(self, seconds: float) -> None:
        """Send everything, within a time."""
        if self._attached:
            self._line.drain(seconds)

    def shut(self) -> None:
        """Let nobody in any more: whoever has connected learns of it."""
        if self._door is not None:
            with contextlib.suppress(KeyError):
                self._poll.unregister(self._door)
            self._door.close()
            self._door = None

    def _part(self) -> None:
        """The line has ended: wait for another engine, or for none."""
        poll = select.poll()
        poll.register(self._sock, select.POLLIN)
        hung_up = any(events & select.POLLHUP for _, events in poll.poll(0))
        if self._door is None or not hung_up:
            self.over = True
            return
        self._poll.unregister(self._sock)
        self._line.close()
        _let_go_of_output()
        self._attached = False
        self._until = time.monotonic() + self.window
        self._note_private()

    def _admit(self) -> None:
        assert self._door is not None  # noqa: S101  (for the type checker)
        try:
            sock, _ = self._door.accept()
        except OSError:  # it has gone, or there is no room at the moment
            return
        credentials = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _peer.size)
        if _peer.unpack(credentials)[1] not in {os.geteuid(), ROOT}:
            sock.close()
            return
        self._poll.unregister(self._door)
        self._count += 1
        self._sock, self._line = sock, Line(sock)
        self._attached, self._until = True, None
        self._note_private()

    def _note_private(self) -> None:
        found = [self._sock] if self._attached else []
        sockets = [sock.fileno() for sock in (*found, self._door) if sock is not None]
        self.private[:] = sockets + self._lock


def _let_go_of_output() -> None:
    """Have no stdout and stderr of the engine any more: who reads them waits for their end."""
    try:
        null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    except OSError:  # no room; it is only for whoever reads
        return
    for descriptor in (STDOUT, STDERR):
        os.dup2(null, descriptor)
    os.close(null)
