"""The client's processes, over connections that break and daemons that are started anew."""

import os
import random
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import anyio
import pytest

from hcsd.v1 import process_pb2 as pb
from hcsd_client import (
    Client,
    ConnectionLostError,
    DaemonRestartedError,
    DaemonUnreachableError,
    DeadlineExceededError,
    ExecutableNotFoundError,
    FailedPreconditionError,
    InvalidRequestError,
    NotFoundError,
    OutputEvictedError,
    RemoteProcess,
    Retry,
    Run,
    StdinBusyError,
    StdinClosedError,
    StdinTakenOverError,
    UnavailableError,
    error_from_status,
)
from tests.support.census import state_of
from tests.support.daemon import FORGETFUL, Daemon, serving
from tests.support.proxy import Proxy, proxying

MIB = 1024 * 1024
PIPE_BYTES = 64 * 1024
FOREVER = ["sleep", "1000"]
CAT = ["cat"]
# Reads nothing until it is sent CONT.
CAT_LATER = ["sh", "-c", "kill -STOP $$; exec cat"]
STDOUT = pb.OUTPUT_STREAM_STDOUT
QUICK = Retry(attempts=3, first_delay=0.01, max_delay=0.02)


def sh(script: str, *arguments: str) -> list[str]:
    return ["sh", "-c", script, "sh", *arguments]


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
    """A client behind the proxy."""
    async with Client(proxy.address) as client:
        yield client


@pytest.fixture
async def direct(daemon: Daemon) -> AsyncIterator[Client]:
    """A client whose connection holds."""
    async with Client(daemon.address) as client:
        yield client


async def until_committed(process: RemoteProcess, offset: int) -> None:
    while (await process.get()).stdin.end_offset < offset:
        pass


async def go_on(process: RemoteProcess) -> None:
    """Send CONT to what stops itself, when it has."""
    while state_of(process.pid) != "T":
        await process.get()
    await process.signal("CONT")


async def is_running(client: Client, name: str) -> bool:
    return (await client.get_process(name)).state == pb.PROCESS_STATE_RUNNING


# --- what a process does, over a connection that holds ---


async def test_a_process_is_run_read_and_waited_for(direct: Client) -> None:
    async with direct.run(sh("echo out; echo err >&2; exit 7")) as process:
        assert [data async for data in process.stdout] == [b"out\n"]
        assert await process.stderr.read() == b"err\n"
        assert await process.stderr.read() == b""
        assert (await process.wait()).exit_code == 7
        assert process.name.startswith("systems/host/processes/")
        assert process.pid == process.created.pid


async def test_everything_at_once_is_communicated(direct: Client) -> None:
    data = os.urandom(3 * MIB)
    async with direct.run(sh("tee /dev/stderr; exit 3"), stdin=True) as process:
        done = await process.communicate(data)
    assert (done.exit.exit_code, done.stdout, done.stderr) == (3, data, data)


async def test_communicating_with_who_reads_no_stdin_loses_nothing(direct: Client) -> None:
    async with direct.run(sh("exec <&-; echo out"), stdin=True) as process:
        assert (await process.communicate(bytes(MIB))).stdout == b"out\n"
    async with direct.run(["echo", "out"]) as process:
        assert (await process.communicate()).stdout == b"out\n"


async def test_a_run_ends_with_its_block_and_a_creation_does_not(direct: Client) -> None:
    async with direct.run(FOREVER) as process:
        assert await is_running(direct, process.name)
    assert (await direct.wait_process(process.name)).process.exit.signal_name == "KILL"
    with pytest.raises(ZeroDivisionError):
        async with direct.run(FOREVER) as process:
            _ = 1 // 0
    assert (await direct.wait_process(process.name)).process.exit.signal_name == "KILL"
    with pytest.raises(TimeoutError), anyio.fail_after(0.2):
        async with direct.run(FOREVER) as process:
            await process.wait()
    assert (await direct.wait_process(process.name)).process.exit.signal_name == "KILL"
    async with direct.run(FOREVER) as process:
        await process.delete(force=True)
    async with await direct.create(FOREVER) as process:
        pass
    assert await is_running(direct, process.name)
    await process.delete(force=True)


