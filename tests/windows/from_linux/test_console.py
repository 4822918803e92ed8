"""`hcsd run -it` and `hcsd attach` on a Windows console, which Wine has on a terminal of ours.

What Wine 8 has not: it makes no sequences of arrow keys, swallows Ctrl-C in raw mode, passes on no new
size of the terminal, sends no Ctrl-Break, and writes what is beyond the BMP as two replacement characters.
"""

import itertools
import json
import os
import pty
import socket
import subprocess
import termios
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import IO, Protocol

import anyio
import pytest

from hcsd.cli.exit_codes import HUNG_UP, INTERRUPTED
from hcsd.v1 import process_pb2 as pb
from tests.integration.wire import HOST, Client
from tests.support.daemon import Daemon
from tests.support.guest import WindowsGuest
from tests.support.person import Person
from tests.windows import places
from tests.windows.from_linux.test_daemon import CTRL_C_EXIT, guest
from tests.windows.wine import Wine, windows_path

SCRIPTS = Path(__file__).parents[1]
CONSOLE = places.DOUBLE.with_name("console.exe")
HCSD = ("-m", "hcsd")
EVENTS = windows_path(SCRIPTS / "console_events.py")
CTRL_BREAK, CLOSING = 1, 2
GUEST = os.environ["HCSD_GUEST"]
DETACH = b"\x10\x11"
PATIENCE = 60
COUNTER = itertools.count(1)


Told = dict[str, object]


class Sitting:
    """A person at a Windows console at which the command line runs."""

    def __init__(self, person: Person, link: socket.socket, lines: IO[str]) -> None:
        self.person = person
        self._link = link
        self._lines = lines
        self.first = self._told()  # what the program says before all else

    def _told(self) -> Told:
        line = self._lines.readline()
        assert line, f"the program has ended; seen: {os.read(self.person.terminal, 65536).decode()}"
        told: Told = json.loads(line)
        return told

    @property
    def seen(self) -> str:
        """What is to be seen, without sequences of the terminal."""
        return WindowsGuest().plain(self.person.seen).decode()

    async def expect(self, text: str) -> None:
        while text not in self.seen:
            assert await self.person.look(), f"{text!r} has not come; seen: {self.seen!r}"

    def order(self, line: str) -> None:
        self._link.sendall(f"{line}\n".encode())

    async def leave(self) -> object:
        """Wait for the end of the command; it must leave the console as it was."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._look_on)  # or its terminal is full
            told = await anyio.to_thread.run_sync(self._told)
            tasks.cancel_scope.cancel()
        assert told["modes"] == self.first["modes"]
        return told["code"]

    async def _look_on(self) -> None:
        while await self.person.look():
            pass


def client_environment(daemon: Daemon) -> dict[str, str]:
    """What a command in the Windows Python needs to find the daemon."""
    return {
        "HCSD_ADDRESS": daemon.address,
        "HCSD_TOKEN_FILE": windows_path(daemon.token_file),
        "HCSD_TLS_CA": windows_path(daemon.ca_file),
        "HCSD_CONSOLE": windows_path(CONSOLE),
        "TERM": "xterm",
    }


def start(wine: Wine, daemon: Daemon, terminal: int, *arguments: str) -> subprocess.Popen[bytes]:
    """Run the Windows Python on a terminal of ours; it is as a person's, for the daemon."""
    return subprocess.Popen(
        wine.python_command("-P", *arguments),
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env=wine.environment | client_environment(daemon),
        start_new_session=True,
    )


class Sit(Protocol):
    def __call__(
        self, *arguments: str, script: str = ...
    ) -> AbstractAsyncContextManager[Sitting]: ...


@pytest.fixture
def sit(wine: Wine, daemon: Daemon) -> Sit:
    """Sit down at a console at which the Windows Python runs with some arguments."""

    @asynccontextmanager
    async def sitting(*arguments: str, script: str = "at_console.py") -> AsyncIterator[Sitting]:
        terminal, inside = pty.openpty()
        termios.tcsetwinsize(inside, (30, 100))
        modes = termios.tcgetattr(inside)
        modes[3] &= ~(termios.ISIG | termios.ECHO)  # else Ctrl-C would be a signal of Linux
        termios.tcsetattr(inside, termios.TCSANOW, modes)
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.settimeout(PATIENCE)
            program = (windows_path(SCRIPTS / script), str(server.getsockname()[1]))
            process = start(wine, daemon, inside, *program, *arguments)
            person = Person(terminal, inside, process)  # type: ignore[arg-type]  # as good
            try:
                link, _ = await anyio.to_thread.run_sync(server.accept)
                link.settimeout(PATIENCE)
                with link, link.makefile("r", encoding="utf-8") as lines:
                    yield Sitting(person, link, lines)
            finally:
                person.close()

    return sitting


