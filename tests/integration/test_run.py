"""RunProcess: one call that starts a process, or attaches to one, and talks with it."""

import asyncio
import contextlib
import os

import anyio
import grpc
import pytest

from hcsd.v1 import process_pb2 as pb
from hcsd.v1 import process_service_pb2 as service_pb
from tests.integration.wire import HOST, STDERR, STDOUT, Client, Run, at, refused, sh

Code = grpc.StatusCode

PIPE = pb.ProcessSpec(stdin_mode=pb.STDIN_MODE_PIPE)
CONSOLE = pb.ProcessSpec(console=pb.Console(columns=100, rows=30))
CAT = pb.Argv(args=["cat"])
FOREVER = pb.Argv(args=["sleep", "1000"])
KIB = 1024
# Goes on until it is sent TERM, and holds nobody's pipe open then.
UNTIL_TERM = """
    trap 'kill $!; echo still here; exit 3' TERM
    sleep 1000 >/dev/null 2>&1 &
    echo ready
    wait
"""

Request = service_pb.RunProcessRequest


# --- the first message ---


@pytest.mark.parametrize(
    "first",
    [
        Request(),
        Request(stdin=service_pb.StdinData(data=b"early")),
        Request(close_stdin=service_pb.CloseStdin()),
        Request(resize=pb.Console(columns=80, rows=25)),
        Request(signal=pb.ProcessSignal(signal_number=15)),
    ],
    ids=["empty", "stdin", "close", "resize", "signal"],
)
async def test_a_run_begins_with_create_or_attach(client: Client, first: Request) -> None:
    run = await client.begin(first)
    with refused(Code.INVALID_ARGUMENT, "INVALID_REQUEST") as refusal:
        await run.read()
    assert refusal.value.fields == ["request"]


async def test_a_run_without_a_first_message_is_refused(client: Client) -> None:
    run = Run(client.processes.RunProcess())
    await run.done()
    with refused(Code.INVALID_ARGUMENT, "INVALID_REQUEST"):
        await run.read()


async def test_a_malformed_first_message_lists_every_violation(client: Client) -> None:
    run = await client.begin(Request(create=service_pb.CreateProcessRequest()))
    with refused(Code.INVALID_ARGUMENT, "INVALID_REQUEST") as refusal:
        await run.read()
    assert refusal.value.fields == ["create.parent", "create.source"]
    cursors = [at(STDOUT, 0), at(STDOUT, 1)]
    run = await client.attach(
        service_pb.RunAttach(name="x", cursors=cursors, max_chunk_bytes=2**31)
    )
    with refused(Code.INVALID_ARGUMENT, "INVALID_REQUEST") as refusal:
        await run.read()
    assert refusal.value.fields == ["attach.name", "attach.cursors", "attach.max_chunk_bytes"]


async def test_a_run_that_cannot_start_ends_as_a_create_does(client: Client) -> None:
    run = await client.run(pb.Argv(args=["no-such-program"]))
    with refused(Code.NOT_FOUND, "EXECUTABLE_NOT_FOUND"):
        await run.read()


# --- stdin ---


async def test_stdin_reaches_the_process_and_is_counted(client: Client) -> None:
    run = await client.run(CAT, spec=PIPE)
    await run.stdin(b"one ")
    await run.until_out(b"one ")
    await run.stdin(b"two")
    await run.until_out(b"one two")
    await run.until_committed(7)
    assert not run.output.stdin_closed
    found = (await client.get(run.output.process.name)).stdin
    assert (found.start_offset, found.end_offset, found.closed) == (0, 7, False)
    await run.close_stdin()
    output = await run.finish()
    assert output.stdout == b"one two"
    assert output.stdin_closed
    assert output.op_errors == []


async def test_a_process_without_stdin_reads_its_end_at_once(client: Client) -> None:
    output = await (await client.run(CAT)).finish()
    assert (output.stdout, output.code) == (b"", 0)


async def test_stdin_of_any_size_comes_back_whole(client: Client) -> None:
    data = os.urandom(5_000_000)
    run = await client.run(CAT, spec=PIPE)

    async def write() -> None:
        for begin in range(0, len(data), 100_000):
            await run.stdin(data[begin : begin + 100_000])
        await run.close_stdin()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(write)
        output = await run.finish()
    assert output.stdout == data
    assert output.committed == len(data)


