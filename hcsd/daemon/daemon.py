"""The daemon: its parts, and an orderly end.

engine ─▶ systems ─▶ processes        each is built over those before it
background, events, stalls            serve all of them
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from hcsd.daemon.background import Background
from hcsd.daemon.event_log import EventLog
from hcsd.daemon.processes import Processes
from hcsd.daemon.stalls import StallWatch
from hcsd.daemon.systems import Systems

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

    from hcsd.daemon.settings import Limits
    from hcsd.hcs.host import Host


class Daemon:
    """One run of the daemon.

    Args:
        host: The engine.
        limits: Limits in force.
        tasks: Where its background work runs.
        incarnation: Its boot id; a new one if there is none yet.

    Attributes:
        host: As given.
        limits: As given.
        incarnation: As given.
        background: Runs what must finish, whoever waits.
        events: What happens to processes and systems.
        stalls: Watches the readers of all processes.
        systems: The compute systems.
        processes: The processes.
    """

    def __init__(self, host: Host, limits: Limits, tasks: TaskGroup, incarnation: str = "") -> None:
        self.host = host
        self.limits = limits
        self.incarnation = incarnation or str(uuid.uuid4())
        self.background = Background(tasks)
        self.events = EventLog(
            self.incarnation,
            limits.event_ring_size,
            limits.event_memory_bytes,
            limits.bookmark_interval,
        )
        self.stalls = StallWatch(limits.stall_timeout)
        self.systems = Systems(host, limits, self.background, self.events)
        self.processes = Processes(
            limits, self.incarnation, self.background, self.events, self.systems
        )

    async def close(self) -> None:
        """Kill every process that the daemon started, wait for their ends, free everything."""
        self.systems.stop()
        await self.processes.close()
        self.systems.close()
