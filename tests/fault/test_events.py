"""Events that come early, late, twice, or that tell nothing."""

import anyio
import anyio.lowlevel
import pytest

from hcsd.abi.hresult import HR
from hcsd.abi.types import HCS_EVENT_TYPE
from hcsd.hcs.callbacks import REGISTRY
from hcsd.hcs.errors import (
    AccessDeniedError,
    AlreadyStoppedError,
    ElementNotFoundError,
    HandleClosedError,
    HcsError,
)
from hcsd.hcs.process import Process, ProcessEnd, Termination
from hcsd.hcs.timings import Timings
from tests.support.scripted import EXITED, RUNNING, ScriptedProvider
from tests.support.scripting import process_of, settled, system_of

pytestmark = pytest.mark.anyio

EXIT = HCS_EVENT_TYPE.HcsEventProcessExited
DISCONNECT = HCS_EVENT_TYPE.HcsEventServiceDisconnect


async def test_an_exit_event_tells_the_code(scripted: ScriptedProvider) -> None:
    async with process_of(scripted) as process:
        scripted.fire(EXIT, EXITED)
        assert await process.exited.wait() == ProcessEnd(5)


async def test_an_exit_event_may_come_while_it_is_asked_for(scripted: ScriptedProvider) -> None:
    register = scripted.HcsSetProcessCallback

    def replaying(*args: object) -> None:
        register(*args)  # type: ignore[arg-type]  # passed through
        scripted.fire(EXIT, EXITED)

    scripted.replaced["HcsSetProcessCallback"] = replaying
    async with process_of(scripted) as process:
        assert await process.exited.wait() == ProcessEnd(5)


async def test_an_exit_that_left_no_event_is_found_by_asking_once(
    scripted: ScriptedProvider,
) -> None:
    scripted.script["HcsGetProcessProperties"] = lambda op: op.complete(document=EXITED)
    async with process_of(scripted) as process:
        assert await process.confirm()
        assert await process.exited.wait() == ProcessEnd(5)
        assert await process.confirm()
    assert len(scripted.called("HcsGetProcessProperties")) == 1  # known is not asked again


@pytest.mark.parametrize(
    "data",
    [
        None,
        "",
        "no JSON",
        "[]",
        "[" * 100_000,
        "{}",
        '{"Exited":false,"ExitCode":0}',
        '{"Exited":true,"ExitCode":"0"}',
        '{"Exited":true,"ExitCode":0.0}',
        '{"Exited":true,"ExitCode":null}',
        '{"Exited":true,"ExitCode":0,"LastWaitResult":"failed"}',
        '{"Exited":true,"ExitCode":0,"LastWaitResult":258}',
        '{"Exited":true,"ExitCode":0,"LastWaitResult":-2147024890}',
    ],
)
async def test_an_exit_event_without_a_usable_code_is_an_unknown_end_and_never_zero(
    direct: ScriptedProvider, data: str | None
) -> None:
    async with process_of(direct) as process:
        direct.fire(EXIT, data)
        end = await process.exited.wait()
    assert end.exit_code is None
    assert end.hresult != 0
    assert end.message


async def test_a_wait_that_failed_tells_why(direct: ScriptedProvider) -> None:
    async with process_of(direct) as process:
        direct.fire(EXIT, '{"Exited":true,"ExitCode":0,"LastWaitResult":-2147024890}')
        assert (await process.exited.wait()).hresult == 0x8007_0006


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ('{"Exited":true}', 0),  # zeros are left out by some
        ('{"Exited":true,"LastWaitResult":0}', 0),
        ('{"Exited":true,"ExitCode":3221225786}', 0xC000013A),
        ('{"Exited":true,"ExitCode":-1}', 0xFFFFFFFF),
    ],
)
async def test_an_exit_code_is_32_bits_without_a_sign(
    direct: ScriptedProvider, data: str, code: int
) -> None:
    async with process_of(direct) as process:
        direct.fire(EXIT, data)
        assert await process.exited.wait() == ProcessEnd(code)


async def test_the_first_end_stays(scripted: ScriptedProvider) -> None:
    async with process_of(scripted) as process:
        scripted.fire(EXIT, EXITED)
        scripted.fire(EXIT, '{"Exited":true,"ExitCode":6}')
        scripted.fire(DISCONNECT)
        await settled()
        assert await process.exited.wait() == ProcessEnd(5)


