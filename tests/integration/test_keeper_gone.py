"""A daemon whose keepers are stopped or killed, and one that has to leave something behind."""

import os
import signal
import sys
import time

import anyio
import anyio.to_thread
import pytest

from hcsd.v1 import process_pb2 as pb
from tests.integration.wire import connected, sh
from tests.support.census import children, ended, ended_within, is_running, until
from tests.support.daemon import FORGETFUL, HCSD, PATIENCE, Daemon, serving
from tests.support.escapes import ESCAPES
from tests.support.tracer import tracing


def keeper_of(daemon: Daemon) -> int:
    (keeper,) = children(daemon.pid)
    return keeper


async def test_the_exit_code_that_a_killed_keeper_has_not_told_is_found(own_daemon: Daemon) -> None:
    async with connected(own_daemon.address) as client:
        # The keeper has no part in its end, as it would have in that of its stdin.
        run = await client.run(sh("trap 'exit 5' USR1; echo; sleep 1000 & wait"))
        await run.until_out(b"\n")
        started = run.output.process
        keeper = keeper_of(own_daemon)
        os.kill(keeper, signal.SIGSTOP)
        os.kill(started.pid, signal.SIGUSR1)
        await ended(started.pid)
        os.kill(keeper, signal.SIGKILL)
        assert (await run.finish()).code == 5


@pytest.mark.parametrize("escape", ESCAPES.values(), ids=ESCAPES)
async def test_whatever_a_killed_keeper_leaves_behind_is_ended(
    own_daemon: Daemon, escape: dict[str, list[str]]
) -> None:
    async with connected(own_daemon.address) as client:
        run = await client.run(pb.Argv(args=escape["CommandArgs"]))
        await run.until_out(b"\n")
        escaped = int(run.output.stdout)
        os.kill(keeper_of(own_daemon), signal.SIGKILL)
        await ended(escaped)
        await run.finish()


# A parent that wants no zombies has its children begin like this, and that goes on through exec.
WITHOUT_ZOMBIES = (
    "import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN);"
    " os.execv(sys.argv[1], sys.argv[1:])"
)


async def test_a_keeper_that_was_killed_is_known_as_such_if_the_daemon_began_without_zombies() -> (
    None
):
    command = (sys.executable, "-c", WITHOUT_ZOMBIES, *HCSD)
    with serving(command=command) as daemon:
        async with connected(daemon.address) as client:
            run = await client.run(pb.Argv(args=["sleep", "1000"]))
            await run.until("started")
            os.kill(keeper_of(daemon), signal.SIGKILL)
            await ended(run.output.process.pid)
            assert (await run.finish()).code == 128 + signal.SIGKILL


async def test_a_daemon_and_its_stopped_keeper_leave_nothing_behind() -> None:
    with serving(*FORGETFUL) as daemon:
        async with connected(daemon.address) as client:
            process = await client.create(pb.Argv(args=["sleep", "1000"]))
            keeper = keeper_of(daemon)
            os.kill(keeper, signal.SIGSTOP)
            await anyio.to_thread.run_sync(daemon.kill)
            assert await anyio.to_thread.run_sync(ended_within, [keeper, process.pid], 10.0)


async def test_a_second_signal_ends_a_daemon_that_waits_for_what_cannot_end() -> None:
    with serving() as daemon:
        async with connected(daemon.address) as client:
            process = await client.create(pb.Argv(args=["sleep", "1000"]))
            with tracing(process.pid) as tracer:
                daemon.signal(signal.SIGTERM)
                await anyio.to_thread.run_sync(
                    until, lambda: "stopping" in daemon.log, "the daemon stops", PATIENCE
                )
                begun = time.monotonic()
                daemon.signal(signal.SIGTERM)
                assert await anyio.to_thread.run_sync(daemon.wait) == 0
                assert time.monotonic() - begun < 10.0
        assert f"process {process.pid} (sleep) could not be ended" in daemon.log
        assert f"process {tracer} traces it" in daemon.log
        assert not is_running(process.pid)
