"""What the README and the pages show of commands and of the Python client, run as it is printed."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.daemon import Daemon, serving
from tests.support.pages import Block, executed, programs

HOST = "build-1.example"


@pytest.mark.parametrize(("example", "printed"), programs("python"), ids=str)
def test_an_example_prints_what_it_should(daemon: Daemon, example: Block, printed: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", example.text],
        env=os.environ | {"HCSD_ADDRESS": daemon.address},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert (done.stdout, done.stderr, done.returncode) == (printed, "", 0)


@pytest.mark.parametrize("settings", executed("toml"), ids=str)
def test_a_configuration_file_is_taken(tmp_path: Path, settings: Block) -> None:
    file = tmp_path / "hcsd.toml"
    file.write_text(settings.text, "utf-8")
    with serving("--config", str(file)):
        pass


def test_the_recipe_for_tls_works(tmp_path: Path) -> None:
    """As it is printed, but for names and ports that hold for this machine."""
    blocks = [block.text.replace(HOST, "localhost") for block in executed("sh")]
    assert len(blocks) == 6
    for server, client in zip(blocks[::2], blocks[1::2], strict=True):
        *preparation, serve = server.replace("\\\n", "").splitlines()
        for line in preparation:
            subprocess.run(shlex.split(line), cwd=tmp_path, check=True, timeout=50)
        options = [
            str(tmp_path / word) if word.endswith((".pem", ".key")) else word
            for word in shlex.split(serve.removeprefix("hcsd serve --listen 0.0.0.0:7443"))
        ]
        with serving(*options, "--listen", "0.0.0.0:0") as daemon:
            port = daemon.addresses[1].rpartition(":")[2]
            told = client.replace(":7443", f":{port}").replace(" token ", f" {daemon.token_file} ")
            told = told.replace(" server.pem ", f" {daemon.ca_file} ")
            done = subprocess.run(
                [sys.executable, "-m", *shlex.split(told)],
                cwd=tmp_path,
                capture_output=True,
                text=True,
                timeout=50,
                check=False,
            )
        assert (done.stderr, done.returncode) == ("", 0)
        assert "version:" in done.stdout


@pytest.mark.parametrize("transcript", executed("console"), ids=str)
def test_a_transcript_is_what_happens(
    own_daemon: Daemon, transcript: Block, tmp_path: Path
) -> None:
    steps = [step.partition("\n") for step in transcript.text.removeprefix("$ ").split("\n$ ")]
    assert len(steps) > 1
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    for command, _, printed in steps:
        done = subprocess.run(
            ["/bin/sh", "-c", command],
            cwd=tmp_path,
            env=os.environ | {"HCSD_ADDRESS": own_daemon.address, "PATH": path},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=50,
            check=False,
        )
        assert _settled(done.stdout) == _settled(printed), command


def _settled(text: str) -> list[list[str]]:
    """Return the words of each line, without what differs from one run to the next."""
    text = re.sub(r"\d+s ago", "0s ago", text)
    text = re.sub(r"(?<= host )( +)\d+", r"\1PID", text)
    return [line.split() for line in text.splitlines()]
