"""What the client sends, what it returns, and how a connection begins and ends."""

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from hcsd.v1 import (
    compute_system_pb2 as system_pb,
)
from hcsd.v1 import (
    compute_system_service_pb2 as systems_pb,
)
from hcsd.v1 import (
    host_service_pb2 as host_pb,
)
from hcsd.v1 import (
    process_pb2 as pb,
)
from hcsd.v1 import (
    process_service_pb2 as service_pb,
)
from hcsd_client import (
    Client,
    ClientClosedError,
    ConnectionLostError,
    DaemonUnreachableError,
    Output,
    Retry,
    TokenFileError,
    UnauthenticatedError,
    process_name,
    system_name,
)
from tests.unit.test_client_fake import NAME, Context, FakeDaemon, fake_daemon, refuse

MORE = "more"
LAST = "last"
PROCESS = pb.Process(name=NAME, pid=7)
BEST_EFFORT = service_pb.TERMINATE_SCOPE_TREE_BEST_EFFORT
TerminateRequest = service_pb.TerminateProcessRequest
PIECE = Duration(seconds=20)  # of a long wait, asked for at once
STDOUT = pb.OUTPUT_STREAM_STDOUT


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[FakeDaemon]:
    async with fake_daemon(tmp_path) as daemon:
        yield daemon


@pytest.fixture
async def client(daemon: FakeDaemon) -> AsyncIterator[Client]:
    async with Client(daemon.target, keepalive=None) as client:
        yield client


@pytest.fixture
async def impatient(daemon: FakeDaemon) -> AsyncIterator[Client]:
    """A client that does not go on after a lost connection."""
    async with Client(daemon.target, retry=Retry(attempts=0)) as client:
        yield client


def test_names_encode_what_a_name_cannot_hold() -> None:
    assert system_name("a b/c~@.-_%") == "systems/a%20b%2Fc~@.-_%25"
    assert process_name("host", "one") == NAME


async def test_a_command_is_a_spec_or_words_or_a_line(daemon: FakeDaemon, client: Client) -> None:
    daemon.answers(
        "CreateProcess", service_pb.CreateProcessResponse(process=PROCESS, replayed=True)
    )
    spec = pb.ProcessSpec(argv=pb.Argv(args=["ls", "-l"]))
    created = await client.create_process(
        ["ls", "-l"], process_id="one", labels={"a": "b"}, request_id="r"
    )
    assert created.replayed
    assert created.process == PROCESS
    await client.create_process(spec, parent="systems/other")
    await client.create_process("ls -l")
    await client.create_process(parameters_json="{}")
    assert daemon.requests == [
        service_pb.CreateProcessRequest(
            parent="systems/host", spec=spec, process_id="one", labels={"a": "b"}, request_id="r"
        ),
        service_pb.CreateProcessRequest(parent="systems/other", spec=spec),
        service_pb.CreateProcessRequest(
            parent="systems/host", spec=pb.ProcessSpec(command_line="ls -l")
        ),
        service_pb.CreateProcessRequest(parent="systems/host", parameters_json="{}"),
    ]


async def test_what_is_to_run_is_said_once(client: Client) -> None:
    with pytest.raises(TypeError, match="either a command or parameters_json"):
        await client.create_process()
    with pytest.raises(TypeError, match="either a command or parameters_json"):
        client.run_process(["ls"], parameters_json="{}")


async def test_listing_follows_the_pages(daemon: FakeDaemon, client: Client) -> None:
    daemon.answers(
        "ListProcesses",
        service_pb.ListProcessesResponse(processes=[PROCESS, PROCESS], next_page_token=MORE),
        service_pb.ListProcessesResponse(next_page_token=LAST),
        service_pb.ListProcessesResponse(processes=[PROCESS]),
    )
    states = [pb.PROCESS_STATE_RUNNING]
    found = [process async for process in client.list_processes(states=states, page_size=2)]
    assert found == [PROCESS] * 3
    assert daemon.requests == [
        service_pb.ListProcessesRequest(
            parent="systems/-", states=states, page_size=2, page_token=token
        )
        for token in ("", MORE, LAST)
    ]


