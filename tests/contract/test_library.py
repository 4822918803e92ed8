"""The exports themselves, called as a C program calls them."""

import ctypes
import json
import threading
from collections.abc import Iterator

import pytest

from hcsd.abi.functions import BY_NAME
from hcsd.abi.hresult import HR
from hcsd.abi.types import (
    GENERIC_ALL,
    HCS_EVENT,
    HCS_EVENT_CALLBACK,
    HCS_EVENT_TYPE,
    HCS_INVALID_OPERATION_ID,
    HCS_OPERATION,
    HCS_OPERATION_COMPLETION,
    HCS_OPERATION_TYPE,
    HCS_PROCESS,
    HCS_SYSTEM,
    INFINITE,
    INVALID_HANDLE_VALUE,
)
from hcsd.hcs.errors import (
    AlreadyStoppedError,
    HcsError,
    NotSupportedError,
    OperationTimeoutError,
)
from hcsd.hcs.library import Library
from tests.support.engines import CountingProvider, Engine
from tests.support.guest import Guest
from tests.support.traits import Trait

WAIT = 5.0  # seconds, for what comes at once unless it never comes


@pytest.fixture
def library(provider: CountingProvider) -> Library:
    return Library(provider)


@pytest.fixture
def system(library: Library, engine: Engine) -> Iterator[HCS_SYSTEM]:
    opened: HCS_SYSTEM = library.HcsOpenComputeSystem(engine.system_id, GENERIC_ALL)
    yield opened
    library.HcsCloseComputeSystem(opened)


@pytest.fixture
def operation(library: Library) -> Iterator[HCS_OPERATION]:
    created: HCS_OPERATION = library.HcsCreateOperation(None, None)
    yield created
    library.HcsCloseOperation(created)


@pytest.fixture
def sleeper(
    library: Library, system: HCS_SYSTEM, operation: HCS_OPERATION, guest: Guest
) -> Iterator[HCS_PROCESS]:
    """A process that was started with a plain wait."""
    document = json.dumps(guest.sleeps())
    process: HCS_PROCESS = library.HcsCreateProcess(system, document, operation, None)
    library.HcsWaitForOperationResult(operation, INFINITE)
    yield process
    if process.value:
        library.HcsCloseProcess(process)


def code(failure: pytest.ExceptionInfo[HcsError]) -> int:
    return failure.value.hresult


def test_an_idle_operation_has_not_started(library: Library, operation: HCS_OPERATION) -> None:
    with pytest.raises(HcsError) as caught:
        library.HcsGetOperationResult(operation)
    assert code(caught) == HR.OPERATION_NOT_STARTED
    with pytest.raises(HcsError) as caught:
        library.HcsWaitForOperationResult(operation, 0)
    assert code(caught) == HR.OPERATION_NOT_STARTED
    assert library.HcsGetOperationType(operation) == HCS_OPERATION_TYPE.HcsOperationTypeNone


def test_an_operation_is_waited_for_without_a_callback(
    library: Library, operation: HCS_OPERATION, engine: Engine
) -> None:
    library.HcsEnumerateComputeSystems(None, operation)
    found = json.loads(library.HcsWaitForOperationResult(operation, INFINITE))
    assert engine.system_id in [entry["Id"] for entry in found]
    assert json.loads(library.HcsGetOperationResult(operation)) == found
    kind = library.HcsGetOperationType(operation)
    assert kind == HCS_OPERATION_TYPE.HcsOperationTypeEnumerate


def test_an_operation_may_be_used_again_once_it_is_complete(
    library: Library, operation: HCS_OPERATION, system: HCS_SYSTEM
) -> None:
    for _ in range(3):
        library.HcsGetComputeSystemProperties(system, operation, None)
        assert library.HcsWaitForOperationResult(operation, INFINITE)


@pytest.mark.needs(Trait.SERIAL)
def test_an_operation_in_flight_is_pending_and_cannot_be_used_twice(
    library: Library, system: HCS_SYSTEM, held: "Held"
) -> None:
    operation = held.operation
    library.HcsGetComputeSystemProperties(system, operation, None)
    held.wait()  # the engine is in the callback of another operation, so this one waits
    second: HCS_OPERATION = library.HcsCreateOperation(None, None)
    library.HcsGetComputeSystemProperties(system, second, None)
    with pytest.raises(HcsError) as caught:
        library.HcsGetOperationResult(second)
    assert code(caught) == HR.OPERATION_PENDING
    with pytest.raises(OperationTimeoutError):
        library.HcsWaitForOperationResult(second, 10)
    with pytest.raises(HcsError) as caught:
        library.HcsGetComputeSystemProperties(system, second, None)
    assert code(caught) == HR.OPERATION_ALREADY_STARTED
    held.release()
    assert library.HcsWaitForOperationResult(second, INFINITE)
    library.HcsCloseOperation(second)


