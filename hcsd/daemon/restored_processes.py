"""Processes that go from one run of the daemon to the next; see `hcsd.daemon.restore` for the order."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from hcsd.daemon.known_processes import KnownProcesses
from hcsd.daemon.ownership import AFTER_RESTART
from hcsd.daemon.process_life import OVER
from hcsd.daemon.rings import Rings
from hcsd.daemon.spec import OPENED, in_force

if TYPE_CHECKING:
    from hcsd.daemon.process import Process
    from hcsd.daemon.state.rows import SavedProcess, SavedState
    from hcsd.daemon.system import System
    from hcsd.hcs.process import Process as EngineProcess


class RestoredProcesses(KnownProcesses):
    """Processes by their names, which an earlier run may have left, and which may be left to the next."""

    def begin_to_restore(self, number: int) -> None:
        """Get ready for what an earlier run of the daemon has left.

        Args:
            number: The least that none of its processes has had.
        """
        self._numbers = itertools.count(number)
        self._kept.hold(AFTER_RESTART)

    def restore(self, saved: SavedProcess) -> None:
        """Make a process known of an earlier run of the daemon, which is run again or fails next."""
        identity = saved.identity
        resolved, folder = OPENED, ""
        if identity.spec is not None and identity.options is not None:
            resolved = in_force(identity.spec, identity.options)
            folder = self._folder_of(identity.uid)
        rings = Rings(resolved, folder, restored=True)
        process = self._make(identity, saved.number, resolved, saved.request, rings)
        # What was kept before is kept, also if the limits are lower now.
        self._records.restore(process, identity.weight)
        self._ring_memory.restore(process)
        self._known[identity.key] = process

    def restored(self, saved: SavedProcess) -> Process:
        """Return a process that `restore` has made known."""
        return self._known[saved.identity.key]

    def run_again_in(
        self, system: System, process: Process, saved: SavedState, engine: EngineProcess | None
    ) -> None:
        """Note that a process of an earlier run of the daemon was found, or was not. Ownership: of `engine`."""
        if engine is not None and saved.life not in OVER:
            self._enter(system, process, engine)
        process.guest = system.guest
        process.resume(saved, engine, process.kill_in_background)
        if process.stdin is not None and process.stdin.closing:
            self.background.start(process.stdin.close, f"close stdin of {process.name}")
        if process.running:
            process.ownership.wait_for_owner()

    def leave(self) -> None:
        """Leave every process to the next run of the daemon, and free what this one has of it."""
        self._stopping = True
        for process in self:
            process.leave()
