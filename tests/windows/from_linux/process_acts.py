"""Acts about processes."""

from __future__ import annotations

import anyio
import grpc

from hcsd.v1 import process_pb2 as pb
from hcsd.v1 import process_service_pb2 as service_pb
from tests.integration.test_events import EXITED, watching
from tests.integration.wire import Refusal
from tests.windows.from_linux.stage import (
    CONSOLE,
    CTRL_C,
    PIPE,
    QUICK,
    Stage,
    act,
    end_of,
    guest,
    text_of,
    told,
    until_quiet,
)


@act
async def run(stage: Stage) -> str:
    await stage.arm()
    try:
        feed = await stage.client.run(guest("print", "out", "err"), spec=QUICK)
        return text_of(await feed.finish())
    except grpc.aio.AioRpcError as error:
        return f"{error.code().name} {Refusal(error).reason}"


@act
async def run_on_a_console(stage: Stage) -> str:
    await stage.arm()
    feed = await stage.client.run(guest("exit", "7"), spec=CONSOLE)
    output = await feed.finish()
    output.data = dict.fromkeys(output.data, bytearray())  # what a console draws is its own
    return text_of(output)


@act
async def exit(stage: Stage) -> str:  # noqa: A001  (an act's name)
    await stage.arm()
    try:
        return await stage.waited(await stage.client.create(guest("exit", "7")))
    except grpc.aio.AioRpcError as error:
        return f"{error.code().name} {Refusal(error).reason}"


@act
async def exit_and_watch(stage: Stage) -> str:
    async with watching(stage.client) as watched:
        await stage.arm()
        process = await stage.client.create(guest("exit", "7"))
        await watched.until(process.uid, EXITED)
        seen = watched.seen[process.uid]
        return f"{end_of(watched.last[process.uid])}, exited {seen.count(EXITED)} times"


@act
async def kill(stage: Stage) -> str:
    process = await stage.sleeper()
    await stage.arm()
    killed = await told(stage.client.terminate(process.name))
    if killed == "ok":
        return f"ok, {await stage.waited(process)}"
    state = (await stage.client.get(process.name)).state
    await stage.disarm()
    await stage.client.terminate(process.name)
    return f"{killed}, {pb.ProcessState.Name(state)}, then {await stage.waited(process)}"


@act
async def kill_twice(stage: Stage) -> str:
    process = await stage.sleeper()
    await stage.arm()
    answers: list[str] = []

    async def one() -> None:
        answers.append(await told(stage.client.terminate(process.name)))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(one)
        tasks.start_soon(one)
        await until_quiet(stage, process)
        await stage.disarm()
    return f"{', '.join(answers)}, {await stage.waited(process)}"


@act
async def signal(stage: Stage) -> str:
    feed = await stage.client.run(guest("say", "ready"))
    await feed.until_out(b"ready\n")
    await stage.arm()
    name = feed.output.process.name
    sent = await told(stage.client.signal(name, CTRL_C))
    killed = await told(stage.client.terminate(name))
    return f"{sent}, {killed}, {text_of(await feed.finish())}"


@act
async def signal_to_the_dead(stage: Stage) -> str:
    """HCS says that it is gone, and no event has come."""
    process = await stage.sleeper("await", "5", spec=PIPE)
    await stage.arm()
    await stage.write(process)
    await until_quiet(stage, process)
    sent = await told(stage.client.signal(process.name, CTRL_C))
    return f"{sent}, {await stage.waited(process)}"


@act
async def kill_of_the_dead(stage: Stage) -> str:
    process = await stage.sleeper("await", "5", spec=PIPE)
    await stage.arm()
    await stage.write(process)
    await until_quiet(stage, process)
    return f"{await told(stage.client.terminate(process.name))}, {await stage.waited(process)}"


@act
async def lost_exit(stage: Stage) -> str:
    process = await stage.sleeper("await", "5", spec=PIPE)
    await stage.arm()
    await stage.write(process)
    return await stage.waited(process)


@act
async def input_and_output(stage: Stage) -> str:
    await stage.arm()
    feed = await stage.client.run(guest("cat"), spec=PIPE)
    await feed.stdin(b"in")
    await feed.close_stdin()
    return text_of(await feed.finish())


@act
async def resize(stage: Stage) -> str:
    process = await stage.sleeper("sleep", spec=CONSOLE)
    await stage.arm()
    request = service_pb.ModifyProcessRequest(
        name=process.name, console_size=pb.Console(columns=100, rows=30)
    )
    resized = await told(stage.client.processes.ModifyProcess(request))
    await stage.client.terminate(process.name)
    return f"{resized}, {await stage.waited(process)}"


@act
async def query_process(stage: Stage) -> str:
    process = await stage.sleeper()
    await stage.arm()
    request = service_pb.GetProcessPropertiesRequest(name=process.name)
    asked = await told(stage.client.processes.GetProcessProperties(request))
    await stage.disarm()
    killed = await told(stage.client.terminate(process.name))
    return f"{asked}, {killed}, {await stage.waited(process)}"


@act
async def late_exit_event(stage: Stage) -> str:
    """Its pipes have ended and it has, but the event is held until the rules are forgotten."""
    process = await stage.sleeper("await", "5", spec=PIPE)
    await stage.arm()
    await stage.write(process)
    await until_quiet(stage, process)
    before = pb.ProcessState.Name((await stage.client.get(process.name)).state)
    await stage.disarm()
    return f"{before}, {await stage.waited(process)}"


@act
async def mute(stage: Stage) -> str:
    process = await stage.sleeper("mute")
    await stage.arm()
    await until_quiet(stage, process)
    state = (await stage.client.get(process.name)).state
    await stage.client.terminate(process.name)
    return f"{pb.ProcessState.Name(state)}, {await stage.waited(process)}"