class Held:
    """An operation whose callback stays where it is until it is released."""

    def __init__(self, library: Library) -> None:
        self._in = threading.Event()
        self._out = threading.Event()
        self.threads: list[int] = []
        self._thunk = HCS_OPERATION_COMPLETION(self._stay)
        self.operation: HCS_OPERATION = library.HcsCreateOperation(7, self._thunk)

    def _stay(self, _operation: HCS_OPERATION, context: int) -> None:
        assert context == 7
        self.threads.append(threading.get_ident())
        self._in.set()
        self._out.wait(30)

    def wait(self) -> None:
        assert self._in.wait(WAIT)

    def release(self) -> None:
        self._out.set()


@pytest.fixture
def held(library: Library) -> Iterator[Held]:
    it = Held(library)
    yield it
    it.release()
    library.HcsCloseOperation(it.operation)


def test_a_completion_comes_on_a_thread_of_the_engine_and_never_inside_the_call(
    library: Library, system: HCS_SYSTEM, held: Held
) -> None:
    library.HcsGetComputeSystemProperties(system, held.operation, None)  # it would never return
    held.wait()
    assert held.threads != [threading.get_ident()]
    assert library.HcsGetOperationResult(held.operation)  # already there


def test_a_kickoff_that_fails_leaves_the_reason_in_the_operation(
    library: Library, system: HCS_SYSTEM, operation: HCS_OPERATION
) -> None:
    with pytest.raises(HcsError) as caught:
        library.HcsCreateProcess(system, "{", operation, None)
    assert code(caught) == HR.INVALID_JSON
    with pytest.raises(HcsError) as caught:
        library.HcsGetOperationResult(operation)
    assert caught.value.document is not None
    assert json.loads(caught.value.document)["Error"] == HR.INVALID_JSON - (1 << 32)
    library.HcsGetComputeSystemProperties(system, operation, None)  # and can be used
    assert library.HcsWaitForOperationResult(operation, INFINITE)


def test_each_operation_has_an_id_and_keeps_its_context(
    library: Library, operation: HCS_OPERATION
) -> None:
    second: HCS_OPERATION = library.HcsCreateOperation(0xFFFF_FFFF_FFFF_FFF0, None)
    ids = {library.HcsGetOperationId(each) for each in (operation, second)}
    assert len(ids - {HCS_INVALID_OPERATION_ID}) == 2
    assert library.HcsGetOperationContext(second) == 0xFFFF_FFFF_FFFF_FFF0
    library.HcsSetOperationContext(second, 5)
    assert library.HcsGetOperationContext(second) == 5
    assert library.HcsGetOperationContext(operation) is None
    library.HcsCloseOperation(second)


@pytest.mark.needs(Trait.GUARDED)
def test_an_operation_that_was_closed_has_no_id(library: Library) -> None:
    closed: HCS_OPERATION = library.HcsCreateOperation(None, None)
    library.HcsCloseOperation(closed)
    assert library.HcsGetOperationId(closed) == HCS_INVALID_OPERATION_ID


def test_a_callback_may_be_set_after_creation_and_not_once_started(
    library: Library, system: HCS_SYSTEM, operation: HCS_OPERATION
) -> None:
    done = threading.Event()
    thunk = HCS_OPERATION_COMPLETION(lambda _operation, _context: done.set())
    library.HcsSetOperationCallback(operation, 1, thunk)
    library.HcsGetComputeSystemProperties(system, operation, None)
    assert done.wait(WAIT)
    with pytest.raises(HcsError) as caught:
        library.HcsSetOperationCallback(operation, 2, thunk)
    assert code(caught) == HR.OPERATION_ALREADY_STARTED


def test_an_operation_may_be_closed_in_its_own_callback(
    library: Library, system: HCS_SYSTEM, provider: CountingProvider
) -> None:
    done = threading.Event()

    def close(operation: HCS_OPERATION, _context: int | None) -> None:
        library.HcsCloseOperation(operation)
        done.set()

    thunk = HCS_OPERATION_COMPLETION(close)
    library.HcsGetComputeSystemProperties(system, library.HcsCreateOperation(None, thunk), None)
    assert done.wait(WAIT)
    assert not provider.live().get("operations")


