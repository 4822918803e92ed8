"""The engine over the double: what only Windows has, and what it does when HCS misbehaves."""

from __future__ import annotations

import contextlib
import json
import random
import sys
from typing import TYPE_CHECKING

import anyio
import pytest

from hcsd.abi.hresult import HR
from hcsd.daemon.guests import quote_windows
from hcsd.hcs.errors import (
    AlreadyStoppedError,
    HcsError,
    InvalidStateError,
    NoCompletionError,
    OperationTimeoutError,
)
from hcsd.hcs.host import Host
from hcsd.hcs.lanes import Lane
from hcsd.hcs.loader import NoComputeServiceError, WindowsProvider, require_64_bits
from hcsd.hcs.process import ProcessEnd
from hcsd.hcs.timings import Timings
from tests.support.census import until
from tests.support.guest import WindowsGuest
from tests.support.running import run, running, start
from tests.windows.conftest import OLD_DOUBLE
from tests.windows.provider import DoubleProvider

assert sys.platform == "win32"

if TYPE_CHECKING:
    from collections.abc import Callable

    from hcsd.hcs.system import ComputeSystem
    from tests.support.running import Running

pytestmark = pytest.mark.anyio

GUEST = WindowsGuest()
CTRL_C_EXIT = 0xC000013A
Rule = dict[str, object]


@pytest.fixture
def script(provider: DoubleProvider) -> Callable[[Rule], None]:
    """Give the double rules for its faults."""
    return provider.native.script


# --- what only Windows has ---


def test_a_library_that_is_not_there_is_an_error_with_the_remedy() -> None:
    with pytest.raises(NoComputeServiceError, match=r"no-such\.dll.*enable the Windows feature"):
        WindowsProvider("no-such.dll")


def test_a_32_bit_python_is_told_what_it_is() -> None:
    with pytest.raises(NoComputeServiceError, match=r"this Python has 32 bits.*a 64-bit Python$"):
        require_64_bits(4)
    require_64_bits(8)


@pytest.mark.parametrize("code", [0, 1, 259, CTRL_C_EXIT, 0xFFFFFFFF])
async def test_an_exit_code_is_32_bits(system: ComputeSystem, code: int) -> None:
    async with running(system, GUEST.exits(code)) as it:
        assert await it.end() == ProcessEnd(code)


async def test_twenty_megabytes_pass_both_ways(system: ComputeSystem) -> None:
    data = random.Random(3).randbytes(20_000_000)  # noqa: S311  (any bytes that do not repeat)
    async with (
        running(system, GUEST.copies_stdin(), "io") as it,
        anyio.create_task_group() as tasks,
    ):

        async def feed() -> None:
            await it.write(data)
            await it.close_stdin()

        tasks.start_soon(feed)
        result = await it.result()
    assert result.code == 0
    assert result.out == data


async def test_words_arrive_as_they_were_quoted(system: ComputeSystem) -> None:
    source = random.Random(4)  # noqa: S311
    words = ["".join(source.choices('ab \\"\t', k=source.randrange(9))) for _ in range(300)]
    result = await run(system, GUEST.prints_arguments(*words))
    assert result.out.decode() == "".join(f"[{word}]\n" for word in words)
    assert quote_windows(["a b", 'c"d', "e\\"]) == '"a b" "c\\"d" e\\'


@pytest.mark.parametrize("event", ["CtrlC", "CtrlBreak", "CtrlShutdown"])
async def test_a_console_event_ends_what_does_not_handle_it(
    system: ComputeSystem, event: str
) -> None:
    async with running(system, GUEST.says("ready"), "o") as it:
        assert await it.stdout.line() == "ready"
        await it.process.signal(json.dumps({"Signal": event}))
        assert await it.end() == ProcessEnd(CTRL_C_EXIT)


async def test_a_second_kill_is_no_error(system: ComputeSystem) -> None:
    async with running(system, GUEST.sleeps()) as it:
        assert await it.process.terminate()
        await it.process.terminate()
        await it.end()
        assert not await it.process.terminate()