async def test_systems_and_the_host_are_described(daemon: FakeDaemon, client: Client) -> None:
    system = system_pb.ComputeSystem(name="systems/host")
    page = systems_pb.ListComputeSystemsResponse
    daemon.answers(
        "ListComputeSystems", page(systems=[system], next_page_token=MORE), page(systems=[system])
    )
    daemon.answers("GetComputeSystem", systems_pb.GetComputeSystemResponse(system=system))
    daemon.answers("GetHost", host_pb.GetHostResponse(engine="embedded"))
    assert [found async for found in client.list_systems()] == [system, system]
    assert await client.get_system("systems/host") == system
    assert (await client.get_host()).engine == "embedded"


async def test_waiting_says_for_what_and_how_long(daemon: FakeDaemon, client: Client) -> None:
    daemon.answers("WaitProcess", service_pb.WaitProcessResponse(process=PROCESS))
    await client.wait_process(NAME)
    await client.wait_process(NAME, wait_for=service_pb.WAIT_FOR_OUTPUT_COMPLETE, timeout=1.5)
    unlimited, limited = daemon.requests
    assert isinstance(unlimited, service_pb.WaitProcessRequest)
    assert isinstance(limited, service_pb.WaitProcessRequest)
    assert unlimited.timeout == PIECE
    assert 0 < limited.timeout.ToMilliseconds() <= 1500
    assert limited.wait_for == service_pb.WAIT_FOR_OUTPUT_COMPLETE


async def test_a_long_wait_is_asked_for_in_pieces(daemon: FakeDaemon, client: Client) -> None:
    not_yet = service_pb.WaitProcessResponse(process=PROCESS, timed_out=True)
    daemon.answers("WaitProcess", not_yet, not_yet, service_pb.WaitProcessResponse(process=PROCESS))
    assert not (await client.wait_process(NAME)).timed_out
    assert len(daemon.requests) == 3
    daemon.answers("WaitProcess", not_yet)
    assert (await client.wait_process(NAME, timeout=0.01)).timed_out


async def test_no_time_is_not_the_same_as_no_limit(daemon: FakeDaemon, client: Client) -> None:
    daemon.answers("WaitProcess", service_pb.WaitProcessResponse(process=PROCESS))
    await client.wait_process(NAME, timeout=0)
    (request,) = daemon.requests
    assert isinstance(request, service_pb.WaitProcessRequest)
    assert request.HasField("timeout")


async def test_processes_are_changed(daemon: FakeDaemon, client: Client) -> None:
    delivered = service_pb.SignalProcessResponse(delivery=pb.SIGNAL_DELIVERY_DELIVERED)
    daemon.answers("SignalProcess", delivered)
    terminated = service_pb.TerminateProcessResponse(
        process=PROCESS, scope_applied=service_pb.TERMINATE_SCOPE_TREE, descendants_killed=2
    )
    daemon.answers("TerminateProcess", terminated)
    daemon.answers("ModifyProcess", service_pb.ModifyProcessResponse(process=PROCESS))
    deleted = service_pb.DeleteProcessResponse(scope_applied=service_pb.TERMINATE_SCOPE_PROCESS)
    daemon.answers("DeleteProcess", deleted)
    event = pb.ProcessSignal(console_event=pb.CONSOLE_EVENT_CTRL_C)
    for signal in ("TERM", 15, event):
        assert await client.signal_process(NAME, signal) == delivered
    assert await client.terminate_process(NAME, grace_period=2) == terminated
    assert await client.modify_process(NAME, console_size=(80, 25)) == PROCESS
    handles = [service_pb.STDIO_HANDLE_STDIN]
    await client.modify_process(NAME, close_handles=handles)
    await client.modify_process(NAME, modification_json="{}")
    assert await client.delete_process(NAME, force=True) == deleted
    await client.delete_process(NAME)
    terminate = service_pb.TerminateProcessRequest(
        name=NAME, scope=service_pb.TERMINATE_SCOPE_TREE_BEST_EFFORT, timeout=PIECE
    )
    terminate.grace_period.FromSeconds(2)
    assert daemon.requests == [
        service_pb.SignalProcessRequest(name=NAME, signal=pb.ProcessSignal(signal_name="TERM")),
        service_pb.SignalProcessRequest(name=NAME, signal=pb.ProcessSignal(signal_number=15)),
        service_pb.SignalProcessRequest(name=NAME, signal=event),
        terminate,
        service_pb.ModifyProcessRequest(name=NAME, console_size=pb.Console(columns=80, rows=25)),
        service_pb.ModifyProcessRequest(
            name=NAME, close_handles=service_pb.CloseHandles(handles=handles)
        ),
        service_pb.ModifyProcessRequest(name=NAME, modification_json="{}"),
        service_pb.DeleteProcessRequest(
            name=NAME, force=True, scope=service_pb.TERMINATE_SCOPE_TREE_BEST_EFFORT
        ),
        service_pb.DeleteProcessRequest(name=NAME),
    ]


