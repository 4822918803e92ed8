"""The terminal that a person sits at: its size, and its raw mode.

In raw mode every byte typed is read as it is, Ctrl-C among them, and every byte written is shown as
it is: the console of the process does what the terminal's own driver does otherwise.

What is particular to a platform is in `posix.py` and `windows.py`, which have the same names:

    is_terminal, why_not_raw, size_of          what there is
    raw_mode, reading_keys, showing            what it does for as long as a block
    telling_of_the_end, SIZE_INTERVAL          what no signal tells
    ENDS, HANG_UPS, RESIZES, STOPS, CONTINUES  the signals that have to do with terminals
    KIND, stop_this_program
"""

from __future__ import annotations

import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

if sys.platform == "win32":  # noqa: TID251  (a terminal is an affair of the platform)
    from hcsd.cli.terminal import windows as platform
else:
    from hcsd.cli.terminal import posix as platform

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from hcsd.cli.session.sink import Writer
    from hcsd.cli.session.stdin_reader import Keys, Reader

ENDS, HANG_UPS, RESIZES = platform.ENDS, platform.HANG_UPS, platform.RESIZES
STOPS, CONTINUES = platform.STOPS, platform.CONTINUES
SIZE_INTERVAL = platform.SIZE_INTERVAL  # seconds between looks at the size; None: RESIZES tell
KIND = platform.KIND  # what TERM says of a terminal if it is not set
stop_this_program = platform.stop_this_program

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
        if not platform.is_terminal(descriptor):
            raise NoTerminalError(f"{NAMES[descriptor]} is not a terminal")
        if raw and (why_not := platform.why_not_raw(descriptor)):
            raise NoTerminalError(f"{NAMES[descriptor]} cannot pass on keys: {why_not}")
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
        sizes = (
            Terminal(fd, raw=False).size for fd in range(len(NAMES)) if platform.is_terminal(fd)
        )
        return next(filter(None, sizes), Size())

    @property
    def size(self) -> Size:
        """Its size now."""
        with suppress(OSError):  # it is gone
            return Size(*platform.size_of(self._descriptor))
        return Size()

    def raw(self) -> AbstractContextManager[None]:
        """Have it in raw mode while inside."""
        return platform.raw_mode(self._descriptor)

    def reading_keys(self) -> AbstractContextManager[Keys | Reader]:
        """Read what is typed while inside; on the running loop."""
        return platform.reading_keys(self._descriptor)


def showing(descriptor: int) -> AbstractContextManager[Writer | None]:
    """Have what a process writes shown while inside, if it is a terminal.

    Args:
        descriptor: Where it is written to.

    Returns:
        What writes there; None if bytes can be written as they are.
    """
    return platform.showing(descriptor)


def telling_of_the_end(on_end: Callable[[], None]) -> AbstractContextManager[None]:
    """Tell while inside when the terminal ends, if no signal does.

    Args:
        on_end: Called on any thread.
    """
    return platform.telling_of_the_end(on_end)
