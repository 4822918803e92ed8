"""What happens to processes and compute systems, kept for a while, for any number of watchers.

    publish ─▶ gets the next revision ─▶ written down ─▶ told ─▶ evicted: too many, or too many bytes

No event is told before it is in the journal, or after a restart another one could get its revision.

A watcher is a place in the log, the revision up to which it has been told everything:

    WAITING ──something happens, or a bookmark is due──▶ SENDING ──it is sent──▶ WAITING
                                                            └──what comes next was evicted──▶ ENDED

It holds no event and the log waits for no watcher, so one that is slow costs one message on its way.
What does not concern a watcher takes it along without a message.

One timer serves the bookmarks of all. At each turn, a watcher that was sent nothing since the turn
before is due. The timer runs while there are watchers. A watcher that wants bookmarks at shorter
intervals has heartbeats of its own.

The events of one process come in this order, whatever the order in which the daemon learns of them.
Only `created` and `deleted` are always there; of a process that is deleted, nothing follows.

    created < started < exited < output_complete < deleted

Those of one system come in the order of its life, see `hcsd.daemon.system_life`. Its exit comes after
those of its processes.

Thread: the event loop's. Publishing has no await in it, and neither has taking a place.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hcsd.daemon.errors import RequestError
from hcsd.daemon.events import Bookmark, Event, HcsEvent, ProcessEvent, SystemEvent
from hcsd.daemon.heartbeats import Heartbeats
from hcsd.daemon.reasons import Reason
from hcsd.daemon.shorten import whole_or_nothing
from hcsd.daemon.state.journal import Journal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hcsd.daemon.events import ProcessEventKind, SystemEventKind
    from hcsd.daemon.process_record import ProcessRecord
    from hcsd.daemon.system import SystemView

BASE_WEIGHT = 512  # bytes of an event of a system without its document, generously


class EventLog:
    """The events of one run of the daemon.

    Args:
        incarnation: Boot id of the daemon.
        capacity: How many events are kept.
        max_bytes: About how many bytes they may take together. An event has the process with what
            was asked for, which a client can make large.
        bookmark_interval: Seconds after which a watcher without events is told how far it is.
        journal: Where they are written down.

    Attributes:
        newest: Revision of the latest event that may be told; 0 before the first.
    """

    def __init__(
        self,
        incarnation: str,
        capacity: int,
        max_bytes: int,
        bookmark_interval: float,
        journal: Journal | None = None,
    ) -> None:
        self.incarnation = incarnation
        self.newest = 0
        self._published = 0  # revision of the latest event
        self._journal = journal or Journal.none()
        self._capacity = capacity
        self._max_bytes = max_bytes
        self._bookmark_interval = bookmark_interval
        self._kept: dict[int, Event] = {}  # by revision, without holes
        self._weight = 0  # of what is kept
        self._watchers: set[Watcher] = set()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def oldest(self) -> int:
        """Revision of the oldest event that is kept; the next one if there is none."""
        return self._published + 1 - len(self._kept)

    def restore(self, events: Sequence[Event], newest: int) -> None:
        """Go on after the newest revision of an earlier run, of which `events` are the last."""
        self.newest = self._published = newest
        self._kept = {event.revision: event for event in events}
        self._weight = sum(event.weight for event in events)
        self._evict()

    def publish_process(self, process: ProcessRecord, kind: ProcessEventKind) -> None:
        """Publish an event of a process."""
        event = ProcessEvent(kind, process.view())
        self._publish(process.key.system_id, event, process.identity.weight)

    def publish_system(self, system_id: str, value: int, document: str) -> None:
        """Publish an event that HCS has sent about a system, and that is no step of its life.

        Args:
            system_id: Which one.
            value: Of HCS_EVENT_TYPE, unsigned.
            document: The document that came with it; empty if none did, or if it is too large.
        """
        hcs = _hcs_event(value, document)
        self._publish(system_id, SystemEvent(system_id, hcs), BASE_WEIGHT + len(hcs.document))

    def publish_step(
        self, system: SystemView, kind: SystemEventKind, value: int = 0, document: str = ""
    ) -> None:
        """Publish a step in the life of a system.

        Args:
            system: The system right after it.
            kind: Which step.
            value: Of HCS_EVENT_TYPE, unsigned, if HCS has sent an event about it; else 0.
            document: The document of that event; empty if none came.
        """
        system_id = system.properties.id
        hcs = _hcs_event(value, document)
        weight = BASE_WEIGHT + len(hcs.document) + system.weight
        self._publish(system_id, SystemEvent(system_id, hcs, kind, system), weight)

    def get(self, revision: int) -> Event:
        """Return an event that is kept."""
        return self._kept[revision]

    @contextmanager
    def watch(
        self, system_id: str | None, after: int | None, heartbeat_interval: float = 0.0
    ) -> Iterator[Watcher]:
        """Take a place in the log, inside the block.

        Args:
            system_id: The system whose events are wanted; None for all.
            after: Revision after which to begin; None for what happens from now on. Then what has been
                published may still be told only when it is written down.
            heartbeat_interval: Seconds without a message after which a bookmark is due; 0 leaves it
                at the bookmarks of the log.

        Raises:
            RequestError: REVISION_COMPACTED or REVISION_UNKNOWN; there is no such place any more,
                or not yet.
        """
        watcher = Watcher(self, system_id, self._place(after), heartbeat_interval)
        self._watchers.add(watcher)
        if self._timer is None:
            self._start_timer()
        try:
            yield watcher
        finally:
            self._watchers.discard(watcher)
            watcher.close()

    def _place(self, after: int | None) -> int:
        if after is None:
            return self._published
        if after > self.newest:
            raise self._out_of_range(
                Reason.REVISION_UNKNOWN,
                f"there is no revision {after} yet; the newest is {self.newest}",
            )
        if after < self.oldest - 1:
            raise self._out_of_range(
                Reason.REVISION_COMPACTED,
                f"events after revision {after} are no longer kept, the oldest is {self.oldest};"
                " begin anew with 'send_snapshot'",
            )
        return after

    def _out_of_range(self, reason: Reason, message: str) -> RequestError:
        metadata = {"oldest_revision": str(self.oldest), "newest_revision": str(self.newest)}
        return RequestError(reason, message, metadata=metadata)

    def _publish(self, system_id: str, what: ProcessEvent | SystemEvent, weight: int) -> None:
        self._published += 1
        event = Event(self._published, time.time_ns(), system_id, weight, what)
        self._kept[event.revision] = event
        self._weight += weight
        self._journal.add_event(event)
        self._evict()
        self._journal.after_written(lambda: self._tell(event))

    def _evict(self) -> None:
        oldest = self.oldest
        while len(self._kept) > self._capacity or self._weight > self._max_bytes:
            self._weight -= self._kept.pop(self.oldest).weight
        if self.oldest > oldest:
            self._journal.drop_events(self.oldest)

    def _tell(self, event: Event) -> None:
        self.newest = event.revision
        for watcher in self._watchers:
            watcher.tell(event.revision, event.system_id)

    def _start_timer(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._bookmark_interval, self._remind)

    def _remind(self) -> None:
        self._timer = None
        for watcher in self._watchers:
            watcher.remind()
        if self._watchers:
            self._start_timer()


class Watcher:
    """One watcher of a log; see the module's head.

    Attributes:
        revision: It has been told of everything up to here.
    """

    def __init__(
        self, log: EventLog, system_id: str | None, revision: int, heartbeat_interval: float
    ) -> None:
        self.revision = revision
        self._log = log
        self._system_id = system_id
        self._awake = asyncio.Event()
        self._heartbeats = Heartbeats(heartbeat_interval, self._awake)
        self._sent = True  # something, since the last turn of the timer
        self._bookmark_due = False

    async def next(self) -> Event | Bookmark:
        """Return the next event, or a bookmark; waits until there is one.

        Raises:
            RequestError: SUBSCRIBER_STALLED; the next event was evicted.
        """
        while True:
            self._awake.clear()
            taken = self._take()
            if taken is not None:
                self._sent = True
                return taken
            if await self._heartbeats.wait():
                self._bookmark_due = True

    def close(self) -> None:
        """Wait no more."""
        self._heartbeats.close()

    def bookmark(self) -> Bookmark:
        """Return how far it has come."""
        self._bookmark_due = False
        return Bookmark(self.revision)

    def tell(self, revision: int, system_id: str) -> None:
        """Note that something was published; what does not concern it takes it along."""
        if self.revision == revision - 1 and not self._wants(system_id):
            self.revision = revision
        else:
            self._awake.set()

    def remind(self) -> None:
        """Note a turn of the timer."""
        if not self._sent:
            self._bookmark_due = True
            self._awake.set()
        self._sent = False

    def _wants(self, system_id: str) -> bool:
        return self._system_id in {None, system_id}

    def _take(self) -> Event | Bookmark | None:
        log = self._log
        while self.revision < log.newest:
            if self.revision + 1 < log.oldest:
                raise self._stalled()
            self.revision += 1
            event = log.get(self.revision)
            if self._wants(event.system_id):
                return event
        return self.bookmark() if self._bookmark_due else None

    def _stalled(self) -> RequestError:
        return RequestError(
            Reason.SUBSCRIBER_STALLED,
            f"this watcher has taken events up to revision {self.revision} only, and those before"
            f" {self._log.oldest} are no longer kept; begin anew with 'send_snapshot'",
            metadata={
                "revision": str(self.revision),
                "oldest_revision": str(self._log.oldest),
            },
        )


def _hcs_event(value: int, document: str) -> HcsEvent:
    return HcsEvent(value, whole_or_nothing(document))