async def test_a_console_is_sized_at_the_start_by_an_array_and_later_by_an_object(
    system: ComputeSystem,
) -> None:
    console = GUEST.says("x") | {"EmulateConsole": True, "ConsoleSize": [40, 120]}
    async with running(system, console, "io") as it:
        await it.process.resize_console(50, 132)
    async with running(system, GUEST.sleeps(), "i") as it:
        with pytest.raises(InvalidStateError):
            await it.process.resize_console(50, 132)


# --- fault plans ---


async def exits(system: ComputeSystem, code: int = 7) -> ProcessEnd:
    async with running(system, GUEST.exits(code)) as it:
        return await it.end()


@pytest.mark.parametrize(
    "fault",
    [
        {"Start": HR.E_INVALIDARG},
        {"Complete": HR.E_INVALIDARG},
        {"Complete": HR.E_INVALIDARG, "NoDocument": True},
        {"Complete": HR.E_INVALIDARG, "Inline": True},
    ],
    ids=["at its start", "later", "without a document", "before the call returns"],
)
async def test_a_create_that_fails_is_an_error_and_leaves_nothing(
    system: ComputeSystem, script: Callable[[Rule], None], fault: Rule
) -> None:
    script({"Function": "HcsCreateProcess", **fault})
    with pytest.raises(HcsError) as caught:
        await start(system, GUEST.exits(0))
    assert caught.value.hresult == HR.E_INVALIDARG
    assert await exits(system) == ProcessEnd(7)


async def test_a_process_whose_create_is_said_to_have_failed_is_taken_with_its_pipes(
    system: ComputeSystem, script: Callable[[Rule], None]
) -> None:
    script({"Function": "HcsCreateProcess", "Complete": HR.E_INVALIDARG, "After": True})
    async with running(system, GUEST.copies_stdin(), "io") as it:
        await it.write(b"here\n")
        assert await it.stdout.line() == "here"
        await it.close_stdin()
        assert await it.end() == ProcessEnd(0)


async def test_such_a_process_is_killed_if_it_cannot_be_taken(
    system: ComputeSystem, script: Callable[[Rule], None]
) -> None:
    before = await system.process_list()
    script({"Function": "HcsCreateProcess", "Complete": HR.E_INVALIDARG, "After": True})
    script({"Function": "HcsGetProcessInfo", "Complete": HR.PROCESS_INFO_NOT_AVAILABLE})
    with pytest.raises(HcsError) as caught:
        await start(system, GUEST.sleeps())
    assert caught.value.hresult == HR.E_INVALIDARG
    with anyio.fail_after(10):
        while await system.process_list() != before:  # the kill is delivered; it takes its time
            await anyio.lowlevel.checkpoint()


@pytest.mark.parametrize(
    "fault",
    [{"Inline": True}, {"DelayMs": 300}, {"BlockMs": 300}, {"ExitFirst": True}],
    ids=["before the call returns", "late", "in a call that blocks", "after the exit"],
)
async def test_a_create_may_complete_at_any_time(
    system: ComputeSystem, script: Callable[[Rule], None], fault: Rule
) -> None:
    script({"Function": "HcsCreateProcess", **fault})
    assert await run(system, GUEST.prints("out", "err")) == (0, b"out", b"err")


