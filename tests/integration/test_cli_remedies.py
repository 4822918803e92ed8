"""What the commands say when something cannot be done, and what to do about it."""

import os
import re
import subprocess
import uuid
from pathlib import Path

import pytest

from hcsd.daemon.settings import Limits
from tests.integration.test_cli import Line, hcsd
from tests.integration.test_growth import running_inside
from tests.integration.wire import Client
from tests.support import commands

__all__ = ["hcsd"]  # a fixture here, too


@pytest.fixture
def name() -> str:
    return f"r-{uuid.uuid4().hex[:8]}"


@pytest.mark.parametrize(
    ("said", "code", "told"),
    [
        (["no-such-program"], 127, "in the PATH of the process: give a full path"),
        (["echo hi"], 127, "a line for a shell is run by sh -c 'LINE'"),
        (["/etc/passwd"], 126, "chmod +x FILE"),
        (["-w", "/no-such", "true"], 126, "it must be on the daemon's machine: make it there"),
        (["-w", "/etc/passwd", "true"], 126, "name another with --workdir"),
        (["-u", "no-such-user", "true"], 126, "name one that the daemon's machine has"),
        (["--system", "no-such", "true"], 125, "see what there is with 'hcsd system ps'"),
        (["--ulimit", "nofile=4294967296", "true"], 126, "ask for less with --ulimit"),
        (["--keep", "65m", "true"], 125, "spec.output.ring_bytes): must be at most"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
@pytest.mark.parametrize("start", [(), ("-d",)], ids=["", "-d"])
async def test_a_start_that_fails_says_what_to_do(
    hcsd: Line, start: tuple[str, ...], said: list[str], code: int, told: str
) -> None:
    done = await hcsd("run", *start, *said)
    assert done.returncode == code
    assert told in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs processes as others")
async def test_a_directory_that_the_user_may_not_enter(hcsd: Line, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir(mode=0o700)
    done = await hcsd("run", "-u", "nobody", "-w", str(tmp_path / "mine"), "true")
    assert done.returncode == 126
    assert "name one with --workdir that the user may enter" in done.stderr


async def test_a_script_without_a_first_line(hcsd: Line, tmp_path: Path) -> None:
    file = tmp_path / "script"
    file.write_text("echo hi\n")
    file.chmod(0o755)
    done = await hcsd("run", str(file))
    assert done.returncode == 126
    assert "a script needs a first line such as #!/bin/sh" in done.stderr


async def test_a_system_in_another_state_says_how_to_change_that(hcsd: Line, name: str) -> None:
    steps = [
        ((), f"it is created; start it with 'hcsd system start {name}'\n"),
        (("pause",), f"it is paused; let it run on with 'hcsd system resume {name}'\n"),
        (("kill",), "does not start again: make another with 'hcsd system create'\n"),
    ]
    assert (await hcsd("system", "create", name)).returncode == 0
    told = await hcsd("system", "create", name)
    assert f"'hcsd system rm {name}', or choose another ID\n" in told.stderr
    for step, remedy in steps:
        if step == ("pause",):
            assert (await hcsd("system", "start", name)).returncode == 0
        if step:
            assert (await hcsd("system", *step, name)).returncode == 0
        for options in ((), ("-d",)):
            told = await hcsd("run", *options, "--system", name, "true")
            assert told.returncode == 125
            assert told.stderr.endswith(remedy)


async def test_what_is_about_a_process_has_its_name(hcsd: Line, client: Client, name: str) -> None:
    full = (await hcsd("run", "-d", "--name", name, "sleep", "1000")).stdout.strip()
    client.made.append(full)
    taken = f"remove it with 'hcsd rm {name}', or choose another --name\n"
    for options in ((), ("-d",)):
        told = await hcsd("run", *options, "--name", name, "true")
        assert told.returncode == 125
        assert told.stderr.endswith(taken)
    told = await hcsd("rm", name)
    assert told.stderr.endswith(f"stop it with 'hcsd stop {name}', or use --force\n")
    assert (await hcsd("kill", name)).returncode == 0
    told = await hcsd("resize", name, "80", "24")
    assert told.stderr.endswith(f"see how it ended with 'hcsd inspect {name}'\n")
    told = await hcsd("open", "2147483647")
    assert told.stderr.endswith("see what runs in it with 'hcsd system stats host'\n")


async def test_a_young_daemon_may_not_know_what_ran_before(hcsd: Line) -> None:
    told = await hcsd("logs", "never-heard-of-it")
    assert re.fullmatch(
        r"hcsd: no process 'systems/host/processes/never-heard-of-it'; see what there is with 'hcsd ps"
        r" --all'; the daemon was started \w+ ago, and does not know what ran before\n",
        told.stderr,
    )


async def test_a_full_daemon_names_the_limit_and_where_to_look(tmp_path: Path) -> None:
    plain = {key: value for key, value in os.environ.items() if not key.startswith("HCSD_")}
    environment = plain | {"HCSD_ADDRESS": f"unix://{tmp_path / 'inside.sock'}"}

    async def hcsd(*arguments: str) -> subprocess.CompletedProcess[bytes]:
        return await commands.run(arguments, environment)

    limits = Limits(max_processes=1, max_systems=1, ring_memory_bytes=8 << 20)
    async with running_inside(tmp_path, limits):
        told = await hcsd("run", "--keep", "16m", "true")
        assert (told.returncode, b"'hcsd prune' removes what has ended" in told.stderr) == (
            125,
            True,
        )
        assert b"or serve with more '--ring-memory'" in told.stderr
        assert (await hcsd("run", "-d", "sleep", "1000")).returncode == 0
        told = await hcsd("run", "true")
        assert told.returncode == 125
        assert told.stderr == (
            b"hcsd: there are 1 processes already, the most that may be: end some, or serve with a"
            b" higher '--max-processes'; see what runs with 'hcsd ps'\n"
        )
        assert (await hcsd("system", "create")).returncode == 0
        told = await hcsd("system", "create")
        assert told.stderr.endswith(b"'--max-systems'; see what there is with 'hcsd system ps'\n")
