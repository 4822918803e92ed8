"""The daemon reads its configuration again: by `hcsd reload` and by SIGHUP."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from hcsd_client import FailedPreconditionError, ResourceExhaustedError
from hcsd_client.blocking import Client
from tests.support import commands
from tests.support.census import until
from tests.support.daemon import PATIENCE, Daemon, serving

BEFORE = """\
exited-retention = "15m"
max-processes = 7
event-ring = 100
log-level = "info"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "hcsd.toml"
    path.write_text(BEFORE)
    return path


@pytest.fixture
def daemon(file: Path) -> Iterator[Daemon]:
    with serving("--config", str(file), "--max-exited", "5") as running:
        yield running


def reload(daemon: Daemon, *options: str) -> tuple[int, str, str]:
    """Run `hcsd reload`; returns its exit code and what it has written."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("HCSD_")}
    done = commands.run_blocking(("--address", daemon.address, "reload", *options), inherited)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def test_what_is_live_holds_at_once_and_the_rest_is_named(daemon: Daemon, file: Path) -> None:
    assert reload(daemon) == (0, "nothing has changed\n", "")
    file.write_text('exited-retention = "1h"\nmax-processes = 1\nevent-ring = 9\nmax-exited = 6\n')
    code, stdout, stderr = reload(daemon)
    assert (code, stderr) == (0, "")
    assert sorted(stdout.splitlines()) == [
        "event-ring: 100 -> 9; needs a restart",
        'exited-retention: "15m" -> "1h"',
        "max-processes: 7 -> 1",
    ]
    with Client(daemon.address) as client:
        limits = client.get_host().limits
        assert limits.exited_process_retention.ToSeconds() == 3600
        assert (limits.max_processes, limits.event_ring_size) == (1, 100)
        assert limits.max_exited_processes == 5  # the command line says so
        with client.run(["sleep", "1000"]), pytest.raises(ResourceExhaustedError):
            client.create(["true"])
    # What needs a restart is named until there was one.
    code, stdout, _ = reload(daemon, "--output", "json")
    assert json.loads(stdout) == [
        {"key": "event-ring", "old_value": "100", "new_value": "9", "applied": False}
    ]


def test_an_entry_that_is_gone_has_its_default_again(daemon: Daemon, file: Path) -> None:
    file.write_text('event-ring = 100\nring-memory = "3m"\n')
    assert min(reload(daemon)[1].splitlines()) == "max-processes: 7 -> 8192"
    with Client(daemon.address) as client:
        assert client.get_host().limits.ring_memory_bytes == 3 << 20
        file.write_text("event-ring = 100\n")
        assert reload(daemon)[1].startswith('ring-memory: "3m" -> "')
        assert client.get_host().limits.ring_memory_bytes > 3 << 20


def test_a_wrong_file_changes_nothing_and_is_told(daemon: Daemon, file: Path) -> None:
    file.write_text("max-processes = 1\nmax-calls = many\nlog-level = 5\n")
    code, stdout, stderr = reload(daemon)
    assert (code, stdout) == (1, "")
    assert f"{file}:2: 'max-calls = many' is not TOML" in stderr
    file.write_text('max-processes = 1\nlog-level = 5\nevent-ring = "x"\n')
    code, _, stderr = reload(daemon)
    assert code == 1
    assert f"{file}:2: log-level: 5 is a number; write one of" in stderr
    assert f"{file}:3: event-ring: " in stderr
    file.unlink()
    assert f"{file}: cannot read it: No such file" in reload(daemon)[2]
    with Client(daemon.address) as client:
        assert client.get_host().limits.max_processes == 7


def test_what_does_not_fit_together_changes_nothing(daemon: Daemon, file: Path) -> None:
    file.write_text('max-processes = 1\non-stop = "keep"\nrestore-window = 0\n')
    code, _, stderr = reload(daemon)
    assert code == 1
    assert f"{file}:2: on-stop: keep needs --restore-window" in stderr
    with Client(daemon.address) as client:
        assert client.get_host().limits.max_processes == 7


def test_a_daemon_that_has_no_state_keeps_nothing_before_a_restart(file: Path) -> None:
    file.write_text("restore-window = 0\n")
    with serving("--config", str(file)) as daemon:
        with Client(daemon.address) as client:
            assert not client.get_host().HasField("state_create_time")
        file.write_text('on-stop = "keep"\n')
        assert reload(daemon)[1].splitlines() == [
            'on-stop: "end" -> "keep"; needs a restart',
            'restore-window: "0s" -> "60s"; needs a restart',
        ]
        file.write_text('restore-window = 0\nlog-level = "debug"\n')
        assert reload(daemon)[1] == 'log-level: "info" -> "debug"\n'


def test_a_hang_up_does_the_same_and_logs_it(file: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"

    def await_log(text: str) -> None:
        until(lambda: log.exists() and text in log.read_text(), text, PATIENCE)

    with serving("--config", str(file), "--log-file", str(log)) as daemon:
        file.write_text(BEFORE.replace("7", "3").replace('"info"', '"warning"'))
        daemon.signal(signal.SIGHUP)
        await_log('log-level: "info" -> "warning"')
        with Client(daemon.address) as client:
            assert client.get_host().limits.max_processes == 3
            file.write_text("nonsense\n")
            daemon.signal(signal.SIGHUP)
            await_log("the configuration stays as it was")
            assert client.get_host().limits.max_processes == 3
        assert "'nonsense' is not TOML" in log.read_text()
        assert log.read_text().count("received SIGHUP") == 1  # the second is below the level


def test_a_daemon_without_a_file_says_so() -> None:
    with serving() as daemon:
        code, _, stderr = reload(daemon)
        assert code == 1
        assert "without a configuration file (--config)" in stderr
        with Client(daemon.address) as client, pytest.raises(FailedPreconditionError) as refusal:
            client.reload_configuration()
        assert refusal.value.reason == "CONFIGURATION_UNUSABLE"