async def test_a_create_that_never_completes_is_given_up_and_the_engine_goes_on(
    system: ComputeSystem, provider: DoubleProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(system, GUEST.sleeps()) as it:
        provider.native.script({"Function": "HcsCreateProcess", "Never": True})
        with monkeypatch.context() as patch:
            patch.setattr(system.operations, "timings", Timings(operation_timeout=0.3))
            with pytest.raises(OperationTimeoutError):
                await start(system, GUEST.exits(0))
        assert await exits(system) == ProcessEnd(7)
        assert await it.process.terminate()
        await it.end()
    provider.native.reset()  # which completes it: what it brings is closed


# The result is asked for often, and a create is soon in doubt.
CURIOUS = Timings(poll_delays=(0.05,), create_doubt_time=0.2)


@pytest.fixture
def curious(system: ComputeSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system.operations, "timings", CURIOUS)


@pytest.mark.usefixtures("curious")
@pytest.mark.parametrize("way", ["Silent", "Lost"])
async def test_a_process_whose_completion_gets_lost_is_had_with_its_pipes(
    system: ComputeSystem, provider: DoubleProvider, way: str
) -> None:
    """Asked for its result, the operation is complete, or pending for ever."""
    provider.native.script({"Function": "HcsCreateProcess", way: True})
    async with running(system, GUEST.copies_stdin(), "io") as it:
        await it.write(b"here\n")
        assert await it.stdout.line() == "here"
        await it.close_stdin()
        assert await it.end() == ProcessEnd(0)
    assert await exits(system) == ProcessEnd(7)


@pytest.mark.usefixtures("curious")
async def test_any_other_completion_may_get_lost(
    system: ComputeSystem, provider: DoubleProvider
) -> None:
    for name in ("GetProcessProperties", "ModifyProcess", "SignalProcess", "TerminateProcess"):
        provider.native.script({"Function": f"Hcs{name}", "Silent": True})
    async with running(system, GUEST.says("ready"), "io") as it:
        assert await it.stdout.line() == "ready"
        assert await it.process.properties()
        await it.process.close_stdio("StdIn")
        await it.process.signal('{"Signal": "CtrlC"}')
        await it.process.terminate()
        await it.end()
    assert provider.live()["operations"] == 0


async def test_a_process_that_runs_unseen_is_killed_when_its_create_is_given_up(
    system: ComputeSystem, provider: DoubleProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await system.process_list()
    provider.native.script(
        {"Function": "HcsCreateProcess", "Lost": True},
        {"Function": "HcsGetProcessInfo", "Complete": HR.E_FAIL, "Times": 0},
    )
    with monkeypatch.context() as patch:
        patch.setattr(system.operations, "timings", Timings(operation_timeout=0.5))
        with pytest.raises(NoCompletionError, match=r"create process '.*guest.*' in system 'host'"):
            await start(system, GUEST.sleeps())
    with anyio.fail_after(10):
        while await system.process_list() != before or provider.live()["operations"]:
            await anyio.lowlevel.checkpoint()


async def test_an_operation_that_never_completes_is_closed(
    system: ComputeSystem, provider: DoubleProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(system, GUEST.sleeps()) as it:
        provider.native.script({"Function": "HcsGetProcessProperties", "Never": True})
        with monkeypatch.context() as patch:
            patch.setattr(system.operations, "timings", Timings(operation_timeout=0.2))
            with pytest.raises(NoCompletionError):
                await it.process.properties()
        with anyio.fail_after(10):
            while provider.live()["operations"]:
                await anyio.lowlevel.checkpoint()
        await it.process.terminate()
        await it.end()


@pytest.mark.parametrize("code", [HR.INVALID_STATE, HR.ERROR_INVALID_STATE, HR.SYSTEM_NOT_FOUND])
async def test_a_process_that_may_be_gone_is_asked_before_that_is_believed(
    system: ComputeSystem, script: Callable[[Rule], None], code: int
) -> None:
    script({"Function": "ProcessExited", "Events": 0})
    async with running(system, GUEST.copies_stdin(), "i") as it:
        script({"Function": "HcsSignalProcess", "Complete": code, "Times": 2})
        with pytest.raises(HcsError) as caught:
            await it.process.signal('{"Signal": "CtrlC"}')
        assert not isinstance(caught.value, AlreadyStoppedError)
        assert not it.process.exited.is_set
        await it.close_stdin()
        with anyio.fail_after(10):
            while it.pid in {one.process_id for one in await system.process_list()}:
                await anyio.lowlevel.checkpoint()
        with pytest.raises(AlreadyStoppedError):
            await it.process.signal('{"Signal": "CtrlC"}')
        assert await it.end() == ProcessEnd(0)


async def test_the_error_of_a_create_names_the_program_where_hcs_does_not(
    system: ComputeSystem, script: Callable[[Rule], None]
) -> None:
    script(
        {"Function": "HcsCreateProcess", "Complete": HR.ERROR_FILE_NOT_FOUND, "NoDocument": True}
    )
    with pytest.raises(HcsError) as caught:
        await system.create_process('{"CommandLine": "no-such.exe --password x"}')
    assert "create process 'no-such.exe' in system 'host'" in str(caught.value)
    assert "password" not in str(caught.value)


async def test_signals_that_block_hold_up_nothing_else(
    system: ComputeSystem, provider: DoubleProvider
) -> None:
    async with contextlib.AsyncExitStack() as stack, anyio.create_task_group() as tasks:
        targets = [
            await stack.enter_async_context(running(system, GUEST.sleeps())) for _ in range(5)
        ]
        provider.native.script({"Function": "HcsSignalProcess", "BlockMs": 60_000, "Times": 0})
        for it in targets:
            for _ in range(5):  # those behind the first take no thread
                tasks.start_soon(it.process.signal, '{"Signal": "CtrlBreak"}')
        await anyio.lowlevel.checkpoint()
        with anyio.fail_after(30):
            assert await exits(system) == ProcessEnd(7)
            await targets[0].process.properties()
            for it in targets:
                assert await it.process.terminate()
                await it.end()
        tasks.cancel_scope.cancel()
        provider.native.reset()


async def test_calls_that_are_stuck_leave_the_lane_of_kills_free(
    system: ComputeSystem, provider: DoubleProvider
) -> None:
    async with running(system, GUEST.sleeps()) as it, anyio.create_task_group() as tasks:
        provider.native.script({"Function": "HcsGetProcessProperties", "BlockMs": 3000, "Times": 0})
        for _ in range(2 * Lane.QUERY.value[2]):
            tasks.start_soon(it.process.properties)
        await anyio.lowlevel.checkpoint()
        with anyio.fail_after(2.5):
            assert await it.process.terminate()
            await it.end()
        provider.native.reset()
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("fault", "known"),
    [({"Events": 2}, True), ({"NoData": True}, False), ({"Malformed": True}, False),
     ({"WaitFailed": True}, False)],
    ids=["twice", "without data", "half a document", "that could not wait"],
)  # fmt: skip
async def test_an_exit_event_is_taken_once_and_for_what_it_says(
    system: ComputeSystem, script: Callable[[Rule], None], fault: Rule, known: bool
) -> None:
    script({"Function": "ProcessExited", **fault})
    async with running(system, GUEST.copies_stdin(), "i") as it:
        await it.close_stdin()
        end = await it.end()
        assert end.exit_code == (0 if known else None)
        assert bool(end.hresult) != known


@pytest.mark.parametrize(
    "function", ["HcsSignalProcess", "HcsModifyProcess", "HcsGetProcessProperties"]
)
@pytest.mark.parametrize("way", ["Start", "Complete"])
async def test_any_other_call_may_fail_and_say_why(
    system: ComputeSystem, script: Callable[[Rule], None], function: str, way: str
) -> None:
    async def call(it: Running) -> None:
        if function == "HcsSignalProcess":
            await it.process.signal('{"Signal": "CtrlC"}')
        elif function == "HcsModifyProcess":
            await it.process.resize_console(1, 1)
        else:
            await it.process.properties()

    async with running(system, GUEST.sleeps()) as it:
        script({"Function": function, way: HR.E_ACCESSDENIED, "Message": "not today"})
        with pytest.raises(HcsError, match="not today") as caught:
            await call(it)
        assert caught.value.hresult == HR.E_ACCESSDENIED
        assert caught.value.function == function


async def test_an_old_build_has_all_that_hcsd_calls(provider: object) -> None:
    old = DoubleProvider(library=str(OLD_DOUBLE))
    host = Host(old)
    assert host.library.missing == ()
    system = await host.open_system("host")
    assert await run(system, GUEST.prints("out")) == (0, b"out", b"")
    system.close()
    host.close()  # which does not wait for calls that are under way in the lanes
    until(lambda: not any(old.live().values()), "nothing of the old build is live")
