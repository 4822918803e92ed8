"""Owners: who has a process, how long it lives without one, and who watches without reading."""

import signal

import anyio
import grpc
import pytest
from anyio import to_thread

from hcsd.v1 import process_pb2 as pb
from hcsd.v1 import process_service_pb2 as service_pb
from tests.integration.wire import HOST, STDOUT, Client, Run, at, connected, refused, seconds, sh
from tests.support.census import ended
from tests.support.daemon import Daemon

Code = grpc.StatusCode
FOREVER = pb.Argv(args=["sleep", "1000"])
KILL = pb.ORPHAN_POLICY_KILL_ON_OWNER_DISCONNECT
GONE = pb.EXIT_REASON_OWNER_GONE
BLOCKS = pb.OutputOptions(ring_bytes=4096, overflow=pb.OVERFLOW_POLICY_BLOCK)


def owned(grace: float, output: pb.OutputOptions | None = None) -> pb.ProcessOptions:
    return pb.ProcessOptions(orphan_policy=KILL, owner_grace=seconds(grace), output=output)


async def attached(client: Client, name: str, *, owner: bool = True) -> Run:
    """Attach without output; it owns the process from now on."""
    run = await client.attach(service_pb.RunAttach(name=name, owner=owner, without_output=True))
    await run.until("started")
    return run


async def leave(client: Client, run: Run) -> None:
    """End a call, and wait until the daemon has seen that."""
    run.call.cancel()
    await client.settle()


async def runs(client: Client, name: str) -> bool:
    return (await client.get(name)).state == pb.PROCESS_STATE_RUNNING


async def reason_of(client: Client, name: str) -> pb.ExitReason:
    with anyio.fail_after(30):
        return (await client.wait(name)).exit.reason


async def test_a_process_without_an_owner_ends_after_its_grace_with_its_tree(
    client: Client,
) -> None:
    left = sh("(setsid sh -c 'echo $$; exec sleep 1000' &); sleep 1000")
    run = await client.run(left, options=owned(0.05))
    descendant = int((await run.until_out(b"\n")).stdout)
    run.call.cancel()
    assert await reason_of(client, run.output.process.name) == GONE
    with anyio.fail_after(30):
        await ended(descendant)


async def test_who_attaches_in_time_keeps_a_created_process(client: Client) -> None:
    made = await client.create(FOREVER, options=owned(1000))
    owner = await attached(client, made.name)
    await leave(client, owner)
    assert await runs(client, made.name)  # it has its grace again
    await attached(client, made.name)
    assert await runs(client, made.name)


async def test_a_later_owner_takes_the_place_of_the_former(client: Client) -> None:
    first = await client.run(FOREVER, options=owned(0))
    name = (await first.until("started")).process.name
    second = await attached(client, name)
    await leave(client, first)
    assert await runs(client, name)
    await leave(client, second)
    assert await reason_of(client, name) == GONE


async def test_who_attaches_without_being_the_owner_owns_nothing(client: Client) -> None:
    first = await client.run(FOREVER, options=owned(0))
    name = (await first.until("started")).process.name
    await leave(client, await attached(client, name, owner=False))
    assert await runs(client, name)
    await leave(client, first)
    assert await reason_of(client, name) == GONE


async def test_an_attach_that_fails_takes_nobodys_place(client: Client) -> None:
    first = await client.run(FOREVER, options=owned(0))
    name = (await first.until("started")).process.name
    run = await client.attach(
        service_pb.RunAttach(name=name, owner=True, cursors=[at(STDOUT, 1000)])
    )
    with refused(Code.OUT_OF_RANGE, "OUTPUT_OFFSET"):
        await run.read()
    assert await runs(client, name)


async def test_a_run_that_is_repeated_by_its_request_id_is_the_owner(client: Client) -> None:
    create = service_pb.CreateProcessRequest(
        parent=HOST,
        spec=pb.ProcessSpec(argv=FOREVER),
        options=owned(1000),
        request_id="6a3a0b5c-2b44-4a5b-9a05-0d5ea0c0a072",
    )
    first = await client.begin(service_pb.RunProcessRequest(create=create))
    name = (await first.until("started")).process.name
    await leave(client, first)
    again = await client.begin(service_pb.RunProcessRequest(create=create))
    assert (await again.until("started")).process.name == name
    assert await runs(client, name)


