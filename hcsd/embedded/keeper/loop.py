"""The keeper's main loop. One thread, one socket.

    KEEPING ──shut down──▶ DRAINING ──no child is left──▶ exits 0
       │                      └──the grace is over──▶ kills ──▶ exits FORCED
       └──the engine hangs up, also from DRAINING──▶ kills ──▶ exits 0

A round waits until the socket, a pidfd or a signal has something. It carries out at most one
request, then reaps, then sends what the socket takes. So an answer comes before the exits that were
noticed after it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import signal
import socket
import sys
import time
from typing import TYPE_CHECKING

from hcsd.embedded.keeper.children import Children
from hcsd.embedded.keeper.families import kill
from hcsd.embedded.keeper.frames import FORCED, Outbox, Refusal, receive_frame
from hcsd.embedded.keeper.pauses import Pause
from hcsd.embedded.keeper.procfs import ON_LINUX, descendants

if TYPE_CHECKING:
    from hcsd.embedded.keeper.frames import Message


class Keeper:
    """The keeper of one system.

    Args:
        sock: Its end of the pair, blocking.
        mark: Begins the mark of each process.
    """

    def __init__(self, sock: socket.socket, mark: str) -> None:
        self._sock = sock
        self._out = Outbox(sock)
        self._poll = select.poll()
        self._children = Children(mark, self._poll, self._report)
        self._pause = Pause()
        self._deadline: float | None = None  # of a shutdown

    def run(self) -> int:
        """Serve requests until the engine is gone, then end every descendant.

        Returns:
            The exit status.
        """
        wake, wake_in = socket.socketpair()
        for end in (wake, wake_in):
            end.setblocking(False)
        signal.set_wakeup_fd(wake_in.fileno(), warn_on_full_buffer=False)
        self._poll.register(wake, select.POLLIN)
        serving = left = True
        while serving and (left or self._deadline is None):
            self._poll.register(self._sock, select.POLLIN | (select.POLLOUT if self._out else 0))
            wait = None if self._deadline is None else self._deadline - time.monotonic()
            if wait is not None and wait <= 0:
                self._end()
                return FORCED
            ready = self._poll.poll(None if wait is None else wait * 1000)
            for fd, events in ready:
                if fd == wake.fileno():
                    wake.recv(4096)
                elif fd == self._sock.fileno() and events & ~select.POLLOUT:
                    serving = self._serve()
            left = self._children.reap(wait=False)
            self._children.report_unreaped([fd for fd, _ in ready])
            self._out.flush()
        self._end()
        return 0

    def _serve(self) -> bool:
        """Carry out one request and answer it; False if the engine has hung up."""
        frame = receive_frame(self._sock)
        if frame is None:
            return False
        request, fds = frame
        try:
            answer = self._carry_out(request, fds)
        except Refusal as refusal:
            answer = {"error": refusal.code, "what": refusal.what}
        except Exception:
            # Ours to mend, but no reason to end everything that runs in the system.
            sys.excepthook(*sys.exc_info())
            answer = {"error": errno.EIO, "what": "system"}
        finally:
            for fd in fds:
                os.close(fd)
        self._out.put({"id": request["id"], **answer})
        return True

    def _carry_out(self, request: Message, fds: list[int]) -> Message:
        if "argv" in request:
            return self._children.start(request, fds)
        if "adopt" in request:
            self._children.adopt(_number(request["adopt"]), fds)
        elif "pause" in request:
            (self._pause.begin if request["pause"] else self._pause.end)()
        elif "grace" in request:
            self._shut_down(float(str(request["grace"])))
        elif "tree" in request:
            self._children.kill_tree(_number(request["pid"]), str(request["tree"]))
        else:
            self._signal(request)
        return {}

    def _signal(self, request: Message) -> None:
        """Send a signal; but a pause lets nobody continue before it ends."""
        pid, number = _number(request["pid"]), _number(request["number"])
        if self._pause.active and number == signal.SIGCONT:
            self._children.require(pid)
            self._pause.continue_later(pid)
        else:
            self._children.signal(pid, number, group=bool(request.get("group")))

    def _shut_down(self, grace: float) -> None:
        """Ask every member to end."""
        self._deadline = time.monotonic() + grace
        for pid in descendants(os.getpid()):
            with contextlib.suppress(OSError):  # it has ended, or is another user's
                os.kill(pid, signal.SIGTERM)

    def _report(self, pid: int, status: int | None) -> None:
        self._out.put({"exit": pid, "status": status})

    def _end(self) -> None:
        """Kill until nothing is left: what a dying process leaves behind becomes our child.

        What the keeper may not kill, such as a program that runs as another user, is left alone.
        """
        me = os.getpid()
        while True:
            left = descendants(me) if ON_LINUX else self._children.pids()
            refused = [pid for pid in left if not kill(pid)]
            alive = self._children.reap(wait=not refused)
            self._out.flush()
            if not alive or (refused and refused == left):
                return


def _number(value: object) -> int:
    assert isinstance(value, int)  # noqa: S101  (both sides are ours; for the type checker)
    return value
