"""All keepers of an engine: how they are started, a look at each of them once in a while.

Thread: the worker's, but for the start of the first keeper, before anything else happens.
"""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING

from hcsd.embedded.cleaning import Cleaning
from hcsd.embedded.keeper.frames import LEFT
from hcsd.embedded.keeper.procfs import ON_LINUX
from hcsd.embedded.keeper_client import KeeperClient
from hcsd.embedded.keeper_link import start_keeper
from hcsd.embedded.orphans import Left, Orphans

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hcsd.embedded.child_settings import ChildSettings
    from hcsd.embedded.cleaning import OnDone
    from hcsd.embedded.groups import Groups
    from hcsd.embedded.keeper.procfs import Identity
    from hcsd.embedded.keeper_client import Callbacks
    from hcsd.embedded.keeper_link import Link
    from hcsd.embedded.kept_stdio import KeptWith
    from hcsd.embedded.records import Record
    from hcsd.embedded.restoring import Restore
    from hcsd.embedded.timings import Timings
    from hcsd.embedded.worker import Worker

logger = logging.getLogger(__name__)


class Keepers:
    """All keepers of an engine.

    Args:
        worker: Where everything runs.
        settings: What is the same for all processes.
        timings: How long to wait for what.
        restore: Where systems are written down; None if they end with this process.
        kept_with: Where what is kept with stdio handles waits for their owners.
        reaps_orphans: Whether all children of this process are the engine's (Linux). Then it becomes
            their subreaper, and ends and reaps whatever a killed keeper leaves behind.

    Attributes:
        settings: As given. Likewise the next three.

    Raises:
        OSError: This process cannot be a subreaper.
    """

    def __init__(
        self,
        worker: Worker,
        settings: ChildSettings,
        timings: Timings,
        *,
        restore: Restore | None,
        kept_with: KeptWith,
        reaps_orphans: bool,
    ) -> None:
        self.restore = restore
        self.kept_with = kept_with
        self.timings = timings
        self._worker = worker
        self.settings = settings
        self._orphans = Orphans() if reaps_orphans and ON_LINUX else None
        self._has_left = False  # something may be left that could not be reaped
        self._limit = timings.clean
        self._keepers: set[KeeperClient] = set()
        self._unreaped: set[KeeperClient] = set()  # they are down; somebody may trace them
        self._cleanings: set[Cleaning] = set()
        worker.post(self._look_later)

    def start(
        self,
        callbacks: Callbacks,
        on_down: Callable[[int], None],
        groups: Groups,
        record: Record,
    ) -> KeeperClient:
        """Start a keeper.

        Args:
            callbacks: Called with what it reports.
            on_down: Called once when it is gone, with its exit status (negative: the signal).
            groups: Control groups of its system.
            record: What is written down of its system.

        Raises:
            OSError: It cannot be started; nothing of it is left.
        """
        with self._orphans.lock if self._orphans is not None else contextlib.nullcontext():
            door = record.listen()
            try:
                link = start_keeper(self.settings, groups, door, record.window)
            except OSError:
                record.unlisten()
                raise
            finally:
                if door is not None:
                    door.close()
            if self._orphans is not None:
                self._orphans.spare(link.process.pid)
        return self.take(callbacks, on_down, link)

    def take(
        self, callbacks: Callbacks, on_down: Callable[[int], None], link: Link
    ) -> KeeperClient:
        """Take a keeper over that runs; the arguments are those of `start`. Ownership: of the link."""

        def down(status: int, left: list[tuple[int, str]]) -> None:
            self._keepers.discard(client)
            self._unreaped.add(client)
            self._reap()
            for pid, name in left:
                logger.warning("%s", Left(pid, name))
            self._has_left |= status == LEFT
            on_down(status)

        client = KeeperClient(self._worker, link, callbacks, down, timings=self.timings)
        self._keepers.add(client)
        return client

    def clean(
        self,
        keeper: KeeperClient,
        members: Mapping[int, Identity | None],
        groups: Groups,
        on_done: OnDone,
    ) -> None:
        """End what a killed keeper has left behind, and remove its groups; see `Cleaning`."""

        def done(ends: dict[int, int | None]) -> None:
            self._cleanings.discard(cleaning)
            self._has_left = True
            on_done(ends)

        cleaning = Cleaning(
            self._worker,
            keeper.mark,
            members=members,
            groups=groups,
            orphans=self._orphans,
            limit=self._limit,
            on_done=done,
        )
        self._cleanings.add(cleaning)
        cleaning.start()

    def let_go(self) -> None:
        """Leave every keeper to another engine."""
        for keeper in self._keepers:
            keeper.let_go()
        self._keepers.clear()

    def kill(self, limit: float) -> None:
        """Kill every keeper.

        Args:
            limit: Seconds that each cleaning may take from now on.
        """
        self._limit = min(self._limit, limit)
        for cleaning in self._cleanings:
            cleaning.hurry(self._limit)
        for keeper in self._keepers:
            keeper.kill()

    def _reap(self) -> None:
        for keeper in [keeper for keeper in self._unreaped if keeper.reap()]:
            self._unreaped.remove(keeper)
            if self._orphans is not None:
                self._orphans.forget(keeper.keeper_pid)

    def _look_later(self) -> None:
        self._worker.after(self.timings.look, self._look)

    def _look(self) -> None:
        try:
            for keeper in list(self._keepers):
                keeper.look()
            self._reap()
            if self._has_left and self._orphans is not None:
                self._orphans.end(lambda: True)
                self._has_left = not self._orphans.quiet
        finally:
            self._look_later()