async def test_an_owner_who_comes_too_late_sees_the_exit(client: Client) -> None:
    made = await client.create(FOREVER, options=owned(0.01))
    await client.wait(made.name)
    output = await (await attached(client, made.name)).finish()
    assert output.exit is not None
    assert output.exit.reason == GONE


async def test_the_owner_of_a_process_that_is_kept_leaves_it_running(client: Client) -> None:
    made = await client.create(FOREVER)
    await leave(client, await attached(client, made.name))
    assert await runs(client, made.name)


async def test_a_process_that_ends_by_itself_in_its_grace_has_its_own_exit(
    client: Client,
) -> None:
    made = await client.create(sh("exit 3"), options=owned(1000))
    end = (await client.wait(made.name)).exit
    assert (end.exit_code, end.reason) == (3, pb.EXIT_REASON_EXITED)


async def test_a_daemon_that_stops_waits_for_no_grace(own_daemon: Daemon) -> None:
    async with connected(own_daemon.address) as client:
        made = await client.create(FOREVER, options=owned(1000))
        own_daemon.signal(signal.SIGTERM)
        with anyio.fail_after(30):
            await ended(made.pid)
    assert await to_thread.run_sync(own_daemon.wait) == 0


# --- without output ---


async def test_without_output_there_are_only_the_start_the_exit_and_the_end(
    client: Client,
) -> None:
    made = await client.create(
        sh("echo out; echo err >&2; read line; exit 3"),
        spec=pb.ProcessSpec(stdin_mode=pb.STDIN_MODE_PIPE),
    )
    run = await attached(client, made.name, owner=False)
    await run.stdin(b"go\n")
    output = await run.finish()
    assert [kind for kind in output.kinds if kind != "stdin_accepted"] == ["started", "exit", "end"]
    assert (output.code, output.data) == (3, {})
    assert (await client.read(made.name)).stdout == b"out\n"


async def test_who_reads_nothing_drains_no_ring_and_holds_up_no_reader(client: Client) -> None:
    made = await client.create(
        sh("head -c 100000 /dev/zero; exit 3"), options=owned(1000, output=BLOCKS)
    )
    run = await attached(client, made.name)
    with anyio.fail_after(30):
        while (await client.get(made.name)).stdout.end_offset < BLOCKS.ring_bytes:
            await anyio.lowlevel.checkpoint()
    found = await client.get(made.name)
    assert (found.stdout.start_offset, found.stdout.readers, found.stderr.readers) == (0, 0, 0)
    output = await client.read(made.name)
    assert (len(output.stdout), output.gaps[STDOUT]) == (100_000, [])
    assert (await run.finish()).code == 3


async def test_cursors_are_for_who_reads(client: Client) -> None:
    run = await client.attach(
        service_pb.RunAttach(
            name=f"{HOST}/processes/a", without_output=True, cursors=[at(STDOUT, 0)]
        )
    )
    with refused(Code.INVALID_ARGUMENT, "INVALID_REQUEST") as refusal:
        await run.read()
    assert refusal.value.fields == ["attach.cursors"]


@pytest.mark.parametrize("owner", [True, False])
async def test_an_opened_process_can_be_watched_without_output(
    client: Client, *, owner: bool
) -> None:
    parent = await client.create(sh("sleep 1000 & echo $!; wait"))
    pid = int((await client.follow(parent.name).until_out(b"\n")).stdout)
    request = service_pb.OpenProcessRequest(parent=HOST, pid=pid)
    opened = (await client.processes.OpenProcess(request)).process
    client.made.append(opened.name)
    run = await attached(client, opened.name, owner=owner)
    await run.stdin(b"no")
    await run.until("op_error")
    await client.signal(opened.name, pb.ProcessSignal(signal_name="TERM"))
    output = await run.finish()
    assert output.kinds == ["started", "op_error", "exit", "end"]
