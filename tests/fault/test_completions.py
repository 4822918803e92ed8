"""Completions that get lost, or never come: what is asked instead, and what is left in the end."""

import asyncio
import contextlib
import itertools
import random
import threading

import anyio
import anyio.to_thread
import pytest

from hcsd.abi.hresult import HR
from hcsd.hcs.callbacks import REGISTRY
from hcsd.hcs.errors import HcsError, InvalidStateError, NoCompletionError
from hcsd.hcs.host import Host
from hcsd.hcs.operation import MAX_LEFT
from hcsd.hcs.timings import Timings
from tests.support.scripted import RUNNING, Operation, ScriptedProvider
from tests.support.scripting import (
    home,
    host_of,
    process_of,
    settled,
    system_of,
    until_none_is_live,
)

pytestmark = pytest.mark.anyio

STDIO = (0xFFFF_0000_8000_0001, 0xFFFF_0000_8000_0002, 0xFFFF_0000_8000_0003)
# The result is asked for often, and there is time enough.
CURIOUS = Timings(poll_delays=(0.01,))
# A create is in doubt at once.
DOUBTFUL = Timings(poll_delays=(0.01,), create_doubt_time=0.02)
# The time is over soon.
HASTY = Timings(operation_timeout=0.05)


class Starts:
    """Operations that are started and complete when, and as, a test says."""

    def __init__(self) -> None:
        self.pending: list[Operation] = []
        self._arrived = threading.Semaphore(0)

    def __call__(self, operation: Operation) -> int:
        self.pending.append(operation)
        self._arrived.release()
        return 0

    async def arrived(self) -> Operation:
        """Return the next one once it is started."""
        assert await anyio.to_thread.run_sync(self._arrived.acquire, True, 30)
        return self.pending[-1]


def silently(
    hresult: int = 0, document: str | None = None, info: tuple[int, int, int, int] | None = None
) -> "Silent":
    return Silent(hresult, document, info)


class Silent:
    """A start after which the work is done, and nobody is told."""

    def __init__(
        self, hresult: int, document: str | None, info: tuple[int, int, int, int] | None
    ) -> None:
        self._result = hresult, document, info

    def __call__(self, operation: Operation) -> int:
        operation.hresult, operation.document, operation.info = self._result
        operation.in_flight = False
        return 0


async def test_a_result_whose_completion_got_lost_is_found(scripted: ScriptedProvider) -> None:
    scripted.script["HcsGetProcessProperties"] = silently(document=RUNNING)
    scripted.script["HcsModifyProcess"] = silently(HR.INVALID_STATE)
    scripted.script["HcsCreateProcess"] = silently(info=(7, *STDIO))
    late = REGISTRY.late
    with anyio.fail_after(30):
        async with process_of(scripted, CURIOUS) as process:
            assert process.pid == 7
            assert await process.properties() == RUNNING
            with pytest.raises(InvalidStateError, match="modify process 7"):
                await process.modify("{}")
            await until_none_is_live(scripted, "operations")
    assert not scripted.called("HcsTerminateProcess")
    assert REGISTRY.late == late


async def test_a_completion_behind_the_poll_that_found_the_result_is_late(
    scripted: ScriptedProvider,
) -> None:
    started: list[Operation] = []

    def start(operation: Operation) -> int:
        started.append(operation)
        return silently(document=RUNNING)(operation)

    scripted.script["HcsGetProcessProperties"] = start
    async with process_of(scripted, CURIOUS) as process:
        late = REGISTRY.late
        assert await process.properties() == RUNNING
        started[0].call_back()
        await settled()
        assert REGISTRY.late == late + 1


async def test_the_loop_goes_on_while_a_poll_is_stuck_and_its_completion_is_not_lost(
    blocking: ScriptedProvider,
) -> None:
    starts = Starts()
    async with process_of(blocking, CURIOUS) as process:
        blocking.script["HcsGetProcessProperties"] = starts
        task = asyncio.ensure_future(process.properties())
        operation = await starts.arrived()
        hold = blocking.hold("HcsGetOperationResult", acted=True)  # it answers "pending"
        await hold.entered()
        operation.document = RUNNING
        operation.call_back()
        await settled()
        await process.modify("{}")
        assert not task.done()
        hold.release()
        assert await task == RUNNING
    assert set(blocking.called("HcsGetOperationResult")) == {"hcs-callbacks", "hcs-result_0"}


async def test_a_callback_that_is_too_early_is_not_taken_for_a_completion(
    scripted: ScriptedProvider,
) -> None:
    starts = Starts()
    async with process_of(scripted, CURIOUS) as process:
        scripted.script["HcsGetProcessProperties"] = starts
        task = asyncio.ensure_future(process.properties())
        operation = await starts.arrived()
        operation.call_back_early()
        await settled()
        assert not task.done()
        operation.document = RUNNING
        operation.in_flight = False
        assert await task == RUNNING


