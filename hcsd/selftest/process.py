"""A process that a question has started: its handle, its streams, its end."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from hcsd.abi.types import HCS_EVENT_TYPE
from hcsd.io import WriteEnd
from hcsd.selftest.child import Output

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hcsd.abi.types import HCS_PROCESS
    from hcsd.hcs.operation import ProcessInfo
    from hcsd.selftest.calls import Event

LINE = b"go\r\n"


class Started:
    """A process.

    Attributes:
        handle: Its handle, closed by whoever made this.
        pid: Its pid in the guest.
        info: What the create told of it, with its stdio handles.
        outputs: Its output, once it is read: stdout, then stderr, as far as there are such.
        events: Events of its handle, if they were asked for.
    """

    def __init__(self, handle: HCS_PROCESS, info: ProcessInfo) -> None:
        self.handle = handle
        self.info = info
        self.pid = info.pid
        self.outputs: list[Output] = []
        self.events: asyncio.Queue[Event] = asyncio.Queue()
        self._exit: Event | None = None
        self._stdin: WriteEnd | None = None
        self._left = [handle for handle in (info.stdin, info.stdout, info.stderr) if handle]

    @staticmethod
    def document(members: Mapping[str, object]) -> str:
        """Write a document as HCS takes it."""
        return json.dumps(members)

    @property
    def exited(self) -> bool:
        """Whether its exit event has come."""
        return self._exit is not None

    def read(self) -> None:
        """Read its output from now on, and take its stdin."""
        if self.info.stdin:
            self._stdin = WriteEnd(self.info.stdin)
        self._left.clear()
        self.outputs = [Output(handle) for handle in (self.info.stdout, self.info.stderr) if handle]

    async def go(self) -> None:
        """Write a line to its stdin, for which it waits."""
        assert self._stdin is not None  # noqa: S101  (asked for, and read)
        await self._stdin.write(LINE)

    async def exit(self, seconds: float) -> Event:
        """Wait for its exit event.

        Raises:
            TimeoutError: It did not come.
        """
        async with asyncio.timeout(seconds):
            while self._exit is None:
                event = await self.events.get()
                if event.type == HCS_EVENT_TYPE.HcsEventProcessExited:
                    self._exit = event
        return self._exit

    async def text(self, seconds: float) -> str:
        """Return its stdout as text, at its end.

        Raises:
            TimeoutError: There was no end.
        """
        async with asyncio.timeout(seconds):
            return (await self.outputs[0].text()).decode("utf-8", "replace")

    def close_streams(self, close_handle: Callable[[int], None]) -> None:
        """Give its streams back; idempotent."""
        if self._stdin is not None:
            self._stdin.close()
        for output in self.outputs:
            output.close()
        for handle in self._left:
            close_handle(handle)
        self._left.clear()