@pytest.fixture
def name(client: Client) -> str:
    """An id that no other process of the daemon has."""
    made = f"at-console-{next(COUNTER)}"
    client.made.append(f"{HOST}/processes/{made}")
    return made


async def test_a_process_that_ends_by_itself_ends_the_command_without_a_key(sit: Sit) -> None:
    async with sit(*HCSD, "run", "-it", "--", GUEST, "exit", "7") as sitting:
        assert await sitting.leave() == 7


async def test_what_is_typed_and_written_comes_through_unit_by_unit(sit: Sit) -> None:
    async with sit(script="console_probe.py") as sitting:
        typed = ["\x1b[A", "\x03", "\0", "b", "aaa", "\u00e9", "\U0001f600", "\ufffdc"]
        assert sitting.first == {
            "keys": [*(text.encode().hex() for text in typed), "", ""],  # and then its end
            "put_back": True,
            "size": [100, 30],
            "null": False,
        }
        await sitting.expect("<h\u00e9l\ufffd>")


async def test_keys_reach_the_process_until_those_to_detach_and_attach_returns(
    sit: Sit, client: Client, name: str
) -> None:
    async with sit(*HCSD, "run", "-it", "--name", name, "--", GUEST, "cat") as sitting:
        sitting.person.type("h\u00e9llo".encode())
        await sitting.expect("h\u00e9llo")
        sitting.person.type(DETACH)
        assert await sitting.leave() == 0
        assert "detached" in sitting.seen
    assert (await client.get(f"{HOST}/processes/{name}")).state == pb.PROCESS_STATE_RUNNING
    async with sit(*HCSD, "attach", name) as sitting:
        sitting.person.type(b" again\r")
        await sitting.expect("again")
        await client.terminate(f"{HOST}/processes/{name}")
        assert await sitting.leave() == 1


async def test_a_new_size_of_the_console_is_one_of_the_process(sit: Sit, name: str) -> None:
    async with sit(*HCSD, "run", "-it", "--name", name, "--", GUEST, "size") as sitting:
        await sitting.expect("100x30")
        sitting.order("90 20")
        await sitting.expect("90x20")
        sitting.person.type(DETACH)
        assert await sitting.leave() == 0


async def test_an_interrupt_from_outside_leaves_the_console_as_it_was_and_the_process_running(
    sit: Sit, client: Client, name: str
) -> None:
    async with sit(*HCSD, "run", "-it", "--name", name, "--", GUEST, "say", "ready") as sitting:
        await sitting.expect("ready")
        sitting.order("interrupt")
        assert await sitting.leave() == INTERRUPTED
    assert (await client.get(f"{HOST}/processes/{name}")).state == pb.PROCESS_STATE_RUNNING


@pytest.mark.parametrize("event", [CTRL_BREAK, CLOSING])
async def test_ctrl_break_and_the_closing_of_the_window_are_ways_out(
    sit: Sit, client: Client, name: str, event: int
) -> None:
    run = ("run", "-it", "--name", name, "--", GUEST, "say", "ready")
    async with sit(EVENTS, str(event), *run) as sitting:
        await sitting.expect("ready")
        sitting.order("event")
        assert await sitting.leave() == HUNG_UP
        await sitting.expect("detached; the process goes on")
    assert (await client.get(f"{HOST}/processes/{name}")).state == pb.PROCESS_STATE_RUNNING


async def test_without_a_console_ctrl_break_goes_to_the_process(sit: Sit) -> None:
    async with sit(EVENTS, str(CTRL_BREAK), "run", "--", GUEST, "say", "ready") as sitting:
        await sitting.expect("ready")
        sitting.order("event")
        assert await sitting.leave() == CTRL_C_EXIT


# --- output that is redirected ---


@pytest.mark.parametrize(
    ("environment", "shown"),
    [
        ({"PYTHONUTF8": "0"}, "日本 é"),
        ({"PYTHONUTF8": "0", "PYTHONIOENCODING": "cp1252"}, "\\u65e5\\u672c é"),
    ],
    ids=["as it is", "PYTHONIOENCODING"],
)
async def test_what_the_code_page_lacks_can_be_written_to_a_file(
    wine: Wine, daemon: Daemon, client: Client, environment: dict[str, str], shown: str
) -> None:
    made = await client.create(guest("exit", "0", "日本 é"))
    command = ("-P", "-m", "hcsd", "ps", "--all")
    done = await anyio.to_thread.run_sync(
        lambda: wine.python(*command, environment=client_environment(daemon) | environment)
    )
    name = made.name.rpartition("/")[2]
    line = next(line for line in done.stdout.splitlines() if line.startswith(name.encode()))
    encoding = environment.get("PYTHONIOENCODING", "utf-8")
    assert shown in line.decode(encoding)