async def test_the_end_of_a_run_ends_the_tree_also_of_a_process_that_has_exited(
    daemon: FakeDaemon, client: Client
) -> None:
    exited = pb.Process(name=NAME, state=pb.PROCESS_STATE_EXITED)
    daemon.answers("CreateProcess", service_pb.CreateProcessResponse(process=PROCESS))
    daemon.answers("WaitProcess", service_pb.WaitProcessResponse(process=exited))
    daemon.answers("TerminateProcess", service_pb.TerminateProcessResponse(process=exited))
    async with client.run(["x"]):
        pass
    async with client.run(["x"]) as process:
        await process.wait()
    with pytest.raises(ZeroDivisionError):
        async with client.run(["x"]):
            _ = 1 // 0
    asked = [each for each in daemon.requests if isinstance(each, TerminateRequest)]
    assert asked == [TerminateRequest(name=NAME, scope=BEST_EFFORT, timeout=PIECE)] * 3


async def test_a_process_may_be_ended_alone(daemon: FakeDaemon, client: Client) -> None:
    alone = service_pb.TERMINATE_SCOPE_PROCESS
    terminated = service_pb.TerminateProcessResponse(process=PROCESS, scope_applied=alone)
    deleted = service_pb.DeleteProcessResponse(scope_applied=alone)
    daemon.answers("GetProcess", service_pb.GetProcessResponse(process=PROCESS))
    daemon.answers("TerminateProcess", terminated)
    daemon.answers("DeleteProcess", deleted)
    process = await client.open(NAME)
    assert await process.terminate(scope=alone) == terminated
    assert await process.delete(force=True, scope=alone) == deleted
    assert daemon.requests[1:] == [
        TerminateRequest(name=NAME, scope=alone, timeout=PIECE),
        service_pb.DeleteProcessRequest(name=NAME, force=True, allow_missing=True, scope=alone),
    ]


async def test_one_change_at_a_time(client: Client) -> None:
    with pytest.raises(TypeError, match="give one of"):
        await client.modify_process(NAME)
    with pytest.raises(TypeError, match="give one of"):
        await client.modify_process(NAME, console_size=(1, 1), modification_json="{}")


async def test_properties_are_asked_for(daemon: FakeDaemon, client: Client) -> None:
    answer = service_pb.GetProcessPropertiesResponse(properties_json="{}")
    daemon.answers("GetProcessProperties", answer)
    assert await client.get_process_properties(NAME, property_query_json="{}") == answer


async def test_output_is_read_to_its_end(daemon: FakeDaemon, client: Client) -> None:
    events = [
        service_pb.ReadOutputResponse(started=pb.OutputStarted(process=PROCESS)),
        service_pb.ReadOutputResponse(chunk=pb.OutputChunk(stream=STDOUT, data=b"\0\xff")),
        service_pb.ReadOutputResponse(end=pb.OutputEnd()),
    ]
    daemon.outputs(*events)
    cursors = [pb.OutputCursor(stream=STDOUT, offset=3)]
    output = client.read_output(
        NAME, cursors=cursors, follow=True, gap_policy=pb.GAP_POLICY_FAIL, max_chunk_bytes=5
    )
    assert [event async for event in output] == events
    assert [event async for event in output] == []
    (request,) = daemon.requests
    assert request == service_pb.ReadOutputRequest(
        name=NAME,
        cursors=cursors,
        follow=True,
        gap_policy=pb.GAP_POLICY_FAIL,
        max_chunk_bytes=5,
    )


