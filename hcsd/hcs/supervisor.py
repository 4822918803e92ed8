"""What the engine does by itself: it finds lost processes again, and asks after silent ones.

    a system gets lost ─▶ reconnect, after each of `DELAYS` ─▶ every process found, ended,
                                                               or given up at the last

    every `RECHECK_TIME`, each process whose end is not known ─▶ `Process.confirm`

An exit event that got lost would leave the waiters of a process waiting for ever, so processes are
asked after. This costs one timer and no thread: one question at a time, one process a turn, and
not more than one turn in `RECHECK_SPACING`. Events of an engine that shares our process cannot get
lost, so there it is not done.

Thread: the event loop's.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import anyio

from hcsd.errors import HcsdError
from hcsd.hcs.process import ProcessState

if TYPE_CHECKING:
    from hcsd.hcs.process import Process
    from hcsd.hcs.system import ComputeSystem

# Seconds before each try to reach a service that went away. It is restarted in seconds or by hand.
DELAYS = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)

# Seconds (arbitrary): a lost event is rare, and a question is a round trip to the service.
RECHECK_TIME = 60.0
RECHECK_SPACING = 1.0

logger = logging.getLogger(__name__)


class Supervisor:
    """Looks after the systems that an engine has opened.

    Args:
        recheck: Whether events come from another process and may get lost.
    """

    def __init__(self, *, recheck: bool) -> None:
        self._recheck = recheck
        self._systems: set[ComputeSystem] = set()
        self._woken = asyncio.Event()

    def add(self, system: ComputeSystem) -> None:
        """Look after a system and its processes until it is closed."""
        self._systems = {known for known in self._systems if not known.closed} | {system}
        system.on_lost = self._woken.set

    async def run(self) -> None:
        """Do the work, until cancelled."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._find_lost, name="find lost processes")
            if self._recheck:
                tasks.start_soon(self._ask_silent, name="ask silent processes")

    async def _find_lost(self) -> None:
        while True:
            await self._woken.wait()
            self._woken.clear()
            for delay in DELAYS:
                await anyio.sleep(delay)
                for system, lost in self._lost():
                    try:
                        await system.reconnect(lost)
                    except HcsdError as error:
                        logger.info("cannot reconnect to system '%s' yet: %s", system.id, error)
                if not self._lost():
                    break
            else:
                for system, lost in self._lost():
                    logger.warning("gave up %d processes of system '%s'", len(lost), system.id)
                    for process in lost:
                        process.give_up()

    async def _ask_silent(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            count = len(self._processes(ProcessState.RUNNING))
            await anyio.sleep(max(RECHECK_SPACING, RECHECK_TIME / max(count, 1)))
            running = self._processes(ProcessState.RUNNING)
            longest = min(running, key=lambda process: process.checked, default=None)
            if longest is not None and longest.checked + RECHECK_TIME / 2 < loop.time():
                await longest.confirm()

    def _lost(self) -> list[tuple[ComputeSystem, list[Process]]]:
        found = [
            (system, [p for p in system.processes if p.state is ProcessState.LOST])
            for system in self._systems
        ]
        return [(system, lost) for system, lost in found if lost]

    def _processes(self, state: ProcessState) -> list[Process]:
        return [p for system in self._systems for p in system.processes if p.state is state]
