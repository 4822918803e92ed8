"""`hcsd events` and `hcsd open`, against a real daemon."""

import json
import os
import re
import signal
import subprocess
import sys

import anyio
import pytest

from hcsd.v1 import process_pb2 as pb
from hcsd.v1 import process_service_pb2 as service_pb
from hcsd_client import Client as RemoteClient
from hcsd_client import NotFoundError, OutOfRangeError, RevisionCompactedError
from tests.integration.wire import HOST, Client, sh
from tests.support import commands
from tests.support.daemon import Daemon

TRUE = pb.Argv(args=["true"])
HCSD = (sys.executable, "-m", "hcsd")


async def hcsd(
    daemon: Daemon, *arguments: str, zone: str = "UTC"
) -> subprocess.CompletedProcess[bytes]:
    environment = os.environ | {"HCSD_ADDRESS": daemon.address, "TZ": zone}
    return await commands.run(arguments, environment)


async def told(daemon: Daemon, what: bytes) -> None:
    """Wait until a watcher has heard of it: a caller may hear of an end before."""
    command = [*HCSD, "--address", daemon.address, "events", "-f"]
    async with await anyio.open_process(command, stdin=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        text = b""
        while what not in text:
            text += await process.stdout.receive()
        process.kill()


async def test_what_has_happened_is_told_in_columns(own_daemon: Daemon, own_client: Client) -> None:
    made = await own_client.create(sh("exit 7"), process_id="seven")
    await own_client.wait(made.name, service_pb.WAIT_FOR_OUTPUT_COMPLETE)
    await own_client.delete(made.name)
    result = await hcsd(own_daemon, "events", zone="Asia/Kathmandu")
    assert result.returncode == 0
    header, *lines = [re.split("  +", line) for line in result.stdout.decode().splitlines()]
    assert header == ["TIME", "EVENT", "SYSTEM", "ID", "DETAIL"]
    assert [line[1:] for line in lines] == [
        ["process created", "host", "seven", "sh -c 'exit 7' sh"],
        ["process started", "host", "seven", f"pid {made.pid}"],
        ["process exited", "host", "seven", "exit code 7"],
        ["process output complete", "host", "seven"],
        ["process deleted", "host", "seven"],
    ]
    for when, *_ in lines:  # local, with the date and the offset
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+05:45", when)
    other = await hcsd(own_daemon, "events", "--system", "other")
    assert len(other.stdout.splitlines()) == 1


async def test_only_what_was_asked_for_is_told(own_daemon: Daemon, own_client: Client) -> None:
    made = await own_client.create(TRUE, process_id="web-1", labels={"app": "web"})
    await own_client.wait(made.name, service_pb.WAIT_FOR_OUTPUT_COMPLETE)
    other = await own_client.create(TRUE, process_id="job-1")
    await own_client.wait(other.name, service_pb.WAIT_FOR_OUTPUT_COMPLETE)
    for command in (["create", "box", "--start"], ["pause", "box"]):
        assert (await hcsd(own_daemon, "system", *command)).returncode == 0
    life = ["created", "started", "exited", "output complete"]
    for options, told in {
        "--filter type=system": ["box created", "box started", "box paused"],
        "--filter system=box": ["box created", "box started", "box paused"],
        "--system box --filter event=paused": ["box paused"],
        "--filter label=app=web": [f"web-1 {step}" for step in life],
        "--filter name=job --filter event=exited": ["job-1 exited"],
        "--filter event=started --filter event=output_complete --filter type=process": [
            f"{name} {step}" for name in ("web-1", "job-1") for step in (life[1], life[3])
        ],
        "--filter label=app=other": [],
        "--since 1h --filter event=paused": ["box paused"],
        "--until 1h": [],
        "--until 1h --follow": [],
        "--since 2999-01-01": [],
    }.items():
        result = await hcsd(own_daemon, "events", *options.split())
        assert (result.returncode, result.stderr) == (0, b"")
        cells = [re.split("  +", line) for line in result.stdout.decode().splitlines()[1:]]
        found = [
            f"{cell[2 if cell[1].startswith('system') else 3]} {cell[1].partition(' ')[2]}"
            for cell in cells
        ]
        assert found == told, options


@pytest.mark.parametrize(
    "words", ["events", "inspect one", "info", "system stats host", "logs -t one"]
)
async def test_every_command_shows_times_in_one_form(
    own_daemon: Daemon, own_client: Client, words: str
) -> None:
    made = await own_client.create(sh("echo line"), process_id="one")
    await own_client.wait(made.name, service_pb.WAIT_FOR_OUTPUT_COMPLETE)
    result = await hcsd(own_daemon, *words.split(), zone="Asia/Kathmandu")
    assert (result.returncode, result.stderr) == (0, b"")
    times = re.findall(r"\d\d:\d\d:\d\d\S*", result.stdout.decode())
    assert times
    for time in times:
        assert re.fullmatch(r"\d\d:\d\d:\d\d\.\d{3}\+05:45", time)


async def test_since_and_until_take_what_events_show(
    own_daemon: Daemon, own_client: Client
) -> None:
    made = await own_client.create(TRUE)
    await own_client.wait(made.name, service_pb.WAIT_FOR_OUTPUT_COMPLETE)
    lines = (await hcsd(own_daemon, "events", zone="Asia/Kathmandu")).stdout.splitlines()
    when = lines[-1].split()[0].decode()
    late = (await hcsd(own_daemon, "events", "--since", when)).stdout.splitlines()
    early = (await hcsd(own_daemon, "events", "--until", when)).stdout.splitlines()
    assert len(late) >= 2
    assert len(lines) <= len(early) + len(late) - 1


@pytest.mark.parametrize(
    "text", ["what", "type=box", "event=born", "label=app", "name=", "system="]
)
async def test_what_is_no_filter_is_refused_with_what_there_is(daemon: Daemon, text: str) -> None:
    result = await hcsd(daemon, "events", "--filter", text)
    assert result.returncode == 2
    told = " ".join(result.stderr.decode().replace("│", " ").split())
    assert f"'{text}' is no filter; write label=KEY=VALUE" in told


async def test_the_life_of_a_system_is_told_in_words(own_daemon: Daemon) -> None:
    for command in (["create", "web", "--start"], ["pause", "web"], ["resume", "web"]):
        assert (await hcsd(own_daemon, "system", *command)).returncode == 0
    assert (await hcsd(own_daemon, "system", "stop", "web")).returncode == 0
    await told(own_daemon, b"exited")
    result = await hcsd(own_daemon, "events")
    lines = [re.split("  +", line)[1:] for line in result.stdout.decode().splitlines()[1:]]
    assert lines == [
        ["system created", "web"],
        ["system started", "web"],
        ["system paused", "web"],
        ["system resumed", "web"],
        ["system shutting down", "web"],
        ["system exited", "web", "graceful exit"],
    ]
    result = await hcsd(own_daemon, "events", "-o", "json")
    paused = json.loads(result.stdout.splitlines()[2])["system"]
    assert paused["event_type"] == "SYSTEM_EVENT_TYPE_PAUSED"
    assert paused["compute_system"]["state"] == "COMPUTE_SYSTEM_STATE_PAUSED"
    assert paused["type"] == ""


async def test_a_system_has_one_name_in_all_its_lines(own_daemon: Daemon) -> None:
    name = "odd one\x1b[31m"
    assert (await hcsd(own_daemon, "system", "create", name, "--start")).returncode == 0
    run = await hcsd(own_daemon, "run", "--system", name, "--name", "it", "--", "true")
    assert (run.returncode, run.stderr) == (0, b"")
    result = await hcsd(own_daemon, "events")
    lines = result.stdout.decode().splitlines()[1:]
    assert {"created", "started", "exited"} <= {line.split()[2] for line in lines}
    for line in lines:
        assert "odd one\\x1b[31m" in line
        assert "%20" not in line


async def test_no_events_are_none(own_daemon: Daemon) -> None:
    result = await hcsd(own_daemon, "events", "--output", "json")
    assert (result.returncode, result.stdout, result.stderr) == (0, b"", b"")


@pytest.mark.parametrize(
    "daemon_stops",
    [
        False,
        pytest.param(True, marks=pytest.mark.slow),  # it is looked for for 10 s
    ],
)
async def test_who_follows_is_told_what_comes_until_there_is_no_more(
    own_daemon: Daemon, own_client: Client, *, daemon_stops: bool
) -> None:
    command = [*HCSD, "--address", own_daemon.address, "events", "-f", "-o", "json"]
    first = await own_client.create(pb.Argv(args=["true"]))
    async with await anyio.open_process(command, stdin=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        text = ""
        while first.uid not in text:
            text += (await process.stdout.receive()).decode()
        second = await own_client.create(pb.Argv(args=["true"]))
        while second.uid not in text or not text.endswith("\n"):
            text += (await process.stdout.receive()).decode()
        if daemon_stops:
            await anyio.to_thread.run_sync(own_daemon.stop)
        else:
            process.send_signal(signal.SIGINT)
        async for rest in process.stdout:
            text += rest.decode()
        assert await process.wait() == (1 if daemon_stops else 130)
    events = [json.loads(line) for line in text.splitlines()]
    revisions = [int(event["revision"]) for event in events]
    assert revisions == list(range(1, len(events) + 1))


async def test_a_process_is_opened_by_its_pid(daemon: Daemon, client: Client) -> None:
    parent = await client.create(sh("sleep 1000 & echo $!; wait"))
    pid = (await client.follow(parent.name).until_out(b"\n")).stdout.decode().strip()
    opened = await hcsd(daemon, "open", pid, "--name", "by-pid")
    assert (opened.returncode, opened.stdout) == (0, f"{HOST}/processes/by-pid\n".encode())
    client.made.append(f"{HOST}/processes/by-pid")
    listed = await hcsd(daemon, "ps", "-o", "json")
    by_id = {process["name"]: process for process in json.loads(listed.stdout)}
    assert by_id[f"{HOST}/processes/by-pid"]["origin"] == "PROCESS_ORIGIN_OPENED"
    killed = await hcsd(daemon, "kill", "by-pid")
    assert killed.returncode == 0
    assert (await client.wait(parent.name)).exit.exit_code == 0
    gone = await hcsd(daemon, "open", "1")
    assert gone.returncode == 1
    assert b"no process with pid 1 runs in system 'host'" in gone.stderr


async def test_the_client_has_errors_for_what_a_watcher_may_meet(daemon: Daemon) -> None:
    async with RemoteClient(daemon.address) as client:
        with pytest.raises(NotFoundError):
            await anext(client.watch_events("systems/none"))
        with pytest.raises(NotFoundError):
            await client.open_process(1)
        message = await anext(client.watch_events(send_snapshot=True))
        assert message.snapshot.complete
    assert issubclass(RevisionCompactedError, OutOfRangeError)
