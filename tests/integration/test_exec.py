"""ExecProcess: a command and its result in one call, also when the call is lost or repeated."""

import os
import uuid
from pathlib import Path

import anyio
import grpc
import pytest

from hcsd.v1 import process_pb2 as pb
from hcsd.v1 import process_service_pb2 as service_pb
from tests.integration.wire import HOST, Client, code_of, refused, seconds, sh

Code = grpc.StatusCode

MIB = 1 << 20


def exec_of(
    argv: pb.Argv,
    *,
    stdin: bytes = b"",
    max_output_bytes: int = 0,
    options: pb.ProcessOptions | None = None,
    request_id: str = "",
    process_id: str = "",
) -> service_pb.ExecProcessRequest:
    return service_pb.ExecProcessRequest(
        create=service_pb.CreateProcessRequest(
            parent=HOST,
            spec=pb.ProcessSpec(argv=argv),
            options=options,
            request_id=request_id or str(uuid.uuid4()),
            process_id=process_id,
        ),
        stdin=stdin,
        max_output_bytes=max_output_bytes,
    )


async def run(
    client: Client, request: service_pb.ExecProcessRequest
) -> service_pb.ExecProcessResponse:
    return await client.processes.ExecProcess(request)


async def running(client: Client, name: str) -> str:
    """Wait until the process of a call that is under way runs; returns its name."""
    full = f"{HOST}/processes/{name}"
    while await code_of(client.get(full)) is Code.NOT_FOUND:
        pass
    while (await client.get(full)).state == pb.PROCESS_STATE_CREATING:
        pass
    return full


@pytest.fixture
def name() -> str:
    return f"x-{uuid.uuid4().hex[:8]}"


async def test_one_call_gives_code_and_both_outputs(client: Client) -> None:
    done = await run(client, exec_of(sh("echo out; echo err >&2; exit 7")))
    assert (done.stdout.data, done.stderr.data) == (b"out\n", b"err\n")
    assert (done.stdout.end_offset, done.stderr.end_offset) == (4, 4)
    assert done.process.exit.exit_code == 7
    assert done.process.exit.output_complete
    assert not done.replayed