async def test_closing_stdin_comes_after_all_that_was_sent(client: Client) -> None:
    run = await client.run(sh("sleep 0.2; cat"), spec=PIPE)
    data = os.urandom(300_000)  # more than a pipe holds
    await run.stdin(data)
    await run.close_stdin()
    assert (await run.finish()).stdout == data


async def test_the_end_of_the_requests_is_not_the_end_of_stdin(client: Client) -> None:
    run = await client.run(CAT, spec=PIPE)
    await run.stdin(b"half")
    await run.done()
    await run.until_out(b"half")
    name = run.output.process.name
    assert not (await client.get(name)).stdin.closed
    other = await client.attach(service_pb.RunAttach(name=name, cursors=[at(STDOUT, 4)]))
    await other.until("started")
    await other.send(Request(stdin=service_pb.StdinData(offset=4, data=b" whole")))
    await other.close_stdin()
    assert (await run.finish()).stdout == b"half whole"
    assert (await other.finish()).stdout == b" whole"


async def test_what_was_written_before_is_skipped_and_what_is_missing_is_refused(
    client: Client,
) -> None:
    run = await client.run(CAT, spec=PIPE)
    await run.stdin(b"0123")
    await run.until_out(b"0123")
    await run.send(Request(stdin=service_pb.StdinData(offset=2, data=b"2345")))
    await run.until_out(b"012345")
    await run.send(Request(stdin=service_pb.StdinData(offset=7, data=b"7")))
    await run.until("op_error")
    error = run.output.op_errors[0]
    assert error.operation == service_pb.RUN_OPERATION_STDIN
    assert error.status.code == Code.OUT_OF_RANGE.value[0]
    await client.terminate(run.output.process.name)
    assert (await run.finish()).stdout == b"012345"


async def test_writing_to_a_process_without_stdin_is_an_error_and_the_run_goes_on(
    client: Client,
) -> None:
    run = await client.run(sh(UNTIL_TERM))
    await run.until_out(b"ready\n")
    await run.stdin(b"unwanted")
    await run.until("op_error")
    await run.signal(pb.ProcessSignal(signal_name="TERM"))
    output = await run.finish()
    assert [error.operation for error in output.op_errors] == [service_pb.RUN_OPERATION_STDIN]
    assert (output.stdout, output.code) == (b"ready\nstill here\n", 3)


async def test_a_process_that_closes_its_stdin_stops_the_writer_and_nothing_else(
    client: Client,
) -> None:
    run = await client.run(sh(f"exec <&-; {UNTIL_TERM}"), spec=PIPE)
    await run.until_out(b"ready\n")
    await run.stdin(b"too late")
    await run.until("op_error")
    await run.signal(pb.ProcessSignal(signal_name="TERM"))
    output = await run.finish()
    assert [error.operation for error in output.op_errors] == [service_pb.RUN_OPERATION_STDIN]
    assert (output.stdout, output.code) == (b"ready\nstill here\n", 3)


async def test_a_signal_gets_through_while_stdin_waits_for_a_full_pipe(client: Client) -> None:
    run = await client.run(FOREVER, spec=PIPE)
    await run.stdin(bytes(500 * KIB))
    await run.until("started")
    while (await client.get(run.output.process.name)).stdin.end_offset < 64 * KIB:
        pass
    await run.signal(pb.ProcessSignal(signal_name="TERM"))
    output = await run.finish()
    assert output.exit is not None
    assert output.exit.signal_name == "TERM"


async def test_other_calls_get_through_while_stdin_waits_for_a_full_pipe(client: Client) -> None:
    run = await client.run(FOREVER, spec=PIPE)
    async with anyio.create_task_group() as tasks:

        async def flood() -> None:  # until flow control holds it up
            with contextlib.suppress(asyncio.InvalidStateError, grpc.aio.AioRpcError):
                for _ in range(100):
                    await run.stdin(bytes(100 * KIB))

        tasks.start_soon(flood)
        await run.until("started")
        name = run.output.process.name
        while (await client.get(name)).stdin.end_offset < 64 * KIB:
            pass
        assert (await client.terminate(name)).exit.exit_code == 137
        tasks.cancel_scope.cancel()
    assert (await client.get(name)).stdin.end_offset <= 128 * KIB


async def test_closing_stdin_by_modify_is_the_end_of_file(client: Client) -> None:
    run = await client.run(CAT, spec=PIPE)
    await run.stdin(b"all")
    await run.until_out(b"all")
    name = run.output.process.name
    await client.processes.ModifyProcess(
        service_pb.ModifyProcessRequest(
            name=name,
            close_handles=service_pb.CloseHandles(handles=[service_pb.STDIO_HANDLE_STDIN]),
        )
    )
    assert (await run.finish()).stdout == b"all"


