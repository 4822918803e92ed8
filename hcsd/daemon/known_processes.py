"""The processes that the daemon knows, by their names and their pids, and what their lives change here.

Exited processes are kept for a while and up to a number, oldest first out, so that an exit can be
asked for after the fact. When there are too many, those that somebody reads are passed over. Those that
are pinned stay until they are deleted.

How a process comes to be known: `hcsd.daemon.processes`.

Thread: the event loop's. No locks: what must be atomic has no await in it.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import logging
import time
from typing import TYPE_CHECKING

import anyio

from hcsd.daemon.errors import (
    LimitError,
    ProcessNotFoundError,
    RequestError,
    StoppingError,
)
from hcsd.daemon.events import ProcessEventKind
from hcsd.daemon.modify import let_go_of_output
from hcsd.daemon.names import ProcessKey, new_ulid
from hcsd.daemon.process import Process
from hcsd.daemon.process_life import Effect, Life
from hcsd.daemon.process_view import ExitReason, Identity, Origin
from hcsd.daemon.reasons import Reason
from hcsd.daemon.retention import Retention
from hcsd.daemon.ring_memory import RingMemory
from hcsd.daemon.rings import Rings
from hcsd.daemon.state.errors import JournalError
from hcsd.daemon.state.rows import SavedProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hcsd.daemon.background import Background
    from hcsd.daemon.event_log import EventLog
    from hcsd.daemon.idempotency import RequestKey
    from hcsd.daemon.process_record import ProcessRecord
    from hcsd.daemon.settings import Limits
    from hcsd.daemon.spec import ProcessRequest, ResolvedSpec
    from hcsd.daemon.state.state import State
    from hcsd.daemon.system import System
    from hcsd.daemon.systems import Systems
    from hcsd.hcs.latch import Latch
    from hcsd.hcs.process import Process as EngineProcess

logger = logging.getLogger(__name__)

# What watchers are told at an effect.
PUBLISHED = {
    Effect.PUBLISH_STARTED: ProcessEventKind.STARTED,
    Effect.PUBLISH_EXITED: ProcessEventKind.EXITED,
    Effect.PUBLISH_OUTPUT_COMPLETE: ProcessEventKind.OUTPUT_COMPLETE,
    Effect.PUBLISH_DELETED: ProcessEventKind.DELETED,
}


class KnownProcesses:
    """Processes by their names.

    Args:
        limits: Limits in force.
        background: Where work goes that must finish, whoever waits.
        events: Where what happens is published.
        systems: The compute systems.
        state: What outlives the daemon.

    Attributes:
        background: As given.
        on_forgotten: Called with a process that is known no more.
    """

    def __init__(
        self,
        limits: Limits,
        background: Background,
        events: EventLog,
        systems: Systems,
        state: State,
    ) -> None:
        self.background = background
        self._limits = limits
        self._events = events
        self._systems = systems
        self._ring_memory = RingMemory(lambda: limits.ring_memory_bytes)
        self._numbers = itertools.count(1)
        self._state = state
        self._known: dict[ProcessKey, Process] = {}
        self._by_pid: dict[tuple[str, int], Process] = {}  # by system id and pid
        self._inside: dict[ProcessKey, contextlib.ExitStack] = {}  # each uses its system
        self._kept: Retention[ProcessRecord] = Retention(
            lambda: limits.exited_retention,
            lambda: limits.max_exited,
            forget=lambda process: process.close(),
            is_used=lambda process: process.readers > 0,
            is_pinned=lambda process: process.resolved.options.pin,
        )
        self._records = systems.records
        self._records.kept.insert(0, self._kept)
        self._stopping = False
        self.on_forgotten: Callable[[ProcessRecord], None] = lambda _: None
        systems.ends_inside = self._ends_inside

    def get(self, key: ProcessKey) -> Process:
        """Return a process.

        Raises:
            ProcessNotFoundError: There is none.
        """
        process = self._known.get(key)
        if process is None or process.state.life is Life.CREATING:
            raise ProcessNotFoundError(key.name)
        return process

    def __iter__(self) -> Iterator[Process]:
        """Iterate over the processes in order of creation."""
        return iter(list(self._known.values()))

    def of_system(self, system_id: str) -> list[Process]:
        """Return the processes of a system, those included that are being created."""
        return [process for process in self if process.key.system_id == system_id]

    def _ends_inside(self, system_id: str) -> list[Latch[bool]]:
        return [process.exited for process in self.of_system(system_id)]

    def add(
        self,
        system_id: str,
        request: ProcessRequest,
        resolved: ResolvedSpec,
        origin: Origin,
        uid: str = "",
    ) -> Process:
        """Make a process known.

        Raises:
            RequestError: Its name is taken, or there is no room for it.
        """
        uid = uid or new_ulid()
        key = ProcessKey(system_id, request.process_id or uid)
        if key in self._known:
            raise RequestError(
                Reason.PROCESS_ALREADY_EXISTS,
                f"there is a process '{key.name}' already",
                metadata={"process": key.name},
            )
        if len(self._known) - len(self._kept) >= self._limits.max_processes:
            raise LimitError("max_processes", self._limits.max_processes, "end some")
        identity = Identity(
            key=key,
            uid=uid,
            incarnation=self._state.journal.incarnation,
            spec=resolved.shown if origin is Origin.CREATED else None,
            options=resolved.options if origin is Origin.CREATED else None,
            labels=request.labels,
            origin=origin,
            create_time=time.time_ns(),
            name=key.name,
        )
        rings = Rings(resolved, self._folder_of(uid) if origin is Origin.CREATED else "")
        process = self._make(identity, next(self._numbers), resolved, request.key, rings)
        self._records.take(process, identity.weight)
        try:
            self._ring_memory.take(process)
        except RequestError:
            self._records.give_back(process)
            raise
        self._known[key] = process
        saved = SavedProcess(identity, process.number, request.key)
        self._state.journal.add_process(saved, process.saved())
        self._events.publish_process(process, ProcessEventKind.CREATED)
        return process

    def _make(
        self,
        identity: Identity,
        number: int,
        resolved: ResolvedSpec,
        request: RequestKey,
        rings: Rings,
    ) -> Process:
        return Process(
            identity,
            number,
            resolved,
            self._limits,
            household=self,
            request=request,
            rings=rings,
        )

    def _folder_of(self, uid: str) -> str:
        """Return where the files of a process's streams are; "" if there is nowhere."""
        return f"{self._state.streams}/{uid}" if self._state.streams else ""

    def run_in(self, system: System, process: Process, engine: EngineProcess) -> None:
        """Note that a process runs in a system. Ownership: of the engine's process.

        Raises:
            StoppingError: The daemon has forgotten it meanwhile, since it is stopping.
        """
        if process.deleted:
            if not process.was_opened:
                self.background.start(engine.terminate, f"kill {process.name}")
            engine.close()
            raise StoppingError
        self._enter(system, process, engine)
        process.run(engine, system.guest)

    def _enter(self, system: System, process: Process, engine: EngineProcess) -> None:
        self._by_pid[system.id, engine.pid] = process
        inside = self._inside[process.key] = contextlib.ExitStack()
        inside.enter_context(system.in_use())

    @property
    def kills_trees(self) -> bool:
        """Whether the engine can kill a process with all that descends from it."""
        return self._systems.host.kills_trees

    def do(self, effect: Effect, process: ProcessRecord) -> None:
        """Carry out an effect of a process that concerns more than the process."""
        match effect:
            case Effect.LEAVE_PID:
                place = process.key.system_id, process.engine.pid if process.engine else 0
                if self._by_pid.get(place) is process:
                    del self._by_pid[place]
            case Effect.LEAVE_SYSTEM:
                inside = self._inside.pop(process.key, None)
                if inside is not None:
                    inside.close()
            case Effect.SETTLE_MEMORY:
                self._ring_memory.settle(process)
            case Effect.KEEP:
                self._kept.keep(process, process.age)
            case Effect.FORGET:
                self._forget(process)
            case _:
                self._events.publish_process(process, PUBLISHED[effect])

    def save(self, process: ProcessRecord) -> None:
        """Write down what has changed of a process, for the next run of the daemon."""
        if self._known.get(process.key) is process:
            self._state.journal.set_state(process.identity.uid, process.saved())

    async def written(self) -> None:
        """Return once all that was to be written down is, or cannot be."""
        with contextlib.suppress(JournalError):
            await self._state.journal.written()

    def let_go_of_output(self, process: ProcessRecord) -> None:
        """Have HCS close its copies of outputs that nobody needs any more, if that does not happen soon."""
        if process.rings.forced or process.identity.has_console:
            work = functools.partial(let_go_of_output, process)
            self.background.start(work, f"let go of the output of {process.name}")

    def _forget(self, process: ProcessRecord) -> None:
        self._state.journal.remove_process(process.identity.uid)
        self._state.journal.after_written(process.rings.remove)
        if self._known.get(process.key) is process:
            del self._known[process.key]
            self.on_forgotten(process)
        self._kept.drop(process)
        self._ring_memory.give_back(process)
        self._records.give_back(process)

    async def close(self) -> None:
        """Kill every process that the daemon started, wait for their ends, free everything."""
        self._stopping = True
        running = [process for process in self if process.running and not process.was_opened]
        for process in running:  # what descends from them ends with the engine
            self.background.start(
                functools.partial(process.kill, ExitReason.DAEMON_SHUTDOWN), f"kill {process.name}"
            )
        with anyio.move_on_after(self._limits.shutdown_grace) as scope:
            for process in running:
                await process.exited.wait()
        if scope.cancelled_caught:
            left = [process.name for process in running if process.running]
            logger.warning("%d processes did not end in time: %s", len(left), ", ".join(left[:10]))
        for process in self:
            process.close()
