"""hcsd.v1.EventService: the log of events, and what there was before it.

A snapshot is taken in this order, so that nothing falls between it and the events that follow:

    1. a place in the log is taken, and with it the revision of the snapshot
    2. the processes are written down, with no await since 1
    3. HCS is asked for the systems, which may take its time

What changes after 1 is an event after the snapshot. A system may have had its events of that time
already when it is listed. So a client may hear of such a change twice, and never misses one.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from hcsd.daemon.errors import RequestError, RestartedError
from hcsd.daemon.events import Bookmark
from hcsd.daemon.names import ANY_SYSTEM, parse_system
from hcsd.hcs.errors import HcsError
from hcsd.rpc.convert import event_message, process_message, seconds, system_message
from hcsd.v1 import event_pb2 as pb
from hcsd.v1 import event_service_pb2 as service_pb
from hcsd.v1.event_service_pb2_grpc import EventServiceServicer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator

    from hcsd.daemon.daemon import Daemon
    from hcsd.daemon.events import Event
    from hcsd.rpc.calls import Context
    from hcsd.v1.compute_system_pb2 import ComputeSystem
    from hcsd.v1.process_pb2 import Process

PART_BYTES = 1024 * 1024  # of the entries of a part; one entry may be larger
BEGIN_ANEW = "watch anew with 'send_snapshot', which begins with what there is now"


class EventService(EventServiceServicer):
    """Serves events."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon

    async def WatchEvents(
        self, request: service_pb.WatchEventsRequest, context: Context
    ) -> AsyncIterator[service_pb.WatchEventsResponse]:
        log = self._daemon.events
        resumes = request.HasField("after_revision")
        if request.incarnation not in {"", log.incarnation}:
            raise RestartedError(log.incarnation, BEGIN_ANEW)
        system_id = parse_system(request.parent) if request.parent else ANY_SYSTEM
        wanted = None if system_id == ANY_SYSTEM else system_id
        held = contextlib.ExitStack()
        if wanted is not None:
            try:
                opened = await self._daemon.systems.open(wanted)
                held.enter_context(opened.in_use())
            except (RequestError, HcsError):
                if not resumes:  # else its last events may be what is waited for
                    raise
        after = request.after_revision if resumes else None
        if resumes and not request.incarnation:
            after = log.oldest - 1
        interval = seconds(request.heartbeat_interval)
        with held, log.watch(wanted, after, interval) as watcher:
            parts: list[pb.EventSnapshot] = []
            if request.send_snapshot:  # taken with the place, before anything else can happen
                parts = await self._snapshot(wanted, watcher.revision)
            # A revision that is told must not be given to something else after a restart.
            await self._daemon.processes.written()
            for part in parts:
                yield service_pb.WatchEventsResponse(snapshot=part)
            if not parts:
                yield self._message(watcher.bookmark())
            while True:
                yield self._message(await watcher.next())

    def _message(self, what: Event | Bookmark) -> service_pb.WatchEventsResponse:
        incarnation = self._daemon.incarnation
        if isinstance(what, Bookmark):
            return service_pb.WatchEventsResponse(
                bookmark=pb.EventBookmark(revision=what.revision, incarnation=incarnation)
            )
        return service_pb.WatchEventsResponse(event=event_message(what, incarnation))

    async def _snapshot(self, system_id: str | None, revision: int) -> list[pb.EventSnapshot]:
        """Write down what there is now, in parts."""
        processes = [
            process_message(process.view())
            for process in self._daemon.processes
            if system_id in {None, process.key.system_id}
        ]
        systems = [
            system_message(self._daemon.systems.view(system))
            for system in await self._daemon.host.systems()
            if system_id in {None, system.id}
        ]
        base = pb.EventSnapshot(revision=revision, incarnation=self._daemon.incarnation)
        return list(_parts(base, systems, processes))


def _parts(
    base: pb.EventSnapshot, systems: Iterable[ComputeSystem], processes: Iterable[Process]
) -> Iterator[pb.EventSnapshot]:
    """Put them into parts of a size that clients take; the last one says so."""
    part, size = _empty(base), 0
    for kind, messages in (("systems", systems), ("processes", processes)):
        for message in messages:
            size += message.ByteSize()
            if size > PART_BYTES and (part.systems or part.processes):
                yield part
                part, size = _empty(base), message.ByteSize()
            getattr(part, kind).append(message)
    part.complete = True
    yield part


def _empty(base: pb.EventSnapshot) -> pb.EventSnapshot:
    part = pb.EventSnapshot()
    part.CopyFrom(base)
    return part
