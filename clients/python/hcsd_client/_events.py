"""The calls about events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hcsd.v1.event_service_pb2 import WatchEventsRequest, WatchEventsResponse
from hcsd_client._asking import Asking
from hcsd_client._errors import (
    DaemonRestartedError,
    RevisionCompactedError,
    SubscriberStalledError,
)
from hcsd_client._stream import EventStream
from hcsd_client.names import ALL_SYSTEMS, full_system_name

if TYPE_CHECKING:
    from hcsd_client._channel import Channel
    from hcsd_client._errors import CallError
    from hcsd_client._stream import Responses

# Nothing follows the place that a watch has come to.
NO_WAY_ON = (DaemonRestartedError, RevisionCompactedError, SubscriberStalledError)


class Events(EventStream[WatchEventsResponse]):
    """What `Client.watch_events` returns: what happens, as `WatchEventsResponse`s.

    After a lost connection it goes on behind the revision of the last message: every event comes once. A
    bookmark that tells no new revision is not handed out.

    A watch with `send_snapshot` also survives what it cannot go on behind: a daemon that lost its state, a
    connection that was lost for so long that events are no longer kept, a caller that was too slow. Then
    another snapshot comes, and the events after it. So whoever gets a part of a snapshot whose revision or
    incarnation is another one than that of the part before forgets what it knew. The incarnation tells
    one state of the daemon from another. A snapshot that broke before its last part comes anew, too.

    A watch without a snapshot raises `DaemonRestartedError`, `RevisionCompactedError` or
    `SubscriberStalledError` there.
    """

    def __init__(self, channel: Channel, request: WatchEventsRequest) -> None:
        super().__init__(channel, "the watch of events")
        self._request = request
        self._place: tuple[int, str] | None = None  # revision and incarnation of the last message
        self._can_begin_anew = request.send_snapshot
        self._patient = True
        if heartbeat := channel.link.heartbeat:
            request.heartbeat_interval.CopyFrom(heartbeat)

    def _start(self) -> Responses[WatchEventsResponse]:
        request = self._request
        if self._place is not None:
            request = WatchEventsRequest()
            request.CopyFrom(self._request)
            request.after_revision, request.incarnation = self._place
            request.send_snapshot = False
        return self._channel.events.WatchEvents(request, metadata=self._channel.metadata)

    def _is_survived(self, error: CallError) -> bool:
        if isinstance(error, NO_WAY_ON) and self._can_begin_anew and self._place is not None:
            self._place = None
            return True
        return super()._is_survived(error)

    def _note(self, message: WatchEventsResponse) -> bool:
        item = message.WhichOneof("item")
        if item is None or (item == "snapshot" and not message.snapshot.complete):
            return True
        found = getattr(message, item)
        place = (found.revision, found.incarnation)
        is_news = item != "bookmark" or place != self._place
        self._place = place
        return is_news


class EventCalls(Asking):
    """The calls about events; see `Client`."""

    def watch_events(
        self,
        parent: str = ALL_SYSTEMS,
        *,
        after_revision: int | None = None,
        incarnation: str = "",
        send_snapshot: bool = False,
    ) -> Events:
        """Watch what happens to compute systems and processes, without an end.

        It goes on by itself after a lost connection, and with `send_snapshot` also where the daemon has
        lost its state: see `Events`. Each item has the revision and the incarnation with which another watch, or
        another program, goes on behind it.

        Args:
            parent: Name of a system; by default all.
            after_revision: Where to begin; 0 without an incarnation is with all that is kept. Default:
                with what happens from now on.
            incarnation: What `after_revision` belongs to.
            send_snapshot: Begin with what there is now, and begin anew with it where the watch cannot go
                on, as where the daemon has lost its state.

        Raises (while iterating):
            NotFoundError: There is no such system.
            DaemonRestartedError: The daemon has lost its state, with all processes; not with
                `send_snapshot`.
            RevisionCompactedError: Events after the revision are no longer kept; not with `send_snapshot`.
            SubscriberStalledError: The caller has fallen too far behind; not with `send_snapshot`.
        """
        request = WatchEventsRequest(
            parent=full_system_name(parent),
            after_revision=after_revision,
            incarnation=incarnation,
            send_snapshot=send_snapshot,
        )
        return Events(self._channel, request)
