"""Acts about compute systems and the service."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import grpc

from hcsd.v1 import compute_system_pb2 as system_types
from hcsd.v1 import compute_system_service_pb2 as systems_pb
from hcsd.v1 import host_service_pb2 as host_pb
from tests.integration.test_systems import document
from tests.integration.wire import Refusal, seconds
from tests.windows.from_linux.stage import BASIC, Stage, act, guest, told, until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping


@act
async def list_systems(stage: Stage) -> str:
    made = await stage.systems.create()
    await stage.arm()
    try:
        answer = await stage.client.systems.ListComputeSystems(
            systems_pb.ListComputeSystemsRequest()
        )
    except grpc.aio.AioRpcError as error:
        return f"{error.code().name} {Refusal(error).reason}"
    found = [json.dumps(system.owner) for system in answer.systems if system.name == made.name]
    return f"owner {' '.join(found)}"


@act
async def schema_versions(stage: Stage) -> str:
    await stage.arm()
    host = await stage.client.get_host()
    return " ".join(f"{v.major}.{v.minor}" for v in host.schema_versions) or "none"


@act
async def service_properties(stage: Stage) -> str:
    await stage.arm()
    request = host_pb.GetServicePropertiesRequest(property_query_json=BASIC)
    return await told(stage.client.hosts.GetServiceProperties(request))


@act
async def create_system(stage: Stage) -> str:
    await stage.arm()
    request = systems_pb.CreateComputeSystemRequest(
        system_id="planned", configuration_json=document()
    )
    made = await told(stage.client.systems.CreateComputeSystem(request))
    await stage.disarm()
    if made == "ok":
        await stage.systems.terminate("systems/planned")
    await until_no_system(stage, "planned")
    return made


async def until_no_system(stage: Stage, system_id: str) -> None:

    async def gone() -> bool:
        return system_id not in await stage.systems.list(systems_pb.ListComputeSystemsRequest())

    await until(gone, f"system {system_id} is gone")


async def _change(stage: Stage, verb: str, *before: str) -> str:
    made = await stage.systems.create(start=True)
    for earlier in before:
        await _call(stage, earlier, made.name)
    process = None
    if not before:
        process = await stage.systems.run(made.name, guest("sleep"))
        stage.client.made.append(process.name)
    await stage.arm()
    changed = await told(_call(stage, verb, made.name))
    await stage.disarm()
    await stage.systems.terminate(made.name)
    ended = (await stage.systems.wait(made.name)).exit.exit_type
    if process is not None:
        await stage.waited(process)
    name = system_types.ComputeSystemExitType.Name(ended)
    return f"{changed}, {name.removeprefix('COMPUTE_SYSTEM_EXIT_TYPE_').lower()}"


def _call(stage: Stage, verb: str, name: str) -> Awaitable[object]:
    stub = stage.client.systems
    calls: Mapping[str, Callable[[], Awaitable[object]]] = {
        "start": lambda: stub.StartComputeSystem(systems_pb.StartComputeSystemRequest(name=name)),
        "pause": lambda: stub.PauseComputeSystem(systems_pb.PauseComputeSystemRequest(name=name)),
        "resume": lambda: stub.ResumeComputeSystem(
            systems_pb.ResumeComputeSystemRequest(name=name)
        ),
        "shut down": lambda: stub.ShutDownComputeSystem(
            systems_pb.ShutDownComputeSystemRequest(name=name, timeout=seconds(3), force=True)
        ),
        "terminate": lambda: stub.TerminateComputeSystem(
            systems_pb.TerminateComputeSystemRequest(name=name)
        ),
        "save": lambda: stub.SaveComputeSystem(
            systems_pb.SaveComputeSystemRequest(name=name, options_json="{}")
        ),
        "modify": lambda: stub.ModifyComputeSystem(
            systems_pb.ModifyComputeSystemRequest(name=name, settings_json='{"ResourcePath": "x"}')
        ),
        "properties": lambda: stage.systems.properties(name, "ProcessList"),
    }
    return calls[verb]()


@act
async def start_system(stage: Stage) -> str:
    made = await stage.systems.create()
    await stage.arm()
    started = await told(_call(stage, "start", made.name))
    await stage.disarm()
    return started


@act
async def pause(stage: Stage) -> str:
    return await _change(stage, "pause")


@act
async def resume(stage: Stage) -> str:
    return await _change(stage, "resume", "pause")


@act
async def shut_down(stage: Stage) -> str:
    return await _change(stage, "shut down")


@act
async def terminate_system(stage: Stage) -> str:
    return await _change(stage, "terminate")


@act
async def save(stage: Stage) -> str:
    return await _change(stage, "save")


@act
async def modify_system(stage: Stage) -> str:
    return await _change(stage, "modify")


@act
async def query_system(stage: Stage) -> str:
    return await _change(stage, "properties")
