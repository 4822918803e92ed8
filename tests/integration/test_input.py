"""WriteInput and StreamInput: offsets, one writer at a time, and an end-of-file that is asked for."""

import asyncio
import contextlib
import os
import random

import anyio
import grpc
import pytest

from hcsd.v1 import process_pb2 as pb
from hcsd.v1 import process_service_pb2 as service_pb
from tests.integration.wire import (
    HOST,
    STDOUT,
    Client,
    Refusal,
    Run,
    code_of,
    refused,
    seconds,
    sh,
)
from tests.support.census import state_of

Code = grpc.StatusCode
Request = service_pb.StreamInputRequest
Start = service_pb.StreamInputStart

KIB = 1024
MIB = 1024 * KIB
PIPE_BYTES = 64 * KIB
HUGE = 2**64 - 1
INCARNATION = "hcsd-incarnation"
NOBODY = f"{HOST}/processes/nobody"
PIPE = pb.ProcessSpec(stdin_mode=pb.STDIN_MODE_PIPE)
CAT = pb.Argv(args=["cat"])
FOREVER = pb.Argv(args=["sleep", "1000"])
# Reads nothing until it is sent CONT.
CAT_LATER = sh("kill -STOP $$; exec cat")


class Stream:
    """A StreamInput call."""

    def __init__(self, client: Client) -> None:
        self.call = client.processes.StreamInput()

    @classmethod
    async def start(
        cls, client: Client, name: str, offset: int = 0, *, take_over: bool = False
    ) -> "Stream":
        stream = cls(client)
        start = Start(name=name, offset=offset, take_over=take_over)
        await stream.send(Request(start=start))
        return stream

    async def send(self, request: Request) -> None:
        """Send a request; one that the daemon does not want any more is for `response` to tell."""
        with contextlib.suppress(asyncio.InvalidStateError, grpc.aio.AioRpcError):
            await self.call.write(request)

    async def data(self, data: bytes) -> None:
        await self.send(Request(data=data))

    async def close(self) -> None:
        await self.send(Request(close=service_pb.CloseStdin()))

    async def response(self) -> tuple[int, bool]:
        """End the requests; what the daemon answers."""
        with contextlib.suppress(asyncio.InvalidStateError, grpc.aio.AioRpcError):
            await self.call.done_writing()
        response = await self.call
        return response.committed_offset, response.closed


async def write(
    client: Client, name: str, offset: int, data: bytes = b"", *, close: bool = False
) -> tuple[int, bool]:
    request = service_pb.WriteInputRequest(name=name, offset=offset, data=data, close_stdin=close)
    response = await client.processes.WriteInput(request)
    return response.committed_offset, response.closed


async def until_committed(client: Client, name: str, offset: int) -> None:
    """Wait until the pipe has taken so much; each look is a round trip, so others get their turn."""
    while (await client.get(name)).stdin.end_offset < offset:
        pass


async def go_on(client: Client, name: str) -> None:
    """Send CONT to what stops itself, when it has."""
    pid = (await client.get(name)).pid
    while state_of(pid) != "T":
        await client.get(name)
    await client.signal(name, pb.ProcessSignal(signal_name="CONT"))


async def until_writers(client: Client, name: str, count: int) -> None:
    """Wait until the daemon counts so many writers."""
    with anyio.fail_after(30):
        while (await client.get(name)).stdin.readers != count:
            pass


def committed_offset(refusal: Refusal) -> int:
    return int(refusal.info.metadata["committed_offset"])


# --- one write ---


async def test_a_write_reaches_the_process_and_is_counted(client: Client) -> None:
    name = (await client.create(CAT, spec=PIPE)).name
    assert await write(client, name, 0, b"one ") == (4, False)
    assert await write(client, name, 4) == (4, False)
    assert await write(client, name, 4, b"two", close=True) == (7, True)
    assert (await client.read(name)).stdout == b"one two"


