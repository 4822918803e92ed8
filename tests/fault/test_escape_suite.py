"""Every way to get away, and every end: nothing gets away.

All that descends from a process of the table has its stdout, or is named by its first line. So the end of
stdout tells that the last one has gone, whatever it did to its parents, its session, its environment and
its control groups.

Each runs beside a process that was there before, so that whoever has left all behind may be a descendant of
either. If nothing tells which, the kill of a tree fails, names all that is left, and the system ends it.
"""

import contextlib
import os
import re
import signal
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import anyio
import pytest

from hcsd.control_groups import ControlGroups
from hcsd.embedded.provider import EmbeddedProvider
from hcsd.embedded.timings import Timings
from hcsd.hcs.errors import AlreadyStoppedError, HcsError
from hcsd.hcs.host import Host
from hcsd.hcs.system import ComputeSystem
from tests.support.census import ended, holders_of, is_running, until
from tests.support.cgroups import EVERY, groups_left, name_of_group
from tests.support.engines import HASTY
from tests.support.escapes import EVERY_ESCAPE, LEAVES_GROUPS_TOO, NAMELESS, NEEDS_ROOT
from tests.support.guest import Parameters, PosixGuest
from tests.support.running import Running, start

pytestmark = pytest.mark.anyio

DOCUMENT = '{"SchemaVersion":{"Major":2,"Minor":1},"Container":{}}'
KILLS_KEEPER = "what kills its keeper"
PATIENCE = 20.0  # seconds; it takes a fraction of one
SLEEPS = PosixGuest().sleeps()


@pytest.fixture
def groups(request: pytest.FixtureRequest) -> ControlGroups:
    found: ControlGroups = request.param
    return found


@pytest.fixture
def timings() -> Timings:
    return HASTY


@pytest.fixture
def reaps_orphans() -> bool:
    """As the daemon's engine: all that a killed keeper leaves falls to its process."""
    return True


@pytest.fixture(scope="module")
def directory() -> Iterator[Path]:
    """A directory that every user can enter, which those of pytest are not."""
    with tempfile.TemporaryDirectory() as name:
        made = Path(name)
        made.chmod(0o755)
        yield made


@dataclass
class Attempt:
    """A process that tries to get away, in a system of its own, beside another process.

    Attributes:
        name: Of the escape.
        groups: What the engine may use.
        system: The system.
        keeper: Pid of its keeper.
        group: Name of its control groups.
        bystander: The other process.
        it: The process.
        pipe: Its stdout, as /proc calls it.
        named: Those that it has named.
    """

    name: str
    groups: ControlGroups
    system: ComputeSystem
    keeper: int
    group: str
    bystander: Running
    it: Running
    pipe: str
    named: list[int]

    @classmethod
    async def begin(
        cls, name: str, groups: ControlGroups, embedded: EmbeddedProvider, parameters: Parameters
    ) -> "Attempt":
        system = await Host(embedded).create_system("made", DOCUMENT)
        await system.start()
        keeper, group = embedded._systems["made"].keeper_pid, name_of_group(embedded, "made")
        bystander = await start(system, SLEEPS)
        it = await start(system, parameters, "io" if name == KILLS_KEEPER else "o")
        pipe = os.readlink(f"/proc/self/fd/{it.handles[1]}")
        if name == KILLS_KEEPER:
            await it.write(b"go\n")
        named = [int(word) for word in (await it.stdout.line()).split() if word.isdigit()]
        return cls(name, groups, system, keeper, group, bystander, it, pipe, named)

    @property
    def may_be_unclear(self) -> bool:
        """Whether nothing may tell of which process it descends."""
        without = self.groups is ControlGroups.OFF or self.name in LEAVES_GROUPS_TOO
        return self.name in NAMELESS and without

    async def kill_tree(self) -> None:
        try:
            await self.it.process.terminate(tree=True)
        except AlreadyStoppedError:
            if self.name != KILLS_KEEPER:
                raise
        except HcsError as error:
            if not self.may_be_unclear:
                raise
            left = {str(pid) for pid in (*self.named, *holders_of(self.pipe)) if is_running(pid)}
            unnamed = left - set(re.findall(r"\d+", error.text))
            await self.end_system()
            assert left, "an error without a reason"
            assert not unnamed
            return
        await self.nothing_is_left()
        assert self.name == KILLS_KEEPER or is_running(self.bystander.pid)
        await self.end_system()

    async def end_system(self) -> None:
        with contextlib.suppress(AlreadyStoppedError):  # by the program that kills its keeper
            await self.system.terminate()
        await self.system.exited.wait()
        await self.nothing_is_left()

    async def kill_keeper(self) -> None:
        if self.name != KILLS_KEEPER:
            os.kill(self.keeper, signal.SIGKILL)
        await self.system.exited.wait()
        await self.nothing_is_left()

    async def nothing_is_left(self) -> None:
        with anyio.fail_after(PATIENCE):
            assert await self.it.stdout.rest() == b""
            for pid in self.named:
                await ended(pid)

    async def close(self) -> None:
        with anyio.fail_after(PATIENCE):
            for one in (self.it, self.bystander):
                await one.end()
                one.close()
        self.system.close()
        until(lambda: not groups_left({self.group}), "the control groups are removed")


End = Callable[[Attempt], Awaitable[None]]
ENDS: dict[str, End] = {
    "kill of the tree": Attempt.kill_tree,
    "end of the system": Attempt.end_system,
    "death of the keeper": Attempt.kill_keeper,
}


def _cases() -> Iterator[object]:
    """All of them. Those that are not slow have each escape with each end once, and with all groups in turn."""
    for row, name in enumerate(EVERY_ESCAPE):
        for column, end in enumerate(ENDS):
            for number, groups in enumerate(EVERY):
                in_turn = (row + column) % len(EVERY) == number
                marks = [] if in_turn else [pytest.mark.slow]
                yield pytest.param(groups, name, end, marks=marks)


@pytest.mark.parametrize(
    "times", [1, pytest.param(100, marks=[pytest.mark.slow, pytest.mark.timeout(900)])]
)
@pytest.mark.parametrize(("groups", "name", "end"), [*_cases()], indirect=["groups"])
async def test_nothing_gets_away(
    attempts: Callable[[str], Awaitable[Attempt]], name: str, end: str, times: int
) -> None:
    if name in NEEDS_ROOT and os.geteuid():
        pytest.skip("only root can do this")
    for _ in range(times):
        attempt = await attempts(name)
        await ENDS[end](attempt)
        await attempt.close()


@pytest.fixture
def attempts(
    embedded: EmbeddedProvider, groups: ControlGroups, directory: Path
) -> Callable[[str], Awaitable[Attempt]]:
    """Begins an attempt."""
    return lambda name: Attempt.begin(name, groups, embedded, EVERY_ESCAPE[name](directory))
