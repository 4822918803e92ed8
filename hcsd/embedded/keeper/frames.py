"""What passes between the engine and a keeper: frames, and the messages in them.

A frame is a 4-byte length and then JSON. Descriptors travel with the length. The engine sends
requests. The keeper answers each of them once, and sends exits between the answers. A start is
answered when the program runs, which may be long after other requests:

    members of the request              descriptors  answer
    argv directory environment user     of stdio     pid mark    start a process
        uid gid groups console stdio
        limits umask oom_score_adj
        no_new_privileges
    adopt: pid                          a pidfd                  report its end from now on
    pid number group                                             send a signal to a process
    pid tree: mark                                   killed      kill it and its descendants;
                                                                 the answer: how many of those
    pause: true or false                                         stop or continue every member
    grace: seconds                                               ask every member to end

    exit: pid, status: code, -signal or null, oom: true or false  a process has ended
    oom: number of kills                                         the system has no memory left
    left: [[pid, name], …]                                       at the end: what could not be ended

Every request also has an `id` of its own, which its answer repeats. A refusal is answered with
`error`, an errno, `what`, the thing that could not be had, and `which` of them, if there are many.
"""

from __future__ import annotations

import array
import json
import os
import socket

HEADER = 4
MAX_FDS = 3
LEFT = 4  # exit status of a keeper that could not end all that it kept
FORCED = 3  # exit status of a keeper that had to kill at the end of a shutdown

Message = dict[str, object]


class Refusal(Exception):  # noqa: N818  (an answer to the engine, not an error of ours)
    """A request cannot be carried out.

    Attributes:
        what: A stage of a start (`child.Stage`), ``group``, ``process``, ``tree`` or
            ``system``.
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


def send_frame(sock: socket.socket, message: Message, fds: list[int]) -> None:
    """Send one frame on a blocking socket, with descriptors (copies; the caller keeps its own).

    Raises:
        OSError: The other side is gone.
    """
    header, body = _encode(message)
    if fds:
        rights = array.array("i", fds)
        sock.sendmsg([header], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
        sock.sendall(body)
    else:
        sock.sendall(header + body)


def receive_frame(sock: socket.socket) -> tuple[Message, list[int]] | None:
    """Receive one frame from a blocking socket; None at end-of-file.

    Ownership: the descriptors are the caller's. Exec closes them.
    """
    try:
        header, fds, _flags, _address = socket.recv_fds(sock, HEADER, MAX_FDS)
        for fd in fds:
            os.set_inheritable(fd, False)
        header += _exactly(sock, HEADER - len(header)) if header else b""
        if len(header) < HEADER:
            return None
        body = _exactly(sock, int.from_bytes(header, "big"))
    except ConnectionError:
        return None
    return (json.loads(body), fds) if body else None


class Outbox:
    """Frames that the keeper has yet to send.

    The keeper never blocks on sending, so the two sides cannot wait for each other.

    Args:
        sock: The socket, which may be blocking otherwise.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._waiting = bytearray()

    def __bool__(self) -> bool:
        """Whether something waits until the socket takes more."""
        return bool(self._waiting)

    def put(self, message: Message) -> None:
        """Add a frame; `flush` sends it."""
        self._waiting += b"".join(_encode(message))

    def flush(self) -> None:
        """Send as much as the socket takes now."""
        while self._waiting:
            try:
                sent = self._sock.send(self._waiting, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            except OSError:
                self._waiting.clear()  # the engine is gone, so nobody reads it
                return
            del self._waiting[:sent]


def _encode(message: Message) -> tuple[bytes, bytes]:
    """Return the header and the body of a frame."""
    body = json.dumps(message).encode()
    return len(body).to_bytes(HEADER, "big"), body


def _exactly(sock: socket.socket, size: int) -> bytes:
    """Read that many bytes, or nothing if the stream ends first."""
    parts: list[bytes] = []
    while size:
        part = sock.recv(size)
        if not part:
            return b""
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