async def test_a_write_that_is_repeated_changes_nothing(client: Client) -> None:
    name = (await client.create(CAT, spec=PIPE)).name
    for _ in range(2):
        assert await write(client, name, 0, b"012") == (3, False)
    assert await write(client, name, 1, b"1234") == (5, False)
    assert await write(client, name, 0) == (5, False)
    for _ in range(2):
        assert await write(client, name, 3, b"345", close=True) == (6, True)
    assert (await client.read(name)).stdout == b"012345"
    # Nor does it after the end of the process.
    assert await write(client, name, 0, b"012") == (6, True)


async def test_a_write_tells_how_much_of_it_was_there_already(client: Client) -> None:
    name = (await client.create(CAT, spec=PIPE)).name
    for offset, data, skipped in ((0, b"0123", 0), (2, b"2345", 2), (1, b"1234", 4), (6, b"", 0)):
        request = service_pb.WriteInputRequest(name=name, offset=offset, data=data)
        assert (await client.processes.WriteInput(request)).skipped_bytes == skipped


async def test_a_call_for_another_run_of_the_daemon_is_refused(client: Client) -> None:
    made = await client.create(CAT, spec=PIPE)
    name, right = made.name, ((INCARNATION, made.incarnation),)
    request = service_pb.WriteInputRequest(name=name, data=b"x")
    assert (await client.processes.WriteInput(request, metadata=right)).committed_offset == 1
    wrong = ((INCARNATION, "4d9c3f86-0b53-4e71-8f2f-1e3c8f5e7a11"),)
    request = service_pb.WriteInputRequest(name=name, offset=1, data=b"x")
    with refused(Code.FAILED_PRECONDITION, "DAEMON_RESTARTED") as refusal:
        await client.processes.WriteInput(request, metadata=wrong)
    assert refusal.value.info.metadata["incarnation"] == made.incarnation
    read = service_pb.ReadOutputRequest(name=name)
    with refused(Code.FAILED_PRECONDITION, "DAEMON_RESTARTED"):
        await client.processes.ReadOutput(read, metadata=wrong).read()
    assert (await client.get(name)).stdin.end_offset == 1


@pytest.mark.parametrize("offset", [5, 1000, HUGE])
async def test_a_write_that_would_leave_a_hole_is_refused(client: Client, offset: int) -> None:
    name = (await client.create(CAT, spec=PIPE)).name
    assert await write(client, name, 0, b"0123") == (4, False)
    with refused(Code.OUT_OF_RANGE, "STDIN_OFFSET") as refusal:
        await write(client, name, offset, b"x")
    assert committed_offset(refusal.value) == 4
    with refused(Code.OUT_OF_RANGE, "STDIN_OFFSET"):
        await write(client, name, offset, close=True)
    stream = await Stream.start(client, name, offset)
    with refused(Code.OUT_OF_RANGE, "STDIN_OFFSET") as refusal:
        await stream.call
    assert committed_offset(refusal.value) == 4
    assert await write(client, name, 4, b"4", close=True) == (5, True)
    assert (await client.read(name)).stdout == b"01234"


async def test_without_stdin_the_process_reads_the_end_at_once(client: Client) -> None:
    name = (await client.create(CAT)).name
    assert (await client.wait(name)).exit.exit_code == 0
    with refused(Code.FAILED_PRECONDITION, "STDIN_CLOSED") as refusal:
        await write(client, name, 0, b"x")
    assert "started without" in refusal.value.message
    stream = await Stream.start(client, name)
    await stream.data(b"x")
    with refused(Code.FAILED_PRECONDITION, "STDIN_CLOSED"):
        await stream.response()


async def test_nobody_has_no_stdin(client: Client) -> None:
    with refused(Code.NOT_FOUND, "PROCESS_NOT_FOUND"):
        await write(client, NOBODY, 0, b"x")
    with refused(Code.NOT_FOUND, "PROCESS_NOT_FOUND"):
        await (await Stream.start(client, NOBODY)).response()


