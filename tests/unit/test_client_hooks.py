"""What a program hangs into a client: interceptors, options of the channel, options of a process."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import anyio
import grpc
import pytest
from google.protobuf.message import Message

from hcsd.v1 import process_pb2 as pb
from hcsd.v1 import process_service_pb2 as service_pb
from hcsd_client import STDOUT, Client, blocking
from hcsd_client._channel import INCARNATION as INCARNATION_KEY
from hcsd_client._creation import Creation
from tests.unit.test_client_fake import (
    INCARNATION,
    NAME,
    Context,
    FakeDaemon,
    Requests,
    chunks,
    fake_daemon,
    run_events,
)

Continue = Callable[[grpc.aio.ClientCallDetails, object], Awaitable[object]]
Events = AsyncGenerator[service_pb.RunProcessResponse]
PROCESS = pb.Process(name=NAME, uid="one", incarnation="boot")
KILL = pb.ORPHAN_POLICY_KILL_ON_OWNER_DISCONNECT


def marked(details: grpc.aio.ClientCallDetails) -> grpc.aio.ClientCallDetails:
    """Add a trace, as interceptors for tracing do."""
    metadata = grpc.aio.Metadata(*(details.metadata or ()), ("traceparent", "00-1-1-00"))
    return grpc.aio.ClientCallDetails(
        details.method, details.timeout, metadata, details.credentials, details.wait_for_ready
    )


class MarkingUnary(grpc.aio.UnaryUnaryClientInterceptor):
    async def intercept_unary_unary(  # type: ignore[override]  # theirs is generic
        self,
        continuation: Continue,  # type: ignore[override]
        details: grpc.aio.ClientCallDetails,
        request: object,
    ) -> object:
        return await continuation(marked(details), request)


class MarkingOutput(grpc.aio.UnaryStreamClientInterceptor):
    async def intercept_unary_stream(  # type: ignore[override]  # theirs is generic
        self,
        continuation: Continue,  # type: ignore[override]
        details: grpc.aio.ClientCallDetails,
        request: object,
    ) -> object:
        return await continuation(marked(details), request)


class MarkingRun(grpc.aio.StreamStreamClientInterceptor):
    async def intercept_stream_stream(  # type: ignore[override]  # theirs is generic
        self,
        continuation: Continue,  # type: ignore[override]
        details: grpc.aio.ClientCallDetails,
        requests: object,
    ) -> object:
        return await continuation(marked(details), requests)


INTERCEPTORS = (MarkingUnary(), MarkingOutput(), MarkingRun())


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[FakeDaemon]:
    async with fake_daemon(tmp_path) as daemon:
        yield daemon


async def test_interceptors_see_every_kind_of_call(daemon: FakeDaemon) -> None:
    async def handle(requests: Requests, context: Context) -> Events:
        started, *events = run_events(*chunks([b"a"]), ended=pb.ProcessExit(exit_code=7))
        await anext(requests)
        yield started
        assert (await anext(requests)).stdin.data == b"data"
        for event in events:
            yield event

    daemon.runs(handle)
    daemon.answers("WaitProcess", service_pb.WaitProcessResponse(process=PROCESS))
    daemon.outputs(service_pb.ReadOutputResponse(end=pb.OutputEnd()))
    options = [("grpc.primary_user_agent", "mine")]
    async with Client(daemon.target, interceptors=INTERCEPTORS, channel_options=options) as client:
        async with client.run_process(["x"]) as run:
            assert (await anext(run)).HasField("started")
            await run.write_stdin(b"data")
            assert [event.WhichOneof("event") async for event in run][-1] == "end"
        assert daemon.metadata.pop("traceparent") == "00-1-1-00"
        assert daemon.metadata["user-agent"].startswith("mine ")
        await client.wait_process(NAME)
        assert daemon.metadata.pop("traceparent") == "00-1-1-00"
        assert [event async for event in client.read_output(NAME)]
        assert daemon.metadata.pop("traceparent") == "00-1-1-00"


async def test_a_silent_call_with_interceptors_is_left(daemon: FakeDaemon) -> None:
    calls = 0
    beat = service_pb.RunProcessResponse(heartbeat=service_pb.Heartbeat())

    async def handle(requests: Requests, context: Context) -> Events:
        nonlocal calls
        calls += 1
        assert (await anext(requests)).heartbeat_interval.ToMilliseconds() == 100
        started, *events = run_events()
        yield started
        yield beat
        if calls == 1:
            await anyio.sleep_forever()
        for event in events:
            yield event

    daemon.runs(handle)
    for interceptors in ((), INTERCEPTORS):
        calls = 0
        async with (
            Client(daemon.target, keepalive=0.01, interceptors=interceptors) as client,
            client.attach_process(NAME) as run,
        ):
            kinds = [event.WhichOneof("event") async for event in run]
        assert (calls, kinds[0], kinds[-1]) == (2, "started", "end")
        assert kinds.count("started") == 1
        assert "heartbeat" not in kinds


async def test_a_short_keepalive_asks_for_no_shorter_pieces_than_heartbeats(
    daemon: FakeDaemon,
) -> None:
    asked: list[int] = []

    async def wait(request: Message, _context: Context) -> Message:
        assert isinstance(request, service_pb.WaitProcessRequest)
        asked.append(request.timeout.ToMilliseconds())
        return service_pb.WaitProcessResponse(process=pb.Process(name=NAME))

    daemon.does("WaitProcess", wait)
    async with Client(daemon.target, keepalive=1e-9) as client:
        await client.wait_process(NAME)
    assert asked == [100]


async def test_the_process_of_a_block_has_an_owner_beside_it(daemon: FakeDaemon) -> None:
    owned = asyncio.Event()
    first: list[service_pb.RunProcessRequest] = []

    async def handle(requests: Requests, context: Context) -> Events:
        first.append(await anext(requests))
        owned.set()
        yield run_events()[0]
        await anyio.sleep_forever()

    process = pb.Process(name=NAME, uid="one", incarnation="boot")
    process.options.orphan_policy = KILL
    daemon.runs(handle)
    daemon.answers("CreateProcess", service_pb.CreateProcessResponse(process=process))
    daemon.answers("TerminateProcess", service_pb.TerminateProcessResponse(process=process))
    async with Client(daemon.target) as client:
        document = '{"CommandLine": "x"}'
        async with client.run(parameters_json=document, owner_grace=2, pin=True):
            await owned.wait()
    (create, *_) = daemon.requests
    assert isinstance(create, service_pb.CreateProcessRequest)
    assert create.options.output.overflow == pb.OVERFLOW_POLICY_BLOCK
    assert create.options.orphan_policy == KILL
    assert create.options.owner_grace.ToSeconds() == 2
    assert create.options.pin
    assert first[0].attach.owner
    assert first[0].attach.without_output


async def test_options_are_those_of_the_request(daemon: FakeDaemon) -> None:
    daemon.answers("CreateProcess", service_pb.CreateProcessResponse(process=PROCESS))
    async with Client(daemon.target) as client:
        await client.create(["x"])
        await client.create(
            ["x"],
            ring_bytes=4096,
            overflow=pb.OVERFLOW_POLICY_BLOCK,
            stderr=STDOUT,
            timeout=timedelta(seconds=1.5),
            drain_timeout=0,
        )
        with pytest.raises(TypeError, match="ring_byte"):
            await client.create(["x"], ring_byte=1)  # type: ignore[call-arg]
    plain, kept = daemon.requests
    assert isinstance(plain, service_pb.CreateProcessRequest)
    assert isinstance(kept, service_pb.CreateProcessRequest)
    assert not plain.HasField("options")
    assert kept.options.output == pb.OutputOptions(
        ring_bytes=4096,
        overflow=pb.OVERFLOW_POLICY_BLOCK,
        stderr_to_stdout=True,
    )
    assert kept.options.run_timeout.ToMilliseconds() == 1500
    assert kept.options.HasField("drain_timeout")


@pytest.mark.parametrize("wrong", [-1, float("nan"), float("inf")])
def test_a_keepalive_that_is_none_is_refused(wrong: float) -> None:
    for client in (Client, blocking.Client):
        with pytest.raises(ValueError, match="keepalive is"):
            client("unix:///x", keepalive=wrong)
    Client("unix:///x", keepalive=0)


async def test_what_may_have_begun_is_asked_of_the_same_daemon_though_another_was_met(
    daemon: FakeDaemon,
) -> None:
    async with Client(daemon.target) as client:
        channel = client._channel
        creation = Creation(channel)
        assert (INCARNATION_KEY, INCARNATION) in (await creation.pin()).metadata
        channel.known.incarnation = "another"  # as another call has met it
        assert (INCARNATION_KEY, "another") in (await creation.pin()).metadata
        assert creation.is_survived(channel.lost("it was cut"))
        channel.known.incarnation = "a-third"
        assert (INCARNATION_KEY, "another") in (await creation.pin()).metadata
