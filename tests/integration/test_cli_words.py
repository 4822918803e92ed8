"""What people of docker type, and how it is done here: --rm, --keep, --env-file, --filter, prune."""

import re
import uuid
from pathlib import Path

import pytest

from hcsd.v1 import process_pb2 as pb
from hcsd.v1 import process_service_pb2 as service_pb
from tests.integration.test_cli import Line, hcsd
from tests.integration.wire import Client, sh

__all__ = ["hcsd"]  # a fixture here, too


@pytest.fixture
def name() -> str:
    return f"w-{uuid.uuid4().hex[:8]}"


async def names(hcsd: Line, *options: str) -> list[str]:
    return (await hcsd("ps", "-aq", *options)).stdout.split()


async def test_a_run_without_a_name_leaves_nothing(hcsd: Line, name: str) -> None:
    label = f"test={name}"
    assert (await hcsd("run", "-l", label, "--", "sh", "-c", "echo x; exit 3")).returncode == 3
    assert await names(hcsd, "--filter", f"label={label}") == []
    assert (await hcsd("run", "--no-rm", "-l", label, "true")).returncode == 0
    assert len(await names(hcsd, "--filter", f"label={label}")) == 1
    assert (await hcsd("run", "--name", name, "-l", label, "true")).returncode == 0
    assert name in await names(hcsd, "--filter", f"label={label}")
    assert (await hcsd("run", "--rm", "--name", f"{name}-2", "-l", label, "true")).returncode == 0
    assert f"{name}-2" not in await names(hcsd)


async def test_numbers_of_any_length_are_refused_in_words(hcsd: Line, name: str) -> None:
    await hcsd("run", "-d", "--name", name, "sleep", "1000")
    number = "9" * 5000  # Python refuses to read it
    for arguments, told in {
        ("kill", name, f"-{number}"): "SIGNAL (signal.signal_name): ",
        ("signal", name, number): "SIGNAL (signal.signal_name): ",
        ("ps", "--filter", f"exited={number}"): "is no filter",
        ("run", "-m", number, "true"): "has no unit",
    }.items():
        answer = await hcsd(*arguments)
        assert answer.returncode != 0
        assert told in answer.stderr
        assert "Traceback" not in answer.stderr


async def test_what_cannot_be_removed_here_is_refused(hcsd: Line) -> None:
    told = await hcsd("run", "-d", "--rm", "true")
    assert told.returncode == 125
    assert "in the foreground" in told.stderr
    assert (await hcsd("run", "--pin", "--rm", "true")).returncode == 125


async def test_what_the_daemon_refuses_is_told_with_its_option(hcsd: Line) -> None:
    for start in ((), ("-d",)):
        told = await hcsd("run", *start, "--keep", "65m", "--name", "a b", "true")
        assert told.returncode == 125
        assert re.search(r"^hcsd:   --name \(\S*process_id\): must be", told.stderr, re.MULTILINE)
        assert re.search(r"^hcsd:   --keep \(\S*ring_bytes\): must be", told.stderr, re.MULTILINE)


async def test_a_signal_before_its_process_is_told(hcsd: Line) -> None:
    told = await hcsd("signal", "HUP", "web")
    assert told.returncode == 1
    assert "name the process first: hcsd signal web HUP" in told.stderr


async def test_variables_come_from_a_file_and_options_win(hcsd: Line, tmp_path: Path) -> None:
    file = tmp_path / "env"
    file.write_bytes(b"\xef\xbb\xbfONE=1\r\n# a comment\n\nTWO=a b=c\nPATHLESS_NOT_SET\n")
    told = await hcsd(
        *("run", "--env-file", str(file), "--"),
        *("sh", "-c", 'echo "$ONE|$TWO|${PATHLESS_NOT_SET-none}"'),
    )
    assert told.stdout == "1|a b=c|none\n"
    told = await hcsd(
        "run", "--env-file", str(file), "-e", "ONE=won", "--", "sh", "-c", "echo $ONE"
    )
    assert told.stdout == "won\n"
    for wrong in ("=x", "export TWO=2", "T WO", '"A"=1'):
        file.write_text(f"ONE=1\n {wrong}\n")
        told = await hcsd("run", "--env-file", str(file), "true")
        assert told.returncode == 125
        assert "line 2" in told.stderr
    told = await hcsd("run", "--env-file", str(tmp_path / "none"), "true")
    assert "No such file" in told.stderr