# --- console ---


async def test_a_console_has_its_size_from_the_start_and_follows_a_resize(client: Client) -> None:
    script = "trap 'stty size' WINCH; stty size; echo ready; while :; do sleep 0.05; done"
    run = await client.run(sh(script), spec=CONSOLE)
    await run.until_out(b"30 100\r\nready\r\n")
    await run.resize(columns=132, rows=43)
    await run.until_out(b"43 132\r\n")
    await client.processes.ModifyProcess(
        service_pb.ModifyProcessRequest(
            name=run.output.process.name, console_size=pb.Console(columns=20, rows=10)
        )
    )
    await run.until_out(b"10 20\r\n")
    await client.terminate(run.output.process.name)
    output = await run.finish()
    assert output.stderr == b""
    assert output.op_errors == []


async def test_a_console_has_all_output_on_stdout_and_its_input_from_a_pipe(
    client: Client,
) -> None:
    run = await client.run(sh("echo out; echo err >&2; tty; read line; exit 6"), spec=CONSOLE)
    await run.until("started")
    assert run.output.process.stderr.closed
    assert not run.output.process.stdin.closed
    await run.until_out(b"/dev/pts/")  # else the echo of what is typed may come first
    await run.stdin(b"\n")
    output = await run.finish()
    assert output.stdout.startswith(b"out\r\nerr\r\n/dev/pts/")
    assert (output.stderr, output.code) == (b"", 6)
    assert not any(eof.forced for eof in output.eofs.values())


async def test_what_is_typed_at_a_console_reaches_the_process(client: Client) -> None:
    run = await client.run(sh("read line; echo said $line"), spec=CONSOLE)
    await run.stdin(b"hello\n")
    output = await run.finish()
    assert output.stdout == b"hello\r\nsaid hello\r\n"


async def test_a_console_of_no_size_has_the_usual_one(client: Client) -> None:
    run = await client.run(sh("stty size"), spec=pb.ProcessSpec(console=pb.Console()))
    assert (await run.finish()).stdout == b"25 80\r\n"


async def test_an_interrupt_typed_at_a_console_reaches_the_process(client: Client) -> None:
    run = await client.run(sh("echo ready; exec sleep 1000"), spec=CONSOLE)
    await run.until_out(b"ready\r\n")
    await run.stdin(b"\x03")
    output = await run.finish()
    assert output.exit is not None
    assert output.exit.signal_name == "INT"


# --- steps that fail ---


async def test_a_bad_step_is_told_and_the_run_goes_on(client: Client) -> None:
    run = await client.run(CAT, spec=PIPE)
    bad = [
        (Request(resize=pb.Console(columns=80, rows=25)), Code.FAILED_PRECONDITION),
        (Request(resize=pb.Console(columns=70_000, rows=25)), Code.INVALID_ARGUMENT),
        (Request(signal=pb.ProcessSignal(signal_name="NONSENSE")), Code.INVALID_ARGUMENT),
        (Request(signal=pb.ProcessSignal(options_json="{")), Code.INVALID_ARGUMENT),
        (Request(signal=pb.ProcessSignal(options_json='{"\\ud800":1}')), Code.INVALID_ARGUMENT),
        (Request(create=service_pb.CreateProcessRequest()), Code.INVALID_ARGUMENT),
        (Request(attach=service_pb.RunAttach(name="x")), Code.INVALID_ARGUMENT),
        (Request(), Code.INVALID_ARGUMENT),
    ]
    for request, code in bad:
        await run.send(request)
        await run.until("op_error")
        assert run.output.op_errors[-1].status.code == code.value[0]
        assert "Traceback" not in run.output.op_errors[-1].status.message
    resize, signal, none = (
        service_pb.RUN_OPERATION_RESIZE,
        service_pb.RUN_OPERATION_SIGNAL,
        service_pb.RUN_OPERATION_UNSPECIFIED,
    )
    assert [error.operation for error in run.output.op_errors] == [
        *[resize] * 2,
        *[signal] * 3,
        *[none] * 3,
    ]
    await run.stdin(b"alive")
    await run.close_stdin()
    assert (await run.finish()).stdout == b"alive"


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        (pb.ProcessSignal(signal_name="TERM"), "TERM"),
        (pb.ProcessSignal(signal_number=9), "KILL"),
        (pb.ProcessSignal(console_event=pb.CONSOLE_EVENT_CTRL_C), "INT"),
    ],
    ids=["name", "number", "event"],
)
async def test_a_signal_is_a_step(client: Client, sent: pb.ProcessSignal, name: str) -> None:
    run = await client.run(FOREVER)
    await run.signal(sent)
    output = await run.finish()
    assert output.exit is not None
    assert output.exit.signal_name == name
    assert output.op_errors == []