@pytest.mark.needs(Trait.SERIAL)
def test_an_operation_that_was_closed_goes_on_without_a_callback(
    library: Library, system: HCS_SYSTEM, held: Held, sleeper: HCS_PROCESS
) -> None:
    """Its request is not undone: hcsshim relies on it for shutdown and terminate."""
    called = threading.Event()
    thunk = HCS_OPERATION_COMPLETION(lambda _operation, _context: called.set())
    exited, event = watched(library, sleeper)
    library.HcsGetComputeSystemProperties(system, held.operation, None)
    held.wait()
    dropped: HCS_OPERATION = library.HcsCreateOperation(None, thunk)
    library.HcsTerminateProcess(sleeper, dropped, None)
    library.HcsCloseOperation(dropped)
    held.release()
    assert exited.wait(WAIT)
    assert not called.is_set()
    del event


def watched(library: Library, process: HCS_PROCESS) -> tuple[threading.Event, HCS_EVENT_CALLBACK]:
    """Ask for the exit event of a process; keep the second value as long as the handle."""
    exited = threading.Event()

    def on_event(event: "ctypes._Pointer[HCS_EVENT]", context: int | None) -> None:
        assert context == 9
        if event.contents.Type == HCS_EVENT_TYPE.HcsEventProcessExited:
            exited.set()

    thunk = HCS_EVENT_CALLBACK(on_event)
    library.HcsSetProcessCallback(process, 0, 9, thunk)
    return exited, thunk


def test_a_handle_has_one_event_callback(library: Library, sleeper: HCS_PROCESS) -> None:
    _, first = watched(library, sleeper)
    with pytest.raises(HcsError) as caught:
        library.HcsSetProcessCallback(sleeper, 0, 9, first)
    assert code(caught) == HR.OPERATION_SYSTEM_CALLBACK_ALREADY_SET


def test_closing_a_handle_waits_for_its_callback_and_none_follows(
    library: Library, system: HCS_SYSTEM, operation: HCS_OPERATION, sleeper: HCS_PROCESS
) -> None:
    entered, leave, closed = (threading.Event() for _ in range(3))
    order: list[str] = []

    def on_event(_event: "ctypes._Pointer[HCS_EVENT]", _context: int | None) -> None:
        entered.set()
        leave.wait(30)
        order.append("callback")

    def close() -> None:
        library.HcsCloseProcess(sleeper)
        order.append("close")
        closed.set()

    thunk = HCS_EVENT_CALLBACK(on_event)
    library.HcsSetProcessCallback(sleeper, 0, None, thunk)
    library.HcsTerminateProcess(sleeper, operation, None)
    assert entered.wait(WAIT)
    closer = threading.Thread(target=close)
    closer.start()
    assert not closed.wait(0.05)
    leave.set()
    closer.join()
    assert order == ["callback", "close"]
    sleeper.value = None


def test_a_handle_may_be_closed_in_its_own_callback(
    library: Library, operation: HCS_OPERATION, sleeper: HCS_PROCESS
) -> None:
    done = threading.Event()

    def on_event(_event: "ctypes._Pointer[HCS_EVENT]", _context: int | None) -> None:
        library.HcsCloseProcess(sleeper)
        done.set()

    thunk = HCS_EVENT_CALLBACK(on_event)
    library.HcsSetProcessCallback(sleeper, 0, None, thunk)
    library.HcsTerminateProcess(sleeper, operation, None)
    assert done.wait(WAIT)
    sleeper.value = None


@pytest.mark.needs(Trait.GUARDED)
def test_a_handle_that_is_closed_foreign_or_truncated_is_refused(
    library: Library, engine: Engine, system: HCS_SYSTEM, operation: HCS_OPERATION
) -> None:
    second: HCS_SYSTEM = library.HcsOpenComputeSystem(engine.system_id, GENERIC_ALL)
    library.HcsCloseComputeSystem(second)
    assert system.value is not None
    assert second.value is not None
    for wrong in [
        second.value,
        operation.value,
        system.value & 0xFFFF_FFFF,
        system.value & 0x7FFF_FFFF_FFFF_FFFF,
        system.value + 1,
        1,
        0,
        INVALID_HANDLE_VALUE,
    ]:
        with pytest.raises(HcsError) as caught:
            library.HcsGetComputeSystemProperties(wrong, operation, None)
        assert code(caught) == HR.ERROR_INVALID_HANDLE, hex(wrong or 0)
        library.HcsCloseComputeSystem(wrong)  # void, and does no harm
    library.HcsGetComputeSystemProperties(system, operation, None)
    assert library.HcsWaitForOperationResult(operation, INFINITE)


