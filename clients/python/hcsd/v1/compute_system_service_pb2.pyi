import datetime

from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from hcsd.v1 import compute_system_pb2 as _compute_system_pb2
from hcsd.v1 import process_pb2 as _process_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CreateComputeSystemRequest(_message.Message):
    __slots__ = ("system_id", "configuration_json", "request_id", "start")
    SYSTEM_ID_FIELD_NUMBER: _ClassVar[int]
    CONFIGURATION_JSON_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    system_id: str
    configuration_json: str
    request_id: str
    start: bool
    def __init__(self, system_id: _Optional[str] = ..., configuration_json: _Optional[str] = ..., request_id: _Optional[str] = ..., start: _Optional[bool] = ...) -> None: ...

class CreateComputeSystemResponse(_message.Message):
    __slots__ = ("system", "replayed")
    SYSTEM_FIELD_NUMBER: _ClassVar[int]
    REPLAYED_FIELD_NUMBER: _ClassVar[int]
    system: _compute_system_pb2.ComputeSystem
    replayed: bool
    def __init__(self, system: _Optional[_Union[_compute_system_pb2.ComputeSystem, _Mapping]] = ..., replayed: _Optional[bool] = ...) -> None: ...

class GetComputeSystemRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class GetComputeSystemResponse(_message.Message):
    __slots__ = ("system",)
    SYSTEM_FIELD_NUMBER: _ClassVar[int]
    system: _compute_system_pb2.ComputeSystem
    def __init__(self, system: _Optional[_Union[_compute_system_pb2.ComputeSystem, _Mapping]] = ...) -> None: ...