@pytest.mark.parametrize("event", [0, 1, 0x0100_0000, 0x8000_0002, 0xC000_0001, 0xFFFF_FFFF])
async def test_other_events_are_ignored(direct: ScriptedProvider, event: int) -> None:
    async with process_of(direct) as process:
        direct.fire(event, EXITED)
        await settled()
        assert not process.exited.is_set
        direct.fire(EXIT, EXITED)
        assert await process.exited.wait() == ProcessEnd(5)


async def test_an_event_after_the_close_is_counted_and_is_no_exit(
    scripted: ScriptedProvider,
) -> None:
    async with process_of(scripted) as process:
        process.close()
        late = REGISTRY.late
        scripted.fire(EXIT, EXITED)
        await settled()
        assert REGISTRY.late == late + 1
        assert not process.exited.is_set


async def test_an_event_during_the_close_does_no_harm(scripted: ScriptedProvider) -> None:
    """HCS drains in the close: a callback may still come while it runs."""
    close = scripted.HcsCloseProcess

    def draining(*args: object) -> None:
        scripted.fire(EXIT, EXITED)
        close(*args)  # type: ignore[arg-type]  # passed through

    scripted.replaced["HcsCloseProcess"] = draining
    async with process_of(scripted):
        pass


def test_an_event_after_the_loop_has_closed_does_no_harm(direct: ScriptedProvider) -> None:
    async def create() -> Process:
        async with system_of(direct) as system:
            return await system.create_process("{}")

    process = anyio.run(create)
    direct.fire(EXIT, EXITED)
    anyio.run(settled)
    assert not process.exited.is_set
    process.close()


async def test_a_terminate_that_meets_a_dying_process_has_done_its_part(
    scripted: ScriptedProvider,
) -> None:
    async with process_of(scripted) as process:
        scripted.script["HcsTerminateProcess"] = lambda _: HR.E_ACCESSDENIED
        assert await process.terminate()
        scripted.script["HcsTerminateProcess"] = lambda op: op.complete(HR.E_ACCESSDENIED)
        assert await process.terminate()


async def test_a_terminate_that_the_service_denies_is_an_error(
    scripted: ScriptedProvider,
) -> None:
    async with process_of(scripted) as process:
        scripted.script["HcsTerminateProcess"] = lambda op: op.complete(HR.ACCESS_DENIED)
        with pytest.raises(AccessDeniedError):
            await process.terminate()


@pytest.mark.parametrize("export", ["HcsOpenComputeSystem", "HcsOpenProcess"])
async def test_a_terminate_that_may_not_even_open_is_an_error(
    scripted: ScriptedProvider, export: str
) -> None:
    async with process_of(scripted) as process:
        scripted.answers[export] = HR.E_ACCESSDENIED
        with pytest.raises(AccessDeniedError):
            await process.terminate()


@pytest.mark.parametrize("code", [HR.PROCESS_ALREADY_STOPPED, HR.ERROR_NOT_FOUND, 0xC037_011F])
@pytest.mark.parametrize("export", ["HcsOpenProcess", "HcsTerminateProcess"])
async def test_a_terminate_of_what_is_gone_finds_out_how_it_ended(
    scripted: ScriptedProvider, export: str, code: int
) -> None:
    scripted.script["HcsGetProcessProperties"] = lambda op: op.complete(document=EXITED)
    async with process_of(scripted) as process:
        scripted.answers[export] = code
        assert not await process.terminate()
        assert process.exited.value == ProcessEnd(5)
        assert not await process.terminate()  # known by now
    assert len(scripted.called("HcsOpenProcess")) == 1


@pytest.mark.parametrize("code", [HR.PROCESS_ALREADY_STOPPED, HR.ERROR_NOT_FOUND])
async def test_a_terminate_of_what_is_gone_without_a_trace_has_nothing_to_kill(
    scripted: ScriptedProvider, code: int
) -> None:
    scripted.script["HcsGetProcessProperties"] = lambda _: code
    async with process_of(scripted, Timings(exit_event_grace=0.05)) as process:
        scripted.answers["HcsOpenProcess"] = code
        assert not await process.terminate()
        end = await process.exited.wait()
        assert (end.exit_code, end.hresult) == (None, code)


async def test_a_terminate_of_what_is_gone_waits_for_the_event_that_says_so(
    scripted: ScriptedProvider,
) -> None:
    scripted.script["HcsGetProcessProperties"] = lambda op: op.complete(document=RUNNING)
    async with process_of(scripted, Timings(exit_event_grace=1000)) as process:
        scripted.answers["HcsOpenProcess"] = HR.ERROR_NOT_FOUND
        done: list[Termination] = []

        async def terminate() -> None:
            done.append(await process.terminate())

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(terminate)
            while not scripted.called("HcsGetProcessProperties"):
                await anyio.lowlevel.checkpoint()
            scripted.fire(EXIT, EXITED)
        assert done == [Termination(killed=False)]


