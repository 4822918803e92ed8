"""Consoles of Windows; `posix.py` has the same names.

No signal tells of a new size, so it is asked for in intervals. Events of the console tell of its end,
and of Ctrl-Break, which raw mode leaves an event: it is the way out when nothing else is.
"""

from __future__ import annotations

import signal
import sys
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

assert sys.platform == "win32"  # noqa: S101, TID251  (says the same to the type checker)

from hcsd.win32 import console, console_io  # noqa: E402  (not elsewhere)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from hcsd.cli.session.sink import Writer
    from hcsd.cli.session.stdin_reader import Reader

ENDS = (signal.SIGINT, signal.SIGTERM)
HANG_UPS: tuple[signal.Signals, ...] = ()
RESIZES: tuple[signal.Signals, ...] = ()
STOPS: tuple[signal.Signals, ...] = ()
CONTINUES: tuple[signal.Signals, ...] = ()
SIZE_INTERVAL: float | None = 0.25  # seconds; as docker has it
KIND = "xterm-256color"  # what a console is with virtual terminal input and output


def is_terminal(descriptor: int) -> bool:
    """Tell whether a descriptor is a console."""
    return console_io.is_console(descriptor)


def why_not_raw(descriptor: int) -> str:
    """Return why a console has no raw mode; "" if it has one."""
    try:
        with console_io.raw_input(descriptor):
            return ""
    except OSError as error:
        return f"it has no virtual terminal input, which Windows 10 1809 has: {error.strerror}"


def size_of(_descriptor: int) -> tuple[int, int]:
    """Return columns and rows of our console; only a screen tells them, not what is typed at.

    Raises:
        OSError: We have no console any more.
    """
    return console_io.size()


@contextmanager
def raw_mode(descriptor: int) -> Iterator[None]:
    """Have a console in raw mode while inside; it ends as it was."""
    with ExitStack() as stack:
        with suppress(OSError):  # it is gone: reading it will tell
            stack.enter_context(console_io.raw_input(descriptor))
        yield


@contextmanager
def reading_keys(descriptor: int) -> Iterator[Reader]:
    """Read what is typed; made on the running loop. The reader ends with the block."""
    from hcsd.cli.session.stdin_reader import Reader  # here, so that help does not load it

    keys = console_io.Keys(descriptor)

    def read() -> bytes:
        with suppress(OSError):  # the console is gone
            return keys.read()
        return b""

    try:
        yield Reader(read)
    finally:
        keys.end()


@contextmanager
def showing(descriptor: int) -> Iterator[Writer | None]:
    """Have it show what a process writes while inside, by another writer than that of bytes.

    Nothing is changed where it is no console.
    """
    if not console_io.is_console(descriptor):
        yield None
        return
    with ExitStack() as stack:
        with suppress(OSError):  # it is gone, as writing will tell
            stack.enter_context(console_io.terminal_output(descriptor))
        yield console_io.Screen(descriptor).write


def telling_of_the_end(on_end: Callable[[], None]) -> AbstractContextManager[None]:
    """Tell when the console ends, or by Ctrl-Break, on a thread of the console's."""
    return console.receive_events(lambda _event: on_end())


def stop_this_program() -> None:
    """Do nothing: there is no such state, and no signal that asks for it."""