async def test_a_deadline_leaves_committed_what_the_pipe_has_taken(client: Client) -> None:
    name = (await client.create(CAT_LATER, spec=PIPE)).name
    data = os.urandom(3 * PIPE_BYTES)
    request = service_pb.WriteInputRequest(name=name, data=data)
    call = client.processes.WriteInput(request, timeout=0.3)
    assert await code_of(call) is Code.DEADLINE_EXCEEDED
    await until_writers(client, name, 0)
    assert (await client.get(name)).stdin.end_offset == PIPE_BYTES
    await go_on(client, name)
    assert await write(client, name, 0, data, close=True) == (len(data), True)
    assert (await client.read(name)).stdout == data


@pytest.mark.parametrize("timeout", [0, 0.1])
async def test_a_write_in_pieces_goes_on_from_what_the_pipe_has_taken(
    client: Client, timeout: float
) -> None:
    name = (await client.create(CAT_LATER, spec=PIPE)).name
    data = os.urandom(3 * PIPE_BYTES)

    async def piece(offset: int) -> service_pb.WriteInputResponse:
        request = service_pb.WriteInputRequest(
            name=name,
            offset=offset,
            data=data[offset:],
            close_stdin=True,
            timeout=seconds(timeout),
        )
        return await client.processes.WriteInput(request)

    answer = await piece(0)
    assert (answer.timed_out, answer.closed) == (True, False)
    assert answer.committed_offset < len(data)
    await go_on(client, name)
    while answer.timed_out:
        answer = await piece(answer.committed_offset)
        assert answer.skipped_bytes == 0
    assert (answer.committed_offset, answer.closed) == (len(data), True)
    assert (await client.read(name)).stdout == data


# --- a stream ---


async def test_a_stream_ends_stdin_only_if_it_says_so(client: Client) -> None:
    name = (await client.create(CAT, spec=PIPE)).name
    stream = await Stream.start(client, name)
    await stream.data(b"one ")
    await stream.data(b"")
    await stream.data(b"two ")
    assert await stream.response() == (8, False)
    assert not (await client.get(name)).stdin.closed
    stream = await Stream.start(client, name, offset=4)
    await stream.data(b"two three")
    await stream.close()
    assert await stream.response() == (13, True)
    assert (await client.read(name)).stdout == b"one two three"


async def test_a_stream_that_is_repeated_after_its_end_is_answered_again(client: Client) -> None:
    name = (await client.create(CAT, spec=PIPE)).name
    for _ in range(2):
        stream = await Stream.start(client, name)
        await stream.data(b"all")
        await stream.close()
        assert await stream.response() == (3, True)
        assert (await client.read(name)).stdout == b"all"


@pytest.mark.parametrize(
    ("requests", "fields"),
    [
        ([], ["request"]),
        ([Request()], ["request"]),
        ([Request(data=b"early")], ["request"]),
        ([Request(close=service_pb.CloseStdin())], ["request"]),
        ([Request(start=Start())], ["start.name", "start.name"]),
        ([Request(start=Start(name="cat"))], ["start.name"]),
    ],
    ids=["none", "empty", "data", "close", "no name", "bad name"],
)
async def test_a_stream_begins_with_a_start(
    client: Client, requests: list[Request], fields: list[str]
) -> None:
    stream = Stream(client)
    for request in requests:
        await stream.send(request)
    with refused(Code.INVALID_ARGUMENT, "INVALID_REQUEST") as refusal:
        await stream.response()
    assert refusal.value.fields == fields[: len(refusal.value.fields)]