async def test_a_process_is_opened_by_its_name(direct: Client) -> None:
    first = await direct.create(sh("printf 0123; cat; exit 3"), stdin=True, labels={"a": "b"})
    await first.stdin.write(b"4567")
    second = await direct.open(first.name)
    assert second.created.labels == {"a": "b"}
    assert await second.stdin.committed() == 4
    await second.stdin.write(b"89")
    await second.stdin.close()
    assert (await second.wait()).exit_code == 3
    assert await first.stdout.read() == await second.stdout.read() == b"0123456789"
    assert await first.output(STDOUT, offset=4).read() == b"456789"
    tail = first.output(STDOUT, last_bytes=3)
    assert (tail.offset, await tail.read(), tail.offset) == (None, b"789", 10)
    await first.delete()
    await first.delete()
    with pytest.raises(NotFoundError):
        await direct.open(first.name)


async def test_what_cannot_start_says_why(direct: Client) -> None:
    with pytest.raises(ExecutableNotFoundError) as caught:
        async with direct.run(["no-such-program"]):
            raise AssertionError
    assert caught.value.hresult == 0x80070002
    assert caught.value.reason == "EXECUTABLE_NOT_FOUND"
    assert caught.value.metadata["function"] == "HcsCreateProcess"
    with pytest.raises(InvalidRequestError) as invalid:
        await direct.create([])
    assert [violation.field for violation in invalid.value.violations] == ["spec.argv.args"]
    with pytest.raises(TypeError):
        await direct.create(["x"], parameters_json="{}")


async def test_a_spec_is_the_callers_and_stays_as_it_is(direct: Client) -> None:
    spec = pb.ProcessSpec(argv=pb.Argv(args=["cat"]))
    async with direct.run(spec, stdin=True) as process:
        assert (await process.communicate(b"x")).stdout == b"x"
    assert spec == pb.ProcessSpec(argv=pb.Argv(args=["cat"]))


async def test_a_process_is_signalled_resized_and_terminated(direct: Client) -> None:
    spec = pb.ProcessSpec(argv=pb.Argv(args=FOREVER), console=pb.Console(columns=80, rows=25))
    async with direct.run(spec) as process:
        await process.resize(100, 30)
        assert await process.signal("TERM") == pb.SIGNAL_DELIVERY_DELIVERED
        assert (await process.wait()).signal_name == "TERM"
        assert await process.signal("TERM") == pb.SIGNAL_DELIVERY_ALREADY_EXITED
        await process.terminate()
    async with direct.run(FOREVER) as process:
        with pytest.raises(FailedPreconditionError):
            await process.resize(100, 30)
        with pytest.raises(TimeoutError):
            await process.wait(timeout=0.05)
        await process.terminate(grace_period=5)
        assert (await process.wait()).signal_name == "TERM"


async def test_output_that_is_gone_is_never_skipped_in_silence(direct: Client) -> None:
    options = pb.OutputOptions(ring_bytes=4096)
    script = "head -c 100000 /dev/zero; printf end"
    spec = pb.ProcessSpec(argv=pb.Argv(args=sh(script)), output=options)
    process = await direct.create(spec)
    await process.wait()
    with pytest.raises(OutputEvictedError):
        await process.stdout.read()
    with pytest.raises(OutputEvictedError):
        await process.communicate()
    lenient = process.output(STDOUT, skip_gaps=True)
    data = await lenient.read()
    assert data.endswith(b"end")
    assert lenient.skipped + len(data) == lenient.offset == 100_003
    await process.delete()


