"""The service, with the service manager of Wine."""

import contextlib
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from hcsd.cli.commands.service import app
from hcsd.win32 import scm, security
from hcsd.win32.scm import ServiceError

pytestmark = pytest.mark.timeout(90)  # a start of Python under a loaded Wine takes seconds

# In the place of the daemon, to see how it ends.
STANDS_IN = """
import asyncio, sys
from hcsd.cli.stop_requests import StopRequests
from hcsd.win32.service import host

stops = StopRequests()

async def serve(ready):
    stopped = asyncio.Event()
    stops.hand_to(stopped.set)
    ready([])
    await stopped.wait()

def run(ready):
    asyncio.run(serve(ready))
    open(sys.argv[1], "w").write("ended in order")

host(run, stops.request, ())
"""


@pytest.fixture
def no_service() -> Iterator[None]:
    """None is installed, neither before nor after."""
    yield
    with contextlib.suppress(ServiceError):
        scm.stop()
    with contextlib.suppress(ServiceError):
        scm.remove()


def read(log: Path) -> str:
    """Return the log; a service that was not started has written none, which is a reason, too."""
    return log.read_text() if log.exists() else "there is no log: the service wrote nothing"


def hcsd_service(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def configure(path: Path, **settings: str) -> None:
    path.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in settings.items()))


@pytest.mark.usefixtures("no_service")
def test_a_service_is_installed_once_and_removed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert hcsd_service("install", "--manual", "--log-file", str(log)).exit_code == 0
    status = hcsd_service("status")
    assert status.exit_code == 3
    assert status.stdout.startswith("stopped")
    again = hcsd_service("install")
    assert again.exit_code == 1
    assert "it is installed; see 'hcsd service remove'" in again.stderr
    assert hcsd_service("remove").exit_code == 0
    gone = hcsd_service("status")
    assert gone.exit_code == 1
    assert "it is not installed; see 'hcsd service install'" in gone.stderr


@pytest.mark.parametrize("command", ["start", "stop", "remove", "status"])
def test_what_is_not_installed_cannot_be_used(command: str) -> None:
    done = hcsd_service(command)
    assert done.exit_code == 1
    assert "it is not installed" in done.stderr


@pytest.mark.usefixtures("no_service")
def test_a_service_runs_from_when_it_is_ready_until_it_is_stopped(tmp_path: Path) -> None:
    ended = tmp_path / "ended"
    scm.install(["-I", "-c", STANDS_IN, str(ended)], automatic=False)
    assert scm.start().name == "running"
    assert scm.state().pid > 0
    assert hcsd_service("status").exit_code == 0
    with pytest.raises(ServiceError, match="it is running"):
        scm.start()
    with pytest.raises(ServiceError, match="see 'hcsd service stop'"):
        scm.remove()
    stopped = scm.stop()
    assert (stopped.name, stopped.exit_code) == ("stopped", 0)
    assert ended.read_text() == "ended in order"
    with pytest.raises(ServiceError, match="it is not running"):
        scm.stop()


@pytest.mark.usefixtures("no_service")
def test_the_service_is_the_daemon(tmp_path: Path) -> None:
    token, config, log = (tmp_path / name for name in ("token", "config.toml", "log"))
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    configure(config, listen=address, token_file=str(token))
    options = ("--config", str(config), "--log-file", str(log))
    assert hcsd_service("install", *options).exit_code == 0
    started = hcsd_service("start")
    assert started.exit_code == 0, started.stderr + read(log)
    assert security.strangers(token) == []
    client = [sys.executable, "-m", "hcsd", "--address", address, "--token-file", str(token)]
    client += ["--tls-ca", str(tmp_path / "server.pem")]
    done = subprocess.run(
        [*client, "run", "--", "cmd", "/c", "echo hello& exit 7"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.stderr, done.returncode) == (b"hello\r\n", b"", 7)
    stopped = hcsd_service("stop")
    assert (stopped.exit_code, stopped.stdout) == (0, "stopped (code 0)\n")
    said = log.read_text()
    assert f"ready at {address}" in said
    assert "received a stop of the service manager" in said


@pytest.mark.usefixtures("no_service")
def test_a_service_that_cannot_start_says_why(tmp_path: Path) -> None:
    """Its token is in a file that others can read, as the configuration says."""
    log, token, config = (tmp_path / name for name in ("log", "token", "config.toml"))
    token.write_text("secret-secret")
    configure(config, listen="127.0.0.1:0", token_file=str(token))
    options = ("--config", str(config), "--log-file", str(log))
    installed = hcsd_service("install", *options)
    assert installed.exit_code == 0, installed.stderr
    started = hcsd_service("start")
    said = read(log)
    assert started.exit_code == 1, said
    assert "did not start (code 1); see its log" in started.stderr, said
    assert f"cannot use token file '{token}'" in said
    assert security.EVERYONE in said
    assert "Traceback" not in said
    assert "secret-secret" not in said


def test_a_configuration_that_is_wrong_is_not_installed(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text("lisen = '127.0.0.1:0'")
    done = hcsd_service("install", "--config", str(config))
    assert done.exit_code == 1
    assert f"{config}:1: lisen: " in done.output
    with pytest.raises(ServiceError, match="not installed"):
        scm.state()