@pytest.mark.parametrize(("said", "size"), [("8k", 8192), ("1.5m", 1_572_864), ("4096", 4096)])
async def test_how_much_is_kept(
    hcsd: Line, client: Client, name: str, said: str, size: int
) -> None:
    full = (await hcsd("run", "-d", "--keep", said, "--pin", "--name", name, "true")).stdout.strip()
    made = await client.get(full)
    assert made.options.output.ring_bytes == size
    assert made.options.pin
    assert (await hcsd("run", "--keep", "much", "true")).returncode == 125


async def test_a_wait_has_an_end(hcsd: Line, client: Client, name: str) -> None:
    await client.create(sh("sleep 1000"), process_id=name)
    told = await hcsd("wait", "--timeout", "50ms", name)
    assert (told.returncode, told.stdout) == (1, "")
    assert f"'{name}' still runs" in told.stderr


async def test_kill_sends_what_it_is_told(hcsd: Line, client: Client, name: str) -> None:
    run = await client.run(
        sh("trap 'exit 5' HUP; echo ready; while :; do sleep 0.01; done"), process_id=name
    )
    await run.until_out(b"ready")
    assert (await hcsd("kill", "-s", "SIGHUP", name)).returncode == 0
    assert (await run.finish()).code == 5
    await client.create(sh("sleep 1000"), process_id=f"{name}-2")
    assert (await hcsd("kill", "-s", "9", f"{name}-2")).returncode == 0
    assert (await hcsd("wait", f"{name}-2")).stdout == "137\n"
    assert (await hcsd("kill", "-s", "HUP", "--grace", "1s", name)).returncode == 2


async def test_kill_takes_signals_as_people_type_them(
    hcsd: Line, client: Client, name: str
) -> None:
    script = "trap 'echo heard' WINCH; echo ready; while :; do sleep 0.01; done"
    run = await client.run(sh(script), process_id=name)
    await run.until_out(b"ready\n")
    for said in ("-WINCH", "-SIGWINCH", "-winch", "-28", "-sWINCH"):
        assert (await hcsd("kill", said, name)).returncode == 0
        await run.until_out(b"heard\n")
    told = await hcsd("kill", "-FOO", name)
    assert (told.returncode, "write -s SIGNAL" in told.stderr) == (2, True)
    told = await hcsd("kill", "-s", "FOO", name)
    assert "hcsd:   SIGNAL (signal.signal_name): is 'FOO', and must be one of" in told.stderr
    told = await hcsd("kill", "-99", name)
    assert "hcsd:   SIGNAL (signal.signal_number): is '99', and must be from 1 to" in told.stderr
    assert (await hcsd("kill", "-HUP", "--", "-HUP")).returncode == 1  # that is a name
    for number, said in enumerate(("-9", "-KILL", "-sigkill", "-s09")):
        # All that it has started ends, too, as without a signal.
        await client.create(sh("sleep 1000 & wait"), process_id=f"{name}-{number}")
        ended = await hcsd("kill", "--process-only", said, f"{name}-{number}")
        assert ended.returncode == 0  # an option for KILL alone
        assert (await hcsd("wait", f"{name}-{number}")).stdout == "137\n"
        assert (await hcsd("rm", "--force", f"{name}-{number}")).returncode == 0