async def test_a_stream_with_a_bad_step_ends_and_stdin_stays_open(client: Client) -> None:
    name = (await client.create(CAT, spec=PIPE)).name
    for bad in (Request(), Request(start=Start(name=name))):
        stream = await Stream.start(client, name)
        await stream.send(bad)
        with refused(Code.INVALID_ARGUMENT, "INVALID_REQUEST"):
            await stream.response()
    stream = await Stream.start(client, name)
    await stream.data(b"all")
    await stream.close()
    await stream.data(b"more")
    with refused(Code.INVALID_ARGUMENT, "INVALID_REQUEST"):
        await stream.response()
    assert (await client.read(name)).stdout == b"all"


async def test_a_dropped_client_is_not_the_end_of_stdin(client: Client) -> None:
    name = (await client.create(CAT, spec=PIPE)).name
    stream = await Stream.start(client, name)
    await stream.data(b"half")
    await until_committed(client, name, 4)
    stream.call.cancel()
    await until_writers(client, name, 0)
    found = await client.get(name)
    assert (found.state, found.stdin.closed) == (pb.PROCESS_STATE_RUNNING, False)
    assert await write(client, name, 4, b" whole", close=True) == (10, True)
    assert (await client.read(name)).stdout == b"half whole"


@pytest.mark.timeout(60)
async def test_a_stream_that_breaks_ten_times_is_byte_exact_both_ways(client: Client) -> None:
    choose = random.Random(1)  # noqa: S311  (repeatable)
    data = os.urandom(50 * MIB)
    spec = pb.ProcessSpec(output=pb.OutputOptions(overflow=pb.OVERFLOW_POLICY_BLOCK))
    spec.MergeFrom(PIPE)
    name = (await client.create(CAT, spec=spec)).name
    output = client.follow(name)
    breaks = sorted(choose.sample(range(len(data)), 10))

    async def send(offset: int, until: int) -> Stream:
        stream = await Stream.start(client, name, offset, take_over=True)
        while offset < until:
            size = choose.randrange(1, 256 * KIB)
            await stream.data(data[offset : min(until, offset + size)])
            offset += size
        return stream

    async def write_all() -> None:
        for until in breaks:
            committed = (await client.get(name)).stdin.end_offset
            # Where it stopped, or before that: what the pipe has taken is skipped.
            stream = await send(max(0, committed - choose.randrange(100_000)), until)
            stream.call.cancel()
        stream = await send((await client.get(name)).stdin.end_offset, len(data))
        await stream.close()
        assert await stream.response() == (len(data), True)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(write_all)
        received = await output.finish()
    assert received.data[STDOUT] == data


async def test_stdin_that_is_closed_early_stops_the_writer_and_no_output(client: Client) -> None:
    name = (
        await client.create(sh("head -c 5; exec <&-; echo ' and more'; exec sleep 1000"), spec=PIPE)
    ).name
    feed = client.follow(name)
    assert await write(client, name, 0, b"01234") == (5, False)
    await feed.until_out(b"and more\n")
    with refused(Code.FAILED_PRECONDITION, "STDIN_CLOSED") as refusal:
        await write(client, name, 5, b"56789")
    assert committed_offset(refusal.value) == 5
    assert "closed it" in refusal.value.message
    await client.terminate(name)
    assert (await feed.finish()).stdout == b"01234 and more\n"


@pytest.mark.parametrize("how", ["exit", "close", "delete"])
async def test_a_stream_that_waits_ends_with_stdin(client: Client, how: str) -> None:
    name = (await client.create(FOREVER, spec=PIPE)).name
    stream = await Stream.start(client, name)
    await stream.data(b"0123")
    await until_committed(client, name, 4)
    if how == "exit":
        await client.terminate(name)
    elif how == "delete":
        await client.delete(name, force=True)
    else:
        handles = service_pb.CloseHandles(handles=[service_pb.STDIO_HANDLE_STDIN])
        await client.processes.ModifyProcess(
            service_pb.ModifyProcessRequest(name=name, close_handles=handles)
        )
    with refused(Code.FAILED_PRECONDITION, "STDIN_CLOSED") as refusal:
        await stream.call
    assert committed_offset(refusal.value) == 4


