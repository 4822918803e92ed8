"""What the README shows of the client, run as it is printed."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.daemon import Daemon, serving

README = Path(__file__).parents[2] / "README.md"
TRANSCRIPT = re.compile(
    r"^What that looks like:\n\n```console\n(.*?)^```$", re.MULTILINE | re.DOTALL
)
SHELL = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
HOST = "build-1.example"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# Others show the raw stubs, against Windows.
EXAMPLES = [text for text in BLOCK.findall(README.read_text("utf-8")) if "hcsd_client" in text]
PRINTED = [
    "b'hello'\nexit code 7\nEXECUTABLE_NOT_FOUND 0x80070002\n",
    "b'hello\\n'\n",
    "exited with 7\n",
]


def test_every_example_is_run() -> None:
    assert len(EXAMPLES) == len(PRINTED)


@pytest.mark.parametrize(("example", "printed"), list(zip(EXAMPLES, PRINTED, strict=False)))
def test_an_example_prints_what_it_should(daemon: Daemon, example: str, printed: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", example],
        env=os.environ | {"HCSD_ADDRESS": daemon.address},
        capture_output=True,
        text=True,
        timeout=15,
        check=False,
    )
    assert (done.stdout, done.stderr, done.returncode) == (printed, "", 0)


def test_the_recipe_for_tls_works(tmp_path: Path) -> None:
    """As it is printed, but for names and ports that hold for this machine."""
    section = README.read_text("utf-8").partition("## Who may use it")[2].partition("\n## ")[0]
    blocks = [text.replace(HOST, "localhost") for text in SHELL.findall(section)]
    assert len(blocks) == 4
    for server, client in zip(blocks[::2], blocks[1::2], strict=True):
        *preparation, serve = server.replace("\\\n", "").splitlines()
        for line in preparation:
            subprocess.run(shlex.split(line), cwd=tmp_path, check=True, timeout=10)
        options = [
            str(tmp_path / word) if word.endswith((".pem", ".key")) else word
            for word in shlex.split(serve.removeprefix("hcsd serve --listen 0.0.0.0:7443"))
        ]
        with serving(*options, "--listen", "0.0.0.0:0") as daemon:
            port = daemon.addresses[1].rpartition(":")[2]
            told = client.replace(":7443", f":{port}").replace(" token ", f" {daemon.token_file} ")
            done = subprocess.run(
                [sys.executable, "-m", *shlex.split(told)],
                cwd=tmp_path,
                capture_output=True,
                text=True,
                timeout=15,
                check=False,
            )
        assert (done.stderr, done.returncode) == ("", 0)
        assert "version:" in done.stdout


def test_the_transcript_is_what_happens(own_daemon: Daemon) -> None:
    found = TRANSCRIPT.search(README.read_text("utf-8"))
    assert found is not None
    steps = [step.partition("\n") for step in found[1].removeprefix("$ ").split("\n$ ")]
    assert len(steps) == 8
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    for command, _, printed in steps:
        done = subprocess.run(
            ["/bin/sh", "-c", command],
            env=os.environ | {"HCSD_ADDRESS": own_daemon.address, "PATH": path},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=30,
            check=False,
        )
        assert _settled(done.stdout) == _settled(printed), command


def _settled(text: str) -> list[list[str]]:
    """Return the words of each line, without what differs from one run to the next."""
    text = re.sub(r"\d+s ago", "0s ago", text)
    text = re.sub(r"(?<= host )( +)\d+", r"\1PID", text)
    return [line.split() for line in text.splitlines()]
