"""Terminals of POSIX; `windows.py` has the same names.

A new size, the end of the terminal and a stop are told by signals.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING

assert sys.platform != "win32"  # noqa: S101, TID251  (says the same to the type checker)

import termios  # noqa: E402  (not on Windows)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from hcsd.cli.session.sink import Writer
    from hcsd.cli.session.stdin_reader import Keys

ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
HANG_UPS = (signal.SIGHUP,)
RESIZES = (signal.SIGWINCH,)
STOPS = (signal.SIGTSTP,)
CONTINUES = (signal.SIGCONT,)
SIZE_INTERVAL: float | None = None
KIND = ""


def is_terminal(descriptor: int) -> bool:
    """Tell whether a descriptor is a terminal."""
    return os.isatty(descriptor)


def why_not_raw(_descriptor: int) -> str:
    """Return why a terminal has no raw mode; "" if it has one."""
    return ""


def size_of(descriptor: int) -> tuple[int, int]:
    """Return columns and rows.

    Raises:
        OSError: The terminal is gone.
    """
    return os.get_terminal_size(descriptor)


@contextmanager
def raw_mode(descriptor: int) -> Iterator[None]:
    """Have a terminal in raw mode while inside; it ends as it was."""
    try:
        before = termios.tcgetattr(descriptor)
        # At once: what was typed ahead is for the process, and waiting for output that nobody
        # takes would never end.
        termios.tcsetattr(descriptor, termios.TCSANOW, _raw(before))
    except termios.error:  # it is gone: reading it will tell
        yield
        return
    try:
        yield
    finally:
        with suppress(termios.error):
            termios.tcsetattr(descriptor, termios.TCSANOW, before)


@contextmanager
def reading_keys(descriptor: int) -> Iterator[Keys]:
    """Read what is typed; made on the running loop. What comes after the block is for others."""
    from hcsd.cli.session.stdin_reader import Keys  # here, so that help does not load it

    yield Keys(descriptor)


def showing(_descriptor: int) -> AbstractContextManager[Writer | None]:
    """Have it show what a process writes while inside, by another writer than that of bytes."""
    return nullcontext()


def telling_of_the_end(_on_end: Callable[[], None]) -> AbstractContextManager[None]:
    """Tell when the terminal ends; here signals do."""
    return nullcontext()


def stop_this_program() -> None:
    """Stop this program until somebody continues it."""
    os.kill(os.getpid(), signal.SIGSTOP)


def _raw(mode: list[int | list[bytes | int]]) -> list[int | list[bytes | int]]:
    """Return the mode in which nothing is done to what is read or written."""
    _, output, control, local, in_speed, out_speed, characters = mode
    assert isinstance(output, int)  # noqa: S101  (for the type checker)
    assert isinstance(control, int)  # noqa: S101
    assert isinstance(local, int)  # noqa: S101
    assert isinstance(characters, list)  # noqa: S101
    characters = list(characters)
    characters[termios.VMIN], characters[termios.VTIME] = 1, 0
    off = termios.ECHO | termios.ECHONL | termios.ICANON | termios.ISIG | termios.IEXTEN
    return [
        0,
        output & ~termios.OPOST,
        (control & ~(termios.CSIZE | termios.PARENB)) | termios.CS8,
        local & ~off,
        in_speed,
        out_speed,
        characters,
    ]
