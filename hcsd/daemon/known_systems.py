"""The compute systems that the daemon knows, by their ids, and what their lives change around them.

How a system comes to be known: `hcsd.daemon.systems`. Its life: `hcsd.daemon.system_life`.

A step of a life, such as a pause, goes on to its end in the background, whoever waits:

    asked of HCS ──done──▶ its trigger, so watchers are told ──▶ the caller is answered
              └──refused──▶ the caller is answered, and nobody else is told

Thread: the event loop's. No locks: what must be atomic has no await in it.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from typing import TYPE_CHECKING

import anyio

from hcsd.abi.extensions import EVENT_OUT_OF_MEMORY
from hcsd.abi.types import HCS_EVENT_TYPE
from hcsd.daemon.events import SystemEventKind
from hcsd.daemon.idempotency import Idempotency
from hcsd.daemon.record_memory import RecordMemory
from hcsd.daemon.retention import Retention
from hcsd.daemon.shorten import whole_or_nothing
from hcsd.daemon.state.errors import JournalError
from hcsd.daemon.state.rows import SavedSystem
from hcsd.daemon.system import System, SystemView
from hcsd.daemon.system_errors import stopped
from hcsd.daemon.system_life import Effect, Trigger
from hcsd.hcs.errors import GONE, HandleClosedError, HcsError, ServiceDisconnectedError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

    from hcsd.daemon.background import Background
    from hcsd.daemon.event_log import EventLog
    from hcsd.daemon.settings import Limits
    from hcsd.daemon.state.state import State
    from hcsd.hcs.host import Host
    from hcsd.hcs.latch import Latch
    from hcsd.hcs.schema import SystemProperties
    from hcsd.hcs.system import SystemEvent

# What watchers are told at an effect, and the state that the system is in then, by HCS's names; ""
# leaves it as it was. HCS has no name for a system that shuts down: it runs.
PUBLISHED = {
    Effect.PUBLISH_CREATED: (SystemEventKind.CREATED, "Created"),
    Effect.PUBLISH_STARTED: (SystemEventKind.STARTED, "Running"),
    Effect.PUBLISH_PAUSED: (SystemEventKind.PAUSED, "Paused"),
    Effect.PUBLISH_RESUMED: (SystemEventKind.RESUMED, "Running"),
    Effect.PUBLISH_SHUTTING_DOWN: (SystemEventKind.SHUTTING_DOWN, "Running"),
    Effect.PUBLISH_OUT_OF_MEMORY: (SystemEventKind.OUT_OF_MEMORY, ""),
    Effect.PUBLISH_EXITED: (SystemEventKind.EXITED, "Stopped"),
    Effect.PUBLISH_FORGOTTEN: (SystemEventKind.FORGOTTEN, ""),
}
LAST = (Effect.PUBLISH_EXITED, Effect.PUBLISH_FORGOTTEN)


class KnownSystems:
    """Compute systems by their ids.

    Args:
        host: The engine.
        limits: Limits in force.
        background: Where work goes that must finish, whoever waits.
        events: Where what happens is published.
        state: What outlives the daemon.

    Attributes:
        host: As given.
        records: The memory for records, those of processes included.
        ends_inside: Returns a latch for each process of a system, set when its end is known.
            `KnownProcesses` assigns this. Watchers learn of the end of a system after all of these.
    """

    def __init__(
        self,
        host: Host,
        limits: Limits,
        background: Background,
        events: EventLog,
        state: State,
    ) -> None:
        self.host = host
        self.ends_inside: Callable[[str], Sequence[Latch[bool]]] = lambda _: ()
        self._limits = limits
        self._background = background
        self._events = events
        self._journal = state.journal
        self._known: dict[str, System] = {}
        self._idempotency: Idempotency[System] = Idempotency(background)
        self._kept: Retention[System] = Retention(
            lambda: limits.exited_retention, lambda: limits.max_exited, forget=System.drop
        )
        self.records = RecordMemory(lambda: limits.record_memory_bytes)
        self.records.kept.append(self._kept)
        # Systems of others that nobody uses, each with the timer that drops it.
        self._idle: dict[System, asyncio.TimerHandle] = {}
        self._stopping = False

    def __iter__(self) -> Iterator[System]:
        """Iterate over the systems that are known."""
        return iter(list(self._known.values()))

    def view(self, properties: SystemProperties) -> SystemView:
        """Return a system that HCS describes, with what the daemon knows of it."""
        known = self._known.get(properties.id)
        if known is not None and known.properties.runtime_id != properties.runtime_id:
            known = None
        return self._view(properties, known)

    def _view(self, properties: SystemProperties, known: System | None) -> SystemView:
        is_vm = properties.system_type == "VirtualMachine"
        return SystemView(
            properties=properties,
            limits=properties.limits or (known.limits if known else None),
            create_time=known.create_time if known else None,
            exit=known.exit if known else None,
            kills_trees=self.host.kills_trees,
            pauses=is_vm or self.host.pauses_containers,
        )

    async def step(
        self, system: System, trigger: Trigger, work: Callable[[], Awaitable[bool | None]]
    ) -> None:
        """Ask HCS for a step of a life, and tell watchers once it is taken.

        Args:
            system: Whose.
            trigger: Which step.
            work: Asks HCS; False if there was nothing left to ask. It goes on if the caller is
                cancelled.

        Raises:
            HcsError: HCS refused it; watchers are told nothing.
        """

        async def run() -> None:
            with system.in_use(), system.stepping():
                try:
                    taken = await work()
                except HandleClosedError as error:  # it ended meanwhile
                    raise stopped(system.id) from error
                if taken is not False:
                    system.transition(trigger)

        await self._background.run(run, f"{trigger.value} {system.name}")

    async def refresh(self, system: System) -> None:
        """Ask HCS what a system is now, unless it has ended.

        Raises:
            HcsError: HCS could not tell.
        """
        if system.ended:
            return
        try:
            system.properties = await system.engine.properties()
        except (*GONE, HandleClosedError):  # the engine gives its event some time, and not more
            await system.engine.exited.wait()

    def look_after(self, system: System, error: HcsError) -> None:
        """Find out what has become of a system in which no process could be created."""
        if isinstance(error, ServiceDisconnectedError):
            system.engine.drop()
        elif isinstance(error, GONE):
            self._background.start(system.engine.confirm, f"look after {system.name}")

    # --- what HCS tells of them, and what their lives change around them ---

    def _add(self, system: System, *, started: bool = False) -> None:
        self._enter(system)
        system.begin(started=started)

    def _enter(self, system: System) -> None:
        before = self._known.get(system.id)
        if before is not None:
            before.drop()
        self._known[system.id] = system
        system.engine.observe(lambda event: self._on_event(system, event))

    def _on_event(self, system: System, event: SystemEvent) -> None:
        """Publish an event, but for the exit: HCS may fail to tell of it, so the engine's counts."""
        if event.value == HCS_EVENT_TYPE.HcsEventSystemExited:
            system.exit_document = whole_or_nothing(event.document or "")
        elif event.value == EVENT_OUT_OF_MEMORY:
            system.transition(Trigger.OUT_OF_MEMORY)
        else:
            self._events.publish_system(system.id, event.value, event.document or "")

    def do(self, effect: Effect, system: System) -> None:
        """Carry out an effect of a system that concerns more than the system."""
        match effect:
            case Effect.START_IDLING:
                self._idle[system] = asyncio.get_running_loop().call_later(
                    self._limits.idle_system_time, system.drop
                )
            case Effect.STOP_IDLING:
                timer = self._idle.pop(system, None)
                if timer is not None:
                    timer.cancel()
            case Effect.AWAIT_INSIDE:
                self._await_inside(system)
            case Effect.FORGET:
                self._kept.drop(system)
                self.records.give_back(system)
                if self._known.get(system.id) is system:
                    del self._known[system.id]
                    self._idempotency.forget(system.request.id)
                    self._journal.remove_system(system.id)
            case Effect.KEEP:
                self._kept.keep(system, system.age)
                self.records.settle(system, system.weight)
            case Effect.CLOSE:
                system.engine.close()
            case _:
                self._publish(effect, system)

    def save(self, system: System) -> None:
        """Write down what has changed of a system that the daemon has created."""
        if system.create_time is not None and self._known.get(system.id) is system:
            self._journal.put_system(
                SavedSystem(
                    id=system.id,
                    runtime_id=system.properties.runtime_id,
                    create_time=system.create_time,
                    request=system.request,
                    limits=system.limits,
                    properties=system.properties,
                    life=system.life,
                    exit=system.exit,
                )
            )

    def _publish(self, effect: Effect, system: System) -> None:
        """Publish a step, with the system as it was right after, although more may have happened."""
        kind, state = PUBLISHED[effect]
        if state:
            system.properties = dataclasses.replace(system.properties, state=state)
        view = self._view(system.properties, system)
        if effect not in LAST:
            view = dataclasses.replace(view, exit=None)
        if effect is Effect.PUBLISH_EXITED:  # one event with that of HCS
            value = int(HCS_EVENT_TYPE.HcsEventSystemExited)
            self._events.publish_step(view, kind, value, system.exit_document)
            system.exit_document = ""
        else:
            self._events.publish_step(view, kind)

    def _await_inside(self, system: System) -> None:
        """Let the end of a system be told after those of its processes, and after its steps."""
        inside = self.ends_inside(system.id)
        steps = list(system.steps)

        async def tell() -> None:
            for ended in inside:
                await ended.wait()
            # HCS may never answer a step of a system that is gone.
            with anyio.move_on_after(self.host.operations.timings.exit_event_grace):
                for answered in steps:
                    await answered.wait()
            system.transition(Trigger.TOLD)

        if not self._stopping:  # else there is no watcher any more, and soon no place to wait
            self._background.start(tell, f"exit of {system.name}")

    def stop(self) -> None:
        """Create no more, and publish no more ends: the daemon is stopping."""
        self._stopping = True

    async def written(self) -> None:
        """Return once all that was to be written down is, or cannot be."""
        with contextlib.suppress(JournalError):
            await self._journal.written()

    def hold(self, seconds: float) -> None:
        """Forget nothing for a while, since nobody could ask."""
        self._kept.hold(seconds)

    def leave(self) -> None:
        """Leave every system to the next run of the daemon, and close all handles."""
        self.stop()
        for system in self:
            system.engine.leave()

    def close(self) -> None:
        """Close all handles. A system that was made to end with its last one ends now."""
        self.stop()
        for system in self:
            system.drop()
