"""The command line as people use it: names, words of other programs, signals, terminals."""

import itertools
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import anyio.abc
import pytest
import typer
from anyio.streams.buffered import BufferedByteReceiveStream
from typer.testing import CliRunner

from hcsd.cli.main import app
from hcsd.cli.main_group import GROUPS
from hcsd.v1 import process_pb2 as pb
from tests.integration.wire import HOST, Client, sh
from tests.support import commands
from tests.support.daemon import Daemon
from tests.support.person import at_terminal

CLI = (sys.executable, "-m", "hcsd")
PLAIN = {"COLUMNS": "80", "TERM": "dumb"}
COUNTER = itertools.count(1)


class Line:
    """The command line, over one daemon."""

    def __init__(self, daemon: Daemon) -> None:
        plain = {key: value for key, value in os.environ.items() if not key.startswith("HCSD_")}
        self.environment = plain | {"HCSD_ADDRESS": daemon.address}

    async def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        done = await commands.run(arguments, self.environment)
        return subprocess.CompletedProcess(
            done.args, done.returncode, done.stdout.decode(), done.stderr.decode()
        )

    @asynccontextmanager
    async def running(
        self, *arguments: str, before: tuple[str, ...] = ()
    ) -> AsyncIterator[anyio.abc.Process]:
        """Run a command that goes on."""
        async with await anyio.open_process(
            [*before, *CLI, *arguments], env=self.environment, stdin=subprocess.DEVNULL
        ) as process:
            yield process


@pytest.fixture
def hcsd(daemon: Daemon) -> Line:
    return Line(daemon)


@pytest.fixture
def name(client: Client) -> str:
    """An id that no other process of the daemon has; removed at the end."""
    name = f"line-{next(COUNTER)}"
    client.made.append(f"{HOST}/processes/{name}")
    return name


async def start(client: Client, name: str, script: str) -> None:
    await client.create(sh(script), process_id=name)


# --- names ---


async def test_who_mistypes_a_name_is_told_the_right_one(hcsd: Line, client: Client) -> None:
    await start(client, "sleeper", "sleep 1000")
    for command, code in (("kill", 1), ("logs", 1), ("attach", 125)):
        told = await hcsd(command, "slepeer")
        assert told.returncode == code
        assert "no process 'systems/host/processes/slepeer'; did you mean 'sleeper'?" in told.stderr
    told = await hcsd("kill", "sle")
    assert "did you mean 'sleeper'?" in told.stderr
    told = await hcsd("inspect", "nothing-like-it")
    assert "see what there is with 'hcsd ps --all'" in told.stderr


async def test_a_process_of_another_system_is_found(hcsd: Line, client: Client, name: str) -> None:
    await start(client, name, "sleep 1000")
    told = await hcsd("kill", "--system", "elsewhere", name)
    assert f"no process 'systems/elsewhere/processes/{name}'; did you mean '{name}'?" in told.stderr


async def test_who_mistypes_a_system_is_told_the_right_one(hcsd: Line) -> None:
    for command in (["system", "pause", "hots"], ["run", "--system", "hots", "true"]):
        told = await hcsd(*command)
        assert told.returncode == (125 if command[0] == "run" else 1)
        assert "did you mean 'host'?" in told.stderr


async def test_what_fails_for_one_name_is_done_for_the_others(
    hcsd: Line, client: Client, name: str
) -> None:
    await start(client, name, "exit 3")
    told = await hcsd("wait", "absent-1", name, "absent-2")
    assert (told.returncode, told.stdout) == (1, "3\n")
    assert told.stderr.count("no process") == 2
    told = await hcsd("inspect", "absent-1", name)
    assert told.returncode == 1
    assert f"processes/{name}" in told.stdout
    told = await hcsd("rm", "absent-1", name)
    assert told.returncode == 1
    assert (await hcsd("inspect", name)).returncode == 1


async def test_names_alone_are_for_other_commands(hcsd: Line, client: Client, name: str) -> None:
    await start(client, name, "sleep 1000")
    assert name in (await hcsd("ps", "-q")).stdout.splitlines()
    assert (await hcsd("kill", name)).returncode == 0
    assert (await hcsd("wait", name)).stdout == "137\n"
    assert name not in (await hcsd("ps", "-q")).stdout.splitlines()
    assert name in (await hcsd("ps", "-aq")).stdout.splitlines()


# --- ends ---


