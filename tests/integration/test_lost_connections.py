"""Streams, waits and commands behind proxies that cut what is silent, or cut at random."""

import asyncio
import contextlib
import os
import random
import sys
import tempfile
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import anyio
import anyio.to_thread
import pytest
from google.protobuf import duration_pb2

from hcsd.cli.errors import RESTARTED
from hcsd.cli.remedies import REMEDIES
from hcsd.v1 import event_pb2
from hcsd.v1 import process_pb2 as pb
from hcsd.v1.process_service_pb2 import ReadOutputResponse
from hcsd_client import Client, ConnectionLostError, DaemonRestartedError, Retry, UnavailableError
from hcsd_client._ownership import owning
from tests.support import commands
from tests.support.daemon import FORGETFUL, Daemon, serving
from tests.support.proxy import Proxy, proxying

MIB = 1 << 20
IDLE = 0.2  # seconds of silence after which the proxy cuts
FOREVER = ["sleep", "1000"]
# Writes a line, and once it is sent USR1 another one; then it ends.
LATER = ["sh", "-c", "trap 'echo two; exit 7' USR1; echo one; while :; do sleep 0.01; done"]
STDOUT = pb.OUTPUT_STREAM_STDOUT
HOST = "systems/host/processes"


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder whose path fits into the address of a socket."""
    with tempfile.TemporaryDirectory(prefix="hcsd-", dir="/tmp") as name:
        yield Path(name)


@pytest.fixture
async def proxy(daemon: Daemon, folder: Path) -> AsyncIterator[Proxy]:
    async with proxying(daemon.socket, folder) as proxy:
        yield proxy


@pytest.fixture
async def client(proxy: Proxy) -> AsyncIterator[Client]:
    """A client behind the proxy, without heartbeats."""
    async with Client(proxy.address, keepalive=None) as client:
        yield client


@pytest.fixture
async def direct(daemon: Daemon) -> AsyncIterator[Client]:
    """A client whose connection holds."""
    async with Client(daemon.address) as client:
        yield client


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110  (nobody tells of it)
        await anyio.sleep(0.01)


@contextlib.asynccontextmanager
async def refusing(folder: Path) -> AsyncIterator[tuple[Path, list[None]]]:
    """Listen in the place of a daemon, end every connection, and note it in the list."""
    tried: list[None] = []

    async def refuse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()
        tried.append(None)

    socket = folder / "nobody"
    async with await asyncio.start_unix_server(refuse, socket):
        yield socket, tried


async def until_cut(proxy: Proxy, times: int = 2) -> None:
    """Wait until so many more connections were cut."""
    before = proxy.cuts
    await until(lambda: proxy.cuts >= before + times)


# --- the library ---


async def test_an_output_goes_on_over_cuts(client: Client, proxy: Proxy, direct: Client) -> None:
    proxy.idle = IDLE
    made = await direct.create(LATER)
    kinds = []
    async for event in client.read_output(made.name, follow=True):
        kind = event.WhichOneof("event")
        kinds.append(kind)
        if kind == "chunk" and event.chunk.data == b"one\n":
            await until_cut(proxy, 1)
            await made.signal("USR1")
        elif kind == "chunk":
            assert (event.chunk.offset, event.chunk.sequence) == (4, 2)
    assert sorted(map(str, kinds)) == ["chunk", "chunk", "end", "eof", "eof", "exit", "started"]


@pytest.mark.parametrize("seed", range(2))
async def test_a_run_loses_nothing_at_cuts_at_random(
    client: Client, proxy: Proxy, seed: int
) -> None:
    choose = random.Random(seed)  # noqa: S311  (repeatable)
    data = choose.randbytes(2 * MIB)
    spec = pb.ProcessSpec(argv=pb.Argv(args=["cat"]), stdin_mode=pb.STDIN_MODE_PIPE)
    got = bytearray()
    await client.get_host()
    proxy.cut_after(up=choose.randrange(1, MIB // 4), down=choose.randrange(1, MIB // 4), times=4)
    request_id = f"00000000-0000-4000-8000-00000000000{seed}"
    async with (
        client.run_process(spec, request_id=request_id) as run,
        anyio.create_task_group() as tasks,
    ):

        async def write() -> None:
            await run.write_stdin(data)
            await run.close_stdin()

        tasks.start_soon(write)
        async for event in run:
            if event.WhichOneof("event") == "chunk":
                assert event.chunk.offset == len(got)
                got += event.chunk.data
            assert event.WhichOneof("event") != "op_error", event
    assert got == data
    assert proxy.cuts >= 4


async def test_a_run_that_is_cut_before_it_starts_starts_once(
    client: Client, proxy: Proxy, folder: Path
) -> None:
    await client.get_host()
    for after in range(0, 60, 6):
        ran = folder / str(after)
        proxy.cut_after(down=after)
        command = ["sh", "-c", f"echo x >> {ran}"]
        async with client.run_process(command, request_id=str(uuid.UUID(int=after))) as run:
            assert [event.WhichOneof("event") async for event in run][-1] == "end"
        assert ran.read_text() == "x\n"
    assert proxy.cuts


async def test_a_run_without_a_request_id_that_is_cut_before_it_starts_fails(
    client: Client, proxy: Proxy
) -> None:
    await client.get_host()
    proxy.cut_after(down=0)
    async with client.run_process(["true"]) as run:
        for _ in range(2):
            with pytest.raises(ConnectionLostError):
                await anext(run)


async def test_a_watch_tells_each_event_once_over_cuts(
    client: Client, proxy: Proxy, direct: Client
) -> None:
    proxy.idle = IDLE
    names = []
    async with client.watch_events() as watch:
        await anext(watch)
        for _ in range(3):
            await until_cut(proxy, 1)
            made = await direct.create(["true"])
            await made.wait()
            told = []
            async for message in watch:
                if message.event.process.process.name == made.name:
                    told.append(message.event.process.type)
                    if told[-1] == event_pb2.PROCESS_EVENT_TYPE_OUTPUT_COMPLETE:
                        break
            names.append(told)
    expected = [
        event_pb2.PROCESS_EVENT_TYPE_CREATED,
        event_pb2.PROCESS_EVENT_TYPE_STARTED,
        event_pb2.PROCESS_EVENT_TYPE_EXITED,
        event_pb2.PROCESS_EVENT_TYPE_OUTPUT_COMPLETE,
    ]
    assert [sorted(told) for told in names] == [sorted(expected)] * 3


async def test_waits_and_kills_survive_cuts(client: Client, proxy: Proxy, direct: Client) -> None:
    proxy.idle = IDLE
    made = await direct.create(LATER)
    ends = []
    async with anyio.create_task_group() as tasks:

        async def wait() -> None:
            ends.append((await client.wait_process(made.name)).process.exit.exit_code)

        tasks.start_soon(wait)
        await until_cut(proxy)
        await made.signal("USR1")
    assert ends == [7]
    stubborn = await direct.create(["sh", "-c", "trap '' TERM; echo up; sleep 1000"])
    assert await stubborn.stdout.receive() == b"up\n"
    answer = await client.terminate_process(stubborn.name, grace_period=3 * IDLE)
    assert answer.process.exit.signal_name == "KILL"
    assert not answer.timed_out


async def test_a_write_survives_cuts(client: Client, proxy: Proxy, direct: Client) -> None:
    data = random.Random(7).randbytes(MIB)  # noqa: S311  (repeatable)
    async with client.run(["sh", "-c", "kill -STOP $$; exec cat"], stdin=True) as process:
        proxy.idle = IDLE

        async def let_go_on() -> None:
            await until_cut(proxy)
            await direct.signal_process(process.name, "CONT")

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(let_go_on)
            done = await process.communicate(data)
    assert done.stdout == data


async def test_heartbeats_hold_a_silent_stream(
    proxy: Proxy, direct: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy.idle = 5.0
    made = await direct.create(LATER)
    async with Client(proxy.address, keepalive=0.1) as client:
        output = client.read_output(made.name, follow=True)
        assert (await anext(output)).HasField("started")
        assert (await anext(output)).chunk.data == b"one\n"
        beats: list[bool] = []
        note = output._note

        def count(message: ReadOutputResponse) -> bool:
            beats.append(message.HasField("heartbeat"))
            return note(message)

        async def end() -> None:
            await until(lambda: any(beats))
            await made.signal("USR1")

        monkeypatch.setattr(output, "_note", count)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(end)
            rest = [event.chunk.data async for event in output if event.HasField("chunk")]
        assert rest == [b"two\n"]
    assert not proxy.cuts


async def test_a_connection_that_has_fallen_silent_is_left(
    proxy: Proxy, direct: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "hcsd_client")
    made = await direct.create(LATER)
    async with (
        Client(proxy.address, keepalive=0.1) as client,
        client.attach_process(made.name) as run,
        anyio.create_task_group() as tasks,
    ):
        data: list[bytes] = []

        async def read() -> None:
            async for event in run:
                if event.HasField("chunk"):
                    data.append(event.chunk.data)  # noqa: PERF401  (one by one, to be seen)

        tasks.start_soon(read)
        await until(lambda: data == [b"one\n"])
        proxy.freeze()
        await until(lambda: "nothing comes any more" in caplog.text)
        proxy.cut()
        proxy.thaw()
        await made.signal("USR1")
    assert data == [b"one\n", b"two\n"]


async def test_each_retry_is_logged_with_the_address(
    client: Client, proxy: Proxy, direct: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "hcsd_client")
    made = await direct.create(FOREVER)
    watch = client.watch_events()
    await anext(watch)
    proxy.cut()
    await direct.delete_process(made.name, force=True)
    await anext(watch)
    await watch.aclose()
    records = [each for each in caplog.records if each.name == "hcsd_client"]
    assert [each.hcsd_state for each in records][-1] == "back"  # type: ignore[attr-defined]
    assert {each.hcsd_address for each in records} == {proxy.address}  # type: ignore[attr-defined]
    assert "attempt 1 of 12" in records[0].message


async def test_a_create_is_not_repeated_at_another_run_of_the_daemon(folder: Path) -> None:
    ran = folder / "ran"
    with serving() as first:
        async with (
            proxying(first.socket, folder) as proxy,
            Client(proxy.address, retry=Retry(max_delay=0.1, attempts=1000)) as client,
        ):
            await client.get_host()
            proxy.cut_after(down=0)
            proxy.target = folder / "nothing"
            over = anyio.Event()

            async def create() -> None:
                with pytest.raises(DaemonRestartedError):
                    await client.create(["sh", "-c", f"echo x >> {ran}; exec sleep 1000"])
                over.set()

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(create)
                await until(ran.exists)
                with serving() as second:
                    proxy.target = second.socket
                    await over.wait()
                    # What was not sent before is for the daemon that there is now.
                    assert (await client.create(["true"])).name
    assert ran.read_text() == "x\n"


# --- programs that are gone ---

OWNS = """
import asyncio, sys
from hcsd_client import Client

