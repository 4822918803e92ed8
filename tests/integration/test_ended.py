"""What has ended is no error: calls to processes that have exited, and whose system has ended."""

import functools
import json
import uuid
from collections.abc import AsyncIterator

import anyio
import anyio.lowlevel
import grpc
import pytest

from hcsd.v1 import compute_system_service_pb2 as system_pb
from hcsd.v1 import process_pb2 as pb
from hcsd.v1 import process_service_pb2 as service_pb
from tests.integration.wire import Client, refused, seconds, sh

Code = grpc.StatusCode

SCOPES = [
    service_pb.TERMINATE_SCOPE_PROCESS,
    service_pb.TERMINATE_SCOPE_TREE,
    service_pb.TERMINATE_SCOPE_TREE_BEST_EFFORT,
]
TERM = pb.ProcessSignal(signal_name="TERM")
STDIO = [
    service_pb.STDIO_HANDLE_STDIN,
    service_pb.STDIO_HANDLE_STDOUT,
    service_pb.STDIO_HANDLE_STDERR,
    service_pb.STDIO_HANDLE_ALL,
]


async def end(client: Client, name: str) -> None:
    await client.systems.TerminateComputeSystem(system_pb.TerminateComputeSystemRequest(name=name))
    await client.systems.WaitComputeSystem(system_pb.WaitComputeSystemRequest(name=name))


@pytest.fixture
async def system(client: Client) -> AsyncIterator[str]:
    """A system of the test's own; its processes are deleted at the end."""
    document = {"Owner": "tests", "SchemaVersion": {"Major": 2, "Minor": 1}, "Container": {}}
    request = system_pb.CreateComputeSystemRequest(
        system_id=f"ended-{uuid.uuid4().hex}", configuration_json=json.dumps(document), start=True
    )
    name = (await client.systems.CreateComputeSystem(request)).system.name
    yield name
    await end(client, name)
    await client.tidy()


async def create(client: Client, system: str, argv: pb.Argv) -> str:
    request = service_pb.CreateProcessRequest(
        parent=system,
        spec=pb.ProcessSpec(argv=argv, stdin_mode=pb.STDIN_MODE_PIPE),
    )
    name = (await client.processes.CreateProcess(request)).process.name
    client.made.append(name)
    return name


async def close(client: Client, name: str, handle: service_pb.StdioHandle) -> pb.Process:
    request = service_pb.ModifyProcessRequest(
        name=name, close_handles=service_pb.CloseHandles(handles=[handle])
    )
    return (await client.processes.ModifyProcess(request)).process


async def check_calls(client: Client, name: str) -> None:
    """Whatever is asked of a process that has exited finds that it has."""
    assert (await client.signal(name, TERM)).delivery == pb.SIGNAL_DELIVERY_ALREADY_EXITED
    for scope in SCOPES:
        answer = await client.kill(name, scope)
        assert answer.process.state == pb.PROCESS_STATE_EXITED
    for handle in STDIO:
        await close(client, name, handle)
    write = service_pb.WriteInputRequest(name=name, close_stdin=True)
    assert (await client.processes.WriteInput(write)).closed
    assert (await client.wait(name, service_pb.WAIT_FOR_OUTPUT_COMPLETE)).exit.output_complete
    assert (await client.get(name)).state == pb.PROCESS_STATE_EXITED
    query = service_pb.GetProcessPropertiesRequest(name=name, include_stats=True)
    assert (await client.processes.GetProcessProperties(query)).status.exited
    with refused(Code.INVALID_ARGUMENT):
        await client.signal(name, pb.ProcessSignal(signal_name="NONSENSE"))


async def test_a_process_that_has_exited_is_no_error(client: Client) -> None:
    made = await client.create(sh("exit 3"))
    await client.wait(made.name)
    await check_calls(client, made.name)


async def test_nor_is_one_whose_system_has_ended(client: Client, system: str) -> None:
    names = [await create(client, system, sh(script)) for script in ("sleep 7771", "exit 3")]
    await client.wait(names[1])
    await end(client, system)
    for name in names:
        await check_calls(client, name)
        assert (await client.kill(name)).scope_applied == service_pb.TERMINATE_SCOPE_UNSPECIFIED


async def test_a_list_has_the_processes_of_a_system_that_has_ended(
    client: Client, system: str
) -> None:
    request = service_pb.ListProcessesRequest(parent=system)
    name = await create(client, system, sh("sleep 7771"))
    await end(client, system)
    listed = (await client.processes.ListProcesses(request)).processes
    assert [process.name for process in listed] == [name]
    await client.delete(name, force=True)
    assert not (await client.processes.ListProcesses(request)).processes
    with refused(Code.NOT_FOUND):
        await client.processes.ListProcesses(service_pb.ListProcessesRequest(parent=f"{system}x"))


async def test_closing_output_of_an_exited_process_reaches_what_it_has_left(client: Client) -> None:
    spec = pb.ProcessSpec(drain_timeout=seconds(1000))
    made = await client.create(sh("(while echo x; do :; done) & exit 0"), spec=spec)
    await client.wait(made.name)
    process = await close(client, made.name, service_pb.STDIO_HANDLE_STDOUT)
    assert process.stdout.closed
    await client.wait(made.name, service_pb.WAIT_FOR_OUTPUT_COMPLETE)  # stderr ends with its writer


@pytest.mark.parametrize("delay", range(0, 40, 4))
async def test_calls_that_race_with_the_end_of_the_system_do_not_fail(
    client: Client, system: str, delay: int
) -> None:
    names = [await create(client, system, sh("sleep 7771")) for _ in range(20)]

    async def call(number: int, name: str) -> None:
        for _ in range(number):
            await anyio.lowlevel.checkpoint()
        await client.signal(name, pb.ProcessSignal(signal_name="WINCH"))
        answer = await client.kill(name, SCOPES[number % len(SCOPES)])
        assert answer.process.state == pb.PROCESS_STATE_EXITED

    async with anyio.create_task_group() as tasks:
        for number, name in enumerate(names):
            tasks.start_soon(call, number, name)
        for _ in range(delay):
            await anyio.lowlevel.checkpoint()
        await end(client, system)


async def test_kills_that_race_with_the_exit_do_not_fail(client: Client) -> None:
    async def race(number: int) -> None:
        made = await client.create(
            sh("read line; exit 3"), spec=pb.ProcessSpec(stdin_mode=pb.STDIN_MODE_PIPE)
        )
        client.made.append(made.name)

        async def let_go() -> None:
            write = service_pb.WriteInputRequest(name=made.name, close_stdin=True)
            await client.processes.WriteInput(write)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(let_go)
            for _ in range(number):
                await anyio.lowlevel.checkpoint()
            scope = SCOPES[number % len(SCOPES)]
            tasks.start_soon(functools.partial(client.kill, made.name, scope))

    async with anyio.create_task_group() as tasks:
        for number in range(60):
            tasks.start_soon(race, number)
