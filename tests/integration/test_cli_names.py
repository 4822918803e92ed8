"""Parts of issued ids name processes and systems in every command; names that people chose have none."""

import re
import uuid

import pytest

from hcsd.v1 import compute_system_service_pb2 as system_pb
from hcsd.v1 import process_pb2 as pb
from hcsd.v1 import process_service_pb2 as service_pb
from tests.integration.test_cli import Line, hcsd
from tests.integration.test_systems import document
from tests.integration.wire import Client, sh
from tests.support.daemon import Daemon
from tests.support.person import at_terminal

__all__ = ["hcsd"]  # a fixture here, too


def id_of(process: pb.Process) -> str:
    return process.name.rpartition("/")[2]


async def issued(client: Client, script: str) -> str:
    """Start a process without a name; return its id."""
    return id_of(await client.create(sh(script)))


async def test_each_command_takes_a_part_of_an_id(hcsd: Line, client: Client) -> None:
    whole = await issued(client, "echo out; exec sleep 1000")
    end, start = whole[-12:], whole[:20]
    assert (await hcsd("inspect", "--format", "{{.pid}}", end.lower())).returncode == 0
    assert (await hcsd("inspect", "--format", "{{.uid}}", start)).stdout == f"{whole}\n"
    assert (await hcsd("inspect", "--format", "{{.id}}", end)).stdout == f"{whole}\n"
    assert (
        f"{whole} PROCESS_STATE_RUNNING\n"
        in (await hcsd("ps", "--format", "{{.id}} {{.state}}")).stdout
    )
    await client.follow(f"systems/host/processes/{whole}").until_out(b"out\n")
    assert (await hcsd("logs", end)).stdout == "out\n"
    assert (await hcsd("logs", end, start)).stdout == f"{end} | out\n{start} | out\n"
    assert (await hcsd("wait", "--timeout", "1ms", end)).stderr == f"hcsd: '{end}' still runs\n"
    told = await hcsd("resize", end, "80", "24")
    assert "has no console" in told.stderr
    assert (await hcsd("signal", end, "WINCH")).returncode == 0
    assert (await hcsd("rm", end)).returncode == 1  # it runs
    assert (await hcsd("stop", "--timeout", "10s", start)).returncode == 0
    assert (await hcsd("attach", end)).returncode == 143
    assert (await hcsd("kill", end)).returncode == 0
    assert (await hcsd("rm", end)).returncode == 0
    gone = await hcsd("inspect", end)
    assert gone.returncode == 1
    assert "see what there is with 'hcsd ps --all'" in gone.stderr


async def test_a_part_of_several_ids_is_refused_with_a_choice(hcsd: Line, client: Client) -> None:
    before, part = "01M8R0H1N4" + uuid.uuid4().hex[:11].upper(), "K" + uuid.uuid4().hex[:3].upper()
    wholes = [f"{before}{character}{part}" for character in "ABCDEFG"]
    for whole in wholes:
        await client.create(sh("sleep 1000"), process_id=whole)
    assert (
        await hcsd("kill", before[:10])
    ).returncode == 1  # of time, so whatever was made then has it
    told = await hcsd("kill", part)
    assert told.returncode == 1
    assert (
        f"no process 'systems/host/processes/{part}'; it is a part of several ids, of "
        in told.stderr
    )
    assert " more: write more of one" in told.stderr
    listed = told.stderr.partition("several ids, of ")[2].partition(" and ")[0].split(", ")
    assert len(listed) == 5
    assert all(len(shown) == 6 for shown in listed)
    running = (await hcsd("ps", "-q")).stdout.split()
    assert set(wholes) <= set(running)


async def test_a_name_that_was_chosen_has_no_parts(hcsd: Line, client: Client) -> None:
    name = f"cafe-{uuid.uuid4().hex}"
    await client.create(sh("sleep 1000"), process_id=name)
    for part in (name[:10], name[-10:]):
        told = await hcsd("kill", part)
        assert told.returncode == 1
    assert f"did you mean '{name}'?" in (await hcsd("kill", name[:10])).stderr
    assert (await hcsd("ps", "-q", "--filter", f"name={name}")).stdout == f"{name}\n"


