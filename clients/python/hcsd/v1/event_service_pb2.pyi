import datetime

from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from hcsd.v1 import event_pb2 as _event_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class WatchEventsRequest(_message.Message):
    __slots__ = ("parent", "after_revision", "incarnation", "send_snapshot", "heartbeat_interval")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    AFTER_REVISION_FIELD_NUMBER: _ClassVar[int]
    INCARNATION_FIELD_NUMBER: _ClassVar[int]
    SEND_SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    parent: str
    after_revision: int
    incarnation: str
    send_snapshot: bool
    heartbeat_interval: _duration_pb2.Duration
    def __init__(self, parent: _Optional[str] = ..., after_revision: _Optional[int] = ..., incarnation: _Optional[str] = ..., send_snapshot: _Optional[bool] = ..., heartbeat_interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class WatchEventsResponse(_message.Message):
    __slots__ = ("event", "snapshot", "bookmark")
    EVENT_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    BOOKMARK_FIELD_NUMBER: _ClassVar[int]
    event: _event_pb2.Event
    snapshot: _event_pb2.EventSnapshot
    bookmark: _event_pb2.EventBookmark
    def __init__(self, event: _Optional[_Union[_event_pb2.Event, _Mapping]] = ..., snapshot: _Optional[_Union[_event_pb2.EventSnapshot, _Mapping]] = ..., bookmark: _Optional[_Union[_event_pb2.EventBookmark, _Mapping]] = ...) -> None: ...
