import datetime

from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GetHostRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetHostResponse(_message.Message):
    __slots__ = ("version", "incarnation", "engine", "guest_os", "schema_versions", "limits", "start_time", "missing_functions", "state_create_time", "restore_count", "restore_time")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    INCARNATION_FIELD_NUMBER: _ClassVar[int]
    ENGINE_FIELD_NUMBER: _ClassVar[int]
    GUEST_OS_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_VERSIONS_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    MISSING_FUNCTIONS_FIELD_NUMBER: _ClassVar[int]
    STATE_CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    RESTORE_COUNT_FIELD_NUMBER: _ClassVar[int]
    RESTORE_TIME_FIELD_NUMBER: _ClassVar[int]
    version: str
    incarnation: str
    engine: str
    guest_os: str
    schema_versions: _containers.RepeatedCompositeFieldContainer[SchemaVersion]
    limits: Limits
    start_time: _timestamp_pb2.Timestamp
    missing_functions: _containers.RepeatedScalarFieldContainer[str]
    state_create_time: _timestamp_pb2.Timestamp
    restore_count: int
    restore_time: _timestamp_pb2.Timestamp
    def __init__(self, version: _Optional[str] = ..., incarnation: _Optional[str] = ..., engine: _Optional[str] = ..., guest_os: _Optional[str] = ..., schema_versions: _Optional[_Iterable[_Union[SchemaVersion, _Mapping]]] = ..., limits: _Optional[_Union[Limits, _Mapping]] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., missing_functions: _Optional[_Iterable[str]] = ..., state_create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., restore_count: _Optional[int] = ..., restore_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class SchemaVersion(_message.Message):
    __slots__ = ("major", "minor")
    MAJOR_FIELD_NUMBER: _ClassVar[int]
    MINOR_FIELD_NUMBER: _ClassVar[int]
    major: int
    minor: int
    def __init__(self, major: _Optional[int] = ..., minor: _Optional[int] = ...) -> None: ...

class Limits(_message.Message):
    __slots__ = ("default_chunk_bytes", "max_chunk_bytes", "default_ring_bytes", "max_ring_bytes", "stdin_buffer_bytes", "max_message_bytes", "stall_timeout", "default_drain_timeout", "max_drain_time", "exited_process_retention", "max_exited_processes", "event_ring_size", "max_page_size", "ring_memory_bytes", "max_processes", "max_systems", "max_streams_per_client", "max_tasks_per_system", "max_labels", "max_label_key_bytes", "max_label_value_bytes", "max_labels_bytes", "max_create_bytes", "max_system_id_bytes", "record_memory_bytes", "event_memory_bytes", "max_variables", "max_streams_per_connection", "max_calls", "max_connections", "request_timeout", "max_owner_grace")
    DEFAULT_CHUNK_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_CHUNK_BYTES_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_RING_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_RING_BYTES_FIELD_NUMBER: _ClassVar[int]
    STDIN_BUFFER_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_MESSAGE_BYTES_FIELD_NUMBER: _ClassVar[int]
    STALL_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_DRAIN_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    MAX_DRAIN_TIME_FIELD_NUMBER: _ClassVar[int]
    EXITED_PROCESS_RETENTION_FIELD_NUMBER: _ClassVar[int]
    MAX_EXITED_PROCESSES_FIELD_NUMBER: _ClassVar[int]
    EVENT_RING_SIZE_FIELD_NUMBER: _ClassVar[int]
    MAX_PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    RING_MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_PROCESSES_FIELD_NUMBER: _ClassVar[int]
    MAX_SYSTEMS_FIELD_NUMBER: _ClassVar[int]
    MAX_STREAMS_PER_CLIENT_FIELD_NUMBER: _ClassVar[int]
    MAX_TASKS_PER_SYSTEM_FIELD_NUMBER: _ClassVar[int]
    MAX_LABELS_FIELD_NUMBER: _ClassVar[int]
    MAX_LABEL_KEY_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_LABEL_VALUE_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_LABELS_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_CREATE_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_SYSTEM_ID_BYTES_FIELD_NUMBER: _ClassVar[int]
    RECORD_MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    EVENT_MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_VARIABLES_FIELD_NUMBER: _ClassVar[int]
    MAX_STREAMS_PER_CONNECTION_FIELD_NUMBER: _ClassVar[int]
    MAX_CALLS_FIELD_NUMBER: _ClassVar[int]
    MAX_CONNECTIONS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    MAX_OWNER_GRACE_FIELD_NUMBER: _ClassVar[int]
    default_chunk_bytes: int
    max_chunk_bytes: int
    default_ring_bytes: int
    max_ring_bytes: int
    stdin_buffer_bytes: int
    max_message_bytes: int
    stall_timeout: _duration_pb2.Duration
    default_drain_timeout: _duration_pb2.Duration
    max_drain_time: _duration_pb2.Duration
    exited_process_retention: _duration_pb2.Duration
    max_exited_processes: int
    event_ring_size: int
    max_page_size: int
    ring_memory_bytes: int
    max_processes: int
    max_systems: int
    max_streams_per_client: int
    max_tasks_per_system: int
    max_labels: int
    max_label_key_bytes: int
    max_label_value_bytes: int
    max_labels_bytes: int
    max_create_bytes: int
    max_system_id_bytes: int
    record_memory_bytes: int
    event_memory_bytes: int
    max_variables: int
    max_streams_per_connection: int
    max_calls: int
    max_connections: int
    request_timeout: _duration_pb2.Duration
    max_owner_grace: _duration_pb2.Duration
    def __init__(self, default_chunk_bytes: _Optional[int] = ..., max_chunk_bytes: _Optional[int] = ..., default_ring_bytes: _Optional[int] = ..., max_ring_bytes: _Optional[int] = ..., stdin_buffer_bytes: _Optional[int] = ..., max_message_bytes: _Optional[int] = ..., stall_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., default_drain_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_drain_time: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., exited_process_retention: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_exited_processes: _Optional[int] = ..., event_ring_size: _Optional[int] = ..., max_page_size: _Optional[int] = ..., ring_memory_bytes: _Optional[int] = ..., max_processes: _Optional[int] = ..., max_systems: _Optional[int] = ..., max_streams_per_client: _Optional[int] = ..., max_tasks_per_system: _Optional[int] = ..., max_labels: _Optional[int] = ..., max_label_key_bytes: _Optional[int] = ..., max_label_value_bytes: _Optional[int] = ..., max_labels_bytes: _Optional[int] = ..., max_create_bytes: _Optional[int] = ..., max_system_id_bytes: _Optional[int] = ..., record_memory_bytes: _Optional[int] = ..., event_memory_bytes: _Optional[int] = ..., max_variables: _Optional[int] = ..., max_streams_per_connection: _Optional[int] = ..., max_calls: _Optional[int] = ..., max_connections: _Optional[int] = ..., request_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_owner_grace: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class ReloadConfigurationRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ReloadConfigurationResponse(_message.Message):
    __slots__ = ("changed_settings",)
    CHANGED_SETTINGS_FIELD_NUMBER: _ClassVar[int]
    changed_settings: _containers.RepeatedCompositeFieldContainer[ChangedSetting]
    def __init__(self, changed_settings: _Optional[_Iterable[_Union[ChangedSetting, _Mapping]]] = ...) -> None: ...

class ChangedSetting(_message.Message):
    __slots__ = ("key", "old_value", "new_value", "applied")
    KEY_FIELD_NUMBER: _ClassVar[int]
    OLD_VALUE_FIELD_NUMBER: _ClassVar[int]
    NEW_VALUE_FIELD_NUMBER: _ClassVar[int]
    APPLIED_FIELD_NUMBER: _ClassVar[int]
    key: str
    old_value: str
    new_value: str
    applied: bool
    def __init__(self, key: _Optional[str] = ..., old_value: _Optional[str] = ..., new_value: _Optional[str] = ..., applied: _Optional[bool] = ...) -> None: ...

class GetServicePropertiesRequest(_message.Message):
    __slots__ = ("property_query_json",)
    PROPERTY_QUERY_JSON_FIELD_NUMBER: _ClassVar[int]
    property_query_json: str
    def __init__(self, property_query_json: _Optional[str] = ...) -> None: ...

class GetServicePropertiesResponse(_message.Message):
    __slots__ = ("properties_json",)
    PROPERTIES_JSON_FIELD_NUMBER: _ClassVar[int]
    properties_json: str
    def __init__(self, properties_json: _Optional[str] = ...) -> None: ...

class ModifyServiceSettingsRequest(_message.Message):
    __slots__ = ("settings_json",)
    SETTINGS_JSON_FIELD_NUMBER: _ClassVar[int]
    settings_json: str
    def __init__(self, settings_json: _Optional[str] = ...) -> None: ...

class ModifyServiceSettingsResponse(_message.Message):
    __slots__ = ("result_json",)
    RESULT_JSON_FIELD_NUMBER: _ClassVar[int]
    result_json: str
    def __init__(self, result_json: _Optional[str] = ...) -> None: ...
