"""How a daemon goes on with what an earlier run of it has left.

    systems ─▶ opened again by their ids, or ended
    processes ─▶ looked for in their systems
        intent without an outcome ──its tag is there──▶ it has started
                                  └──else──▶ it never did: forgotten, and the same request may be made anew
        it ran ──found──▶ it goes on    ──found, ended──▶ its end is told    ──not found──▶ it has ended
        its end was known ──▶ kept for the rest of its time
    what else the engine keeps ──nobody knows it──▶ killed

It is the search that follows a restart of the Host Compute Service. What cannot be asked now stays LOST,
and that search goes on. It is done before a call is answered.

Thread: the event loop's.
"""

from __future__ import annotations

import contextlib
import logging
import time
from typing import TYPE_CHECKING, NamedTuple

from hcsd.abi.hresult import HR
from hcsd.daemon.errors import RequestError
from hcsd.daemon.ownership import AFTER_RESTART
from hcsd.daemon.process_life import OVER, Life
from hcsd.daemon.process_view import Origin
from hcsd.daemon.reasons import Reason
from hcsd.daemon.system_life import Life as SystemLife
from hcsd.failpoints import reach
from hcsd.hcs.ends import SystemEnd
from hcsd.hcs.errors import HandleClosedError, HcsError
from hcsd.hcs.missing import missing_process
from hcsd.hcs.system_life import SystemTrigger

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from hcsd.daemon.process import Process
    from hcsd.daemon.processes import Processes
    from hcsd.daemon.state.rows import Saved, SavedProcess, SavedState, SavedSystem
    from hcsd.daemon.system import System
    from hcsd.daemon.systems import Systems
    from hcsd.hcs.kept import KeptProcess
    from hcsd.hcs.process import Process as EngineProcess


logger = logging.getLogger(__name__)


class Restored(NamedTuple):
    """What was found.

    Attributes:
        running: How many processes run on.
        ended: How many have ended meanwhile.
        systems: How many compute systems of the daemon's own run on.
    """

    running: int = 0
    ended: int = 0
    systems: int = 0

    def __bool__(self) -> bool:
        """Whether there was anything."""
        return any(self)

    def __str__(self) -> str:
        ended = f"; {_count(self.ended, 'process')} ended meanwhile" if self.ended else ""
        systems = f" and {_count(self.systems, 'compute system')}" if self.systems else ""
        return f"{_count(self.running, 'process')}{systems}{ended}"


def _count(number: int, what: str) -> str:
    plural = "es" if what.endswith("s") else "s"
    return f"{number} {what}{plural if number != 1 else ''}"


async def restore(saved: Saved, systems: Systems, processes: Processes) -> Restored:
    """Go on with what was written down; see the module's head.

    Args:
        saved: What an earlier run of the daemon has written down.
        systems: The systems of the daemon, of which it knows none.
        processes: Its processes, likewise.
    """
    reach("restore")
    if saved.newest:  # else nobody can be waiting for anything
        processes.begin_to_restore(saved.next_number)
        systems.hold(AFTER_RESTART)
    for row in saved.systems:
        await _restore_system(row, systems)
    for process, _ in saved.processes:  # in the order of their creation
        processes.restore(process)
    of_systems: dict[str, list[tuple[SavedProcess, SavedState]]] = {}
    for process, state in sorted(saved.processes, key=_in_order):
        of_systems.setdefault(process.identity.key.system_id, []).append((process, state))
    running = ended = 0
    for system_id, rows in of_systems.items():
        system = next((known for known in systems if known.id == system_id), None)
        if system is None:
            system = await systems.missing(system_id)
        found = await _Search(system, processes).run(rows)
        running += found.running
        ended += found.ended
    if systems.host.tags_processes:
        known = {process.identity.uid for process, _ in saved.processes}
        await _kill_strangers(systems, known)
    systems.host.look_for_lost()  # what could not be asked just now
    own = sum(1 for system in systems if system.create_time is not None and not system.ended)
    return Restored(running, ended, own)


def _in_order(row: tuple[SavedProcess, SavedState]) -> tuple[int, int]:
    """Put what has ended into the order of its ends, by which it is forgotten, and the rest behind it."""
    saved, state = row
    ended = state.exit.time if state.life in OVER and state.exit is not None else 0
    return (ended or time.time_ns(), saved.number)


async def _restore_system(row: SavedSystem, systems: Systems) -> None:
    if row.life is SystemLife.NEW:
        await systems.undo_create(row.id)
        return
    system = systems.restore(row)
    if system.ended:
        return
    with contextlib.suppress(HcsError, HandleClosedError):
        await system.engine.reopen()
        properties = await system.engine.properties()
        if properties.runtime_id != row.runtime_id:
            # Another one has its id.
            end = SystemEnd(HR.SERVICE_DISCONNECT, "Unknown")
            system.engine.transition(SystemTrigger.END_KNOWN, end=end)
        else:
            system.properties = properties


