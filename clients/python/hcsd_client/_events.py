"""The calls about events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hcsd.v1.event_service_pb2 import WatchEventsRequest, WatchEventsResponse
from hcsd_client._asking import Asking
from hcsd_client._stream import EventStream
from hcsd_client.names import ALL_SYSTEMS, full_system_name

if TYPE_CHECKING:
    from hcsd_client._channel import Channel
    from hcsd_client._stream import Responses


class Events(EventStream[WatchEventsResponse]):
    """What `Client.watch_events` returns: what happens, as `WatchEventsResponse`s.

    After a lost connection it goes on behind the revision of the last message: every event comes once. A
    snapshot that broke before its last part is asked for anew, so the parts that follow have another
    revision. A bookmark that tells no new revision is not handed out.
    """

    def __init__(self, channel: Channel, request: WatchEventsRequest) -> None:
        super().__init__(channel, "the watch of events")
        self._request = request
        self._place: tuple[int, str] | None = None  # revision and incarnation of the last message
        if heartbeat := channel.link.heartbeat:
            request.heartbeat_interval.CopyFrom(heartbeat)

    def _start(self) -> Responses[WatchEventsResponse]:
        if self._place is not None:
            self._request.after_revision, self._request.incarnation = self._place
            self._request.send_snapshot = False
        return self._channel.events.WatchEvents(self._request, metadata=self._channel.metadata)

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

        It goes on by itself after a lost connection. Each message has the revision and the
        incarnation with which another watch, or another program, goes on behind it.

        Args:
            parent: Name of a system; by default all.
            after_revision: Where to begin; 0 without an incarnation is with all that is kept. Default:
                with what happens from now on.
            incarnation: What `after_revision` belongs to.
            send_snapshot: Begin with what there is now.

        Raises (while iterating):
            NotFoundError: There is no such system.
            OutOfRangeError: `RevisionCompactedError`, events after the revision are no longer kept; or
                it belongs to another run of the daemon.
            SubscriberStalledError: The caller has fallen too far behind.
        """
        request = WatchEventsRequest(
            parent=full_system_name(parent),
            after_revision=after_revision,
            incarnation=incarnation,
            send_snapshot=send_snapshot,
        )
        return Events(self._channel, request)
