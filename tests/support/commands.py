"""`hcsd` commands in processes of their own, without the price of starting Python for each.

A server (command_server.py) loads once what commands import, and forks for each command. The command has arguments,
environment and streams of its own, and it ends as Python does. So only the imports are shared, and
they are most of what a command costs.

    done = await run(["ps", "--all"], {"HCSD_ADDRESS": daemon.address})

Start `python -m hcsd` itself where the test is about the start, about closed streams, or about
variables that Python or gRPC read when they are loaded.
"""

import contextlib
import functools
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO, NamedTuple

import anyio

from tests.support.command_server import NUMBER, STOPPED, Request

_STARTING = threading.Lock()


class Command:
    """A command that was started: what tests need of subprocess.Popen.

    Args:
        arguments: What follows `hcsd`.
        environment: All variables that it has.
        streams: Its stdin, stdout and stderr, which the caller closes.
        terminal: Its streams are one terminal, which becomes that of a session of its own.
        directory: Where it works. Default: here.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        streams: tuple[int, int, int],
        *,
        terminal: bool = False,
        directory: str | None = None,
    ) -> None:
        request = Request(
            arguments=list(arguments),
            environment=dict(environment),
            directory=directory or str(Path.cwd()),
            terminal=terminal,
        )
        numbers, inside = os.pipe()
        self._numbers = os.fdopen(numbers, "rb", buffering=0)
        self._lock = threading.Lock()
        self._code: int | None = None
        try:
            with tempfile.TemporaryFile() as file:
                file.write(json.dumps(request).encode())
                file.seek(0)
                descriptors = [*streams, file.fileno(), inside]
                with _STARTING:
                    control = _server().control
                socket.send_fds(control, [b"+"], descriptors)
        finally:
            os.close(inside)
        self.pid = self._number()

    def poll(self) -> int | None:
        """Return its exit code; None while it runs."""
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its exit code, which is negative for a signal.

        Raises:
            subprocess.TimeoutExpired: It still runs.
        """
        with self._lock:
            while self._code is None:
                # A descriptor may be beyond what select takes.
                waiting = select.poll()
                waiting.register(self._numbers, select.POLLIN)
                if not waiting.poll(None if timeout is None else timeout * 1000):
                    raise subprocess.TimeoutExpired("hcsd", timeout or 0)
                if (number := self._number()) != STOPPED:
                    self._code = number
                    self._numbers.close()
            return self._code

    def wait_until_stopped(self) -> None:
        """Wait until it has stopped, as by SIGTSTP; it must not end."""
        with self._lock:
            if (number := self._number()) != STOPPED:
                self._code = number
                self._numbers.close()
                raise AssertionError(f"the command has ended: {number}")

    def send_signal(self, number: int) -> None:
        if self._code is None:  # who waits for it in another thread is not waited for
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _number(self) -> int:
        data = self._numbers.read(NUMBER.size)
        assert data, "the server that starts commands has ended"
        number: int = NUMBER.unpack(data)[0]
        return number


async def run(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    *,
    stdin: int | bytes = b"",
    stdout: int = subprocess.PIPE,
) -> subprocess.CompletedProcess[bytes]:
    """Run a command to its end; a cancellation kills it.

    Args:
        arguments: What follows `hcsd`.
        environment: All variables that it has.
        stdin: Bytes that come through a pipe, or a descriptor. It is /dev/null if there are none.
        stdout: A descriptor; by default a pipe, from which the result has it.
    """
    started = _Captured(arguments, environment, stdin, stdout)
    try:
        return await anyio.to_thread.run_sync(started.finish, abandon_on_cancel=True)
    finally:
        started.command.kill()


def run_blocking(
    arguments: Sequence[str], environment: Mapping[str, str], *, stdin: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    """Do the same without an event loop."""
    return _Captured(arguments, environment, stdin, subprocess.PIPE).finish()


class _Captured:
    """A command whose output is read."""

    def __init__(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        stdin: int | bytes,
        stdout: int,
    ) -> None:
        self._arguments = arguments
        self._given = stdin if isinstance(stdin, bytes) else b""
        self._input: BinaryIO | None = None
        self._output: BinaryIO | None = None
        with contextlib.ExitStack() as theirs:
            if self._given:
                source, self._input = _pipe()
                stdin = theirs.enter_context(source).fileno()
            elif isinstance(stdin, bytes):
                stdin = theirs.enter_context(Path(os.devnull).open("rb")).fileno()
            if stdout == subprocess.PIPE:
                self._output, sink = _pipe()
                stdout = theirs.enter_context(sink).fileno()
            self._errors, sink = _pipe()
            stderr = theirs.enter_context(sink).fileno()
            self.command = Command(arguments, environment, (stdin, stdout, stderr))

    def finish(self) -> subprocess.CompletedProcess[bytes]:
        with ThreadPoolExecutor(2) as threads:
            try:
                writing = threads.submit(self._write)
                errors = threads.submit(_read, self._errors)
                output = None if self._output is None else _read(self._output)
                code = self.command.wait()
            except BaseException:  # the test is over, and the threads must end
                self.command.kill()
                raise
        writing.result()
        return subprocess.CompletedProcess(self._arguments, code, output, errors.result())

    def _write(self) -> None:
        if self._input is not None:
            with contextlib.suppress(BrokenPipeError), self._input as file:
                file.write(self._given)


def _pipe() -> tuple[BinaryIO, BinaryIO]:
    reads, writes = os.pipe()
    return os.fdopen(reads, "rb"), os.fdopen(writes, "wb")


def _read(file: BinaryIO) -> bytes:
    with file:
        return file.read()


class _Server(NamedTuple):
    control: socket.socket
    process: subprocess.Popen[bytes]


@functools.cache
def _server() -> _Server:
    """Start the server, once in each process of the test run."""
    control, inside = socket.socketpair()
    with inside:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.command_server", str(inside.fileno())],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.DEVNULL,
            pass_fds=[inside.fileno()],
        )
    return _Server(control, process)


def stop_server() -> None:
    """End the server, if one was started."""
    if _server.cache_info().currsize:
        server = _server()
        server.control.close()
        server.process.wait()
        _server.cache_clear()
