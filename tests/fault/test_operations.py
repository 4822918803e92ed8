"""Operations that complete early, late, twice, never, or not at all."""

import json
import threading

import anyio
import anyio.to_thread
import pytest

from hcsd.abi.functions import FUNCTIONS
from hcsd.abi.hresult import HR
from hcsd.abi.types import INVALID_HANDLE_VALUE
from hcsd.hcs.callbacks import REGISTRY
from hcsd.hcs.errors import (
    HcsError,
    InvalidStateError,
    NotSupportedError,
    SystemNotFoundError,
)
from hcsd.hcs.host import Host
from hcsd.hcs.library import MissingExportsError
from hcsd.hcs.operation import ProcessInfo
from tests.support.scripted import RUNNING, Operation, ScriptedProvider
from tests.support.scripting import process_of, settled, system_of, until_none_is_live

pytestmark = pytest.mark.anyio

REASON = json.dumps(
    {
        "Error": HR.INVALID_STATE - (1 << 32),
        "ErrorMessage": "invalid state",
        "ErrorEvents": [{"Message": "the guest is asleep", "Provider": "p", "EventId": 9}],
    }
)
STDIO = (0xFFFF_0000_8000_0001, 0xFFFF_0000_8000_0002, 0xFFFF_0000_8000_0003)


async def test_a_completion_may_come_before_the_starting_call_has_returned(
    scripted: ScriptedProvider,
) -> None:
    def start(operation: Operation) -> int:
        operation.document = RUNNING
        operation.completed_and_fetched()
        return 0

    scripted.script["HcsGetProcessProperties"] = start
    async with process_of(scripted) as process:
        assert await process.properties() == RUNNING


async def test_a_process_may_be_complete_before_its_handle_is_handed_out(
    scripted: ScriptedProvider,
) -> None:
    def start(operation: Operation) -> int:
        operation.info = (7, *STDIO)
        operation.completed_and_fetched()
        return 0

    scripted.script["HcsCreateProcess"] = start
    async with process_of(scripted) as process:
        assert process.pid == 7
        assert scripted.live()["stdio"] == 3  # which the process closes, as nobody takes it


async def test_a_completion_may_come_long_after_the_start(scripted: ScriptedProvider) -> None:
    pending: list[Operation] = []
    arrived = threading.Semaphore(0)

    def start(operation: Operation) -> int:
        pending.append(operation)
        arrived.release()
        return 0

    scripted.script["HcsGetProcessProperties"] = start
    async with process_of(scripted) as process, anyio.create_task_group() as tasks:
        answers: list[str | None] = []

        async def ask() -> None:
            answers.append(await process.properties())

        for _ in range(3):
            tasks.start_soon(ask)
        for _ in range(3):
            assert await anyio.to_thread.run_sync(arrived.acquire, True, 30)
        assert answers == []
        for operation in reversed(pending):  # in another order than they were started
            operation.complete(document=RUNNING)
    assert answers == [RUNNING] * 3


async def test_threads_that_python_never_made_leave_no_trace(direct: ScriptedProvider) -> None:
    async with process_of(direct) as process:
        before = threading.enumerate()
        for _ in range(100):
            await process.modify("{}")
        assert threading.enumerate() == before  # no stand-in for any of the 100


async def test_a_start_that_fails_tells_the_reason_that_hcs_left_in_the_operation(
    scripted: ScriptedProvider,
) -> None:
    def start(operation: Operation) -> int:
        operation.hresult, operation.document = HR.INVALID_STATE, REASON
        return HR.INVALID_STATE

    scripted.script["HcsModifyProcess"] = start
    async with process_of(scripted) as process:
        with pytest.raises(InvalidStateError) as caught:
            await process.modify("{}")
        await until_none_is_live(scripted, "operations", "strings")
    error = caught.value
    assert str(error) == "cannot modify process 7 of system 'scripted': the guest is asleep"
    assert (error.function, error.document) == ("HcsModifyProcess", REASON)
    assert (error.events[0].provider, error.events[0].event_id) == ("p", 9)


async def test_a_start_that_fails_needs_no_document(scripted: ScriptedProvider) -> None:
    scripted.script["HcsModifyProcess"] = lambda _: HR.INVALID_STATE
    async with process_of(scripted) as process:
        with pytest.raises(InvalidStateError, match="not valid in the current state"):
            await process.modify("{}")


