"""Calls that block: where they are made, and what they cannot hold up."""

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import anyio
import pytest

from hcsd.abi.types import HCS_OPERATION, HCS_PROCESS, PCWSTR
from hcsd.hcs.errors import CallsStuckError, HcsError, OperationTimeoutError
from hcsd.hcs.host import Host
from hcsd.hcs.lane_threads import Call, Threads
from hcsd.hcs.lanes import Lane
from hcsd.hcs.process import Process
from hcsd.hcs.timings import Timings
from tests.support.scripted import Operation, ScriptedProvider
from tests.support.scripting import home, process_of, settled

pytestmark = pytest.mark.anyio

MOST = {lane: lane.value[2] for lane in Lane}
IMPATIENT = Timings(lane_patience=0.2)


class Jam:
    """Calls of one export that do not return before they are let go."""

    def __init__(self) -> None:
        self.made: list[int] = []  # in their order
        self._entered = threading.Semaphore(0)
        self._released = threading.Event()

    def stay(self) -> None:
        self.made.append(len(self.made))
        self._entered.release()
        assert self._released.wait(20)

    def start(self, operation: Operation) -> int:
        self.stay()
        return operation.complete(info=(8, 0, 0, 0))

    async def full(self, calls: int) -> None:
        """Wait until so many calls are in it."""
        for _ in range(calls):
            assert await anyio.to_thread.run_sync(self._entered.acquire, True, 10)

    def release(self) -> None:
        self._released.set()


@pytest.fixture
def jam() -> Iterator[Jam]:
    jam = Jam()
    yield jam
    jam.release()


Use = Callable[[Process], Awaitable[object]]


async def create(process: Process) -> None:
    (await home(process).create_process("{}")).close()


async def reopen(process: Process) -> None:
    (await home(process).open_process(7)).close()


# What makes a call of each lane, and the export that it calls there.
USES: dict[Lane, tuple[str, Use]] = {
    Lane.CREATE: ("HcsCreateProcess", create),
    Lane.SYSTEM: ("HcsPauseComputeSystem", lambda process: home(process).pause()),
    Lane.SIGNAL: ("HcsSignalProcess", lambda process: process.signal(None)),
    Lane.MODIFY: ("HcsModifyProcess", lambda process: process.modify("{}")),
    Lane.OPEN: ("HcsOpenProcess", reopen),
    Lane.WATCH: ("HcsSetProcessCallback", create),
    Lane.CLOSE: ("HcsCloseProcess", create),
    Lane.KILL: ("HcsTerminateProcess", lambda process: process.terminate()),
    Lane.QUERY: ("HcsGetProcessProperties", lambda process: process.properties()),
}
# The lanes that these go through besides their own.
THROUGH = {Lane.OPEN: {Lane.WATCH, Lane.QUERY}, Lane.CREATE: {Lane.WATCH}}


def stick(provider: ScriptedProvider, export: str, jam: Jam) -> None:
    """Let the calls of an export go into a jam; those of a kill's process pass."""
    if not (export.startswith("HcsOpen") or "Callback" in export or "Close" in export):
        provider.script[export] = jam.start
        return
    usual = getattr(provider, export)

    def stuck(*args: object) -> object:
        if not threading.current_thread().name.startswith("hcs-kill"):
            jam.stay()
        return usual(*args)

    provider.replaced[export] = stuck


@contextlib.asynccontextmanager
async def jammed(
    provider: ScriptedProvider, lane: Lane, jam: Jam, processes: list[Process]
) -> AsyncIterator[None]:
    """Fill a lane with calls, and let some more wait."""
    export, use = USES[lane]
    stick(provider, export, jam)
    tasks = [asyncio.ensure_future(use(process)) for process in processes]
    await jam.full(MOST[lane])
    try:
        yield
    finally:
        jam.release()
    await asyncio.gather(*tasks)


async def processes_of(process: Process, count: int) -> list[Process]:
    return [await home(process).create_process("{}") for _ in range(count)]


async def test_calls_that_may_block_are_made_on_threads_of_their_lane(
    blocking: ScriptedProvider,
) -> None:
    async with process_of(blocking) as process:
        await process.properties()
        await process.modify("{}")
        await process.signal(None)
        await home(process).pause()
        await process.terminate()
    lanes = {name: thread.rpartition("_")[0] for name, thread in blocking.calls}
    del lanes["HcsGetOperationResult"], lanes["HcsGetOperationResultAndProcessInfo"]
    del lanes["HcsCloseOperation"]  # these three never block, and are made by the callback thread
    assert lanes == {
        "HcsOpenComputeSystem": "hcs-kill",  # the last one, for the kill
        "HcsSetComputeSystemCallback": "hcs-watch",
        "HcsPauseComputeSystem": "hcs-system",
        "HcsCreateOperation": "hcs-kill",
        "HcsCreateProcess": "hcs-create",
        "HcsSetProcessCallback": "hcs-watch",
        "HcsGetProcessProperties": "hcs-query",
        "HcsModifyProcess": "hcs-modify",
        "HcsSignalProcess": "hcs-signal",
        "HcsOpenProcess": "hcs-kill",
        "HcsTerminateProcess": "hcs-kill",
        "HcsCloseProcess": "hcs-close",
        "HcsCloseComputeSystem": "hcs-close",
    }
    assert blocking.called("HcsOpenComputeSystem")[0].startswith("hcs-open")


