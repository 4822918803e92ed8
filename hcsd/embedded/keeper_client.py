"""The engine's end of the line to a keeper.

    UP ──hang_up(): the keeper reads EOF, kills its descendants, exits──▶ ENDING
    UP, ENDING ──it owes an answer, or its end, and is silent for too long──▶ KILLED
               ──kill()──▶ KILLED
    UP, ENDING, KILLED ──socket ends, or the keeper is found dead──▶ GONE
    GONE ──the keeper is reaped, or cannot be in time──▶ DOWN    every open request is answered ESRCH

    UP ──let_go(): the socket is closed, so the keeper waits for another engine──▶ LEFT    likewise

A keeper that is stopped, by whomever, is continued. A start may take long; every other request is
answered at once, so a keeper owes those answers. One that is silent is asked for an answer that it
then owes.

Every request has an id, by which its answer is known: a start is answered after later requests.
Nothing here waits, neither for the keeper nor for the kernel.
Thread: the worker's, all of it, but for `keeper_pid`.
"""

from __future__ import annotations

import enum
import errno
import itertools
import logging
import signal
import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from hcsd.embedded.keeper.frames import Message
    from hcsd.embedded.keeper_link import Link
    from hcsd.embedded.timings import Timings
    from hcsd.embedded.worker import Worker

    # Exit status (negative: the signal) and, if that is LEFT, pids and names of what stays.
    OnDown = Callable[[int, list[tuple[int, str]]], None]

logger = logging.getLogger(__name__)

MAX_WAITING = 64 << 20  # bytes of requests that may wait for one keeper
LAST_WORDS = 1.0  # seconds that requests may take to leave when a keeper is left to another engine
REAP_PAUSE = 0.001  # seconds between two tries to reap a keeper, at first
WARNING_PAUSE = 60.0  # seconds between two warnings that a keeper was stopped


class Phase(enum.Enum):
    """Phases of a keeper; see the module's head."""

    UP = enum.auto()
    ENDING = enum.auto()
    KILLED = enum.auto()
    GONE = enum.auto()
    DOWN = enum.auto()
    LEFT = enum.auto()


class Callbacks(NamedTuple):
    """What is called with the reports of a keeper.

    Attributes:
        on_exit: Called with the pid and the return code of each process that ended, whether want of
            memory explains it, and when, in nanoseconds since 1970. Negative: the signal; None: only
            its parent was told.
        on_out_of_memory: Called when the host has killed something for want of memory.
    """

    on_exit: Callable[[int, int | None, bool, int], None]
    on_out_of_memory: Callable[[], None]


