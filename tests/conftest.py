"""Fixtures for whole engines. None acts unless a test asks for it."""

import asyncio
import functools
import inspect
import signal
import sys
import traceback
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path

import anyio
import pytest
from anyio._backends._asyncio import TestRunner
from hypothesis import HealthCheck, settings

import hcsd
from hcsd.hcs.callbacks import REGISTRY
from hcsd.hcs.host import Host
from hcsd.hcs.system import ComputeSystem
from tests.support.census import Census, children, marked, marking, until
from tests.support.engines import ENGINES, CountingProvider, Engine
from tests.support.guest import Guest, PosixGuest
from tests.support.strict_loop import StrictLoop
from tests.support.traits import fitting

if sys.platform != "win32":
    from blockbuster import blockbuster_ctx

    from tests.support import commands
else:
    from tests.support.waking import WakingPolicy

    asyncio.set_event_loop_policy(WakingPolicy())

# How long an example takes says more of the machine than of the code.
settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("brief", settings.get_profile("suite"), max_examples=40)
settings.load_profile("suite")

# A suite that was started by nohup, or in the background of a shell, inherits that these are ignored,
# and so would every program that it starts.
if sys.platform != "win32":
    for number in (signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


# grpc.aio has one poller for all loops of a process. What it has to say of a call whose loop was closed, it
# tells to the loop of another test, where it is no failure.
_hear = TestRunner._exception_handler


def _hear_own(
    self: TestRunner, loop: asyncio.AbstractEventLoop, context: dict[str, object]
) -> None:
    error = context.get("exception")
    if isinstance(error, RuntimeError) and str(error) == "Event loop is closed":
        frames = traceback.extract_tb(error.__traceback__)
        if any("completion_queue" in frame.filename for frame in frames):
            return
    _hear(self, loop, context)


TestRunner._exception_handler = _hear_own  # type: ignore[method-assign]


_LEFT_OUT = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    if "not slow" in config.getoption("markexpr"):
        settings.load_profile("brief")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    items[:], others, config.stash[_LEFT_OUT] = fitting(items)
    config.hook.pytest_deselected(items=others)


def pytest_report_collectionfinish(config: pytest.Config) -> list[str]:
    return config.stash.get(_LEFT_OUT, [])


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """End an async test on its own loop, some time before pytest-timeout would.

    That raises out of the loop and leaves the test inside, so that the teardown of async fixtures,
    which comes after it in anyio's one task, would wait for ever.
    """
    test = pyfuncitem.obj
    if inspect.iscoroutinefunction(test):
        marker = pyfuncitem.get_closest_marker("timeout")
        config = pyfuncitem.config
        limit = (
            marker.args[0] if marker else config.getoption("timeout") or config.getini("timeout")
        )

        @functools.wraps(test)
        async def bounded(**fixtures: object) -> None:
            with anyio.fail_after(0.75 * float(limit)):
                await test(**fixtures)

        pyfuncitem.obj = bounded
    return (yield)


@pytest.fixture(scope="session", autouse=True)
def no_server_stays() -> Iterator[None]:
    yield
    if sys.platform != "win32":
        commands.stop_server()


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, type[StrictLoop]]]:
    """The daemon's own loop, on which a call from a foreign thread is an error."""
    return "asyncio", {"loop_factory": StrictLoop}


@pytest.fixture
def census() -> Iterator[None]:
    """Everything that the test took from the operating system or the engine was given back."""
    REGISTRY.unregister(REGISTRY.register(lambda _: None))  # whose thread stays for good
    registered = len(REGISTRY)
    if sys.platform == "win32":  # the provider counts what this side cannot see
        yield
        assert len(REGISTRY) == registered
        return
    before, offspring = Census.take(), children()
    with marking() as mark:
        yield
        until(lambda: Census.take() <= before, f"no more descriptors and threads than {before}")
        until(lambda: len(REGISTRY) == registered, "no handler is left")
        until(lambda: children() == offspring, f"no more children than {offspring}, nor zombies")
        assert marked(mark) == []


@pytest.fixture(params=ENGINES, ids=lambda engine: engine.name)
def engine(request: pytest.FixtureRequest) -> Engine:
    """Each provider that there is on this machine."""
    chosen: Engine = request.param
    return chosen


@pytest.fixture
def guest(engine: Engine) -> Guest:
    return engine.guest


@pytest.fixture
def posix(engine: Engine) -> PosixGuest:
    """The guest, for tests about what only a POSIX guest has."""
    assert isinstance(engine.guest, PosixGuest)  # or the test would not have been collected
    return engine.guest


@pytest.fixture
def provider(engine: Engine, census: None) -> Iterator[CountingProvider]:
    """A fresh provider, from which nothing may be left when the test ends."""
    opened = engine.open()
    before = opened.live()
    try:
        yield opened
        until(lambda: opened.live() == before, f"no more of the provider is live than {before}")
    finally:
        opened.close()


@pytest.fixture
def host(provider: CountingProvider) -> Iterator[Host]:
    """An engine over the provider, which may not block the event loop."""
    over = Host(provider)
    if sys.platform == "win32":  # calls are made on threads
        yield over
    else:
        # It watches the first folder of a namespace package only, which has to be the daemon's.
        assert Path(hcsd.__path__[0], "hcs").is_dir()
        with blockbuster_ctx("hcsd") as watch:
            # A close waits for a callback that is under way, which does no more than post.
            acquire = watch.functions["threading.Lock.acquire"]
            acquire.can_block_in("hcsd/embedded/handle.py", {"close"})
            # What the kernel tells of a process is in memory.
            read = watch.functions["io.BufferedReader.read"]
            read.can_block_in("hcsd/embedded/keeper/procfs.py", {"look_at"})
            # A commit of the journal waits for no disk.
            for name, function in watch.functions.items():
                if name.startswith("sqlite3."):
                    function.can_block_in("hcsd/daemon/state/database.py", {"commit"})
            yield over
    over.close()


@pytest.fixture
async def system(host: Host, engine: Engine) -> AsyncIterator[ComputeSystem]:
    """The running system that every provider of the suite has."""
    opened = await host.open_system(engine.system_id)
    yield opened
    opened.close()
