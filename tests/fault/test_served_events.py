"""What watchers hear of the life of a system: each step once, in its order, and no step that failed."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

import anyio
import anyio.lowlevel
import pytest

from hcsd.abi.extensions import EVENT_OUT_OF_MEMORY
from hcsd.abi.hresult import HR
from hcsd.abi.types import HCS_EVENT_TYPE
from hcsd.daemon.daemon import Daemon
from hcsd.daemon.errors import RequestError
from hcsd.daemon.host_system import watch_host
from hcsd.daemon.process_view import ExitReason
from hcsd.daemon.spec import ProcessRequest, ProcessSpec
from hcsd.hcs.errors import HcsError
from hcsd.hcs.timings import Timings
from hcsd.rpc.compute_system_service import ComputeSystemService
from hcsd.rpc.convert import event_message, process_message
from hcsd.v1 import compute_system_pb2 as pb
from hcsd.v1 import compute_system_service_pb2 as service_pb
from hcsd.v1 import event_pb2, process_pb2
from tests.fault.test_served_systems import CONTEXT, EXITED, NAME, daemon_of, describing, record
from tests.support.scripted import Operation, ScriptedProvider
from tests.support.scripting import settled

pytestmark = pytest.mark.anyio

SYSTEM_EXITED = HCS_EVENT_TYPE.HcsEventSystemExited
DIED = '{"Status":-2143878906,"ExitType":"UnexpectedExit"}'
CONFIGURATION = json.dumps({"Container": {"Memory": {"SizeInMB": 64}, "Processor": {"Count": 2}}})
KILLED = {"ProcessId": 7, "Exited": True, "ExitCode": 137, "LastWaitResult": 0, "Signal": 9}


async def told_until(daemon: Daemon, last: str) -> list[event_pb2.SystemEvent]:
    """What was told of systems from the first event on, up to a step of that name."""
    found: list[event_pb2.SystemEvent] = []
    with daemon.events.watch(None, 0) as watcher, anyio.fail_after(30):
        while not found or step_of(found[-1]) != last:
            event = event_message(await watcher.next(), "this")  # type: ignore[arg-type]
            if event.HasField("system"):
                found.append(event.system)
    return found


def step_of(event: event_pb2.SystemEvent) -> str:
    return event_pb2.SystemEventType.Name(event.event_type).removeprefix("SYSTEM_EVENT_TYPE_")


def steps_of(events: Sequence[event_pb2.SystemEvent]) -> list[str]:
    return [step_of(event) for event in events]


def shutdown(seconds: int = 30) -> service_pb.ShutDownComputeSystemRequest:
    request = service_pb.ShutDownComputeSystemRequest(name=NAME)
    request.timeout.FromSeconds(seconds)
    return request


async def a_system(daemon: Daemon, *, start: bool = True) -> ComputeSystemService:
    service = ComputeSystemService(daemon)
    request = service_pb.CreateComputeSystemRequest(
        system_id="scripted", configuration_json=CONFIGURATION, start=start
    )
    await service.CreateComputeSystem(request, CONTEXT)
    return service


async def test_each_step_is_told_once_with_the_system_right_after(
    scripted: ScriptedProvider,
) -> None:
    async with daemon_of(scripted) as daemon:
        service = await a_system(daemon, start=False)
        await service.StartComputeSystem(service_pb.StartComputeSystemRequest(name=NAME), CONTEXT)
        await service.PauseComputeSystem(service_pb.PauseComputeSystemRequest(name=NAME), CONTEXT)
        await service.ResumeComputeSystem(service_pb.ResumeComputeSystemRequest(name=NAME), CONTEXT)
        await service.ShutDownComputeSystem(shutdown(0), CONTEXT)
        scripted.fire_system(SYSTEM_EXITED, EXITED)
        await told_until(daemon, "EXITED")
        (system,) = daemon.systems
        system.drop()
        events = await told_until(daemon, "FORGOTTEN")
    states = [pb.ComputeSystemState.Name(event.compute_system.state)[21:] for event in events]
    assert [*zip(steps_of(events), states, strict=True)] == [
        ("CREATED", "CREATED"),
        ("STARTED", "RUNNING"),
        ("PAUSED", "PAUSED"),
        ("RESUMED", "RUNNING"),
        ("SHUTTING_DOWN", "RUNNING"),
        ("EXITED", "STOPPED"),
        ("FORGOTTEN", "STOPPED"),
    ]
    told = {step_of(event): event for event in events}
    exited = told.pop("EXITED")
    assert (exited.type, exited.type_value, exited.document) == ("SystemExited", 1, EXITED)
    assert exited.compute_system.exit.exit_type == pb.COMPUTE_SYSTEM_EXIT_TYPE_GRACEFUL_EXIT
    assert all((it.type, it.type_value, it.document) == ("", 0, "") for it in told.values())
    assert all(it.system == NAME == it.compute_system.name for it in events)
    assert not any(it.compute_system.HasField("exit") for it in events[:5])
    assert {it.compute_system.limits.memory_bytes for it in events} == {64 << 20}
    assert {it.compute_system.limits.processor_millis for it in events} == {2000}


async def test_a_system_that_is_created_and_started_at_once_has_both_steps(
    scripted: ScriptedProvider,
) -> None:
    async with daemon_of(scripted) as daemon:
        await a_system(daemon)
        assert steps_of(await told_until(daemon, "STARTED")) == ["CREATED", "STARTED"]


@pytest.mark.parametrize("verb", ["Start", "Pause", "Resume", "ShutDown"])
async def test_a_step_that_hcs_refuses_is_not_told(scripted: ScriptedProvider, verb: str) -> None:
    record(scripted, f"Hcs{verb}ComputeSystem", result=HR.INVALID_STATE)
    request = getattr(service_pb, f"{verb}ComputeSystemRequest")(name=NAME)
    async with daemon_of(scripted) as daemon:
        service = await a_system(daemon, start=False)
        with pytest.raises((RequestError, HcsError)):
            await getattr(service, f"{verb}ComputeSystem")(request, CONTEXT)
        scripted.fire_system(SYSTEM_EXITED, EXITED)
        assert steps_of(await told_until(daemon, "EXITED")) == ["CREATED", "EXITED"]


async def test_a_system_that_cannot_be_started_leaves_no_event(scripted: ScriptedProvider) -> None:
    record(scripted, "HcsStartComputeSystem", result=HR.E_FAIL)
    async with daemon_of(scripted) as daemon:
        with pytest.raises(RequestError):
            await a_system(daemon)
        assert daemon.events.newest == 0


async def test_a_step_is_told_although_its_caller_leaves(scripted: ScriptedProvider) -> None:
    asked: list[Operation] = []

    def hold(operation: Operation) -> int:
        asked.append(operation)
        return 0

    async with daemon_of(scripted) as daemon:
        service = await a_system(daemon)
        scripted.script["HcsPauseComputeSystem"] = hold
        request = service_pb.PauseComputeSystemRequest(name=NAME)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(service.PauseComputeSystem, request, CONTEXT)
            while not asked:  # it is asked at a later turn, and maybe on another thread
                await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()
        asked[0].complete()
        assert steps_of(await told_until(daemon, "PAUSED")) == ["CREATED", "STARTED", "PAUSED"]


async def test_a_step_that_hcs_answers_after_the_exit_is_told_before_it(
    scripted: ScriptedProvider,
) -> None:
    asked: list[Operation] = []

    def exit_first(operation: Operation) -> int:
        asked.append(operation)
        scripted.fire_system(SYSTEM_EXITED, EXITED)
        return 0

    async with daemon_of(scripted, Timings(exit_event_grace=30)) as daemon:
        service = await a_system(daemon)
        (system,) = daemon.systems
        scripted.script["HcsShutDownComputeSystem"] = exit_first
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(service.ShutDownComputeSystem, shutdown(), CONTEXT)
            await system.engine.exited.wait()
            await settled()
            asked[0].complete()
        events = await told_until(daemon, "EXITED")
    assert steps_of(events) == ["CREATED", "STARTED", "SHUTTING_DOWN", "EXITED"]
    assert not events[2].compute_system.HasField("exit")


async def test_a_step_that_hcs_does_not_answer_holds_the_exit_up_for_a_while_only(
    scripted: ScriptedProvider,
) -> None:
    asked: list[Operation] = []

    def exit_only(operation: Operation) -> int:
        asked.append(operation)
        scripted.fire_system(SYSTEM_EXITED, EXITED)
        return 0

    async with daemon_of(scripted, Timings(exit_event_grace=0.01)) as daemon:
        service = await a_system(daemon)
        scripted.script["HcsPauseComputeSystem"] = exit_only
        request = service_pb.PauseComputeSystemRequest(name=NAME)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(service.PauseComputeSystem, request, CONTEXT)
            events = await told_until(daemon, "EXITED")
            assert steps_of(events) == ["CREATED", "STARTED", "EXITED"]
            asked[0].complete()
        assert daemon.events.newest == len(events)  # what comes too late is told no more


async def test_a_system_of_others_has_steps_and_no_creation(scripted: ScriptedProvider) -> None:
    async with daemon_of(scripted) as daemon:
        request = service_pb.PauseComputeSystemRequest(name=NAME)
        await ComputeSystemService(daemon).PauseComputeSystem(request, CONTEXT)
        (event,) = await told_until(daemon, "PAUSED")
        assert not event.compute_system.HasField("limits")  # HCS does not tell them
        (system,) = daemon.systems
        system.drop()  # as when nobody uses it any more
        assert daemon.events.newest == 1


async def test_the_engine_tells_the_limits_of_what_others_made(scripted: ScriptedProvider) -> None:
    async with daemon_of(scripted) as daemon:
        limits = {"MemoryBytes": 5 << 20, "ProcessorMillis": 1500, "MaxTasks": 2**40}
        document = json.dumps({"Id": "scripted", "State": "Running", "Limits": limits})
        scripted.script["HcsGetComputeSystemProperties"] = lambda op: op.complete(document=document)
        request = service_pb.GetComputeSystemRequest(name=NAME)
        shown = (await ComputeSystemService(daemon).GetComputeSystem(request, CONTEXT)).system
    assert shown.limits == pb.ComputeSystemLimits(
        memory_bytes=5 << 20, processor_millis=1500, max_tasks=2**40
    )


# --- out of memory ---


async def test_a_system_without_memory_left_is_told(scripted: ScriptedProvider) -> None:
    async with daemon_of(scripted) as daemon:
        await a_system(daemon)
        scripted.fire_system(EVENT_OUT_OF_MEMORY)
        event = (await told_until(daemon, "OUT_OF_MEMORY"))[-1]
        assert event.compute_system.state == pb.COMPUTE_SYSTEM_STATE_RUNNING
        assert event.compute_system.limits.memory_bytes == 64 << 20
        assert (event.type, event.type_value) == ("", 0)  # HCS has no such event
        scripted.fire_system(SYSTEM_EXITED, EXITED)
        assert steps_of(await told_until(daemon, "EXITED"))[2:] == ["OUT_OF_MEMORY", "EXITED"]


@pytest.mark.parametrize(
    ("expected", "more", "reason"),
    [
        (None, {"OutOfMemory": True}, process_pb2.EXIT_REASON_OUT_OF_MEMORY),
        (ExitReason.RUN_TIMEOUT, {"OutOfMemory": True}, process_pb2.EXIT_REASON_RUN_TIMEOUT),
        (None, {}, process_pb2.EXIT_REASON_SIGNALED),
        (None, {"OutOfMemory": 1}, process_pb2.EXIT_REASON_SIGNALED),
    ],
    ids=["by the host", "by the daemon", "by another", "not said"],
)
async def test_a_process_says_whether_it_was_killed_for_want_of_memory(
    scripted: ScriptedProvider,
    expected: ExitReason | None,
    more: dict[str, object],
    reason: int,
) -> None:
    async with daemon_of(scripted) as daemon:
        request = ProcessRequest("scripted", spec=ProcessSpec(command_line="a"))
        process, _ = await daemon.processes.create(request)
        if expected is not None:
            process.expect(expected)
        scripted.fire(HCS_EVENT_TYPE.HcsEventProcessExited, json.dumps(KILLED | more))
        await process.exited.wait()
        ended = process_message(process.view()).exit
    assert (ended.exit_code, ended.signal, ended.reason) == (137, 9, reason)


# --- a start that is none for long ---


def starts_and_dies(provider: ScriptedProvider) -> None:
    def act(operation: Operation) -> int:
        provider.fire_system(SYSTEM_EXITED, DIED)
        return operation.complete()

    provider.script["HcsStartComputeSystem"] = act


async def test_a_create_whose_system_has_ended_by_then_fails_with_how(
    scripted: ScriptedProvider,
) -> None:
    async with daemon_of(scripted) as daemon:
        starts_and_dies(scripted)
        with pytest.raises(RequestError, match="ended at once: UnexpectedExit") as caught:
            await a_system(daemon)
        assert caught.value.metadata["hresult"] == "0x80370100"
        events = await told_until(daemon, "EXITED")
        assert steps_of(events) == ["CREATED", "STARTED", "EXITED"]


async def test_a_create_whose_system_is_gone_by_then_fails_with_how(
    scripted: ScriptedProvider,
) -> None:
    async with daemon_of(scripted, Timings(exit_event_grace=30)) as daemon:
        starts_and_dies(scripted)
        scripted.answers["HcsGetComputeSystemProperties"] = HR.SYSTEM_NOT_FOUND
        with pytest.raises(RequestError, match="ended at once: UnexpectedExit"):
            await a_system(daemon)
        scripted.answers.clear()


async def test_a_create_that_has_failed_so_can_be_repeated_and_is_replayed_then(
    scripted: ScriptedProvider,
) -> None:
    async with daemon_of(scripted) as daemon:
        service = ComputeSystemService(daemon)
        request = service_pb.CreateComputeSystemRequest(
            system_id="scripted", configuration_json="{}", start=True, request_id="a"
        )
        starts_and_dies(scripted)
        with pytest.raises(RequestError):
            await service.CreateComputeSystem(request, CONTEXT)
        scripted.script.pop("HcsStartComputeSystem")
        anew = await service.CreateComputeSystem(request, CONTEXT)
        assert (anew.replayed, anew.system.state) == (False, pb.COMPUTE_SYSTEM_STATE_RUNNING)
        again = await service.CreateComputeSystem(request, CONTEXT)
        assert again == service_pb.CreateComputeSystemResponse(system=anew.system, replayed=True)


async def test_a_start_whose_system_has_ended_by_then_fails_with_how(
    scripted: ScriptedProvider,
) -> None:
    async with daemon_of(scripted) as daemon:
        service = await a_system(daemon, start=False)
        starts_and_dies(scripted)
        request = service_pb.StartComputeSystemRequest(name=NAME)
        with pytest.raises(RequestError, match="ended at once: UnexpectedExit"):
            await service.StartComputeSystem(request, CONTEXT)


# --- the system that the engine makes by itself ---


@dataclass
class Told:
    """What was told of that system."""

    changes: list[bool] = field(default_factory=list)
    changed: anyio.Event = field(default_factory=anyio.Event)

    async def __call__(self, *, there: bool) -> None:
        self.changes.append(there)
        self.changed.set()

    async def next(self) -> bool:
        with anyio.fail_after(30):
            await self.changed.wait()
        self.changed = anyio.Event()
        return self.changes[-1]


async def test_it_is_told_that_the_host_system_is_gone_and_that_it_is_back(
    scripted: ScriptedProvider, caplog: pytest.LogCaptureFixture
) -> None:
    def described(runtime_id: str) -> None:
        text = json.dumps({"Id": "scripted", "State": "Running", "RuntimeId": runtime_id})
        scripted.script["HcsGetComputeSystemProperties"] = lambda op: op.complete(document=text)

    told = Told()
    async with daemon_of(scripted) as daemon, anyio.create_task_group() as tasks:
        described("first")
        (await daemon.systems.open("scripted"))  # so that it is known before it is watched
        tasks.start_soon(watch_host, daemon.systems, "scripted", told, (0.01,))
        scripted.answers["HcsOpenComputeSystem"] = HR.SYSTEM_NOT_FOUND
        scripted.fire_system(SYSTEM_EXITED, DIED)
        assert await told.next() is False
        assert "system 'scripted' is gone (UnexpectedExit, 0x80370106)" in caplog.text
        described("second")
        scripted.answers.clear()
        assert await told.next() is True
        assert "system 'scripted' is back" in caplog.text
        request = ProcessRequest("scripted", spec=ProcessSpec(command_line="a"))
        await daemon.processes.create(request)
        assert told.changes == [False, True]
        tasks.cancel_scope.cancel()


async def test_a_host_system_that_has_ended_and_is_still_listed_is_gone(
    scripted: ScriptedProvider,
) -> None:
    told = Told()
    async with daemon_of(scripted) as daemon, anyio.create_task_group() as tasks:
        await daemon.systems.open("scripted")
        tasks.start_soon(watch_host, daemon.systems, "scripted", told, (0.0,))
        opened = len(scripted.called("HcsOpenComputeSystem"))
        scripted.script["HcsGetComputeSystemProperties"] = describing("Stopped")
        scripted.fire_system(SYSTEM_EXITED, DIED)
        assert await told.next() is False
        with anyio.fail_after(30):
            while len(scripted.called("HcsOpenComputeSystem")) < opened + 3:
                await anyio.lowlevel.checkpoint()
        assert told.changes == [False]
        tasks.cancel_scope.cancel()
