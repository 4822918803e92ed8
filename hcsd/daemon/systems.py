"""The compute systems that the daemon knows, its own and those that others made.

    create ──▶ HCS makes it ──▶ known ──▶ has ended ──▶ kept for a while ──▶ forgotten
    find   ──▶ opened at its first use ─┘   └──nobody uses it, and others made it──▶ forgotten

Thread: the event loop's. No locks: what must be atomic has no await in it.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

from hcsd.abi.hresult import HR
from hcsd.abi.types import HCS_EVENT_TYPE
from hcsd.daemon.errors import LimitError, StoppingError
from hcsd.daemon.guests import Guest
from hcsd.daemon.idempotency import Idempotency
from hcsd.daemon.names import new_ulid
from hcsd.daemon.retention import Retention
from hcsd.daemon.system import System, SystemView
from hcsd.daemon.system_errors import about, failure, stopped
from hcsd.daemon.system_life import Effect
from hcsd.hcs.errors import (
    AlreadyStoppedError,
    HandleClosedError,
    HcsError,
    ServiceDisconnectedError,
    SystemAlreadyExistsError,
    SystemNotFoundError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from hcsd.daemon.background import Background
    from hcsd.daemon.event_log import EventLog
    from hcsd.daemon.settings import Limits
    from hcsd.daemon.system import SystemRequest
    from hcsd.hcs.host import Host
    from hcsd.hcs.latch import Latch
    from hcsd.hcs.schema import SystemProperties
    from hcsd.hcs.system import ComputeSystem, SystemEvent

GONE = (AlreadyStoppedError, SystemNotFoundError)


class Systems:
    """Compute systems by their ids.

    Args:
        host: The engine.
        limits: Limits in force.
        background: Where work goes that must finish, whoever waits.
        events: Where what happens is published.

    Attributes:
        host: As given.
        ends_inside: Returns a latch for each process of a system, set when its end is known.
            `KnownProcesses` assigns this. Watchers learn of the end of a system after all of these.
    """

    def __init__(
        self, host: Host, limits: Limits, background: Background, events: EventLog
    ) -> None:
        self.host = host
        self.ends_inside: Callable[[str], Sequence[Latch[bool]]] = lambda _: ()
        self._limits = limits
        self._background = background
        self._events = events
        self._known: dict[str, System] = {}
        self._creating: set[str] = set()
        self._idempotency: Idempotency[System] = Idempotency(background)
        self._kept: Retention[System] = Retention(
            limits.exited_retention, limits.max_exited, forget=System.drop
        )
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
        is_vm = properties.system_type == "VirtualMachine"
        return SystemView(
            properties=properties,
            create_time=known.create_time if known else None,
            exit=known.exit if known else None,
            kills_trees=self.host.kills_trees,
            pauses=is_vm or self.host.pauses_containers,
        )

    async def find(self, system_id: str) -> System:
        """Return a system, opening it at its first use, and again when it was lost.

        A caller that does more than read what is known enters `System.in_use` at once, before any
        await.

        Raises:
            RequestError: There is none, and the daemon remembers none that has ended.
            HcsError: It cannot be opened.
        """
        known = self._known.get(system_id)
        try:
            if known is None or known.ended:
                return await self._open(system_id)
            with known.in_use():
                await known.engine.reopen()
        except SystemNotFoundError as error:
            if known is None:
                raise failure(error, system_id) from error
            await known.engine.exited.wait()  # if not before, it went with the service
        return known

    async def open(self, system_id: str) -> System:
        """Return a system in which something is to be done; otherwise as `find`.

        Raises:
            AlreadyStoppedError: It has ended.
        """
        found = await self.find(system_id)
        if found.ended:
            raise stopped(system_id)
        return found

    async def _open(self, system_id: str) -> System:
        if system_id in self._creating:  # it is nobody's before it is complete
            raise SystemNotFoundError(HR.SYSTEM_NOT_FOUND, "", subject=f"open system '{system_id}'")
        engine = await self.host.open_system(system_id)
        try:
            system = await self._describe(engine)
        except BaseException:
            engine.close()
            raise
        known = self._known.get(system_id)
        if known is not None:
            same = known.properties.runtime_id == system.properties.runtime_id
            if not known.ended or same:  # somebody else was opening it, too; or it has ended
                engine.close()
                return known
        self._add(system)
        return system

    async def create(self, request: SystemRequest) -> tuple[System, bool]:
        """Create a system, or find the one that the same request has created.

        Returns:
            The system, and whether it was there before.

        Raises:
            RequestError: It was not created.
            HcsError: HCS could not say so.
        """
        work, replayed = self._idempotency.start(
            request.key, lambda: self._create(request), f"create system {request.system_id}"
        )
        return await work.result(), replayed

    async def _create(self, request: SystemRequest) -> System:
        if self._stopping:
            raise StoppingError
        system_id = request.system_id or new_ulid()
        self._require_room()
        with about(system_id):
            if system_id in self._creating:
                raise SystemAlreadyExistsError(
                    HR.SYSTEM_ALREADY_EXISTS,
                    "",
                    subject=f"create compute system '{system_id}'",
                    text="it is being created already",
                )
            self._creating.add(system_id)
            try:
                system = await self._make(system_id, request)
            finally:
                self._creating.discard(system_id)
        self._add(system)
        return system

    async def _make(self, system_id: str, request: SystemRequest) -> System:
        created = time.time_ns()
        engine = await self.host.create_system(system_id, request.configuration)
        try:
            if request.start:
                await engine.start()
            return await self._describe(engine, request.key.id, created)
        except BaseException:
            with contextlib.suppress(HcsError):
                await engine.terminate()
            engine.close()
            raise

    def _require_room(self) -> None:
        own = sum(1 for system in self if system.create_time is not None and not system.ended)
        if own + len(self._creating) >= self._limits.max_systems:
            raise LimitError("max_systems", self._limits.max_systems, "end one that runs")

    async def _describe(
        self, engine: ComputeSystem, request_id: str = "", created: int | None = None
    ) -> System:
        properties = await engine.properties()
        return System(
            engine,
            properties,
            Guest.of(properties.runtime_os_type, self.host.guest_os),
            surroundings=self,
            request_id=request_id,
            create_time=created,
        )

    def _add(self, system: System) -> None:
        before = self._known.get(system.id)
        if before is not None:
            before.drop()
        self._known[system.id] = system
        system.engine.observe(lambda event: self._on_event(system, event))
        system.begin()

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

    def _on_event(self, system: System, event: SystemEvent) -> None:
        """Publish an event, but for the exit: HCS may fail to tell of it, so the engine's counts."""
        if event.value == HCS_EVENT_TYPE.HcsEventSystemExited:
            system.exit_document = event.document or ""
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
            case Effect.PUBLISH_EXITED:
                self._publish_exited(system)
            case Effect.FORGET:
                self._kept.drop(system)
                if self._known.get(system.id) is system:
                    del self._known[system.id]
                    self._idempotency.forget(system.request_id)
            case Effect.KEEP:
                self._kept.keep(system)
            case Effect.CLOSE:
                system.engine.close()

    def _publish_exited(self, system: System) -> None:
        """Publish the exit of a system, after those of its processes."""
        inside = self.ends_inside(system.id)

        async def publish() -> None:
            for ended in inside:
                await ended.wait()
            kind = HCS_EVENT_TYPE.HcsEventSystemExited
            self._events.publish_system(system.id, kind, system.exit_document)

        if not self._stopping:  # else there is no watcher any more, and soon no place to wait
            self._background.start(publish, f"exit of {system.name}")

    def stop(self) -> None:
        """Create no more, and publish no more ends: the daemon is stopping."""
        self._stopping = True

    def close(self) -> None:
        """Close all handles. A system that was made to end with its last one ends now."""
        self.stop()
        for system in self:
            system.drop()
