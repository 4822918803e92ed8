"""A compute system that exists in HCS.

    OPEN ──the service goes away──▶ LOST ──opened again by its id──▶ OPEN
     │                               └──there is none of its id──▶ EXITED, its processes lost with it
     ├──SystemExited, or it says "stopped"──▶ EXITING ──its processes have ended──▶ EXITED
     └──close(), as from any state──▶ CLOSED

While it is lost it has no handle, and neither have its processes. The object stays the same when
it is opened again, so that whoever has it need not know.

Its end ends its processes. HCS may tell their ends before, after, or not at all: those that are not
known have `EXIT_EVENT_GRACE` to become so, then the code is unknown. So `exited` is set after the
last of them. Closing the object closes the handle and nothing else; it never counts as an exit.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hcsd.abi.hresult import HR
from hcsd.abi.types import GENERIC_ALL, HCS_EVENT_OPTIONS, HCS_EVENT_TYPE, HCS_SYSTEM
from hcsd.hcs.callbacks import EVENT_TRAMPOLINE, REGISTRY, Completion, Event
from hcsd.hcs.errors import (
    AlreadyStoppedError,
    DocumentError,
    ElementNotFoundError,
    HandleClosedError,
    HcsError,
    InvalidDocumentError,
    NotSupportedError,
    ServiceDisconnectedError,
    SystemAlreadyExistsError,
    SystemNotFoundError,
)
from hcsd.hcs.handles import OwnedHandle
from hcsd.hcs.lanes import Lane
from hcsd.hcs.latch import Latch
from hcsd.hcs.library import error_for
from hcsd.hcs.process import EXIT_EVENT_GRACE, Process
from hcsd.hcs.schema import (
    ProcessDetails,
    SystemExitStatus,
    parse_process_list,
    parse_properties,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from hcsd.abi.types import HCS_OPERATION
    from hcsd.hcs.operation import Operations
    from hcsd.hcs.schema import SystemProperties


PROCESS_LIST = '{"PropertyTypes":["ProcessList"]}'

# How a system says that it cannot list its processes: not every kind of guest can.
NO_LIST = (DocumentError, InvalidDocumentError, NotSupportedError)


# How HCS says that a system has ended, or is about to.
GONE = (AlreadyStoppedError, SystemNotFoundError, ElementNotFoundError)


class SystemHandle(OwnedHandle[HCS_SYSTEM]):
    """Owns an HCS_SYSTEM."""


@dataclass(frozen=True, slots=True)
class SystemEnd:
    """How a system ended.

    Attributes:
        hresult: Status of the exit, unsigned; 0 if nothing went wrong.
        exit_type: By HCS's names, such as ``ForcedExit``; empty if HCS did not say.
        attribution: Why: an AttributionRecord array as JSON; empty if HCS gave none.
    """

    hresult: int
    exit_type: str = ""
    attribution: str = ""

    @classmethod
    def of(cls, text: str | None) -> SystemEnd:
        """Read a SystemExitStatus document; without a readable one nothing is known."""
        try:
            status = SystemExitStatus.parse(text)
        except DocumentError:
            return cls(HR.E_UNEXPECTED, "Unknown")
        return cls(status.status, status.exit_type, status.attribution)


@dataclass(frozen=True, slots=True)
class SystemEvent:
    """Something that HCS told of a system.

    Attributes:
        value: Of HCS_EVENT_TYPE, unsigned.
        name: By HCS's names, such as ``SystemExited``.
        document: As HCS gave it.
    """

    value: int
    name: str
    document: str | None

    @classmethod
    def of(cls, event: Event) -> SystemEvent:
        """Name a raw event."""
        name = HCS_EVENT_TYPE(event.type).name.removeprefix("HcsEvent")
        return cls(int(event.type), name, event.data)


class ComputeSystem:
    """An open compute system.

    Closing it closes the handle; the system itself lives on, unless it was made to end with its
    last handle. Thread: the event loop's.

    Attributes:
        id: The id HCS knows it by.
        handle: Its handle.
        operations: Runs its operations.
        processes: Those made or opened through it whose end is not known.
        lost: Whether the service that gave the handle out went away.
        exited: Set once with how it ended, after the ends of its processes.
        generation: Counts how often it was opened again. What a process learns by a handle of an
            earlier one says nothing of those that came later.
        on_lost: Called when it gets lost.
    """

    def __init__(self, operations: Operations, system_id: str, handle: SystemHandle) -> None:
        self.id = system_id
        self.handle = handle
        self.operations = operations
        self.processes: set[Process] = set()
        self.lost = False
        self.generation = 0
        self.exited: Latch[SystemEnd] = Latch()
        self.on_lost: Callable[[], None] = lambda: None
        self._observers: dict[Callable[[SystemEvent], None], None] = {}
        self._loop = asyncio.get_running_loop()
        self._closed = False
        self._gone: SystemNotFoundError | None = None
        self._told_to_end = False
        self._end: SystemEnd | None = None
        self._grace: asyncio.TimerHandle | None = None

    @classmethod
    async def create(
        cls, operations: Operations, system_id: str, configuration: str
    ) -> ComputeSystem:
        """Create a system; it is not started.

        Args:
            operations: Of the engine.
            system_id: Its id, which must not be in use.
            configuration: ComputeSystem document, passed through as it is.

        Raises:
            SystemAlreadyExistsError: The id is taken.
            HcsError: It was not created; nothing is left of it.
        """
        library = operations.library
        subject = f"create compute system '{system_id}'"
        handle: SystemHandle | None = None

        def start(operation: HCS_OPERATION) -> None:
            nonlocal handle
            raw = library.HcsCreateComputeSystem(system_id, configuration, operation, None)
            handle = SystemHandle(raw, operations.close_system)

        try:
            await operations.run(Lane.CREATE, "HcsCreateComputeSystem", start, subject=subject)
            assert handle is not None  # noqa: S101  (the start has succeeded)
            system = cls(operations, system_id, handle)
            await system._watch(handle, 0)
        except BaseException as error:
            if handle is not None:
                if not isinstance(error, SystemAlreadyExistsError):
                    _terminate_unasked(operations, handle)
                handle.close()
            raise
        return system

    @classmethod
    async def open(cls, operations: Operations, system_id: str) -> ComputeSystem:
        """Open a system by its id.

        Raises:
            SystemNotFoundError: There is none of that id.
            HcsError: Anything else.
        """
        handle = await _open_handle(operations, system_id, Lane.CONTROL)
        system = cls(operations, system_id, handle)
        try:
            await system._watch(system.handle, 0)
        except BaseException:
            system.close()
            raise
        return system

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    async def open_handle(self, lane: Lane) -> SystemHandle:
        """Open one more handle to it.

        Ownership: the caller closes it.

        Raises:
            SystemNotFoundError: It has gone.
            HcsError: Anything else.
        """
        return await _open_handle(self.operations, self.id, lane)

    @property
    def ending(self) -> bool:
        """Whether it was told to end through this object, or has ended."""
        return self._told_to_end or self._end is not None

    def observe(self, observer: Callable[[SystemEvent], None]) -> None:
        """Run `observer` with every event of the system from now on."""
        self._observers[observer] = None

    def forget(self, observer: Callable[[SystemEvent], None]) -> None:
        """Take an observer back; idempotent."""
        self._observers.pop(observer, None)

    async def start(self, options: str | None = None) -> None:
        """Start it.

        Raises:
            HcsError: HCS refused it, or it failed.
        """
        await self._change(Lane.CREATE, "start", "HcsStartComputeSystem", options)

    async def shut_down(self, options: str | None = None) -> bool:
        """Ask it to shut down. It has done so when `exited` is set.

        Args:
            options: ShutdownOptions document.

        Returns:
            Whether it was there to be asked; False if it has ended, or is about to.

        Raises:
            HcsError: HCS refused it, or it failed.
        """
        return await self._finish(Lane.CONTROL, "shut down", "HcsShutDownComputeSystem", options)

    async def terminate(self, options: str | None = None) -> bool:
        """Kill it with all that runs in it. It has ended when `exited` is set.

        Returns:
            Whether it was there to be killed; False if it has ended, or is about to.

        Raises:
            HcsError: It could not be killed.
        """
        return await self._finish(Lane.KILL, "terminate", "HcsTerminateComputeSystem", options)

    async def pause(self, options: str | None = None) -> None:
        """Pause all that runs in it.

        Args:
            options: PauseOptions document.

        Raises:
            HcsError: HCS refused it, or it failed.
        """
        await self._change(Lane.CONTROL, "pause", "HcsPauseComputeSystem", options)

    async def resume(self, options: str | None = None) -> None:
        """Let it run on.

        Raises:
            HcsError: HCS refused it, or it failed.
        """
        await self._change(Lane.CONTROL, "resume", "HcsResumeComputeSystem", options)

    async def save(self, options: str | None = None) -> None:
        """Save the state of a paused virtual machine.

        Args:
            options: SaveOptions document.

        Raises:
            HcsError: HCS refused it, or it failed.
        """
        await self._change(Lane.CREATE, "save", "HcsSaveComputeSystem", options)

    async def modify(self, settings: str) -> None:
        """Change its settings, by a ModifySettingRequest document.

        Raises:
            HcsError: HCS refused it, or it failed.
        """
        await self._change(Lane.CONTROL, "modify", "HcsModifyComputeSystem", settings, None)

    def drop(self) -> None:
        """Drop the handle, which the service that has gone had given out; idempotent.

        Processes that have handles of their own keep them until they are told.
        """
        self.lost = True
        self.handle.close()

    def lose(self, generation: int) -> None:
        """Drop the handle and those of its processes, as far as they are that old; idempotent."""
        if generation == self.generation:
            self.drop()
        for process in self.processes:
            if process.generation <= generation:
                process.lose()
        self.on_lost()

    async def reopen(self) -> None:
        """Open it again by its id, if it was lost. If it has gone, its lost processes end.

        Raises:
            SystemNotFoundError: It has gone with the service.
            ServiceDisconnectedError: The service has not come back.
            HandleClosedError: It was closed.
            HcsError: Anything else.
        """
        if not self.lost:
            return
        if self._gone is not None:
            raise self._gone
        if self._closed:
            msg = f"compute system '{self.id}' was closed"
            raise HandleClosedError(msg)
        dropped = self.handle
        try:
            handle = await _open_handle(self.operations, self.id, Lane.CONTROL)
        except SystemNotFoundError as error:
            self._gone = error
            for process in list(self.processes):
                await process.find_again(None)
            self._on_exit(SystemEnd(HR.SERVICE_DISCONNECT, "Unknown"))
            raise
        try:
            await self._watch(handle, self.generation + 1)
        except BaseException:
            handle.close()
            raise
        if self.handle is not dropped or self.closed:  # somebody else was quicker
            handle.close()
            return
        self.handle, self.lost = handle, False
        self.generation += 1

    async def reconnect(self, lost: Collection[Process]) -> None:
        """Open the system again and find processes of it that were lost.

        Args:
            lost: Those to look for. Each is found, or ends, or stays lost with an error.

        Raises:
            HcsError: The service has not come back, or cannot tell about a process.
        """
        try:
            await self.reopen()
        except SystemNotFoundError:
            for process in lost:
                await process.find_again(None)
            return
        try:
            details = await self.process_list()
        except NO_LIST:  # then no pid tells whose it is
            details = [ProcessDetails(process.pid, None) for process in lost]
        listed = {entry.process_id: entry for entry in details}
        failure: HcsError | None = None
        for process in lost:
            try:
                await process.find_again(listed.get(process.pid))
            except HcsError as error:  # the others may have more luck
                failure = error
        if failure is not None:
            raise failure

    async def create_process(self, parameters: str) -> Process:
        """Start a process from a ProcessParameters document; see `Process.create`."""
        return await Process.create(self, parameters)

    async def open_process(self, pid: int) -> Process:
        """Open a process by the pid HCS knows it by; see `Process.open`."""
        return await Process.open(self, pid)

    async def properties(self) -> SystemProperties:
        """Return the basic properties.

        Raises:
            HcsError: HCS could not tell.
            DocumentError: It answered without a document.
        """
        properties = parse_properties(await self.raw_properties())
        if properties.state == "Stopped":
            self._on_exit(SystemEnd(0, properties.exit_type))
        return properties

    async def process_list(self) -> list[ProcessDetails]:
        """Return what runs in it, also what was not started through HCS.

        Raises:
            HcsError: HCS could not tell.
            DocumentError: It answered without a list, as not every kind of guest has one.
        """
        return parse_process_list(await self.raw_properties(PROCESS_LIST))

    async def raw_properties(self, query: str | None = None) -> str | None:
        """Return the Properties document as HCS gives it.

        Args:
            query: System_PropertyQuery document, passed through as it is; None for the basic ones.

        Raises:
            HcsError: HCS could not tell.
        """
        try:
            return await self._run(Lane.QUERY, "query", "HcsGetComputeSystemProperties", query)
        except GONE as error:
            self._await_event(error)
            raise

    async def confirm(self) -> bool:
        """Ask its properties whether it has ended.

        Returns:
            Whether its end is known now. A question that HCS cannot answer says nothing: the event
            remains the main source.
        """
        if not self.exited.is_set:
            with contextlib.suppress(HcsError, DocumentError, HandleClosedError):
                await self.properties()
        return self.exited.is_set

    def end_of(self, process: Process) -> None:
        """Note that the end of a process is known, or that nobody asks for it any more."""
        self.processes.discard(process)
        self._exit_if_empty()

    def close(self) -> None:
        """Close the handle; idempotent."""
        self._closed = True
        if self._grace is not None:
            self._grace.cancel()
        self.handle.close()

    async def _run(
        self, lane: Lane, verb: str, function: str, *arguments: str | None
    ) -> str | None:
        """Run a function that takes the system, an operation and a document."""
        start = getattr(self.operations.library, function)
        with self.handle.use() as raw:
            return await self.operations.run(
                lane,
                function,
                lambda operation: start(raw, operation, *arguments),
                subject=f"{verb} system '{self.id}'",
            )

    async def _change(self, lane: Lane, verb: str, function: str, *arguments: str | None) -> None:
        """Run such a function; when it meets nobody, find out what became of the system."""
        try:
            await self._run(lane, verb, function, *arguments)
        except (*GONE, ServiceDisconnectedError):
            await self.confirm()
            raise

    async def _finish(self, lane: Lane, verb: str, function: str, options: str | None) -> bool:
        """Run such a function that ends the system."""
        if self.exited.is_set:
            return False
        await self._reopen_unless_gone()
        before, self._told_to_end = self._told_to_end, True
        try:
            await self._change(lane, verb, function, options)
        except GONE:
            return False
        except BaseException:
            self._told_to_end = before
            raise
        return True

    async def _reopen_unless_gone(self) -> None:
        with contextlib.suppress(SystemNotFoundError):
            await self.reopen()

    async def _watch(self, handle: SystemHandle, generation: int) -> None:
        """Ask for the events of a handle; an end before this returns may have gone by unseen.

        Raises:
            HcsError: HCS refused it, and not because the system has ended.
        """
        handler_id = REGISTRY.register(functools.partial(self._on_event, generation))
        handle.on_closed = lambda: REGISTRY.unregister(handler_id)
        library = self.operations.library
        with handle.use() as raw, contextlib.suppress(*GONE):
            await self.operations.lanes.call(
                Lane.CONTROL,
                lambda: library.HcsSetComputeSystemCallback(
                    raw, HCS_EVENT_OPTIONS.HcsEventOptionNone, handler_id, EVENT_TRAMPOLINE
                ),
            )

    def _on_event(self, generation: int, item: Event | Completion) -> None:
        """Pass an event of a handle on. Thread: hcs-callbacks."""
        if isinstance(item, Event):
            with contextlib.suppress(RuntimeError):  # the loop has closed: the daemon is ending
                self._loop.call_soon_threadsafe(self._take_event, generation, item)

    def _take_event(self, generation: int, event: Event) -> None:
        if event.type == HCS_EVENT_TYPE.HcsEventSystemExited:
            self._on_exit(SystemEnd.of(event.data))
        elif event.type == HCS_EVENT_TYPE.HcsEventServiceDisconnect:
            self.lose(generation)
        for observer in list(self._observers):
            observer(SystemEvent.of(event))

    def _await_event(self, error: HcsError) -> None:
        """Give the exit event of a system that is gone some time, then do without it."""
        if self._grace is None and not self._closed:
            end = SystemEnd(error.hresult, "Unknown")
            self._grace = self._loop.call_later(EXIT_EVENT_GRACE, self._on_exit, end)

    def _on_exit(self, end: SystemEnd) -> None:
        if self._end is not None or self._closed:
            return
        self._end = end
        if self._grace is not None:
            self._grace.cancel()
        self._grace = self._loop.call_later(EXIT_EVENT_GRACE, self._end_processes)
        self._exit_if_empty()

    def _end_processes(self) -> None:
        for process in list(self.processes):
            process.end_with_system()

    def _exit_if_empty(self) -> None:
        if self._end is not None and not self.processes and not self._closed:
            if self._grace is not None:
                self._grace.cancel()
            self.exited.set(self._end)


async def _open_handle(operations: Operations, system_id: str, lane: Lane) -> SystemHandle:
    try:
        raw = await operations.lanes.call(
            lane,
            lambda: operations.library.HcsOpenComputeSystem(system_id, GENERIC_ALL),
            undo=operations.close_system,
        )
    except HcsError as error:
        raise error_for(
            error.hresult, error.function, subject=f"open compute system '{system_id}'"
        ) from None
    return SystemHandle(raw, operations.close_system)


def _terminate_unasked(operations: Operations, handle: SystemHandle) -> None:
    """Kill a system whose creation was given up, or failed in part. Nobody waits for the kill."""
    library = operations.library

    def kill(raw: HCS_SYSTEM) -> None:
        with contextlib.suppress(HcsError), contextlib.ExitStack() as opened:
            operation = library.HcsCreateOperation(None, None)
            opened.callback(library.HcsCloseOperation, operation)
            library.HcsTerminateComputeSystem(raw, operation, None)

    def kill_and_close(raw: HCS_SYSTEM) -> None:
        def both() -> None:
            kill(raw)
            library.HcsCloseComputeSystem(raw)

        operations.lanes.post(Lane.KILL, both)

    handle.closer = kill_and_close
