"""Signals that come just before the main thread waits for events, when it can no longer see them.

That moment is too short to be hit by a test. What it comes to is that Python has noted the signal, and the
main thread waits nevertheless; and so it is if another thread is the one that the signal interrupts.
"""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from tests.integration.wire import Client, sh
from tests.support.daemon import Daemon, serving

# Runs the command line, with a thread that takes a signal once the fifo has a writer and the main thread sleeps.
PROGRAM = """
import os, signal, sys, threading

def take(fifo, number):
    open(fifo).close()
    main = f"/proc/self/task/{os.getpid()}/stat"
    while open(main).read().rpartition(")")[2].split()[0] != "S":
        pass
    signal.pthread_kill(threading.get_ident(), number)

threading.Thread(target=take, args=(sys.argv.pop(1), int(sys.argv.pop(1))), daemon=True).start()
from hcsd.cli.main import main
main()
"""


def command(fifo: Path, number: signal.Signals, *arguments: str) -> list[str]:
    os.mkfifo(fifo)
    return [sys.executable, "-c", PROGRAM, str(fifo), str(int(number)), *arguments]


def trigger(fifo: Path) -> None:
    fifo.open("w").close()


async def test_a_command_ends(client: Client, daemon: Daemon, tmp_path: Path) -> None:
    made = await client.create(sh("exec sleep 600"))
    fifo = tmp_path / "fifo"
    async with await anyio.open_process(
        command(fifo, signal.SIGINT, "wait", made.name),
        env={**os.environ, "HCSD_ADDRESS": daemon.address},
        stdin=subprocess.DEVNULL,
    ) as waiting:
        with anyio.fail_after(20):
            await anyio.to_thread.run_sync(trigger, fifo)
            assert await waiting.wait() == 130


def test_a_daemon_stops(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    with serving(command=command(fifo, signal.SIGTERM, "serve")) as daemon:
        trigger(fifo)
        assert daemon.wait() == 0


def test_an_interrupt_of_a_completion_is_quiet(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as nobody:  # takes connections, and never answers
        nobody.bind(str(tmp_path / "s"))
        nobody.listen()
        nobody.settimeout(20)
        with subprocess.Popen(
            [sys.executable, "-m", "hcsd"],
            env={
                **os.environ,
                "HCSD_ADDRESS": f"unix://{tmp_path}/s",
                "_HCSD_COMPLETE": "complete_bash",
                "COMP_WORDS": "hcsd inspect ",
                "COMP_CWORD": "2",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as completing:
            connection, _ = nobody.accept()
            with connection:
                completing.send_signal(signal.SIGINT)
                assert completing.communicate(timeout=50) == ("", "")
                assert completing.returncode == 130


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"]])
def test_an_interrupt_at_the_start_is_quiet(tmp_path: Path, arguments: list[str]) -> None:
    """Which a traceback would not be."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    # An import of the command line that takes as long as the test wants.
    (tmp_path / "typer.py").write_text(f"print('importing', flush=True); open({str(fifo)!r})\n")
    with subprocess.Popen(
        [sys.executable, "-m", "hcsd", *arguments],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as starting:
        assert starting.stdout is not None
        assert starting.stdout.readline() == "importing\n"
        starting.send_signal(signal.SIGINT)
        assert starting.communicate(timeout=50) == ("", "")
        assert starting.returncode == 130
