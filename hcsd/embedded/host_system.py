"""The system `host`, which is there for as long as the engine is.

    begin() ──▶ RUNNING ──it has stopped, for whatever reason──▶ WAITING ──the pause is over──▶ RUNNING
                                                                     ▲          │ it cannot be started
                                                                     └──────────┘
    forget(): from then on it stays as it is, and its end is the end

Each time it is another system under the same id. Watchers learn of the end of the old one before the
new one is listed; until then the old one is listed as stopped. The pause is nothing at first. It grows as long as the system does not stay.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from hcsd.embedded.configuration import Configuration, Limits
from hcsd.embedded.faults import Fault
from hcsd.embedded.system import System

if TYPE_CHECKING:
    import threading

    from hcsd.embedded.keepers import Keepers
    from hcsd.embedded.worker import Worker

HOST_SYSTEM = "host"

logger = logging.getLogger(__name__)


class HostSystem:
    """Keeps the system `host` running.

    Args:
        lock: Guards every field of the system.
        worker: Where everything runs, but for the first start.
        listed: The systems by id, to which it belongs.
        keepers: Where its keeper is started.
    """

    def __init__(
        self,
        lock: threading.RLock,
        worker: Worker,
        listed: dict[str, System],
        keepers: Keepers,
    ) -> None:
        self._lock = lock
        self._worker = worker
        self._listed = listed
        self._keepers = keepers
        self._timings = keepers.timings
        self._pause = 0.0
        self._launched = 0.0
        self._forgotten = False

    def begin(self) -> None:
        """Launch it, unless it was taken over; see `launch`."""
        if HOST_SYSTEM not in self._listed:
            self.launch()

    def launch(self) -> None:
        """Make it and start it.

        Raises:
            OSError: It cannot be started.
            Fault: Likewise.
        """
        system = System(
            HOST_SYSTEM,
            Configuration(
                owner="hcsd", limits=Limits(tasks=self._keepers.settings.max_tasks or None)
            ),
            self._lock,
            self._worker,
            self._listed,
            keepers=self._keepers,
            on_stopped=self.revive,
        )
        system.launch()
        self._launched = time.monotonic()
        with self._lock:
            self._listed[HOST_SYSTEM] = system

    def forget(self) -> None:
        """Do not make it again. Thread: the worker's."""
        self._forgotten = True

    def revive(self) -> None:
        """Make another one, since the one that was there has stopped. Thread: the worker's."""
        if self._forgotten:
            return
        if time.monotonic() - self._launched > self._timings.revive_most:
            self._pause = 0.0
        logger.warning("system '%s' has stopped; a new one takes its place", HOST_SYSTEM)
        self._launch_later()

    def _launch_later(self) -> None:
        pause = self._pause
        self._pause = min(max(pause * 2, self._timings.revive), self._timings.revive_most)
        if pause:
            self._worker.after(pause, self._launch_again)
        else:
            self._launch_again()

    def _launch_again(self) -> None:
        if self._forgotten:
            return
        try:
            self.launch()
        except (OSError, Fault) as error:
            logger.error("system '%s' cannot be started again: %s", HOST_SYSTEM, error)  # noqa: TRY400
            self._launch_later()
        else:
            logger.info("system '%s' is running again", HOST_SYSTEM)
