import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from hcsd.v1 import compute_system_pb2 as _compute_system_pb2
from hcsd.v1 import process_pb2 as _process_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ProcessEventType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PROCESS_EVENT_TYPE_UNSPECIFIED: _ClassVar[ProcessEventType]
    PROCESS_EVENT_TYPE_CREATED: _ClassVar[ProcessEventType]
    PROCESS_EVENT_TYPE_STARTED: _ClassVar[ProcessEventType]
    PROCESS_EVENT_TYPE_EXITED: _ClassVar[ProcessEventType]
    PROCESS_EVENT_TYPE_OUTPUT_COMPLETE: _ClassVar[ProcessEventType]
    PROCESS_EVENT_TYPE_DELETED: _ClassVar[ProcessEventType]

class SystemEventType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SYSTEM_EVENT_TYPE_UNSPECIFIED: _ClassVar[SystemEventType]
    SYSTEM_EVENT_TYPE_CREATED: _ClassVar[SystemEventType]
    SYSTEM_EVENT_TYPE_STARTED: _ClassVar[SystemEventType]
    SYSTEM_EVENT_TYPE_PAUSED: _ClassVar[SystemEventType]
    SYSTEM_EVENT_TYPE_RESUMED: _ClassVar[SystemEventType]
    SYSTEM_EVENT_TYPE_SHUTTING_DOWN: _ClassVar[SystemEventType]
    SYSTEM_EVENT_TYPE_EXITED: _ClassVar[SystemEventType]
    SYSTEM_EVENT_TYPE_OUT_OF_MEMORY: _ClassVar[SystemEventType]
    SYSTEM_EVENT_TYPE_FORGOTTEN: _ClassVar[SystemEventType]
PROCESS_EVENT_TYPE_UNSPECIFIED: ProcessEventType
PROCESS_EVENT_TYPE_CREATED: ProcessEventType
PROCESS_EVENT_TYPE_STARTED: ProcessEventType
PROCESS_EVENT_TYPE_EXITED: ProcessEventType
PROCESS_EVENT_TYPE_OUTPUT_COMPLETE: ProcessEventType
PROCESS_EVENT_TYPE_DELETED: ProcessEventType
SYSTEM_EVENT_TYPE_UNSPECIFIED: SystemEventType
SYSTEM_EVENT_TYPE_CREATED: SystemEventType
SYSTEM_EVENT_TYPE_STARTED: SystemEventType
SYSTEM_EVENT_TYPE_PAUSED: SystemEventType
SYSTEM_EVENT_TYPE_RESUMED: SystemEventType
SYSTEM_EVENT_TYPE_SHUTTING_DOWN: SystemEventType
SYSTEM_EVENT_TYPE_EXITED: SystemEventType
SYSTEM_EVENT_TYPE_OUT_OF_MEMORY: SystemEventType
SYSTEM_EVENT_TYPE_FORGOTTEN: SystemEventType

class Event(_message.Message):
    __slots__ = ("revision", "incarnation", "event_time", "process", "system")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    INCARNATION_FIELD_NUMBER: _ClassVar[int]
    EVENT_TIME_FIELD_NUMBER: _ClassVar[int]
    PROCESS_FIELD_NUMBER: _ClassVar[int]
    SYSTEM_FIELD_NUMBER: _ClassVar[int]
    revision: int
    incarnation: str
    event_time: _timestamp_pb2.Timestamp
    process: ProcessEvent
    system: SystemEvent
    def __init__(self, revision: _Optional[int] = ..., incarnation: _Optional[str] = ..., event_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., process: _Optional[_Union[ProcessEvent, _Mapping]] = ..., system: _Optional[_Union[SystemEvent, _Mapping]] = ...) -> None: ...

class ProcessEvent(_message.Message):
    __slots__ = ("type", "process")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    PROCESS_FIELD_NUMBER: _ClassVar[int]
    type: ProcessEventType
    process: _process_pb2.Process
    def __init__(self, type: _Optional[_Union[ProcessEventType, str]] = ..., process: _Optional[_Union[_process_pb2.Process, _Mapping]] = ...) -> None: ...

class SystemEvent(_message.Message):
    __slots__ = ("system", "type", "type_value", "document", "event_type", "compute_system")
    SYSTEM_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    TYPE_VALUE_FIELD_NUMBER: _ClassVar[int]
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    EVENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    COMPUTE_SYSTEM_FIELD_NUMBER: _ClassVar[int]
    system: str
    type: str
    type_value: int
    document: str
    event_type: SystemEventType
    compute_system: _compute_system_pb2.ComputeSystem
    def __init__(self, system: _Optional[str] = ..., type: _Optional[str] = ..., type_value: _Optional[int] = ..., document: _Optional[str] = ..., event_type: _Optional[_Union[SystemEventType, str]] = ..., compute_system: _Optional[_Union[_compute_system_pb2.ComputeSystem, _Mapping]] = ...) -> None: ...

class EventSnapshot(_message.Message):
    __slots__ = ("revision", "incarnation", "systems", "processes", "complete")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    INCARNATION_FIELD_NUMBER: _ClassVar[int]
    SYSTEMS_FIELD_NUMBER: _ClassVar[int]
    PROCESSES_FIELD_NUMBER: _ClassVar[int]
    COMPLETE_FIELD_NUMBER: _ClassVar[int]
    revision: int
    incarnation: str
    systems: _containers.RepeatedCompositeFieldContainer[_compute_system_pb2.ComputeSystem]
    processes: _containers.RepeatedCompositeFieldContainer[_process_pb2.Process]
    complete: bool
    def __init__(self, revision: _Optional[int] = ..., incarnation: _Optional[str] = ..., systems: _Optional[_Iterable[_Union[_compute_system_pb2.ComputeSystem, _Mapping]]] = ..., processes: _Optional[_Iterable[_Union[_process_pb2.Process, _Mapping]]] = ..., complete: _Optional[bool] = ...) -> None: ...

class EventBookmark(_message.Message):
    __slots__ = ("revision", "incarnation")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    INCARNATION_FIELD_NUMBER: _ClassVar[int]
    revision: int
    incarnation: str
    def __init__(self, revision: _Optional[int] = ..., incarnation: _Optional[str] = ...) -> None: ...
