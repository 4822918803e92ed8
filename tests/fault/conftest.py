"""The engines that faults happen to: the embedded one, and one over a scripted provider.

A file that wants the embedded engine otherwise says so by a fixture `groups`, `timings` or
`reaps_orphans` of its own.
"""

import fcntl
import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hcsd.control_groups import ControlGroups
from hcsd.embedded.keeper.kernel import PR_SET_CHILD_SUBREAPER, prctl
from hcsd.embedded.provider import EmbeddedProvider
from hcsd.embedded.timings import DEFAULT_TIMINGS, Timings
from hcsd.hcs.host import Host
from tests.support.census import until
from tests.support.cgroups import groups_left, name_of_group
from tests.support.engines import embedded_provider
from tests.support.scripted import ScriptedProvider


def used(provider: ScriptedProvider) -> Iterator[ScriptedProvider]:
    yield provider
    until(lambda: not any(provider.live().values()), f"nothing is live of {provider.live()}")
    assert provider.misuse == []


@pytest.fixture(params=[False, True], ids=["on the loop", "in lanes"])
def scripted(request: pytest.FixtureRequest, census: None) -> Iterator[ScriptedProvider]:
    """A provider that nothing may be left of, whether its calls may block or not."""
    yield from used(ScriptedProvider(blocking=request.param))


@pytest.fixture
def direct(census: None) -> Iterator[ScriptedProvider]:
    """One whose calls are made on the loop."""
    yield from used(ScriptedProvider())


@pytest.fixture
def blocking(census: None) -> Iterator[ScriptedProvider]:
    """One whose calls may block."""
    yield from used(ScriptedProvider(blocking=True))


@pytest.fixture
def groups() -> ControlGroups:
    return ControlGroups.AUTO


@pytest.fixture
def timings() -> Timings:
    return DEFAULT_TIMINGS


@pytest.fixture
def reaps_orphans() -> bool:
    return False


@pytest.fixture
def embedded(
    census: None, groups: ControlGroups, timings: Timings, *, reaps_orphans: bool
) -> Iterator[EmbeddedProvider]:
    """The embedded engine, of which nothing may be left when the test ends."""
    provider = embedded_provider(timings=timings, groups=groups, reaps_orphans=reaps_orphans)
    name = name_of_group(provider, "host")
    yield provider
    provider.close()
    if reaps_orphans:
        prctl(PR_SET_CHILD_SUBREAPER, 0)
    until(lambda: not any(provider.live().values()), f"nothing is live of {provider.live()}")
    assert not groups_left({name})


@pytest.fixture
def host(embedded: EmbeddedProvider) -> Host:
    return Host(embedded)


@pytest.fixture
def leased() -> Iterator[str]:
    """A program that cannot be loaded while the fixture lasts."""
    before = signal.signal(signal.SIGIO, lambda _number, _frame: None)
    with tempfile.TemporaryDirectory() as name:
        program = Path(name) / "program"
        program.write_bytes(Path("/bin/true").read_bytes())
        program.chmod(0o755)
        descriptor = os.open(program, os.O_RDWR)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        yield str(program)
        os.close(descriptor)
    signal.signal(signal.SIGIO, before)
