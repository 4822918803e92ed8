"""Real shells that run `hcsd`, in which it is a small program: it has a command forked by commands.py.

A command gets the streams, the variables and the folder that the program has, and the program ends as the command does.
When the program is killed, its command is sent what a terminal that goes away sends, and SIGTERM.
"""

import contextlib
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import anyio
import anyio.to_thread

from tests.support.commands import Command

# The module `socket` is more than half of what this would cost.
PROGRAM = """#!{python} -ISE
import os, sys
from _socket import AF_UNIX, SCM_RIGHTS, SOL_SOCKET, socket
way = socket(AF_UNIX)
way.connect({address!r})
variables = [f"{{key}}={{value}}" for key, value in os.environ.items()]
words = [os.getcwd(), str(len(sys.argv) - 1), *sys.argv[1:], *variables]
text = "\\0".join(words).encode(errors="surrogateescape")
streams = b"".join(number.to_bytes(4, sys.byteorder) for number in (0, 1, 2))
way.sendmsg([len(text).to_bytes(4, "big")], [(SOL_SOCKET, SCM_RIGHTS, streams)])
way.sendall(text)
code = way.recv(1)
os._exit(code[0] if code else 255)
"""
READ_BYTES = 1 << 16
BETWEEN_KEYS = 0.5  # seconds; arbitrary
SIZE = (24, 80)  # of the terminal


class Done(NamedTuple):
    """How a line ended.

    Attributes:
        code: Its exit code.
        stdout: What it has written; at a terminal, all that came there.
        stderr: What it has written.
    """

    code: int
    stdout: str
    stderr: str


class Shell:
    """A folder with the program `hcsd`, and shells that find it.

    Args:
        folder: Where the program is to be.
    """

    def __init__(self, folder: Path) -> None:
        address = str(folder / "way")
        program = folder / "hcsd"
        program.write_text(PROGRAM.format(python=sys.executable, address=address))
        program.chmod(0o755)
        self._folder = folder
        self._commands: list[threading.Thread] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(address)
        self._listener.listen()
        threading.Thread(target=self._accept, name="shell", daemon=True).start()

    async def run(self, line: str, variables: Mapping[str, str], directory: Path) -> Done:
        """Run a line to its end; stdin has nothing."""
        done = await anyio.run_process(
            self._words(line),
            env=self._environment(variables),
            cwd=directory,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        await self._settle()
        return Done(done.returncode, done.stdout.decode(), done.stderr.decode())

    async def see(
        self, line: str, expected: str, variables: Mapping[str, str], directory: Path
    ) -> str:
        """Run a line at a terminal until something has come there, as a regular expression says, and kill it.

        Meanwhile somebody presses Enter now and then, for which a program shows its prompt again.

        Returns:
            All that came, which lacks what was expected if the line has ended before.
        """
        ours, inside = pty.openpty()
        termios.tcsetwinsize(inside, SIZE)
        try:
            async with await anyio.open_process(
                self._words(line),
                env={**self._environment(variables), "TERM": "xterm"},
                cwd=directory,
                stdin=inside,
                stdout=inside,
                stderr=inside,
                start_new_session=True,
            ) as shell:
                os.close(inside)
                seen = b""
                while not re.search(expected, seen.decode(errors="replace"), re.DOTALL):
                    with anyio.move_on_after(BETWEEN_KEYS) as waiting:
                        await anyio.wait_readable(ours)
                    if waiting.cancelled_caught:
                        os.write(ours, b"\r")
                        continue
                    try:
                        seen += os.read(ours, READ_BYTES)
                    except OSError:  # EIO: nobody has the other side any more
                        break
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(shell.pid, signal.SIGKILL)
        finally:
            os.close(ours)
        await self._settle()
        return seen.decode(errors="replace")

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _words(self, line: str) -> list[str]:
        return ["bash", "--norc", "-c", f"set -e -o pipefail; {line}"]

    def _environment(self, variables: Mapping[str, str]) -> dict[str, str]:
        return {**variables, "PATH": f"{self._folder}:{os.environ['PATH']}"}

    async def _settle(self) -> None:
        """Wait for the ends of all commands."""
        while self._commands:
            await anyio.to_thread.run_sync(self._commands.pop().join)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # it was closed
            while True:
                way, _ = self._listener.accept()
                thread = threading.Thread(target=_answer, args=(way,), name="shell", daemon=True)
                self._commands.append(thread)
                thread.start()


def _answer(way: socket.socket) -> None:
    with way:
        size, streams, _, _ = socket.recv_fds(way, 4, 3)
        with way.makefile("rb") as file:
            text = file.read(int.from_bytes(size, "big")).decode(errors="surrogateescape")
        directory, count, *words = text.split("\0")
        arguments, variables = words[: int(count)], words[int(count) :]
        environment = dict(variable.split("=", 1) for variable in variables)
        out, err = streams[1:]
        command = Command(arguments, environment, (streams[0], out, err), directory=directory)
        for stream in streams:
            os.close(stream)
        leaving = threading.Thread(target=_end_with, args=(way, command), daemon=True)
        leaving.start()
        code = command.wait()
        with contextlib.suppress(OSError):
            way.sendall(bytes([code if code >= 0 else 128 - code]))
            way.shutdown(socket.SHUT_RDWR)
        leaving.join()


def _end_with(way: socket.socket, command: Command) -> None:
    with contextlib.suppress(OSError):
        way.recv(1)
    for number in (signal.SIGHUP, signal.SIGTERM):
        command.send_signal(number)


@contextlib.contextmanager
def shell(folder: Path) -> Iterator[Shell]:
    """Shells of a test run; the path of the folder must be short."""
    opened = Shell(folder)
    try:
        yield opened
    finally:
        opened.close()
