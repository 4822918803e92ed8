"""The terminal that a person sits at: its size, and its raw mode.

In raw mode every byte typed is read as it is, Ctrl-C among them, and every byte written is shown as
it is: the console of the process does what the terminal's own driver does otherwise.

What is particular to a platform stands at the end: the raw mode, and the signals that have to do
with terminals. A console of Windows needs SetConsoleMode there, with virtual terminal input and
output, and something that tells about a new size; until then keys are not passed on from it, which
is refused before anything is started.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager


NAMES = ("stdin", "stdout", "stderr")


class NoTerminalError(Exception):
    """What was asked for needs a terminal; the text is for people."""


@dataclass(frozen=True, slots=True)
class Size:
    """Size of a terminal in character cells; false if it is not known."""

    columns: int = 0
    rows: int = 0

    def __bool__(self) -> bool:
        return bool(self.columns and self.rows)


class Terminal:
    """A terminal.

    Args:
        descriptor: A standard stream of ours; it stays the caller's.
        raw: Whether raw mode is needed.

    Raises:
        NoTerminalError: It is no terminal, or one that has no raw mode.
    """

    def __init__(self, descriptor: int, *, raw: bool) -> None:
        if not os.isatty(descriptor):
            raise NoTerminalError(f"{NAMES[descriptor]} is not a terminal")
        if raw and not CAN_BE_RAW:
            raise NoTerminalError("keys cannot be passed on from a console of Windows yet")
        self._descriptor = descriptor

    @classmethod
    def ours(cls, *, types: bool) -> Terminal:
        """Return the terminal of the person: where they type if they do, else where they read.

        Raises:
            NoTerminalError: There is none.
        """
        return cls(0 if types else 1, raw=types)

    @staticmethod
    def size_of_ours() -> Size:
        """Return the size of the terminal that our standard streams are at, if one is."""
        sizes = (Terminal(fd, raw=False).size for fd in range(len(NAMES)) if os.isatty(fd))
        return next(filter(None, sizes), Size())

    @property
    def size(self) -> Size:
        """Its size now."""
        with suppress(OSError):  # it is gone
            return Size(*os.get_terminal_size(self._descriptor))
        return Size()

    @contextmanager
    def raw(self) -> Iterator[None]:
        """Have it in raw mode while inside."""
        with raw_mode(self._descriptor):
            yield


if sys.platform == "win32":  # noqa: TID251  (a terminal is an affair of the platform)
    CAN_BE_RAW = False
    ENDS = (signal.SIGINT, signal.SIGTERM)
    RESIZES: tuple[signal.Signals, ...] = ()
    HANG_UPS: tuple[signal.Signals, ...] = ()
    STOPS: tuple[signal.Signals, ...] = ()
    CONTINUES: tuple[signal.Signals, ...] = ()

    def raw_mode(descriptor: int) -> AbstractContextManager[None]:
        """Refuse; see the module's head."""
        raise NotImplementedError(f"raw mode of a console, {descriptor}")

    def stop_this_program() -> None:
        """Do nothing: there is no such state."""

else:
    import termios

    CAN_BE_RAW = True
    ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
    HANG_UPS = (signal.SIGHUP,)
    RESIZES = (signal.SIGWINCH,)
    STOPS = (signal.SIGTSTP,)
    CONTINUES = (signal.SIGCONT,)

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