async def test_a_callback_after_a_start_that_failed_is_counted_and_ignored(
    scripted: ScriptedProvider,
) -> None:
    failed: list[Operation] = []

    def start(operation: Operation) -> int:
        failed.append(operation)
        return HR.INVALID_STATE

    scripted.script["HcsModifyProcess"] = start
    async with process_of(scripted) as process:
        late = REGISTRY.late
        with pytest.raises(InvalidStateError):
            await process.modify("{}")
        failed[0].call_back()  # for an operation that was closed: it must not be touched
        await settled()
        assert REGISTRY.late == late + 1


async def test_a_start_that_fails_though_its_operation_completed_is_a_failure(
    scripted: ScriptedProvider,
) -> None:
    def start(operation: Operation) -> int:
        operation.info, operation.gives_handle = (7, *STDIO), True
        operation.completed_and_fetched()
        return HR.INVALID_STATE

    scripted.script["HcsCreateProcess"] = start
    async with system_of(scripted) as system:
        with pytest.raises(InvalidStateError) as caught:
            await system.create_process("{}")
        await until_none_is_live(scripted, *(scripted.live().keys() - {"systems"}))
    assert str(caught.value).startswith("cannot create process in system 'scripted'")


async def test_a_failure_in_the_end_tells_its_reason(scripted: ScriptedProvider) -> None:
    scripted.script["HcsModifyProcess"] = lambda op: op.complete(HR.INVALID_STATE, REASON)
    async with process_of(scripted) as process:
        with pytest.raises(InvalidStateError, match="guest is asleep") as caught:
            await process.modify("{}")
    assert (caught.value.function, caught.value.document) == ("HcsModifyProcess", REASON)


@pytest.mark.parametrize("document", [None, "", "text", "[]", '{"ErrorEvents":7}', "[" * 100_000])
async def test_a_failure_without_a_readable_reason_is_still_that_failure(
    direct: ScriptedProvider, document: str | None
) -> None:
    direct.script["HcsModifyProcess"] = lambda op: op.complete(HR.INVALID_STATE, document)
    async with process_of(direct) as process:
        with anyio.fail_after(30), pytest.raises(InvalidStateError, match="not valid in"):
            await process.modify("{}")


async def test_a_code_that_nobody_knows_is_an_error_of_its_own(direct: ScriptedProvider) -> None:
    direct.script["HcsModifyProcess"] = lambda op: op.complete(0x8765_4321)
    async with process_of(direct) as process:
        with pytest.raises(HcsError) as caught:
            await process.modify("{}")
    assert (type(caught.value), caught.value.hresult) == (HcsError, 0x8765_4321)


@pytest.mark.parametrize("code", [0x8037_0117, 0xC037_0103])
async def test_pending_is_how_some_say_started(scripted: ScriptedProvider, code: int) -> None:
    def start(operation: Operation) -> int:
        operation.complete(document=RUNNING)
        return code

    def create(operation: Operation) -> int:
        operation.complete(info=(7, 0, 0, 0))
        return code

    scripted.script["HcsGetProcessProperties"] = start
    scripted.script["HcsCreateProcess"] = create
    async with process_of(scripted) as process:
        assert await process.properties() == RUNNING


@pytest.mark.parametrize("stdio", [(0, 0, 0), STDIO])
async def test_a_create_that_fails_late_leaves_neither_its_handle_nor_pipes(
    scripted: ScriptedProvider, stdio: tuple[int, int, int]
) -> None:
    scripted.script["HcsCreateProcess"] = lambda op: op.complete(
        HR.ERROR_FILE_NOT_FOUND, REASON, (0, *stdio)
    )
    async with system_of(scripted) as system:
        with pytest.raises(HcsError) as caught:
            await system.create_process("{}")
    assert caught.value.hresult == HR.ERROR_FILE_NOT_FOUND
    assert len(scripted.called("HcsCloseProcess")) == 1
    assert not scripted.called("HcsSetProcessCallback")


async def test_a_create_that_fails_at_its_start_leaves_no_handle(
    scripted: ScriptedProvider,
) -> None:
    def start(operation: Operation) -> int:
        operation.gives_handle = True
        return HR.INVALID_STATE

    scripted.script["HcsCreateProcess"] = start
    async with system_of(scripted) as system:
        with pytest.raises(InvalidStateError):
            await system.create_process("{}")
    assert len(scripted.called("HcsCloseProcess")) == 1


async def test_no_handle_is_closed_where_none_was_given(scripted: ScriptedProvider) -> None:
    scripted.script["HcsCreateProcess"] = lambda _: HR.INVALID_STATE
    async with system_of(scripted) as system:
        with pytest.raises(InvalidStateError):
            await system.create_process("{}")
    assert not scripted.called("HcsCloseProcess")


