"""What a call of RunProcess has ended with, where gRPC reports something else.

A write that meets the end of the call makes gRPC report INTERNAL for it: for good if the status was
there before, else until it comes (grpcio 1.85, seen in 1 of 1,000 calls that were refused at once).
gRPC calls back whenever a status is set, so the true one is kept before or after the false one.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

import anyio

from hcsd_client._errors import status_of_call

if TYPE_CHECKING:
    from collections.abc import Coroutine

    import grpc
    from google.rpc import status_pb2

    from hcsd.v1.process_service_pb2 import RunProcessRequest, RunProcessResponse
    from hcsd_client._errors import CallError
    from hcsd_client._link import Link

    Writer = grpc.aio.StreamStreamCall[RunProcessRequest, RunProcessResponse]

Result = TypeVar("Result")

WRITE_FAILED = "Internal error from Core"  # what gRPC says of a call after a write that failed
STATUS_TIMEOUT = 5.0  # the status is on its way already; so this is arbitrary


class RunStatus:
    """Keeps the status of one call."""

    def __init__(self, call: grpc.aio.Call) -> None:
        self._status: status_pb2.Status | None = None
        self._known = anyio.Event()
        call.add_done_callback(self._note)

    async def instead_of(self, error: CallError) -> status_pb2.Status | None:
        """Return what the call has really ended with, if `error` is but a write that failed."""
        if not error.message.endswith(WRITE_FAILED):
            return None
        with anyio.move_on_after(STATUS_TIMEOUT):
            await self._known.wait()
        return self._status

    def _note(self, call: grpc.aio.Call) -> None:
        status = _at_once(status_of_call(call))
        if status.message != WRITE_FAILED:
            self._status = status
            self._known.set()


async def end_writing(writer: Writer | None, link: Link) -> None:
    """Let go of the writer of a call that is over: with interceptors gRPC has a task for it."""
    if writer is not None and link.interceptors:
        with suppress(asyncio.InvalidStateError):
            await writer.done_writing()


def _at_once(ready: Coroutine[object, None, Result]) -> Result:
    """Return the result of what need not wait: gRPC gives a status it has only to who awaits it."""
    try:
        ready.send(None)
    except StopIteration as stop:
        result: Result = stop.value
        return result
    ready.close()
    raise RuntimeError("the call has no status yet")
