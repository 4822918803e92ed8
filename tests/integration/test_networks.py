"""Connections that outlive networks: signs of life both ways, and peers that fall silent."""

from collections.abc import AsyncIterator, Iterator

import anyio
import grpc
import pytest

from hcsd.v1 import event_service_pb2 as event_pb
from hcsd.v1 import process_pb2 as pb
from hcsd.v1 import process_service_pb2 as service_pb
from tests.integration.conftest import assert_calm
from tests.integration.test_input import Stream, until_committed, until_writers
from tests.integration.wire import HOST, Client, connected, refused, seconds, sh
from tests.support.daemon import Daemon, serving
from tests.support.http2 import ACK, GOAWAY, HEADERS, PING, connected_to, frame, headers, message
from tests.support.proxy import proxying_tcp
from tests.support.tls import credentials_for

Code = grpc.StatusCode
Request = service_pb.RunProcessRequest

SOON = 0.1  # seconds, the shortest interval
PIPE = pb.ProcessSpec(stdin_mode=pb.STDIN_MODE_PIPE)
CAT = pb.Argv(args=["cat"])
SLEEP = pb.Argv(args=["sleep", "1000"])
# It ends when it is sent a line, and leaves behind what holds its pipes.
LEAVER = sh("sleep 1000 & echo out; read line")


@pytest.fixture(scope="module")
def impatient() -> Iterator[Daemon]:
    """A daemon that soon asks silent peers whether they are there."""
    options = ("--keepalive-time", "1s", "--keepalive-timeout", "3s")
    with serving(*options, tcp=True) as daemon:
        yield daemon
    assert_calm(daemon.log)


@pytest.fixture
async def beside(impatient: Daemon) -> AsyncIterator[Client]:
    """Its client at the socket, which sees what happens to the others."""
    async with connected(impatient.address) as client:
        yield client
        await client.tidy()


# --- peers that fall silent ---


async def test_calls_behind_a_proxy_that_falls_silent_are_ended(
    impatient: Daemon, beside: Client
) -> None:
    owned = pb.ProcessSpec(orphan_policy=pb.ORPHAN_POLICY_KILL_ON_OWNER_DISCONNECT)
    name = (await beside.create(CAT, spec=PIPE)).name
    async with (
        proxying_tcp(impatient.addresses[1]) as proxy,
        connected(proxy.address, credentials_for(impatient)) as client,
    ):
        run = await client.run(SLEEP, spec=owned)
        await run.until("started")
        stream = await Stream.start(client, name)
        await stream.data(b"x")
        await until_committed(beside, name, 1)
        proxy.freeze()
        with anyio.fail_after(60):
            exited = await beside.wait(run.output.process.name)
            assert exited.exit.reason == pb.EXIT_REASON_OWNER_GONE
            await until_writers(beside, name, 0)
        stream.call.cancel()
        run.call.cancel()


def test_times_may_be_longer_than_grpc_can_count() -> None:
    year = "8760h"
    options = ("--keepalive-time", year, "--keepalive-timeout", year, "--connection-age", year)
    with serving(*options, tcp=True) as daemon:
        assert len(daemon.addresses) == 2


@pytest.mark.slow
@pytest.mark.parametrize("calls", [True, False], ids=["with a call", "without"])
@pytest.mark.parametrize("tcp", [True, False], ids=["tcp", "unix"])
def test_a_ping_every_five_seconds_is_welcome(tcp: bool, calls: bool) -> None:
    with (
        serving(tcp=True) as daemon,
        connected_to(daemon.addresses[tcp], daemon.ca_file if tcp else None) as peer,
    ):
        peer.begin()
        if calls:
            token = (b"authorization", b"Bearer " + daemon.token_file.read_bytes().strip())
            peer.open(1, headers("/hcsd.v1.EventService/WatchEvents", *((token,) if tcp else ())))
            peer.send(frame(0, 1, 1, message(b"")))
            assert peer.until(HEADERS, stream=1)
        for _ in range(5):
            peer.send(frame(PING, 0, 0, b"12345678"))
            while (got := peer.until(PING, GOAWAY)) and not got.flags & ACK:
                assert got.kind == PING
            assert got is not None
            anyio.run(anyio.sleep, 5)


# --- heartbeats ---


async def test_a_silent_process_gives_its_reader_heartbeats(client: Client) -> None:
    name = (await client.create(CAT, spec=PIPE)).name
    feed = client.follow(name, heartbeats=SOON)
    for _ in range(3):
        await feed.until("heartbeat")
    await client.processes.WriteInput(
        service_pb.WriteInputRequest(name=name, data=b"x", close_stdin=True)
    )
    assert (await feed.finish()).stdout == b"x"


async def test_a_run_gives_heartbeats_also_between_the_exit_and_the_end(client: Client) -> None:
    spec = pb.ProcessSpec(stdin_mode=pb.STDIN_MODE_PIPE, drain_timeout=seconds(60))
    spec.argv.CopyFrom(LEAVER)
    create = service_pb.CreateProcessRequest(parent=HOST, spec=spec)
    run = await client.begin(Request(create=create, heartbeat_interval=seconds(SOON)))
    await run.until_out(b"out\n")
    await run.until("heartbeat")
    await run.stdin(b"line\n")
    await run.until("exit")
    await run.until("heartbeat")
    await client.delete(run.output.process.name, force=True)


async def test_without_a_word_there_are_none(client: Client) -> None:
    run = await client.run(sh("sleep 0.3"))
    assert "heartbeat" not in (await run.finish()).kinds


async def test_heartbeats_of_a_caller_do_nothing(client: Client) -> None:
    run = await client.run(CAT, spec=PIPE)
    for _ in range(3):
        await run.send(Request(heartbeat=service_pb.Heartbeat()))
    await run.stdin(b"x")
    await run.send(Request(heartbeat=service_pb.Heartbeat()))
    await run.close_stdin()
    output = await run.finish()
    assert output.stdout == b"x"
    assert not output.op_errors


async def test_the_interval_is_for_the_first_message(client: Client) -> None:
    run = await client.run(CAT, spec=PIPE)
    await run.send(Request(heartbeat=service_pb.Heartbeat(), heartbeat_interval=seconds(1)))
    await run.until("op_error")
    (error,) = run.output.op_errors
    assert error.status.code == Code.INVALID_ARGUMENT.value[0]
    assert "heartbeat_interval" in error.status.message
    await run.close_stdin()
    await run.finish()


async def test_an_interval_out_of_range_is_refused(client: Client) -> None:
    name = (await client.create(SLEEP)).name
    with refused(Code.INVALID_ARGUMENT, "INVALID_REQUEST") as refusal:
        await client.follow(name, heartbeats=SOON / 2).read()
    assert refusal.value.fields == ["heartbeat_interval"]
    assert "100 ms" in refusal.value.message


async def test_a_watcher_gets_bookmarks_as_often_as_it_wants(client: Client) -> None:
    request = event_pb.WatchEventsRequest(
        parent=HOST, heartbeat_interval=seconds(SOON), send_snapshot=True
    )
    watch = client.events.WatchEvents(request)
    bookmarks = 0
    while bookmarks < 3:
        got = await watch.read()
        assert isinstance(got, event_pb.WatchEventsResponse)
        bookmarks += got.HasField("bookmark")
    watch.cancel()
