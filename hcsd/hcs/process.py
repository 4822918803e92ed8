"""A process of a compute system.

    RUNNING ──its exit is known──▶ EXITED
     │   ▲
     │   └─────the service is back, with the same process─────┐
     └──ServiceDisconnect──▶ LOST ────────────────────────────┤
                              ├──the service is back without it──▶ EXITED, code unknown
                              └──the service stays away──▶ LOST for good, end unknown

The end is a latch: the first answer wins and stays. The event callback is registered as soon as
the create has completed. An event may be lost all the same, so the properties of the process, which
tell whether it has exited, are asked for

    once when the callback has been registered     `confirm`: it may have exited before
    when a call answers "stopped" or "not found"   an exit that HCS knows of and we do not
    now and then                                   see `hcsd.hcs.supervisor`

If the properties answer "stopped" or "not found" themselves, there is nobody left to ask: the event
has `EXIT_EVENT_GRACE` to arrive, then the code is unknown.

A disconnect makes all handles useless. They are dropped, and `find_again` looks for the process
under its pid. Pids are reused: only one that the guest says was created when ours was is taken. If
the guest cannot tell, the process stays lost, and is not killed by a pid that may be another's.

Closing the object closes the handle and nothing else: it neither kills nor waits, and it never
counts as an exit.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import enum
import functools
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from hcsd.abi.hresult import HR
from hcsd.abi.types import GENERIC_ALL, HCS_EVENT_OPTIONS, HCS_EVENT_TYPE
from hcsd.hcs.callbacks import EVENT_TRAMPOLINE, REGISTRY, Completion, Event
from hcsd.hcs.errors import (
    AccessDeniedError,
    AlreadyStoppedError,
    DocumentError,
    ElementNotFoundError,
    HandleClosedError,
    HcsError,
    ServiceDisconnectedError,
    SystemNotFoundError,
)
from hcsd.hcs.lanes import Lane
from hcsd.hcs.latch import Latch
from hcsd.hcs.schema import (
    CloseHandle,
    ConsoleSize,
    ProcessModifyRequest,
    ProcessStatus,
    TerminateOptions,
)
from hcsd.hcs.start import ProcessHandle, kill_orphan, start_process

if TYPE_CHECKING:
    from collections.abc import Callable

    from hcsd.hcs.operation import Operations, ProcessInfo
    from hcsd.hcs.schema import ProcessDetails, StdioHandle
    from hcsd.hcs.system import ComputeSystem, SystemHandle

# Seconds that an exit event has when HCS says that the process is gone, as in hcsshim.
EXIT_EVENT_GRACE = 1.0
# Seconds by which a guest's clock, and its granularity, may be off from ours (arbitrary). A pid
# that is taken over is not expected to be so again within it.
CLOCK_SLACK = 1.0

T = TypeVar("T")

GONE = (AlreadyStoppedError, ElementNotFoundError)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ProcessEnd:
    """How a process ended.

    Attributes:
        exit_code: 0 to 2**32-1; None if nobody can tell.
        signal: Number of the signal that ended it, when the engine can tell; else 0.
        hresult: Why the code is unknown; 0 if it is known.
        message: The same in words.
        with_system: Whether it ended with its system, or after that was told to end.
    """

    exit_code: int | None
    signal: int = 0
    hresult: int = 0
    message: str = ""
    with_system: bool = False

    @classmethod
    def of(cls, status: ProcessStatus) -> ProcessEnd:
        """Read the end out of a status of an exited process."""
        if status.exit_code is None:
            reason = status.last_wait_result or HR.E_UNEXPECTED  # it has a code it cannot tell
            return cls(None, 0, reason, "the service cannot tell the exit code")
        return cls(status.exit_code, status.signal)


class ProcessState(enum.Enum):
    """See the module's head."""

    RUNNING = enum.auto()
    LOST = enum.auto()
    EXITED = enum.auto()


