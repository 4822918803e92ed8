"""What the engine does by itself: it finds again what was lost, and asks after silent processes.

    something gets lost ─▶ reconnect, after each of the delays ─▶ every process found, ended,
                                                                  or given up at the last

    every `recheck_time`, each process whose end is not known ─▶ `Process.confirm`

A system is opened again by its id; then its processes are looked for under their pids. Guests use
pids again. So a process is taken for ours only if the guest says that it was created when ours was.
If the guest cannot tell, ours stays lost: it is not killed by a pid that may be another's. An engine that
keeps processes for whoever comes next knows them by the tag of their create: then no time is compared.

What ends while the service is away leaves no event, and HCS may know it for a while all the same. So a
system that was opened again, and each process, is asked once what it is.

A caller that needs a lost process at once, such as a kill, asks for the same search. Several searches
may be under way at once: the first that finds something wins.

An exit event that got lost would leave the waiters of a process waiting for ever, so processes are
asked after. This costs one timer and no thread: one question at a time, one process a turn, and
not more than one turn in `recheck_spacing`. Events of an engine that shares our process cannot get
lost, so there it is not done.

Thread: the event loop's.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import anyio

from hcsd.abi.hresult import HR
from hcsd.errors import HcsdError
from hcsd.hcs.ends import ProcessEnd, SystemEnd
from hcsd.hcs.errors import (
    GONE,
    HandleClosedError,
    HcsError,
    InvalidStateError,
    SystemNotFoundError,
)
from hcsd.hcs.lanes import Lane
from hcsd.hcs.lookup import Lookup, Verdict
from hcsd.hcs.opening import open_process, open_system
from hcsd.hcs.process_life import ProcessLife, ProcessState, ProcessTrigger
from hcsd.hcs.system_life import SystemLife, SystemTrigger

if TYPE_CHECKING:
    from collections.abc import Collection

    from hcsd.hcs.system import ComputeSystem
    from hcsd.hcs.timings import Timings
    from hcsd.hcs.tracked_process import TrackedProcess

logger = logging.getLogger(__name__)


def give_up(process: TrackedProcess) -> None:
    """Wait no longer for a process that is lost: it may run, but nobody can tell."""
    end = ProcessEnd.unknown(HR.SERVICE_DISCONNECT, "the service stayed away")
    process.transition(ProcessTrigger.GIVE_UP, end=end)


class Supervisor:
    """Looks after the systems that an engine has opened.

    Args:
        timings: How long to wait for what.
        recheck: Whether events come from another process and may get lost.
    """

    def __init__(self, timings: Timings, *, recheck: bool) -> None:
        self._timings = timings
        self._recheck = recheck
        self._systems: set[ComputeSystem] = set()
        self._woken = asyncio.Event()

    def add(self, system: ComputeSystem) -> None:
        """Look after a system and its processes until it is closed."""
        self._systems = {known for known in self._systems if not known.closed} | {system}

    def wake(self) -> None:
        """Note that something was lost."""
        self._woken.set()

    async def run(self) -> None:
        """Do the work, until cancelled."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._find_lost, name="find lost processes")
            if self._recheck:
                tasks.start_soon(self._ask_silent, name="ask silent processes")

    async def reopen(self, system: ComputeSystem) -> None:
        """Open a system again; see `ComputeSystem.reopen`."""
        if system.attached:
            return
        if system.life is SystemLife.LEFT:
            msg = f"compute system '{system.id}' was closed"
            raise HandleClosedError(msg)
        if not system.lost:
            raise SystemNotFoundError(
                HR.SYSTEM_NOT_FOUND, "", subject=f"open compute system '{system.id}'"
            )
        generation = system.generation + 1
        try:
            handle = await open_system(system.operations, system.id, Lane.OPEN)
        except InvalidStateError:
            raise  # it is there, and may be opened later
        except GONE as error:
            end = SystemEnd(HR.SERVICE_DISCONNECT, "Unknown")
            system.transition(SystemTrigger.NOT_FOUND, end=end)
            if isinstance(error, SystemNotFoundError):
                raise
            raise SystemNotFoundError(
                HR.SYSTEM_NOT_FOUND, error.function, subject=error.subject
            ) from error
        await system.attach(handle, generation)
        # It may have ended since, or while nobody could tell: then no event comes.
        await system.confirm()
        if system.gone:
            raise SystemNotFoundError(
                HR.SYSTEM_NOT_FOUND, "", subject=f"open compute system '{system.id}'"
            )

    async def reconnect(self, system: ComputeSystem, lost: Collection[TrackedProcess]) -> None:
        """Open a system again and find its lost processes; see `ComputeSystem.reconnect`."""
        try:
            await self.reopen(system)
        except SystemNotFoundError:
            for process in lost:
                await self._find(system, process, Verdict.ENDED)
            return
        lookup = Lookup(system, self._timings.clock_slack)
        failure: HcsError | None = None
        for process in lost:
            try:
                await self._find(system, process, await lookup.verdict(process))
            except HcsError as error:  # the others may have more luck
                failure = error
        if failure is not None:
            raise failure

    async def _find(self, system: ComputeSystem, process: TrackedProcess, verdict: Verdict) -> None:
        """Take up a process again, or note its end.

        Raises:
            ServiceDisconnectedError: It cannot be told whether it is ours.
            HcsError: It cannot be opened; it stays lost.
        """
        if process.state is not ProcessState.LOST:
            return  # another search was quicker
        match verdict:
            case Verdict.ENDED:
                process.end_away("it ended while the Host Compute Service was away")
            case Verdict.CANNOT_TELL:
                raise process.lost_error(
                    "HcsOpenProcess", "its pid may be another process's by now"
                )
            case Verdict.FOUND:
                if process.life is ProcessLife.LOST:  # else nobody waits for it any more
                    await self._open_again(system, process)

    async def _open_again(self, system: ComputeSystem, process: TrackedProcess) -> None:
        generation = system.generation
        try:
            handle = await open_process(system.operations, system.handle, process.pid, Lane.OPEN)
        except InvalidStateError:
            raise  # it is there: it was listed just now
        except GONE:
            process.end_away("it ended as the Host Compute Service came back")
            return
        await process.attach(handle, generation)
        await process.confirm()

    async def _find_lost(self) -> None:
        while True:
            await self._woken.wait()
            self._woken.clear()
            for delay in self._timings.reconnect_delays:
                await anyio.sleep(delay)
                for system, lost in self._lost():
                    try:
                        await self.reconnect(system, lost)
                    except HcsdError as error:
                        logger.info("cannot reconnect to system '%s' yet: %s", system.id, error)
                if not self._lost():
                    break
            else:
                for system, lost in self._lost():
                    logger.warning("gave up %d processes of system '%s'", len(lost), system.id)
                    for process in lost:
                        give_up(process)

    async def _ask_silent(self) -> None:
        loop = asyncio.get_running_loop()
        spacing, time = self._timings.recheck_spacing, self._timings.recheck_time
        while True:
            count = len(self._processes(ProcessState.RUNNING))
            await anyio.sleep(max(spacing, time / max(count, 1)))
            running = self._processes(ProcessState.RUNNING)
            longest = min(running, key=lambda process: process.checked, default=None)
            if longest is not None and longest.checked + time / 2 < loop.time():
                await longest.confirm()

    def _lost(self) -> list[tuple[ComputeSystem, list[TrackedProcess]]]:
        found = [
            (system, [p for p in system.processes if p.state is ProcessState.LOST])
            for system in self._systems
        ]
        return [(system, lost) for system, lost in found if lost]

    def _processes(self, state: ProcessState) -> list[TrackedProcess]:
        return [p for system in self._systems for p in system.processes if p.state is state]
