"""The keeper's main loop. One thread, one socket.

    KEEPING ──shut down──▶ DRAINING ──no child is left──▶ exits 0
       │                      └──the grace is over──▶ kills ──▶ exits FORCED
       └──the engine hangs up, also from DRAINING──▶ kills ──▶ exits 0

A keeper that cannot kill all says what is left, and exits LEFT; see `endings`.

A round waits until the socket, the pipe of a start, a pidfd or a signal has something. It carries out
at most one request, then answers starts, then reaps, then sends what the socket takes. So an answer
comes before the exits that were noticed after it. Nothing in a round waits for a process, nor for the
engine.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import socket
import sys
import time
from typing import TYPE_CHECKING

from hcsd.embedded.keeper.children import Children
from hcsd.embedded.keeper.endings import ask_to_end, end_all
from hcsd.embedded.keeper.frames import FORCED, LEFT, Line, Refusal
from hcsd.embedded.keeper.groups import kill_all
from hcsd.embedded.keeper.kills import Kills
from hcsd.embedded.keeper.memory import Memory
from hcsd.embedded.keeper.pauses import Pause
from hcsd.embedded.keeper.procfs import descendants
from hcsd.embedded.keeper.spare import FULL
from hcsd.embedded.keeper.starts import Starts
from hcsd.embedded.keeper.trees import Trees

if TYPE_CHECKING:
    from hcsd.embedded.keeper.frames import Message
    from hcsd.embedded.keeper.requests import Settings

LAST_WORDS = 1.0  # seconds that the last reports may take to leave; an engine that lives reads them


class Keeper:
    """The keeper of one system.

    Args:
        sock: Its end of the pair.
        settings: What it was started with.
    """

    def __init__(self, sock: socket.socket, settings: Settings) -> None:
        self._sock = sock
        self._line = Line(sock)
        self._poll = select.poll()
        self._trees = Trees(settings.places)
        kept = [sock.fileno()] + ([settings.places.lock] if settings.places else [])
        self._starts = Starts(
            settings, kept, self._poll, self._trees, self._answer, started=self._note_start
        )
        self._children = Children(self._poll, self._starts, self._trees, self._report)
        self._kills = Kills(self._poll, self._children, self._trees, self._answer)
        self._memory = Memory(settings.places, self._poll, self._report_out_of_memory)
        self._pause = Pause(self._children, self._trees)
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
            self._poll.register(
                self._sock, select.POLLIN | (select.POLLOUT if self._line.waiting else 0)
            )
            if self._deadline is not None and self._deadline <= time.monotonic():
                return self._end(FORCED)
            ready = self._poll.poll(self._patience())
            for fd, events in ready:
                if fd == wake.fileno():
                    wake.recv(4096)
                elif fd == self._sock.fileno() and events & ~select.POLLOUT:
                    serving = self._serve()
            readable = {fd for fd, _ in ready}
            self._starts.settle(readable)
            left = self._children.reap(wait=False)
            self._children.report_unreaped(readable)
            self._kills.settle(readable)
            self._memory.settle(readable)
            if not self._pause.active:
                self._starts.expire()
            self._line.flush()
        return self._end(0)

    def _patience(self) -> float | None:
        """Return for how many milliseconds nothing is due; None for as long as nothing happens."""
        overdue = None if self._pause.active else self._starts.next_deadline
        times = (self._deadline, overdue, self._kills.next_deadline, self._memory.next_deadline)
        due = [time for time in times if time is not None]
        return max(0.0, min(due) - time.monotonic()) * 1000 if due else None

    def _serve(self) -> bool:
        """Carry out one request if it is there, and answer it unless that comes later.

        Returns:
            False if the engine has hung up.
        """
        frame = self._line.receive()
        if frame is None:
            return not self._line.ended
        request, fds = frame
        try:
            answer = self._carry_out(request, fds)
        except Refusal as refusal:
            answer = refusal.answer
        except (OSError, MemoryError) as error:
            code = errno.ENOMEM if isinstance(error, MemoryError) else error.errno
            if code not in FULL:
                sys.excepthook(*sys.exc_info())
            answer = {"error": code or errno.EIO, "what": "keeper"}
        except Exception:
            # Ours to mend, but no reason to end everything that runs in the system.
            sys.excepthook(*sys.exc_info())
            answer = {"error": errno.EIO, "what": "system"}
        finally:
            for fd in fds:
                os.close(fd)
        if answer is not None:
            self._answer(request["id"], answer)
        return True

    def _answer(self, request: object, answer: Message) -> None:
        self._line.put({"id": request, **answer})

    def _carry_out(self, request: Message, fds: list[int]) -> Message | None:
        """Return the answer; None if it comes later."""
        if "argv" in request:
            self._starts.begin(request, fds)
            return None
        if "adopt" in request:
            self._children.adopt(_number(request["adopt"]), fds)
        elif "pause" in request:
            self._set_pause(active=bool(request["pause"]))
        elif "grace" in request:
            self._shut_down(float(str(request["grace"])))
        elif "ping" in request:
            pass
        elif "tree" in request:
            return self._kills.begin(request["id"], _number(request["pid"]), str(request["tree"]))
        else:
            self._signal(request)
        return {}

    def _note_start(self, pid: int, mark: str) -> None:
        """Take up a process; one that starts late in a shutdown has not heard of it."""
        self._children.note_start(pid, mark)
        if self._deadline is not None:
            ask_to_end(pid)

    def _set_pause(self, *, active: bool) -> None:
        try:
            (self._pause.begin if active else self._pause.end)()
        finally:
            self._starts.renew()

    def _signal(self, request: Message) -> None:
        """Send a signal; but a pause lets nobody continue before it ends."""
        pid, number = _number(request["pid"]), _number(request["number"])
        if self._pause.active and number == signal.SIGCONT:
            self._children.require(pid)
            self._pause.continue_later(pid)
        else:
            self._children.signal(pid, number, group=bool(request.get("group")))
            if self._pause.active and number == signal.SIGKILL:
                self._trees.let_die(pid)

    def _shut_down(self, grace: float) -> None:
        """Ask every member to end."""
        self._deadline = time.monotonic() + grace
        for pid in descendants(os.getpid()):
            ask_to_end(pid)

    def _report(self, pid: int, status: int | None) -> None:
        oom = status is not None and self._memory.has_killed(status)
        self._line.put({"exit": pid, "status": status, "oom": oom})

    def _report_out_of_memory(self, count: int) -> None:
        self._line.put({"oom": count})

    def _end(self, status: int) -> int:
        """Kill until nothing is left; return the exit status, LEFT if something cannot be ended."""
        self._starts.abandon()
        if self._trees.main is not None:
            kill_all(self._trees.main)
        left = end_all(self._children, self._line.flush)
        self._trees.leave_and_remove()
        if left:
            self._line.put({"left": left})
            status = LEFT
        self._line.drain(LAST_WORDS)
        return status


def _number(value: object) -> int:
    assert isinstance(value, int)  # noqa: S101  (both sides are ours; for the type checker)
    return value