async def test_stop_asks_first_and_waits(hcsd: Line, client: Client, name: str) -> None:
    await start(client, name, "trap 'exit 4' TERM; echo ready; while :; do sleep 0.01; done")
    await client.follow(name_of(name)).until_out(b"ready\n")
    told = await hcsd("stop", name)
    assert (told.returncode, told.stdout, told.stderr) == (0, "", "")
    process = await client.get(name_of(name))
    assert process.exit.exit_code == 4
    assert (await hcsd("stop", name)).returncode == 0


async def test_stop_kills_what_does_not_end(hcsd: Line, client: Client, name: str) -> None:
    await start(client, name, "trap '' TERM; echo ready; while :; do sleep 0.01; done")
    await client.follow(name_of(name)).until_out(b"ready\n")
    assert (await hcsd("stop", "--timeout", "100ms", name)).returncode == 0
    assert (await client.get(name_of(name))).exit.exit_code == 137


async def test_rm_takes_what_has_ended_and_what_runs_by_force(
    hcsd: Line, client: Client, name: str
) -> None:
    await start(client, name, "sleep 1000")
    told = await hcsd("rm", name)
    assert told.returncode == 1
    assert "is running" in told.stderr
    assert f"stop it with 'hcsd stop {name}', or use --force" in told.stderr
    assert (await hcsd("rm", "-f", name)).returncode == 0
    assert "no process" in (await hcsd("inspect", name)).stderr


def name_of(name: str) -> str:
    return f"{HOST}/processes/{name}"


# --- logs ---


async def test_the_last_lines_of_both_streams(hcsd: Line, client: Client, name: str) -> None:
    script = "seq 1000; printf 'a\\nb' >&2; printf unfinished"
    await start(client, name, script)
    await hcsd("wait", name)
    told = await hcsd("logs", "--tail", "2", "--stdout-only", name)
    assert told.stdout == "1000\nunfinished"
    told = await hcsd("logs", "-n", "1", "--stderr-only", name)
    assert (told.stdout, told.stderr) == ("", "b")
    told = await hcsd("logs", "-n", "0", name)
    assert (told.stdout, told.stderr) == ("", "")
    told = await hcsd("logs", "-n", "100000", name)
    assert told.stdout.count("\n") == 1000
    assert (await hcsd("logs", "-n", "-1", name)).returncode == 2


async def test_after_the_last_lines_comes_what_follows(
    hcsd: Line, client: Client, name: str
) -> None:
    script = "seq 1000; trap 'echo more; exit' USR1; while :; do sleep 0.01; done"
    await start(client, name, script)
    await client.follow(name_of(name)).until_out(b"\n1000\n")
    async with hcsd.running("logs", "-f", "-n", "2", name) as logs:
        assert logs.stdout is not None
        seen = await logs.stdout.receive()
        assert seen == b"999\n1000\n"
        assert (await hcsd("signal", name, "USR1")).returncode == 0
        assert b"".join([data async for data in logs.stdout]) == b"more\n"
        assert await logs.wait() == 0


# --- words ---


def test_the_help_of_run_has_what_people_use_first() -> None:
    told = CliRunner().invoke(app, ["run", "--help"], env=PLAIN).output
    order = [
        "\nOptions:",
        "--detach ",
        "--name",
        "--timeout",
        "\nOutput and what is kept:",
        "--keep",
    ]
    places = [told.index(text) for text in [*order, "\nLimits and rights:", "--umask", "Examples:"]]
    assert places == sorted(places)
    assert max(map(len, told.splitlines())) <= 80


def test_every_command_has_its_place_in_the_help() -> None:
    told = CliRunner().invoke(app, ["--help"], env=PLAIN).output
    listed = re.findall(r"^  ([a-z]+) +[A-Z].*\.$", told, re.MULTILINE)  # each on one line
    assert sorted(listed) == sorted(name for names in GROUPS.values() for name in names)
    assert sorted(listed) == sorted(typer.main.get_group(app).commands)


@pytest.mark.parametrize("command", [name for names in GROUPS.values() for name in names])
def test_every_command_has_help_in_plain_words(command: str) -> None:
    told = CliRunner().invoke(app, [command, "--help"], env=PLAIN)
    assert told.exit_code == 0
    assert "{" not in told.output.partition("\n")[0]
    assert "<list" not in told.output


# --- signals ---


