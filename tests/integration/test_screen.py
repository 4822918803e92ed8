"""A terminal shows what others have chosen, and obeys none of it: all commands, at a real one."""

import json
import os
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from urllib.parse import quote

import anyio
import pytest

from hcsd.printable import is_printable
from hcsd.v1 import compute_system_service_pb2 as system_pb
from hcsd.v1 import process_pb2 as pb
from hcsd.v1 import process_service_pb2 as service_pb
from tests.integration.test_systems import document
from tests.integration.wire import Client, sh
from tests.support import commands
from tests.support.daemon import Daemon
from tests.support.person import at_terminal

# A title for the window, a bell, a colour by way of C1, text turned round, an end of a line and a
# line that looks like ours, orders of rich, and what shells would run.
HOSTILE = "scr\x1b]0;t\x07\x9b31m\u202e\u200bx\r\nFORGED\u2028\x85FORGED\x7f[/b][link x]$(id)`'\"\\"
SYSTEM = f"systems/{quote(HOSTILE, safe='')}"
PROCESS = f"{SYSTEM}/processes/screen"
MISSING = f"{PROCESS}-none"

# What rich writes of its own: colours, and moves of the cursor for what waits and for live tables.
OWN = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")

COMMANDS: list[tuple[str, ...]] = [
    ("ps", "--all"),
    ("ps", "--all", "--quiet"),
    ("inspect", PROCESS),
    ("inspect", MISSING),
    ("inspect", HOSTILE),
    ("wait", PROCESS),
    ("wait", HOSTILE, "--system", HOSTILE),
    ("kill", PROCESS),
    ("signal", PROCESS, HOSTILE),
    ("logs", MISSING),
    ("events",),
    ("run", "--system", HOSTILE, "--", HOSTILE),
    ("run", "--name", HOSTILE, "--", "true"),
    ("run", "--env", HOSTILE, "--", "true"),
    ("run", "--workdir", f"/{HOSTILE}", "--", "true"),
    ("stats", "--count", "1", "--interval", "100ms"),
    ("stats", SYSTEM, "--no-stream", "--interval", "100ms"),
    ("system", "ps"),
    ("system", "inspect", HOSTILE),
    ("system", "stats", HOSTILE),
    ("system", "start", HOSTILE),
    ("system", "create", HOSTILE),
    ("system", "create", HOSTILE, "--file", HOSTILE),
    ("--address", HOSTILE, "ps"),
    ("--token-file", HOSTILE, "--address", "127.0.0.1:1", "ps"),
    (HOSTILE,),
    (f"--{HOSTILE}",),
]
JSON = ("ps --all", "inspect", "events", "stats", "system ps", "system inspect", "system stats")


@pytest.fixture
async def made(own_client: Client) -> AsyncIterator[None]:
    """A system and a process that are called, labelled and told like that."""
    await own_client.systems.CreateComputeSystem(
        system_pb.CreateComputeSystemRequest(
            system_id=HOSTILE, configuration_json=document(owner=HOSTILE), start=True
        )
    )
    spec = pb.ProcessSpec(
        argv=sh(f": {HOSTILE!r}; exit 3", HOSTILE),
        env=[pb.EnvironmentVariable(name=HOSTILE, value=HOSTILE)],
    )
    await own_client.processes.CreateProcess(
        service_pb.CreateProcessRequest(
            parent=SYSTEM, spec=spec, process_id="screen", labels={HOSTILE: HOSTILE}
        )
    )
    await own_client.wait(PROCESS, service_pb.WAIT_FOR_OUTPUT_COMPLETE)
    yield
    await own_client.systems.TerminateComputeSystem(
        system_pb.TerminateComputeSystemRequest(name=SYSTEM)
    )
    await own_client.systems.WaitComputeSystem(system_pb.WaitComputeSystemRequest(name=SYSTEM))


@pytest.mark.usefixtures("made")
async def test_a_terminal_obeys_nothing_that_others_have_chosen(own_daemon: Daemon) -> None:
    shown = ""
    for arguments in COMMANDS:
        shown += (text := await at_a_terminal(own_daemon, *arguments))
        for line in OWN.sub("", text).replace("\r", "\n").split("\n"):
            assert is_printable(line), f"{arguments}: {line!r}"
            assert not line.startswith("FORGED"), f"{arguments}: {text!r}"
        assert "Traceback" not in text, text
    assert shown.count("\\x1b]0;t") > len(COMMANDS)


@pytest.mark.usefixtures("made")
async def test_json_at_a_terminal_can_be_printed_and_read(own_daemon: Daemon) -> None:
    found: set[str] = set()

    async def show(arguments: Sequence[str]) -> None:
        text = await at_a_terminal(own_daemon, *arguments, "--output", "json")
        assert all(map(is_printable, text.replace("\r\n", "\n").split("\n"))), text
        if text.startswith(("{", "[")):
            found.update(*map(strings, values(text)))

    async with anyio.create_task_group() as tasks:
        for arguments in COMMANDS:
            if " ".join(arguments).startswith(JSON) and "--quiet" not in arguments:
                tasks.start_soon(show, arguments)
    assert HOSTILE in found


@pytest.mark.usefixtures("made")
async def test_json_is_the_same_at_a_terminal_and_elsewhere(own_daemon: Daemon) -> None:
    arguments = ("inspect", PROCESS, "--output", "json")
    piped = await commands.run(arguments, environment(own_daemon))
    assert piped.returncode == 0
    assert await at_a_terminal(own_daemon, *arguments) == piped.stdout.decode().replace(
        "\n", "\r\n"
    )


def environment(daemon: Daemon) -> dict[str, str]:
    return os.environ | {"HCSD_ADDRESS": daemon.address, "TERM": "xterm-test"}


async def at_a_terminal(daemon: Daemon, *arguments: str) -> str:
    with at_terminal(daemon.address, *arguments, columns=2000) as person:
        return (await person.leave())[1].decode()


def values(text: str) -> Iterator[object]:
    """All values of JSON, one after another."""
    decoder = json.JSONDecoder()
    start = 0
    while found := re.compile(r"\S").search(text, start):
        value, start = decoder.raw_decode(text, found.start())
        yield value


def strings(value: object) -> set[str]:
    """All strings in a value, those of keys too."""
    if isinstance(value, dict):
        return set().union(value, *map(strings, value.values()))
    if isinstance(value, list):
        return set().union(*map(strings, value))
    return {value} if isinstance(value, str) else set()