async def test_a_step_after_the_exit_is_harmless(client: Client) -> None:
    # The grandchild keeps the run open.
    run = await client.run(sh("sleep 1000 & echo $!; exit 0"))
    await run.until("exit")
    await run.until_out(b"\n")
    await run.signal(pb.ProcessSignal(signal_number=15))
    await run.resize(80, 25)
    await run.until("op_error")
    assert run.output.op_errors[-1].operation == service_pb.RUN_OPERATION_RESIZE
    killer = await client.create(sh('kill "$1"', run.output.stdout.decode().strip()))
    await run.finish()
    await client.wait(killer.name)


# --- attach, detach ---


async def test_a_caller_that_leaves_detaches_and_nothing_else(client: Client) -> None:
    run = await client.run(CAT, spec=PIPE)
    await run.stdin(b"one")
    await run.until_out(b"one")
    name = run.output.process.name
    assert run.call.cancel()
    while (await client.get(name)).stdout.readers:
        pass
    found = await client.get(name)
    assert found.state == pb.PROCESS_STATE_RUNNING
    assert not found.stdin.closed
    again = await client.attach(service_pb.RunAttach(name=name))
    await again.until_out(b"one")
    await again.send(Request(stdin=service_pb.StdinData(offset=3, data=b"two")))
    await again.close_stdin()
    assert (await again.finish()).stdout == b"onetwo"


async def test_attaching_shows_the_same_bytes_at_the_same_offsets(client: Client) -> None:
    run = await client.run(sh("printf 0123456789; printf abc >&2; cat"), spec=PIPE)
    await run.until_out(b"0123456789")
    await run.until_out(b"abc", STDERR)
    name = run.output.process.name
    whole = await client.attach(service_pb.RunAttach(name=name))
    part = await client.attach(
        service_pb.RunAttach(name=name, cursors=[at(STDOUT, 7)], max_chunk_bytes=1)
    )
    await part.until_out(b"789")
    await run.stdin(b"!")
    await run.close_stdin()
    assert (await run.finish()).stdout == b"0123456789!"
    assert (await whole.finish()).stdout == b"0123456789!"
    output = await part.finish()
    assert output.stdout == b"789!"
    assert output.sizes == [1, 1, 1, 1]
    assert whole.output.stderr == b"abc"


async def test_attaching_to_an_exited_process_replays_it(client: Client) -> None:
    made = await client.create(sh("echo gone; exit 9"))
    await client.wait(made.name)
    output = await (await client.attach(service_pb.RunAttach(name=made.name))).finish()
    assert (output.stdout, output.code) == (b"gone\n", 9)


async def test_a_second_writer_is_told_that_stdin_is_busy(client: Client) -> None:
    run = await client.run(FOREVER, spec=PIPE)
    await run.stdin(bytes(200 * KIB))
    await run.until("started")
    name = run.output.process.name
    while (committed := (await client.get(name)).stdin.end_offset) < 64 * KIB:
        pass
    other = await client.attach(service_pb.RunAttach(name=name))
    await other.send(Request(stdin=service_pb.StdinData(offset=committed, data=b"x")))
    await other.until("op_error")
    assert other.output.op_errors[0].status.code == Code.FAILED_PRECONDITION.value[0]


async def test_a_run_that_is_tried_again_with_its_request_id_joins_the_first(
    client: Client,
) -> None:
    create = service_pb.CreateProcessRequest(
        parent=HOST,
        spec=pb.ProcessSpec(argv=sh("echo $$; read x"), stdin_mode=pb.STDIN_MODE_PIPE),
        request_id="6a3a0b5c-2b44-4a5b-9a05-0d5ea0c0a001",
    )
    first = await client.begin(Request(create=create))
    await first.until_out(b"\n")
    second = await client.begin(Request(create=create))
    await second.until_out(b"\n")
    assert second.output.stdout == first.output.stdout
    await second.close_stdin()
    await first.finish()
    await second.finish()
