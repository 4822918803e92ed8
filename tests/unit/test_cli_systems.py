"""The commands about compute systems, against a daemon that answers from a script."""

import functools
import json
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from hcsd.v1 import compute_system_pb2 as pb
from hcsd.v1 import compute_system_service_pb2 as service_pb
from hcsd.v1 import process_pb2
from tests.unit.test_cli_processes import hcsd
from tests.unit.test_client_fake import Context, FakeDaemon, fake_daemon, refuse

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the fake daemon's socket is POSIX")

WEB = "systems/web"
PIECE = Duration(seconds=20)  # of a long wait, asked for at once


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[FakeDaemon]:
    async with fake_daemon(tmp_path) as daemon:
        yield daemon


def a_system(system_id: str = "web", **fields: object) -> pb.ComputeSystem:
    created = Timestamp()
    created.FromSeconds(int(time.time()) - 90 * 60)
    system = pb.ComputeSystem(
        name=f"systems/{system_id}",
        system_id=system_id,
        system_type=pb.COMPUTE_SYSTEM_TYPE_CONTAINER,
        state=pb.COMPUTE_SYSTEM_STATE_RUNNING,
        owner="me\x1b[31m",
        create_time=created,
        capabilities=pb.ComputeSystemCapabilities(guest_os="linux"),
    )
    system.MergeFrom(pb.ComputeSystem(**fields))  # type: ignore[arg-type]  # whatever the test has
    return system


def in_state(state: pb.ComputeSystemState) -> service_pb.GetComputeSystemResponse:
    return service_pb.GetComputeSystemResponse(system=a_system(state=state))


async def test_a_system_is_created_from_options(daemon: FakeDaemon) -> None:
    created = service_pb.CreateComputeSystemResponse(system=a_system())
    daemon.answers("CreateComputeSystem", created)
    options = ("--owner", "me", "--memory", "256", "--processors", "2", "--start")
    result = await hcsd(daemon, "system", "create", "web", *options)
    assert (result.returncode, result.stdout) == (0, b"web\n")
    (request,) = daemon.requests
    assert isinstance(request, service_pb.CreateComputeSystemRequest)
    assert request.system_id == "web"
    assert request.start
    assert json.loads(request.configuration_json) == {
        "Owner": "me",
        "SchemaVersion": {"Major": 2, "Minor": 1},
        "Container": {"Memory": {"SizeInMB": 256}, "Processor": {"Count": 2}},
    }


async def test_a_part_of_a_processor_needs_a_daemon_of_this_machine(tmp_path: Path) -> None:
    options = ("system", "create", "--memory", "1.5g", "--cpus")
    created = service_pb.CreateComputeSystemResponse(system=a_system())
    async with fake_daemon(tmp_path, tcp=True) as daemon:
        daemon.answers("CreateComputeSystem", created)
        token = ("--token-file", str(tmp_path / "token"))
        (tmp_path / "token").write_text("0" * 64)
        result = await hcsd(daemon, *token, *options, "0.5")
        assert result.returncode == 2
        assert b"must be a whole number for a daemon on another machine" in result.stderr
        assert (await hcsd(daemon, *token, *options, "2")).returncode == 0
    (request,) = daemon.requests
    assert isinstance(request, service_pb.CreateComputeSystemRequest)
    assert json.loads(request.configuration_json)["Container"] == {
        "Memory": {"SizeInMB": 1536},
        "Processor": {"Count": 2},
    }


async def test_a_system_that_has_ended_by_the_answer_to_its_start_is_no_success(
    daemon: FakeDaemon,
) -> None:
    ended = pb.ComputeSystemExit(
        status=0x80370106, exit_type=pb.COMPUTE_SYSTEM_EXIT_TYPE_UNEXPECTED_EXIT
    )
    dead = a_system(exit=ended)
    daemon.answers("CreateComputeSystem", service_pb.CreateComputeSystemResponse(system=dead))
    daemon.answers("StartComputeSystem", service_pb.StartComputeSystemResponse(system=dead))
    said = b"hcsd: 'web' was started and has ended: unexpected exit (0x80370106)\n"
    for command in (("create", "web", "--start"), ("start", "web")):
        result = await hcsd(daemon, "system", *command)
        assert (result.returncode, result.stderr) == (1, said)