# --- one writer at a time ---


async def test_there_is_one_writer_at_a_time(client: Client) -> None:
    name = (await client.create(CAT, spec=PIPE)).name
    assert (await client.get(name)).stdin.readers == 0
    stream = await Stream.start(client, name)
    await until_writers(client, name, 1)
    with refused(Code.FAILED_PRECONDITION, "STDIN_BUSY"):
        await write(client, name, 0, b"x")
    with refused(Code.FAILED_PRECONDITION, "STDIN_BUSY"):
        await (await Stream.start(client, name)).response()
    run = await client.attach(service_pb.RunAttach(name=name))
    await run.send(service_pb.RunProcessRequest(close_stdin=service_pb.CloseStdin()))
    await run.until("op_error")
    assert "STDIN_BUSY" in str(run.output.op_errors[0].status)
    assert run.output.op_errors[0].operation == service_pb.RUN_OPERATION_CLOSE_STDIN
    await stream.data(b"first")
    assert await stream.response() == (5, False)
    assert await write(client, name, 5, b", second", close=True) == (13, True)
    assert (await run.finish()).stdout == b"first, second"


async def test_who_is_taken_over_in_a_blocked_write_knows_what_was_accepted(
    client: Client,
) -> None:
    name = (await client.create(CAT_LATER, spec=PIPE)).name
    first, second, third = (letter * (3 * PIPE_BYTES) for letter in (b"1", b"2", b"3"))
    old = await Stream.start(client, name)
    await old.data(first)
    await until_committed(client, name, PIPE_BYTES)
    new = await Stream.start(client, name, PIPE_BYTES, take_over=True)
    with refused(Code.ABORTED, "STDIN_TAKEN_OVER") as refusal:
        await old.call
    assert committed_offset(refusal.value) == PIPE_BYTES
    await new.data(second)
    last = await Stream.start(client, name, PIPE_BYTES, take_over=True)
    with refused(Code.ABORTED, "STDIN_TAKEN_OVER") as refusal:
        await new.call
    assert committed_offset(refusal.value) == PIPE_BYTES
    await go_on(client, name)
    await last.data(third)
    await last.close()
    assert await last.response() == (4 * PIPE_BYTES, True)
    assert (await client.read(name)).stdout == first[:PIPE_BYTES] + third


async def test_a_run_that_is_taken_over_is_told_and_goes_on(client: Client) -> None:
    run = await client.run(CAT, spec=PIPE)
    await run.stdin(b"one ")
    await run.until_committed(4)
    name = run.output.process.name
    taking = Run(client.processes.RunProcess())
    attach = service_pb.RunAttach(name=name, take_over=True)
    await taking.send(service_pb.RunProcessRequest(attach=attach))
    await taking.until("started")
    assert (await client.get(name)).stdin.readers == 1
    # Attaching takes nothing yet.
    await run.stdin(b"two ")
    await run.until_committed(8)
    # A write of nothing takes the place, and tells where to go on.
    await taking.send(service_pb.RunProcessRequest(stdin=service_pb.StdinData()))
    await taking.until_committed(8)
    await run.until("op_error")
    assert "STDIN_TAKEN_OVER" in str(run.output.op_errors[0].status)
    await run.stdin(b"lost")
    await run.close_stdin()
    later = service_pb.StdinData(offset=8, data=b"three")
    await taking.send(service_pb.RunProcessRequest(stdin=later))
    await taking.until_committed(13)
    await taking.close_stdin()
    for each in (run, taking):
        assert (await each.finish()).stdout == b"one two three"
    assert len(run.output.op_errors) == 1


