"""The processes that the daemon knows: how they come, how they are found, how they go.

    create ──▶ named ──HCS starts it──▶ runs ──▶ exits ──▶ kept for a while ──▶ forgotten
    open   ──▶ found by its pid ────────▲

Exited processes are kept for a while and up to a number, oldest first out, so that an exit can be
asked for after the fact. When there are too many, those that somebody reads are passed over.

A process is known once, whether it was created here or opened by its pid. A pid alone says little: the
guest may use it again before the daemon has heard of the exit. So whoever opens a pid that is known is
given that process only if HCS says, by the handle that the daemon has of it, that it still runs.

Thread: the event loop's. No locks: what must be atomic has no await in it.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import logging
import time
from typing import TYPE_CHECKING

import anyio

from hcsd.abi.hresult import HR
from hcsd.daemon.errors import (
    CreateFailedError,
    HcsFailureError,
    InvalidRequestError,
    LimitError,
    ProcessNotFoundError,
    RequestError,
    StoppingError,
    Violation,
)
from hcsd.daemon.events import ProcessEventKind
from hcsd.daemon.idempotency import Idempotency
from hcsd.daemon.names import ProcessKey, new_ulid, system_name
from hcsd.daemon.process import Process
from hcsd.daemon.process_life import Effect, Life
from hcsd.daemon.process_view import ExitReason, Identity, Origin
from hcsd.daemon.reasons import Reason
from hcsd.daemon.retention import Retention
from hcsd.daemon.ring_memory import RingMemory
from hcsd.daemon.spec import OPENED, ProcessRequest, parameters, read_document, resolve
from hcsd.hcs.errors import AlreadyStoppedError, ElementNotFoundError, HcsError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hcsd.daemon.background import Background
    from hcsd.daemon.events import EventLog
    from hcsd.daemon.guests import Guest
    from hcsd.daemon.process_record import ProcessRecord
    from hcsd.daemon.settings import Limits
    from hcsd.daemon.spec import ResolvedSpec
    from hcsd.daemon.system import System
    from hcsd.daemon.systems import Systems
    from hcsd.hcs.latch import Latch
    from hcsd.hcs.process import Process as EngineProcess

logger = logging.getLogger(__name__)


class Processes:
    """Processes by their names.

    Args:
        limits: Limits in force.
        incarnation: Boot id of the daemon.
        background: Where work goes that must finish, whoever waits.
        events: Where what happens is published.
        systems: The compute systems.

    Attributes:
        background: As given.
    """

    def __init__(
        self,
        limits: Limits,
        incarnation: str,
        background: Background,
        events: EventLog,
        systems: Systems,
    ) -> None:
        self.background = background
        self._limits = limits
        self._incarnation = incarnation
        self._events = events
        self._systems = systems
        self._ring_memory = RingMemory(limits.ring_memory_bytes)
        self._numbers = itertools.count(1)
        self._known: dict[ProcessKey, Process] = {}
        self._by_pid: dict[tuple[str, int], Process] = {}  # by system id and pid
        self._inside: dict[ProcessKey, contextlib.ExitStack] = {}  # each uses its system
        self._idempotency: Idempotency[Process] = Idempotency(background)
        self._kept: Retention[ProcessRecord] = Retention(
            limits.exited_retention,
            limits.max_exited,
            forget=lambda process: process.close(),
            is_used=lambda process: process.readers > 0,
        )
        self._stopping = False
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

    # --- they come ---

    async def create(self, request: ProcessRequest) -> tuple[Process, bool]:
        """Start a process, or find the one that the same request has started.

        Returns:
            The process, and whether it was there before.

        Raises:
            RequestError: It was not started.
            HcsError: The system cannot be asked.
        """
        work, replayed = self._idempotency.start(
            request.key, lambda: self._create(request), f"create {request.process_id}"
        )
        try:
            return await work.result(), replayed
        except asyncio.CancelledError:
            if request.owned:
                work.observe(_kill_orphan)
            raise

    async def _create(self, request: ProcessRequest) -> Process:
        if self._stopping:
            raise StoppingError
        system = await self._systems.open(request.system_id)
        with self._systems.using(system):
            process = await self._create_in(system, request)
        assert process.engine is not None  # noqa: S101  (it runs)
        self.background.start(process.engine.confirm, f"confirm {process.name}")
        return process

    async def _create_in(self, system: System, request: ProcessRequest) -> Process:
        asked = request.spec or read_document(request.document or "")
        resolved = resolve(asked, self._limits, owned=request.owned)
        if resolved.kill_when_orphaned and not request.owned:
            raise InvalidRequestError(
                [
                    Violation(
                        "spec.orphan_policy",
                        "enum.not_in",
                        "needs an owner, which only RunProcess gives a process",
                    )
                ]
            )
        document = request.document
        if document is None:
            document = parameters(resolved.shown, system.guest)
        process = self._add(system.id, request, resolved, Origin.CREATED)
        try:
            engine = await system.engine.create_process(document)
            self._run(system, process, engine)
        except BaseException as error:
            await _undo(process, error)
            if isinstance(error, HcsError):
                self._systems.look_after(system, error)
                raise CreateFailedError(error, system_name(system.id)) from error
            raise
        return process

    def _add(
        self, system_id: str, request: ProcessRequest, resolved: ResolvedSpec, origin: Origin
    ) -> Process:
        """Make a process known.

        Raises:
            RequestError: Its name is taken, or there is no room for it.
        """
        uid = new_ulid()
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
            incarnation=self._incarnation,
            spec=resolved.shown if origin is Origin.CREATED else None,
            labels=request.labels,
            origin=origin,
            create_time=time.time_ns(),
            name=key.name,
        )
        process = Process(
            identity,
            next(self._numbers),
            resolved,
            self._limits,
            household=self,
            request_id=request.key.id,
        )
        self._ring_memory.take(process)
        self._known[key] = process
        self._events.publish_process(process, ProcessEventKind.CREATED)
        return process

    def _run(self, system: System, process: Process, engine: EngineProcess) -> None:
        """Note that a process runs in a system. Ownership: of the engine's process."""
        self._by_pid[system.id, engine.pid] = process
        inside = self._inside[process.key] = contextlib.ExitStack()
        inside.enter_context(self._systems.using(system))
        process.run(engine)

    async def open(self, system_id: str, pid: int, process_id: str) -> Process:
        """Return the process that runs under a pid, whether it was known or not.

        Args:
            system_id: Where it runs.
            pid: Its pid in the guest.
            process_id: The id that it is to have; "" for any.

        Raises:
            RequestError: NOT_FOUND, if there is none in the system; ALREADY_EXISTS, if it is known
                by another name than the one that was asked for, or that is another process's.
            HcsError: HCS cannot tell.
        """
        request = ProcessRequest(system_id, process_id=process_id)
        return await self.background.run(lambda: self._open(request, pid), f"open pid {pid}")

    async def _open(self, request: ProcessRequest, pid: int) -> Process:
        while True:
            if self._stopping:
                raise StoppingError
            system = await self._systems.open(request.system_id)
            with self._systems.using(system):
                process = await self._find_or_adopt(system, request, pid)
            if process is not None:
                return process

    async def _find_or_adopt(
        self, system: System, request: ProcessRequest, pid: int
    ) -> Process | None:
        """Return the process; None to try anew, since another one has or had its pid."""
        known = self._by_pid.get((system.id, pid))
        if known is not None and known.engine is not None:
            if await known.engine.still_runs():
                _require_name(known, request.process_id, pid)
                return known
            return None  # the pid is free, or another process's by now
        engine = await _open_engine(system, pid)
        # It may be one that was just created, of which HCS has not told the pid yet.
        for process in self.of_system(system.id):
            await process.started.wait()
        if (system.id, pid) in self._by_pid or self._stopping:
            engine.close()
            return None
        try:
            process = self._add(system.id, request, OPENED, Origin.OPENED)
        except BaseException:
            engine.close()
            raise
        self._run(system, process, engine)
        await engine.confirm()
        return process

    # --- what their lives change around them ---

    @property
    def kills_trees(self) -> bool:
        """Whether the engine can kill a process with all that descends from it."""
        return self._systems.host.kills_trees

    async def guest_of(self, system_id: str) -> Guest:
        """Return the guest that runs in a system, which is opened again if it was lost.

        Raises:
            RequestError: The system is not there.
            HcsError: It cannot be used.
        """
        return (await self._systems.open(system_id)).guest

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
                self._kept.keep(process)
            case Effect.FORGET:
                self._forget(process)
            case _:
                self._events.publish_process(process, PUBLISHED[effect])

    def _forget(self, process: ProcessRecord) -> None:
        if self._known.get(process.key) is process:
            del self._known[process.key]
            self._idempotency.forget(process.request_id)
        self._kept.drop(process)
        self._ring_memory.give_back(process)

    # --- the end ---

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