async def test_a_document_is_passed_on_as_it_is(daemon: FakeDaemon, tmp_path: Path) -> None:
    created = service_pb.CreateComputeSystemResponse(system=a_system())
    daemon.answers("CreateComputeSystem", created)
    file = tmp_path / "system.json"
    file.write_bytes('{ "Owner":"ä",\r\n"x":1e2}\n'.encode())
    assert (await hcsd(daemon, "system", "create", "--file", str(file))).returncode == 0
    (request,) = daemon.requests
    assert isinstance(request, service_pb.CreateComputeSystemRequest)
    assert request.configuration_json.encode() == file.read_bytes()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--file", "no-such-file"), b"no-such-file"),
        (("--file", __file__, "--memory", "1"), b"say it in the document"),
        (("--memory", "0"), b"--memory"),
    ],
)
async def test_a_create_that_makes_no_sense_is_refused(
    daemon: FakeDaemon, arguments: tuple[str, ...], said: bytes
) -> None:
    result = await hcsd(daemon, "system", "create", *arguments)
    assert result.returncode == 2
    assert said in result.stderr
    assert not daemon.requests


async def test_systems_are_listed_in_columns(daemon: FakeDaemon) -> None:
    other = pb.ComputeSystem(system_id="vm", system_type=pb.COMPUTE_SYSTEM_TYPE_VIRTUAL_MACHINE)
    listed = service_pb.ListComputeSystemsResponse(systems=[a_system(), other])
    daemon.answers("ListComputeSystems", listed)
    result = await hcsd(daemon, "system", "ps", "--owner", "me")
    assert result.stdout.decode().splitlines() == [
        "ID   STATE    TYPE             OS     OWNER       CREATED",
        "web  running  container        linux  me\\x1b[31m  1h ago",
        "vm            virtual machine",
    ]
    (request,) = daemon.requests
    assert request == service_pb.ListComputeSystemsRequest(owners=["me"])
    result = await hcsd(daemon, "system", "ps", "-o", "json")
    assert [system["system_id"] for system in json.loads(result.stdout)] == ["web", "vm"]


async def test_limits_are_shown_in_units_of_people_and_exactly_in_json(
    daemon: FakeDaemon,
) -> None:
    limits = pb.ComputeSystemLimits(memory_bytes=64 << 20, processor_millis=1500, max_tasks=100)
    limited = service_pb.GetComputeSystemResponse(system=a_system(limits=limits))
    unlimited = service_pb.GetComputeSystemResponse(
        system=a_system(limits=pb.ComputeSystemLimits())
    )
    daemon.answers("GetComputeSystem", limited)
    shown = (await hcsd(daemon, "system", "inspect", "web")).stdout.decode()
    assert shown.partition("limits:\n")[2].split() == [
        *("memory:", "64", "MiB"),
        *("processors:", "1.5"),
        *("tasks:", "100"),
    ]
    result = await hcsd(daemon, "system", "inspect", "web", "-o", "json")
    assert json.loads(result.stdout)[0]["limits"] == {
        "memory_bytes": "67108864",
        "processor_millis": 1500,
        "processor_weight": 0,
        "max_tasks": "100",
    }
    daemon.answers("GetComputeSystem", unlimited)
    shown = (await hcsd(daemon, "system", "inspect", "web")).stdout.decode()
    assert shown.splitlines()[-1].split() == ["limits:", "none"]


