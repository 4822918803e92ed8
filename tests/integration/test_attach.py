"""`hcsd attach` without a terminal: to a process with pipes, and what it does not do to a console."""

import contextlib
import itertools
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Protocol

import anyio
import pytest

from hcsd.v1 import process_pb2 as pb
from hcsd.v1 import process_service_pb2 as service_pb
from tests.integration.wire import HOST, Client, sh
from tests.support import commands
from tests.support.daemon import Daemon

PIPE = pb.ProcessSpec(stdin_mode=pb.STDIN_MODE_PIPE)
CONSOLE = pb.ProcessSpec(console=pb.Console(columns=70, rows=20))
HCSD = (sys.executable, "-m", "hcsd")
COUNTER = itertools.count(1)


@pytest.fixture
def name() -> str:
    """An id that no other process of the daemon has."""
    return f"attached-{next(COUNTER)}"


async def hcsd(
    daemon: Daemon, *arguments: str, given: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    return await commands.run(arguments, environment(daemon), stdin=given)


def environment(daemon: Daemon) -> dict[str, str]:
    return {**os.environ, "HCSD_ADDRESS": daemon.address}


async def test_all_that_is_kept_comes_first_and_the_exit_code_last(
    daemon: Daemon, client: Client, name: str
) -> None:
    script = "echo early; echo err >&2; read line; echo late $line; exit 6"
    process = await client.create(sh(script), spec=PIPE, process_id=name)
    result = await hcsd(daemon, "attach", process.name, given=b"word\n")
    assert (result.returncode, result.stdout, result.stderr) == (6, b"early\nlate word\n", b"err\n")
    result = await hcsd(daemon, "attach", name)
    assert (result.returncode, result.stdout, result.stderr) == (6, b"early\nlate word\n", b"err\n")


async def test_the_end_of_stdin_is_passed_on(daemon: Daemon, client: Client, name: str) -> None:
    data = os.urandom(1_000_000)
    await client.create(pb.Argv(args=["cat"]), spec=PIPE, process_id=name)
    result = await hcsd(daemon, "attach", name, given=data)
    assert (result.returncode, result.stdout, result.stderr) == (0, data, b"")


async def test_stdin_that_was_left_open_is_still_there(
    daemon: Daemon, client: Client, name: str
) -> None:
    client.made.append(f"{HOST}/processes/{name}")
    result = await hcsd(daemon, "run", "-di", "--name", name, "--", "cat", given=b"not for it")
    assert (result.returncode, result.stdout) == (0, f"{HOST}/processes/{name}\n".encode())
    result = await hcsd(daemon, "attach", name, given=b"for it")
    assert (result.returncode, result.stdout) == (0, b"for it")


class Attach(Protocol):
    def __call__(self, *arguments: str) -> subprocess.Popen[bytes]: ...


@pytest.fixture
def attached(daemon: Daemon) -> Iterator[Attach]:
    """Starts `hcsd attach` with its output to a pipe."""
    with contextlib.ExitStack() as stack:

        def start(*arguments: str) -> subprocess.Popen[bytes]:
            process = stack.enter_context(
                subprocess.Popen(
                    [*HCSD, "attach", *arguments],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    env=environment(daemon),
                )
            )
            stack.callback(process.kill)
            return process

        yield start


async def test_without_stdin_nothing_is_passed_on(
    attached: Attach, client: Client, name: str
) -> None:
    process = await client.create(sh("echo out; cat; exit 3"), spec=PIPE, process_id=name)
    watcher = attached("--no-stdin", name)
    assert watcher.stdout is not None
    await anyio.wait_readable(watcher.stdout)
    assert not (await client.get(process.name)).stdin.closed
    await client.terminate(process.name)
    assert await anyio.to_thread.run_sync(watcher.wait) == 137


async def test_a_reader_that_goes_away_does_not_end_the_process(
    attached: Attach, client: Client, name: str
) -> None:
    process = await client.create(sh("while echo x; do sleep 0.01; done"), process_id=name)
    reader = attached(name)
    assert reader.stdout is not None
    await anyio.wait_readable(reader.stdout)
    reader.stdout.close()
    assert await anyio.to_thread.run_sync(reader.wait) == 141
    assert (await client.get(process.name)).state == pb.PROCESS_STATE_RUNNING


async def test_a_console_needs_a_terminal_to_type_at_and_none_to_be_read(
    daemon: Daemon, client: Client, name: str
) -> None:
    process = await client.create(
        sh("echo begin; read line; exit 4"), spec=CONSOLE, process_id=name
    )
    result = await hcsd(daemon, "attach", name)
    assert result.returncode == 125
    assert result.stderr.decode() == (
        f"hcsd: '{name}' has a console, which needs a terminal: stdin is not a terminal; "
        "use --no-stdin to only read what it writes\n"
    )
    run = await client.attach(service_pb.RunAttach(name=process.name))
    await run.until("started")
    data = service_pb.StdinData(data=b"\r")
    await run.send(service_pb.RunProcessRequest(stdin=data))
    result = await hcsd(daemon, "attach", "--no-stdin", name)
    assert (result.returncode, result.stderr) == (4, b"")
    assert result.stdout.startswith(b"begin\r\n")