async def test_a_terminate_of_what_runs_and_cannot_be_opened_is_an_error(
    scripted: ScriptedProvider,
) -> None:
    scripted.script["HcsGetProcessProperties"] = lambda op: op.complete(document=RUNNING)
    async with process_of(scripted, Timings(exit_event_grace=0.01)) as process:
        for export in ("HcsOpenProcess", "HcsOpenComputeSystem"):
            scripted.answers = {export: HR.ERROR_NOT_FOUND}
            with pytest.raises(ElementNotFoundError):
                await process.terminate()
        assert not process.exited.is_set


@pytest.mark.parametrize("code", [HR.PROCESS_ALREADY_STOPPED, HR.ERROR_NOT_FOUND])
@pytest.mark.parametrize("export", ["HcsSignalProcess", "HcsModifyProcess"])
async def test_a_call_that_meets_nobody_finds_the_exit_that_left_no_event(
    scripted: ScriptedProvider, export: str, code: int
) -> None:
    scripted.script["HcsGetProcessProperties"] = lambda op: op.complete(document=EXITED)
    scripted.script[export] = lambda op: op.complete(code)
    async with process_of(scripted) as process:
        with pytest.raises((AlreadyStoppedError, ElementNotFoundError)):
            await (process.signal(None) if "Signal" in export else process.modify("{}"))
        assert process.exited.value == ProcessEnd(5)


async def test_a_question_about_the_process_tells_its_exit(scripted: ScriptedProvider) -> None:
    scripted.script["HcsGetProcessProperties"] = lambda op: op.complete(document=EXITED)
    async with process_of(scripted) as process:
        assert await process.properties() == EXITED
        assert process.exited.value == ProcessEnd(5)


async def test_an_exit_event_that_is_late_still_tells_the_code(scripted: ScriptedProvider) -> None:
    scripted.script["HcsGetProcessProperties"] = lambda _: HR.PROCESS_ALREADY_STOPPED
    async with process_of(scripted) as process:
        assert not await process.confirm()
        scripted.fire(EXIT, EXITED)
        assert await process.exited.wait() == ProcessEnd(5)


async def test_a_process_that_is_closed_meanwhile_gets_no_end(
    direct: ScriptedProvider,
) -> None:
    direct.script["HcsGetProcessProperties"] = lambda _: HR.PROCESS_ALREADY_STOPPED
    async with process_of(direct, Timings(exit_event_grace=0.0)) as process:
        assert not await process.confirm()
        process.close()
        await anyio.wait_all_tasks_blocked()
        assert not process.exited.is_set


async def test_whoever_waits_for_the_end_of_a_process_that_is_closed_meanwhile_is_told(
    direct: ScriptedProvider,
) -> None:
    direct.script["HcsGetProcessProperties"] = lambda _: HR.PROCESS_ALREADY_STOPPED
    async with process_of(direct) as process, anyio.create_task_group() as tasks:

        async def wait() -> None:
            with pytest.raises(HandleClosedError):
                await process.still_runs()

        tasks.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        process.close()


async def test_an_exit_before_its_event_can_be_asked_for_is_no_failed_start(
    scripted: ScriptedProvider,
) -> None:
    scripted.answers["HcsSetProcessCallback"] = HR.PROCESS_ALREADY_STOPPED
    scripted.script["HcsGetProcessProperties"] = lambda op: op.complete(document=EXITED)
    async with process_of(scripted) as process:
        assert await process.confirm()
        assert process.exited.value == ProcessEnd(5)


async def test_closing_stdio_of_what_is_gone_is_no_error_and_other_failures_are(
    scripted: ScriptedProvider,
) -> None:
    async with process_of(scripted) as process:
        for code in (HR.PROCESS_ALREADY_STOPPED, HR.ERROR_NOT_FOUND):
            scripted.script["HcsModifyProcess"] = lambda op, code=code: op.complete(code)  # type: ignore[misc]
            await process.close_stdio("StdIn")
        scripted.script["HcsModifyProcess"] = lambda op: op.complete(HR.E_FAIL)
        with pytest.raises(HcsError):
            await process.close_stdio("StdIn")