class KeeperClient:
    """The engine's end of the line to a keeper.

    Args:
        worker: Where everything runs.
        link: The keeper. Ownership: this.
        callbacks: Called with what it reports.
        on_down: Called once when the keeper is gone, after the last exit, with its exit status
            (negative: the signal that killed it) and with what it could not end.
        timings: How long to wait for it.

    Attributes:
        mark: Begins the marks of its processes.
        overdue: Whether it was to end, did not in time, and so was killed here.
    """

    def __init__(
        self,
        worker: Worker,
        link: Link,
        callbacks: Callbacks,
        on_down: OnDown,
        *,
        timings: Timings,
    ) -> None:
        self.mark = link.mark
        self._worker = worker
        self._callbacks = callbacks
        self._on_down = on_down
        self._timings = timings
        self._answers: dict[int, Callable[[Message], None]] = {}
        self._owed: set[int] = set()  # requests that are answered at once
        self._ids = itertools.count(1)
        self._sock, self._line, self._keeper = link.sock, link.line, link.process
        self._left: list[tuple[int, str]] = []
        self._phase = Phase.UP
        self._silent = 0.0  # seconds since the last frame
        self._overdue = 0.0  # seconds of them in which it owed something
        self._warned = -WARNING_PAUSE
        self.overdue = False
        worker.watch(self._sock, self._readable, self._flush)

    @property
    def keeper_pid(self) -> int:
        """Pid of the keeper."""
        return self._keeper.pid

    def request(
        self, message: Message, fds: list[int], on_answer: Callable[[Message], None]
    ) -> None:
        """Send a request; its answer comes later, also if the keeper is gone.

        Ownership: the descriptors stay the caller's, who closes them when this returns.
        """
        if self._phase is not Phase.UP:
            self._refuse(on_answer, errno.ESRCH)
        elif self._line.waiting > MAX_WAITING:
            self._refuse(on_answer, errno.ENOBUFS)
        else:
            self._send(message, fds, on_answer)

    def hang_up(self) -> None:
        """Make the keeper kill what it keeps, and exit; `on_down` follows."""
        if self._phase is Phase.UP:
            self._phase = Phase.ENDING
            self._line.hang_up()
            self._flush()
            self._overdue = 0.0
            self._keeper.send_signal(signal.SIGCONT)  # it may have been stopped a moment ago

    def let_go(self) -> None:
        """Leave the keeper to another engine, with all that it keeps. `on_down` does not follow."""
        if self._phase is not Phase.UP:
            return
        self._line.drain(LAST_WORDS)
        self._phase = Phase.LEFT
        self._worker.unwatch(self._sock)
        self._line.close()
        self._keeper.let_go()
        self._answer_all()

    def reap(self) -> bool:
        """Reap the keeper if it is dead; return whether that was ever done."""
        return self._keeper.poll() is not None

    def kill(self) -> None:
        """Kill the keeper, which leaves what it keeps behind; `on_down` follows."""
        if self._phase in {Phase.UP, Phase.ENDING}:
            self.overdue = self._phase is Phase.ENDING
            self._phase = Phase.KILLED
            self._overdue = 0.0
            self._keeper.send_signal(signal.SIGKILL)

    def look(self) -> None:
        """See to it that the keeper does its work. Called after each `Timings.look`."""
        if self._phase in {Phase.GONE, Phase.DOWN, Phase.LEFT}:
            return
        if self.reap():
            self._hear_out()
            return
        self._continue_if_stopped()
        self._silent += self._timings.look
        if self._owed or self._phase is not Phase.UP:
            self._overdue += self._timings.look
        if self._overdue >= self._timings.silence:
            self._give_up()
        elif self._phase is Phase.UP and not self._owed and self._silent >= self._timings.ask:
            self._send({"ping": True}, [], lambda _answer: None)

    def _continue_if_stopped(self) -> None:
        if not self._keeper.is_stopped():
            return
        self._keeper.send_signal(signal.SIGCONT)
        if time.monotonic() >= self._warned + WARNING_PAUSE:
            self._warned = time.monotonic()
            logger.warning("keeper %d was stopped by a signal; it was continued", self.keeper_pid)

    def _give_up(self) -> None:
        if self._phase is Phase.KILLED:
            logger.error("keeper %d was killed and does not die", self.keeper_pid)
            self._go()
        else:
            logger.error(
                "keeper %d does not %s; it is killed",
                self.keeper_pid,
                "answer" if self._phase is Phase.UP else "end",
            )
            self.kill()

    def _send(self, message: Message, fds: list[int], on_answer: Callable[[Message], None]) -> None:
        number = next(self._ids)
        self._answers[number] = on_answer
        if "argv" not in message:
            if not self._owed:
                self._overdue = 0.0
            self._owed.add(number)

        def lost(code: int) -> None:
            self._refuse(self._settle(number), code)

        self._line.send({"id": number, **message}, fds, lost)
        self._flush()

    def _flush(self) -> None:
        self._line.flush()
        self._worker.want_write(self._sock, wanted=bool(self._line.waiting))

    def _settle(self, number: int) -> Callable[[Message], None]:
        self._owed.discard(number)
        return self._answers.pop(number)

    def _readable(self) -> None:
        frame = self._line.receive()
        if frame is not None:
            self._silent = self._overdue = 0.0
            self._hear(*frame)
        elif self._line.ended:
            self._go()

    def _hear_out(self) -> None:
        """Take the last frames of a keeper that is dead, whoever else may hold its socket."""
        while (frame := self._line.receive()) is not None:
            self._hear(*frame)
        self._go()

    def _hear(self, message: Message, fds: list[int]) -> None:
        """Take a frame; its descriptors become those of the request that it answers."""
        if "exit" in message:
            pid, status, when = message["exit"], message["status"], message["time"]
            assert isinstance(pid, int) and isinstance(when, int)  # noqa: S101, PT018  (both sides are ours)
            assert status is None or isinstance(status, int)  # noqa: S101
            self._callbacks.on_exit(pid, status, message.get("oom") is True, when)
        elif "bye" in message:
            assert isinstance(message["bye"], int)  # noqa: S101
            self._keeper.tell_end(message["bye"])
        elif "oom" in message:
            self._callbacks.on_out_of_memory()
        elif "left" in message:
            assert isinstance(message["left"], list)  # noqa: S101
            self._left = [(int(pid), str(name)) for pid, name in message["left"]]
        else:
            number = message["id"]
            assert isinstance(number, int)  # noqa: S101
            self._settle(number)(message | {"fds": fds} if fds else message)

    def _go(self) -> None:
        """Nothing more comes from it: it has exited, which the kernel may not have finished."""
        self._phase = Phase.GONE
        self._worker.unwatch(self._sock)
        self._line.close()
        self._reap(REAP_PAUSE, time.monotonic() + self._timings.reap)

    def _reap(self, pause: float, deadline: float) -> None:
        status = self._keeper.poll()
        if status is None and time.monotonic() < deadline:
            self._worker.after(pause, lambda: self._reap(pause * 2, deadline))
            return
        if status is None:
            # It was killed. Whoever traces it has not let go of it.
            self._keeper.send_signal(signal.SIGKILL)
            logger.error("keeper %d has ended and cannot be reaped", self.keeper_pid)
            status = -signal.SIGKILL
        self._phase = Phase.DOWN
        self._answer_all()
        self._worker.post(lambda: self._on_down(status, self._left))

    def _answer_all(self) -> None:
        answers, self._answers = self._answers, {}
        self._owed.clear()
        for on_answer in answers.values():
            self._refuse(on_answer, errno.ESRCH)

    def _refuse(self, on_answer: Callable[[Message], None], code: int) -> None:
        self._worker.post(lambda: on_answer({"error": code, "what": "system"}))