async def test_a_create_that_fails_late_may_have_given_no_handle(
    scripted: ScriptedProvider,
) -> None:
    def start(operation: Operation) -> int:
        operation.gives_handle = False
        return operation.complete(HR.INVALID_STATE)

    scripted.script["HcsCreateProcess"] = start
    async with system_of(scripted) as system:
        with pytest.raises(InvalidStateError):
            await system.create_process("{}")
    assert not scripted.called("HcsCloseProcess")


@pytest.mark.parametrize("none", [0, INVALID_HANDLE_VALUE])
async def test_null_and_invalid_handle_value_both_mean_no_stream(
    direct: ScriptedProvider, none: int
) -> None:
    direct.script["HcsCreateProcess"] = lambda op: op.complete(info=(7, none, STDIO[1], none))
    async with process_of(direct) as process:
        assert process.stdio.take() == (0, STDIO[1], 0)
    direct.close_handle(STDIO[1])  # it was ours; the others were closed by nobody


async def test_a_second_callback_of_one_operation_is_counted_and_ignored(
    scripted: ScriptedProvider,
) -> None:
    def start(operation: Operation) -> int:
        operation.document = RUNNING
        operation.call_back()
        operation.call_back()
        return operation.complete(document=RUNNING)

    scripted.script["HcsGetProcessProperties"] = start
    async with process_of(scripted) as process:
        late = REGISTRY.late
        assert await process.properties() == RUNNING
        await settled()
        assert REGISTRY.late == late + 2


async def test_an_operation_that_cannot_be_created_is_an_error(scripted: ScriptedProvider) -> None:
    async with process_of(scripted) as process:
        registered = len(REGISTRY)
        scripted.answers["HcsCreateOperation"] = HR.E_OUTOFMEMORY
        with pytest.raises(HcsError) as caught:
            await process.modify("{}")
        assert len(REGISTRY) == registered
    assert caught.value.function == "HcsCreateOperation"
    assert str(caught.value).startswith("cannot modify process 7 of system 'scripted'")


async def test_a_system_that_cannot_be_opened_leaves_nothing(scripted: ScriptedProvider) -> None:
    scripted.answers["HcsOpenComputeSystem"] = 0xC037_010E  # as older services say it
    host = Host(scripted)
    with pytest.raises(SystemNotFoundError):
        await host.open_system("none")
    host.close()


async def test_a_query_that_answers_nothing_is_no_crash(scripted: ScriptedProvider) -> None:
    async with process_of(scripted) as process:
        assert await process.properties() is None
        assert not await process.confirm()


def test_a_completion_after_the_loop_has_closed_is_cleared_up(direct: ScriptedProvider) -> None:
    pending: list[Operation] = []

    def start(operation: Operation) -> int:
        pending.append(operation)
        return 0

    direct.script["HcsCreateProcess"] = start

    async def leave() -> None:
        system = await Host(direct).open_system("scripted")
        with anyio.move_on_after(0.05):
            await system.create_process("{}")
        system.close()

    anyio.run(leave)
    pending[0].info = (7, *STDIO)
    pending[0].completed_and_fetched()
    anyio.run(settled)
    assert direct.live()["stdio"] == 0


def test_every_required_export_that_is_missing_is_named() -> None:
    missing = {"HcsOpenProcess", "HcsCloseOperation", "LocalFree", "HcsSaveComputeSystem"}
    with pytest.raises(MissingExportsError) as caught:
        Host(ScriptedProvider(missing=missing))
    assert set(caught.value.names) == missing - {"HcsSaveComputeSystem"}
    assert all(name in str(caught.value) for name in caught.value.names)


def test_a_library_without_its_optional_exports_is_taken_and_names_what_is_called() -> None:
    optional = {row.name for row in FUNCTIONS if not row.required}
    library = Host(ScriptedProvider(missing=optional)).library
    assert set(library.missing) == optional
    with pytest.raises(NotSupportedError, match=r"no HcsModifyServiceSettings .*Windows 10 1809"):
        library.HcsModifyServiceSettings("{}")
    with pytest.raises(AttributeError, match="no export 'HcsMakeCoffee'"):
        library.HcsMakeCoffee()


def test_closing_process_information_closes_each_handle_once(direct: ScriptedProvider) -> None:
    library = Host(direct).library
    direct._stdio.update(STDIO)
    ProcessInfo(7, 0, STDIO[1], STDIO[2]).close(library)
    direct.close_handle(STDIO[0])
