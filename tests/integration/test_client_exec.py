"""`Client.exec_process`: run once and to the end, whatever happens to the connection."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import anyio
import pytest

from hcsd.v1 import process_pb2 as pb
from hcsd_client import (
    STDOUT,
    Client,
    DaemonRestartedError,
    ExecutableNotFoundError,
    NotFoundError,
    OutputTruncatedError,
    ProcessFailedError,
    ProcessTimeoutError,
)
from hcsd_client.blocking import Client as BlockingClient
from tests.support.daemon import FORGETFUL, Daemon, serving
from tests.support.proxy import Proxy, proxying


@pytest.fixture
async def proxy(daemon: Daemon, tmp_path: Path) -> AsyncIterator[Proxy]:
    async with proxying(daemon.socket, tmp_path, idle=0.3) as proxy:
        yield proxy


async def test_a_proxy_that_cuts_what_is_silent_is_survived(proxy: Proxy, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    script = f'echo run >> "{runs}"; sleep 1.5; cat; echo err >&2; exit 3'
    async with Client(proxy.address) as client:
        done = await client.exec_process(["sh", "-c", script], stdin=b"in" * 100_000)
    assert done.process.exit.exit_code == 3
    assert (done.stdout.data, done.stderr.data) == (b"in" * 100_000, b"err\n")
    assert runs.read_text() == "run\n"


async def test_a_daemon_that_was_started_anew_does_not_run_it_a_second_time(
    tmp_path: Path,
) -> None:
    log = tmp_path / "runs"
    with serving(*FORGETFUL) as old, serving() as new:
        async with proxying(old.socket, tmp_path) as proxy, Client(proxy.address) as client:
            command = ["sh", "-c", f'echo run >> "{log}"; sleep 1000']

            async def fail() -> None:
                with pytest.raises(DaemonRestartedError):
                    await client.exec_process(command, process_id="one")

            async with anyio.create_task_group() as tasks, Client(old.address) as other:
                tasks.start_soon(fail)
                while not await runs(other, "systems/host/processes/one"):
                    pass
                while not log.exists():
                    await client.get_host()
                old.kill()
                proxy.target = new.socket
    assert log.read_text() == "run\n"


async def test_a_call_that_is_given_up_leaves_no_process(daemon: Daemon) -> None:
    options = pb.ProcessOptions(
        orphan_policy=pb.ORPHAN_POLICY_KILL_ON_OWNER_DISCONNECT, owner_grace={"nanos": 1_000_000}
    )
    name = "systems/host/processes/given-up"
    async with Client(daemon.address) as client:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(
                lambda: client.exec_process(
                    ["sleep", "1000"], process_id="given-up", options=options
                )
            )
            while not await runs(client, name):
                pass
            tasks.cancel_scope.cancel()
        ended = (await client.wait_process(name)).process
    assert ended.exit.reason == pb.EXIT_REASON_OWNER_GONE


async def runs(client: Client, name: str) -> bool:
    try:
        return (await client.get_process(name)).state == pb.PROCESS_STATE_RUNNING
    except NotFoundError:
        return False


async def test_exec_is_subprocess_run_elsewhere(daemon: Daemon) -> None:
    async with Client(daemon.address) as client:
        done = await client.exec(
            ["sh", "-c", 'cat; echo "$WHO in $PWD" >&2; exit 4'],
            input="grüße",
            cwd="/",
            env={"WHO": "me"},
        )
        assert (done.exit_code, done.text, done.error_text) == (4, "grüße", "me in /\n")
        assert (
            await client.exec(["sh", "-c", "echo o; echo e >&2"], stderr=STDOUT)
        ).text == "o\ne\n"
        assert (await client.exec(["true"], check=True)).exit_code == 0
        with pytest.raises(
            ProcessFailedError, match=r"exited with code 4: no such flag$"
        ) as failed:
            await client.exec(["sh", "-c", "echo no such flag >&2; exit 4"], check=True)
        assert failed.value.completed.exit_code == 4
        with pytest.raises(ExecutableNotFoundError):
            await client.exec(["no-such-program"])


async def test_a_timeout_ends_the_tree_and_is_an_error(daemon: Daemon) -> None:
    async with Client(daemon.address) as client:
        with pytest.raises(TimeoutError, match="its time was up") as caught:
            await client.exec(
                ["sh", "-c", "echo begun; sleep 1000 & sleep 1000"], timeout=timedelta(seconds=0.5)
            )
        assert isinstance(caught.value, ProcessTimeoutError)
        assert caught.value.completed.text == "begun\n"


async def test_check_output_gives_what_was_written_and_never_a_part(daemon: Daemon) -> None:
    async with Client(daemon.address) as client:
        assert await client.check_output(["seq", "3"]) == b"1\n2\n3\n"
        with pytest.raises(OutputTruncatedError, match="wrote more than one answer holds"):
            await client.check_output(["head", "-c", "2000000", "/dev/zero"])
        with pytest.raises(ProcessFailedError):
            await client.check_output(["false"])


async def test_lines_of_both_outputs_come_as_text_in_their_order(daemon: Daemon) -> None:
    script = 'echo one; read x; echo two >&2; read x; printf "three\\r\\nf\\377ur"'
    async with (
        Client(daemon.address) as client,
        client.run(["sh", "-c", script], stdin=True) as process,
    ):
        seen: list[tuple[str, str]] = []
        times = []
        async for line in process.lines():
            seen.append((line.stream, line.text))
            times.append(line.time)
            if len(seen) < 3:
                await process.stdin.write(b"\n")
        assert seen == [
            ("stdout", "one"),
            ("stderr", "two"),
            ("stdout", "three"),
            ("stdout", "f\ufffdur"),
        ]
        assert times == sorted(times)
        assert [line.text async for line in process.lines(last_lines=1)] == ["f\ufffdur"]
        assert [line async for line in process.stdout.lines()] == ["one", "three", "f\ufffdur"]
        assert repr(process).startswith(f"<RemoteProcess '{process.name}' pid {process.pid}")


async def test_an_id_alone_is_enough(daemon: Daemon) -> None:
    async with Client(daemon.address) as client:
        made = await client.create(["sleep", "1000"], process_id="by-id")
        found = await client.open("by-id")
        assert found.name == made.name
        assert (await client.get_process("by-id")).uid == made.created.uid
        assert [p.name async for p in client.list_processes("host")].count(made.name) == 1
        await client.delete_process("by-id", force=True)
        assert repr(client) == f"<Client of {daemon.address} open>"


def test_the_blocking_client_has_them_all(daemon: Daemon) -> None:
    with BlockingClient(daemon.address) as client:
        assert client.check_output(["echo", "hello"]) == b"hello\n"
        assert client.exec(["sh", "-c", "exit 3"]).exit_code == 3
        with client.run(["seq", "2"]) as process:
            assert [line.text for line in process.lines()] == ["1", "2"]
