"""Signals of the daemon, one table for all of them.

Each has a handler here that only puts a request down: what it asks for is done on the event loop. So
no signal ends the daemon abruptly but KILL, and those by which the kernel reports a fault of the
program. Processes that it starts inherit none of it: handlers end with exec.
"""

from __future__ import annotations

import asyncio
import enum
import logging
import signal
import sys
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

from hcsd.cli.state_report import report_state

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from types import FrameType

    from hcsd.cli.stop_requests import Stop, StopRequests

TERMINAL = "/dev/tty"
# The kernel may send the signal a moment before it takes the terminal away.
TERMINAL_PATIENCE = 0.5

logger = logging.getLogger(__name__)


class Answer(enum.Enum):
    """What the daemon does when a signal comes."""

    STOP = enum.auto()  # it ends in order; asked again, at once
    STOP_AT_ONCE = enum.auto()
    HANG_UP = (
        enum.auto()
    )  # it opens its log and reads its configuration again, or its terminal is gone
    REPORT = enum.auto()  # it logs what it is doing
    IGNORE = enum.auto()  # it logs that the signal came


_NAMED = {
    "SIGINT": Answer.STOP,
    "SIGTERM": Answer.STOP,
    "SIGBREAK": Answer.STOP,  # Ctrl-Break of Windows
    "SIGXCPU": Answer.STOP,  # a limit of processor time: what is left of it is for an orderly end
    "SIGQUIT": Answer.STOP_AT_ONCE,
    "SIGHUP": Answer.HANG_UP,
    "SIGUSR1": Answer.REPORT,
    "SIGUSR2": Answer.IGNORE,
    "SIGALRM": Answer.IGNORE,
    "SIGVTALRM": Answer.IGNORE,
    "SIGPROF": Answer.IGNORE,
    "SIGIO": Answer.IGNORE,
    "SIGPWR": Answer.IGNORE,
    "SIGSTKFLT": Answer.IGNORE,
}
_REAL_TIME = range(getattr(signal, "SIGRTMIN", 0), getattr(signal, "SIGRTMAX", -1) + 1)
# Those that the platform has, by their numbers.
ANSWERS: dict[int, Answer] = dict.fromkeys(_REAL_TIME, Answer.IGNORE) | {
    int(getattr(signal, name)): answer for name, answer in _NAMED.items() if hasattr(signal, name)
}


@contextmanager
def answering_signals(stops: StopRequests, reopen_log: Callable[[], None]) -> Iterator[None]:
    """Answer the signals of the table. Thread: the main thread's.

    Afterwards they are ignored and not as they were before: the exit of the interpreter is all that
    is left, and it would give back their default to those with a handler, which turns success into
    a failure.

    Args:
        stops: What takes the requests.
        reopen_log: Opens the log file again.
    """
    hang_up = _hang_up(reopen_log, stops)

    def receive(number: int, _frame: FrameType | None) -> None:
        name = name_of(number)
        match ANSWERS[number]:
            case Answer.STOP:
                stops.request(name)
            case Answer.STOP_AT_ONCE:
                stops.request(name, at_once=True)
            case Answer.HANG_UP:
                stops.put(hang_up)
            case Answer.REPORT:
                stops.put(lambda _stop: report_state(name))
            case Answer.IGNORE:
                stops.put(lambda _stop: logger.warning("ignored %s", name))

    for number in ANSWERS:
        signal.signal(number, receive)
    if sys.platform != "win32":  # noqa: TID251  (nobody can block them there)
        # Whoever started the daemon may have blocked some.
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
    try:
        with _console_events(stops):
            yield
    finally:
        for number in ANSWERS:
            signal.signal(number, signal.SIG_IGN)


def _hang_up(reopen_log: Callable[[], None], stops: StopRequests) -> Callable[[Stop], None]:
    """Return what SIGHUP does.

    To a daemon that was started from a terminal it may say that the terminal is gone. One that was
    started with the signal ignored, as by nohup, is to outlive its terminal.
    """
    hangs_on_terminal = (
        hasattr(signal, "SIGHUP")
        and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN
        and _has_terminal()
    )

    def stop_without_terminal(stop: Stop) -> bool:
        if _has_terminal():
            return False
        logger.info("the terminal is gone")
        stop()
        return True

    def hang_up(stop: Stop) -> None:
        reopen_log()
        logger.info("received SIGHUP: a log file is opened again")
        stops.reload()
        if hangs_on_terminal and not stop_without_terminal(stop):
            asyncio.get_running_loop().call_later(TERMINAL_PATIENCE, stop_without_terminal, stop)

    return hang_up


def _has_terminal() -> bool:
    """Return whether this process has a terminal that controls it."""
    try:
        with open(TERMINAL, "rb", buffering=0):
            return True
    except OSError:
        return False


def name_of(number: int) -> str:
    """Return how a signal is called."""
    try:
        return signal.Signals(number).name
    except ValueError:  # most of those for real time have no name
        return f"signal {number}"


def _console_events(stops: StopRequests) -> AbstractContextManager[None]:
    """Make requests of what else ends a program of a Windows console."""
    if sys.platform == "win32":  # noqa: TID251  (there is nothing of it elsewhere)
        from hcsd.win32.console import receive_events

        return receive_events(stops.request)
    else:  # noqa: RET505  (type checkers follow platforms by branches)
        return nullcontext()