async def test_an_exact_name_wins(hcsd: Line, client: Client) -> None:
    whole = await issued(client, "sleep 1000")
    made = await client.create(sh("sleep 1000"), process_id=whole[-12:])
    told = await hcsd("inspect", "--format", "{{.name}}", whole[-12:])
    assert told.stdout == f"{made.name}\n"


async def test_parts_of_ids_of_systems(hcsd: Line, client: Client) -> None:
    made = await client.systems.CreateComputeSystem(
        system_pb.CreateComputeSystemRequest(configuration_json=document(), start=True)
    )
    whole = made.system.system_id
    end = whole[-12:]
    try:
        request = service_pb.CreateProcessRequest(
            parent=made.system.name, spec=pb.ProcessSpec(argv=sh("sleep 1000"))
        )
        started = (await client.processes.CreateProcess(request)).process
        process_id = id_of(started)
        told = await hcsd("system", "inspect", "-f", "{{.system_id}}", end.lower())
        assert told.stdout == f"{whole}\n"
        assert (await hcsd("top", end, "-f", "x")).returncode == 2
        listed = await hcsd("top", "--format", "{{.pid}}", end)
        assert str(started.pid) in listed.stdout.split()
        assert process_id in (await hcsd("top", end)).stdout
        assert (await hcsd("ps", "--system", end, "-q")).stdout == f"{started.name}\n"
        # With its system, with a part of it, and without: an id is of one process in all systems.
        for options in (["--system", whole], ["--system", end], []):
            told = await hcsd("inspect", *options, "-f", "{{.pid}}", process_id[-12:])
            assert told.stdout == f"{started.pid}\n"
        assert (await hcsd("kill", process_id)).returncode == 0
        assert (await hcsd("stats", "--interval", "0.1s", "-o", "json", end)).returncode == 0
        told = await hcsd("inspect", "--system", "elsewhere", process_id[-12:])
        assert told.returncode == 1
    finally:
        assert (await hcsd("system", "kill", end)).returncode == 0


@pytest.mark.parametrize("columns", [200, 80, 60])
async def test_a_list_at_a_terminal_shows_short_ids(
    daemon: Daemon, client: Client, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)  # set in a test worker; it beats the terminal's
    whole = await issued(client, "sleep 1000")
    with at_terminal(daemon.address, "ps", columns=columns) as person:
        code, seen = await person.leave()
    assert code == 0
    assert whole.encode() not in seen
    assert whole[-6:].encode() in seen
    assert b"sleep" in seen
    plain = re.sub(rb"\x1b\[[0-9;]*m", b"", seen).decode()
    assert max(map(len, plain.splitlines())) <= columns
    with at_terminal(daemon.address, "ps", "--no-trunc", columns=columns) as person:
        _, seen = await person.leave()
    assert whole.encode() in seen.replace(b"\r\n", b"")