class Process:
    """A process that was created or opened.

    Thread: the event loop's.

    Attributes:
        system: Where it runs.
        pid: Pid in the guest.
        exited: Set once with how it ended.
        generation: Which one of the system's connections its handle came by.
        checked: When its properties were last asked for, by the loop's clock.
        on_state: Called with its state whenever that has changed.
    """

    def __init__(
        self,
        system: ComputeSystem,
        handle: ProcessHandle,
        pid: int,
        created: tuple[float, float],
        info: ProcessInfo | None = None,
    ) -> None:
        self.system = system
        self.pid = pid
        self.exited: Latch[ProcessEnd] = Latch()
        self.generation = system.generation
        self._operations = system.operations
        self._handle = handle
        self._created = created  # POSIX times between which it was created
        self.on_state: Callable[[ProcessState], None] = lambda _: None
        self._lost = False
        self._closed = False
        self._loop = asyncio.get_running_loop()
        self.checked = self._loop.time()
        self._info = info
        self._grace: asyncio.TimerHandle | None = None
        self._subject = f"process {pid} of system '{system.id}'"
        system.processes.add(self)
        self.exited.observe(lambda _: system.end_of(self))

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
        before = time.time()
        handle, info = await start_process(system, parameters)
        process = cls(system, handle, info.pid, (before, time.time()), info)
        try:
            await process._begin()
        except BaseException:
            kill_orphan(system, info.pid)
            process.close()
            raise
        return process

    @classmethod
    async def open(cls, system: ComputeSystem, pid: int) -> Process:
        """Open a process of a system that HCS knows by its pid; it has no stdio for us.

        Raises:
            ElementNotFoundError: No such process, or it has exited.
            HcsError: Anything else.
        """
        handle = await _open_handle(system.operations, system.handle, pid, Lane.CONTROL)
        process = cls(system, handle, pid, (0.0, time.time()))
        try:
            await process._begin()
        except BaseException:
            process.close()
            raise
        return process

    @property
    def state(self) -> ProcessState:
        """What is known of it; a process that stays lost keeps that state when it is given up."""
        if self._lost:
            return ProcessState.LOST
        return ProcessState.EXITED if self.exited.is_set else ProcessState.RUNNING

    async def confirm(self) -> bool:
        """Ask the properties of the process whether it has exited.

        Returns:
            Whether its exit is known now. A question that HCS cannot answer says nothing: the
            event remains the main source.
        """
        if not self.exited.is_set:
            with contextlib.suppress(HcsError, HandleClosedError):
                await self.properties()
        return self.exited.is_set

    async def still_runs(self) -> bool:
        """Find out whether it runs, for who has only its pid; HCS is asked by our own handle.

        Returns:
            Whether it does; its end is known if not.

        Raises:
            HcsError: HCS cannot tell.
        """
        if self._lost:
            await self.system.reconnect([self])
        if not self.exited.is_set:
            try:
                await self.properties()
            except GONE:
                await self.exited.wait()  # its event comes, or its grace ends
        return not self.exited.is_set

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
        await self._change("signal", "HcsSignalProcess", options)

    async def modify(self, settings: str) -> None:
        """Change console size or close stdio handles, by a ProcessModifyRequest document.

        Raises:
            HcsError: HCS refused it, or the process has exited.
        """
        await self._change("modify", "HcsModifyProcess", settings)

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
        except GONE:
            logger.debug("%s is gone; nothing to close", self._subject)

    async def properties(self, query: str | None = None) -> str | None:
        """Return the ProcessStatus document as HCS gives it.

        Raises:
            HcsError: HCS could not tell.
        """
        self.checked = self._loop.time()
        generation, lost = self.generation, self._lost
        try:
            document = await self._run(Lane.QUERY, "query", "HcsGetProcessProperties", query)
        except GONE as error:
            self._await_event(error)
            raise
        except ServiceDisconnectedError:
            if not lost:
                self.system.lose(generation)
            raise
        with contextlib.suppress(DocumentError):
            status = ProcessStatus.parse(document)
            if status.exited:
                self._end(ProcessEnd.of(status))
        return document

    async def terminate(self, *, tree: bool = False) -> bool:
        """Kill the process.

        The kill travels on its own system and process handle and on its own lane, because HCS
        serialises signals per handle: one that is stuck must not hold it up.

        Args:
            tree: With all that descends from it, also with what it has left behind if it has
                exited; for a provider that `kills_trees`.

        Returns:
            Whether it was there to be killed; False if it had exited already. HCS answers a
            second kill of a dying process with "access denied", which counts as delivered.

        Raises:
            HcsError: It could not be killed.
        """
        options = TerminateOptions(tree=True).to_json() if tree else None
        killed = await self._terminate(options)
        if tree and not killed:  # it cannot be opened any more, so there is only this handle
            await self._run(Lane.KILL, "terminate", "HcsTerminateProcess", options)
        return killed

    async def _terminate(self, options: str | None) -> bool:
        if self._lost:
            await self.system.reconnect([self])
        if self.state is ProcessState.EXITED:
            return False
        try:
            await self._terminate_on_fresh_handles(options)
        except AccessDeniedError as error:
            if error.hresult != HR.E_ACCESSDENIED or error.function.startswith("HcsOpen"):
                raise  # opening was refused, or HCS itself: that says nothing about the process
            return True
        except (*GONE, SystemNotFoundError):
            if not await self.confirm() and self._grace is None:
                raise  # it is there, but cannot be opened by its pid
            return False
        return True

    async def find_again(self, listed: ProcessDetails | None) -> None:
        """Take the process up again after a disconnect. Its system is open again.

        Args:
            listed: What the system has under its pid now.

        Raises:
            ServiceDisconnectedError: There is a process, but it cannot be told whether it is ours.
            HcsError: It cannot be opened; it stays lost.
        """
        earliest, latest = self._created
        if not self._lost:
            return  # somebody else was quicker
        if listed is None:
            self._end_lost("it ended while the Host Compute Service was away")
        elif (
            listed.created is None
            or not earliest - CLOCK_SLACK <= listed.created <= latest + CLOCK_SLACK
        ):
            raise self._lost_error("HcsOpenProcess", "its pid may be another process's by now")
        elif not self.exited.is_set:  # else it was given up; it can still be killed
            await self._open_again()

    async def _open_again(self) -> None:
        generation = self.system.generation
        try:
            handle = await _open_handle(
                self._operations, self.system.handle, self.pid, Lane.CONTROL
            )
        except GONE:
            self._end_lost("it ended as the Host Compute Service came back")
            return
        try:
            await self._watch(handle, generation)
        except BaseException:
            handle.close()
            raise
        if not self._lost or self._closed:  # somebody else was quicker
            handle.close()
            return
        self._handle, self.generation, self._lost = handle, generation, False
        self.on_state(self.state)
        await self.confirm()

    def lose(self) -> None:
        """Drop the handle: the service that gave it out went away. Called by the system."""
        if not self._lost and not self.exited.is_set:
            self._lost = True
            self._handle.close()
            self.on_state(self.state)

    def give_up(self) -> None:
        """Wait no longer for a process that is lost: it may run, but nobody can tell."""
        self.exited.set(ProcessEnd(None, 0, HR.SERVICE_DISCONNECT, "the service stayed away"))

    def end_with_system(self) -> None:
        """Wait no longer: its system has ended, and its exit event did not come."""
        self._lost = False
        self._end(ProcessEnd(None, 0, HR.SYSTEM_ALREADY_STOPPED, "its system exited"))

    def _end_lost(self, message: str) -> None:
        self._lost = False
        self.exited.set(ProcessEnd(None, 0, HR.SERVICE_DISCONNECT, message))
        self.on_state(self.state)

    async def _terminate_on_fresh_handles(self, options: str | None) -> None:
        operations = self._operations
        system = await self.system.open_handle(Lane.KILL)
        try:
            handle = await _open_handle(operations, system, self.pid, Lane.KILL)
            try:
                with handle.use() as raw:
                    await operations.run(
                        Lane.KILL,
                        "HcsTerminateProcess",
                        lambda op: operations.library.HcsTerminateProcess(raw, op, options),
                        subject=f"terminate {self._subject}",
                    )
            finally:
                handle.close()
        finally:
            system.close()

    async def _run(self, lane: Lane, verb: str, function: str, argument: str | None) -> str | None:
        """Run a function that takes the process, an operation and a document."""
        if self._lost:
            raise self._lost_error(function, "the service went away; it is being looked for")
        start = getattr(self._operations.library, function)
        with self._handle.use() as raw:
            return await self._operations.run(
                lane,
                function,
                lambda operation: start(raw, operation, argument),
                subject=f"{verb} {self._subject}",
            )

    async def _change(self, verb: str, function: str, argument: str | None) -> None:
        """Run such a function; when it meets nobody, find out what became of the process."""
        try:
            await self._run(Lane.CONTROL, verb, function, argument)
        except (*GONE, ServiceDisconnectedError):
            await self.confirm()
            raise

    async def _begin(self) -> None:
        """Ask for the first events. A service that goes away just now loses it as any other.

        Raises:
            HcsError: HCS refused it.
        """
        try:
            await self._watch(self._handle, self.generation)
        except (ServiceDisconnectedError, HandleClosedError):
            self.system.lose(self.generation)

    async def _watch(self, handle: ProcessHandle, generation: int) -> None:
        """Ask for the events of a handle; an exit before this returns may have gone by unseen.

        Raises:
            HcsError: HCS refused it, and not because the process has exited.
        """
        handler_id = REGISTRY.register(functools.partial(self._on_event, generation))
        handle.on_closed = lambda: REGISTRY.unregister(handler_id)
        library = self._operations.library
        with handle.use() as raw, contextlib.suppress(*GONE):
            await self._operations.lanes.call(
                Lane.CONTROL,
                lambda: library.HcsSetProcessCallback(
                    raw, HCS_EVENT_OPTIONS.HcsEventOptionNone, handler_id, EVENT_TRAMPOLINE
                ),
            )

    def close(self) -> None:
        """Close the handle and stdio that nobody took; idempotent. The process lives on."""
        self._closed = True
        self.system.end_of(self)
        if self._grace is not None:
            self._grace.cancel()
        self._handle.close()
        info, self._info = self._info, None
        if info is not None:
            info.close(self._operations.library)

    def _await_event(self, error: HcsError) -> None:
        """Give the exit event of a process that is gone some time, then do without it."""
        if self._grace is None and not self._closed:
            end = ProcessEnd(None, 0, error.hresult, "it is gone, and left no exit code")
            self._grace = self._loop.call_later(EXIT_EVENT_GRACE, self._end, end)

    def _lost_error(self, function: str, text: str) -> HcsError:
        return ServiceDisconnectedError(
            HR.SERVICE_DISCONNECT, function, subject=f"reach {self._subject}", text=text
        )

    def _on_event(self, generation: int, item: Event | Completion) -> None:
        """Read an event of a handle and post what it says. Thread: hcs-callbacks."""
        if not isinstance(item, Event):
            return
        if item.type == HCS_EVENT_TYPE.HcsEventProcessExited:
            try:
                end = ProcessEnd.of(ProcessStatus.parse(item.data))
            except DocumentError as error:
                end = ProcessEnd(None, 0, HR.E_UNEXPECTED, str(error))
            self._post(self._on_exit, end)
        elif item.type == HCS_EVENT_TYPE.HcsEventServiceDisconnect:
            self._post(self.system.lose, generation)

    def _post(self, handler: Callable[[T], None], value: T) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has closed: the daemon is ending
            self._loop.call_soon_threadsafe(handler, value)

    def _on_exit(self, end: ProcessEnd) -> None:
        self._lost = False
        self._end(end)

    def _end(self, end: ProcessEnd) -> None:
        self.exited.set(dataclasses.replace(end, with_system=self.system.ending))
        self.on_state(self.state)


async def _open_handle(
    operations: Operations, system: SystemHandle, pid: int, lane: Lane
) -> ProcessHandle:
    with system.use() as raw:
        process = await operations.lanes.call(
            lane,
            lambda: operations.library.HcsOpenProcess(raw, pid, GENERIC_ALL),
            undo=operations.close_process,
        )
    return ProcessHandle(process, operations.close_process)