def test_process_information_is_for_processes(
    library: Library, system: HCS_SYSTEM, operation: HCS_OPERATION
) -> None:
    library.HcsGetComputeSystemProperties(system, operation, None)
    library.HcsWaitForOperationResult(operation, INFINITE)
    with pytest.raises(HcsError) as caught:
        library.HcsGetOperationResultAndProcessInfo(operation)
    assert code(caught) == HR.E_INVALIDARG
    with pytest.raises(HcsError) as caught:
        library.HcsWaitForOperationResultAndProcessInfo(operation, 0)
    assert code(caught) == HR.E_INVALIDARG


def test_pipes_that_the_creation_did_not_take_can_be_fetched_later_and_once(
    library: Library,
    provider: CountingProvider,
    system: HCS_SYSTEM,
    operation: HCS_OPERATION,
    guest: Guest,
) -> None:
    document = json.dumps(guest.exits(0) | {"CreateStdOutPipe": True})
    process = library.HcsCreateProcess(system, document, operation, None)
    library.HcsWaitForOperationResult(operation, INFINITE)  # which gives no handles
    handles = []
    for _ in range(2):
        library.HcsGetProcessInfo(process, operation)
        info, _ = library.HcsWaitForOperationResultAndProcessInfo(operation, INFINITE)
        handles.append(info.StdOutput.value)
    assert handles[0]
    assert handles[1] is None
    provider.close_handle(handles[0])
    library.HcsCloseProcess(process)


def test_a_result_need_not_be_taken(library: Library, system: HCS_SYSTEM) -> None:
    operation = library.HcsCreateOperation(None, None)
    row = BY_NAME["HcsWaitForOperationResult"]
    wait = row.prototype(library.provider.address(row))
    library.HcsGetComputeSystemProperties(system, operation, None)
    assert wait(operation, INFINITE, None) == 0  # NULL: the string is not wanted
    library.HcsCloseOperation(operation)


@pytest.mark.needs(Trait.GUARDED)
def test_local_free_takes_null_and_gives_back_what_it_does_not_know(library: Library) -> None:
    block = ctypes.create_string_buffer(8)
    assert not library.LocalFree(None)
    assert library.LocalFree(ctypes.addressof(block)).value == ctypes.addressof(block)


def test_cancelling_is_not_implemented_as_documented(
    library: Library, operation: HCS_OPERATION
) -> None:
    with pytest.raises(NotSupportedError) as caught:
        library.HcsCancelOperation(operation)
    assert code(caught) == HR.E_NOTIMPL


@pytest.mark.needs(Trait.STRICT)
def test_operation_callbacks_on_a_handle_are_refused_rather_than_forgotten(
    library: Library, system: HCS_SYSTEM, sleeper: HCS_PROCESS
) -> None:
    thunk = HCS_EVENT_CALLBACK(lambda _event, _context: None)
    with pytest.raises(NotSupportedError):
        library.HcsSetComputeSystemCallback(system, 1, None, thunk)
    with pytest.raises(NotSupportedError):
        library.HcsSetProcessCallback(sleeper, 1, None, thunk)


@pytest.mark.needs(Trait.STRICT)
@pytest.mark.parametrize(
    "query", ['{"PropertyTypes":["GuestConnection"]}', '{"Unknown":1}', "[", "7"]
)
def test_a_query_that_is_not_offered_is_refused_rather_than_ignored(
    library: Library, system: HCS_SYSTEM, operation: HCS_OPERATION, query: str
) -> None:
    with pytest.raises(HcsError):
        library.HcsGetComputeSystemProperties(system, operation, query)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (None, True),
        ("{}", True),
        ('{"Ids":[]}', True),
        ('{"Ids":["ID"]}', True),
        ('{"Ids":["x","ID"],"Types":["Container"]}', True),
        ('{"Ids":["x"]}', False),
        ('{"Ids":["ID"],"Types":["VirtualMachine"]}', False),
        ('{"Owners":["nobody"]}', False),
    ],
)
def test_an_enumeration_can_be_narrowed(
    library: Library, engine: Engine, operation: HCS_OPERATION, query: str | None, *, found: bool
) -> None:
    named = query and query.replace("ID", engine.system_id)
    library.HcsEnumerateComputeSystems(named, operation)
    assert bool(json.loads(library.HcsWaitForOperationResult(operation, INFINITE))) is found


def test_a_signal_through_an_old_handle_never_reaches_a_later_process(
    library: Library, system: HCS_SYSTEM, operation: HCS_OPERATION, sleeper: HCS_PROCESS
) -> None:
    exited, thunk = watched(library, sleeper)
    library.HcsTerminateProcess(sleeper, operation, None)
    assert exited.wait(WAIT)
    with pytest.raises(AlreadyStoppedError):
        library.HcsSignalProcess(sleeper, operation, None)
    del thunk
