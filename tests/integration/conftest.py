"""Daemons to talk to, and the talk. None starts unless a test asks for it."""

import logging
import re
import signal
from collections.abc import AsyncIterator, Iterator
from typing import Protocol

import pytest
import typer
from typer.testing import CliRunner

from hcsd.cli.commands.serve import serve
from hcsd.cli.daemon_signals import ANSWERS
from tests.integration.wire import Client, connected
from tests.support.daemon import FORGETFUL, READY, Daemon, serving

# A level of the log that only the daemon's own faults may have, or a traceback of whatever origin.
FAULT = re.compile(r"\[(?:error|critical) *\]|Traceback|^(?:ERROR|CRITICAL)\b", re.MULTILINE)


def assert_calm(log: str) -> None:
    """Nothing in what a daemon has printed says that the daemon itself went wrong."""
    found = FAULT.search(log)
    if found:
        pytest.fail(f"the daemon logged a fault of its own:\n{log[max(0, found.start() - 500) :]}")


@pytest.fixture(scope="package", autouse=True)
async def one_loop(anyio_backend: object) -> AsyncIterator[None]:
    """One event loop for all tests here.

    The thread of grpc.aio that polls is the whole process's: what becomes of a call after its loop
    was closed, it tells to the loop of the next test, which fails for it.
    """
    yield  # noqa: PT022  (the loop lives as long as the fixture)


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """One daemon for all tests that leave it as it was. Its configuration file is empty."""
    file = tmp_path_factory.mktemp("shared") / "hcsd.toml"
    file.touch()
    with serving("--config", str(file)) as daemon:
        yield daemon
    assert_calm(daemon.log)


@pytest.fixture
def daemon(shared: Daemon) -> Iterator[Daemon]:
    """The shared daemon, which must be as calm after the test as it was before."""
    before = len(shared.log)
    yield shared
    assert_calm(shared.log[before:])


@pytest.fixture
def forgetful_daemon() -> Iterator[Daemon]:
    """A daemon for this test alone, which may kill it: nothing outlives it."""
    with serving(*FORGETFUL) as daemon:
        yield daemon
    assert_calm(daemon.log)


@pytest.fixture
def own_daemon() -> Iterator[Daemon]:
    """A daemon for this test alone, which may end it."""
    with serving() as daemon:
        yield daemon
    assert_calm(daemon.log)


@pytest.fixture
async def client(daemon: Daemon) -> AsyncIterator[Client]:
    """A client of the shared daemon, on a connection of its own; what it makes is removed."""
    async with connected(daemon.address) as client:
        yield client
        await client.tidy()


@pytest.fixture
async def own_client(own_daemon: Daemon) -> AsyncIterator[Client]:
    """A client of the test's own daemon."""
    async with connected(own_daemon.address) as client:
        yield client


class RefusedHere(Protocol):
    """Runs `hcsd serve` in this process; returns what it says as it refuses."""

    def __call__(self, *options: str, **environment: str) -> str: ...


@pytest.fixture
def refused_here() -> Iterator[RefusedHere]:
    """For what `hcsd serve` refuses before anything is started; quicker than a process for it."""
    app = typer.Typer()
    app.command()(serve)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    signals = {number: signal.getsignal(number) for number in ANSWERS}

    def run(*options: str, **environment: str) -> str:
        plain = {"COLUMNS": "1000", "TERM": "dumb"}
        result = CliRunner().invoke(app, options, env=plain | environment)
        assert result.exit_code != 0
        assert result.exception is None or isinstance(result.exception, SystemExit)
        assert READY not in result.output
        return " ".join(result.output.split())

    yield run
    root.handlers[:] = handlers
    root.setLevel(level)
    for number, handler in signals.items():
        signal.signal(number, handler)