SAYS_SIGNALS = """
    for name in HUP QUIT USR1 USR2; do trap "echo $name" $name; done
    trap 'exit 5' TERM
    echo ready
    while :; do sleep 0.01; done
"""


async def test_signals_go_to_the_process(hcsd: Line, name: str) -> None:
    async with hcsd.running("run", "--name", name, "--", "sh", "-c", SAYS_SIGNALS) as run:
        assert run.stdout is not None
        lines = BufferedByteReceiveStream(run.stdout)
        assert await lines.receive_until(b"\n", 100) == b"ready"
        for number in (signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2):
            run.send_signal(number)
            assert await lines.receive_until(b"\n", 100) == number.name[3:].encode()
        run.send_signal(signal.SIGTERM)
        assert await run.wait() == 5


async def test_a_signal_that_is_to_be_ignored_is(hcsd: Line, name: str) -> None:
    nohup = ("sh", "-c", "trap '' HUP; exec \"$@\"", "sh")
    command = ("run", "--name", name, "--", "sh", "-c", SAYS_SIGNALS)
    async with hcsd.running(*command, before=nohup) as run:
        assert run.stdout is not None
        lines = BufferedByteReceiveStream(run.stdout)
        assert await lines.receive_until(b"\n", 100) == b"ready"
        run.send_signal(signal.SIGHUP)
        run.send_signal(signal.SIGUSR1)
        assert await lines.receive_until(b"\n", 100) == b"USR1"
        run.send_signal(signal.SIGTERM)
        assert await run.wait() == 5


async def test_who_only_looks_hangs_up_alone(hcsd: Line, client: Client, name: str) -> None:
    await start(client, name, SAYS_SIGNALS)
    async with hcsd.running("attach", "--no-stdin", name) as look:
        assert look.stdout is not None
        assert await look.stdout.receive() == b"ready\n"
        look.send_signal(signal.SIGHUP)
        assert await look.wait() == 129
    assert (await client.get(name_of(name))).state == pb.PROCESS_STATE_RUNNING


async def test_ctrl_c_goes_to_the_process_and_a_second_one_leaves(
    daemon: Daemon, client: Client, name: str
) -> None:
    script = "trap 'echo caught' INT; echo ready; while :; do sleep 0.01; done"
    with at_terminal(daemon.address, "run", "--name", name, "--", "sh", "-c", script) as person:
        await person.expect(b"ready")
        person.type(b"\x03")
        await person.expect(b"caught")
        person.type(b"\x03")
        await person.expect(b"hcsd: detached; the process goes on")
        code, _ = await person.leave()
    assert code == 130
    assert (await client.get(name_of(name))).state == pb.PROCESS_STATE_RUNNING


# --- terminals ---


async def test_who_waits_at_a_terminal_sees_for_what(
    daemon: Daemon, client: Client, name: str
) -> None:
    await start(client, name, "sleep 1000")
    with at_terminal(daemon.address, "wait", name) as person:
        await person.expect(f"waiting for '{name}' to end".encode())
        await client.terminate(name_of(name))
        await person.expect(b"137\r\n")
        assert (await person.leave())[0] == 0


async def test_a_narrow_terminal_gets_what_matters(
    daemon: Daemon, client: Client, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)  # of whoever runs the tests
    await start(client, name, "sleep 1000 # and so on, for long")
    for columns, titles in ((80, ["PID", "STATE", "STARTED"]), (44, ["STATE"])):
        with at_terminal(daemon.address, "ps", columns=columns) as person:
            code, seen = await person.leave()
        assert code == 0
        lines = re.sub(rb"\x1b\[[0-9;]*m", b"", seen).decode().split("\r\n")
        assert max(map(len, lines)) <= columns
        assert any(name in line for line in lines)
        shown = lines[0].split()
        assert [title for title in ("PID", "STATE", "STARTED") if title in shown] == titles


@pytest.mark.parametrize(("variable", "colour"), [("", True), ("1", False)])
async def test_the_log_at_a_terminal_has_colour_unless_told_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, colour: bool
) -> None:
    monkeypatch.setenv("NO_COLOR", variable)
    with at_terminal("", "serve", "--listen", f"unix://{tmp_path}/s") as person:
        await person.expect(b"hcsd: ready at")
        person.signal(signal.SIGTERM)
        await person.expect(b"received SIGTERM")
        code, seen = await person.leave()
    assert code == 0
    assert (b"\x1b[" in seen) is colour
