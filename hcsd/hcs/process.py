"""A process of a compute system.

    create ─▶ RUNNING ──ProcessExited event, or the check after it was registered──▶ EXITED
                 └────ServiceDisconnect, or an exit event that tells nothing──▶ EXITED (unknown)

The exit is a latch: the first answer wins and stays. The event callback is registered as soon as
the create has completed; a process that ended before that is found by asking for its properties
once afterwards (`confirm`), so no exit is lost.

Closing the object closes the handle and nothing else: it neither kills nor waits, and it never
counts as an exit.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hcsd.abi.hresult import HR
from hcsd.abi.types import GENERIC_ALL, HCS_EVENT_OPTIONS, HCS_EVENT_TYPE, HCS_PROCESS
from hcsd.hcs.callbacks import EVENT_TRAMPOLINE, REGISTRY, Completion, Event
from hcsd.hcs.errors import (
    AccessDeniedError,
    AlreadyStoppedError,
    DocumentError,
    ElementNotFoundError,
    HcsError,
)
from hcsd.hcs.handles import OwnedHandle
from hcsd.hcs.lanes import Lane
from hcsd.hcs.latch import Latch
from hcsd.hcs.schema import (
    CloseHandle,
    ConsoleSize,
    ProcessModifyRequest,
    ProcessStatus,
)

if TYPE_CHECKING:
    from hcsd.abi.types import HCS_OPERATION
    from hcsd.hcs.operation import ProcessInfo
    from hcsd.hcs.schema import StdioHandle
    from hcsd.hcs.system import ComputeSystem

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ProcessEnd:
    """How a process ended.

    Attributes:
        exit_code: 0 to 2**32-1; None if nobody can tell.
        signal: Number of the signal that ended it, when the engine can tell; else 0.
        hresult: Why the code is unknown; 0 if it is known.
        message: The same in words.
    """

    exit_code: int | None
    signal: int = 0
    hresult: int = 0
    message: str = ""

    @classmethod
    def of(cls, status: ProcessStatus) -> ProcessEnd:
        """Read the end out of a status of an exited process."""
        if status.exit_code is None:
            reason = status.last_wait_result or HR.E_UNEXPECTED  # it has a code it cannot tell
            return cls(None, 0, reason, "the service cannot tell the exit code")
        return cls(status.exit_code, status.signal)


class ProcessHandle(OwnedHandle[HCS_PROCESS]):
    """Owns an HCS_PROCESS."""


class Process:
    """A process that was created or opened.

    Thread: the event loop's.

    Attributes:
        pid: Pid in the guest.
        exited: Set once with how it ended.
    """

    def __init__(
        self,
        system: ComputeSystem,
        handle: ProcessHandle,
        pid: int,
        info: ProcessInfo | None = None,
    ) -> None:
        self.system = system
        self.pid = pid
        self.exited: Latch[ProcessEnd] = Latch()
        self._operations = system.operations
        self._handle = handle
        self._loop = asyncio.get_running_loop()
        self._info = info
        self._subject = f"process {pid} of system '{system.id}'"

    @classmethod
    async def create(cls, system: ComputeSystem, parameters: str) -> Process:
        """Start a process.

        Args:
            system: Where; must be running.
            parameters: ProcessParameters document, passed through as it is.

        Returns:
            The process, with its event callback registered. Call `confirm` soon.

        Raises:
            HcsError: It did not start; nothing is left of it.
        """
        operations, library = system.operations, system.operations.library
        handle: ProcessHandle | None = None

        def start(operation: HCS_OPERATION) -> None:
            nonlocal handle
            raw = library.HcsCreateProcess(system_raw, parameters, operation, None)
            handle = ProcessHandle(raw, operations.close_process)

        try:
            with system.handle.use() as system_raw:
                info = await operations.run_for_process_info(
                    Lane.CREATE,
                    "HcsCreateProcess",
                    start,
                    subject=f"create process in system '{system.id}'",
                )
        except BaseException:
            # The handle is given out before the create is complete: also a create that failed, or
            # that nobody waits for any more, leaves one to close.
            if handle is not None:
                handle.close()
            raise
        assert handle is not None  # noqa: S101  (the start has succeeded)
        return await _registered(cls(system, handle, info.pid, info))

    @classmethod
    async def open(cls, system: ComputeSystem, pid: int) -> Process:
        """Open a process of a system that HCS knows by its pid; it has no stdio for us.

        Raises:
            ElementNotFoundError: No such process, or it has exited.
            HcsError: Anything else.
        """
        handle = await _open_handle(system, pid, Lane.CONTROL)
        return await _registered(cls(system, handle, pid))

    async def watch(self) -> None:
        """Ask for exit events; an exit before this returns may have gone by unseen.

        Raises:
            HcsError: HCS refused it.
        """
        handler_id = REGISTRY.register(self._on_event)
        self._handle.on_closed = lambda: REGISTRY.unregister(handler_id)
        library = self._operations.library
        with self._handle.use() as raw:
            await self._operations.lanes.call(
                Lane.CONTROL,
                lambda: library.HcsSetProcessCallback(
                    raw, HCS_EVENT_OPTIONS.HcsEventOptionNone, handler_id, EVENT_TRAMPOLINE
                ),
            )

    async def confirm(self) -> bool:
        """Look once whether the process exited before its events were asked for.

        Returns:
            Whether its exit is known now. A question that HCS cannot answer says nothing: the
            event remains the main source.
        """
        if self.exited.is_set:
            return True
        with contextlib.suppress(HcsError, DocumentError):
            status = ProcessStatus.parse(await self.properties())
            if status.exited:
                self.exited.set(ProcessEnd.of(status))
        return self.exited.is_set

    def take_stdio(self) -> tuple[int, int, int]:
        """Hand over the pipe handles, stdin, stdout and stderr; 0 is none.

        Ownership: the caller closes them. Only the first call gets any.
        """
        info, self._info = self._info, None
        return (info.stdin, info.stdout, info.stderr) if info else (0, 0, 0)

    async def signal(self, options: str | None) -> None:
        """Send a signal.

        Args:
            options: SignalProcessOptions document, or None for what HCS does without one.

        Raises:
            AlreadyStoppedError: The process has exited.
            HcsError: Anything else.
        """
        await self._run(Lane.CONTROL, "signal", "HcsSignalProcess", options)

    async def modify(self, settings: str) -> None:
        """Change console size or close stdio handles, by a ProcessModifyRequest document.

        Raises:
            HcsError: HCS refused it, or the process has exited.
        """
        await self._run(Lane.CONTROL, "modify", "HcsModifyProcess", settings)

    async def resize_console(self, height: int, width: int) -> None:
        """Set the size of the console, in character cells.

        Raises:
            HcsError: The process has no console, or has exited.
        """
        request = ProcessModifyRequest("ConsoleSize", console_size=ConsoleSize(height, width))
        await self.modify(request.to_json())

    async def close_stdio(self, which: StdioHandle) -> None:
        """Make the service close its copy of a stdio handle.

        For stdin both this and closing our own end are needed: the process sees EOF only when no
        copy is left. That the process is gone already is no error.

        Raises:
            HcsError: HCS refused it.
        """
        request = ProcessModifyRequest("CloseHandle", close_handle=CloseHandle(which))
        try:
            await self.modify(request.to_json())
        except (AlreadyStoppedError, ElementNotFoundError):
            logger.debug("%s is gone; nothing to close", self._subject)

    async def properties(self, query: str | None = None) -> str | None:
        """Return the ProcessStatus document as HCS gives it.

        Raises:
            HcsError: HCS could not tell.
        """
        return await self._run(Lane.QUERY, "query", "HcsGetProcessProperties", query)

    async def terminate(self) -> bool:
        """Kill the process.

        The kill travels on its own system and process handle and on its own lane, because HCS
        serialises signals per handle: one that is stuck must not hold it up.

        Returns:
            Whether there was something to kill; False if it had exited already. HCS answers a
            second kill of a dying process with "access denied", which counts as delivered.

        Raises:
            HcsError: It could not be killed.
        """
        if self.exited.is_set:
            return False
        try:
            await self._terminate_on_fresh_handles()
        except AccessDeniedError as error:
            if error.hresult != HR.E_ACCESSDENIED or error.function.startswith("HcsOpen"):
                raise  # opening was refused, or HCS itself: that says nothing about the process
            return True
        except (AlreadyStoppedError, ElementNotFoundError):
            if not await self.confirm():
                raise  # "not found" may also mean that the system has gone
            return False
        return True

    async def _terminate_on_fresh_handles(self) -> None:
        operations = self._operations
        system = await type(self.system).open(operations, self.system.id, Lane.KILL)
        try:
            handle = await _open_handle(system, self.pid, Lane.KILL)
            try:
                with handle.use() as raw:
                    await operations.run(
                        Lane.KILL,
                        "HcsTerminateProcess",
                        lambda op: operations.library.HcsTerminateProcess(raw, op, None),
                        subject=f"terminate {self._subject}",
                    )
            finally:
                handle.close()
        finally:
            system.close()

    async def _run(self, lane: Lane, verb: str, function: str, argument: str | None) -> str | None:
        """Run a function that takes the process, an operation and a document."""
        start = getattr(self._operations.library, function)
        with self._handle.use() as raw:
            return await self._operations.run(
                lane,
                function,
                lambda operation: start(raw, operation, argument),
                subject=f"{verb} {self._subject}",
            )

    def close(self) -> None:
        """Close the handle and stdio that nobody took; idempotent. The process lives on."""
        self._handle.close()
        info, self._info = self._info, None
        if info is not None:
            info.close(self._operations.library)

    def _on_event(self, item: Event | Completion) -> None:
        """Read an event and post how the process ended. Thread: hcs-callbacks."""
        if not isinstance(item, Event):
            return
        if item.type == HCS_EVENT_TYPE.HcsEventProcessExited:
            try:
                end = ProcessEnd.of(ProcessStatus.parse(item.data))
            except DocumentError as error:
                end = ProcessEnd(None, 0, HR.E_UNEXPECTED, str(error))
        elif item.type == HCS_EVENT_TYPE.HcsEventServiceDisconnect:
            end = ProcessEnd(None, 0, HR.SERVICE_DISCONNECT, "the Host Compute Service went away")
        else:
            return
        with contextlib.suppress(RuntimeError):  # the loop has closed: the daemon is ending
            self._loop.call_soon_threadsafe(self.exited.set, end)


async def _registered(process: Process) -> Process:
    try:
        await process.watch()
    except BaseException:
        process.close()
        raise
    return process


async def _open_handle(system: ComputeSystem, pid: int, lane: Lane) -> ProcessHandle:
    operations = system.operations
    with system.handle.use() as raw:
        process = await operations.lanes.call(
            lane,
            lambda: operations.library.HcsOpenProcess(raw, pid, GENERIC_ALL),
            undo=operations.close_process,
        )
    return ProcessHandle(process, operations.close_process)
