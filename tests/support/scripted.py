"""A provider that does what a test says, when the test says it.

It stands behind the real table: its exports are C functions made from the rows, its strings are
freed with LocalFree, its callbacks come on threads that Python never made. It is strict: a handle
that is used after its close, or closed twice, and a string freed twice, are noted as misuse, and
the test fails. Unless there is a script for an export, an operation completes well, before the call
that starts it has returned.
"""

# ruff: noqa: N802  (an export has the name that the table gives it)

import ctypes
import functools
import itertools
import threading
import traceback
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import anyio.to_thread

from hcsd.abi.functions import FUNCTIONS, Check, Function
from hcsd.abi.hresult import HR, is_pending
from hcsd.abi.types import (
    HCS_EVENT,
    HCS_EVENT_CALLBACK,
    HCS_EVENT_TYPE,
    HCS_OPERATION,
    HCS_OPERATION_COMPLETION,
    HCS_PROCESS,
    HCS_PROCESS_INFORMATION,
    HCS_SYSTEM,
    HLOCAL,
    INVALID_HANDLE_VALUE,
    PCWSTR,
    wide,
)
from tests.support.foreign import ForeignThreads, address_of

# A caller that truncates a handle to 32 bits, or to 63, gets another one.
HANDLES = itertools.count(0xFFFF_8000_0000_0001)

Info = tuple[int, int, int, int]
RUNNING = '{"ProcessId":7,"Exited":false}'
EXITED = '{"ProcessId":7,"Exited":true,"ExitCode":5,"LastWaitResult":0}'


@dataclass
class Operation:
    """An operation, from its creation by the engine to its close.

    Attributes:
        function: The export that started it.
        in_flight: Whether it was started and is not complete.
        gives_handle: Whether the start hands out a handle; None is if it succeeds.
    """

    provider: "ScriptedProvider"
    handle: int
    callback: HCS_OPERATION_COMPLETION
    context: int
    function: str = ""
    hresult: int = 0
    document: str | None = None
    info: Info | None = None
    gives_handle: bool | None = None
    in_flight: bool = False
    closed: threading.Event = field(default_factory=threading.Event)

    def start(self, script: "Script") -> int:
        """Start it by a script."""
        self.in_flight = True
        hresult = script(self)
        if hresult != 0 and not is_pending(hresult):
            self.in_flight = False
        return hresult

    def complete(
        self, hresult: int = 0, document: str | None = None, info: Info | None = None
    ) -> int:
        """Set the result and call back, on a foreign thread.

        Returns:
            S_OK, so that it can end a script.
        """
        self.hresult, self.document, self.info = hresult, document, info
        self.call_back()
        return 0

    def call_back(self) -> None:
        self.in_flight = False
        self.call_back_early()

    def call_back_early(self) -> None:
        """Call back although it is not complete."""
        if self.callback:  # without one, nobody wants to know
            self.provider.threads.call(address_of(self.callback), self.handle, self.context)

    def completed_and_fetched(self) -> None:
        """Complete, and wait until the engine's own thread has fetched the result and closed it."""
        self.call_back()
        assert self.closed.wait(30)


# Makes a starting call: answers its HRESULT, and may complete the operation.
Script = Callable[[Operation], int]
if TYPE_CHECKING:
    Pointer = ctypes._Pointer[ctypes.c_void_p]


class Export(Protocol):
    """A function behind a row."""

    def __call__(self, *args: object) -> object: ...


class Hold:
    """A call that stays where it is until the test lets it go."""

    def __init__(self, *, acted: bool) -> None:
        self.acted = acted
        self._entered = threading.Event()
        self._released = threading.Event()

    def stay(self) -> None:
        self._entered.set()
        assert self._released.wait(30)

    async def entered(self) -> None:
        """Wait until the call is there."""
        assert await anyio.to_thread.run_sync(self._entered.wait, 30)

    def release(self) -> None:
        self._released.set()


