"""A daemon in the Windows Python under Wine, and clients of it on Linux."""

import signal
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.integration.conftest import assert_calm, daemon
from tests.integration.wire import Client, connected
from tests.support.daemon import Daemon, started
from tests.support.tls import credentials_for
from tests.windows.wine import Wine, windows_path

__all__ = ["daemon"]  # a fixture here too, of the daemon that is shared here


@pytest.fixture(scope="session")
def wine() -> Iterator[Wine]:
    with Wine() as opened:
        yield opened


@pytest.fixture(scope="session")
def shared(wine: Wine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """One daemon for all tests; ended by Ctrl-C, which is what Wine passes on."""
    directory = tmp_path_factory.mktemp("daemon")
    options = ["--listen", "127.0.0.1:0", "--token-file", windows_path(directory / "token")]
    command = wine.python_command("-P", "-m", "hcsd", "serve")
    daemon = started(options, wine.environment, directory, command=command)
    try:
        daemon.await_ready(60)  # a Windows Python starts slowly, the more so on a busy machine
        yield daemon
        assert_calm(daemon.log)
    finally:
        daemon.stop(signal.SIGINT)


@pytest.fixture
async def client(daemon: Daemon) -> AsyncIterator[Client]:
    async with connected(daemon.address, credentials_for(daemon)) as client:
        yield client
        await client.tidy()
