"""The stdin of one process: offsets, one writer at a time, end-of-file.

    OPEN ──close()──▶ CLOSED      by a client, or by the process going away

`committed` counts the bytes that the pipe has accepted. A write says at which offset its data
starts: what lies before `committed` is skipped (a client that resumes may repeat itself), what
lies beyond it is refused (bytes in between would be lost silently).

End-of-file needs two steps, since the service holds its own copy of the pipe: HCS is told to close
its handle, and then ours is closed. Both are done even if the first fails.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import grpc

from hcsd.service.errors import RequestError

if TYPE_CHECKING:
    from hcsd.hcs.process import Process
    from hcsd.io import WriteEnd


class StdinClosedError(RequestError):
    """Nothing can be written: stdin was closed, or never was a pipe."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(
            grpc.StatusCode.FAILED_PRECONDITION,
            "STDIN_CLOSED",
            f"cannot write to stdin of '{name}': {why}",
            metadata={"process": name},
        )


class Stdin:
    """Writes to a process.

    Args:
        name: Resource name of the process.
        process: Its engine object.
        pipe: The write end, or None if it was made without.
    """

    def __init__(self, name: str, process: Process, pipe: WriteEnd | None) -> None:
        self._name = name
        self._process = process
        self._pipe = pipe
        self._why_closed = "it was closed" if pipe else "the process was started without one"
        self.closed = pipe is None

    @property
    def committed(self) -> int:
        """How many bytes the pipe has accepted."""
        return self._pipe.written if self._pipe else 0

    async def write(self, offset: int, data: bytes) -> int:
        """Write data that starts at `offset`; waits while the pipe is full.

        Returns:
            The committed offset. After a cancellation it is exact, too.

        Raises:
            RequestError: STDIN_OFFSET, STDIN_BUSY or STDIN_CLOSED.
        """
        if self.closed or self._pipe is None:
            raise StdinClosedError(self._name, self._why_closed)
        if offset > self.committed:
            raise RequestError(
                grpc.StatusCode.OUT_OF_RANGE,
                "STDIN_OFFSET",
                f"stdin of '{self._name}' is at offset {self.committed}, not {offset}",
                metadata={"process": self._name, "committed_offset": str(self.committed)},
            )
        try:
            await self._pipe.write(data[self.committed - offset :])
        except anyio.BusyResourceError:
            raise RequestError(
                grpc.StatusCode.FAILED_PRECONDITION,
                "STDIN_BUSY",
                f"somebody else is writing to stdin of '{self._name}'",
                metadata={"process": self._name},
            ) from None
        except anyio.BrokenResourceError:
            self.abandon("the process has closed it")
            raise StdinClosedError(self._name, self._why_closed) from None
        except anyio.ClosedResourceError:
            raise StdinClosedError(self._name, self._why_closed) from None
        return self.committed

    async def close(self) -> None:
        """Let the process see end-of-file; idempotent.

        Raises:
            HcsError: HCS could not close its copy; ours is closed all the same.
        """
        if self.closed:
            return
        self.closed = True
        try:
            await self._process.close_stdio("StdIn")
        finally:
            self.abandon("it was closed")

    def abandon(self, why: str) -> None:
        """Close our end without telling HCS, which has closed its own or is about to."""
        self.closed = True
        self._why_closed = why
        if self._pipe is not None:
            self._pipe.close()
