"""Clients that leave at any moment: nobody else notices, and nothing of theirs is left."""

import asyncio
import contextlib
import random
from typing import TYPE_CHECKING

import anyio
import grpc
import pytest

from hcsd.v1 import process_pb2 as pb
from hcsd.v1 import process_service_pb2 as service_pb
from tests.integration.wire import HOST, Client, Feed, code_of, connected, sh
from tests.support.daemon import Daemon

if TYPE_CHECKING:
    from collections.abc import Awaitable

Code = grpc.StatusCode

PIPE = pb.ProcessSpec(stdin_mode=pb.STDIN_MODE_PIPE)
# Writes for ever, and takes whatever it is sent.
BUSY = sh("cat >/dev/null & while :; do echo 0123456789; done")


async def no_readers(client: Client, name: str) -> None:
    """Wait until the daemon counts no reader; each look is a round trip, so others get their turn."""
    with anyio.fail_after(30):
        while True:
            found = await client.get(name)
            if not (found.stdout.readers or found.stderr.readers):
                return


async def _leave_after(feed: Feed, events: int) -> None:
    """Take so many events, or fewer if the call ends before, and go."""
    with contextlib.suppress(grpc.aio.AioRpcError):
        for _ in range(events):
            if await feed.read() == "end":
                return
    feed.call.cancel()


@pytest.mark.parametrize("seed", range(3))
async def test_readers_and_waiters_that_leave_are_forgotten(client: Client, seed: int) -> None:
    choose = random.Random(seed)  # noqa: S311  (repeatable)
    made = await client.create(BUSY, spec=PIPE)

    async def read() -> None:
        await _leave_after(client.follow(made.name), choose.randrange(8))

    async def attach() -> None:
        run = await client.attach(service_pb.RunAttach(name=made.name))
        with contextlib.suppress(asyncio.InvalidStateError, grpc.aio.AioRpcError):
            await run.send(
                service_pb.RunProcessRequest(stdin=service_pb.StdinData(data=bytes(100_000)))
            )
        await _leave_after(run, choose.randrange(8))

    async def wait() -> None:
        call = client.processes.WaitProcess(service_pb.WaitProcessRequest(name=made.name))
        for _ in range(choose.randrange(3)):
            await client.get(made.name)
        call.cancel()

    async with anyio.create_task_group() as tasks:
        for _ in range(60):
            tasks.start_soon(choose.choice([read, attach, wait]))
    await no_readers(client, made.name)
    assert (await client.terminate(made.name)).exit.exit_code == 137


async def test_calls_that_are_cancelled_at_once_are_harmless(client: Client) -> None:
    made = await client.create(BUSY, spec=PIPE)
    for number in range(100):
        calls: list[grpc.aio.Call] = [
            client.follow(made.name).call,
            (await client.attach(service_pb.RunAttach(name=made.name))).call,
            client.processes.WaitProcess(service_pb.WaitProcessRequest(name=made.name)),
            client.processes.GetProcess(service_pb.GetProcessRequest(name=made.name)),
        ]
        if number % 2:
            await client.get(made.name)
        for call in calls:
            call.cancel()
    await no_readers(client, made.name)


async def test_creators_that_leave_at_any_moment_leave_working_processes(client: Client) -> None:
    choose = random.Random(7)  # noqa: S311  (repeatable)
    names = [f"{HOST}/processes/left-{number}" for number in range(40)]
    client.made += names

    async def run(process_id: str) -> None:
        spec = pb.ProcessSpec(output=pb.OutputOptions(overflow=pb.OVERFLOW_POLICY_DROP_OLDEST))
        call = await client.run(sh("echo out; exit 3"), spec=spec, process_id=process_id)
        await _leave_after(call, choose.randrange(4))

    async def create(process_id: str) -> None:
        request = service_pb.CreateProcessRequest(
            parent=HOST, spec=pb.ProcessSpec(argv=sh("echo out; exit 3")), process_id=process_id
        )
        call = client.processes.CreateProcess(request)
        for _ in range(choose.randrange(2)):
            await asyncio.sleep(0)  # lets the request leave, or not
        call.cancel()

    async with anyio.create_task_group() as tasks:
        for name in names:
            tasks.start_soon(choose.choice([run, create]), name.rpartition("/")[2])
    await client.settle()
    known = 0
    for name in names:
        code = await code_of(client.wait(name, service_pb.WAIT_FOR_OUTPUT_COMPLETE))
        assert code in {Code.OK, Code.NOT_FOUND}  # not found: it never reached the daemon
        if code is Code.OK:
            end = (await client.get(name)).exit
            assert (end.exit_code, end.output_complete) == (3, True)
            assert (await client.read(name)).stdout == b"out\n"
            known += 1
    assert known


async def test_a_lost_connection_is_a_departure_like_any_other(
    client: Client, daemon: Daemon
) -> None:
    made = await client.create(BUSY, spec=PIPE)
    owned = pb.ProcessSpec(orphan_policy=pb.ORPHAN_POLICY_KILL_ON_OWNER_DISCONNECT)
    async with connected(daemon.address) as other:
        for _ in range(5):
            await other.follow(made.name).until("chunk")
            await (await other.attach(service_pb.RunAttach(name=made.name))).until("chunk")
        run = await other.run(BUSY, spec=owned)
        await run.until("chunk")
    client.made.append(run.output.process.name)
    await no_readers(client, made.name)
    end = (await client.wait(run.output.process.name)).exit
    assert end.reason == pb.EXIT_REASON_OWNER_GONE


async def test_a_reader_that_stalls_holds_up_nobody_else(client: Client) -> None:
    made = await client.create(sh("head -c 20000000 /dev/zero; exit 3"))
    stalled = client.follow(made.name)
    await stalled.until("started")
    output = await client.read(made.name)
    assert output.code == 3
    stalled.call.cancel()
    await no_readers(client, made.name)


async def test_everything_at_once_on_one_process_is_answered_sensibly(client: Client) -> None:
    """Signals, sizes, questions and deletes in a race: some come too late, none breaks anything."""
    allowed = {Code.OK, Code.NOT_FOUND, Code.FAILED_PRECONDITION}
    for _ in range(10):
        spec = pb.ProcessSpec(console=pb.Console(columns=80, rows=25))
        name = (await client.create(sh("while :; do echo x; done"), spec=spec)).name
        size = service_pb.ModifyProcessRequest(
            name=name, console_size=pb.Console(columns=9, rows=9)
        )
        close = service_pb.ModifyProcessRequest(
            name=name,
            close_handles=service_pb.CloseHandles(handles=[service_pb.STDIO_HANDLE_STDIN]),
        )
        usr1 = pb.ProcessSignal(signal_name="WINCH")
        properties = service_pb.GetProcessPropertiesRequest(name=name)
        calls: list[Awaitable[object]] = [
            client.processes.ModifyProcess(size),
            client.signal(name, usr1),
            client.processes.GetProcessProperties(properties),
            client.read(name),
            client.processes.ModifyProcess(close),
            client.terminate(name, grace=0.01),
            client.signal(name, usr1),
            client.delete(name, force=True),
            client.signal(name, usr1),
            client.delete(name, force=True),
            client.processes.GetProcessProperties(properties),
            client.processes.ModifyProcess(size),
            client.wait(name),
            client.terminate(name),
        ]
        results = await asyncio.gather(*calls, return_exceptions=True)
        for result in results:
            if isinstance(result, grpc.aio.AioRpcError):
                assert result.code() in allowed, result
            else:
                assert not isinstance(result, BaseException), result
