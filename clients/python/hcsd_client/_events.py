"""The calls about events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hcsd.v1.event_service_pb2 import WatchEventsRequest, WatchEventsResponse
from hcsd_client._asking import Asking
from hcsd_client._stream import EventStream
from hcsd_client.names import ALL_SYSTEMS

if TYPE_CHECKING:
    from hcsd_client._channel import Channel
    from hcsd_client._stream import Responses


class Events(EventStream[WatchEventsResponse]):
    """What `Client.watch_events` returns: what happens, as `WatchEventsResponse`s."""

    def __init__(self, channel: Channel, request: WatchEventsRequest) -> None:
        super().__init__(channel)
        self._request = request

    def _start(self) -> Responses[WatchEventsResponse]:
        return self._channel.events.WatchEvents(self._request, metadata=self._channel.metadata)


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

        Each message has the revision and the incarnation to go on with after a lost connection.

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
            parent=parent,
            after_revision=after_revision,
            incarnation=incarnation,
            send_snapshot=send_snapshot,
        )
        return Events(self._channel, request)