async def test_a_run_leaves_the_place_when_its_requests_end(client: Client) -> None:
    run = await client.run(CAT_LATER, spec=PIPE)
    await run.stdin(bytes(2 * PIPE_BYTES))
    await run.done()
    await run.until("started")
    name = run.output.process.name
    await until_committed(client, name, PIPE_BYTES)
    with refused(Code.FAILED_PRECONDITION, "STDIN_BUSY"):  # some of it is still to be written
        await write(client, name, 0)
    await go_on(client, name)
    await until_writers(client, name, 0)
    assert await write(client, name, 2 * PIPE_BYTES, close=True) == (2 * PIPE_BYTES, True)
    assert (await run.finish()).stdout == bytes(2 * PIPE_BYTES)


async def test_the_exit_of_a_process_that_nobody_writes_to_is_no_failure(client: Client) -> None:
    run = await client.run(sh("read line; exit 3"), spec=PIPE)
    await run.stdin(b"line\n")
    assert (await run.finish()).code == 3
    assert run.output.op_errors == []


# --- who does not read holds up nobody ---


@pytest.mark.parametrize("half_closed", [False, True])
async def test_stdin_that_is_not_read_holds_up_nothing(
    client: Client, *, half_closed: bool
) -> None:
    run = await client.run(FOREVER, spec=PIPE)
    await run.stdin(bytes(200 * KIB))
    if half_closed:
        await run.close_stdin()
        await run.done()
    await run.until("started")
    name = run.output.process.name
    await until_committed(client, name, PIPE_BYTES)
    with anyio.fail_after(30):
        await client.signal(name, pb.ProcessSignal(signal_name="WINCH"))
        assert (await client.get(name)).stdin.end_offset == PIPE_BYTES
        assert (await client.terminate(name)).exit.exit_code == 137
        await client.delete(name)


async def test_closing_does_not_wait_for_who_does_not_read(client: Client) -> None:
    name = (await client.create(CAT_LATER, spec=PIPE)).name
    stream = await Stream.start(client, name)
    await stream.data(bytes(PIPE_BYTES))
    await stream.close()
    assert await stream.response() == (PIPE_BYTES, True)
    assert (await client.get(name)).stdin.closed
    await go_on(client, name)
    assert (await client.read(name)).stdout == bytes(PIPE_BYTES)


# --- callers that leave ---


@pytest.mark.parametrize("seed", range(3))
async def test_writers_that_leave_at_any_moment_lose_nothing_and_block_nobody(
    client: Client, seed: int
) -> None:
    choose = random.Random(seed)  # noqa: S311  (repeatable)
    spec = pb.ProcessSpec(output=pb.OutputOptions(overflow=pb.OVERFLOW_POLICY_BLOCK))
    spec.MergeFrom(PIPE)
    name = (await client.create(CAT, spec=spec)).name
    data = os.urandom(2 * MIB)
    output = client.follow(name)

    async def leave_unary() -> None:
        request = service_pb.WriteInputRequest(name=name, data=data)
        call = client.processes.WriteInput(request)
        for _ in range(choose.randrange(6)):
            await client.get(name)
        call.cancel()

    async def leave_stream() -> None:
        stream = await Stream.start(client, name, take_over=choose.random() < 0.5)
        for part in range(choose.randrange(6)):
            await stream.data(data[part * 100_000 : (part + 1) * 100_000])
        stream.call.cancel()

    async def leave_run() -> None:
        attach = service_pb.RunAttach(name=name, take_over=choose.random() < 0.5)
        run = await client.attach(attach)
        with contextlib.suppress(asyncio.InvalidStateError, grpc.aio.AioRpcError):
            for part in range(choose.randrange(6)):
                await run.stdin(data[part * 100_000 : (part + 1) * 100_000])
        run.call.cancel()

    async def drain() -> None:
        await output.finish()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(drain)
        async with anyio.create_task_group() as writers:
            for _ in range(30):
                writers.start_soon(choose.choice([leave_unary, leave_stream, leave_run]))
        await until_writers(client, name, 0)
        committed = (await client.get(name)).stdin.end_offset
        assert await write(client, name, committed, data[committed:], close=True) == (
            len(data),
            True,
        )
    assert output.output.stdout == data