async def test_nothing_is_polled_on_the_usual_path(scripted: ScriptedProvider) -> None:
    async with process_of(scripted) as process:
        before = len(scripted.called("HcsGetOperationResult"))
        for _ in range(50):
            await process.modify("{}")
        assert len(scripted.called("HcsGetOperationResult")) == before + 50


async def test_a_process_whose_create_does_not_complete_is_found_by_its_handle(
    scripted: ScriptedProvider,
) -> None:
    starts = Starts()
    answers = itertools.chain([HR.PROCESS_INFO_NOT_AVAILABLE], itertools.repeat(0))
    scripted.script["HcsCreateProcess"] = starts
    scripted.script["HcsGetProcessInfo"] = lambda op: op.complete(next(answers), info=(7, *STDIO))
    timings = Timings(poll_delays=(0.01,), create_doubt_time=0.02, operation_timeout=0.2)
    async with process_of(scripted, timings) as process:
        assert process.pid == 7
        await process.modify("{}")
        starts.pending[0].info = (7, 0, 0, 0)
        starts.pending[0].completed_and_fetched()  # at last: it changes nothing
        await until_none_is_live(scripted, "operations")
        assert process.stdio.take() == STDIO
    for handle in STDIO:
        scripted.close_handle(handle)
    assert len(scripted.called("HcsGetProcessInfo")) == 2
    assert not scripted.called("HcsTerminateProcess")
    assert not scripted.called("HcsCancelOperation")


async def test_the_operation_of_a_process_that_was_found_is_closed_when_its_time_is_over(
    scripted: ScriptedProvider,
) -> None:
    scripted.script["HcsCreateProcess"] = Starts()
    scripted.script["HcsGetProcessInfo"] = lambda op: op.complete(info=(7, 0, 0, 0))
    timings = Timings(poll_delays=(0.01,), create_doubt_time=0.02, operation_timeout=0.1)
    async with process_of(scripted, timings) as process:
        await until_none_is_live(scripted, "operations")
        await process.modify("{}")
    assert not scripted.called("HcsCancelOperation")
    assert not scripted.called("HcsTerminateProcess")


@pytest.mark.parametrize("once", [False, True], ids=["pipes for each", "pipes for the first"])
async def test_a_create_may_complete_while_the_process_is_looked_for(
    scripted: ScriptedProvider, *, once: bool
) -> None:
    starts = Starts()
    looking = Starts()
    scripted.script |= {"HcsCreateProcess": starts, "HcsGetProcessInfo": looking}
    async with system_of(scripted, DOUBTFUL) as system:
        task = asyncio.ensure_future(system.create_process("{}"))
        search = await looking.arrived()
        starts.pending[0].info = (7, 0, 0, 0) if once else (7, *STDIO)
        starts.pending[0].completed_and_fetched()
        await settled()
        search.complete(info=(7, *STDIO) if once else (7, 0xFFFF_0000_8000_0009, 0, 0))
        process = await task
        assert process.stdio.take() == STDIO  # the others were closed
        process.close()
        for handle in STDIO:
            scripted.close_handle(handle)


@pytest.mark.parametrize("answer", [HR.ERROR_NOT_FOUND, HR.E_INVALIDARG])
async def test_a_process_that_cannot_be_found_has_not_started_and_nothing_is_left(
    scripted: ScriptedProvider, answer: int
) -> None:
    scripted.script["HcsCreateProcess"] = Starts()
    scripted.script["HcsGetProcessInfo"] = lambda op: op.complete(answer)
    async with system_of(scripted, HASTY) as system:
        with pytest.raises(NoCompletionError, match="create process 'prog' in system 'scripted'"):
            await system.create_process('{"CommandLine":"prog --password x"}')
        assert len(scripted.called("HcsTerminateProcess")) == 1  # there may be one for all that
        await until_none_is_live(scripted, "operations", "processes")
        assert len(scripted.called("HcsTerminateProcess")) == 2
    assert len(scripted.called("HcsCancelOperation")) == 1


async def test_a_create_that_is_slow_is_no_failure(scripted: ScriptedProvider) -> None:
    starts, looked = Starts(), Starts()
    scripted.script["HcsCreateProcess"] = starts

    def look(operation: Operation) -> int:
        looked(operation)
        return operation.complete(HR.PROCESS_INFO_NOT_AVAILABLE)

    scripted.script["HcsGetProcessInfo"] = look
    async with system_of(scripted, DOUBTFUL) as system:
        task = asyncio.ensure_future(system.create_process("{}"))
        await looked.arrived()
        starts.pending[0].complete(info=(7, 0, 0, 0))
        process = await task
        assert process.pid == 7
        process.close()
    assert not scripted.called("HcsTerminateProcess")