class ListComputeSystemsRequest(_message.Message):
    __slots__ = ("owners", "ids", "names", "types", "page_size", "page_token")
    OWNERS_FIELD_NUMBER: _ClassVar[int]
    IDS_FIELD_NUMBER: _ClassVar[int]
    NAMES_FIELD_NUMBER: _ClassVar[int]
    TYPES_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    owners: _containers.RepeatedScalarFieldContainer[str]
    ids: _containers.RepeatedScalarFieldContainer[str]
    names: _containers.RepeatedScalarFieldContainer[str]
    types: _containers.RepeatedScalarFieldContainer[_compute_system_pb2.ComputeSystemType]
    page_size: int
    page_token: str
    def __init__(self, owners: _Optional[_Iterable[str]] = ..., ids: _Optional[_Iterable[str]] = ..., names: _Optional[_Iterable[str]] = ..., types: _Optional[_Iterable[_Union[_compute_system_pb2.ComputeSystemType, str]]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListComputeSystemsResponse(_message.Message):
    __slots__ = ("systems", "next_page_token")
    SYSTEMS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    systems: _containers.RepeatedCompositeFieldContainer[_compute_system_pb2.ComputeSystem]
    next_page_token: str
    def __init__(self, systems: _Optional[_Iterable[_Union[_compute_system_pb2.ComputeSystem, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class StartComputeSystemRequest(_message.Message):
    __slots__ = ("name", "options_json")
    NAME_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_JSON_FIELD_NUMBER: _ClassVar[int]
    name: str
    options_json: str
    def __init__(self, name: _Optional[str] = ..., options_json: _Optional[str] = ...) -> None: ...

class StartComputeSystemResponse(_message.Message):
    __slots__ = ("system",)
    SYSTEM_FIELD_NUMBER: _ClassVar[int]
    system: _compute_system_pb2.ComputeSystem
    def __init__(self, system: _Optional[_Union[_compute_system_pb2.ComputeSystem, _Mapping]] = ...) -> None: ...

class ShutDownComputeSystemRequest(_message.Message):
    __slots__ = ("name", "timeout", "force", "options_json")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_JSON_FIELD_NUMBER: _ClassVar[int]
    name: str
    timeout: _duration_pb2.Duration
    force: bool
    options_json: str
    def __init__(self, name: _Optional[str] = ..., timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., force: _Optional[bool] = ..., options_json: _Optional[str] = ...) -> None: ...

class ShutDownComputeSystemResponse(_message.Message):
    __slots__ = ("system", "forced", "timed_out")
    SYSTEM_FIELD_NUMBER: _ClassVar[int]
    FORCED_FIELD_NUMBER: _ClassVar[int]
    TIMED_OUT_FIELD_NUMBER: _ClassVar[int]
    system: _compute_system_pb2.ComputeSystem
    forced: bool
    timed_out: bool
    def __init__(self, system: _Optional[_Union[_compute_system_pb2.ComputeSystem, _Mapping]] = ..., forced: _Optional[bool] = ..., timed_out: _Optional[bool] = ...) -> None: ...

class TerminateComputeSystemRequest(_message.Message):
    __slots__ = ("name", "options_json")
    NAME_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_JSON_FIELD_NUMBER: _ClassVar[int]
    name: str
    options_json: str
    def __init__(self, name: _Optional[str] = ..., options_json: _Optional[str] = ...) -> None: ...

class TerminateComputeSystemResponse(_message.Message):
    __slots__ = ("system",)
    SYSTEM_FIELD_NUMBER: _ClassVar[int]
    system: _compute_system_pb2.ComputeSystem
    def __init__(self, system: _Optional[_Union[_compute_system_pb2.ComputeSystem, _Mapping]] = ...) -> None: ...

class PauseComputeSystemRequest(_message.Message):
    __slots__ = ("name", "options_json")
    NAME_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_JSON_FIELD_NUMBER: _ClassVar[int]
    name: str
    options_json: str
    def __init__(self, name: _Optional[str] = ..., options_json: _Optional[str] = ...) -> None: ...

class PauseComputeSystemResponse(_message.Message):
    __slots__ = ("system",)
    SYSTEM_FIELD_NUMBER: _ClassVar[int]
    system: _compute_system_pb2.ComputeSystem
    def __init__(self, system: _Optional[_Union[_compute_system_pb2.ComputeSystem, _Mapping]] = ...) -> None: ...

class ResumeComputeSystemRequest(_message.Message):
    __slots__ = ("name", "options_json")
    NAME_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_JSON_FIELD_NUMBER: _ClassVar[int]
    name: str
    options_json: str
    def __init__(self, name: _Optional[str] = ..., options_json: _Optional[str] = ...) -> None: ...

class ResumeComputeSystemResponse(_message.Message):
    __slots__ = ("system",)
    SYSTEM_FIELD_NUMBER: _ClassVar[int]
    system: _compute_system_pb2.ComputeSystem
    def __init__(self, system: _Optional[_Union[_compute_system_pb2.ComputeSystem, _Mapping]] = ...) -> None: ...

class SaveComputeSystemRequest(_message.Message):
    __slots__ = ("name", "options_json")
    NAME_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_JSON_FIELD_NUMBER: _ClassVar[int]
    name: str
    options_json: str
    def __init__(self, name: _Optional[str] = ..., options_json: _Optional[str] = ...) -> None: ...

class SaveComputeSystemResponse(_message.Message):
    __slots__ = ("system",)
    SYSTEM_FIELD_NUMBER: _ClassVar[int]
    system: _compute_system_pb2.ComputeSystem
    def __init__(self, system: _Optional[_Union[_compute_system_pb2.ComputeSystem, _Mapping]] = ...) -> None: ...

class ModifyComputeSystemRequest(_message.Message):
    __slots__ = ("name", "settings_json")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_JSON_FIELD_NUMBER: _ClassVar[int]
    name: str
    settings_json: str
    def __init__(self, name: _Optional[str] = ..., settings_json: _Optional[str] = ...) -> None: ...

class ModifyComputeSystemResponse(_message.Message):
    __slots__ = ("system",)
    SYSTEM_FIELD_NUMBER: _ClassVar[int]
    system: _compute_system_pb2.ComputeSystem
    def __init__(self, system: _Optional[_Union[_compute_system_pb2.ComputeSystem, _Mapping]] = ...) -> None: ...

class GetComputeSystemPropertiesRequest(_message.Message):
    __slots__ = ("name", "property_types", "property_query_json")
    NAME_FIELD_NUMBER: _ClassVar[int]
    PROPERTY_TYPES_FIELD_NUMBER: _ClassVar[int]
    PROPERTY_QUERY_JSON_FIELD_NUMBER: _ClassVar[int]
    name: str
    property_types: _containers.RepeatedScalarFieldContainer[str]
    property_query_json: str
    def __init__(self, name: _Optional[str] = ..., property_types: _Optional[_Iterable[str]] = ..., property_query_json: _Optional[str] = ...) -> None: ...

class GetComputeSystemPropertiesResponse(_message.Message):
    __slots__ = ("properties_json", "statistics", "process_list")
    PROPERTIES_JSON_FIELD_NUMBER: _ClassVar[int]
    STATISTICS_FIELD_NUMBER: _ClassVar[int]
    PROCESS_LIST_FIELD_NUMBER: _ClassVar[int]
    properties_json: str
    statistics: _compute_system_pb2.ComputeSystemStatistics
    process_list: _containers.RepeatedCompositeFieldContainer[_process_pb2.ProcessStats]
    def __init__(self, properties_json: _Optional[str] = ..., statistics: _Optional[_Union[_compute_system_pb2.ComputeSystemStatistics, _Mapping]] = ..., process_list: _Optional[_Iterable[_Union[_process_pb2.ProcessStats, _Mapping]]] = ...) -> None: ...

class WaitComputeSystemRequest(_message.Message):
    __slots__ = ("name", "timeout")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    name: str
    timeout: _duration_pb2.Duration
    def __init__(self, name: _Optional[str] = ..., timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class WaitComputeSystemResponse(_message.Message):
    __slots__ = ("system", "timed_out")
    SYSTEM_FIELD_NUMBER: _ClassVar[int]
    TIMED_OUT_FIELD_NUMBER: _ClassVar[int]
    system: _compute_system_pb2.ComputeSystem
    timed_out: bool
    def __init__(self, system: _Optional[_Union[_compute_system_pb2.ComputeSystem, _Mapping]] = ..., timed_out: _Optional[bool] = ...) -> None: ...
