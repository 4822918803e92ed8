"""Acts in which the service goes away, or some of its calls do not return."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import anyio

from hcsd.v1 import compute_system_pb2 as system_types
from hcsd.v1 import compute_system_service_pb2 as systems_pb
from hcsd.v1 import host_service_pb2 as host_pb
from hcsd.v1 import process_pb2 as pb
from hcsd.v1 import process_service_pb2 as service_pb
from tests.integration.test_systems import document
from tests.windows.from_linux.stage import BASIC, CTRL_C, PIPE, Stage, act, guest, told, until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


RUNNING = pb.PROCESS_STATE_RUNNING


async def until_state(stage: Stage, process: pb.Process, state: pb.ProcessState) -> str:
    """Wait for a state of a process, and return its name."""

    async def reached() -> bool:
        return (await stage.client.get(process.name)).state == state

    await until(reached, f"the state {state} of {process.name}")
    return pb.ProcessState.Name(state).removeprefix("PROCESS_STATE_").lower()


# --- the service goes away ---


@act
async def service_away(stage: Stage) -> str:
    """It is away for a while, and a process ends meanwhile."""
    goes_on, ends = await stage.sleeper(), await stage.sleeper("await", "5", spec=PIPE)
    await stage.arm()
    await stage.disconnect()
    await stage.write(ends)
    refused = await told(stage.client.create(guest("exit", "0")))
    await stage.disarm()
    end = await stage.waited(ends)
    found = await until_state(stage, goes_on, RUNNING)
    killed = await told(stage.client.terminate(goes_on.name))
    return f"{refused}; {end}; {found}, {killed}, {await stage.waited(goes_on)}"


@act
async def back_at_once(stage: Stage) -> str:
    """It is back at once; a process ends after that, and its event is lost."""
    process = await stage.sleeper("await", "5", spec=PIPE)
    await stage.arm()
    await stage.disconnect()
    found = await until_state(stage, process, RUNNING)
    await stage.write(process)
    return f"{found}, {await stage.waited(process)}"


@act
async def pid_used_again(stage: Stage) -> str:
    """A process ends while it is away, and then its pid is another's."""
    process = await stage.sleeper("await", "5", spec=PIPE)
    await stage.arm()
    await stage.disconnect()
    await stage.write(process)
    await stage.next(pid=process.pid)
    given_up = await stage.waited(process)
    killed = await told(stage.client.terminate(process.name))
    await stage.disarm()
    return f"{given_up}; {killed}; {await told(stage.client.terminate(process.name))}"


@act
async def system_gone(stage: Stage) -> str:
    """A system ends with the handles of the service that went away."""
    request = systems_pb.CreateComputeSystemRequest(
        system_id=f"gone-{uuid.uuid4().hex[:8]}",
        configuration_json=document(ShouldTerminateOnLastHandleClosed=True),
        start=True,
    )
    made = (await stage.client.systems.CreateComputeSystem(request)).system
    process = await stage.systems.run(made.name, guest("sleep"))
    stage.client.made.append(process.name)
    await stage.arm()
    await stage.disconnect()
    end = await stage.waited(process)
    state = (await stage.systems.wait(made.name)).state
    return f"{end}; {system_types.ComputeSystemState.Name(state)}"


@act
async def service_crashes(stage: Stage) -> str:
    """It dies with all that it has, and another takes its place."""
    process = await stage.sleeper()
    await anyio.to_thread.run_sync(stage.double.crash)
    end = await stage.waited(process)

    async def runs() -> bool:
        return await told(stage.client.create(guest("exit", "0"))) == "ok"

    await until(runs, "a process runs in the other")
    return end


# --- calls that do not return ---

MANY = 5  # one more than a lane has threads


class Held:
    """What the blocked calls are made about, and what the others need."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.victims: list[pb.Process] = []
        self.systems: list[str] = []

    async def prepare(self, *, systems: bool) -> None:
        for _ in range(MANY + 4):
            self.victims.append(await self.stage.sleeper("await", "0", spec=PIPE))
        for _ in range(MANY if systems else 1):
            self.systems.append((await self.stage.systems.create(start=True)).name)

    def call(self, kind: str, number: int) -> Awaitable[object]:
        client, made = self.stage.client, self.stage.systems
        name = self.victims[number].name
        system = self.systems[number % len(self.systems)]
        calls: dict[str, Callable[[], Awaitable[object]]] = {
            "create": lambda: client.create(guest("exit", "0")),
            "kill": lambda: client.terminate(name),
            "signal": lambda: client.signal(name, CTRL_C),
            "close stdin": lambda: client.processes.ModifyProcess(
                service_pb.ModifyProcessRequest(
                    name=name,
                    close_handles=service_pb.CloseHandles(handles=[service_pb.STDIO_HANDLE_STDIN]),
                )
            ),
            "query process": lambda: client.processes.GetProcessProperties(
                service_pb.GetProcessPropertiesRequest(name=name)
            ),
            "query system": lambda: made.properties(system, "ProcessList"),
            "list": lambda: made.list(systems_pb.ListComputeSystemsRequest()),
            "pause": lambda: made.pause(system),
            "terminate system": lambda: made.terminate(system),
            "create system": made.create,
            "modify system": lambda: made.stub.ModifyComputeSystem(
                systems_pb.ModifyComputeSystemRequest(
                    name=system, settings_json='{"ResourcePath": "x"}'
                )
            ),
            "service properties": lambda: client.hosts.GetServiceProperties(
                host_pb.GetServicePropertiesRequest(property_query_json=BASIC)
            ),
        }
        return calls[kind]()


# Which exports each call of the others goes through, or shares a kind with.
QUERIES = {
    "HcsGetProcessProperties",
    "HcsGetComputeSystemProperties",
    "HcsEnumerateComputeSystems",
    "HcsGetServiceProperties",
}
USES = {
    "create": {"HcsCreateProcess", "HcsSetProcessCallback", "HcsSetComputeSystemCallback"},
    "kill": {"HcsOpenComputeSystem", "HcsOpenProcess", "HcsTerminateProcess"},
    "signal": {"HcsSignalProcess"},
    "query process": QUERIES,
    "query system": QUERIES,
    "list": QUERIES,
}


@act
async def blocked(stage: Stage) -> str:
    """Many calls of one kind do not return; every other kind does."""
    (rule,) = stage.plan.rules
    held = Held(stage)
    await held.prepare(systems=stage.plan.calls in {"pause", "terminate system"})
    await stage.arm()
    answers: list[str] = []
    async with anyio.create_task_group() as tasks:

        async def one(number: int) -> None:
            answers.append(await told(held.call(stage.plan.calls, number)))

        async def all_held() -> bool:
            return await anyio.to_thread.run_sync(stage.double.held) >= stage.plan.held

        for number in range(MANY):
            tasks.start_soon(one, number)
        await until(all_held, "the calls are held up")
        stuck = []
        for number, (kind, exports) in enumerate(USES.items()):
            if rule["Function"] in exports:
                continue
            answer = "blocked"
            with anyio.move_on_after(10):
                answer = await told(held.call(kind, MANY + number % 4))
            if answer not in {"ok", "FAILED_PRECONDITION PROCESS_NOT_RUNNING"}:
                stuck.append(f"{kind} {answer}")
        await stage.disarm()
    return f"{', '.join(stuck) or 'none'} stuck, then {' '.join(sorted(set(answers)))}"
