"""A run: what goes to the process and what comes from it, at the same time."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import suppress
from pathlib import Path

import anyio
import grpc
import pytest

from hcsd.v1 import process_pb2 as pb
from hcsd.v1 import process_service_pb2 as service_pb
from hcsd_client import (
    CallError,
    Client,
    ClientClosedError,
    ExecutableNotFoundError,
    OutOfRangeError,
    Retry,
    Run,
    RunEndedError,
    StdinClosedError,
    UnavailableError,
)
from hcsd_client._run import STDIN_MESSAGE_BYTES, STDIN_WINDOW_BYTES
from tests.unit.test_client_fake import (
    NAME,
    Context,
    FakeDaemon,
    Requests,
    chunks,
    fake_daemon,
    make_status,
    refuse,
    run_events,
)

Events = AsyncGenerator[service_pb.RunProcessResponse]


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[FakeDaemon]:
    async with fake_daemon(tmp_path) as daemon:
        yield daemon


@pytest.fixture
async def client(daemon: FakeDaemon) -> AsyncIterator[Client]:
    async with Client(daemon.target, keepalive=None) as client:
        yield client


def accepted(offset: int) -> service_pb.RunProcessResponse:
    progress = service_pb.StdinAccepted(committed_offset=offset)
    return service_pb.RunProcessResponse(stdin_accepted=progress)


def stdin_error(code: grpc.StatusCode, reason: str) -> service_pb.RunProcessResponse:
    error = service_pb.OpError(
        operation=service_pb.RUN_OPERATION_STDIN, status=make_status(code, "cannot write", reason)
    )
    return service_pb.RunProcessResponse(op_error=error)


async def drain(run: Run) -> None:
    async for _ in run:
        pass


async def test_a_run_tells_what_happens_in_order(daemon: FakeDaemon, client: Client) -> None:
    events = run_events(*chunks([b"a", b"\0\xff"]), ended=pb.ProcessExit(exit_code=0xC000013A))

    async def handle(requests: Requests, context: Context) -> Events:
        first = await anext(requests)
        assert first.create.spec.argv.args == ["sh", "-c", "true"]
        assert first.create.parent == "systems/host"
        for event in events:
            yield event

    daemon.runs(handle)
    async with client.run_process(["sh", "-c", "true"]) as run:
        assert [event async for event in run] == events
        assert [event async for event in run] == []
        with pytest.raises(RunEndedError):
            await run.signal("TERM")


async def test_everything_is_sent_as_it_is_asked_for(daemon: FakeDaemon, client: Client) -> None:
    sent: list[service_pb.RunProcessRequest] = []

    async def handle(requests: Requests, context: Context) -> Events:
        await anext(requests)
        async for request in requests:
            sent.append(request)
            if request.HasField("close_stdin"):
                break
        for event in run_events():
            yield event

    daemon.runs(handle)
    big = bytes(range(256)) * (STDIN_MESSAGE_BYTES // 256) + b"end"
    async with client.run_process(["cat"]) as run:
        await run.write_stdin(b"one")
        await run.write_stdin(bytearray(b"two"))
        await run.resize(120, 40)
        await run.signal("INT")
        await run.signal(9)
        await run.write_stdin(memoryview(big))
        await run.close_stdin()
        await drain(run)
    stdin = service_pb.StdinData
    request = service_pb.RunProcessRequest
    assert sent == [
        request(stdin=stdin(offset=0, data=b"one")),
        request(stdin=stdin(offset=3, data=b"two")),
        request(resize=pb.Console(columns=120, rows=40)),
        request(signal=pb.ProcessSignal(signal_name="INT")),
        request(signal=pb.ProcessSignal(signal_number=9)),
        request(stdin=stdin(offset=6, data=big[:STDIN_MESSAGE_BYTES])),
        request(stdin=stdin(offset=6 + STDIN_MESSAGE_BYTES, data=b"end")),
        request(close_stdin=service_pb.CloseStdin()),
    ]


async def test_who_attaches_writes_behind_what_others_have_written(
    daemon: FakeDaemon, client: Client
) -> None:
    sent: list[service_pb.RunProcessRequest] = []

    async def handle(requests: Requests, context: Context) -> Events:
        yield run_events()[0]
        async for request in requests:
            sent.append(request)
            if request.HasField("stdin"):
                yield accepted(1000 + len(request.stdin.data))
            elif request.HasField("close_stdin"):
                break
        for event in run_events()[1:]:
            yield event

    daemon.runs(handle)
    cursors = [pb.OutputCursor(stream=pb.OUTPUT_STREAM_STDOUT, offset=5)]
    run = client.attach_process(NAME, cursors=cursors, take_over=True)
    async with run, anyio.create_task_group() as tasks:
        tasks.start_soon(drain, run)
        await run.write_stdin(b"one")
        await run.write_stdin(b"two")
        await run.close_stdin()
    stdin = service_pb.StdinData
    request = service_pb.RunProcessRequest
    assert sent == [
        request(
            attach=service_pb.RunAttach(
                name=NAME, cursors=cursors, gap_policy=pb.GAP_POLICY_REPORT, take_over=True
            )
        ),
        request(stdin=stdin()),
        request(stdin=stdin(offset=1000, data=b"one")),
        request(stdin=stdin(offset=1003, data=b"two")),
        request(close_stdin=service_pb.CloseStdin()),
    ]


async def test_stdin_waits_for_the_process_and_a_signal_does_not(
    daemon: FakeDaemon, client: Client
) -> None:
    received = 0
    signalled = anyio.Event()

    async def handle(requests: Requests, context: Context) -> Events:
        nonlocal received
        await anext(requests)
        yield run_events()[0]
        async for request in requests:
            received += len(request.stdin.data)
            if request.HasField("signal"):
                signalled.set()
                assert received == STDIN_WINDOW_BYTES  # all that may be on its way
                yield accepted(received)
            elif request.HasField("close_stdin"):
                yield run_events()[-1]
                return
            elif signalled.is_set():
                yield accepted(received)

    daemon.runs(handle)
    total = 3 * STDIN_WINDOW_BYTES + 1
    async with client.run_process(["cat"]) as run, anyio.create_task_group() as tasks:

        async def write() -> None:
            await run.write_stdin(bytes(total))
            await run.close_stdin()

        tasks.start_soon(write)
        tasks.start_soon(drain, run)
        await anyio.wait_all_tasks_blocked()
        assert received <= STDIN_WINDOW_BYTES
        await run.signal("TERM")
    assert received == total


async def test_who_attaches_may_claim_stdin_and_wait_until_it_is_taken(
    daemon: FakeDaemon, client: Client
) -> None:
    sent: list[service_pb.RunProcessRequest] = []
    written = anyio.Event()

    async def handle(requests: Requests, context: Context) -> Events:
        sent.append(await anext(requests))
        yield run_events()[0]
        sent.append(await anext(requests))
        yield accepted(1000)
        sent.append(await anext(requests))
        await written.wait()
        yield accepted(1003)
        await anext(requests, None)

    daemon.runs(handle)
    run = client.attach_process(NAME, take_over=True)
    async with run, anyio.create_task_group() as tasks:
        tasks.start_soon(drain, run)
        await run.claim_stdin()
        await run.write_stdin(b"one")
        with anyio.move_on_after(0.01) as early:
            await run.flush_stdin()
        assert early.cancelled_caught
        written.set()
        await run.flush_stdin()
        tasks.cancel_scope.cancel()
    attach = service_pb.RunAttach(name=NAME, gap_policy=pb.GAP_POLICY_REPORT, take_over=True)
    assert sent == [
        service_pb.RunProcessRequest(attach=attach),
        service_pb.RunProcessRequest(stdin=service_pb.StdinData()),
        service_pb.RunProcessRequest(stdin=service_pb.StdinData(offset=1000, data=b"one")),
    ]


async def test_a_writer_learns_that_the_process_closed_its_stdin(
    daemon: FakeDaemon, client: Client
) -> None:
    async def handle(requests: Requests, context: Context) -> Events:
        await anext(requests)
        await anext(requests)
        yield stdin_error(grpc.StatusCode.FAILED_PRECONDITION, "STDIN_CLOSED")
        async for request in requests:
            if request.HasField("signal"):
                break
        yield run_events()[-1]

    daemon.runs(handle)
    async with client.run_process(["head"]) as run, anyio.create_task_group() as tasks:
        tasks.start_soon(drain, run)
        with pytest.raises(StdinClosedError):
            await run.write_stdin(bytes(2 * STDIN_WINDOW_BYTES))
        with pytest.raises(StdinClosedError):
            await run.write_stdin(b"more")
        await run.signal("TERM")


async def test_the_end_wakes_a_writer(daemon: FakeDaemon, client: Client) -> None:
    async def handle(requests: Requests, context: Context) -> Events:
        await anext(requests)
        for _ in range(STDIN_WINDOW_BYTES // STDIN_MESSAGE_BYTES):
            await anext(requests)
        for event in run_events():
            yield event

    daemon.runs(handle)
    async with client.run_process(["true"]) as run, anyio.create_task_group() as tasks:
        tasks.start_soon(drain, run)
        with pytest.raises(RunEndedError):
            await run.write_stdin(bytes(2 * STDIN_WINDOW_BYTES))


@pytest.mark.parametrize("ends_well", [True, False])
async def test_writing_into_the_end_loses_no_output(ends_well: bool, daemon: FakeDaemon) -> None:
    """With a write under way that meets the end, gRPC's own read() drops what it has received."""
    written = 100

    async def handle(requests: Requests, context: Context) -> Events:
        await anext(requests)
        for event in run_events(*chunks([b"x"] * written))[: None if ends_well else -2]:
            yield event
        if not ends_well:
            await refuse(context, grpc.StatusCode.UNAVAILABLE, "stopping", "DAEMON_STOPPING")

    daemon.runs(handle)
    async with (
        Client(daemon.target, retry=Retry(attempts=0)) as client,
        client.run_process(["x"]) as run,
        anyio.create_task_group() as tasks,
    ):

        async def write() -> None:
            with suppress(RunEndedError):
                while True:
                    await run.signal("TERM")

        tasks.start_soon(write)
        kinds: list[str | None] = []
        failure: CallError | None = None
        try:
            async for event in run:
                kinds.append(event.WhichOneof("event"))
                await anyio.lowlevel.checkpoint()  # lets the writer find out first
        except CallError as error:
            failure = error
    assert kinds.count("chunk") == written
    assert (kinds[-1] == "end") is ends_well
    assert type(failure) is (type(None) if ends_well else UnavailableError)