async def first_of_endless_output(daemon: FakeDaemon, client: Client) -> Output:
    """Begin to read an output that has one event and then never another."""

    async def never(request: Message, context: Context) -> Message:
        await anyio.sleep_forever()
        raise AssertionError

    daemon.outputs(service_pb.ReadOutputResponse(started=pb.OutputStarted(process=PROCESS)))
    daemon.does("ReadOutput", never)
    output = client.read_output(NAME)
    await anext(output)
    return output


async def test_leaving_an_output_ends_who_waits_for_it(daemon: FakeDaemon, client: Client) -> None:
    output = await first_of_endless_output(daemon, client)

    async def wait() -> None:
        with pytest.raises(ClientClosedError, match="stream is closed"):
            await anext(output)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        await output.aclose()
    with pytest.raises(ClientClosedError):
        await anext(output)


async def test_closing_the_client_ends_who_waits(daemon: FakeDaemon, client: Client) -> None:
    output = await first_of_endless_output(daemon, client)

    async def wait() -> None:
        with pytest.raises(ClientClosedError, match="client is closed"):
            await anext(output)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        await client.__aexit__(None, None, None)
    with pytest.raises(ClientClosedError):
        await client.get_host()


async def test_a_cancelled_stream_does_not_look_complete(
    daemon: FakeDaemon, client: Client
) -> None:
    output = await first_of_endless_output(daemon, client)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await anext(output)
    with pytest.raises(ClientClosedError):
        await anext(output)


async def test_a_cancellation_is_the_callers_own(daemon: FakeDaemon, client: Client) -> None:
    entered, left = anyio.Event(), anyio.Event()

    async def handle(request: Message, context: Context) -> Message:
        entered.set()
        try:
            await anyio.sleep_forever()
        finally:
            left.set()
        raise AssertionError

    daemon.does("GetHost", handle)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(client.get_host)
        await entered.wait()
        tasks.cancel_scope.cancel()
    await left.wait()


async def test_a_daemon_that_goes_away_is_a_lost_connection(
    daemon: FakeDaemon, client: Client, impatient: Client
) -> None:
    entered = anyio.Event()

    async def handle(request: Message, context: Context) -> Message:
        entered.set()
        await anyio.sleep_forever()
        raise AssertionError

    daemon.does("GetHost", handle)
    output = await first_of_endless_output(daemon, impatient)

    async def call() -> None:
        with pytest.raises(ConnectionLostError, match="lost the connection"):
            await impatient.get_host()

    async def read() -> None:
        with pytest.raises(ConnectionLostError, match="lost the connection"):
            await anext(output)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call)
        tasks.start_soon(read)
        await entered.wait()
        await daemon.server.stop(None)
    with pytest.raises(DaemonUnreachableError):
        await client.get_host()


@pytest.mark.parametrize("target", ["unix:///nonexistent/hcsd.sock", "127.0.0.1:1"])
async def test_without_a_daemon_the_answer_comes_at_once(target: str) -> None:
    begin = time.monotonic()
    async with Client(target) as client:
        with pytest.raises(DaemonUnreachableError) as caught:
            await client.get_host()
        with pytest.raises(DaemonUnreachableError):
            async with client.run_process(["x"]) as run:
                await anext(run)
        with pytest.raises(DaemonUnreachableError):
            await anext(client.read_output(NAME))
    assert time.monotonic() - begin < 5  # tries would take longer
    text = str(caught.value)
    assert text.startswith(f"cannot reach a daemon at {target}: ")
    assert any(cause in text for cause in (os.strerror(2), os.strerror(111)))
    assert "hcsd serve" in text
    assert "Client(address=...)" in text