# What watchers are told at an effect.
PUBLISHED = {
    Effect.PUBLISH_STARTED: ProcessEventKind.STARTED,
    Effect.PUBLISH_EXITED: ProcessEventKind.EXITED,
    Effect.PUBLISH_OUTPUT_COMPLETE: ProcessEventKind.OUTPUT_COMPLETE,
    Effect.PUBLISH_DELETED: ProcessEventKind.DELETED,
}


async def _undo(process: Process, error: BaseException) -> None:
    """Leave nothing of a process that could not be created, or not be taken over."""
    if process.state.life is Life.CREATING:
        process.fail(error)
    else:
        with contextlib.suppress(HcsError):  # it is ours to kill, but it may be gone
            await process.kill(ExitReason.TERMINATED)
    process.close()


def _kill_orphan(process: Process) -> None:
    """Kill a process whose owner left before it had started, if it is not to live alone."""
    if process.resolved.kill_when_orphaned:
        process.kill_in_background(ExitReason.OWNER_GONE)


async def _open_engine(system: System, pid: int) -> EngineProcess:
    """Open a process that runs in a system; what HCS does not know or has ended is not found.

    Raises:
        RequestError: PID_NOT_FOUND.
        HcsError: HCS cannot tell.
    """
    try:
        return await system.engine.open_process(pid)
    except (AlreadyStoppedError, ElementNotFoundError) as error:
        if error.hresult == HR.SYSTEM_ALREADY_STOPPED:
            raise
        raise HcsFailureError(
            error,
            reason=Reason.PID_NOT_FOUND,
            message=f"no process with pid {pid} runs in system '{system.id}'",
            metadata={"system": system.name, "pid": str(pid)},
        ) from error


def _require_name(process: Process, process_id: str, pid: int) -> None:
    """Refuse to give a process that is known a second name.

    Raises:
        RequestError: PROCESS_ALREADY_OPEN.
    """
    if process_id not in {"", process.key.process_id}:
        raise RequestError(
            Reason.PROCESS_ALREADY_OPEN,
            f"the process with pid {pid} is known as '{process.name}' already: use that",
            metadata={"process": process.name, "pid": str(pid)},
        )