async def test_systems_are_inspected(daemon: FakeDaemon) -> None:
    ended = pb.ComputeSystemExit(exit_type=pb.COMPUTE_SYSTEM_EXIT_TYPE_FORCED_EXIT)
    daemon.answers(
        "GetComputeSystem", service_pb.GetComputeSystemResponse(system=a_system(exit=ended))
    )
    result = await hcsd(daemon, "system", "inspect", "web")
    assert b"exit_type: forced exit" in result.stdout
    result = await hcsd(daemon, "system", "inspect", "web", WEB, "-o", "json")
    assert [system["name"] for system in json.loads(result.stdout)] == [WEB, WEB]


@pytest.mark.parametrize(
    ("command", "method", "response"),
    [
        ("start", "StartComputeSystem", service_pb.StartComputeSystemResponse()),
        ("pause", "PauseComputeSystem", service_pb.PauseComputeSystemResponse()),
        ("resume", "ResumeComputeSystem", service_pb.ResumeComputeSystemResponse()),
    ],
)
async def test_one_system_after_the_other_is_changed(
    daemon: FakeDaemon, command: str, method: str, response: Message
) -> None:
    daemon.answers(method, response)
    assert (await hcsd(daemon, "system", command, "web", "a b")).returncode == 0
    assert [getattr(request, "name", "") for request in daemon.requests] == [WEB, "systems/a%20b"]


async def test_a_stop_says_what_became_of_it(daemon: FakeDaemon) -> None:
    daemon.answers(
        "ShutDownComputeSystem",
        service_pb.ShutDownComputeSystemResponse(),
        service_pb.ShutDownComputeSystemResponse(forced=True, timed_out=True),
        service_pb.ShutDownComputeSystemResponse(timed_out=True),
    )
    result = await hcsd(daemon, "system", "stop", "a")
    assert (result.returncode, result.stderr) == (0, b"")
    result = await hcsd(daemon, "system", "stop", "b")
    assert (result.returncode, result.stderr) == (0, b"hcsd: 'b' had to be killed\n")
    result = await hcsd(daemon, "system", "stop", "c", "--no-kill", "-t", "1m30s")
    assert (result.returncode, result.stderr) == (1, b"hcsd: 'c' has not ended yet\n")
    first, _, last = daemon.requests
    assert isinstance(first, service_pb.ShutDownComputeSystemRequest)
    assert isinstance(last, service_pb.ShutDownComputeSystemRequest)
    assert first.force
    assert first.timeout.ToSeconds() == 30
    assert not last.force
    assert last.timeout.ToSeconds() == 90


async def test_a_kill_waits_for_the_end(daemon: FakeDaemon) -> None:
    daemon.answers("TerminateComputeSystem", service_pb.TerminateComputeSystemResponse())
    daemon.answers("WaitComputeSystem", service_pb.WaitComputeSystemResponse())
    assert (await hcsd(daemon, "system", "kill", "web")).returncode == 0
    assert daemon.requests == [
        service_pb.TerminateComputeSystemRequest(name=WEB),
        service_pb.WaitComputeSystemRequest(name=WEB, timeout=PIECE),
    ]


async def test_nothing_that_runs_is_removed_without_force(daemon: FakeDaemon) -> None:
    daemon.answers("TerminateComputeSystem", service_pb.TerminateComputeSystemResponse())
    daemon.answers("WaitComputeSystem", service_pb.WaitComputeSystemResponse())
    daemon.answers("GetComputeSystem", in_state(pb.COMPUTE_SYSTEM_STATE_PAUSED))
    result = await hcsd(daemon, "system", "rm", "web")
    assert result.returncode == 1
    assert b"'web' is paused: stop it first, or use --force" in result.stderr
    assert len(daemon.requests) == 1
    assert (await hcsd(daemon, "system", "rm", "--force", "web")).returncode == 0
    daemon.answers("GetComputeSystem", in_state(pb.COMPUTE_SYSTEM_STATE_CREATED))
    assert (await hcsd(daemon, "system", "rm", "web")).returncode == 0