async def test_a_daemon_that_is_started_later_is_found(tmp_path: Path) -> None:
    async with Client(f"unix://{tmp_path}/hcsd.sock") as client:
        with pytest.raises(DaemonUnreachableError):
            await client.get_host()
        async with fake_daemon(tmp_path) as daemon:
            daemon.answers("GetHost", host_pb.GetHostResponse(engine="embedded"))
            async with Client(daemon.target) as another:
                assert (await another.get_host()).engine == "embedded"
            with anyio.fail_after(30):
                while True:
                    try:
                        assert (await client.get_host()).engine == "embedded"
                        break
                    except DaemonUnreachableError:  # gRPC has not tried again yet
                        pass


async def test_the_token_goes_with_every_call_over_tcp(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("s3cret-token\n")
    async with fake_daemon(tmp_path, tcp=True) as daemon, Client(daemon.target, token) as client:
        daemon.answers("GetHost", host_pb.GetHostResponse())
        await client.get_host()
        assert daemon.metadata["authorization"] == "Bearer s3cret-token"
        daemon.outputs(service_pb.ReadOutputResponse(end=pb.OutputEnd()))
        await anext(client.read_output(NAME))
        assert daemon.metadata["authorization"] == "Bearer s3cret-token"


async def test_the_environment_names_the_token_and_the_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = tmp_path / "token"
    token.write_text("s3cret-token")
    async with fake_daemon(tmp_path, tcp=True) as daemon:
        daemon.answers("GetHost", host_pb.GetHostResponse())
        monkeypatch.setenv("HCSD_ADDRESS", daemon.target)
        monkeypatch.setenv("HCSD_TOKEN_FILE", str(token))
        async with Client() as client:
            assert str(client.address) == daemon.target
            await client.get_host()
        assert daemon.metadata["authorization"] == "Bearer s3cret-token"


async def test_a_unix_socket_needs_no_token(daemon: FakeDaemon, tmp_path: Path) -> None:
    daemon.answers("GetHost", host_pb.GetHostResponse())
    async with Client(daemon.target, tmp_path / "no such file") as client:
        await client.get_host()
    assert "authorization" not in daemon.metadata


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "cannot read the token file"),
        (b"", "does not hold a token"),
        (b"two words", "does not hold a token"),
        (b"s3cret\xff", "does not hold a token"),
        (b"s3cret\x07", "does not hold a token"),
    ],
)
async def test_what_is_no_token_is_refused_without_being_shown(
    content: bytes | None, problem: str, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(TokenFileError, match=problem) as caught:
        async with Client("127.0.0.1:1", file):
            raise AssertionError
    assert str(file) in str(caught.value)
    assert "s3cret" not in f"{caught.value}{caught.value.__context__}"


async def test_who_is_not_let_in_learns_what_was_sent(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("s3cret")

    async def handle(_: Message, context: Context) -> Message:
        await refuse(context, grpc.StatusCode.UNAUTHENTICATED, "who are you", "TOKEN_INVALID")
        raise AssertionError

    async with fake_daemon(tmp_path, tcp=True) as daemon:
        daemon.does("GetHost", handle)
        async with Client(daemon.target, token) as client:
            with pytest.raises(UnauthenticatedError) as caught:
                await client.get_host()
        assert str(caught.value) == f"who are you; this client sent the token in '{token}'"
        assert caught.value.reason == "TOKEN_INVALID"
        async with Client(daemon.target, tls_ca_file=tmp_path / "server.pem") as client:
            with pytest.raises(UnauthenticatedError, match=r"sent no token and no certificate$"):
                await client.get_host()


async def test_a_client_is_used_inside_async_with() -> None:
    client = Client("127.0.0.1:1")
    with pytest.raises(ClientClosedError, match="async with"):
        await client.get_host()
    with pytest.raises(ClientClosedError, match="async with"):
        client.read_output(NAME)


@pytest.mark.slow
async def test_who_listens_and_stays_silent_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        async with Client(f"127.0.0.1:{port}") as client:
            with anyio.fail_after(15), pytest.raises(DaemonUnreachableError):
                await client.get_host()
