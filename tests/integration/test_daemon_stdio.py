"""What a daemon is started with and what is sent to it: streams, signals, and what clients make it log.

Neither a stream that takes nothing, nor a signal, nor a client keeps it from serving and from an orderly
end.
"""

import contextlib
import json
import os
import pty
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import anyio
import anyio.to_thread
import grpc
import pytest

from hcsd.cli.daemon_signals import ANSWERS, Answer, name_of
from hcsd.logs.repeats import MOST
from hcsd.version import __version__ as hcsd_version
from tests.integration.wire import connected, sh
from tests.support.census import until
from tests.support.daemon import HCSD, PATIENCE, serving

# What a parent can do to the signals of the daemon.
HOSTILE = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD, signal.SIGUSR1}
EVERY_NAMED = (1 << 31) - 1  # those above are the C library's own, or nobody's
SIGNALS_OF_CHILD = "exec grep -E '^Sig(Blk|Ign)' /proc/self/status"


class Started(NamedTuple):
    """A daemon whose stderr is not read.

    Attributes:
        address: Its socket.
        process: It.
    """

    address: str
    process: subprocess.Popen[bytes]

    @property
    def socket(self) -> Path:
        return Path(self.address.removeprefix("unix://"))

    async def serves(self) -> None:
        """Wait until it answers, and have it run a process."""
        options = [
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 100),
        ]
        with anyio.fail_after(PATIENCE):
            async with connected(self.address, options=options) as client:
                while (await _state(client.channel)) is not grpc.ChannelConnectivity.READY:
                    pass
                output = await (await client.run(sh("echo served"))).finish()
        assert output.stdout == b"served\n"

    def end(self, number: int = signal.SIGTERM) -> None:
        """Send it a signal, by which it must end in order."""
        self.process.send_signal(number)
        self.ends()

    def ends(self) -> None:
        assert self.process.wait(PATIENCE) == 0
        assert not self.socket.exists()


async def _state(channel: grpc.aio.Channel) -> grpc.ChannelConnectivity:
    state = channel.get_state(try_to_connect=True)
    if state is not grpc.ChannelConnectivity.READY:
        await channel.wait_for_state_change(state)
    return channel.get_state()


