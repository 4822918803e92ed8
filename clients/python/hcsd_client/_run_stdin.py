"""How far the stdin of a run has come: what was sent, and what the pipe has taken of it.

What is sent is kept until the pipe has taken it, for the case that the run goes on in another call
(see `_stream`). It is then sent again, and the daemon skips what the pipe has taken.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import anyio

from hcsd_client._errors import RunEndedError

if TYPE_CHECKING:
    from hcsd.v1.process_service_pb2 import RunProcessRequest, StdinAccepted
    from hcsd_client._errors import CallError


class StdinProgress:
    """The stdin of one run.

    Args:
        is_new: Nobody can have written to the process before.

    Attributes:
        sent: The offset after the last byte sent. None until it is known.
        untaken: The requests that may have to be sent again.
        claimed: Something was sent, so that we are the writer unless it was refused.
        over: The run has ended.
    """

    def __init__(self, *, is_new: bool) -> None:
        self.sent: int | None = 0 if is_new else None
        self.untaken: deque[RunProcessRequest] = deque()
        self.claimed = False
        self.over = False
        self._accepted = self.sent
        self._error: CallError | None = None
        self._progress = anyio.Event()

    def keep(self, request: RunProcessRequest) -> None:
        """Keep a request that is about to be sent, until the pipe has taken it."""
        if self._error is None:
            self.claimed = True
            self.untaken.append(request)

    def note(self, accepted: StdinAccepted) -> None:
        """Note what the pipe has taken, and forget what need not be sent again."""
        self._accepted = accepted.committed_offset
        while self.untaken and _taken(self.untaken[0], accepted):
            self.untaken.popleft()
        self._progress.set()

    def fail(self, error: CallError) -> None:
        """Note that the daemon has refused what was sent."""
        self._error = error
        self.claimed = False
        self.untaken.clear()
        self._progress.set()

    def end(self) -> None:
        """Note that the run has ended; idempotent."""
        self.over = True
        self._progress.set()

    def check_running(self) -> None:
        """Raise `RunEndedError` if the run has ended."""
        if self.over:
            raise run_ended()

    async def wait_until_accepted(self, offset: int) -> int:
        """Return what the pipe has taken, once that is known and so much.

        Raises:
            CallError: The daemon has refused what was sent.
            RunEndedError: The run has ended.
        """
        while True:
            self.check_running()
            if self._error is not None:
                raise self._error
            if self._accepted is not None and self._accepted >= offset:
                return self._accepted
            self._progress = anyio.Event()
            await self._progress.wait()


def run_ended() -> RunEndedError:
    """Return the error for what is sent to a run that has ended."""
    return RunEndedError("the run has ended; iterating over it tells how")


def _taken(request: RunProcessRequest, accepted: StdinAccepted) -> bool:
    if request.HasField("close_stdin"):
        return accepted.closed
    stdin = request.stdin
    return stdin.offset + len(stdin.data) <= accepted.committed_offset