async def test_calls_that_never_block_are_made_on_the_loop(direct: ScriptedProvider) -> None:
    async with process_of(direct) as process:
        await process.properties()
    here = threading.current_thread().name
    assert {thread for name, thread in direct.calls if "Result" not in name} == {
        here,
        "hcs-callbacks",  # HcsCloseOperation
    }
    assert set(direct.called("HcsGetOperationResult")) == {"hcs-callbacks"}


async def test_the_loop_goes_on_while_a_call_is_stuck(blocking: ScriptedProvider) -> None:
    async with process_of(blocking) as process:
        hold = blocking.hold("HcsGetProcessProperties", acted=False)
        task = asyncio.ensure_future(process.properties())
        await hold.entered()
        await process.modify("{}")
        assert not task.done()
        hold.release()
        await task


@pytest.mark.parametrize("lane", USES, ids=lambda lane: lane.name)
async def test_a_lane_full_of_stuck_calls_holds_up_no_other(
    blocking: ScriptedProvider, lane: Lane, jam: Jam
) -> None:
    async with process_of(blocking) as process:
        others = await processes_of(process, MOST[lane] + 2)
        async with jammed(blocking, lane, jam, others):
            with anyio.fail_after(30):
                for other, (_, use) in USES.items():
                    if lane not in {other, *THROUGH.get(other, ())} and use is not USES[lane][1]:
                        await use(process)
        for one in others:
            one.close()


async def test_signals_to_one_process_take_one_thread_and_keep_their_order(
    blocking: ScriptedProvider, jam: Jam
) -> None:
    made: list[str | None] = []

    def send(_process: HCS_PROCESS, operation: HCS_OPERATION, options: PCWSTR) -> int:
        made.append(options.text)
        if options.text == "0":
            jam.stay()
        return blocking._operation(operation).start(Operation.complete)

    async with process_of(blocking) as process:
        (other,) = await processes_of(process, 1)
        blocking.replaced["HcsSignalProcess"] = send  # type: ignore[assignment]  # as it is called
        numbers = [str(number) for number in range(2 * MOST[Lane.SIGNAL])]
        async with anyio.create_task_group() as tasks:
            for number in numbers:
                tasks.start_soon(process.signal, number)
            await jam.full(1)
            with anyio.fail_after(30):
                await other.signal("other")
            assert made == ["0", "other"]
            jam.release()
        assert len(set(blocking.called("HcsSignalProcess"))) <= Lane.SIGNAL.value[1]
        assert made == ["0", "other", *numbers[1:]]
        other.close()


async def test_a_signal_that_is_cancelled_before_its_turn_is_not_sent_and_the_others_are(
    blocking: ScriptedProvider, jam: Jam
) -> None:
    async with process_of(blocking) as process:
        blocking.script["HcsSignalProcess"] = jam.start
        tasks = [asyncio.ensure_future(process.signal(None)) for _ in range(5)]
        await jam.full(1)
        for one in (tasks[1], tasks[3]):
            one.cancel()
        with anyio.fail_after(30):  # they wait for nobody
            await asyncio.wait([tasks[1], tasks[3]])
        jam.release()
        await asyncio.gather(tasks[0], tasks[2], tasks[4])
        assert len(blocking.called("HcsSignalProcess")) == 3
        assert all(tasks[number].cancelled() for number in (1, 3))


@pytest.mark.parametrize("lane", [Lane.CREATE, Lane.QUERY], ids=lambda lane: lane.name)
async def test_a_call_behind_stuck_ones_that_is_cancelled_is_not_made(
    blocking: ScriptedProvider, lane: Lane, jam: Jam
) -> None:
    async with process_of(blocking) as process:
        async with jammed(blocking, lane, jam, [process] * MOST[lane]):
            task = asyncio.ensure_future(USES[lane][1](process))
            await anyio.wait_all_tasks_blocked()
            task.cancel()
            with anyio.fail_after(30), pytest.raises(asyncio.CancelledError):
                await task
        before = len(blocking.called(USES[lane][0]))
        await USES[lane][1](process)
        assert len(blocking.called(USES[lane][0])) == before + 1


