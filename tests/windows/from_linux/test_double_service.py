"""A daemon of the Windows Python that shares its service with others, from Linux."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.wire import connected
from tests.support.daemon import Daemon, started
from tests.support.tls import credentials_for
from tests.windows import places
from tests.windows.double_service import DoubleService
from tests.windows.from_linux.test_daemon import guest
from tests.windows.wine import Wine, windows_path

STARTS_IN = 60.0  # seconds; a start under Wine takes 2 s, on a busy machine much longer


@pytest.fixture
def service(wine: Wine) -> Iterator[DoubleService]:
    command = wine.command(places.SYSTEM32 / places.SERVICE.name)
    with DoubleService("from-linux", command, wine.environment) as started:
        yield started


def start_daemon(wine: Wine, service: DoubleService, directory: Path) -> Daemon:
    directory.mkdir()
    options = ["--listen", "127.0.0.1:0", "--token-file", windows_path(directory / "token")]
    command = wine.python_command("-P", "-m", "hcsd", "serve")
    environment = wine.environment | service.variable
    daemon = started(options, environment, directory, command=command)
    daemon.await_ready(STARTS_IN)
    return daemon


async def test_a_process_outlives_a_daemon_that_is_killed_and_one_that_ends_leaves_nothing(
    wine: Wine, service: DoubleService, tmp_path: Path
) -> None:
    killed = start_daemon(wine, service, tmp_path / "killed")
    async with connected(killed.address, credentials_for(killed)) as client:
        await client.create(guest("sleep"))
        assert service.counts()["running"] == 1
        killed.kill()
    service.await_idle()
    counts = service.counts()
    assert (counts["running"], counts["systems"], counts["processes"]) == (1, 0, 0)
    ended = start_daemon(wine, service, tmp_path / "ended")
    async with connected(ended.address, credentials_for(ended)) as client:
        assert (await (await client.run(guest("print", "out", "err"))).finish()).stdout == b"out"
        ended.stop(signal.SIGINT)
    service.await_idle()
    first, second = service.left()
    assert not first["orderly"]
    assert second["orderly"]
    assert not any(
        second[name] for name in ("operations", "systems", "processes", "strings", "pipes")
    )
    service.stop()
