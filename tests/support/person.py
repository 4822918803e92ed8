"""A person at a terminal: the command line on a real terminal, typed to and looked at.

The command has a session of its own with the terminal as the controlling one, so that a new size
and a hang-up reach it as they reach what a person runs.
"""

import os
import pty
import re
import termios
from collections.abc import Iterator
from contextlib import contextmanager

import anyio

from tests.support.commands import Command

READ_BYTES = 4096
END = b"<the end>"

Modes = list[int | list[bytes | int]]


class Person:
    """Someone at a terminal at which a command runs.

    Attributes:
        seen: What has come to the terminal and was not yet expected.
        process: The command.
        terminal: Our side of the terminal; -1 once it was closed.
    """

    def __init__(self, terminal: int, inside: int, process: Command) -> None:
        self.seen = b""
        self.process = process
        self._before = b""  # what came ahead of what was expected last
        self.terminal = terminal
        self._inside = inside

    @property
    def modes(self) -> Modes:
        """How the terminal treats what is typed and written."""
        return termios.tcgetattr(self._inside)

    def type(self, keys: bytes) -> None:
        os.write(self.terminal, keys)

    def resize(self, columns: int, rows: int) -> None:
        termios.tcsetwinsize(self.terminal, (rows, columns))

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def hang_up(self) -> None:
        """Close the terminal's window."""
        self._close_inside()
        os.close(self.terminal)
        self.terminal = -1

    async def expect(self, pattern: bytes) -> re.Match[bytes]:
        """Look until a regular expression is seen; what comes up to it counts as seen."""
        while not (found := re.search(pattern, self.seen)):
            more = await self.look()
            assert more, f"{pattern!r} has not come; seen: {self.seen!r}"
        self._before, self.seen = self.seen[: found.start()], self.seen[found.end() :]
        return found

    async def stopped(self) -> None:
        """Wait until the command has stopped itself."""
        await anyio.to_thread.run_sync(self.process.wait_until_stopped, abandon_on_cancel=True)

    async def leave(self) -> tuple[int, bytes]:
        """Wait for the end of the command.

        Returns:
            Its exit code, and all that has been seen since what was expected last.
        """
        async with anyio.create_task_group() as tasks:
            if self.terminal >= 0:
                tasks.start_soon(self._look_on)
            code = await anyio.to_thread.run_sync(self.process.wait, abandon_on_cancel=True)
            tasks.cancel_scope.cancel()
        if self.terminal >= 0:
            # Our own last line comes after all of the command's, which may still be on its way.
            os.write(self._inside, END)
            await self.expect(END)
        return code, self._before

    def unread(self) -> bytes:
        """Return what was typed and not read: the next program at the terminal has it."""
        os.set_blocking(self._inside, False)
        try:
            return os.read(self._inside, READ_BYTES)
        except BlockingIOError:
            return b""

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self._close_inside()
        if self.terminal >= 0:
            os.close(self.terminal)

    def _close_inside(self) -> None:
        inside, self._inside = self._inside, -1
        if inside >= 0:
            os.close(inside)

    async def _look_on(self) -> None:
        while await self.look():
            pass

    async def look(self) -> bytes:
        """Wait for more to see; b"" if nothing can come any more."""
        await anyio.wait_readable(self.terminal)
        try:
            more = os.read(self.terminal, READ_BYTES)
        except OSError:  # EIO: nobody has the other side any more
            return b""
        self.seen += more
        return more


@contextmanager
def at_terminal(
    address: str, *arguments: str, columns: int = 80, rows: int = 24
) -> Iterator[Person]:
    """Run the command line on a terminal, and end it with the block."""
    terminal, inside = pty.openpty()
    termios.tcsetwinsize(terminal, (rows, columns))
    environment = {**os.environ, "HCSD_ADDRESS": address, "TERM": "xterm-test"}
    process = Command(arguments, environment, (inside, inside, inside), terminal=True)
    person = Person(terminal, inside, process)
    try:
        yield person
    finally:
        person.close()
