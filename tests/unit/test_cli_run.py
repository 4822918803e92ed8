"""`hcsd run` as a command of its own, against a daemon that answers from a script."""

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import grpc
import pytest
from anyio.abc import ByteReceiveStream, Process
from anyio.streams.buffered import BufferedByteReceiveStream
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2

from hcsd.v1 import compute_system_pb2 as system_pb
from hcsd.v1 import compute_system_service_pb2 as system_service_pb
from hcsd.v1 import process_pb2 as pb
from hcsd.v1 import process_service_pb2 as service_pb
from tests.support import commands
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

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the fake daemon's socket is POSIX")

HCSD = (sys.executable, "-m", "hcsd")
Events = AsyncGenerator[service_pb.RunProcessResponse]
STDERR = pb.OUTPUT_STREAM_STDERR


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[FakeDaemon]:
    async with fake_daemon(tmp_path) as daemon:
        yield daemon


async def hcsd(
    daemon: FakeDaemon, *arguments: str, stdin: int | bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    """Run the command line to its end."""
    return await commands.run(arguments, environment(daemon), stdin=stdin)


@asynccontextmanager
async def running(
    daemon: FakeDaemon, *arguments: str, stdout: int = subprocess.PIPE
) -> AsyncIterator[Process]:
    async with await anyio.open_process(
        [*HCSD, *arguments], env=environment(daemon), stdin=subprocess.DEVNULL, stdout=stdout
    ) as process:
        yield process


async def first_bytes(descriptor: int) -> None:
    """Wait until a pipe has something, and take some of it."""
    await anyio.wait_readable(descriptor)
    os.read(descriptor, 2)


async def everything(stream: ByteReceiveStream | None) -> bytes:
    assert stream is not None
    return b"".join([piece async for piece in stream])


def environment(daemon: FakeDaemon) -> dict[str, str]:
    return {**os.environ, "HCSD_ADDRESS": daemon.target}


def replays(*events: service_pb.RunProcessResponse) -> Callable[[Requests, Context], Events]:
    """Serve a run by these events, whatever is asked for."""

    async def handle(requests: Requests, context: Context) -> Events:
        await anext(requests)
        for event in events:
            yield event

    return handle


def refuses(
    code: grpc.StatusCode, reason: str, *details: Message
) -> Callable[[Requests, Context], Events]:
    async def handle(requests: Requests, context: Context) -> Events:
        await refuse(context, code, "cannot do it", reason, *details)
        yield service_pb.RunProcessResponse()

    return handle


async def test_each_stream_goes_to_its_own_and_the_exit_code_is_the_process_s(
    daemon: FakeDaemon,
) -> None:
    out, err = bytes(range(256)), b"\xff\0err"
    events = run_events(*chunks([out]), *chunks([err], STDERR), ended=pb.ProcessExit(exit_code=7))
    daemon.runs(replays(*events))
    result = await hcsd(daemon, "run", "--", "sh", "-c", "true")
    assert (result.returncode, result.stdout, result.stderr) == (7, out, err)


async def test_a_process_that_was_killed_for_want_of_memory_is_told_with_the_limit(
    daemon: FakeDaemon,
) -> None:
    ended = pb.ProcessExit(
        exit_code=137, reason=pb.EXIT_REASON_OUT_OF_MEMORY, signal_name="KILL", signal=9
    )
    limits = system_pb.ComputeSystemLimits(memory_bytes=64 << 20)
    system = system_pb.ComputeSystem(limits=limits)
    daemon.runs(replays(*run_events(ended=ended)))
    daemon.answers("GetComputeSystem", system_service_pb.GetComputeSystemResponse(system=system))
    result = await hcsd(daemon, "run", "--", "true")
    assert result.returncode == 137
    said = b"the process was killed: its compute system was out of memory"
    assert result.stderr == b"hcsd: " + said + b" (limit 64 MiB)\n"

    async def gone(_request: Message, context: Context) -> Message:
        await refuse(context, grpc.StatusCode.NOT_FOUND, "HCS_E_SYSTEM_NOT_FOUND")
        raise AssertionError

    daemon.does("GetComputeSystem", gone)
    result = await hcsd(daemon, "run", "--", "true")
    assert (result.returncode, result.stderr) == (137, b"hcsd: " + said + b"\n")


async def test_a_signal_that_ended_the_process_is_named(daemon: FakeDaemon) -> None:
    ended = pb.ProcessExit(exit_code=137, reason=pb.EXIT_REASON_SIGNALED, signal_name="KILL")
    daemon.runs(replays(*run_events(ended=ended)))
    result = await hcsd(daemon, "run", "x")
    assert (result.returncode, result.stderr) == (137, b"hcsd: process was ended by SIGKILL\n")


async def test_a_missing_program_is_127_as_in_a_shell(daemon: FakeDaemon) -> None:
    daemon.runs(refuses(grpc.StatusCode.NOT_FOUND, "EXECUTABLE_NOT_FOUND"))
    result = await hcsd(daemon, "run", "x")
    assert result.returncode == 127
    assert result.stderr.startswith(b"hcsd: cannot do it; it is looked for on the daemon's machine")


async def test_every_bad_field_has_a_line(daemon: FakeDaemon) -> None:
    violation = error_details_pb2.BadRequest.FieldViolation
    bad = error_details_pb2.BadRequest(
        field_violations=[
            violation(field="create.parent", description="is required"),
            violation(field="create.spec.argv", description="must be set"),
        ]
    )
    daemon.runs(refuses(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST", bad))
    result = await hcsd(daemon, "run", "x")
    assert result.returncode == 125
    assert result.stderr.decode() == (
        "hcsd: the request is not valid:\n"
        "hcsd:   create.parent: is required\n"
        "hcsd:   COMMAND (create.spec.argv): must be set\n"
        "hcsd: 'hcsd COMMAND --help' says what each option takes\n"
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ("--bogus", "x"),
        (),
        ("-t", "x"),
        ("-it", "--detach-keys", "ctrl-1", "x"),
        ("--env", "HCSD_NOT_SET_ANYWHERE", "x"),
        ("--label", "novalue", "x"),
    ],
)
async def test_a_wrong_command_line_leaves_small_exit_codes_to_the_process(
    arguments: tuple[str, ...], daemon: FakeDaemon
) -> None:
    result = await hcsd(daemon, "run", *arguments)
    assert result.returncode == 125
    assert b"Traceback" not in result.stderr


async def test_options_become_the_request(daemon: FakeDaemon) -> None:
    first: list[service_pb.CreateProcessRequest] = []

    async def handle(requests: Requests, context: Context) -> Events:
        first.append((await anext(requests)).create)
        for event in run_events():
            yield event

    daemon.runs(handle)
    options = "--system|a b|--name|one|-e|A=1=2|--env|B=|-e|HCSD_ADDRESS|-w|/tmp|-u|me|-l|k=v"
    options += "|--run-timeout|1m500ms|--stderr-to-stdout"
    await hcsd(daemon, "run", *options.split("|"), "ls", "-l", "--name", "x")
    uuid.UUID(first[0].request_id)
    first[0].request_id = ""
    variable = pb.EnvironmentVariable
    assert first == [
        service_pb.CreateProcessRequest(
            parent="systems/a%20b",
            process_id="one",
            labels={"k": "v"},
            spec=pb.ProcessSpec(
                argv=pb.Argv(args=["ls", "-l", "--name", "x"]),
                env=[
                    variable(name="A", value="1=2"),
                    variable(name="B"),
                    variable(name="HCSD_ADDRESS", value=daemon.target),
                ],
                working_directory="/tmp",  # noqa: S108  (nothing is written there)
                user="me",
                stdin_mode=pb.STDIN_MODE_CLOSED,
                run_timeout=Duration(seconds=60, nanos=500_000_000),
                output=pb.OutputOptions(stderr_to_stdout=True),
            ),
        )
    ]


async def test_a_detached_process_is_only_started(daemon: FakeDaemon) -> None:
    process = pb.Process(name=NAME)
    daemon.answers("CreateProcess", service_pb.CreateProcessResponse(process=process))
    result = await hcsd(daemon, "run", "-d", "--name", "one", "sleep", "9")
    assert (result.returncode, result.stdout.decode()) == (0, f"{NAME}\n")


async def test_a_detached_process_that_does_not_start_says_why(daemon: FakeDaemon) -> None:
    async def handle(request: Message, context: Context) -> Message:
        await refuse(context, grpc.StatusCode.NOT_FOUND, "no program 'x'", "EXECUTABLE_NOT_FOUND")
        raise AssertionError

    daemon.does("CreateProcess", handle)
    result = await hcsd(daemon, "run", "-d", "x")
    assert result.returncode == 127
    assert result.stderr.startswith(b"hcsd: no program 'x'; it is looked for")


async def echo(requests: Requests, context: Context) -> Events:
    """Serve a run that writes what it reads."""
    first = await anext(requests)
    assert first.create.spec.stdin_mode == pb.STDIN_MODE_PIPE
    started, *rest = run_events()
    yield started
    offset = 0
    async for request in requests:
        if request.HasField("close_stdin"):
            break
        data = request.stdin.data
        assert request.stdin.offset == offset
        yield service_pb.RunProcessResponse(
            chunk=pb.OutputChunk(stream=pb.OUTPUT_STREAM_STDOUT, offset=offset, data=data)
        )
        offset += len(data)
        yield service_pb.RunProcessResponse(
            stdin_accepted=service_pb.StdinAccepted(committed_offset=offset)
        )
    for event in rest:
        yield event


async def test_stdin_goes_to_the_process_up_to_its_end(daemon: FakeDaemon, tmp_path: Path) -> None:
    daemon.runs(echo)
    data = os.urandom(3_000_000)
    piped = await hcsd(daemon, "run", "-i", "cat", stdin=data)
    assert (piped.returncode, piped.stdout) == (0, data)
    file = tmp_path / "file"
    file.write_bytes(data)
    with file.open("rb") as opened:
        assert (await hcsd(daemon, "run", "-i", "cat", stdin=opened.fileno())).stdout == data
    nothing = await hcsd(daemon, "run", "-i", "cat")
    assert (nothing.returncode, nothing.stdout) == (0, b"")


async def test_stdin_is_not_touched_unless_asked_for(daemon: FakeDaemon, tmp_path: Path) -> None:
    daemon.runs(replays(*run_events()))
    file = tmp_path / "file"
    file.write_bytes(b"for somebody else")
    with file.open("rb") as opened:
        await hcsd(daemon, "run", "cat", stdin=opened.fileno())
        assert os.read(opened.fileno(), 100) == b"for somebody else"


async def test_an_open_stdin_does_not_keep_the_command(daemon: FakeDaemon) -> None:
    daemon.runs(replays(*run_events()))
    read, write = os.pipe()
    try:
        assert (await hcsd(daemon, "run", "-i", "true", stdin=read)).returncode == 0
    finally:
        os.close(read)
        os.close(write)


async def test_a_process_that_has_read_enough_is_no_error(
    daemon: FakeDaemon, tmp_path: Path
) -> None:
    closed = service_pb.OpError(
        operation=service_pb.RUN_OPERATION_STDIN,
        status=make_status(grpc.StatusCode.FAILED_PRECONDITION, "closed", "STDIN_CLOSED"),
    )

    async def handle(requests: Requests, context: Context) -> Events:
        started, *events = run_events(
            service_pb.RunProcessResponse(op_error=closed), *chunks([b"1\n"])
        )
        await anext(requests)
        yield started
        await anext(requests)
        for event in events:
            yield event

    daemon.runs(handle)
    file = tmp_path / "file"
    file.write_bytes(bytes(5_000_000))
    with file.open("rb") as opened:
        result = await hcsd(daemon, "run", "-i", "head", "-1", stdin=opened.fileno())
    assert (result.returncode, result.stdout, result.stderr) == (0, b"1\n", b"")


async def test_much_output_arrives_whole(daemon: FakeDaemon) -> None:
    pieces = [os.urandom(65536)] * 300
    daemon.runs(replays(*run_events(*chunks(pieces))))
    assert (await hcsd(daemon, "run", "cat")).stdout == b"".join(pieces)


async def test_a_forced_end_of_a_stream_is_said(daemon: FakeDaemon) -> None:
    eof = pb.OutputEof(stream=pb.OUTPUT_STREAM_STDOUT, forced=True)
    daemon.runs(replays(*run_events(service_pb.RunProcessResponse(eof=eof))))
    result = await hcsd(daemon, "run", "x")
    assert (result.returncode, result.stderr) == (
        0,
        b"hcsd: a descendant of the process keeps stdout open; what it still writes is not kept\n",
    )


class Endless:
    """Serves a run that writes for ever, until it is terminated; keeps what it was sent."""

    def __init__(self, daemon: FakeDaemon, piece: bytes = b"y\n") -> None:
        self.signals: list[pb.ProcessSignal] = []
        self.signalled = anyio.Event()
        self._terminated = anyio.Event()
        self._piece = piece
        daemon.drives(self._run)
        daemon.does("TerminateProcess", self._terminate)
        daemon.does("SignalProcess", self._signal)

    async def _terminate(self, request: Message, context: Context) -> Message:
        self._terminated.set()
        return service_pb.TerminateProcessResponse()

    async def _run(self, requests: Requests, context: Context) -> None:
        await anext(requests)
        started, *rest = run_events(ended=pb.ProcessExit(exit_code=137, signal_name="KILL"))
        await context.write(started)
        while not self._terminated.is_set():
            await context.write(*chunks([self._piece]))
        forced = pb.OutputEof(stream=pb.OUTPUT_STREAM_STDOUT, forced=True)
        for event in (service_pb.RunProcessResponse(eof=forced), *rest):
            await context.write(event)

    async def _signal(self, request: Message, context: Context) -> Message:
        assert isinstance(request, service_pb.SignalProcessRequest)
        self.signals.append(request.signal)
        self.signalled.set()
        self.signalled = anyio.Event()
        return service_pb.SignalProcessResponse()


async def test_without_a_reader_the_process_is_terminated(daemon: FakeDaemon) -> None:
    Endless(daemon)
    read, write = os.pipe()
    async with running(daemon, "run", "yes", stdout=write) as command:
        os.close(write)
        await first_bytes(read)
        os.close(read)
        assert await command.wait() == 141
        assert await everything(command.stderr) == b""
    names = [type(request).__name__ for request in daemon.requests]
    assert "TerminateProcessRequest" in names


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is full")
async def test_output_that_cannot_be_written_is_said(daemon: FakeDaemon) -> None:
    Endless(daemon)
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        async with running(daemon, "run", "yes", stdout=full) as command:
            assert await command.wait() == 125
            text = await everything(command.stderr)
    finally:
        os.close(full)
    assert text == b"hcsd: cannot write to stdout: No space left on device\n"


async def test_interrupts_go_to_the_process_and_the_second_leaves_it(daemon: FakeDaemon) -> None:
    endless = Endless(daemon, bytes(65536))  # nobody reads it: our own output is stuck all the time
    read, write = os.pipe()
    async with running(daemon, "run", "yes", stdout=write) as command:
        os.close(write)
        await first_bytes(read)
        for number in (signal.SIGTERM, signal.SIGINT):
            arrived = endless.signalled
            command.send_signal(number)
            await arrived.wait()
        command.send_signal(signal.SIGINT)
        assert await command.wait() == 130
        text = await everything(command.stderr)
    os.close(read)
    assert endless.signals == [
        pb.ProcessSignal(signal_name="TERM"),
        pb.ProcessSignal(console_event=pb.CONSOLE_EVENT_CTRL_C),
    ]
    assert text.endswith(
        b"hcsd: detached; the process goes on\n"
        b"hcsd: return to it with 'hcsd attach one', end it with 'hcsd kill one'\n"
    )


async def test_a_process_that_never_starts_can_be_given_up(daemon: FakeDaemon) -> None:
    asked, interrupted = anyio.Event(), anyio.Event()

    async def handle(requests: Requests, context: Context) -> None:
        await anext(requests)
        asked.set()
        await anext(requests)
        interrupted.set()
        await anyio.sleep_forever()

    daemon.drives(handle)
    async with running(daemon, "run", "x") as command:
        await asked.wait()
        command.send_signal(signal.SIGINT)
        await interrupted.wait()
        command.send_signal(signal.SIGINT)
        assert await command.wait() == 130
        text = await everything(command.stderr)
    assert text == b"hcsd: gave up before the daemon said that the process has started\n"


async def test_an_interrupt_passes_by_a_run_that_was_ended_for_our_pause(
    daemon: FakeDaemon,
) -> None:
    refused, interrupted = anyio.Event(), anyio.Event()

    async def handle(requests: Requests, context: Context) -> Events:
        await anext(requests)
        yield run_events()[0]
        # Two fill the pipe and one is being written. The last is still on its way at the end, in a
        # window of gRPC's that is never smaller than 64 KiB.
        for chunk in chunks([bytes(32768)] * 4):
            yield chunk
        refused.set()
        await refuse(context, grpc.StatusCode.ABORTED, "no progress for 60 s", "SUBSCRIBER_STALLED")

    async def signalled(request: Message, context: Context) -> Message:
        interrupted.set()
        return service_pb.SignalProcessResponse()

    daemon.runs(handle)
    daemon.does("SignalProcess", signalled)
    read, write = os.pipe()
    async with running(daemon, "run", "yes", stdout=write) as command:
        os.close(write)
        await refused.wait()
        command.send_signal(signal.SIGINT)
        await interrupted.wait()
        command.send_signal(signal.SIGINT)
        assert await command.wait() == 130
    os.close(read)


async def test_a_signal_that_cannot_be_sent_is_said(daemon: FakeDaemon) -> None:
    failed = service_pb.OpError(
        operation=service_pb.RUN_OPERATION_SIGNAL,
        status=make_status(grpc.StatusCode.FAILED_PRECONDITION, "cannot signal it", "WHY"),
    )
    daemon.runs(replays(*run_events(service_pb.RunProcessResponse(op_error=failed))))
    result = await hcsd(daemon, "run", "x")
    assert (result.returncode, result.stderr) == (0, b"hcsd: cannot signal it\n")


async def test_a_daemon_that_stops_ends_the_command(daemon: FakeDaemon) -> None:
    async def handle(requests: Requests, context: Context) -> Events:
        await anext(requests)
        for event in run_events(*chunks([b"so far"]))[:2]:
            yield event
        await refuse(
            context, grpc.StatusCode.UNAVAILABLE, "the hcsd daemon is stopping", "DAEMON_STOPPING"
        )

    daemon.runs(handle)
    result = await hcsd(daemon, "run", "x")
    assert (result.returncode, result.stdout) == (125, b"so far")
    assert result.stderr == (
        b"hcsd: the hcsd daemon is stopping; try again when it has been started anew\n"
    )


async def test_a_daemon_that_dies_is_waited_for_until_interrupted(daemon: FakeDaemon) -> None:
    async def handle(requests: Requests, context: Context) -> Events:
        await anext(requests)
        for event in run_events(*chunks([b"so far"]))[:2]:
            yield event
        await anyio.sleep_forever()

    daemon.runs(handle)
    async with running(daemon, "run", "yes") as command:
        assert command.stdout is not None
        assert command.stderr is not None
        lines = BufferedByteReceiveStream(command.stderr)
        await command.stdout.receive(6)
        await daemon.server.stop(None)
        waits = "hcsd: connection lost, trying again…".encode()
        assert await lines.receive_until(b"\n", 1000) == waits
        command.send_signal(signal.SIGINT)  # which is sent as soon as there is a daemon again
        runs_on = b"hcsd: the process has not ended; Ctrl-C again leaves it running"
        assert await lines.receive_until(b"\n", 1000) == runs_on
        command.send_signal(signal.SIGINT)
        assert await command.wait() == 130


async def test_a_reader_that_was_ended_can_go_on_elsewhere(daemon: FakeDaemon) -> None:
    async def handle(requests: Requests, context: Context) -> Events:
        await anext(requests)
        yield run_events()[0]
        await refuse(context, grpc.StatusCode.ABORTED, "no progress for 60 s", "SUBSCRIBER_STALLED")

    daemon.runs(handle)
    result = await hcsd(daemon, "run", "x")
    assert result.returncode == 125
    assert result.stderr.decode().splitlines() == [
        "hcsd: no progress for 60 s; let nothing that reads its output pause",
        "hcsd: detached; the process goes on",
        "hcsd: return to it with 'hcsd attach one', end it with 'hcsd kill one'",
    ]


@pytest.mark.parametrize(
    "arguments",
    [[b"\xff"], [b"-e", b"A=\xff", b"x"], [b"-w", b"\xff", b"x"], [b"--system", b"\xff", b"x"]],
)
async def test_what_is_not_utf_8_is_said(arguments: list[bytes], daemon: FakeDaemon) -> None:
    result = await hcsd(daemon, "run", *map(os.fsdecode, arguments))
    assert result.returncode == 125
    assert result.stderr.splitlines() == [
        b"hcsd: '\\xff' is not UTF-8, and the daemon takes nothing else: use another text or name"
    ]
    assert not daemon.requests


async def test_without_a_daemon_it_is_said_how_to_start_one(tmp_path: Path) -> None:
    target = f"unix://{tmp_path}/none.sock"
    result = await commands.run(["run", "--address", target, "x"], os.environ)
    assert result.returncode == 125
    assert result.stderr.decode() == (
        f"hcsd: cannot reach a daemon at {target}: No such file or directory; start one with "
        "'hcsd serve', or name its address with --address or HCSD_ADDRESS\n"
    )