async def test_reading_that_was_left_or_cancelled_goes_on_where_it_stopped(direct: Client) -> None:
    async with direct.run(CAT, stdin=True) as process:
        await process.stdin.write(b"0123456789")
        assert await process.stdout.receive(4) == b"0123"
        with anyio.move_on_after(0.05):
            async for data in process.stdout:
                assert data == b"456789"
        await process.stdin.write(b"abc")
        assert await process.stdout.receive() == b"abc"
        await process.stdout.aclose()
        await process.stdin.close()
        assert await process.stdout.read() == b""
        assert process.stdout.offset == 13


async def test_output_that_a_descendant_holds_open_ends_and_says_so(direct: Client) -> None:
    spec = pb.ProcessSpec(argv=pb.Argv(args=sh("sleep 1000 & echo $!")))
    spec.drain_timeout.FromMilliseconds(1)
    async with direct.run(spec) as process:
        pid = await process.stdout.read()
        assert process.stdout.forced
        async with direct.run(["kill", pid.decode().strip()]) as killer:
            await killer.wait()


async def test_a_client_may_set_a_deadline_for_its_calls(daemon: Daemon, direct: Client) -> None:
    daemon.signal(signal.SIGSTOP)  # or it might answer at once
    try:
        async with Client(daemon.address, timeout=0.01) as client:
            with pytest.raises(DeadlineExceededError):
                await client.get_host()
    finally:
        daemon.signal(signal.SIGCONT)
    process = await direct.create(sh("sleep 1; exit 3"))
    async with Client(daemon.address, timeout=0.5) as client:
        ended = await client.wait_process(process.name)  # waiting for a process has no such limit
    assert ended.process.exit.exit_code == 3
    await process.delete()


# --- stdin ---


async def test_a_write_that_is_cancelled_is_counted_exactly(direct: Client) -> None:
    data = os.urandom(5 * PIPE_BYTES)
    async with direct.run(CAT_LATER, stdin=True) as process:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(process.stdin.write, data)
            await until_committed(process, PIPE_BYTES)
            tasks.cancel_scope.cancel()
        assert process.stdin.offset is None
        committed = await process.stdin.committed()
        assert committed == PIPE_BYTES
        await go_on(process)
        await process.stdin.write(data[committed:])
        await process.stdin.close()
        assert await process.stdout.read() == data


async def test_text_is_no_data_for_stdin(direct: Client) -> None:
    async with direct.run(["cat"], stdin=True) as process:
        with pytest.raises(
            TypeError, match=r"data is 'abc', of type str; give bytes, or text\.encode"
        ):
            await process.stdin.write("abc")  # type: ignore[arg-type]


async def test_a_write_that_cannot_be_says_why(direct: Client) -> None:
    async with direct.run(CAT) as process:
        with pytest.raises(StdinClosedError):
            await process.stdin.write(b"x")
        await process.stdin.close()
    async with direct.run(CAT_LATER, stdin=True) as process:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(process.stdin.write, bytes(2 * PIPE_BYTES))
            await until_committed(process, PIPE_BYTES)
            with pytest.raises(StdinBusyError):
                await (await direct.open(process.name)).stdin.write(b"x")
            await go_on(process)
        await process.stdin.close()
        with pytest.raises(StdinClosedError):
            await process.stdin.write(b"x")


async def test_a_writer_whose_place_was_used_in_between_is_told(direct: Client) -> None:
    async with direct.run(CAT, stdin=True) as process:
        await process.stdin.write(b"0123")
        other = await direct.open(process.name)
        await other.stdin.write(b"45")
        with pytest.raises(StdinTakenOverError, match="2 bytes"):
            await process.stdin.write(b"4567")
        await process.stdin.write(b"!")  # it knows again where stdin is
        await process.stdin.close()
        assert await process.stdout.read() == b"01234567!"


