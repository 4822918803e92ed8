"""hcsd.v1.EventService; this version does not serve it yet and says so."""

from __future__ import annotations

from hcsd.v1.event_service_pb2_grpc import EventServiceServicer


class EventService(EventServiceServicer):
    """Answers UNIMPLEMENTED."""
