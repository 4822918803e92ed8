"""The daemon of the Windows Python, over the double, as a client on Linux meets it."""

import os
import random
from pathlib import Path

import anyio
import grpc
import pytest

from hcsd.v1 import process_pb2 as pb
from hcsd.v1 import process_service_pb2 as service_pb
from tests.integration.wire import STDOUT, Client, connected, refused
from tests.support.daemon import Daemon
from tests.support.guest import WindowsGuest
from tests.support.tls import credentials_for
from tests.windows.wine import windows_path

Code = grpc.StatusCode

PIPE = pb.ProcessSpec(stdin_mode=pb.STDIN_MODE_PIPE)
CTRL_C_EXIT = 0xC000013A
MEGABYTES = 20_000_000


def guest(*words: str) -> pb.Argv:
    return pb.Argv(args=[os.environ["HCSD_GUEST"], *words])


async def test_the_host_is_windows(client: Client) -> None:
    host = await client.get_host()
    assert (host.engine, host.guest_os) == ("windows", "windows")


async def test_no_call_is_served_without_the_token(daemon: Daemon) -> None:
    async with connected(daemon.address, credentials_for(daemon, token=False)) as stranger:
        with refused(Code.UNAUTHENTICATED, "TOKEN_MISSING"):
            await stranger.get_host()


async def test_a_run_has_each_output_and_the_code(client: Client) -> None:
    output = await (await client.run(guest("print", "out", "err"))).finish()
    assert (output.stdout, output.stderr, output.code) == (b"out", b"err", 0)


@pytest.mark.parametrize("code", [0, 1, 259, CTRL_C_EXIT, 0xFFFFFFFF])
async def test_an_exit_code_is_32_bits(client: Client, code: int) -> None:
    made = await client.create(guest("exit", str(code)))
    end = (await client.wait(made.name)).exit
    assert end.WhichOneof("outcome") == "exit_code"
    assert end.exit_code == code


async def test_words_with_spaces_and_quotes_arrive(client: Client) -> None:
    words = ["a b", 'say "x"', "back\\slash\\", ""]
    output = await (await client.run(guest("arguments", *words))).finish()
    assert output.stdout.decode() == "".join(f"[{word}]\n" for word in words)


async def test_a_batch_file_is_run_with_what_is_safe_and_refused_what_is_not(
    client: Client, tmp_path: Path
) -> None:
    batch = tmp_path / "tell.cmd"
    batch.write_text("@echo %*\r\n")
    program = windows_path(batch)
    output = await (await client.run(pb.Argv(args=[program, "a b", "&exit 7", "c"]))).finish()
    assert (output.stdout, output.code) == (b'"a b" "&exit 7" c\r\n', 0)
    with refused(Code.INVALID_ARGUMENT) as refusal:
        await client.create(pb.Argv(args=[program, "a", '" & exit 7 & "', "%PATH%"]))
    for field in ("spec.argv.args[2]", "spec.argv.args[3]"):
        assert field in refusal.value.message


async def test_of_the_spellings_of_a_variable_the_last_is_set(client: Client) -> None:
    pairs = (("Path", "A"), ("foo", "1"), ("PATH", "B"), ("FOO", ""))
    env = [pb.EnvironmentVariable(name=name, value=value) for name, value in pairs]
    for name, value in (("path", "B"), ("Foo", "")):
        run = await client.run(guest("variable", name), spec=pb.ProcessSpec(env=env))
        assert (await run.finish()).stdout.decode() == f"[{value}]"


@pytest.mark.parametrize("name", ["=C:", "", "a=b", "a\0"])
async def test_a_variable_that_cannot_be_is_refused_by_its_place(client: Client, name: str) -> None:
    env = [pb.EnvironmentVariable(name=each, value="x") for each in ("fine", name)]
    with refused(Code.INVALID_ARGUMENT) as refusal:
        await client.create(guest("exit", "0"), spec=pb.ProcessSpec(env=env))
    assert "spec.env[1].name" in refusal.value.message


async def test_twenty_megabytes_pass_both_ways_byte_for_byte(client: Client) -> None:
    data = random.Random(5).randbytes(MEGABYTES)  # noqa: S311  (any bytes that do not repeat)
    run = await client.run(guest("cat"), spec=PIPE)

    async def feed() -> None:
        for start in range(0, len(data), 256 * 1024):
            await run.stdin(data[start : start + 256 * 1024])
        await run.close_stdin()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(feed)
        output = await run.finish()
    assert output.stdout == data
    assert output.code == 0


async def test_much_output_is_read_by_whoever_comes_later(client: Client) -> None:
    spec = pb.ProcessSpec(output=pb.OutputOptions(ring_bytes=MEGABYTES))
    made = await client.create(guest("zeros", str(MEGABYTES)), spec=spec)
    await client.wait(made.name, service_pb.WAIT_FOR_OUTPUT_COMPLETE)
    assert (await client.read(made.name)).stdout == bytes(MEGABYTES)


@pytest.mark.parametrize(
    "sent",
    [
        pb.ProcessSignal(signal_name="TERM"),
        pb.ProcessSignal(signal_name="SIGINT"),
        pb.ProcessSignal(console_event=pb.CONSOLE_EVENT_CTRL_BREAK),
        pb.ProcessSignal(options_json='{"Signal": "CtrlC"}'),
    ],
    ids=["TERM", "INT", "event", "document"],
)
async def test_a_signal_goes_by_its_name(client: Client, sent: pb.ProcessSignal) -> None:
    run = await client.run(guest("say", "ready"))
    await run.until_out(b"ready\n")
    await client.signal(run.output.process.name, sent)
    assert (await run.finish()).code == CTRL_C_EXIT


async def test_a_kill_and_a_second_one(client: Client) -> None:
    made = await client.create(guest("sleep"))
    first = (await client.terminate(made.name)).exit
    assert (first.exit_code, first.reason) == (1, pb.EXIT_REASON_TERMINATED)
    assert (await client.terminate(made.name)).exit == first


async def test_a_program_that_is_missing_is_named(client: Client) -> None:
    with refused(Code.NOT_FOUND) as refusal:
        await client.create(pb.Argv(args=["C:\\no-such-program.exe"]))
    assert refusal.value.info.metadata["hresult"] == "0x80070002"
    assert "no-such-program" in refusal.value.message


async def test_a_console_is_resized(client: Client) -> None:
    console = pb.ProcessSpec(console=pb.Console(columns=100, rows=30))
    run = await client.run(guest("say", "ready"), spec=console)
    while b"ready" not in WindowsGuest().plain(bytes(run.output.data.get(STDOUT, b""))):
        await run.read()
    await run.resize(132, 43)
    await client.terminate(run.output.process.name)
    output = await run.finish()
    assert output.op_errors == []


async def test_a_hundred_processes_at_once_each_get_their_own_answer(client: Client) -> None:
    codes: dict[int, int] = {}

    async def one(number: int) -> None:
        output = await (await client.run(guest("exit", str(number)))).finish()
        codes[number] = output.code

    async with anyio.create_task_group() as tasks:
        for number in range(100):
            tasks.start_soon(one, number)
    assert codes == {number: number for number in range(100)}
