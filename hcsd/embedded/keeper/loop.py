"""The keeper's main loop. One thread.

Whether there is an engine (`attach`), and whether the system is to end, are two things:

    ATTACHED ──the engine dies──▶ DETACHED ──another one comes──▶ ATTACHED …
       │                             └──the window is over──▶ ENDING
       └──the engine hangs up: it wants the end──▶ ENDING
       └──the engine dies, and the keeper has no door──▶ ENDING

    KEEPING ──shut down──▶ DRAINING ──no child is left──▶ ENDING
                              └──the grace is over──▶ ENDING, forced

    ENDING: nobody is let in; kills ──▶ exits 0, or FORCED after the grace

A pause, a shutdown and its grace go on while there is no engine. So do starts, and processes are reaped;
how they end is kept (`kept`) until an engine says that it needs that no longer.

    the engine dies ──▶ another connects, and asks to resume ──▶ is told of all that is kept: what runs,
                        what is being started, what has ended; and whether the system is paused or drains

A keeper that cannot kill all says what is left, and exits LEFT; see `endings`.

A round waits until a socket, the pipe of a start, a pidfd or a signal has something. It carries out
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

from hcsd.embedded.keeper.attach import Door
from hcsd.embedded.keeper.children import Children
from hcsd.embedded.keeper.endings import ask_to_end, end_all
from hcsd.embedded.keeper.frames import FORCED, LEFT, Refusal
from hcsd.embedded.keeper.groups import kill_all
from hcsd.embedded.keeper.kept import Kept
from hcsd.embedded.keeper.kills import Kills
from hcsd.embedded.keeper.memory import Memory
from hcsd.embedded.keeper.pauses import Pause
from hcsd.embedded.keeper.procfs import descendants, look_at_any
from hcsd.embedded.keeper.spare import FULL
from hcsd.embedded.keeper.starts import Calls, Starts
from hcsd.embedded.keeper.trees import Trees

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hcsd.embedded.keeper.attach import Request
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
        self._poll = select.poll()
        self._settings = settings
        self._door = Door(sock, settings, self._poll)
        self._kept = Kept(active=settings.door >= 0)
        self._trees = Trees(settings.places)
        calls = Calls(self._note_fork, self._note_start, self._door.answer, self._report)
        self._starts = Starts(
            settings, self._door.private, self._poll, self._trees, kept=self._kept, calls=calls
        )
        self._children = Children(self._poll, self._starts, self._trees, self._report)
        self._kills = Kills(self._poll, self._children, self._trees, self._door.answer)
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
        left = True
        while not self._door.over and (left or self._deadline is None):
            self._door.register()
            if self._deadline is not None and self._deadline <= time.monotonic():
                return self._end(FORCED)
            ready = dict(self._poll.poll(self._patience()))
            if wake.fileno() in ready:
                wake.recv(4096)
            self._serve(ready)
            self._starts.settle(ready)
            left = self._children.reap(wait=False)
            self._children.report_unreaped(ready)
            self._kills.settle(ready)
            self._memory.settle(ready)
            self._kept.settle()
            if not self._pause.active:
                self._starts.expire()
            self._door.flush()
        return self._end(0)

    def _patience(self) -> float | None:
        """Return for how many milliseconds nothing is due; None for as long as nothing happens."""
        overdue = None if self._pause.active else self._starts.next_deadline
        parts = (self._door, self._kept, self._kills, self._memory)
        times = (self._deadline, overdue, *(part.next_deadline for part in parts))
        due = [time for time in times if time is not None]
        return max(0.0, min(due) - time.monotonic()) * 1000 if due else None

    def _serve(self, ready: Mapping[int, int]) -> None:
        """Carry out one request if it is there, and answer it unless that comes later."""
        frame = self._door.receive(ready)
        if frame is None:
            return
        asked, request, fds = frame
        try:
            answer = self._carry_out(asked, request, fds)
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
            self._door.answer(asked, answer)

    def _carry_out(self, asked: Request, request: Message, fds: list[int]) -> Message | None:
        """Return the answer; None if it comes later, or was given."""
        if "argv" in request:
            self._starts.begin(asked, request, fds)
            return None
        if "adopt" in request:
            return self._adopt(_number(request["adopt"]), fds)
        if "pause" in request:
            self._set_pause(active=bool(request["pause"]))
        elif "grace" in request:
            self._shut_down(float(str(request["grace"])))
        elif "ping" in request:
            pass
        elif "tree" in request:
            return self._kills.begin(asked, _number(request["pid"]), str(request["tree"]))
        elif "resume" in request:
            self._resume(asked, float(str(request["resume"])))
            return None
        elif "stdio" in request:
            held = self._kept.stdio_of(str(request["stdio"]))
            self._door.answer_with(asked, {"held": list(held)}, list(held.values()))
            return None
        elif "drop" in request:
            self._kept.drop(str(request["mark"]), str(request["drop"]))
        elif "closed" in request:
            self._kept.forget(str(request["closed"]))
        else:
            self._signal(request)
        return {}

    def _resume(self, asked: Request, window: float) -> None:
        """Tell an engine that takes over what there is."""
        self._door.window = window
        me = look_at_any(os.getpid())
        answer: Message = {
            "keeper": [os.getpid(), me.started if me is not None else 0],
            "processes": self._kept.messages(),
            "paused": self._pause.active,
            "draining": self._deadline is not None,
        }
        places = self._settings.places
        self._door.answer_with(asked, answer, [places.lock] if places is not None else [])

    def _adopt(self, pid: int, fds: list[int]) -> Message:
        self._children.adopt(pid, fds)
        return {"mark": self._kept.adopt(pid)}

    def _note_fork(self, pid: int) -> None:
        """A process has this pid from now on, so no other has it."""
        self._children.report_earlier(pid)

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
        when = time.time_ns()
        self._kept.ended(pid, status, oom=oom, when=when)
        self._door.put({"exit": pid, "status": status, "oom": oom, "time": when})

    def _report_out_of_memory(self, count: int) -> None:
        self._door.put({"oom": count})

    def _end(self, status: int) -> int:
        """Kill until nothing is left; return the exit status, LEFT if something cannot be ended."""
        self._door.shut()
        self._starts.abandon()
        if self._trees.main is not None:
            kill_all(self._trees.main)
        left = end_all(self._children, self._door.flush)
        self._trees.leave_and_remove()
        if left:
            self._door.put({"left": left})
            status = LEFT
        if self._settings.door >= 0:
            self._door.put({"bye": status})
        self._door.drain(LAST_WORDS)
        return status


def _number(value: object) -> int:
    assert isinstance(value, int)  # noqa: S101  (both sides are ours; for the type checker)
    return value
