"""The daemon: its parts, and an orderly end.

engine ─▶ systems ─▶ processes        each is built over those before it
background, events, stalls            serve all of them
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio.to_thread

from hcsd.daemon.background import Background
from hcsd.daemon.event_log import EventLog
from hcsd.daemon.processes import Processes
from hcsd.daemon.restore import restore
from hcsd.daemon.rings import remove_strange_streams
from hcsd.daemon.stalls import StallWatch
from hcsd.daemon.state.state import State
from hcsd.daemon.systems import Systems

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

    from hcsd.daemon.restore import Restored
    from hcsd.daemon.settings import Limits
    from hcsd.hcs.host import Host


class Daemon:
    """One run of the daemon.

    Args:
        host: The engine.
        limits: Limits in force.
        tasks: Where its background work runs.
        state: What outlives this run.

    Attributes:
        host: As given.
        limits: As given.
        incarnation: What clients know this state by; each new state has a new one.
        background: Runs what must finish, whoever waits.
        events: What happens to processes and systems.
        stalls: Watches the readers of all processes.
        systems: The compute systems.
        processes: The processes.
        state_create_time: When the state was made that outlives this run, in ns since 1970; 0 if
            nothing does.
        restore_count: How often a daemon has gone on with that state.
        restore_time: When that was last, in ns since 1970; 0 if it never was.
    """

    def __init__(
        self, host: Host, limits: Limits, tasks: TaskGroup, state: State | None = None
    ) -> None:
        state = state or State.none()
        self.host = host
        self.limits = limits
        journal = state.journal
        self.incarnation = journal.incarnation
        self.state_create_time = journal.create_time
        self.restore_count = journal.restores
        self.restore_time = journal.restore_time
        self._state = state
        self.background = Background(tasks)
        self.events = EventLog(
            self.incarnation,
            limits.event_ring_size,
            limits.event_memory_bytes,
            limits.bookmark_interval,
            journal,
        )
        self.stalls = StallWatch(limits.stall_timeout)
        self.systems = Systems(host, limits, self.background, self.events, state)
        self.processes = Processes(limits, self.background, self.events, self.systems, state)

    async def restore(self) -> Restored:
        """Go on with what an earlier run has left. No call has been answered before."""
        saved = self._state.journal.load()
        uids = {process.identity.uid for process, _ in saved.processes}
        await anyio.to_thread.run_sync(remove_strange_streams, self._state.streams, uids)
        self.events.restore(saved.events, saved.newest)
        return await restore(saved, self.systems, self.processes)

    async def leave(self) -> None:
        """Leave all that runs to the next run, and free what this one has of it."""
        self.systems.stop()
        self.processes.leave()
        self.systems.leave()
        await self.processes.written()

    def adopt(self, limits: Limits) -> None:
        """Go on with other limits, as far as they are live."""
        self.limits.adopt(limits)
        self.stalls.timeout = self.limits.stall_timeout

    async def close(self) -> None:
        """Kill every process that the daemon started, wait for their ends, free everything."""
        self.systems.stop()
        await self.processes.close()
        self.systems.close()