async def test_whoever_is_cancelled_while_the_process_is_looked_for_leaves_nothing(
    scripted: ScriptedProvider,
) -> None:
    starts, looking = Starts(), Starts()
    scripted.script |= {"HcsCreateProcess": starts, "HcsGetProcessInfo": looking}
    async with system_of(scripted, DOUBTFUL) as system:
        task = asyncio.ensure_future(system.create_process("{}"))
        await looking.arrived()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        starts.pending[0].complete(info=(7, *STDIO))
        looking.pending[0].complete(info=(7, 0xFFFF_0000_8000_0009, 0, 0))
        await until_none_is_live(scripted, "operations", "stdio", "processes")
    assert len(scripted.called("HcsTerminateProcess")) == 1


async def test_an_operation_that_never_completes_is_cancelled_and_closed(
    scripted: ScriptedProvider,
) -> None:
    starts = Starts()
    async with process_of(scripted, HASTY) as process:
        scripted.script["HcsModifyProcess"] = starts
        with pytest.raises(NoCompletionError, match="cannot modify process 7"):
            await process.modify("{}")
        await until_none_is_live(scripted, "operations")
        late = REGISTRY.late
        starts.pending[0].call_back()  # as it must not be any more
        await settled()
        assert REGISTRY.late == late + 1
    assert len(scripted.called("HcsCancelOperation")) == 1


async def test_one_whose_waiter_was_cancelled_goes_on_until_its_time_is_over(
    scripted: ScriptedProvider,
) -> None:
    starts = Starts()
    async with process_of(scripted, Timings(operation_timeout=0.2)) as process:
        scripted.script["HcsModifyProcess"] = starts
        tasks = [asyncio.ensure_future(process.modify("{}")) for _ in range(2)]
        for _ in tasks:
            await starts.arrived()
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        assert scripted.live()["operations"] == 2
        starts.pending[0].completed_and_fetched()  # which wants nobody's cancel
        await until_none_is_live(scripted, "operations")
    assert len(scripted.called("HcsCancelOperation")) == 1


@pytest.mark.parametrize("lacks", [set(), {"HcsCancelOperation"}], ids=["cancels", "cannot"])
async def test_after_the_end_of_the_engine_no_operation_is_left(
    census: None, lacks: set[str]
) -> None:
    provider = ScriptedProvider(blocking=True, missing=lacks)
    starts = Starts()
    host = Host(provider)
    system = await host.open_system("scripted")
    process = await system.create_process("{}")
    provider.script |= {"HcsModifyProcess": starts, "HcsCreateProcess": starts}
    tasks = [
        asyncio.ensure_future(process.modify("{}")),
        asyncio.ensure_future(system.create_process("{}")),
    ]
    for _ in tasks:
        await starts.arrived()
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    assert provider.live()["operations"] == 2
    process.close()
    system.close()
    await anyio.to_thread.run_sync(host.close)
    assert host._lanes.join(10)
    assert provider.misuse == []
    assert not any(provider.live().values())
    assert len(provider.called("HcsTerminateProcess")) == 1  # of what the create may have started


async def test_what_is_left_behind_is_bounded(blocking: ScriptedProvider) -> None:
    starts = Starts()
    async with process_of(blocking) as process:
        blocking.script["HcsModifyProcess"] = starts
        tasks = [asyncio.ensure_future(process.modify("{}")) for _ in range(MAX_LEFT + 20)]
        for _ in tasks:
            await starts.arrived()
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        assert len(home(process).operations.left) == MAX_LEFT
        with anyio.fail_after(30):
            while blocking.live()["operations"] > MAX_LEFT:
                await anyio.lowlevel.checkpoint()


async def test_one_left_behind_that_is_stuck_in_being_asked_does_not_stall_the_loop(
    blocking: ScriptedProvider,
) -> None:
    starts = Starts()
    async with process_of(blocking, CURIOUS) as process:
        blocking.script["HcsModifyProcess"] = starts
        hold = blocking.hold("HcsGetOperationResult", acted=False)
        tasks = [asyncio.ensure_future(process.modify("{}"))]
        await hold.entered()
        tasks += [asyncio.ensure_future(process.modify("{}")) for _ in range(MAX_LEFT + 1)]
        for _ in tasks:
            await starts.arrived()
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        assert len(home(process).operations.left) <= MAX_LEFT
        hold.release()
    assert blocking.misuse == []


