"""The engine over the double: compute systems when HCS misbehaves."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import pytest

from hcsd.abi.hresult import HR
from hcsd.hcs.errors import HcsError, OperationTimeoutError
from hcsd.hcs.lanes import Lane
from hcsd.hcs.system import SystemEnd
from hcsd.hcs.timings import Timings
from tests.support.guest import WindowsGuest
from tests.support.running import run, running, start
from tests.support.scripting import settled

assert sys.platform == "win32"

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from hcsd.hcs.host import Host
    from hcsd.hcs.system import ComputeSystem
    from tests.windows.provider import DoubleProvider

pytestmark = pytest.mark.anyio

GUEST = WindowsGuest()
CONFIGURATION = '{"SchemaVersion": {"Major": 2, "Minor": 1}, "Container": {}}'
Rule = dict[str, object]


@pytest.fixture
def script(provider: DoubleProvider) -> Callable[[Rule], None]:
    """Give the double rules for its faults."""
    return provider.native.script


@pytest.fixture
async def made(host: Host) -> AsyncIterator[ComputeSystem]:
    """A system that runs, and is killed at the end."""
    system = await host.create_system("made", CONFIGURATION)
    await system.start()
    yield system
    await system.terminate()
    await system.exited.wait()
    system.close()


async def until_alone(host: Host) -> None:
    """Wait until there is no system but the one that is always there."""
    with anyio.fail_after(10):
        while [system.id for system in await host.systems()] != ["host"]:
            await anyio.lowlevel.checkpoint()


@pytest.mark.parametrize(
    "fault",
    [
        {"Start": HR.E_ACCESSDENIED},
        {"Complete": HR.E_ACCESSDENIED},
        {"Complete": HR.E_ACCESSDENIED, "NoDocument": True},
        {"Complete": HR.E_ACCESSDENIED, "Inline": True},
        {"Complete": HR.E_ACCESSDENIED, "After": True},
    ],
    ids=["at its start", "later", "without a document", "before the call returns", "though done"],
)
async def test_a_create_that_fails_is_an_error_and_leaves_no_system(
    host: Host, script: Callable[[Rule], None], fault: Rule
) -> None:
    script({"Function": "HcsCreateComputeSystem", **fault})
    with pytest.raises(HcsError) as caught:
        await host.create_system("made", CONFIGURATION)
    assert caught.value.hresult == HR.E_ACCESSDENIED
    await until_alone(host)


@pytest.mark.parametrize("way", ["Never", "Lost"])
async def test_a_create_that_never_completes_is_given_up_and_leaves_no_system(
    host: Host, provider: DoubleProvider, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    provider.native.script({"Function": "HcsCreateComputeSystem", way: True})
    monkeypatch.setattr(host.operations, "timings", Timings(operation_timeout=0.3))
    with pytest.raises(OperationTimeoutError):
        await host.create_system("made", CONFIGURATION)
    await until_alone(host)
    provider.native.reset()


@pytest.mark.parametrize(
    "fault",
    [{"Inline": True}, {"DelayMs": 300}, {"BlockMs": 300}],
    ids=["before the call returns", "late", "in a call that blocks"],
)
@pytest.mark.parametrize("function", ["HcsCreateComputeSystem", "HcsStartComputeSystem"])
async def test_a_create_and_a_start_may_complete_at_any_time(
    host: Host, script: Callable[[Rule], None], function: str, fault: Rule
) -> None:
    script({"Function": function, **fault})
    system = await host.create_system("made", CONFIGURATION)
    await system.start()
    assert (await run(system, GUEST.exits(7))).code == 7
    await system.terminate()
    await system.exited.wait()
    system.close()


@pytest.mark.parametrize(
    ("fault", "end"),
    [
        ({"Events": 2}, SystemEnd(HR.TERMINATED, "ForcedExit")),
        ({"NoData": True}, SystemEnd(HR.E_UNEXPECTED, "Unknown")),
        ({"Malformed": True}, SystemEnd(HR.E_UNEXPECTED, "Unknown")),
    ],
    ids=["twice", "without data", "half a document"],
)
async def test_an_exit_event_is_taken_once_and_for_what_it_says(
    made: ComputeSystem, script: Callable[[Rule], None], fault: Rule, end: SystemEnd
) -> None:
    script({"Function": "SystemExited", **fault})
    it = await start(made, GUEST.sleeps())
    await made.terminate()
    found = await made.exited.wait()
    assert (found.hresult, found.exit_type) == (end.hresult, end.exit_type)
    assert it.process.exited.is_set
    it.close()


async def test_an_exit_without_an_event_is_found_by_asking(
    made: ComputeSystem, script: Callable[[Rule], None]
) -> None:
    script({"Function": "SystemExited", "Events": 0})
    await made.terminate()
    assert await made.confirm()
    assert made.exited.value == SystemEnd(0, "ForcedExit")


@pytest.mark.parametrize("way", ["Start", "Complete"])
@pytest.mark.parametrize("verb", ["Pause", "Resume", "ShutDown", "Terminate", "Modify", "Save"])
async def test_any_other_call_may_fail_and_say_why(
    made: ComputeSystem, script: Callable[[Rule], None], verb: str, way: str
) -> None:
    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "Pause": made.pause,
        "Resume": made.resume,
        "ShutDown": made.shut_down,
        "Terminate": made.terminate,
        "Modify": lambda: made.modify('{"ResourcePath": "x"}'),
        "Save": made.save,
    }
    function = f"Hcs{verb}ComputeSystem"
    script({"Function": function, way: HR.E_ACCESSDENIED, "Message": "not today"})
    with pytest.raises(HcsError, match="not today") as caught:
        await calls[verb]()
    assert (caught.value.hresult, caught.value.function) == (HR.E_ACCESSDENIED, function)
    assert (await made.properties()).state == "Running"
    assert not made.ending


async def test_calls_that_are_stuck_leave_the_lane_of_kills_free(
    made: ComputeSystem, provider: DoubleProvider
) -> None:
    it = await start(made, GUEST.sleeps())
    async with anyio.create_task_group() as tasks:
        provider.native.script({"Function": "HcsResumeComputeSystem", "BlockMs": 3000, "Times": 0})

        async def resume() -> None:
            with pytest.raises(HcsError):
                await made.resume()

        for _ in range(2 * Lane.SYSTEM.value[2]):
            tasks.start_soon(resume)
        await anyio.lowlevel.checkpoint()
        with anyio.fail_after(2.5):
            assert await made.terminate()
            await made.exited.wait()
        provider.native.reset()
    it.close()


async def test_a_system_outlives_its_service_and_is_killed_by_a_new_handle(
    made: ComputeSystem, provider: DoubleProvider
) -> None:
    async with running(made, GUEST.copies_stdin(), "io") as it:
        await anyio.to_thread.run_sync(provider.disconnect)
        await settled()
        assert made.lost
        await made.reopen()
        await made.pause()
        assert await made.terminate()
        assert (await made.exited.wait()).exit_type == "ForcedExit"
        assert json.loads((made.exited.value or SystemEnd(0)).attribution)
        assert it.process.exited.is_set