async def test_a_failure_to_start_is_told_by_the_iteration(
    daemon: FakeDaemon, client: Client
) -> None:
    async def handle(requests: Requests, context: Context) -> Events:
        await refuse(context, grpc.StatusCode.NOT_FOUND, "no such program", "EXECUTABLE_NOT_FOUND")
        yield service_pb.RunProcessResponse()

    daemon.runs(handle)
    async with client.run_process(["nosuch"]) as run:
        with pytest.raises(ExecutableNotFoundError, match="no such program"):
            await anext(run)
        with pytest.raises(RunEndedError):
            await run.write_stdin(b"x")


async def test_a_refusal_is_never_mistaken_for_a_fault_of_grpc(
    daemon: FakeDaemon, client: Client
) -> None:
    """The first write may meet the end of the call: 1 in 1,000 then reported INTERNAL for good."""

    async def handle(requests: Requests, context: Context) -> None:
        await refuse(context, grpc.StatusCode.NOT_FOUND, "no such program", "EXECUTABLE_NOT_FOUND")

    daemon.drives(handle)
    for _ in range(500):
        async with client.run_process(["nosuch"]) as run:
            with pytest.raises(ExecutableNotFoundError):
                await anext(run)


async def test_a_failed_step_is_an_event_and_the_run_goes_on(
    daemon: FakeDaemon, client: Client
) -> None:
    failed = stdin_error(grpc.StatusCode.OUT_OF_RANGE, "STDIN_OFFSET")

    async def handle(requests: Requests, context: Context) -> Events:
        await anext(requests)
        for event in run_events(failed):
            yield event

    daemon.runs(handle)
    async with client.run_process(["cat"]) as run:
        assert failed in [event async for event in run]


async def test_a_failed_write_is_raised_by_the_next(daemon: FakeDaemon, client: Client) -> None:
    async def handle(requests: Requests, context: Context) -> Events:
        await anext(requests)
        yield stdin_error(grpc.StatusCode.OUT_OF_RANGE, "STDIN_OFFSET")
        await anyio.sleep_forever()

    daemon.runs(handle)
    async with client.run_process(["cat"]) as run:
        await anext(run)
        with pytest.raises(OutOfRangeError):
            await run.write_stdin(b"x")


async def test_leaving_detaches(daemon: FakeDaemon, client: Client) -> None:
    detached = anyio.Event()

    async def handle(requests: Requests, context: Context) -> Events:
        await anext(requests)
        yield run_events()[0]
        try:
            await anyio.sleep_forever()
        finally:
            detached.set()

    daemon.runs(handle)
    async with client.run_process(["sleep"]) as run:
        await anext(run)
    await detached.wait()
    with pytest.raises(RunEndedError):
        await run.signal("TERM")
    with pytest.raises(ClientClosedError):
        await anext(run)


async def test_a_run_begins_when_it_is_entered(client: Client) -> None:
    with pytest.raises(RunEndedError, match="async with"):
        await client.run_process(["x"]).signal("TERM")
