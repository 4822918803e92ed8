"""How often a process object tries again, and what it sends then."""

import time
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc import error_details_pb2

from hcsd.v1 import process_pb2 as pb
from hcsd.v1 import process_service_pb2 as service_pb
from hcsd_client import (
    Client,
    DaemonRestartedError,
    InternalError,
    RemoteProcess,
    Retry,
    StdinBusyError,
    UnavailableError,
)
from tests.unit.test_client_fake import NAME, Context, FakeDaemon, fake_daemon, refuse

Code = grpc.StatusCode
ATTEMPTS = 3
PROCESS = pb.Process(name=NAME, uid="one", incarnation="boot", pid=7)
STDOUT = pb.OUTPUT_STREAM_STDOUT

Reads = AsyncGenerator[service_pb.ReadOutputResponse]


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[FakeDaemon]:
    async with fake_daemon(tmp_path) as daemon:
        daemon.answers("CreateProcess", service_pb.CreateProcessResponse(process=PROCESS))
        yield daemon


@pytest.fixture
async def process(daemon: FakeDaemon) -> AsyncIterator[RemoteProcess]:
    retry = Retry(attempts=ATTEMPTS, first_delay=0.001, max_delay=0.002)
    async with Client(daemon.target, retry=retry) as client:
        yield await client.create(["x"])
        daemon.requests.clear()


async def unavailable(context: Context, *details: Message) -> None:
    await refuse(context, Code.UNAVAILABLE, "stopping", "DAEMON_STOPPING", *details)


def started(offset: int) -> service_pb.ReadOutputResponse:
    cursor = pb.OutputCursor(stream=STDOUT, offset=offset)
    return service_pb.ReadOutputResponse(
        started=pb.OutputStarted(process=PROCESS, cursors=[cursor])
    )


def chunk(offset: int, data: bytes) -> service_pb.ReadOutputResponse:
    return service_pb.ReadOutputResponse(
        chunk=pb.OutputChunk(stream=STDOUT, offset=offset, data=data)
    )


async def test_every_call_names_the_run_of_the_daemon_that_it_means(
    daemon: FakeDaemon, process: RemoteProcess
) -> None:
    # The one that creates it is, too, so that its command cannot run twice.
    assert daemon.metadata.pop("hcsd-incarnation") == "boot"
    daemon.answers("WriteInput", service_pb.WriteInputResponse())
    daemon.answers("WaitProcess", service_pb.WaitProcessResponse(process=PROCESS))
    for call in (process.stdin.close, process.wait):
        await call()
        assert daemon.metadata.pop("hcsd-incarnation") == "boot"


async def test_as_long_as_bytes_come_there_is_no_limit(
    daemon: FakeDaemon, process: RemoteProcess
) -> None:
    data = b"0123456789abcdef"

    async def read(request: service_pb.ReadOutputRequest, context: Context) -> Reads:
        offset = request.cursors[0].offset
        yield started(offset)
        if offset < len(data):
            yield chunk(offset, data[offset : offset + 1])
            await unavailable(context)
        yield service_pb.ReadOutputResponse(eof=pb.OutputEof(stream=STDOUT, end_offset=offset))

    daemon.reads(read)
    assert await process.stdout.read() == data


async def test_without_progress_the_last_error_is_raised(
    daemon: FakeDaemon, process: RemoteProcess
) -> None:
    calls = 0

    async def read(request: service_pb.ReadOutputRequest, context: Context) -> Reads:
        nonlocal calls
        calls += 1
        await unavailable(context)
        yield started(0)

    async def refuse_unary(request: Message, context: Context) -> Message:
        nonlocal calls
        calls += 1
        await unavailable(context)
        raise AssertionError

    daemon.reads(read)
    for method in ("WaitProcess", "GetProcess", "WriteInput"):
        daemon.does(method, refuse_unary)
    for call in (process.stdout.receive, process.wait, process.get, process.stdin.close):
        calls = 0
        with pytest.raises(UnavailableError):
            await call()
        assert calls == 1 + ATTEMPTS