async def test_an_attached_run_takes_stdin_over_and_goes_on_behind_it(direct: Client) -> None:
    spec = pb.ProcessSpec(argv=pb.Argv(args=CAT), stdin_mode=pb.STDIN_MODE_PIPE)
    errors: list[type[Exception]] = []
    got = b""
    name = ""

    async def follow(run: Run, ready: anyio.Event) -> None:
        nonlocal got, name
        async for event in run:
            if event.HasField("started"):
                name = event.started.process.name
            elif event.HasField("chunk") and run is first:
                got += event.chunk.data
                ready.set()
            elif event.HasField("op_error"):
                errors.append(type(error_from_status(event.op_error.status)))

    async with direct.run_process(spec) as first, anyio.create_task_group() as tasks:
        ready = anyio.Event()
        tasks.start_soon(follow, first, ready)
        await first.write_stdin(b"one ")
        await ready.wait()
        second = direct.attach_process(name, take_over=True)
        async with second, anyio.create_task_group() as others:
            others.start_soon(follow, second, ready)
            await second.write_stdin(b"two")
            await second.close_stdin()
    assert (got, errors) == (b"one two", [StdinTakenOverError])


# --- connections that break ---


@pytest.mark.timeout(60)
async def test_output_over_a_connection_that_breaks_is_byte_exact(
    client: Client, proxy: Proxy, tmp_path: Path
) -> None:
    choose = random.Random(3)  # noqa: S311  (repeatable)
    data = os.urandom(20 * MIB)
    file = tmp_path / "data"
    file.write_bytes(data)
    async with client.run(sh('cat "$1"; echo end >&2', str(file))) as process:
        got = bytearray()
        for step in range(10):
            proxy.cut_after(down=choose.randrange(2 * MIB))
            while proxy.cuts == step:
                got += await process.stdout.receive()
        got += await process.stdout.read()
        assert got == data
        assert await process.stderr.read() == b"end\n"


@pytest.mark.timeout(60)
async def test_stdin_over_a_connection_that_breaks_is_byte_exact(
    client: Client, proxy: Proxy, tmp_path: Path
) -> None:
    choose = random.Random(4)  # noqa: S311  (repeatable)
    data = os.urandom(10 * MIB)
    file = tmp_path / "data"
    async with client.run(sh('cat >"$1"', str(file)), stdin=True) as process:
        for start in range(0, len(data), MIB):
            # Into the request, or into the answer.
            if choose.random() < 0.7:
                proxy.cut_after(up=choose.randrange(MIB))
            else:
                proxy.cut_after(down=choose.randrange(60))
            await process.stdin.write(data[start : start + MIB])
            assert process.stdin.offset == start + MIB
        proxy.cut_after(down=10)
        await process.stdin.close()
        assert (await process.wait()).exit_code == 0
    assert proxy.cuts >= 8
    assert file.read_bytes() == data


@pytest.mark.timeout(60)
async def test_both_ways_at_once_over_a_connection_that_breaks(
    client: Client, proxy: Proxy
) -> None:
    data = os.urandom(10 * MIB)

    async def cut(process: RemoteProcess) -> None:
        for step in range(1, 10):
            while (await process.get()).stdin.end_offset < step * MIB:
                pass
            proxy.cut()

    async with client.run(CAT, stdin=True) as process, anyio.create_task_group() as tasks:
        tasks.start_soon(cut, process)
        done = await process.communicate(data)
    assert proxy.cuts >= 9
    assert done.stdout == data


async def test_what_waits_goes_on_waiting(client: Client, direct: Client, proxy: Proxy) -> None:
    async with client.run(sh("read line; exit 5"), stdin=True) as process:
        async with anyio.create_task_group() as tasks:
            codes: list[int] = []

            async def wait() -> None:
                codes.append((await process.wait()).exit_code)

            tasks.start_soon(wait)
            for _ in range(3):
                await anyio.wait_all_tasks_blocked()
                proxy.cut()
                await process.get()
            await (await direct.open(process.name)).stdin.write(b"\n")
        assert codes == [5]


