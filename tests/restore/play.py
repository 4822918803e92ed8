"""A story from its first daemon to the last: loads, a watcher, and who kills.

    done = await play(here, seed=7, kills=6)

A kill is a SIGKILL at a moment by chance, also while a daemon restores or before it is ready, or one by a
failpoint. Without kills the same loads run for a while over one daemon.
"""

from __future__ import annotations

import functools
import signal
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

import anyio
import anyio.to_thread

from hcsd_client import CallError
from tests.restore.loads import LOADS, Load
from tests.support.census import descriptors_of, ended
from tests.support.chaos import BrokenPromiseError, Model, Story, persist
from tests.support.restarts import Place, becomes_ready

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection


T = TypeVar("T")

OPTIONS = ("--exited-retention", "2s", "--event-ring", "100000")
LONGEST = 0.7  # seconds between two kills
END_SECONDS = 40.0  # for what is over to come to its end; bounds a hang
# Places, and up to which pass.
FAILPOINTS = {
    "create.intent": 4,
    "create.asked": 4,
    "journal.commit": 40,
    "journal.committed": 40,
    "splice": 300,
    "restore": 1,
    "restore.process": 5,
}


@dataclass
class Played:
    """What has happened.

    Attributes:
        kills: How many, and of which kind.
        events: How many the watcher saw.
        loads: What each load counts: rounds, or bytes.
    """

    kills: dict[str, int]
    events: int
    loads: dict[str, int]


async def play(
    here: Place,
    *,
    seed: int,
    kills: int = 0,
    seconds: float = 1.0,
    loads: Collection[str] = tuple(LOADS),
    failpoints: bool = True,
) -> Played:
    """Play a story.

    Args:
        here: Where; nothing was started there.
        seed: Of all that is chosen.
        kills: How many daemons to kill.
        seconds: How long the loads run if none is killed.
        loads: Which of LOADS.
        failpoints: Kill at failpoints, too.

    Raises:
        BrokenPromiseError: What the daemon has broken.
    """
    return await _Play(here, seed, loads, failpoints=failpoints).run(kills, seconds)


