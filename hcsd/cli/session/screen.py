"""Our screen while a process has it.

    OURS ──take──▶ THE PROCESS'S ──give_back──▶ OURS, as often as one likes

While it is the process's, what we have to say waits, except for a notice: a word on the last line
that is of no use later. When its time is over the screen is drawn as it was.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import anyio

from hcsd.cli.output.text import saying_later
from hcsd.cli.session.standard_streams import STDOUT
from hcsd.cli.terminal.last_screen import LastScreen

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from anyio.abc import TaskGroup

    from hcsd.cli.session.sink import Sink
    from hcsd.cli.terminal.terminal import Terminal

LAST_WORDS_TIMEOUT = 1.0  # seconds for what is still to be shown at the end; arbitrary
NOTICE_TIME = 2.0  # seconds to read one; arbitrary
SAVE, RESTORE = b"\x1b7", b"\x1b8"
LAST_LINE = b"\x1b[999;1H\x1b[m\x1b[2K"


class Screen:
    """What is to be seen of a process.

    Args:
        terminal: Ours.
        sink: Writes to it.
        tasks: Tasks of the session.
        restore: Makes the screen as it was.
        raw: Whether keys are passed on.
    """

    def __init__(
        self,
        terminal: Terminal,
        sink: Sink,
        tasks: TaskGroup,
        restore: Callable[[], Awaitable[None]],
        *,
        raw: bool,
    ) -> None:
        self._terminal = terminal
        self._sink = sink
        self._tasks = tasks
        self._restore = restore
        self._raw = raw
        self._last = LastScreen()
        self._taken = ExitStack()
        self._said: list[str] | None = None  # what waits; None while the screen is ours
        self._notice = b""

    def take(self) -> None:
        """Give the terminal to the process, again if somebody has taken it meanwhile."""
        self._taken.close()
        self._said = self._taken.enter_context(saying_later(self._notify))
        if self._raw:
            self._taken.enter_context(self._terminal.raw())

    def note(self, data: bytes) -> None:
        """Take note of what the process wrote before it can be seen here."""
        self._last.feed(data)

    def skip(self) -> None:
        """Take note that some of it is not kept any more."""
        self._last.skip()

    async def show(self, data: bytes) -> None:
        """Show what the process writes now."""
        self._last.feed(data)
        await self._sink.write(STDOUT, data)

    async def draw(self, since: bytes = b"") -> None:
        """Show what it has on its screen.

        Args:
            since: What it has written there since it was noted, which is shown as it is.
        """
        self._notice = b""
        drawing = self._last.draw(self._terminal.size.rows)
        self._last.feed(since)
        await self._sink.write(STDOUT, drawing + since)

    async def give_back(self, *, shown: bool, left: bool) -> None:
        """Put the terminal back, and let what we have to say be read; idempotent.

        Args:
            shown: Whether anything of the process was shown.
            left: Whether the process goes on without us.
        """
        undo = self._last.modes.undo() if shown else b""
        if self._notice:
            undo = SAVE + LAST_LINE + RESTORE + undo
        if shown and (left or self._said) and not (self._raw and self._last.ends_a_line):
            undo += b"\r\n"  # what comes next is not the process's; the terminal may show a ^C, too
        self._notice, self._said = b"", None
        with anyio.move_on_after(LAST_WORDS_TIMEOUT):
            await self._sink.write(STDOUT, undo)
            await self._sink.flush()
        self._taken.close()

    def _notify(self, text: str, lasts: bool) -> None:
        if self._said is not None:
            self._tasks.start_soon(self._show_notice, text, lasts)

    async def _show_notice(self, text: str, lasts: bool) -> None:
        room = max(0, self._terminal.size.columns - 1) or None
        line = f" hcsd: {text} "[:room].encode()
        self._notice = notice = SAVE + LAST_LINE + b"\x1b(B\x0f\x1b[7m" + line + RESTORE
        await self._sink.write(STDOUT, notice)
        if lasts:
            return
        await anyio.sleep(NOTICE_TIME)
        if self._notice is notice:
            await self._restore()
