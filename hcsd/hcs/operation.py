"""The one way to run an operation: create, start, complete by callback, fetch, free, close.

    CREATED ──start fails──▶ FAILED_AT_START   starter: fetch the document, close, raise
       │
       └─start succeeds──▶ IN_FLIGHT ──callback──▶ COMPLETE   hcs-callbacks: fetch, close, post

The callback may come before the starting call has returned, and on any thread. So the handler is
registered before the start, and whoever unregisters it (exactly one caller can) owns the native
operation: it alone fetches the result and closes. A completion that HCS delivers although the
start failed finds nothing registered, and is counted.

A waiter that goes away (cancelled, timed out) leaves the operation to finish: the callback thread
still fetches, frees and closes, and stdio handles that nobody wants any more are closed.

Source: reference pages of HcsCreateOperation and HcsGetOperationResult; hcsshim's
internal/hcs/v2/operation.go for fetching the document of a start that failed.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from hcsd.abi.hresult import HR
from hcsd.abi.types import HCS_OPERATION, INVALID_HANDLE_VALUE
from hcsd.hcs.callbacks import COMPLETION_TRAMPOLINE, REGISTRY, Completion, Event
from hcsd.hcs.errors import HcsError, OperationTimeoutError
from hcsd.hcs.lanes import Lane
from hcsd.hcs.library import error_for
from hcsd.hcs.timings import DEFAULT_TIMINGS

if TYPE_CHECKING:
    from collections.abc import Callable

    from hcsd.abi.types import HCS_PROCESS, HCS_PROCESS_INFORMATION, HCS_SYSTEM
    from hcsd.hcs.lanes import Lanes
    from hcsd.hcs.library import Library
    from hcsd.hcs.timings import Timings


@dataclass(frozen=True, slots=True)
class ProcessInfo:
    """What HCS tells of a process that it started.

    Ownership: the three handles belong to whoever holds this; 0 means there is no such stream.
    """

    pid: int
    stdin: int
    stdout: int
    stderr: int

    @classmethod
    def of(cls, raw: HCS_PROCESS_INFORMATION) -> ProcessInfo:
        """Read the structure; NULL and INVALID_HANDLE_VALUE both mean "no stream"."""
        values = [h.value or 0 for h in (raw.StdInput, raw.StdOutput, raw.StdError)]
        return cls(raw.ProcessId, *(0 if v == INVALID_HANDLE_VALUE else v for v in values))

    def close(self, library: Library) -> None:
        """Close every handle; for when nobody takes them over."""
        for handle in (self.stdin, self.stdout, self.stderr):
            if handle:
                library.provider.close_handle(handle)


class Fetched(NamedTuple):
    """What a completed operation gave."""

    document: str | None = None
    info: ProcessInfo | None = None
    error: HcsError | None = None


class Operations:
    """Runs operations of one provider.

    Thread: the event loop's.

    Attributes:
        library: The exports.
        lanes: Where they are called.
        timings: How long things may take.
    """

    def __init__(self, library: Library, lanes: Lanes, timings: Timings = DEFAULT_TIMINGS) -> None:
        self.library = library
        self.lanes = lanes
        self.timings = timings

    def close_system(self, raw: HCS_SYSTEM) -> None:
        """Close a system handle where blocking is allowed: the close drains its callbacks."""
        self.lanes.post(Lane.CONTROL, lambda: self.library.HcsCloseComputeSystem(raw))

    def close_process(self, raw: HCS_PROCESS) -> None:
        """Close a process handle where blocking is allowed: the close drains its callbacks."""
        self.lanes.post(Lane.CONTROL, lambda: self.library.HcsCloseProcess(raw))

    async def run(
        self,
        lane: Lane,
        function: str,
        start: Callable[[HCS_OPERATION], object],
        *,
        subject: str,
        timeout: float | None = None,
    ) -> str | None:
        """Run an operation that gives a document or nothing.

        Args:
            lane: Where to make the starting call.
            function: The export that starts it, for the error.
            start: Makes the starting call with the operation it is given.
            subject: What is being done, for the error's text.
            timeout: Seconds to wait for the completion; None for that of the timings. It ends the
                wait, not the operation.

        Returns:
            The result document.

        Raises:
            OperationTimeoutError: No completion came in time; the effect may still happen.
            HcsError: It failed at the start or later.
        """
        pending = _Pending(self.library, function, subject, None)
        return (await self._run(lane, pending, start, timeout)).document

    async def run_for_process_info(
        self,
        lane: Lane,
        function: str,
        start: Callable[[HCS_OPERATION], object],
        *,
        subject: str,
        timeout: float | None = None,
        orphaned: Callable[[ProcessInfo], None] = lambda _info: None,
    ) -> ProcessInfo:
        """Run an operation that gives process information; otherwise as `run`.

        Args:
            lane: As in `run`, and so are `function`, `start`, `subject` and `timeout`.
            function: As in `run`.
            start: As in `run`.
            subject: As in `run`.
            timeout: As in `run`.
            orphaned: Called with information that nobody waits for any more, when its handles
                have been closed. Thread: the loop's, or hcs-callbacks once that has closed.

        Ownership: the handles in it are the caller's. If the caller is cancelled they are closed.
        """
        pending = _Pending(self.library, function, subject, orphaned)
        fetched = await self._run(lane, pending, start, timeout)
        assert fetched.info is not None  # noqa: S101  (asked for, and no error)
        return fetched.info

    async def _run(
        self,
        lane: Lane,
        pending: _Pending,
        start: Callable[[HCS_OPERATION], object],
        timeout: float | None,
    ) -> Fetched:
        loop = asyncio.get_running_loop()
        timeout = self.timings.operation_timeout if timeout is None else timeout
        fetched: Fetched | None = None
        try:
            await self.lanes.call(lane, lambda: pending.start(start))
            # A timer is a tenth of what a cancel scope costs, and this is the path of every call.
            timer = loop.call_later(timeout, pending.time_out, timeout)
            try:
                fetched = await pending.future
            finally:
                timer.cancel()
        finally:
            if fetched is None:
                pending.abandon()
        if fetched.error is not None:
            raise fetched.error
        return fetched


class _Pending:
    """One operation from its creation to the hand-over of its result."""

    __slots__ = ("_function", "_id", "_library", "_loop", "_orphaned", "_subject", "future")

    def __init__(
        self,
        library: Library,
        function: str,
        subject: str,
        orphaned: Callable[[ProcessInfo], None] | None,
    ) -> None:
        self._library = library
        self._function = function
        self._subject = subject
        self._orphaned = orphaned  # None: the operation gives no process information
        self._id = 0
        self._loop = asyncio.get_running_loop()
        self.future: asyncio.Future[Fetched] = self._loop.create_future()

    def abandon(self) -> None:
        """Note that nobody waits any more, whether the result is there already or not."""
        future = self.future
        if future.done() and not future.cancelled() and future.exception() is None:
            self._dispose(future.result())
        future.cancel()

    def time_out(self, timeout: float) -> None:
        """End the wait; the operation goes on."""
        if not self.future.done():
            self.future.set_exception(
                OperationTimeoutError(
                    HR.OPERATION_TIMEOUT,
                    self._function,
                    subject=self._subject,
                    text=f"no completion within {timeout:g} s; it may still happen",
                )
            )

    def start(self, start: Callable[[HCS_OPERATION], object]) -> None:
        """Create the operation and make the starting call. Thread: loop or lane."""
        self._id = REGISTRY.register(self._on_completion)
        try:
            operation = self._library.HcsCreateOperation(self._id, COMPLETION_TRAMPOLINE)
        except HcsError as error:
            REGISTRY.unregister(self._id)
            raise self._describe(error, None) from None
        try:
            start(operation)
        except BaseException as error:
            document = None
            if REGISTRY.unregister(self._id):  # else a completion came all the same, and closes it
                document = self._reason(operation)
                self._library.HcsCloseOperation(operation)
            if isinstance(error, HcsError):
                raise self._describe(error, document) from None
            raise

    def _reason(self, operation: HCS_OPERATION) -> str | None:
        """Fetch the ResultError document of a start that failed; it is often the only reason."""
        try:
            return self._library.HcsGetOperationResult(operation)  # type: ignore[no-any-return]
        except HcsError as error:
            return error.document

    def _describe(self, error: HcsError, document: str | None) -> HcsError:
        return error_for(
            error.hresult,
            error.function,
            subject=self._subject,
            text=error.text,
            document=document or error.document,
        )

    def _on_completion(self, item: Completion | Event) -> None:
        """Fetch the result, close the operation, post the outcome. Thread: hcs-callbacks."""
        if not isinstance(item, Completion) or not REGISTRY.unregister(self._id):
            return
        operation = HCS_OPERATION(item.operation)
        fetched = self._fetch(operation)
        self._library.HcsCloseOperation(operation)
        try:
            self._loop.call_soon_threadsafe(self._resolve, fetched)
        except RuntimeError:  # the loop has closed: the daemon is ending
            self._dispose(fetched)

    def _fetch(self, operation: HCS_OPERATION) -> Fetched:
        try:
            if self._orphaned is None:
                return Fetched(self._library.HcsGetOperationResult(operation))
            raw, document = self._library.HcsGetOperationResultAndProcessInfo(operation)
            return Fetched(document, ProcessInfo.of(raw))
        except HcsError as error:
            failed = error_for(
                error.hresult, self._function, subject=self._subject, document=error.document
            )
            return Fetched(error=failed)

    def _resolve(self, fetched: Fetched) -> None:
        if self.future.done():
            self._dispose(fetched)
        else:
            self.future.set_result(fetched)

    def _dispose(self, fetched: Fetched) -> None:
        if fetched.info is not None and self._orphaned is not None:
            fetched.info.close(self._library)
            self._orphaned(fetched.info)
