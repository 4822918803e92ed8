"""Named pipes and files by which a case and the processes that it starts know of each other."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import anyio

from tests.conformance.matching import CaseError

if TYPE_CHECKING:
    import contextlib
    from collections.abc import Awaitable, Callable
    from pathlib import Path

HEAR_TIMEOUT = 60.0  # seconds; far more than a process takes
PIECE_BYTES = 4096


class Pipes:
    """The named pipes of a case.

    Each is open here for reading and for writing, until `suite.hang_up`. So a process can open it either way
    at any time, and who reads it comes to no end before.

    Attributes:
        actions: The steps, by name.
        paths: Where each pipe is, by name.
    """

    def __init__(self, folder: Path, resources: contextlib.AsyncExitStack) -> None:
        self._folder = folder
        self._resources = resources
        self._open: dict[str, int] = {}
        self.paths: dict[str, str] = {}
        self.actions: dict[str, Callable[..., Awaitable[None]]] = {
            "suite.hang_up": self._hang_up,
            "suite.hear": self._hear,
            "suite.lines": self._lines,
            "suite.pipe": self._pipe,
            "suite.say": self._say,
        }
        resources.callback(self._close)

    async def _pipe(self, name: str) -> None:
        """Make a named pipe; `$name.path` is where it is."""
        path = self._folder / f"{name}.pipe"
        os.mkfifo(path)
        self._open[name] = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        self.paths[name] = str(path)

    async def _say(self, pipe: str, text: str) -> None:
        """Write a few bytes for a process that reads the pipe."""
        os.write(self._open[pipe], text.encode())

    async def _hear(self, pipe: str, text: str) -> None:
        """Wait until a process has written this."""
        heard = b""
        try:
            with anyio.fail_after(HEAR_TIMEOUT):
                while text.encode() not in heard:
                    await anyio.wait_readable(self._open[pipe])
                    heard += os.read(self._open[pipe], PIECE_BYTES)
        except TimeoutError:
            raise CaseError(f"{heard!r} was heard in {HEAR_TIMEOUT:.0f} s, not {text!r}") from None

    async def _hang_up(self, pipe: str) -> None:
        """Close the pipe: a process that has it open for reading comes to its end."""
        os.close(self._open.pop(pipe))

    async def _lines(self, file: str, wanted: int) -> None:
        """See how many lines a file has."""
        found = (await anyio.Path(file).read_text("utf-8")).count("\n")
        if found != wanted:
            raise CaseError(f"{file} has {found} lines, not {wanted}")

    def _close(self) -> None:
        for descriptor in self._open.values():
            os.close(descriptor)