@pytest.mark.parametrize(
    "lane", [lane for lane in USES if lane is not Lane.CLOSE], ids=lambda lane: lane.name
)
async def test_behind_calls_that_do_not_return_is_an_error_that_names_them(
    blocking: ScriptedProvider, lane: Lane, jam: Jam
) -> None:
    async with process_of(blocking, IMPATIENT) as process:
        others = await processes_of(process, MOST[lane])
        async with jammed(blocking, lane, jam, others):
            with anyio.fail_after(30), pytest.raises(CallsStuckError) as caught:
                await USES[lane][1](process)
            assert str(caught.value).startswith("cannot ")
            assert "not begun, because calls to the Host Compute Service" in str(caught.value)
            assert f"and {MOST[lane] - 3} more" in str(caught.value) or MOST[lane] < 4
        await USES[lane][1](process)  # all is well again
        for one in others:
            one.close()


async def test_a_signal_behind_one_that_does_not_return_is_an_error_that_names_it(
    blocking: ScriptedProvider, jam: Jam
) -> None:
    async with process_of(blocking, IMPATIENT) as process:
        async with jammed(blocking, Lane.MODIFY, jam, [process] * MOST[Lane.MODIFY]):
            pass
        blocking.script["HcsSignalProcess"] = (stuck := Jam()).start
        task = asyncio.ensure_future(process.signal(None))
        await stuck.full(1)
        text = r"'signal process 7 of system 'scripted'' for \d+ s$"
        with anyio.fail_after(30), pytest.raises(CallsStuckError, match=text):
            await process.signal(None)
        stuck.release()
        await task


async def test_a_long_queue_is_no_standstill(jam: Jam) -> None:
    threads = Threads("test", 1, 1)
    first = Jam()
    calls = [Call(function, "this") for function in (first.stay, jam.stay, int)]
    for call in calls:
        threads.put(call)
    await first.full(1)
    moved = time.monotonic()
    first.release()
    await jam.full(1)
    before = threads.standstill(calls[2])
    assert before is not None
    assert before.seconds <= time.monotonic() - moved  # and not since it was put
    assert [what for what, _ in before.stuck] == ["this"]
    jam.release()
    threads.close()
    assert threads.join(time.monotonic() + 10)
    assert threads.standstill(calls[2]) is None


async def test_the_end_of_an_engine_does_not_wait_for_what_never_returns(
    blocking: ScriptedProvider, jam: Jam
) -> None:
    host = Host(blocking, Timings(close_patience=0.05))
    system = await host.open_system("scripted")
    process = await system.create_process("{}")
    stick(blocking, "HcsCloseProcess", jam)
    process.close()
    await jam.full(1)
    system.close()
    with anyio.fail_after(30):
        await anyio.to_thread.run_sync(host.close)
    with pytest.raises(HcsError, match="the engine was closed"):
        await host.open_system("scripted")
    jam.release()
    assert await anyio.to_thread.run_sync(host._lanes.join, 10)
    await settled()


async def test_an_engine_that_is_to_end_at_once_leaves_calls_that_are_stuck(
    census: None, jam: Jam
) -> None:
    provider = ScriptedProvider(blocking=True)
    host = Host(provider, Timings(close_patience=0.05))
    system = await host.open_system("scripted")
    process = await system.create_process("{}")
    stick(provider, "HcsSignalProcess", jam)
    tasks = [asyncio.ensure_future(process.signal(None)) for _ in range(3)]
    await jam.full(1)
    for task in tasks[:2]:
        task.cancel()
    await anyio.wait_all_tasks_blocked()
    assert not tasks[0].done()  # it is under way
    host.hurry()
    with anyio.fail_after(30):
        done = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(error) for error in done[:2]] == [asyncio.CancelledError] * 2
    assert isinstance(done[2], OperationTimeoutError)
    process.close()
    system.close()
    await anyio.to_thread.run_sync(host.close)
    assert not provider.called("HcsCloseProcess")  # the call still uses it
    assert len(provider.called("HcsSignalProcess")) == 1
    jam.release()
    assert await anyio.to_thread.run_sync(host._lanes.join, 10)
    await settled()


async def test_a_lane_takes_more_threads_only_while_it_needs_them(
    blocking: ScriptedProvider, jam: Jam
) -> None:
    kept = sum(lane.value[1] for lane in Lane)

    def threads() -> int:
        return sum(thread.name.startswith("hcs-") for thread in threading.enumerate()) - 1

    async with process_of(blocking) as process:
        for _ in range(20):
            await process.modify("{}")
            await create(process)
        assert threads() == kept
        async with jammed(blocking, Lane.QUERY, jam, [process] * 10):
            assert threads() == kept + MOST[Lane.QUERY] - Lane.QUERY.value[1]
    assert threads() == 0