class _Play:
    def __init__(self, here: Place, seed: int, loads: Collection[str], *, failpoints: bool) -> None:
        self.here = here
        self.story = Story(here, seed)
        self.loads: list[Load] = [
            LOADS[name][0](self.story, number) for name in loads for number in range(LOADS[name][1])
        ]
        self.kills: dict[str, int] = {}
        self._chance = self.story.chance("kills")
        self._failpoints = failpoints

    async def run(self, kills: int, seconds: float) -> Played:
        story = self.story
        try:
            await _blocking(functools.partial(self.here.start, *OPTIONS))
            async with story.client:
                if kills:  # what a daemon has more that took over from another is there, too
                    await self._warm_up()
                    await _blocking(self.here.kill)
                    await _blocking(functools.partial(self.here.start, *OPTIONS))
                await self._warm_up()
                base = self._held()
                await story.look_after_restart()
                await self._act(kills, seconds)
                await self._look_back()
            await self._nothing_left(base)
        except BaseExceptionGroup as group:
            raise _first(group) from group
        await _blocking(self._stop)
        counts = {load.name: load.rounds for load in self.loads}
        return Played(self.kills, story.model.revision, counts)

    async def _act(self, kills: int, seconds: float) -> None:
        """Everything that happens while daemons are killed, up to its end."""
        story = self.story
        bound = seconds + END_SECONDS + kills * (LONGEST + 5)
        async with anyio.create_task_group() as watching:
            watching.start_soon(self._guarded, "watcher", self._watch)
            with anyio.move_on_after(bound) as scope:
                async with anyio.create_task_group() as running:
                    for load in self.loads:
                        running.start_soon(self._guarded, load.name, load.run)
                    await self._guarded("killer", functools.partial(self._kill, kills, seconds))
                    story.over.set()
                await self._all_gone()
            if scope.cancelled_caught:
                self.here.daemon.signal(signal.SIGUSR1)  # its log tells what it is doing
                await anyio.sleep(1)
                story.violated(f"not done in {bound:.0f} s; {self._doing()}")
            watching.cancel_scope.cancel()

    async def _guarded(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        """Run a part; what it fails of is a violation, with its place in the story."""
        try:
            await run()
        except CallError as error:
            doing = self.story.doing.get(name, "")
            kind = type(error).__name__
            self.story.violated(f"{name}, which {doing}, failed: {kind}: {error}")
        except BaseExceptionGroup as group:
            first = _first(group)
            if isinstance(first, BrokenPromiseError) or not isinstance(first, Exception):
                raise
            doing = self.story.doing.get(name, "")
            kind = type(first).__name__
            self.story.violated(f"{name}, which {doing}, failed: {kind}: {first}")
        else:
            self.story.doing[name] = "is done"

    async def _watch(self) -> None:
        model = self.story.model
        async for item in self.story.client.watch_events(after_revision=0):
            if item.HasField("event"):
                model.event(item.event)
                self.story.doing["watcher"] = f"watches after {model.revision}"
            elif item.HasField("bookmark"):
                model.saw(item.bookmark.revision, item.bookmark.incarnation)

    # --- kills ---

    async def _kill(self, kills: int, seconds: float) -> None:
        """Kill daemons, or let the time pass in which none is killed."""
        if not kills:
            await anyio.sleep(seconds)
            while idle := [load.name for load in self.loads if not load.rounds]:
                self.story.doing["killer"] = f"waits until {idle} have done something"
                await anyio.sleep(0.01)  # they count, and tell nobody
            return
        armed = ""
        while self.story.kills < kills:
            daemon = self.here.daemon
            with anyio.move_on_after(self._chance.uniform(0, LONGEST)):
                await ended(daemon.pid)
                if not armed:
                    self.story.violated(f"the daemon ended by itself; its log:\n{daemon.log}")
            await self._end("failpoint" if "at failpoint" in daemon.log else "any moment")
            armed = await self._restart(kills)
            self.story.doing["killer"] = "looks after a restart"
            await self._look_while_it_lives()

    async def _look_while_it_lives(self) -> None:
        """Look at what a new daemon shows, unless it dies at a failpoint meanwhile."""
        async with anyio.create_task_group() as looking:

            async def give_up() -> None:
                await ended(self.here.daemon.pid)
                looking.cancel_scope.cancel()

            looking.start_soon(give_up)
            await self.story.look_after_restart()
            looking.cancel_scope.cancel()

    async def _end(self, kind: str) -> None:
        await _blocking(self.here.kill)
        self.story.kills += 1
        self.kills[kind] = self.kills.get(kind, 0) + 1
        self.story.doing["killer"] = f"has made kill {self.story.kills}, at {kind}"

    async def _restart(self, kills: int) -> str:
        """Start a daemon until one is ready; return where it is to die, which may be nowhere."""
        while True:
            armed = self._arm() if self.story.kills < kills else ""
            daemon = await _blocking(
                functools.partial(self.here.launch, *OPTIONS, failpoints=armed)
            )
            if self.story.kills < kills and self._chance.random() < 0.15:
                await anyio.sleep(self._chance.uniform(0, 0.3))
                await self._end("before it was ready")
                continue
            if await _blocking(functools.partial(becomes_ready, daemon)):
                return armed
            if not armed:
                self.story.violated(f"the new daemon is not ready; its log:\n{daemon.log}")
            await self._end("failpoint")

    def _arm(self) -> str:
        if not self._failpoints or self._chance.random() < 0.5:
            return ""
        name = self._chance.choice(list(FAILPOINTS))
        return f"{name}={self._chance.randint(1, FAILPOINTS[name])}"

    # --- the end ---

    async def _all_gone(self) -> None:
        """The watcher has seen the end of all that has run."""
        records = self.story.model.records.values()
        while left := [record.id for record in records if not record.gone]:
            self.story.doing["end"] = f"waits for the watcher to see {left} deleted"
            await anyio.sleep(0.01)  # what comes is noted in the model
        for record in records:
            self.story.check(record.ended, "no exit was told of it", process=record.id)
            times = self.story.times_run(record)
            self.story.check(times == 1, f"its command has begun {times} times", process=record.id)

    async def _look_back(self) -> None:
        """Another watcher is told the same story."""
        model = self.story.model
        again = Model(self.story.violated)
        again.records = {name: replace(each, events={}) for name, each in model.records.items()}
        async for item in self.story.client.watch_events(after_revision=0):
            if item.HasField("event"):
                again.event(item.event)
            if again.revision >= model.revision:
                break
        told = zip(model.history, again.history, strict=False)
        for before, now in told:
            if before != now:
                what = f"told as {before} when it happened, and now as {now}"
                self.story.violated(what, revision=before[0])

    def _held(self) -> dict[str, int]:
        """What a daemon has of the host."""
        keepers = len(self.here.keepers())
        return {
            "descriptors": descriptors_of(self.here.daemon.pid),
            "keepers": keepers,
            "processes": len(self.here.processes()),
            "files of streams": len(self.here.files("streams")),
            "files of the engine": len(self.here.files("engine")),
        }

    async def _warm_up(self) -> None:
        """Have the daemon make what it makes once."""
        client = self.story.client
        done = await persist(lambda: client.exec(["true"]))
        await persist(lambda: client.delete_process(done.name, allow_missing=True))

    async def _nothing_left(self, base: dict[str, int]) -> None:
        """The last daemon has no more than the first one had before."""
        bound = END_SECONDS
        with anyio.move_on_after(bound):
            while any(count > base[name] for name, count in self._held().items()):  # noqa: ASYNC110
                await anyio.sleep(0.05)  # the kernel does not tell
            return
        now = {name: count for name, count in self._held().items() if count > base[name]}
        files = f"; {self.here.files('streams')} {self.here.files('engine')}"
        self.story.violated(f"there was {base}, and {now} is left{files}")

    def _stop(self) -> None:
        self.here.stop()
        self.here.assert_nothing_runs()
        if left := [name for name in self.here.files() if name != "lock"]:
            self.story.violated(f"a daemon that was stopped leaves files: {left}")

    def _doing(self) -> str:
        parts = [f"{name} {what}" for name, what in self.story.doing.items() if what != "is done"]
        return "; ".join(parts)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return what matters most: a violation, or else what came first."""
    leaves = [
        _first(error) if isinstance(error, BaseExceptionGroup) else error
        for error in group.exceptions
    ]
    return next((leaf for leaf in leaves if isinstance(leaf, BrokenPromiseError)), leaves[0])


async def _blocking(call: Callable[[], T]) -> T:
    return await anyio.to_thread.run_sync(call)
