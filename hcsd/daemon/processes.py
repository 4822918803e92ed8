"""How processes come to be known: they are created, or opened by their pids.

    create ──▶ named ──HCS starts it──▶ runs ──▶ exits ──▶ kept for a while ──▶ forgotten
    open   ──▶ found by its pid ────────▲

A process is known once, whether it was created here or opened by its pid. A pid alone says little: the
guest may use it again before the daemon has heard of the exit. So whoever opens a pid that is known is
given that process only if HCS says, by the handle that the daemon has of it, that it still runs.

Thread: the event loop's.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from hcsd.abi.hresult import HR
from hcsd.daemon.errors import (
    HcsFailureError,
    InvalidRequestError,
    RequestError,
    StoppingError,
)
from hcsd.daemon.guest_rules import violations
from hcsd.daemon.idempotency import Idempotency
from hcsd.daemon.kills import Scope
from hcsd.daemon.names import new_ulid
from hcsd.daemon.options import JoinNotSupportedError, require_sense
from hcsd.daemon.process_life import Life
from hcsd.daemon.process_view import ExitReason, Origin
from hcsd.daemon.raw_document import read_document, with_pipes
from hcsd.daemon.reasons import Reason
from hcsd.daemon.restored_processes import RestoredProcesses
from hcsd.daemon.spec import OPENED, ProcessRequest, parameters, resolve
from hcsd.daemon.start_errors import create_failed
from hcsd.daemon.state.errors import JournalError
from hcsd.daemon.state_errors import StateNotWrittenError
from hcsd.daemon.system_errors import stopped
from hcsd.failpoints import reach
from hcsd.hcs.errors import (
    AlreadyStoppedError,
    ElementNotFoundError,
    HandleClosedError,
    HcsError,
)
from hcsd.hcs.process import ProcessState

if TYPE_CHECKING:
    from hcsd.daemon.background import Background
    from hcsd.daemon.event_log import EventLog
    from hcsd.daemon.process import Process
    from hcsd.daemon.settings import Limits
    from hcsd.daemon.spec import ResolvedSpec
    from hcsd.daemon.state.state import State
    from hcsd.daemon.system import System
    from hcsd.daemon.systems import Systems
    from hcsd.hcs.process import Process as EngineProcess


class Processes(RestoredProcesses):
    """Creates and opens processes; see `KnownProcesses` for those that there are.

    Args:
        limits: Limits in force.
        background: Where work goes that must finish, whoever waits.
        events: Where what happens is published.
        systems: The compute systems.
        state: What outlives the daemon.
    """

    def __init__(
        self,
        limits: Limits,
        background: Background,
        events: EventLog,
        systems: Systems,
        state: State,
    ) -> None:
        super().__init__(limits, background, events, systems, state)
        self._idempotency: Idempotency[Process] = Idempotency(background)
        self.on_forgotten = lambda process: self._idempotency.forget(process.request.id)

    async def create(self, request: ProcessRequest) -> tuple[Process, bool]:
        """Start a process, or find the one that the same request has started.

        Returns:
            The process, and whether it was there before.

        Raises:
            RequestError: It was not started.
            HcsError: The system cannot be asked.
        """
        work, replayed = self._idempotency.start(
            request.key,
            lambda: self._create(request),
            f"create {request.process_id}",
            after=_confirm,
        )
        try:
            return await work.result(), replayed
        except asyncio.CancelledError:
            if request.owned:
                work.observe(_abandon)
            raise

    async def _create(self, request: ProcessRequest) -> Process:
        if self._stopping:
            raise StoppingError
        system = await self._systems.open(request.system_id)
        with system.in_use():
            return await self._create_in(system, request)

    async def _create_in(self, system: System, request: ProcessRequest) -> Process:
        asked = request.spec or read_document(request.document or "")
        require_sense(request.options, owned=request.owned, console=asked.console is not None)
        resolved = resolve(asked, request.options, self._limits, owned=request.owned)
        uid = new_ulid()
        document = self._document(system, request, resolved, uid)
        process = self.add(system.id, request, resolved, Origin.CREATED, uid)
        try:
            await self._write_intent()
            self.run_in(system, process, await system.engine.create_process(document))
            reach("create.asked")
        except BaseException as error:
            await _undo(process, error)
            if isinstance(error, HandleClosedError):
                error = stopped(system.id)  # while the intent was written down
            if isinstance(error, HcsError):
                self._systems.look_after(system, error)
                raise create_failed(error, request, system.name) from error
            raise
        if not request.owned:
            process.ownership.abandon()
        return process

    async def _write_intent(self) -> None:
        """Wait until what is about to be asked is written down: a restart in between settles it.

        Raises:
            RequestError: STATE_NOT_WRITTEN.
        """
        try:
            await self._state.journal.written()
        except JournalError as error:
            raise StateNotWrittenError(error) from error
        reach("create.intent")

    def let_repeat(self, process: Process) -> None:
        """Let the request that has created a process in an earlier run be repeated."""
        self._idempotency.restore(process.request, process)

    def _document(
        self, system: System, request: ProcessRequest, resolved: ResolvedSpec, uid: str
    ) -> str:
        """Return what HCS is told.

        Raises:
            RequestError: The engine or the guest cannot do what was asked for.
        """
        spec, options = resolved.shown, resolved.options
        console = spec.console is not None
        shapes = self._systems.host.shapes_processes
        if options.stderr_to_stdout and not console and not shapes:
            raise JoinNotSupportedError
        tag = uid if self._systems.host.tags_processes else ""
        if request.document is not None:
            return with_pipes(request.document, options, console=console, tag=tag)
        if broken := violations(spec, system.guest, shapes=shapes):
            raise InvalidRequestError(broken)
        return parameters(spec, system.guest, options, tag)

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
            with system.in_use():
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
            process = self.add(system.id, request, OPENED, Origin.OPENED)
        except BaseException:
            engine.close()
            raise
        try:
            self.run_in(system, process, engine)
        except BaseException:
            process.close()
            raise
        await engine.confirm()
        return process


async def _confirm(process: Process) -> None:
    """Ask whether it has exited already: an event that came too early goes by unseen."""
    if process.engine is not None:
        await process.engine.confirm()


async def _undo(process: Process, error: BaseException) -> None:
    """Leave nothing of a process that could not be created, or not be taken over."""
    if process.state.life is Life.CREATING:
        process.fail(error)
    else:
        with contextlib.suppress(HcsError):  # it is ours to kill, but it may be gone
            await process.kill(ExitReason.TERMINATED, Scope.TREE_BEST_EFFORT)
    process.close()


def _abandon(process: Process) -> None:
    """Note that the caller who was to own a process left before it had started."""
    process.ownership.abandon()


async def _open_engine(system: System, pid: int) -> EngineProcess:
    """Open a process that runs in a system; what HCS does not know or has ended is not found.

    Raises:
        RequestError: PID_NOT_FOUND.
        HcsError: HCS cannot tell.
    """
    try:
        return await _open_running(system, pid)
    except (AlreadyStoppedError, ElementNotFoundError) as error:
        if error.hresult == HR.SYSTEM_ALREADY_STOPPED:
            raise
        raise HcsFailureError(
            error,
            reason=Reason.PID_NOT_FOUND,
            message=f"no process with pid {pid} runs in system '{system.id}'",
            metadata={"system": system.name, "pid": str(pid)},
        ) from error


async def _open_running(system: System, pid: int) -> EngineProcess:
    engine = await system.engine.open_process(pid)
    if engine.state is ProcessState.EXITED:  # the engine keeps it for whoever asks how it ended
        engine.close()
        raise AlreadyStoppedError(HR.PROCESS_ALREADY_STOPPED, "HcsOpenProcess")
    return engine


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