async def test_stop_asks_with_the_signal_it_is_told(hcsd: Line, client: Client, name: str) -> None:
    script = "trap 'exit 7' INT; trap '' TERM; echo ready; while :; do sleep 0.01; done"
    run = await client.run(sh(script), process_id=name)
    await run.until_out(b"ready\n")
    assert (await hcsd("stop", "--signal", "SIGINT", "-t", "600", name)).returncode == 0
    assert (await run.finish()).code == 7
    assert (await hcsd("stop", "-s", "2", name)).returncode == 0  # it has ended already
    await client.create(sh("trap '' INT; sleep 1000"), process_id=f"{name}-2")
    assert (await hcsd("stop", "-s", "2", "-t", "0", f"{name}-2")).returncode == 0
    assert (await hcsd("wait", f"{name}-2")).stdout == "137\n"
    await client.create(sh("sleep 1000"), process_id=f"{name}-3")
    told = await hcsd("stop", "-s", "FOO", f"{name}-3")
    assert (told.returncode, "is 'FOO', and must be one of" in told.stderr) == (1, True)
    assert (await hcsd("ps", "-q")).stdout.splitlines().count(f"{name}-3") == 1  # not killed


@pytest.mark.parametrize(
    "said",
    [("run", "--timeout", "9" * 400), ("run", "--keep", "9" * 400), ("stop", "-t", "9" * 20)],
)
async def test_what_is_too_much_for_anything_is_told(hcsd: Line, said: tuple[str, ...]) -> None:
    told = await hcsd(*said, "true")
    assert told.returncode == (125 if said[0] == "run" else 2)
    assert "is more than" in told.stderr
    assert "Traceback" not in told.stderr


async def test_a_list_is_filtered(hcsd: Line, client: Client, name: str) -> None:
    await client.create(sh("sleep 1000"), process_id=f"{name}-runs")
    made = await client.create(sh("exit 1"), process_id=f"{name}-ends")
    await client.wait(made.name, service_pb.WAIT_FOR_EXIT)
    of_name = ("--filter", f"name={name}")
    assert await names(hcsd, *of_name) == [f"{name}-runs", f"{name}-ends"]
    assert (await hcsd("ps", "-q", *of_name)).stdout.split() == [f"{name}-runs"]
    told = await hcsd("ps", "-q", *of_name, "-f", "status=exited")
    assert told.stdout.split() == [f"{name}-ends"]
    for code, found in (("1", [f"{name}-ends"]), ("nonzero", [f"{name}-ends"]), ("0", [])):
        told = await hcsd("ps", "-q", *of_name, "-f", f"exited={code}")
        assert told.stdout.split() == found
    assert (await hcsd("ps", "-f", "exited=x")).returncode == 2
    told = await hcsd("ps", "--filter", "state=running")
    assert told.returncode == 2
    assert "status= and one of creating, running, exited, failed, lost" in re.sub(
        r"\s+", " ", told.stderr
    )


async def test_prune_removes_what_has_ended(hcsd: Line, client: Client, name: str) -> None:
    label = f"test={name}"
    options = pb.ProcessOptions(pin=True)
    for number in range(3):
        made = (
            await client.processes.CreateProcess(
                service_pb.CreateProcessRequest(
                    parent="systems/host",
                    spec=pb.ProcessSpec(argv=sh("sleep 1000" if number == 2 else "true")),
                    labels={"test": name},
                    options=options,
                )
            )
        ).process
        if number < 2:
            await client.wait(made.name)
    told = await hcsd("prune", "--label", label)
    assert (told.returncode, told.stderr) == (0, "hcsd: removed 2 processes\n")
    running = await names(hcsd, "--filter", f"label={label}")
    assert len(running) == 1
    assert (await hcsd("kill", *running)).returncode == 0  # a list of other tests would show it


async def test_help_has_a_short_name(hcsd: Line) -> None:
    for command in ((), ("run",), ("system", "ps")):
        told = await hcsd(*command, "-h")
        assert told.returncode == 0
        assert told.stdout.startswith("Usage: ")


@pytest.mark.parametrize(
    "command",
    [
        ("inspect", "systems/host"),
        ("inspect", "systems/a/b"),
        ("inspect", "a/b"),
        ("system", "inspect", "systems/host/processes/a"),
    ],
    ids=" ".join,
)
async def test_a_name_of_another_kind_is_told(hcsd: Line, command: tuple[str, ...]) -> None:
    told = await hcsd(*command)
    assert told.returncode == 1
    assert all(line.startswith("hcsd: ") for line in told.stderr.splitlines()), told.stderr
