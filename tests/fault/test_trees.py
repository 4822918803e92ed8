"""Killing a process with all that descends from it, and with nothing else."""

import sys

import anyio
import pytest

from hcsd.hcs.errors import InvalidDocumentError
from hcsd.hcs.host import Host
from hcsd.hcs.opening import terminate_by_pid
from tests.support.census import is_running
from tests.support.escapes import TRACEABLE
from tests.support.guest import Parameters, PosixGuest
from tests.support.running import running, start

pytestmark = pytest.mark.anyio

SH = PosixGuest().sh
every_escape = pytest.mark.parametrize("escape", TRACEABLE.values(), ids=TRACEABLE)


@every_escape
async def test_a_tree_dies_as_a_whole_and_its_neighbours_live(
    host: Host, escape: Parameters
) -> None:
    system = await host.open_system("host")
    async with running(system, escape, "o") as neighbour, running(system, escape, "o") as it:
        spared, escaped = int(await neighbour.stdout.line()), int(await it.stdout.line())
        await it.process.terminate(tree=True)
        assert not is_running(escaped)
        assert not is_running(it.pid)
        assert (await it.end()).exit_code in {0, 137}  # an orphan's parent has ended by itself
        assert is_running(spared)
        await neighbour.process.terminate(tree=True)
        assert not is_running(spared)
    system.close()


@pytest.mark.parametrize(
    "script",
    ["sleep 1000 & echo $!", "setsid sh -c 'echo $$; exec sleep 1000' &", "(sleep 1000 & echo $!)"],
    ids=["job", "session", "orphan"],
)
async def test_what_a_process_has_left_behind_dies_with_its_tree(host: Host, script: str) -> None:
    system = await host.open_system("host")
    async with running(system, SH(script), "o") as it:
        left = int(await it.stdout.line())
        assert (await it.end()).exit_code == 0
        assert is_running(left)
        assert not await it.process.terminate()
        assert is_running(left)
        assert not await it.process.terminate(tree=True)
        assert not is_running(left)
        assert not await it.process.terminate(tree=True)  # again: there is nothing, and no error
    system.close()


async def test_descendants_of_every_generation_die(host: Host) -> None:
    grow = """
        depth=$1; echo $$
        if [ $depth -gt 0 ]; then
            for i in 1 2 3; do setsid sh -c "$0" "$0" $((depth - 1)) & done
        fi
        sleep 1000 & wait
    """
    system = await host.open_system("host")
    async with running(system, {"CommandArgs": ["sh", "-c", grow, grow, "3"]}, "o") as it:
        pids = [int(await it.stdout.line()) for _ in range(1 + 3 + 9 + 27)]
        assert await it.process.terminate(tree=True)
        assert not any(map(is_running, pids))
        assert await it.stdout.rest() == b""  # nobody has it open any more
    system.close()


async def test_a_descendant_that_moves_from_process_to_process_is_caught(host: Host) -> None:
    hop = (
        "import os, time\n"
        "print('off', flush=True)\n"
        "for _ in range(2000):\n"
        "    if os.fork(): os._exit(0)\n"
        "    os.setsid(); time.sleep(0.005)\n"
    )
    system = await host.open_system("host")
    it = await start(system, {"CommandArgs": [sys.executable, "-I", "-S", "-c", hop]}, "o")
    await it.stdout.line()
    await it.end()
    with anyio.fail_after(30):
        done = anyio.Event()

        async def end_of_output() -> None:
            assert await it.stdout.rest() == b""
            done.set()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(end_of_output)
            while not done.is_set():  # each kill catches it, unless it was between two looks
                await it.process.terminate(tree=True)
    it.close()
    system.close()


async def test_options_that_are_none_are_refused(host: Host) -> None:
    system = await host.open_system("host")
    async with running(system, SH("sleep 1000")) as it:
        for options in ("{", "[]", '{"Tree": 1}', '{"Forest": true}'):
            with pytest.raises(InvalidDocumentError):
                await terminate_by_pid(host.operations, "host", it.pid, options)
    system.close()


async def test_what_is_just_starting_a_program_is_found(host: Host) -> None:
    # While a process changes its program, the kernel shows no environment of it.
    system = await host.open_system("host")
    for _ in range(100):
        async with running(system, SH("sleep 1000 & echo $!"), "o") as it:
            left = int(await it.stdout.line())
            await it.end()
            await it.process.terminate(tree=True)
            assert not is_running(left)
    system.close()