def figures(seconds: int, cpu: float) -> service_pb.GetComputeSystemPropertiesResponse:
    answer = service_pb.GetComputeSystemPropertiesResponse(
        process_list=[process_pb2.ProcessStats(pid=7, image_name="sh\n")]
    )
    statistics = answer.statistics
    statistics.sample_time.FromSeconds(1_000_000 + seconds)
    statistics.uptime.FromSeconds(3600 + seconds)
    statistics.processor.total_runtime.FromNanoseconds(int(cpu * 1e9))
    statistics.memory.usage_commit_bytes = 3 << 19
    statistics.storage.read_size_bytes = 1023
    answer.process_list[0].user_time.FromNanoseconds(1_230_000_000)
    return answer


async def test_what_systems_use_is_shown_by_the_time_between_two_samples(
    daemon: FakeDaemon,
) -> None:
    async def created(_request: Message, context: Context) -> Message:
        await refuse(context, grpc.StatusCode.FAILED_PRECONDITION, "HCS_E_INVALID_STATE")
        raise AssertionError

    listed = service_pb.ListComputeSystemsResponse(systems=[a_system()])
    daemon.answers("ListComputeSystems", listed)
    daemon.answers("GetComputeSystemProperties", figures(0, 1), figures(4, 3), figures(5, 3.25))
    result = await hcsd(daemon, "stats", "--interval", "100ms", "--count", "2")
    table = [line.split() for line in result.stdout.decode().splitlines()]
    assert table[0][:7] == ["SYSTEM", "STATE", "CPU", "MEMORY", "PEAK", "READ", "WRITTEN"]
    figure = " ".join(table[1])
    assert figure == "web running 50.0% 1.5 MiB 0 B 1023 B 0 B 1 1h"
    assert table[3][2] == "25.0%"
    result = await hcsd(daemon, "stats", "--interval", "100ms", "-o", "json")
    (entry,) = json.loads(result.stdout)
    assert entry["statistics"]["storage"]["read_size_bytes"] == "1023"
    assert entry["processes"] == 1
    daemon.does("GetComputeSystemProperties", created)
    result = await hcsd(daemon, "stats", "--interval", "100ms")
    assert result.stdout.decode().splitlines()[1].split() == ["web", "running"]


async def test_the_number_of_tables_is_said_once(daemon: FakeDaemon) -> None:
    result = await hcsd(daemon, "stats", "--no-stream", "--count", "2")
    assert result.returncode == 2
    assert b"--count: says already how many tables" in result.stderr


async def test_what_runs_in_a_system_is_shown(daemon: FakeDaemon) -> None:
    daemon.answers("GetComputeSystemProperties", figures(0, 1))
    result = await hcsd(daemon, "system", "stats", "web")
    assert b"usage_commit_bytes: 1.5 MiB" in result.stdout
    assert result.stdout.decode().splitlines()[-1].split()[:3] == ["7", "sh\\n", "1.23s"]
    result = await hcsd(daemon, "system", "stats", "web", "-o", "json")
    assert json.loads(result.stdout)["process_list"][0]["pid"] == 7


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell", "pwsh"])
async def test_shells_are_told_how_to_complete(shell: str) -> None:
    result = await hcsd(None, "completion", shell)
    assert result.returncode == 0
    assert b"_HCSD_COMPLETE" in result.stdout


async def test_names_are_completed_to_what_the_daemon_knows(daemon: FakeDaemon) -> None:
    listed = service_pb.ListComputeSystemsResponse(systems=[a_system(), a_system("wob")])
    daemon.answers("ListComputeSystems", listed)
    words = "hcsd system stop we"
    ask = functools.partial(hcsd, _HCSD_COMPLETE="complete_bash")
    result = await ask(daemon, COMP_WORDS=words, COMP_CWORD="3")
    assert result.stdout.split() == [b"web"]
    result = await ask(None, COMP_WORDS=words, COMP_CWORD="3", HCSD_ADDRESS="unix:///no/such")
    assert (result.stdout.strip(), result.stderr) == (b"", b"")
    result = await ask(None, COMP_WORDS="hcsd system st", COMP_CWORD="2")
    assert result.stdout.split() == [b"start", b"stop", b"stats"]
