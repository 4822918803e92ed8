"""What passes between the engine and a keeper: frames, and the messages in them.

A frame is a 4-byte length and then JSON. Descriptors travel with its first byte. Neither side ever
blocks on the line, so the two cannot wait for each other. The engine sends requests. The keeper answers each of them once, and sends exits between the answers. A start is
answered when the program runs, which may be long after other requests:

    members of the request              descriptors  answer
    argv directory environment user     of stdio     pid mark    start a process
        uid gid groups console stdio
        limits umask oom_score_adj                       they are followed by those to keep
        no_new_privileges tag keep
    adopt: pid                          a pidfd     mark         report its end from now on
    pid number group                                             send a signal to a process
    pid tree: mark                                   killed      kill it and its descendants;
                                                                 the answer: how many of those
    pause: true or false                                         stop or continue every member
    grace: seconds                                               ask every member to end
    ping: true                                                   say that the keeper is there
    resume: seconds                                  see `loop`  the first of an engine that takes over;
                                                                 the time is its window. The answer has
                                                                 the lock on the groups, if there is one
    stdio: mark                                      held        give out what is kept of a process: the
                                                                 names, and as many descriptors
    drop: StdIn, StdOut, StdErr or All, mark                     keep these no longer
    closed: mark                                                 forget a process that has ended

    exit: pid, status: code, -signal or null, oom: true or false  a process has ended;
        time: nanoseconds since 1970
    oom: number of kills                                         the system has no memory left
    left: list of pid and name                                   what the keeper could not end; it
                                                                 exits with LEFT next
    bye: exit status                                             the last of a keeper that can be taken over

Every request also has an `id` of its own, which its answer repeats. A refusal is answered with
`error`, an errno, `what`, the thing that could not be had, and `which` of them, if there are many.
"""

from __future__ import annotations

import array
import contextlib
import errno
import json
import os
import select
import socket
import time
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

HEADER = 4
MAX_FDS = 12
PIECE = 1 << 18  # bytes that are read at once at most, so that a long frame needs no long buffer
FORCED = 3  # exit status of a keeper that had to kill at the end of a shutdown
LEFT = 4  # exit status of a keeper that has sent `left`

Message = dict[str, object]


class Refusal(Exception):  # noqa: N818  (an answer to the engine, not an error of ours)
    """A request cannot be carried out.

    Attributes:
        what: A stage of a start (`child.STAGES`), ``group``, ``process``, ``tree``, ``keeper``
            (it has no room) or ``system``.
        code: The errno.
        which: Which of them; "" if there is one. Of a tree or system: what is left, for people.
    """

    def __init__(self, what: str, code: int, which: str = "") -> None:
        super().__init__(what, code, which)
        self.what = what
        self.code = code
        self.which = which

    @property
    def answer(self) -> Message:
        """What the engine is told."""
        return {"error": self.code, "what": self.what, "which": self.which}