class ScriptedProvider:
    """See the module.

    Args:
        blocking: What it states of its calls.
        missing: Exports that it lacks.

    Attributes:
        script: How an export starts its operation.
        answers: What an export fails with, without acting.
        replaced: Exports that do something else.
        calls: Export and thread of each call.
        opened_pids: What processes were opened by.
        events: Event callbacks that were registered for processes.
        system_events: The same for systems.
        configurations: What systems were created from.
        parameters: What processes were created from.
        queries: What systems were asked.
    """

    name = "scripted"
    guest_os = "linux"
    kills_trees = False
    pauses_containers = True
    host_system = ""
    shapes_processes = False
    outlives_client = False

    def __init__(self, *, blocking: bool = False, missing: Collection[str] = ()) -> None:
        self.blocking = blocking
        self.threads = ForeignThreads()
        self.script: dict[str, Script] = {}
        self.answers: dict[str, int] = {}
        self.replaced: dict[str, Export] = {}
        self._holds: dict[str, Hold] = {}
        self.misuse: list[str] = []
        self.calls: list[tuple[str, str]] = []
        self.events: list[tuple[HCS_EVENT_CALLBACK, int]] = []
        self.system_events: list[tuple[HCS_EVENT_CALLBACK, int]] = []
        self.opened_pids: list[int] = []
        self.configurations: list[str | None] = []
        self.parameters: list[str | None] = []
        self.queries: list[str | None] = []
        self._dead: set[int] = set()  # handles whose service went away
        self._operations: dict[int, Operation] = {}
        self._systems: set[int] = set()
        self._processes: set[int] = set()
        self._stdio: set[int] = set()
        self._strings: dict[int, ctypes.Array[ctypes.c_char]] = {}
        self._thunks = {
            row.name: row.prototype(self._export(row))
            for row in FUNCTIONS
            if row.name not in missing
        }

    def address(self, function: Function) -> int | None:
        thunk = self._thunks.get(function.name)
        return None if thunk is None else address_of(thunk)

    def close_handle(self, handle: int) -> None:
        self._forget(self._stdio, handle, "stdio")

    def kept_with(self, handle: int) -> tuple[int, ...]:
        """Nothing is kept."""
        return ()

    def hurry(self) -> None:
        """There is nothing to wait for."""

    def close(self, *, keep: bool = False) -> None:
        """There is nothing to end."""

    def live(self) -> dict[str, int]:
        return {
            "operations": len(self._operations),
            "systems": len(self._systems),
            "processes": len(self._processes),
            "stdio": len(self._stdio),
            "strings": len(self._strings),
        }

    def fire(self, event_type: int, data: str | None = None) -> None:
        """Deliver an event to the process whose callback was set last, on a foreign thread."""
        self._deliver(*self.events[-1], event_type, data)

    def fire_system(self, event_type: int, data: str | None = None) -> None:
        """Deliver an event to the system whose callback was set last, on a foreign thread."""
        self._deliver(*self.system_events[-1], event_type, data)

    def _deliver(
        self, callback: HCS_EVENT_CALLBACK, context: int, event_type: int, data: str | None
    ) -> None:
        text = None if data is None else ctypes.create_string_buffer(wide(data))
        event = HCS_EVENT()
        event.Type = event_type
        event.EventData = PCWSTR(None if text is None else ctypes.addressof(text))
        self.threads.call(address_of(callback), ctypes.addressof(event), context)

    def disconnect(self) -> None:
        """The service goes away, and is back at once: who has registered is told.

        Nothing but closing is possible then with a handle that it had given out.
        """
        self._dead |= self._systems | self._processes
        for callback, context in [*self.system_events, *self.events]:
            self._deliver(callback, context, HCS_EVENT_TYPE.HcsEventServiceDisconnect, None)

    def hold(self, export: str, *, acted: bool) -> "Hold":
        """Hold the next call of an export, before it acts or when it has, but not returned."""
        self._holds[export] = hold = Hold(acted=acted)
        return hold

    def called(self, export: str) -> list[str]:
        """The threads on which an export was called."""
        return [thread for name, thread in self.calls if name == export]

    def _export(self, row: Function) -> Export:
        hresult = row.check is Check.HRESULT

        def export(*args: object) -> object:
            self.calls.append((row.name, threading.current_thread().name))
            try:
                result = self._held(row, *args)
            except Exception:  # ctypes would print it and go on
                self.misuse.append(traceback.format_exc())
                return HR.E_UNEXPECTED if hresult else 0
            return 0 if hresult and result is None else result

        return export

    def _held(self, row: Function, *args: object) -> object:
        hold = self._holds.pop(row.name, None)
        if hold is None:
            return self._act(row, *args)
        if not hold.acted:
            hold.stay()
        result = self._act(row, *args)
        if hold.acted:
            hold.stay()
        return result

    def _act(self, row: Function, *args: object) -> object:
        if row.name in self.answers:
            return self.answers[row.name] if row.check is Check.HRESULT else 0
        if row.name in self.replaced:
            return self.replaced[row.name](*args)
        method: Export = getattr(self, row.name, functools.partial(self._start, row))
        return method(*args)

    def _start(self, row: Function, *args: object) -> int:
        """Make a starting call by its script."""
        if row.name == "HcsGetComputeSystemProperties":
            self.queries.append(args[-1].text if isinstance(args[-1], PCWSTR) else None)
        for arg in args:
            if isinstance(arg, (HCS_SYSTEM, HCS_PROCESS)):
                assert arg.value in self._systems | self._processes
                if arg.value in self._dead:
                    return HR.RPC_S_SERVER_UNAVAILABLE
        handle = next(arg for arg in args if isinstance(arg, HCS_OPERATION))
        operation = self._operation(handle)
        operation.function = row.name
        return operation.start(self.script.get(row.name, Operation.complete))

    def _operation(self, handle: HCS_OPERATION) -> Operation:
        return self._operations[handle.value or 0]

    def _forget(self, handles: set[int], handle: int, what: str) -> None:
        if handle not in handles:
            self.misuse.append(f"{what} {handle:#x} closed twice, or never given out")
        handles.discard(handle)

    def _give_handle(self, pointer: "Pointer", handles: set[int]) -> None:
        handle = next(HANDLES)
        handles.add(handle)
        pointer.contents.value = handle

    def _give_text(self, pointer: "Pointer", text: str | None) -> None:
        if text is None:
            return
        buffer = ctypes.create_string_buffer(wide(text))
        self._strings[ctypes.addressof(buffer)] = buffer
        pointer.contents.value = ctypes.addressof(buffer)

    def HcsCreateOperation(self, context: int, callback: HCS_OPERATION_COMPLETION) -> int:
        operation = Operation(self, next(HANDLES), callback, context)
        self._operations[operation.handle] = operation
        return operation.handle

    def HcsCloseOperation(self, handle: HCS_OPERATION) -> None:
        self._operations.pop(handle.value or 0).closed.set()

    def HcsCancelOperation(self, handle: HCS_OPERATION) -> int:
        self._operation(handle)
        return HR.E_NOTIMPL

    def HcsGetOperationResult(self, handle: HCS_OPERATION, document: "Pointer") -> int:
        operation = self._operation(handle)
        if operation.in_flight:
            return HR.OPERATION_PENDING
        self._give_text(document, operation.document)
        return operation.hresult

    def HcsGetOperationResultAndProcessInfo(
        self,
        handle: HCS_OPERATION,
        info: "ctypes._Pointer[HCS_PROCESS_INFORMATION]",
        document: "Pointer",
    ) -> int:
        operation = self._operation(handle)
        if operation.info is not None and not operation.in_flight:
            pid, *stdio = operation.info
            info.contents.ProcessId = pid
            info.contents.StdInput, info.contents.StdOutput, info.contents.StdError = stdio
            self._stdio.update(h for h in stdio if h not in {0, INVALID_HANDLE_VALUE})
        return self.HcsGetOperationResult(handle, document)

    def HcsCreateComputeSystem(
        self,
        _id: PCWSTR,
        configuration: PCWSTR,
        handle: HCS_OPERATION,
        _security: object,
        system: "Pointer",
    ) -> int:
        self.configurations.append(configuration.text)
        operation = self._operation(handle)
        operation.function = "HcsCreateComputeSystem"
        hresult = operation.start(self.script.get("HcsCreateComputeSystem", Operation.complete))
        if hresult == 0 or is_pending(hresult):
            self._give_handle(system, self._systems)
        return hresult

    def HcsOpenComputeSystem(self, _id: PCWSTR, _access: int, system: "Pointer") -> None:
        self._give_handle(system, self._systems)

    def HcsCloseComputeSystem(self, system: HCS_SYSTEM) -> None:
        self._forget(self._systems, system.value or 0, "system")

    def HcsSetComputeSystemCallback(
        self, system: HCS_SYSTEM, _options: int, context: int, callback: HCS_EVENT_CALLBACK
    ) -> int:
        assert system.value in self._systems
        if system.value in self._dead:
            return HR.RPC_S_SERVER_UNAVAILABLE
        self.system_events.append((callback, context))
        return 0

    def HcsCreateProcess(
        self,
        system: HCS_SYSTEM,
        parameters: PCWSTR,
        handle: HCS_OPERATION,
        _security: object,
        process: "Pointer",
    ) -> int:
        assert system.value in self._systems
        if system.value in self._dead:
            return HR.RPC_S_SERVER_UNAVAILABLE
        operation = self._operation(handle)
        operation.function = "HcsCreateProcess"
        self.parameters.append(parameters.text)
        hresult = operation.start(self.script.get("HcsCreateProcess", created))
        # Last of all: a completion may come before the caller has the handle.
        started = hresult == 0 or is_pending(hresult)
        if started if operation.gives_handle is None else operation.gives_handle:
            self._give_handle(process, self._processes)
        return hresult

    def HcsOpenProcess(
        self,
        system: HCS_SYSTEM,
        pid: int,
        _access: int,
        process: "Pointer",
    ) -> int:
        assert system.value in self._systems
        if system.value in self._dead:
            return HR.RPC_S_SERVER_UNAVAILABLE
        self.opened_pids.append(pid)
        self._give_handle(process, self._processes)
        return 0

    def HcsCloseProcess(self, process: HCS_PROCESS) -> None:
        self._forget(self._processes, process.value or 0, "process")

    def HcsSetProcessCallback(
        self, process: HCS_PROCESS, _options: int, context: int, callback: HCS_EVENT_CALLBACK
    ) -> None:
        assert process.value in self._processes
        self.events.append((callback, context))

    def HcsGetServiceProperties(self, _query: PCWSTR, result: "Pointer") -> None:
        self._give_text(result, '{"Properties":[{"SupportedSchemaVersions":[]}]}')

    def LocalFree(self, block: HLOCAL) -> int:
        del self._strings[block.value or 0]
        return 0


def created(operation: Operation) -> int:
    """Create a process without stdio."""
    return operation.complete(info=(7, 0, INVALID_HANDLE_VALUE, 0))