async def main():
    async with Client(sys.argv[1]) as client, client.run(sys.argv[2:], owner_grace=0.2) as process:
        print(process.name, flush=True)
        await process.wait()

asyncio.run(main())
"""


async def test_the_process_of_a_program_that_is_killed_ends(daemon: Daemon, direct: Client) -> None:
    words = [sys.executable, "-c", OWNS, daemon.address, *FOREVER]
    async with await anyio.open_process(words) as program:
        assert program.stdout is not None
        name = (await program.stdout.receive()).decode().strip()
        program.kill()
    ended = (await direct.wait_process(name)).process.exit
    assert ended.reason == pb.EXIT_REASON_OWNER_GONE


async def test_an_owner_tries_for_longer_than_calls_do(
    proxy: Proxy, direct: Client, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    there = proxy.target
    async with (
        Client(proxy.address, retry=Retry(attempts=0)) as client,
        client.run(FOREVER) as process,
    ):
        proxy.target = folder / "nobody"
        proxy.cut()
        await until(lambda: sum("has no owner now" in text for text in caplog.messages) >= 2)
        proxy.target = there
        with anyio.fail_after(30):
            while True:
                with contextlib.suppress(UnavailableError):  # gRPC has not tried again yet
                    await client.get_host()
                    break
                await anyio.sleep(0.01)
    ended = (await direct.wait_process(process.name)).process.exit
    assert ended.reason == pb.EXIT_REASON_TERMINATED


async def test_the_cancellation_of_an_owner_is_not_lost(client: Client, direct: Client) -> None:
    made = await direct.create_process(
        FOREVER,
        options=pb.ProcessOptions(
            orphan_policy=pb.ORPHAN_POLICY_KILL_ON_OWNER_DISCONNECT,
            owner_grace=duration_pb2.Duration(seconds=60),
        ),
    )

    async def own() -> None:
        async with owning(client._channel, made.process):
            await asyncio.sleep(0)

    for steps in range(1, 6):
        task = asyncio.create_task(own())
        for _ in range(steps):
            await asyncio.sleep(0)
        if task.cancel():
            with pytest.raises(asyncio.CancelledError):
                await task
    await direct.terminate_process(made.process.name)


# --- commands ---


@contextlib.contextmanager
def started(proxy: Proxy, *arguments: str) -> Iterator[tuple[commands.Command, int, int]]:
    """Start a command behind the proxy, and give what reads its stdout and stderr."""
    environment = {**os.environ, "HCSD_ADDRESS": proxy.address}
    out, stdout = os.pipe()
    err, stderr = os.pipe()
    with open(os.devnull, "rb") as nothing:
        command = commands.Command(arguments, environment, (nothing.fileno(), stdout, stderr))
    os.close(stdout)
    os.close(stderr)
    try:
        yield command, out, err
    finally:
        command.kill()
        command.wait()
        os.close(out)
        os.close(err)


async def read_until(descriptor: int, text: bytes) -> bytes:
    """Read until a text has come; b"" is the end."""
    data = b""
    while not (data.endswith(text) if text else False):
        await anyio.wait_readable(descriptor)
        piece = os.read(descriptor, 65536)
        data += piece
        if not piece:
            assert not text, data
            break
    return data


async def ended(command: commands.Command) -> int:
    return await anyio.to_thread.run_sync(command.wait, abandon_on_cancel=True)


async def test_commands_go_on_behind_a_proxy_that_cuts_what_is_silent(
    proxy: Proxy, direct: Client
) -> None:
    proxy.idle = IDLE
    with (
        started(proxy, "run", "--name", "idle", "--", *LATER) as (run, out, err),
        contextlib.ExitStack() as stack,
    ):
        assert await read_until(out, b"one\n") == b"one\n"
        others = {
            words: stack.enter_context(started(proxy, *words.split()))
            for words in ("logs -f idle", "attach --no-stdin idle", "wait idle", "events -f")
        }
        for words in ("logs -f idle", "attach --no-stdin idle"):
            assert await read_until(others[words][1], b"one\n") == b"one\n"
        await until_cut(proxy, 2 * (1 + len(others)))
        await direct.signal_process(f"{HOST}/idle", "USR1")
        assert await ended(run) == 7
        assert (await read_until(out, b""), await read_until(err, b"")) == (b"two\n", b"")
        expected = {
            "logs -f idle": (0, b"two\n"),
            "attach --no-stdin idle": (7, b"two\n"),
            "wait idle": (0, b"7\n"),
        }
        for words, (code, text) in expected.items():
            command, stdout, stderr = others[words]
            assert (words, await ended(command)) == (words, code)
            assert await read_until(stdout, b"") == text
            assert await read_until(stderr, b"") == b""
        _, events, _ = others["events -f"]
        while b"output complete" not in await read_until(events, b"\n"):
            pass


async def test_a_detached_start_that_is_cut_starts_once(
    proxy: Proxy, direct: Client, folder: Path
) -> None:
    ran = folder / "ran"
    for after in (400, 800, 1200):  # earlier there is no connection yet
        proxy.cut_after(down=after)
        environment = {**os.environ, "HCSD_ADDRESS": proxy.address}
        words = ["run", "-d", "--", "sh", "-c", f"echo {after} >> {ran}"]
        done = await commands.run(words, environment)
        assert (done.returncode, done.stderr) == (0, b"")
        await direct.wait_process(done.stdout.decode().strip())
    assert ran.read_text() == "400\n800\n1200\n"
    assert proxy.cuts


@pytest.mark.parametrize(
    ("words", "code"),
    {"logs -f idle": 1, "attach --no-stdin idle": 125, "wait idle": 1, "run": 125}.items(),
)
async def test_a_command_says_that_the_daemon_was_restarted(
    folder: Path, words: str, code: int
) -> None:
    with serving(*FORGETFUL) as old, serving() as new:
        async with proxying(old.socket, folder) as proxy, Client(old.address) as direct:
            await direct.create(LATER, process_id="idle")
            arguments = [*words.split(), *(["--", *LATER] if words == "run" else [])]
            proxy.idle = IDLE
            with started(proxy, *arguments) as (command, out, err):
                if words != "wait idle":
                    assert await read_until(out, b"one\n") == b"one\n"
                await until_cut(proxy)  # then it does nothing but wait
                proxy.target = new.socket
                old.kill()
                assert await ended(command) == code
                told = await read_until(err, b"")
    assert told.decode() == f"hcsd: {RESTARTED}; {REMEDIES['DAEMON_RESTARTED']}\n"


async def test_events_and_figures_go_on_with_the_next_daemon(folder: Path) -> None:
    with serving(*FORGETFUL) as old, serving() as new:
        async with proxying(old.socket, folder) as proxy, Client(new.address) as direct:
            with (
                started(proxy, "events", "-f") as (_, events, events_err),
                started(proxy, "stats", "--interval", "100ms", "--count", "10000") as (
                    _,
                    figures,
                    figures_err,
                ),
            ):
                async with Client(old.address) as first:
                    await first.create(FOREVER)
                while b"process started" not in await read_until(events, b"\n"):
                    pass
                while b"host" not in await read_until(figures, b"\n"):
                    pass
                proxy.target = new.socket
                old.kill()
                told = await read_until(figures_err, b"\n")
                assert told.decode() == f"hcsd: {RESTARTED}\n"
                told = await read_until(events_err, b"\n")
                assert told.decode() == f"hcsd: {RESTARTED}; going on with the new one\n"
                await direct.create(["true"], process_id="later")
                while b"later" not in await read_until(events, b"\n"):
                    pass
                while b"host" not in await read_until(figures, b"\n"):
                    pass


async def test_figures_go_on_when_the_daemon_is_back(proxy: Proxy, folder: Path) -> None:
    words = "stats host --interval 100ms --count 3 -o json"
    there = proxy.target
    async with refusing(folder) as (nobody, tried):
        with started(proxy, *words.split()) as (stats, out, err):
            await read_until(out, b"\n")
            proxy.target = nobody
            proxy.cut()
            await until(lambda: bool(tried))
            proxy.target = there
            assert (await ended(stats), await read_until(err, b"")) == (0, b"")


async def test_what_is_asked_for_while_the_daemon_is_away_waits_for_it(
    proxy: Proxy, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "hcsd_client")
    process = await client.create(FOREVER)
    proxy.leave()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(client.open, process.name)
        tasks.start_soon(client.create, ["true"])
        await until(lambda: "Connection refused" in caplog.text)
        tasks.start_soon(process.signal, "TERM")  # now, so that it cannot have been sent
        await until(lambda: f"a signal to '{process.name}': attempt" in caplog.text)
        await proxy.listen()
    assert (await process.wait()).signal == 15