async def test_the_daemon_may_ask_for_patience(daemon: FakeDaemon, process: RemoteProcess) -> None:
    asked: list[float] = []

    async def wait(request: Message, context: Context) -> Message:
        asked.append(time.monotonic())
        if len(asked) == 1:
            retry = error_details_pb2.RetryInfo()
            retry.retry_delay.FromMilliseconds(100)
            await unavailable(context, retry)
        return service_pb.WaitProcessResponse(process=PROCESS)

    daemon.does("WaitProcess", wait)
    await process.wait()
    assert asked[1] - asked[0] >= 0.1


async def test_a_write_is_repeated_as_it_was(daemon: FakeDaemon, process: RemoteProcess) -> None:
    writes: list[service_pb.WriteInputRequest] = []

    async def write(request: Message, context: Context) -> Message:
        assert isinstance(request, service_pb.WriteInputRequest)
        writes.append(request)
        if len(writes) == 2:
            await unavailable(context)
        if len(writes) == 3:  # the second is still under way
            await refuse(context, Code.FAILED_PRECONDITION, "busy", "STDIN_BUSY")
        end = request.offset + len(request.data)
        return service_pb.WriteInputResponse(
            committed_offset=end, skipped_bytes=2 if len(writes) == 4 else 0
        )

    daemon.does("WriteInput", write)
    await process.stdin.write(b"01")
    await process.stdin.write(b"2345")
    for request in writes:
        request.ClearField("timeout")  # shorter after a lost one
    first = service_pb.WriteInputRequest(name=NAME, data=b"01")
    second = service_pb.WriteInputRequest(name=NAME, offset=2, data=b"2345")
    assert writes == [first, second, second, second]


async def test_stdin_that_is_busy_with_others_is_no_reason_to_wait(
    daemon: FakeDaemon, process: RemoteProcess
) -> None:
    writes = 0

    async def write(request: Message, context: Context) -> Message:
        nonlocal writes
        writes += 1
        await refuse(context, Code.FAILED_PRECONDITION, "busy", "STDIN_BUSY")
        raise AssertionError

    daemon.does("WriteInput", write)
    with pytest.raises(StdinBusyError):
        await process.stdin.write(b"x")
    assert writes == 1


async def test_a_creation_is_repeated_with_the_request_id_that_it_had(daemon: FakeDaemon) -> None:
    ids: list[str] = []

    async def create(request: Message, context: Context) -> Message:
        assert isinstance(request, service_pb.CreateProcessRequest)
        ids.append(request.request_id)
        if len(ids) % 2:
            await unavailable(context)
        return service_pb.CreateProcessResponse(process=PROCESS)

    daemon.does("CreateProcess", create)
    async with Client(daemon.target) as client:
        await client.create(["x"])
        await client.create(["x"])
    assert ids[0] == ids[1] != ids[2] == ids[3]


async def test_other_errors_are_not_for_a_second_try(
    daemon: FakeDaemon, process: RemoteProcess
) -> None:
    calls = 0

    async def fail(request: Message, context: Context) -> Message:
        nonlocal calls
        calls += 1
        await refuse(context, Code.INTERNAL, "a fault", "INTERNAL")
        raise AssertionError

    daemon.does("GetProcess", fail)
    with pytest.raises(InternalError):
        await process.get()
    assert calls == 1


async def test_what_a_daemon_that_stops_may_have_begun_is_not_begun_by_the_next(
    daemon: FakeDaemon,
) -> None:
    asked = 0

    async def create(request: Message, context: Context) -> Message:
        nonlocal asked
        asked += 1
        if asked == 1:
            await unavailable(context)
        if asked == 2:
            await refuse(context, Code.FAILED_PRECONDITION, "another run", "DAEMON_RESTARTED")
        return service_pb.CreateProcessResponse(process=PROCESS)

    daemon.does("CreateProcess", create)
    async with Client(daemon.target, retry=Retry(first_delay=0.001)) as client:
        with pytest.raises(DaemonRestartedError):
            await client.create(["x"])
    assert asked == 2