async def test_stdin_is_read_to_its_end(client: Client) -> None:
    data = b"0123456789abcdef" * (MIB // 16)
    done = await run(client, exec_of(pb.Argv(args=["cat"]), stdin=data))
    assert done.stdout.data == data
    done = await run(client, exec_of(pb.Argv(args=["cat"])))
    assert (done.stdout.data, done.process.exit.exit_code) == (b"", 0)


async def test_at_a_console_the_end_of_input_is_typed(client: Client) -> None:
    request = exec_of(pb.Argv(args=["cat"]), stdin=b"typed\n\x04")
    request.create.spec.console.SetInParent()
    done = await run(client, request)
    assert (done.stdout.data, done.process.exit.exit_code) == (b"typed\r\ntyped\r\n", 0)


async def test_who_does_not_read_its_stdin_is_no_error(client: Client) -> None:
    done = await run(client, exec_of(sh("exec <&-; exit 3"), stdin=bytes(MIB)))
    assert done.process.exit.exit_code == 3


async def test_of_much_output_the_last_bytes_are_there_and_the_rest_is_counted(
    client: Client,
) -> None:
    done = await run(client, exec_of(sh("seq 10000; seq 3 >&2"), max_output_bytes=10))
    assert (done.stdout.data, done.stdout.end_offset) == (b"999\n10000\n"[-10:], 48894)
    assert (done.stderr.data, done.stderr.end_offset) == (b"1\n2\n3\n", 6)
    done = await run(client, exec_of(sh(f"head -c {5 * MIB} /dev/zero")))
    assert (len(done.stdout.data), done.stdout.end_offset) == (MIB, 5 * MIB)


async def test_who_wants_little_of_the_output_does_not_slow_the_process(client: Client) -> None:
    """It is read in pieces no larger than its ring."""
    done = await run(client, exec_of(sh("seq 10"), max_output_bytes=1))
    assert (done.stdout.data, done.process.options.output.ring_bytes) == (b"\n", 64 * 1024)
    options = pb.ProcessOptions(output=pb.OutputOptions(ring_bytes=4096))
    done = await run(client, exec_of(sh("seq 10"), max_output_bytes=1, options=options))
    assert (done.stdout.data, done.process.options.output.ring_bytes) == (b"\n", 4096)


async def test_a_command_that_takes_too_long_is_killed_with_what_it_started(
    client: Client,
) -> None:
    options = pb.ProcessOptions(run_timeout=seconds(0.3))
    done = await run(client, exec_of(sh("echo begun; sleep 1000 & sleep 1000"), options=options))
    assert done.process.exit.reason == pb.EXIT_REASON_RUN_TIMEOUT
    assert done.stdout.data == b"begun\n"
    assert not done.stdout.forced


async def test_an_equal_request_joins_the_run_and_gets_its_result_again(
    client: Client, tmp_path: Path, name: str
) -> None:
    go = tmp_path / "go"
    os.mkfifo(go)
    script = f'echo run >> "{tmp_path}/runs"; read line < "{go}"; cat'
    request = exec_of(sh(script), stdin=b"input", process_id=name)
    results: list[service_pb.ExecProcessResponse] = []

    async def one() -> None:
        results.append(await run(client, request))

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(one)
        await running(client, name)
        await anyio.Path(go).write_text("go\n")
    results.append(await run(client, request))
    assert [one.stdout.data for one in results] == [b"input"] * 4
    assert sorted(one.replayed for one in results) == [False, True, True, True]
    assert len({one.process.uid for one in results}) == 1
    assert (tmp_path / "runs").read_text() == "run\n"


async def test_another_input_is_another_request(client: Client) -> None:
    request_id = str(uuid.uuid4())
    await run(client, exec_of(pb.Argv(args=["cat"]), stdin=b"a", request_id=request_id))
    with refused(Code.ALREADY_EXISTS, "REQUEST_ID_REUSED"):
        await run(client, exec_of(pb.Argv(args=["cat"]), stdin=b"b", request_id=request_id))


async def test_a_call_that_was_lost_is_made_again_in_time(
    client: Client, tmp_path: Path, name: str
) -> None:
    go = tmp_path / "go"
    os.mkfifo(go)
    request = exec_of(sh(f'read line < "{go}"; cat; exit 4'), stdin=bytes(MIB), process_id=name)
    call = client.processes.ExecProcess(request)
    await running(client, name)
    call.cancel()
    await anyio.Path(go).write_text("go\n")
    done = await run(client, request)
    assert (done.process.exit.exit_code, len(done.stdout.data)) == (4, MIB)


async def test_a_long_run_is_asked_for_in_pieces(client: Client, tmp_path: Path, name: str) -> None:
    go = tmp_path / "go"
    os.mkfifo(go)
    request = exec_of(sh(f'read line < "{go}"; cat; exit 5'), stdin=b"input", process_id=name)
    request.timeout.FromMilliseconds(50)
    for replayed in (False, True):
        piece = await run(client, request)
        assert (piece.timed_out, piece.replayed) == (True, replayed)
        assert piece.process.state == pb.PROCESS_STATE_RUNNING
        assert not piece.HasField("stdout")
    await anyio.Path(go).write_text("go\n")
    request.ClearField("timeout")
    done = await run(client, request)
    assert (done.process.exit.exit_code, done.stdout.data) == (5, b"input")
    request.timeout.FromSeconds(0)
    assert await run(client, request) == done


async def test_who_joins_and_leaves_takes_nothing_from_who_stays(
    client: Client, tmp_path: Path, name: str
) -> None:
    """Neither the rest of stdin, nor the process."""
    go = tmp_path / "go"
    os.mkfifo(go)
    options = pb.ProcessOptions(
        orphan_policy=pb.ORPHAN_POLICY_KILL_ON_OWNER_DISCONNECT, owner_grace=seconds(0)
    )
    script = f'read line < "{go}"; cat; exit 4'
    request = exec_of(sh(script), stdin=bytes(MIB), options=options, process_id=name)
    stays = client.processes.ExecProcess(request)
    await running(client, name)
    brief = service_pb.ExecProcessRequest()
    brief.CopyFrom(request)
    brief.timeout.FromMilliseconds(1)
    for _ in range(3):
        assert (await run(client, brief)).timed_out
    await anyio.Path(go).write_text("go\n")
    done = await stays
    assert (done.process.exit.exit_code, len(done.stdout.data)) == (4, MIB)


async def test_who_joins_leaves_stdin_to_who_took_it_over(
    client: Client, tmp_path: Path, name: str
) -> None:
    """Also when that one has written and gone."""
    go = tmp_path / "go"
    os.mkfifo(go)
    script = f'read line < "{go}"; head -c 100000 | wc -c; cat'
    request = exec_of(sh(script), stdin=bytes(MIB), process_id=name)
    begun = client.processes.ExecProcess(request)
    full = await running(client, name)
    while (taken := (await client.get(full)).stdin.end_offset) == 0:
        pass
    brief = service_pb.ExecProcessRequest()
    brief.CopyFrom(request)
    brief.timeout.FromMilliseconds(1)
    writer = client.processes.StreamInput()
    start = service_pb.StreamInputStart(name=full, offset=taken, take_over=True)
    await writer.write(service_pb.StreamInputRequest(start=start))
    rest = service_pb.StreamInputRequest(data=bytes(100000 - taken))
    await writer.write(rest)
    while (await client.get(full)).stdin.readers == 0:
        pass
    assert (await run(client, brief)).timed_out
    await anyio.Path(go).write_text("go\n")
    await writer.done_writing()
    assert (await writer).committed_offset == 100000
    assert (await run(client, brief)).timed_out
    last = service_pb.WriteInputRequest(name=full, offset=100000, data=b"end", close_stdin=True)
    await client.processes.WriteInput(last)
    assert (await begun).stdout.data == b"100000\nend"


async def test_who_never_waits_feeds_stdin_all_the_same(client: Client) -> None:
    request = exec_of(pb.Argv(args=["cat"]), stdin=bytes(MIB))
    request.timeout.FromSeconds(0)
    while (done := await run(client, request)).timed_out:
        pass
    assert len(done.stdout.data) == MIB


async def test_a_process_whose_caller_has_left_is_killed(client: Client, name: str) -> None:
    options = pb.ProcessOptions(
        orphan_policy=pb.ORPHAN_POLICY_KILL_ON_OWNER_DISCONNECT, owner_grace=seconds(0.05)
    )
    request = exec_of(sh("sleep 1000"), options=options, process_id=name)
    call = client.processes.ExecProcess(request)
    full = await running(client, name)
    call.cancel()
    assert (await client.wait(full)).exit.reason == pb.EXIT_REASON_OWNER_GONE


async def test_a_program_that_is_missing_is_an_error_of_the_call(client: Client) -> None:
    with refused(Code.NOT_FOUND):
        await run(client, exec_of(pb.Argv(args=["/no/such/program"])))


async def test_who_deletes_the_process_ends_the_call(client: Client, name: str) -> None:
    """It is told the exit if that comes first."""

    async def delete() -> None:
        request = service_pb.DeleteProcessRequest(name=await running(client, name), force=True)
        await client.processes.DeleteProcess(request)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(delete)
        code = await code_of(run(client, exec_of(sh("sleep 1000"), process_id=name)))
        assert code in {Code.OK, Code.NOT_FOUND}


async def test_a_raw_document_runs_as_well(client: Client) -> None:
    document = (
        '{"CommandArgs": ["cat"], "CreateStdInPipe": %s,'
        ' "CreateStdOutPipe": true, "CreateStdErrPipe": true}'
    )

    def request(pipe: str) -> service_pb.ExecProcessRequest:
        return service_pb.ExecProcessRequest(
            create=service_pb.CreateProcessRequest(
                parent=HOST, parameters_json=document % pipe, request_id=str(uuid.uuid4())
            ),
            stdin=b"raw",
        )

    assert (await run(client, request("true"))).stdout.data == b"raw"
    with refused(Code.INVALID_ARGUMENT) as refusal:
        await run(client, request("false"))
    assert refusal.value.fields == ["create.parameters_json"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"request_id": ""}, "create.request_id"),
        ({"options": {"output": {"overflow": pb.OVERFLOW_POLICY_BLOCK}}}, "create.options.output.overflow"),
        ({"spec": {"argv": {"args": ["cat"]}, "stdin_mode": pb.STDIN_MODE_CLOSED}}, "create.spec.stdin_mode"),
    ],
    ids=["request-id", "block", "stdin"],
)  # fmt: skip
async def test_what_makes_no_sense_is_refused_by_name(
    client: Client, change: dict[str, object], field: str
) -> None:
    fields = {
        "parent": HOST,
        "spec": {"argv": {"args": ["cat"]}},
        "request_id": str(uuid.uuid4()),
    } | change
    create = service_pb.CreateProcessRequest(**fields)  # type: ignore[arg-type]
    with refused(Code.INVALID_ARGUMENT) as refusal:
        await run(client, service_pb.ExecProcessRequest(create=create, stdin=b"x"))
    assert refusal.value.fields == [field]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (
            {
                "parameters_json": "[]",
                "options": {"output": {"discard": [pb.OUTPUT_STREAM_STDOUT]}},
            },
            "parameters_json",
        ),
        (
            {"spec": {"argv": {"args": ["true"]}, "working_directory": "/no/such/folder"}},
            "spec.working_directory",
        ),
    ],
    ids=["document", "start"],
)
async def test_what_the_daemon_itself_finds_wrong_is_a_field_of_create(
    client: Client, change: dict[str, object], field: str
) -> None:
    """In each call that creates, and for each that joins."""
    fields = {"parent": HOST, "request_id": str(uuid.uuid4())} | change
    create = service_pb.CreateProcessRequest(**fields)  # type: ignore[arg-type]
    request = service_pb.ExecProcessRequest(create=create)
    for _ in range(2):
        with refused(Code.INVALID_ARGUMENT) as refusal:
            await run(client, request)
        assert refusal.value.fields == [f"create.{field}"]
    create.request_id = ""
    with refused(Code.INVALID_ARGUMENT) as refusal:
        await client.processes.CreateProcess(create)
    assert refusal.value.fields == [field]
    with refused(Code.INVALID_ARGUMENT) as refusal:
        await (await client.begin(service_pb.RunProcessRequest(create=create))).finish()
    assert refusal.value.fields == [f"create.{field}"]


async def test_more_than_an_answer_holds_is_refused(client: Client) -> None:
    with refused(Code.INVALID_ARGUMENT) as refusal:
        await run(client, exec_of(sh("true"), max_output_bytes=MIB + 1))
    assert refusal.value.fields == ["max_output_bytes"]
    with refused(Code.INVALID_ARGUMENT) as refusal:
        await run(client, service_pb.ExecProcessRequest())
    assert refusal.value.fields == ["create"]