@contextlib.contextmanager
def place() -> Iterator[Path]:
    """A folder whose name is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="hcsd-", dir="/tmp") as name:
        yield Path(name)


@contextlib.contextmanager
def started(
    command: Sequence[str],
    path: Path,
    *,
    streams: int | None = None,
) -> Iterator[Started]:
    """A daemon in a process of its own, killed at the end if it has not ended."""
    listen = f"unix://{path}/hcsd.sock"
    with subprocess.Popen(
        [*command, "--listen", listen], stdin=streams, stdout=streams, stderr=streams
    ) as process:
        try:
            yield Started(listen, process)
        finally:
            process.kill()


@pytest.mark.parametrize("streams", ["<&- >&- 2>&-", "</dev/null >/dev/full 2>/dev/full"])
async def test_streams_that_take_nothing_do_no_harm(streams: str) -> None:
    script = f'exec "$@" {streams}'
    with place() as path, started(["sh", "-c", script, "sh", *HCSD], path) as daemon:
        await daemon.serves()
        await anyio.to_thread.run_sync(daemon.end)


@pytest.fixture
def full_pipe() -> Iterator[int]:
    """The end for writing of a pipe that is full, and that nobody reads."""
    reads, writes = os.pipe()
    os.set_blocking(writes, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writes, bytes(4096))
    os.set_blocking(writes, True)
    yield writes
    os.close(reads)
    os.close(writes)


async def test_nobody_who_reads_the_log_does_no_harm(full_pipe: int) -> None:
    command = [*HCSD, "--log-level", "debug"]
    with (
        place() as path,
        started(command, path, streams=full_pipe) as daemon,
    ):
        await daemon.serves()
        await anyio.to_thread.run_sync(daemon.end)


async def test_signals_that_the_parent_blocked_or_ignored_are_answered() -> None:
    """And its processes have none of that."""
    ignored = " ".join(number.name.removeprefix("SIG") for number in HOSTILE)
    command = ["sh", "-c", f'trap "" {ignored}; exec "$@"', "sh", *HCSD]
    before = signal.pthread_sigmask(signal.SIG_BLOCK, HOSTILE)
    try:
        with place() as path, started(command, path, streams=subprocess.DEVNULL) as daemon:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            await daemon.serves()
            async with connected(daemon.address) as client:
                daemon.process.send_signal(signal.SIGUSR1)
                output = await (await client.run(sh(SIGNALS_OF_CHILD))).finish()
            _, blocked, _, ignored_there = output.stdout.decode().split()
            assert int(blocked, 16) & EVERY_NAMED == int(ignored_there, 16) & EVERY_NAMED == 0
            await anyio.to_thread.run_sync(daemon.end)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


async def test_signals_are_answered_as_the_table_says(tmp_path: Path) -> None:
    log, old = tmp_path / "log", tmp_path / "old"

    async def logs(text: str) -> None:
        def is_there() -> bool:
            return log.exists() and text in log.read_text()

        await anyio.to_thread.run_sync(until, is_there, text, PATIENCE)

    with serving("--log-file", str(log)) as daemon:
        ignored = {number for number, answer in ANSWERS.items() if answer is Answer.IGNORE}
        some = sorted(ignored - set(range(signal.SIGRTMIN + 1, signal.SIGRTMAX)))
        assert len(some) <= MOST
        for number in some:
            daemon.signal(number)
            await logs(f"ignored {name_of(number)}")
        log.rename(old)
        daemon.signal(signal.SIGHUP)
        await logs("received SIGHUP")
        daemon.signal(signal.SIGUSR1)
        await logs("received SIGUSR1: pid ")
        await logs("    thread MainThread")
        await logs(" times task ")
        await logs(" watch_host\n")  # and where it waits, below what gRPC and anyio wrap around it
        async with connected(daemon.address) as client:
            made = await client.create(sh("trap '' TERM; while :; do sleep 1000; done"))
            assert made.pid
            daemon.signal(signal.SIGQUIT)
            assert await anyio.to_thread.run_sync(daemon.wait) == 0
        assert "stopping at once, as asked [" in " ".join(log.read_text().split())
        assert "stopped" in log.read_text().splitlines()[-1]
        assert not daemon.socket.exists()


def test_a_log_of_json_has_nothing_else() -> None:
    with serving("--log-format", "json", tcp=True) as daemon:
        daemon.stop()
        events = [json.loads(line)["event"] for line in daemon.log.splitlines()]
    assert any(event.startswith("TCP clients need ") for event in events)
    assert any(event.startswith(f"ready at {', '.join(daemon.addresses)};") for event in events)
    assert events[-1] == "stopped"


def test_a_log_file_says_what_was_started_and_where_it_listens(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with serving("--log-file", str(log)) as daemon:
        ready = f"ready at {daemon.address}; version {hcsd_version}, pid {daemon.pid} "
        until(lambda: ready in log.read_text(), "the line that it is ready", PATIENCE)
        again = [*HCSD, "--listen", daemon.address, "--log-file", str(log)]
        refused = subprocess.run(again, capture_output=True, text=True, timeout=60, check=False)
        assert refused.returncode == 1
        why = f"cannot start: cannot listen at '{daemon.socket}': another hcsd is listening there"
        assert refused.stderr.startswith(f"hcsd: {why}")
        assert why in log.read_text()


def test_a_log_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    log = tmp_path / "missing" / "log"
    refused = subprocess.run(
        [*HCSD, "--log-file", str(log)], capture_output=True, text=True, timeout=60, check=False
    )
    assert refused.returncode == 1
    assert refused.stderr == (
        f"hcsd: cannot start: cannot open the log file '{log}': No such file or directory;"
        " name another with --log-file\n"
    )


@pytest.mark.parametrize("nohup", [False, True])
async def test_a_daemon_ends_with_its_terminal_unless_it_ignores_that(*, nohup: bool) -> None:
    master, slave = pty.openpty()
    ignore = 'trap "" HUP; ' if nohup else ""
    command = ["sh", "-c", f'{ignore}exec setsid --ctty "$@"', "sh", *HCSD]
    with contextlib.ExitStack() as terminal, place() as path:
        terminal.callback(os.close, master)
        with started(command, path, streams=slave) as daemon:
            os.close(slave)
            await daemon.serves()
            daemon.process.send_signal(signal.SIGHUP)  # and the terminal is there
            await daemon.serves()
            terminal.close()
            if nohup:
                await daemon.serves()
                daemon.process.terminate()
            await anyio.to_thread.run_sync(daemon.ends)


def _literal(text: bytes) -> bytes:
    return bytes((len(text),)) + text


def _call_with(value: bytes, stream: int) -> bytes:
    """Lay out a call of GetHost with a header of this value, in frames of HTTP/2."""
    fields = {
        b":method": b"POST",
        b":scheme": b"http",
        b":path": b"/hcsd.v1.HostService/GetHost",
        b":authority": b"localhost",
        b"te": b"trailers",  # codespell:ignore te
        b"content-type": b"application/grpc",
        b"x-odd": value,
    }
    block = b"".join(b"\0" + _literal(name) + _literal(text) for name, text in fields.items())
    head = len(block).to_bytes(3, "big") + b"\1\4" + stream.to_bytes(4, "big")
    return head + block + b"\0\0\5\0\1" + stream.to_bytes(4, "big") + bytes(5)


def test_metadata_that_is_no_text_is_logged_in_a_few_plain_lines() -> None:
    calls = 100
    with serving() as daemon:
        with socket.socket(socket.AF_UNIX) as raw:
            raw.settimeout(PATIENCE)
            raw.connect(str(daemon.socket))
            raw.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\4" + bytes(5))
            received = b""
            for number in range(calls):
                raw.sendall(_call_with(b"secret\xff\n\x1b[31m", 2 * number + 1))
                while (b"\1\5" + (2 * number + 1).to_bytes(4, "big")) not in received:
                    got = raw.recv(65536)
                    assert got
                    received += got
                received = b""
        daemon.stop()
        assert daemon.log.count("metadata that is not UTF-8") == MOST + 1
        assert f"{calls - MOST} more lines like this one were left out" in daemon.log
        assert "secret" not in daemon.log
        assert "Traceback" not in daemon.log
