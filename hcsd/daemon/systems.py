"""How compute systems come to be known: they are created, or opened.

    create ──▶ HCS makes it ──▶ known ──▶ has ended ──▶ kept for a while ──▶ forgotten
    find   ──▶ opened at its first use ─┘   └──nobody uses it, and others made it──▶ forgotten

Thread: the event loop's. No locks: what must be atomic has no await in it.
"""

from __future__ import annotations

import contextlib
import logging
import time
from typing import TYPE_CHECKING

import anyio

from hcsd.abi.hresult import HR
from hcsd.daemon.errors import LimitError, RequestError, StoppingError
from hcsd.daemon.guests import Guest
from hcsd.daemon.idempotency import NO_KEY
from hcsd.daemon.known_systems import KnownSystems
from hcsd.daemon.names import new_ulid
from hcsd.daemon.state.errors import JournalError
from hcsd.daemon.state.rows import SavedSystem
from hcsd.daemon.state_errors import StateNotWrittenError
from hcsd.daemon.system import System
from hcsd.daemon.system_errors import about, ended_at_start, failure, stopped
from hcsd.daemon.system_life import Life, Trigger
from hcsd.hcs.errors import (
    GONE,
    HandleClosedError,
    HcsError,
    SystemAlreadyExistsError,
    SystemNotFoundError,
)
from hcsd.hcs.schema import SystemProperties
from hcsd.hcs.system_limits import SystemLimits

if TYPE_CHECKING:
    from hcsd.daemon.background import Background
    from hcsd.daemon.event_log import EventLog
    from hcsd.daemon.idempotency import RequestKey
    from hcsd.daemon.settings import Limits
    from hcsd.daemon.state.state import State
    from hcsd.daemon.system import SystemRequest
    from hcsd.hcs.host import Host
    from hcsd.hcs.system import ComputeSystem


logger = logging.getLogger(__name__)


class Systems(KnownSystems):
    """Creates and opens compute systems; see `KnownSystems` for those that there are.

    Args:
        host: The engine.
        limits: Limits in force.
        background: Where work goes that must finish, whoever waits.
        events: Where what happens is published.
        state: What outlives the daemon.
    """

    def __init__(
        self,
        host: Host,
        limits: Limits,
        background: Background,
        events: EventLog,
        state: State,
    ) -> None:
        super().__init__(host, limits, background, events, state)
        self._creating: set[str] = set()

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
        try:
            self.records.take(system, system.weight)
        except RequestError:
            engine.close()
            raise
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
            self._add(system, started=request.start)
            if request.start and system.exit is not None:
                system.request = NO_KEY  # the create has failed: the same request may be made anew
                raise ended_at_start(system_id, system.exit.exit_type, system.exit.status)
            await self.written()  # or a restart would undo what the caller is told
        return system

    async def _make(self, system_id: str, request: SystemRequest) -> System:
        created = time.time_ns()
        await self._write_intent(system_id, request, created)
        engine = await self.host.create_system(system_id, request.configuration)
        try:
            if request.start:
                await engine.start()
            try:
                system = await self._describe(engine, request.key, created)
            except GONE as error:
                if not request.start:
                    raise
                end = await engine.exited.wait()  # the engine gives its event some time
                raise ended_at_start(system_id, end.exit_type, end.hresult) from error
            system.limits = SystemLimits.asked(request.configuration)
            self.records.take(system, system.weight)
        except BaseException:
            with contextlib.suppress(HcsError):
                await engine.terminate()
            engine.close()
            raise
        return system

    async def _write_intent(self, system_id: str, request: SystemRequest, created: int) -> None:
        """Wait until what is about to be asked is written down: a restart in between settles it.

        Raises:
            RequestError: STATE_NOT_WRITTEN.
        """
        properties = SystemProperties(system_id)
        self._journal.put_system(
            SavedSystem(system_id, "", created, request.key, None, properties, Life.NEW, None)
        )
        try:
            await self._journal.written()
        except JournalError as error:
            self._journal.remove_system(system_id)
            raise StateNotWrittenError(error) from error

    def restore(self, saved: SavedSystem) -> System:
        """Make a system known that an earlier run of the daemon has created; it is to be found."""
        engine = self.host.missing_system(saved.id)
        system = System(
            engine,
            saved.properties,
            Guest.of(saved.properties.runtime_os_type, self.host.guest_os),
            surroundings=self,
            request=saved.request,
            create_time=saved.create_time,
            limits=saved.limits,
        )
        self.records.restore(system, system.weight)
        self._enter(system)
        system.resume(saved.life, saved.exit)
        self._idempotency.restore(saved.request, system)
        return system

    async def undo_create(self, system_id: str) -> None:
        """Terminate a system that was being created when an earlier run ended: nobody was told of it."""
        engine = self.host.missing_system(system_id)
        with contextlib.suppress(HcsError, HandleClosedError):
            await engine.reopen()
            logger.warning("compute system '%s' was being created: it is terminated", system_id)
            await engine.terminate()
            with anyio.move_on_after(self.host.operations.timings.operation_timeout):
                await engine.exited.wait()
        engine.close()
        self._journal.remove_system(system_id)

    async def missing(self, system_id: str) -> System:
        """Return a system of others in which processes of an earlier run of the daemon ran."""
        engine = self.host.missing_system(system_id)
        properties = SystemProperties(system_id)
        with contextlib.suppress(HcsError):
            await engine.reopen()
            properties = await engine.properties()
        guest = Guest.of(properties.runtime_os_type, self.host.guest_os)
        system = System(engine, properties, guest, surroundings=self)
        self.records.restore(system, system.weight)
        self._add(system)
        return system

    async def start(self, system: System, options: str | None) -> None:
        """Start a system.

        Raises:
            HcsError: It was not started, or has ended already.
        """
        await self.step(system, Trigger.STARTED, lambda: system.engine.start(options))
        await self.refresh(system)
        if system.exit is not None:
            raise ended_at_start(system.id, system.exit.exit_type, system.exit.status)

    def _require_room(self) -> None:
        own = sum(1 for system in self if system.create_time is not None and not system.ended)
        if own + len(self._creating) >= self._limits.max_systems:
            raise LimitError("max_systems", self._limits.max_systems, "end one that runs")

    async def _describe(
        self, engine: ComputeSystem, request: RequestKey = NO_KEY, created: int | None = None
    ) -> System:
        properties = await engine.properties()
        return System(
            engine,
            properties,
            Guest.of(properties.runtime_os_type, self.host.guest_os),
            surroundings=self,
            request=request,
            create_time=created,
        )
