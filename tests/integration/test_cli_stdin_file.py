"""`hcsd run --stdin-file`: a file as the stdin of a process, in the foreground and with -d."""

import hashlib
import os
import random
import signal
import subprocess
import uuid
from pathlib import Path

import anyio
import pytest

from tests.integration.test_cli import Line, hcsd
from tests.integration.wire import HOST, Client
from tests.support import commands

__all__ = ["hcsd"]  # a fixture here, too

BYTES = 3 * 1024 * 1024 + 7  # more than pipes and messages hold


@pytest.fixture
def name(client: Client) -> str:
    name = f"fed-{uuid.uuid4().hex[:8]}"
    client.made.append(f"{HOST}/processes/{name}")
    return name


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "big file"
    file.write_bytes(random.Random(7).randbytes(BYTES))  # noqa: S311  (no secret)
    return file


def digest(file: Path) -> str:
    return f"{hashlib.sha256(file.read_bytes()).hexdigest()}  -\n"


async def test_a_process_reads_the_file_to_its_end(hcsd: Line, file: Path, name: str) -> None:
    told = await hcsd("run", "--stdin-file", str(file), "sha256sum")
    assert (told.returncode, told.stdout, told.stderr) == (0, digest(file), "")
    told = await hcsd("run", "-d", "--stdin-file", str(file), "--name", name, "sha256sum")
    assert (told.returncode, told.stdout) == (0, f"{HOST}/processes/{name}\n")
    assert (await hcsd("wait", name)).stdout == "0\n"
    assert (await hcsd("logs", name)).stdout == digest(file)


async def test_a_dash_is_the_stdin_of_the_command(hcsd: Line, name: str) -> None:
    said = ["run", "-d", "--stdin-file", "-", "--name", name, "cat"]
    done = await commands.run(said, hcsd.environment, stdin=b"piped")
    assert done.returncode == 0
    assert (await hcsd("wait", name)).stdout == "0\n"
    assert (await hcsd("logs", name)).stdout == "piped"


@pytest.mark.parametrize("options", [(), ("-d",)])
async def test_a_process_that_has_enough_is_no_error(
    hcsd: Line, file: Path, name: str, options: tuple[str, ...]
) -> None:
    told = await hcsd("run", *options, "--stdin-file", str(file), "--name", name, "true")
    assert (told.returncode, told.stderr) == (0, "")


@pytest.mark.parametrize("options", [(), ("-d",)])
async def test_what_cannot_be_read_is_told_before_anything_is_started(
    hcsd: Line, tmp_path: Path, name: str, options: tuple[str, ...]
) -> None:
    for path, why in ((tmp_path / "none", "No such file"), (tmp_path, "Is a directory")):
        said = ("--stdin-file", str(path), "--name", name)
        told = await hcsd("run", *options, *said, "true")
        assert told.returncode == 125
        assert "--stdin-file" in told.stderr
        assert why in told.stderr
    assert (await hcsd("inspect", name)).returncode == 1


@pytest.mark.parametrize("option", ["-i", "-t"])
async def test_there_is_one_stdin(hcsd: Line, file: Path, option: str) -> None:
    told = await hcsd("run", option, "--stdin-file", str(file), "true")
    assert told.returncode == 125
    assert "must not be given with -i or -t" in told.stderr


async def test_who_gives_up_is_told_what_becomes_of_the_process(
    hcsd: Line, client: Client, file: Path, name: str
) -> None:
    read, write = os.pipe()
    errors_read, errors = os.pipe()
    said = ["run", "-d", "--stdin-file", str(file), "--name", name, "sleep", "1000"]
    nothing = os.open(os.devnull, os.O_RDONLY)
    command = commands.Command(said, hcsd.environment, (nothing, write, errors))
    os.close(nothing)
    os.close(write)
    os.close(errors)
    with os.fdopen(read, "rb") as out, os.fdopen(errors_read, "rb") as err:
        await anyio.to_thread.run_sync(out.readline)  # it is started, and reads nothing
        with pytest.raises(subprocess.TimeoutExpired):
            command.wait(0)
        os.kill(command.pid, signal.SIGINT)
        with anyio.fail_after(60):
            assert await anyio.to_thread.run_sync(command.wait) == 130
        assert f"end it with 'hcsd kill {name}'" in err.read().decode()
    assert (await client.get(f"{HOST}/processes/{name}")).pid