async def test_a_system_whose_create_never_completes_is_left_by_nothing(
    scripted: ScriptedProvider,
) -> None:
    scripted.script["HcsCreateComputeSystem"] = Starts()
    async with host_of(scripted, HASTY) as host:
        with pytest.raises(NoCompletionError):
            await host.create_system("made", "{}")
        await until_none_is_live(scripted, "operations", "systems")
    assert len(scripted.called("HcsTerminateComputeSystem")) == 1


@pytest.mark.parametrize(
    ("document", "program"),
    [
        ('{"CommandLine":"prog --password x"}', "prog"),
        ('{"CommandLine":"  \\"C:\\\\a b\\\\prog.exe\\" secret"}', "C:\\a b\\prog.exe"),
        ('{"CommandArgs":["/bin/prog","secret"]}', "/bin/prog"),
        ('{"ApplicationName":"app.exe","CommandLine":"secret x"}', "app.exe"),
        ('{"CommandLine":"' + "x" * 1000 + '"}', "x" * 256),
        ('{"CommandLine":"a\\u001b[31mb"}', "a\\x1b[31mb"),
        ('{"CommandLine":"fil secret"}', "fil"),  # which the answer has in a word
    ],
)
async def test_the_error_of_a_create_names_the_program_and_not_its_arguments(
    scripted: ScriptedProvider, document: str, program: str
) -> None:
    scripted.script["HcsCreateProcess"] = lambda op: op.complete(HR.ERROR_FILE_NOT_FOUND)
    async with system_of(scripted) as system:
        with pytest.raises(HcsError) as caught:
            await system.create_process(document)
    text = f"cannot create process '{program}' in system 'scripted': the file was not found"
    assert str(caught.value) == text
    assert caught.value.subject in text


@pytest.mark.parametrize(
    "document",
    ["{}", "[]", "no JSON", '{"CommandLine":7}', '{"CommandArgs":[7]}', '{"CommandArgs":[]}',
     '{"CommandLine":" "}', '{"CommandLine":""}', '{"CommandLine":"\\""}', "[" * 100_000],
)  # fmt: skip
async def test_the_error_of_a_create_without_a_program_is_still_that_error(
    direct: ScriptedProvider, document: str
) -> None:
    direct.script["HcsCreateProcess"] = lambda op: op.complete(HR.ERROR_FILE_NOT_FOUND)
    async with system_of(direct) as system:
        with pytest.raises(HcsError, match=r"^cannot create process in system 'scripted'"):
            await system.create_process(document)


async def test_a_program_that_the_answer_names_is_not_named_twice(
    direct: ScriptedProvider,
) -> None:
    reason = '{"ErrorMessage":"no program \'prog\'"}'
    direct.script["HcsCreateProcess"] = lambda op: op.complete(HR.ERROR_FILE_NOT_FOUND, reason)
    async with system_of(direct) as system:
        with pytest.raises(HcsError) as caught:
            await system.create_process('{"CommandLine":"prog x"}')
    assert str(caught.value) == "cannot create process in system 'scripted': no program 'prog'"


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_becomes_of_completions_nothing_is_left(
    scripted: ScriptedProvider, seed: int
) -> None:
    chance = random.Random(seed)  # noqa: S311
    late: list[Operation] = []

    def start(operation: Operation) -> int:
        operation.document, operation.info = RUNNING, (7, 0, 0, 0)
        match chance.randrange(6):
            case 0:
                operation.in_flight = False  # and nobody is told
            case 1:
                late.append(operation)
            case 2:
                pass
            case 3:
                operation.hresult = HR.INVALID_STATE
                return HR.INVALID_STATE
            case 4:
                operation.hresult = HR.INVALID_STATE
                operation.call_back()
            case _:
                operation.call_back()
        return 0

    timings = Timings(
        operation_timeout=0.03,
        poll_delays=(0.002, 0.004),
        create_doubt_time=0.01,
        create_recovery_timeout=0.01,
        exit_event_grace=0.01,
    )
    async with system_of(scripted, timings) as system:

        async def use() -> None:
            for _ in range(8):
                with (
                    contextlib.suppress(HcsError),
                    anyio.move_on_after(chance.choice([0.001, 0.01, 1])),
                ):
                    process = await system.create_process("{}")
                    try:
                        await process.modify("{}")
                        await process.terminate()
                    finally:
                        process.close()
                if late:
                    late.pop(chance.randrange(len(late))).call_back()

        for name in ("CreateProcess", "ModifyProcess", "TerminateProcess", "GetProcessInfo"):
            scripted.script[f"Hcs{name}"] = start
        async with anyio.create_task_group() as tasks:
            for _ in range(8):
                tasks.start_soon(use)
        await until_none_is_live(scripted, "operations", "processes", "stdio")