async def test_a_creation_that_is_repeated_starts_one_process(
    client: Client, direct: Client, proxy: Proxy
) -> None:
    await client.get_host()  # else what is cut is the first connection, which was never there
    for after in range(0, 100, 20):
        proxy.cut_after(down=after)
        labels = {"cut": str(after)}
        process = await client.create(["true"], labels=labels)
        assert (await process.wait()).exit_code == 0
        assert len([found async for found in direct.list_processes(labels=labels)]) == 1
        await process.delete()
    assert proxy.cuts


async def test_what_is_safe_to_repeat_is_and_a_signal_is_not(
    client: Client, direct: Client, proxy: Proxy
) -> None:
    async with client.run(FOREVER) as process:
        proxy.cut_after(down=1)
        with pytest.raises(ConnectionLostError):
            await process.signal("WINCH")
        await process.get()
        proxy.cut_after(down=1)
        await process.terminate()
        assert (await direct.wait_process(process.name)).process.exit.signal_name == "KILL"
    assert proxy.cuts == 2


# --- daemons that go away ---


async def test_without_a_daemon_nothing_waits_for_one(folder: Path) -> None:
    async with Client(f"unix://{folder}/none.sock") as client:
        with anyio.fail_after(5):  # tries would take longer
            for call in (client.create(["true"]), client.open("systems/host/processes/x")):
                with pytest.raises(DaemonUnreachableError):
                    await call


async def test_a_daemon_that_stays_away_is_given_up(own_daemon: Daemon, folder: Path) -> None:
    async with (
        proxying(own_daemon.socket, folder) as proxy,
        Client(proxy.address, retry=QUICK) as client,
    ):
        process = await client.create(CAT, stdin=True)
        proxy.target = folder / "nothing"
        proxy.cut()
        for call in (
            process.stdout.receive,
            process.wait,
            process.get,
            process.terminate,
            process.stdin.close,
            lambda: process.stdin.write(b"x"),
        ):
            with pytest.raises(UnavailableError):
                await call()
        proxy.target = own_daemon.socket  # it was not the daemon
        with anyio.fail_after(30):
            while True:
                try:
                    await process.stdin.write(b"x")
                    break
                except UnavailableError:  # gRPC has not tried again yet
                    pass
        assert await process.stdout.receive() == b"x"


@pytest.mark.timeout(40)
@pytest.mark.parametrize("same_name", [False, True])
async def test_a_daemon_that_was_started_anew_is_a_typed_error(
    folder: Path, *, same_name: bool
) -> None:
    with serving(*FORGETFUL) as old, serving() as new:
        async with (
            proxying(old.socket, folder) as proxy,
            Client(proxy.address) as client,
            Client(new.address) as another,
        ):
            process = await client.create(CAT, stdin=True, process_id="one")
            await process.stdin.write(b"0123")
            assert await process.stdout.receive() == b"0123"
            imposter = await another.create(
                CAT, stdin=True, process_id="one" if same_name else "two"
            )
            assert (imposter.name == process.name) is same_name
            old.kill()
            proxy.target = new.socket
            for call in (
                process.stdout.receive,
                process.stderr.read,
                process.wait,
                process.get,
                process.terminate,
                process.delete,
                process.stdin.close,
                process.stdin.committed,
                lambda: process.stdin.write(b"x"),
                lambda: process.signal("TERM"),
                lambda: process.resize(80, 25),
                process.communicate,
            ):
                with pytest.raises(DaemonRestartedError) as caught:
                    await call()
                assert caught.value.reason == "DAEMON_RESTARTED"
            assert (await imposter.get()).state == pb.PROCESS_STATE_RUNNING
            assert await imposter.stdin.committed() == 0
            # The client itself goes on.
            async with client.run(["true"]) as process:
                assert (await process.wait()).exit_code == 0


async def test_a_process_of_the_same_name_is_another_process(direct: Client) -> None:
    process = await direct.create(["true"], process_id="again")
    await process.wait()
    await process.delete()
    other = await direct.create(["echo", "other"], process_id="again")
    for call in (process.stdout.read, process.get):
        with pytest.raises(NotFoundError, match="another one"):
            await call()
    await other.wait()
    await other.delete()