class Line:
    """One end of the socket between the engine and a keeper. It never blocks.

    What the socket does not take now waits here, also in the middle of a frame. So whoever uses the
    line calls `flush` when the socket can be written, for as long as something waits. What has come
    of a frame waits here, too, until the rest is there. Nothing beyond a frame is read before that
    frame was taken: a socket with a whole frame left in it can be read.

    Args:
        sock: The socket, which is made non-blocking. Ownership: the line's.

    Attributes:
        ended: Whether the other side has gone: no frame comes any more.
    """

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._waiting: deque[_Outgoing] = deque()
        self._size = 0
        self._parts = bytearray()  # what has come of a header or a body
        self._fds: list[int] = []  # of the frame that is coming
        self._missing = HEADER
        self._in_body = False
        self.ended = False

    @property
    def waiting(self) -> int:
        """How many bytes wait until the socket takes more."""
        return self._size

    def put(self, message: Message) -> None:
        """Add a frame without descriptors; `flush` sends it."""
        self._add(message, [], _ignore)

    def send(self, message: Message, fds: list[int], lost: Callable[[int], None]) -> None:
        """Add a frame with descriptors, and send what the socket takes now.

        Ownership: the descriptors stay the caller's, who may close them when this returns. Those
        that have to wait are duplicated.

        Args:
            message: What the frame says.
            fds: At most `MAX_FDS`.
            lost: Called with an errno if the descriptors cannot be passed. Then nothing of the
                frame was sent. It is called from here or from a later `flush`.
        """
        frame = self._add(message, fds, lost)
        self.flush()
        try:
            frame.keep()
        except OSError as error:
            self._drop(frame)
            lost(error.errno or errno.EMFILE)

    def flush(self) -> None:
        """Send as much as the socket takes now."""
        while self._waiting:
            frame = self._waiting[0]
            try:
                sent = frame.send(self._sock)
            except BlockingIOError:
                return
            except OSError as error:
                if isinstance(error, ConnectionError):
                    self.abandon()  # the other side has gone, so nobody reads it
                    return
                if not frame.fds:
                    return  # the kernel has no memory at the moment
                self._drop(frame)
                frame.lost(error.errno or errno.EIO)
                continue
            self._size -= sent
            if not frame.data:
                self._waiting.popleft()

    def drain(self, seconds: float) -> None:
        """Send everything, and wait for the socket as long as that takes, within a time."""
        deadline = time.monotonic() + seconds
        poll = select.poll()
        poll.register(self._sock, select.POLLOUT)
        self.flush()
        while self._waiting and (left := deadline - time.monotonic()) > 0:
            poll.poll(left * 1000)
            self.flush()

    def receive(self) -> tuple[Message, list[int]] | None:
        """Take the next frame; None if it is not there as a whole.

        Ownership: the descriptors are the caller's. Exec closes them. There are fewer than were
        sent if this process may not have more.
        """
        while not self.ended:
            size = min(self._missing - len(self._parts), PIECE)
            try:
                part, fds, _flags, _address = socket.recv_fds(self._sock, size, MAX_FDS)
            except BlockingIOError:
                return None
            except ConnectionError:
                part, fds = b"", []
            for fd in fds:
                os.set_inheritable(fd, False)
            self._fds += fds
            self._parts += part
            if not part:
                self._end()
            elif len(self._parts) == self._missing:
                if self._in_body:
                    return self._take()
                self._missing = int.from_bytes(self._parts, "big")
                self._in_body = True
                self._parts.clear()
        return None

    def hang_up(self) -> None:
        """Tell the other side that no frame follows; what waits is dropped."""
        self.abandon()
        with contextlib.suppress(OSError):  # it has gone
            self._sock.shutdown(socket.SHUT_WR)

    def abandon(self) -> None:
        """Drop what waits."""
        while self._waiting:
            self._drop(self._waiting[0])

    def close(self) -> None:
        """Close the socket, and whatever descriptors are held."""
        self._end()
        self.abandon()
        self._sock.close()

    def _add(self, message: Message, fds: list[int], lost: Callable[[int], None]) -> _Outgoing:
        body = json.dumps(message).encode()
        data = len(body).to_bytes(HEADER, "big") + body
        self._size += len(data)
        if self._waiting and not fds and not self._waiting[-1].fds:
            frame = self._waiting[-1]  # bytes that leave together
            frame.data += data
        else:
            frame = _Outgoing(data, fds, lost)
            self._waiting.append(frame)
        return frame

    def _drop(self, frame: _Outgoing) -> None:
        self._waiting.remove(frame)
        self._size -= len(frame.data)
        frame.release()

    def _take(self) -> tuple[Message, list[int]]:
        message, fds = json.loads(self._parts), self._fds
        self._parts.clear()
        self._fds, self._missing, self._in_body = [], HEADER, False
        return message, fds

    def _end(self) -> None:
        self.ended = True
        for fd in self._fds:
            os.close(fd)
        self._fds = []


class _Outgoing:
    """Bytes that wait, with the descriptors that travel with the first of them.

    Descriptors are the sender's until `keep` duplicates them.
    """

    def __init__(self, data: bytes, fds: list[int], lost: Callable[[int], None]) -> None:
        self.data = bytearray(data)
        self.fds = fds
        self.lost = lost
        self._kept = False

    def send(self, sock: socket.socket) -> int:
        """Send what the socket takes, and return how many bytes that was."""
        if self.fds:
            rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", self.fds))
            sent = sock.sendmsg([self.data], [rights])
            self.release()
        else:
            sent = sock.send(self.data)
        del self.data[:sent]
        return sent

    def keep(self) -> None:
        """Duplicate the descriptors that are still to be sent.

        Raises:
            OSError: There is no room; none is kept.
        """
        if self._kept:
            return
        theirs, self.fds, self._kept = self.fds, [], True
        try:
            for fd in theirs:
                self.fds.append(os.dup(fd))
        except OSError:
            self.release()
            raise

    def release(self) -> None:
        """Close what was duplicated."""
        if self._kept:
            for fd in self.fds:
                os.close(fd)
        self.fds = []


def _ignore(_code: int) -> None:
    """Do nothing about the loss of a frame, which cannot be lost without descriptors."""