class _Search:
    """The search for the processes of one system.

    Args:
        system: Where they ran.
        processes: Where they become known.
    """

    def __init__(self, system: System, processes: Processes) -> None:
        self._system = system
        self._processes = processes
        self._tags = system.engine.operations.library.provider.outlives_client

    async def run(self, rows: Sequence[tuple[SavedProcess, SavedState]]) -> Restored:
        """Make all of them known, and find those that are to be found."""
        pids = await self._pids_of_intents(rows)
        engines: dict[str, EngineProcess] = {}
        for saved, state in rows:
            pid = pids.get(saved.identity.uid, state.pid)
            over = state.life in OVER and state.output_complete
            if pid and not over:
                engines[saved.identity.uid] = self._missing(saved, state, pid)
        with contextlib.suppress(HcsError, HandleClosedError):
            await self._system.engine.reconnect(list(engines.values()))
        counts = [0, 0]
        for saved, state in rows:
            reach("restore.process")
            engine = engines.get(saved.identity.uid)
            if engine is not None:
                with contextlib.suppress(HcsError, HandleClosedError):
                    await engine.fetch_stdio()
            process = self._processes.restored(saved)
            self._settle(process, state, engine)
            if state.life not in OVER:
                counts[not process.running] += 1
        return Restored(counts[0], counts[1], 0)

    async def _pids_of_intents(
        self, rows: Sequence[tuple[SavedProcess, SavedState]]
    ) -> dict[str, int]:
        """Return the pids of those of which nobody knows whether they have started, by uid."""
        intents = {saved.identity.uid for saved, state in rows if state.life is Life.CREATING}
        if not intents:
            return {}
        try:
            await self._system.engine.reopen()
            kept = await self._system.engine.kept_processes()
        except (HcsError, HandleClosedError):
            return {}
        return {entry.tag: entry.process_id for entry in kept.values() if entry.tag in intents}

    def _missing(self, saved: SavedProcess, state: SavedState, pid: int) -> EngineProcess:
        identity = saved.identity
        created = state.created if state.pid else (identity.create_time / 1e9, time.time())
        tagged = self._tags and identity.origin is Origin.CREATED
        return missing_process(self._system.engine, pid, created, identity.uid if tagged else "")

    def _settle(self, process: Process, state: SavedState, engine: EngineProcess | None) -> None:
        """Let a process go on, or end."""
        if state.life not in {Life.CREATING, Life.FAILED}:
            self._processes.run_again_in(self._system, process, state, engine)
            self._processes.let_repeat(process)
        elif engine is not None:
            logger.info("'%s' had just been started: it runs on", process.name)
            self._processes.run_in(self._system, process, engine)
            process.ownership.wait_for_owner()
            self._processes.let_repeat(process)
        else:
            if state.life is Life.CREATING:
                process.fail(_not_started(process))
            process.close()


def _not_started(process: Process) -> RequestError:
    return RequestError(
        Reason.DAEMON_STOPPING,
        f"the daemon ended before '{process.name}' was started",
    )


async def _kill_strangers(systems: Systems, known: Collection[str]) -> None:
    """Kill what the engine keeps and nobody knows, as when the journal was damaged.

    Args:
        systems: Where to look.
        known: Uids of the processes that are known.
    """
    for properties in await systems.host.systems():
        system = next((found for found in systems if found.id == properties.id), None)
        try:
            if system is None:
                system = await systems.missing(properties.id)
                if properties.id != systems.host.host_system:
                    logger.warning(
                        "compute system '%s' is known to nobody: it is terminated", properties.id
                    )
                    await system.engine.terminate()
                    continue
            if system.ended:
                continue
            for entry in (await system.engine.kept_processes()).values():
                if entry.tag not in known:
                    await _kill_stranger(system, entry)
        except (HcsError, HandleClosedError) as error:
            logger.warning("cannot look through system '%s': %s", properties.id, error)


async def _kill_stranger(system: System, entry: KeptProcess) -> None:
    """Kill a process; of one that has ended only its record goes, as when it was deleted just before."""
    stranger = await system.engine.open_process(entry.process_id)
    try:
        if not entry.exited:
            logger.warning(
                "process %d of system '%s' is known to nobody: it is killed",
                entry.process_id,
                system.id,
            )
            await stranger.terminate(tree=True)
    finally:
        stranger.close()