async def test_a_table_that_does_not_fit_has_a_line_for_each_cell(
    daemon: Daemon, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    name = f"n{uuid.uuid4().hex}"
    await client.create(sh("sleep 1000"), process_id=name)
    with at_terminal(daemon.address, "ps", "--filter", f"name={name}", columns=40) as person:
        code, seen = await person.leave()
    assert code == 0
    shown = f"id:      {name}\r\nstate:   running\r\ncommand: sh -c 'sleep 1000' sh\r\n"
    assert seen.decode() == shown


async def test_people_inspect_words_and_units(hcsd: Line, client: Client) -> None:
    name = f"n-{uuid.uuid4().hex}"
    await client.create(sh("sleep 1000"), process_id=name)
    shown = (await hcsd("inspect", name)).stdout
    assert "\nstate:       running\n" in shown
    assert re.search(r"\nstart_time:  [\d-]+T[\d:.]+[+-]\d\d:\d\d \(\d+s ago\)\n", shown)
    assert re.search(r"\n  argv: +sh -c 'sleep 1000' sh\n", shown)
    assert re.search(r"\n +ring_bytes: 1 MiB\n", shown)
    assert "drop oldest" in shown


async def test_the_newest_processes(hcsd: Line, client: Client) -> None:
    name = f"n-{uuid.uuid4().hex[:8]}"
    for number in range(3):
        await client.create(sh("true"), process_id=f"{name}-{number}")
        await hcsd("wait", f"{name}-{number}")
    of_name = ("-q", "--filter", f"name={name}")
    assert (await hcsd("ps", *of_name, "-n", "2")).stdout.split() == [f"{name}-1", f"{name}-2"]
    assert (await hcsd("ps", *of_name, "-l")).stdout.split() == [f"{name}-2"]
    assert (await hcsd("ps", *of_name)).stdout == ""
    assert (await hcsd("ps", "-l", "-n", "2")).returncode == 2
    shown = await hcsd("ls", "-l", "--filter", f"name={name}", "--format", "{{.exit.exit_code}}")
    assert shown.stdout == "0\n"


async def test_the_processes_that_ended_of_late(hcsd: Line, client: Client) -> None:
    name = f"n-{uuid.uuid4().hex[:8]}"
    await client.create(sh("exit 3"), process_id=name)
    await hcsd("wait", name)
    of_name = ("ps", "-q", "--filter", f"name={name}", "--filter")
    assert (await hcsd(*of_name, "ended=10m")).stdout.split() == [name]
    assert (await hcsd(*of_name, "ended=2999-01-01")).stdout == ""
    told = await hcsd(*of_name, "ended=soon")
    assert told.returncode == 2
    assert "'soon' is not a time" in told.stderr


async def test_after_ctrl_c_the_next_prompt_has_a_line_of_its_own(
    daemon: Daemon, client: Client
) -> None:
    whole = await issued(client, "echo ready; exec sleep 1000")
    with at_terminal(daemon.address, "logs", "-f", whole) as person:
        await person.expect(rb"ready\r\n")
        person.type(b"\x03")
        assert await person.leave() == (130, b"^C\r\n")


async def test_after_ctrl_c_so_does_the_last_word_of_a_process(daemon: Daemon) -> None:
    script = "trap 'echo bye; exit 3' INT; echo ready; while :; do sleep 0.01; done"
    with at_terminal(daemon.address, "run", "--", "sh", "-c", script) as person:
        await person.expect(rb"ready\r\n")
        person.type(b"\x03")
        assert await person.leave() == (3, b"^C\r\nbye\r\n")


async def test_examples_of_help_keep_their_tabs(hcsd: Line) -> None:
    assert r"'table {{.id}}\t{{.exit.exit_code}}'" in (await hcsd("ps", "--help")).stdout


@pytest.mark.parametrize(
    "command",
    [
        ("ps", "--format", "{{.x}}"),
        ("inspect", "--format", "{{.x}}", "x"),
        ("system", "ls", "--format", "{{.x}}"),
        ("system", "inspect", "--format", "{{.x}}", "x"),
        ("system", "stats", "--format", "{{.x}}", "host"),
        ("stats", "--format", "{{.x}}"),
        ("top", "--format", "{{.x}}"),
        ("info", "--format", "{{.x}}"),
    ],
    ids=lambda command: " ".join(command[:2]),
)
async def test_a_field_that_there_is_not_is_told_before_anything_is_asked(
    hcsd: Line, command: tuple[str, ...]
) -> None:
    hcsd.environment["HCSD_ADDRESS"] = "unix:///nonexistent/hcsd.sock"
    told = await hcsd(*command)
    assert told.returncode == 2
    assert "there is no field '.x'" in told.stderr
    told = await hcsd(*command[:-1], "json", "--output", "json") if command[-1] != "host" else told
    assert told.returncode == 2


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        (("system", "ls", "-q"), "host"),
        (("system", "inspect", "-f", "{{.system_id}}", "host"), "host"),
        (("stats", "--interval", "0.1s", "--format", "{{.system.system_id}}", "host"), "host"),
        (("system", "stats", "--format", "{{json .statistics.sample_time}}", "host"), '"20'),
        (("info", "--format", "{{.engine}}"), "embedded"),
        (("ls", "--format", "json"), ""),
    ],
)
async def test_what_templates_print(hcsd: Line, command: tuple[str, ...], shown: str) -> None:
    told = await hcsd(*command)
    assert (told.returncode, told.stderr) == (0, "")
    assert shown in told.stdout
