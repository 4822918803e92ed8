"""ModifyProcess: the console's size and the ends of the standard streams, typed and by document."""

import json
from collections.abc import Mapping

import grpc
import pytest

from hcsd.v1 import process_pb2 as pb
from hcsd.v1 import process_service_pb2 as service_pb
from tests.integration.wire import STDERR, STDOUT, Client, Run, refused, sh

Code = grpc.StatusCode

PIPE = pb.ProcessSpec(stdin_mode=pb.STDIN_MODE_PIPE)
CONSOLE = pb.ProcessSpec(console=pb.Console(columns=100, rows=30))
# Says the size whenever it changes.
SIZES = sh("trap 'stty size' WINCH; echo ready; while :; do sleep 0.05; done")


async def modify(client: Client, run: Run, document: Mapping[str, object]) -> pb.Process:
    request = service_pb.ModifyProcessRequest(
        name=run.output.process.name, modification_json=json.dumps(document)
    )
    return (await client.processes.ModifyProcess(request)).process


async def close(client: Client, run: Run, *handles: service_pb.StdioHandle) -> pb.Process:
    request = service_pb.ModifyProcessRequest(
        name=run.output.process.name, close_handles=service_pb.CloseHandles(handles=handles)
    )
    return (await client.processes.ModifyProcess(request)).process


async def test_a_document_resizes_the_console(client: Client) -> None:
    run = await client.run(SIZES, spec=CONSOLE)
    await run.until_out(b"ready\r\n")
    size = {"Height": 41, "Width": 42}
    await modify(client, run, {"Operation": "ConsoleSize", "ConsoleSize": size})
    await run.until_out(b"41 42\r\n")


async def test_a_document_that_resizes_closes_nothing_that_it_mentions(client: Client) -> None:
    run = await client.run(SIZES, spec=CONSOLE)
    await run.until_out(b"ready\r\n")
    document = {
        "Operation": "ConsoleSize",
        "ConsoleSize": {"Height": 41, "Width": 42},
        "CloseHandle": {"Handle": "All"},
    }
    process = await modify(client, run, document)
    assert not process.stdin.closed
    assert not process.stdout.closed
    await run.until_out(b"41 42\r\n")


@pytest.mark.parametrize("document", [True, False], ids=["document", "typed"])
async def test_closing_stdin_is_the_end_of_file_and_of_writing(
    client: Client, document: bool
) -> None:
    run = await client.run(sh("cat; echo more; read never"), spec=PIPE)
    await run.stdin(b"all ")
    await run.until_out(b"all ")
    if document:
        closing = {"Operation": "CloseHandle", "CloseHandle": {"Handle": "StdIn"}}
        process = await modify(client, run, closing)
    else:
        process = await close(client, run, service_pb.STDIO_HANDLE_STDIN)
    assert process.stdin.closed
    assert process.stdin.end_offset == 4
    assert (await run.finish()).stdout == b"all more\n"


@pytest.mark.parametrize(
    ("handle", "stream", "redirect"),
    [
        (service_pb.STDIO_HANDLE_STDOUT, STDOUT, ""),
        (service_pb.STDIO_HANDLE_STDERR, STDERR, ">&2"),
    ],
    ids=["stdout", "stderr"],
)
async def test_closing_an_output_ends_it_for_the_process_and_for_readers(
    client: Client,
    handle: service_pb.StdioHandle,
    stream: pb.OutputStream,
    redirect: str,
) -> None:
    run = await client.run(sh(f"echo before {redirect}; read x; exec yes {redirect}"), spec=PIPE)
    await run.until_out(b"before\n", stream)
    process = await close(client, run, handle)
    assert (process.stdout if stream == STDOUT else process.stderr).closed
    await run.until("eof")
    assert set(run.output.eofs) == {stream}
    await run.close_stdin()
    output = await run.finish()
    assert bytes(output.data[stream]) == b"before\n"
    assert output.exit is not None
    assert output.exit.signal_name == "PIPE"


async def test_closing_everything_leaves_the_process_running(client: Client) -> None:
    run = await client.run(sh("echo before; exec sleep 1000"), spec=PIPE)
    await run.until_out(b"before\n")
    process = await close(client, run, service_pb.STDIO_HANDLE_ALL)
    assert process.state == pb.PROCESS_STATE_RUNNING
    assert process.stdin.closed
    assert process.stdout.closed
    assert process.stderr.closed
    await close(client, run, service_pb.STDIO_HANDLE_ALL)
    await client.signal(process.name, pb.ProcessSignal(signal_name="TERM"))
    output = await run.finish()
    assert output.exit is not None
    assert output.exit.signal_name == "TERM"


async def test_a_size_needs_both_sides(client: Client) -> None:
    run = await client.run(SIZES, spec=CONSOLE)
    await run.until_out(b"ready\r\n")
    for size in (pb.Console(columns=80), pb.Console(rows=25), pb.Console()):
        request = service_pb.ModifyProcessRequest(name=run.output.process.name, console_size=size)
        with refused(Code.INVALID_ARGUMENT) as refusal:
            await client.processes.ModifyProcess(request)
        assert refusal.value.fields == ["console_size"]
