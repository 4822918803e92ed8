"""The client commands other than run, against a daemon that answers from a script."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from hcsd.v1 import (
    host_service_pb2 as host_pb,
)
from hcsd.v1 import process_pb2 as pb
from hcsd.v1 import process_service_pb2 as service_pb
from hcsd.version import __version__
from tests.support import commands
from tests.unit.test_client_fake import NAME, Context, FakeDaemon, fake_daemon, refuse

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the fake daemon's socket is POSIX")

HCSD = (sys.executable, "-m", "hcsd")
STDOUT = pb.OUTPUT_STREAM_STDOUT
STDERR = pb.OUTPUT_STREAM_STDERR


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[FakeDaemon]:
    async with fake_daemon(tmp_path) as daemon:
        yield daemon


async def hcsd(
    daemon: FakeDaemon | None, *arguments: str, stdout: int = subprocess.PIPE, **variables: str
) -> subprocess.CompletedProcess[bytes]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("HCSD_")}
    if daemon is not None:
        environment["HCSD_ADDRESS"] = daemon.target
    return await commands.run(arguments, environment | variables, stdout=stdout)


def a_process(name: str = NAME, **fields: object) -> pb.Process:
    started = Timestamp()
    started.GetCurrentTime()
    spec = pb.ProcessSpec(argv=pb.Argv(args=["sh", "-c", "a\n\x1b[31m"]))
    process = pb.Process(
        name=name, pid=7, state=pb.PROCESS_STATE_RUNNING, spec=spec, start_time=started
    )
    process.MergeFrom(pb.Process(**fields))  # type: ignore[arg-type]  # whatever the test has
    return process


def listed(daemon: FakeDaemon, *processes: pb.Process) -> None:
    daemon.answers("ListProcesses", service_pb.ListProcessesResponse(processes=processes))


async def test_a_list_is_plain_columns_where_no_terminal_is(daemon: FakeDaemon) -> None:
    killed = pb.ProcessExit(exit_code=137, signal_name="KILL")
    listed(
        daemon,
        a_process(),
        a_process(
            "systems/a%20b/processes/another-one", state=pb.PROCESS_STATE_EXITED, exit=killed
        ),
        pb.Process(
            name=NAME, state=pb.PROCESS_STATE_CREATING, spec=pb.ProcessSpec(command_line="x")
        ),
    )
    result = await hcsd(daemon, "ps")
    assert re.sub(r"\d+s ago", "0s ago", result.stdout.decode()).splitlines() == [
        "ID           SYSTEM  PID  STATE     EXIT        STARTED  COMMAND",
        r"one          host    7    running               0s ago   sh -c 'a\n\x1b[31m'",
        r"another-one  a b     7    exited    137 (KILL)  0s ago   sh -c 'a\n\x1b[31m'",
        "one          host         creating                       x",
    ]
    assert daemon.requests == [
        service_pb.ListProcessesRequest(
            parent="systems/-", states=[pb.PROCESS_STATE_CREATING, pb.PROCESS_STATE_RUNNING]
        )
    ]


async def test_all_processes_of_one_system(daemon: FakeDaemon) -> None:
    listed(daemon)
    result = await hcsd(daemon, "ps", "-a", "--system", "other")
    assert len(result.stdout.splitlines()) == 1
    assert daemon.requests == [service_pb.ListProcessesRequest(parent="systems/other")]


async def test_json_has_the_names_of_the_contract_and_every_field(daemon: FakeDaemon) -> None:
    listed(daemon, a_process())
    (process,) = json.loads((await hcsd(daemon, "ps", "--output", "json")).stdout)
    assert process["name"] == NAME
    assert process["labels"] == {}
    assert process["spec"]["argv"]["args"][0] == "sh"
    listed(daemon)
    assert json.loads((await hcsd(daemon, "ps", "-o", "json")).stdout) == []


@pytest.mark.parametrize(("variables", "colour"), [({}, True), ({"NO_COLOR": "1"}, False)])
async def test_a_terminal_gets_colour_unless_told_otherwise(
    variables: dict[str, str], colour: bool, daemon: FakeDaemon
) -> None:
    listed(daemon, a_process())
    terminal, end = os.openpty()
    try:
        await hcsd(daemon, "ps", stdout=end, TERM="xterm", COLUMNS="40", **variables)
        text = os.read(terminal, 10_000)
    finally:
        os.close(terminal)
        os.close(end)
    assert (b"\x1b[32mrunning" in text) is colour
    assert rb"\x1b[31m" not in text  # of the command: there is no room for it
    assert b"\x1b[31m" not in text


async def test_a_process_is_shown_as_a_tree(daemon: FakeDaemon) -> None:
    process = a_process(stdin=pb.StreamStatus(closed=True), start_time=Timestamp(seconds=1))
    daemon.answers("GetProcess", service_pb.GetProcessResponse(process=process))
    result = await hcsd(daemon, "inspect", "one", "systems/x/processes/y")
    first, second = result.stdout.decode().split("\n\n")
    assert first.startswith(f"name:       {NAME}\nspec:\n  argv: sh -c 'a\\n\\x1b[31m'\npid: ")
    assert "stdin:\n  closed: true" in first
    assert "stdout" not in first
    assert first.strip() == second.strip()
    assert daemon.requests == [
        service_pb.GetProcessRequest(name=name) for name in (NAME, "systems/x/processes/y")
    ]
    as_json = json.loads((await hcsd(daemon, "inspect", "-o", "json", "one")).stdout)
    assert [found["pid"] for found in as_json] == [7]


async def test_waiting_prints_the_exit_codes(daemon: FakeDaemon) -> None:
    codes = [pb.ProcessExit(exit_code=code) for code in (7, 0xFFFFFFFF)]
    daemon.answers("GetProcess", service_pb.GetProcessResponse(process=a_process()))
    daemon.answers(
        "WaitProcess",
        *(service_pb.WaitProcessResponse(process=a_process(exit=code)) for code in codes),
    )
    result = await hcsd(daemon, "wait", "one", "two")
    assert (result.returncode, result.stdout, result.stderr) == (0, b"7\n4294967295\n", b"")


async def test_waiting_for_one_that_has_ended_takes_no_time(daemon: FakeDaemon) -> None:
    process = a_process(state=pb.PROCESS_STATE_EXITED, exit=pb.ProcessExit(exit_code=7))
    daemon.answers("GetProcess", service_pb.GetProcessResponse(process=process))
    result = await hcsd(daemon, "wait", "--timeout", "0", "one")
    assert (result.returncode, result.stdout, result.stderr) == (0, b"7\n", b"")


async def test_a_process_without_an_exit_code_is_said(daemon: FakeDaemon) -> None:
    lost = pb.ProcessExit(unknown=pb.UnknownExit(message="HCS went away"))
    daemon.answers("GetProcess", service_pb.GetProcessResponse(process=a_process()))
    daemon.answers("WaitProcess", service_pb.WaitProcessResponse(process=a_process(exit=lost)))
    result = await hcsd(daemon, "wait", "one")
    assert (result.returncode, result.stdout) == (1, b"")
    assert result.stderr == b"hcsd: 'one' has no exit code: HCS went away\n"


async def test_an_interrupted_wait_is_quiet(daemon: FakeDaemon) -> None:
    waiting = anyio.Event()

    async def handle(request: Message, context: Context) -> Message:
        waiting.set()
        await anyio.sleep_forever()
        raise AssertionError

    daemon.answers("GetProcess", service_pb.GetProcessResponse(process=a_process()))
    daemon.does("WaitProcess", handle)
    environment = {**os.environ, "HCSD_ADDRESS": daemon.target}
    async with await anyio.open_process([*HCSD, "wait", "one"], env=environment) as command:
        await waiting.wait()
        command.send_signal(signal.SIGINT)
        assert await command.wait() == 130
        assert command.stderr is not None
        assert [text async for text in command.stderr] == []


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("TERM", pb.ProcessSignal(signal_name="TERM")),
        ("CtrlC", pb.ProcessSignal(signal_name="CtrlC")),
        ("15", pb.ProcessSignal(signal_number=15)),
    ],
)
async def test_a_signal_is_a_name_or_a_number(
    text: str, sent: pb.ProcessSignal, daemon: FakeDaemon
) -> None:
    delivered = service_pb.SignalProcessResponse(delivery=pb.SIGNAL_DELIVERY_DELIVERED)
    daemon.answers("SignalProcess", delivered)
    result = await hcsd(daemon, "signal", "one", text)
    assert (result.returncode, result.stdout, result.stderr) == (0, b"", b"")
    assert daemon.requests == [service_pb.SignalProcessRequest(name=NAME, signal=sent)]


async def test_a_signal_to_who_has_ended_is_said_and_no_error(daemon: FakeDaemon) -> None:
    late = service_pb.SignalProcessResponse(delivery=pb.SIGNAL_DELIVERY_ALREADY_EXITED)
    daemon.answers("SignalProcess", late)
    result = await hcsd(daemon, "signal", "one", "TERM")
    assert (result.returncode, result.stderr) == (0, b"hcsd: 'one' has ended already\n")


async def test_a_number_that_is_no_signal_is_left_to_the_daemon(daemon: FakeDaemon) -> None:
    daemon.answers("SignalProcess", service_pb.SignalProcessResponse())
    assert (await hcsd(daemon, "signal", "one", "99999999999")).returncode == 0
    assert daemon.requests == [
        service_pb.SignalProcessRequest(
            name=NAME, signal=pb.ProcessSignal(signal_name="99999999999")
        )
    ]


async def test_a_console_is_resized(daemon: FakeDaemon) -> None:
    daemon.answers("ModifyProcess", service_pb.ModifyProcessResponse())
    result = await hcsd(daemon, "resize", "one", "120", "40")
    assert (result.returncode, result.stdout, result.stderr) == (0, b"", b"")
    assert daemon.requests == [
        service_pb.ModifyProcessRequest(name=NAME, console_size=pb.Console(columns=120, rows=40))
    ]
    for size in (("0", "40"), ("120", "65536"), ("120", "x"), ("120",)):
        assert (await hcsd(daemon, "resize", "one", *size)).returncode == 2


async def test_a_name_that_is_not_utf_8_is_said(daemon: FakeDaemon) -> None:
    result = await hcsd(daemon, "logs", os.fsdecode(b"a\xff"))
    assert result.returncode == 1
    assert result.stderr.startswith(b"hcsd: 'a\\xff' is not UTF-8")


async def test_a_kill_may_wait(daemon: FakeDaemon) -> None:
    daemon.answers("TerminateProcess", service_pb.TerminateProcessResponse())
    assert (await hcsd(daemon, "kill", "--grace", "1m500ms", "one", "two")).returncode == 0
    for request in daemon.requests:
        assert isinstance(request, service_pb.TerminateProcessRequest)
        assert request.grace_period.ToMilliseconds() == 60_500
    result = await hcsd(daemon, "kill", "--grace", "soon", "one")
    assert result.returncode == 2
    assert b"10s, 500ms or 1m30s" in result.stderr


def killed(
    reason: pb.ExitReason, scope: service_pb.TerminateScope, descendants: int = 0
) -> service_pb.TerminateProcessResponse:
    return service_pb.TerminateProcessResponse(
        process=pb.Process(exit=pb.ProcessExit(reason=reason)),
        scope_applied=scope,
        descendants_killed=descendants,
    )


BY_US, BEFORE = pb.EXIT_REASON_TERMINATED, pb.EXIT_REASON_EXITED
NOTHING = service_pb.TERMINATE_SCOPE_UNSPECIFIED
ALONE, TREE = service_pb.TERMINATE_SCOPE_PROCESS, service_pb.TERMINATE_SCOPE_TREE


@pytest.mark.parametrize("command", ["stop", "kill"])
@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (killed(BY_US, TREE), ""),
        (killed(BY_US, TREE, 1), "ended 'one' and 1 process that it had started"),
        (killed(BY_US, TREE, 2), "ended 'one' and 2 processes that it had started"),
        (killed(BEFORE, NOTHING), ""),
        (
            killed(BEFORE, TREE, 2),
            "'one' had ended already; ended 2 processes that it had started",
        ),
        (
            killed(BY_US, ALONE),
            "'one' has ended; what it had started may run on: this engine cannot tell",
        ),
    ],
    ids=["alone", "with one", "with two", "was gone", "left two", "cannot tell"],
)
async def test_what_a_kill_has_ended_besides_is_told(
    daemon: FakeDaemon, command: str, answer: service_pb.TerminateProcessResponse, said: str
) -> None:
    daemon.answers("TerminateProcess", answer)
    result = await hcsd(daemon, command, "one")
    assert result.returncode == 0
    assert result.stderr.decode() == (f"hcsd: {said}\n" if said else "")
    (request,) = daemon.requests
    assert isinstance(request, service_pb.TerminateProcessRequest)
    assert request.scope == service_pb.TERMINATE_SCOPE_TREE_BEST_EFFORT


async def test_what_a_removal_has_ended_is_told(daemon: FakeDaemon) -> None:
    answer = service_pb.DeleteProcessResponse(
        scope_applied=service_pb.TERMINATE_SCOPE_TREE, descendants_killed=2
    )
    daemon.answers("DeleteProcess", answer)
    result = await hcsd(daemon, "rm", "-f", "one")
    assert result.stderr == b"hcsd: removed 'one' and ended 2 processes that it had started\n"
    await hcsd(daemon, "rm", "-f", "--process-only", "one")
    scopes = [request.scope for request in daemon.requests]  # type: ignore[attr-defined]
    assert scopes == [
        service_pb.TERMINATE_SCOPE_TREE_BEST_EFFORT,
        service_pb.TERMINATE_SCOPE_PROCESS,
    ]


def logged(*events: pb.OutputChunk | pb.OutputGap) -> list[service_pb.ReadOutputResponse]:
    return [
        service_pb.ReadOutputResponse(gap=event)
        if isinstance(event, pb.OutputGap)
        else service_pb.ReadOutputResponse(chunk=event)
        for event in events
    ]


async def test_logs_go_to_their_streams_and_gaps_are_said(daemon: FakeDaemon) -> None:
    daemon.outputs(
        *logged(
            pb.OutputGap(stream=STDOUT, from_offset=0, to_offset=5),
            pb.OutputChunk(stream=STDOUT, offset=5, data=b"\xffout"),
            pb.OutputChunk(stream=STDERR, data=b"err\n"),
        )
    )
    result = await hcsd(daemon, "logs", "one")
    assert result.returncode == 0
    assert result.stdout == b"\xffout"
    assert result.stderr == b"hcsd: 5 bytes of stdout are gone, from offset 0 to 5\nerr\n"
    assert daemon.requests == [
        service_pb.ReadOutputRequest(
            name=NAME, gap_policy=pb.GAP_POLICY_REPORT, heartbeat_interval=Duration(seconds=20)
        )
    ]


async def test_logs_follow_and_leave_out_as_told(daemon: FakeDaemon) -> None:
    await hcsd(daemon, "logs", "-f", "--stderr-only", "one")
    (request,) = daemon.requests
    assert isinstance(request, service_pb.ReadOutputRequest)
    assert request.follow
    assert [cursor.stream for cursor in request.cursors] == [STDERR]
    nothing = await hcsd(daemon, "logs", "--stdout-only", "--stderr-only", "one")
    assert nothing.returncode == 2


async def test_logs_that_nobody_reads_end_quietly(daemon: FakeDaemon) -> None:
    piece = pb.OutputChunk(stream=STDOUT, data=bytes(65536))
    daemon.outputs(*logged(*[piece] * 100))
    read, write = os.pipe()
    os.close(read)
    try:
        result = await hcsd(daemon, "logs", "one", stdout=write)
    finally:
        os.close(write)
    assert (result.returncode, result.stderr) == (141, b"")


async def test_a_table_that_nobody_reads_ends_quietly(daemon: FakeDaemon) -> None:
    listed(daemon, a_process())
    read, write = os.pipe()
    os.close(read)
    try:
        result = await hcsd(daemon, "ps", stdout=write)
    finally:
        os.close(write)
    assert (result.returncode, result.stderr) == (141, b"")


async def test_what_is_not_there_is_said(daemon: FakeDaemon) -> None:
    async def handle(request: Message, context: Context) -> Message:
        await refuse(context, grpc.StatusCode.NOT_FOUND, "no process 'x'", "PROCESS_NOT_FOUND")
        raise AssertionError

    for method in ("GetProcess", "ReadOutput"):
        daemon.does(method, handle)
    for command in ("inspect", "logs"):
        result = await hcsd(daemon, command, "x")
        assert (result.returncode, result.stdout) == (1, b"")
        assert result.stderr.startswith(
            b"hcsd: no process 'x'; see what there is with 'hcsd ps --all'"
        )


async def test_the_daemon_tells_about_itself(daemon: FakeDaemon) -> None:
    limits = host_pb.Limits(max_page_size=5)
    host = host_pb.GetHostResponse(version="1.2", engine="embedded", limits=limits)
    daemon.answers("GetHost", host)
    result = await hcsd(None, "info", "--address", daemon.target)
    assert result.stdout.decode().splitlines() == [
        f"address: {daemon.target}",
        "version: 1.2",
        "engine:  embedded",
        "limits:",
        "  max_page_size: 5",
    ]
    result = await hcsd(None, "--address", daemon.target, "info", "-o", "json")
    assert json.loads(result.stdout)["limits"]["max_page_size"] == 5


async def test_the_nearer_address_holds(daemon: FakeDaemon) -> None:
    daemon.answers("GetHost", host_pb.GetHostResponse())
    elsewhere = "unix:///nonexistent.sock"
    near = await hcsd(
        None, "--address", elsewhere, "info", "--address", daemon.target, HCSD_ADDRESS=elsewhere
    )
    assert near.returncode == 0
    far = await hcsd(None, "--address", daemon.target, "info", HCSD_ADDRESS=elsewhere)
    assert far.returncode == 0
    neither = await hcsd(None, "info", HCSD_ADDRESS=elsewhere)
    assert neither.returncode == 1
    assert neither.stderr.startswith(f"hcsd: cannot reach a daemon at {elsewhere}: ".encode())


async def test_a_token_that_is_missing_is_asked_for(daemon: FakeDaemon) -> None:
    async def handle(request: Message, context: Context) -> Message:
        await refuse(context, grpc.StatusCode.UNAUTHENTICATED, "who are you", "TOKEN_MISSING")
        raise AssertionError

    daemon.does("GetHost", handle)
    result = await hcsd(daemon, "info")
    assert result.returncode == 1
    assert b"--token-file or HCSD_TOKEN_FILE" in result.stderr


async def test_an_address_that_is_none_is_said() -> None:
    result = await hcsd(None, "info", "--address", "nowhere")
    assert result.returncode == 1
    assert result.stderr.startswith(b"hcsd: 'nowhere' is not an address of a daemon: ")


async def test_the_version_is_printed() -> None:
    assert (await hcsd(None, "--version")).stdout.decode() == f"hcsd {__version__}\n"


async def test_help_loads_neither_the_daemon_nor_grpc_nor_what_tables_need() -> None:
    code = (
        "import sys; from typer.testing import CliRunner; from hcsd.cli.main import app; "
        "assert CliRunner().invoke(app, ['--help']).exit_code == 0; "
        "heavy = ('google', 'grpc', 'hcsd.rpc', 'hcsd.daemon.', 'hcsd.hcs', 'hcsd_client', 'rich'); "
        "print([m for m in sys.modules if m.startswith(heavy)"
        # The lists that the options of `hcsd serve` are made of, and what its defaults are.
        " and m.removeprefix('hcsd.daemon.') not in ('setting', 'settings', 'host_size', 'on_stop')])"
    )
    result = await anyio.run_process([sys.executable, "-c", code])
    assert result.stdout.decode() == "[]\n"
