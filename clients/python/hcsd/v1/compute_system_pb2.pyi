import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ComputeSystemType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    COMPUTE_SYSTEM_TYPE_UNSPECIFIED: _ClassVar[ComputeSystemType]
    COMPUTE_SYSTEM_TYPE_CONTAINER: _ClassVar[ComputeSystemType]
    COMPUTE_SYSTEM_TYPE_VIRTUAL_MACHINE: _ClassVar[ComputeSystemType]

class ComputeSystemState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    COMPUTE_SYSTEM_STATE_UNSPECIFIED: _ClassVar[ComputeSystemState]
    COMPUTE_SYSTEM_STATE_CREATED: _ClassVar[ComputeSystemState]
    COMPUTE_SYSTEM_STATE_RUNNING: _ClassVar[ComputeSystemState]
    COMPUTE_SYSTEM_STATE_PAUSED: _ClassVar[ComputeSystemState]
    COMPUTE_SYSTEM_STATE_STOPPED: _ClassVar[ComputeSystemState]
    COMPUTE_SYSTEM_STATE_SAVED_AS_TEMPLATE: _ClassVar[ComputeSystemState]

class ComputeSystemExitType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    COMPUTE_SYSTEM_EXIT_TYPE_UNSPECIFIED: _ClassVar[ComputeSystemExitType]
    COMPUTE_SYSTEM_EXIT_TYPE_NONE: _ClassVar[ComputeSystemExitType]
    COMPUTE_SYSTEM_EXIT_TYPE_GRACEFUL_EXIT: _ClassVar[ComputeSystemExitType]
    COMPUTE_SYSTEM_EXIT_TYPE_FORCED_EXIT: _ClassVar[ComputeSystemExitType]
    COMPUTE_SYSTEM_EXIT_TYPE_UNEXPECTED_EXIT: _ClassVar[ComputeSystemExitType]
    COMPUTE_SYSTEM_EXIT_TYPE_UNKNOWN: _ClassVar[ComputeSystemExitType]
COMPUTE_SYSTEM_TYPE_UNSPECIFIED: ComputeSystemType
COMPUTE_SYSTEM_TYPE_CONTAINER: ComputeSystemType
COMPUTE_SYSTEM_TYPE_VIRTUAL_MACHINE: ComputeSystemType
COMPUTE_SYSTEM_STATE_UNSPECIFIED: ComputeSystemState
COMPUTE_SYSTEM_STATE_CREATED: ComputeSystemState
COMPUTE_SYSTEM_STATE_RUNNING: ComputeSystemState
COMPUTE_SYSTEM_STATE_PAUSED: ComputeSystemState
COMPUTE_SYSTEM_STATE_STOPPED: ComputeSystemState
COMPUTE_SYSTEM_STATE_SAVED_AS_TEMPLATE: ComputeSystemState
COMPUTE_SYSTEM_EXIT_TYPE_UNSPECIFIED: ComputeSystemExitType
COMPUTE_SYSTEM_EXIT_TYPE_NONE: ComputeSystemExitType
COMPUTE_SYSTEM_EXIT_TYPE_GRACEFUL_EXIT: ComputeSystemExitType
COMPUTE_SYSTEM_EXIT_TYPE_FORCED_EXIT: ComputeSystemExitType
COMPUTE_SYSTEM_EXIT_TYPE_UNEXPECTED_EXIT: ComputeSystemExitType
COMPUTE_SYSTEM_EXIT_TYPE_UNKNOWN: ComputeSystemExitType

class ComputeSystem(_message.Message):
    __slots__ = ("name", "system_id", "system_type", "owner", "runtime_id", "state", "exit", "capabilities", "create_time", "limits")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SYSTEM_ID_FIELD_NUMBER: _ClassVar[int]
    SYSTEM_TYPE_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    RUNTIME_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    EXIT_FIELD_NUMBER: _ClassVar[int]
    CAPABILITIES_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    name: str
    system_id: str
    system_type: ComputeSystemType
    owner: str
    runtime_id: str
    state: ComputeSystemState
    exit: ComputeSystemExit
    capabilities: ComputeSystemCapabilities
    create_time: _timestamp_pb2.Timestamp
    limits: ComputeSystemLimits
    def __init__(self, name: _Optional[str] = ..., system_id: _Optional[str] = ..., system_type: _Optional[_Union[ComputeSystemType, str]] = ..., owner: _Optional[str] = ..., runtime_id: _Optional[str] = ..., state: _Optional[_Union[ComputeSystemState, str]] = ..., exit: _Optional[_Union[ComputeSystemExit, _Mapping]] = ..., capabilities: _Optional[_Union[ComputeSystemCapabilities, _Mapping]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., limits: _Optional[_Union[ComputeSystemLimits, _Mapping]] = ...) -> None: ...

class ComputeSystemLimits(_message.Message):
    __slots__ = ("memory_bytes", "processor_millis", "processor_weight", "max_tasks")
    MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    PROCESSOR_MILLIS_FIELD_NUMBER: _ClassVar[int]
    PROCESSOR_WEIGHT_FIELD_NUMBER: _ClassVar[int]
    MAX_TASKS_FIELD_NUMBER: _ClassVar[int]
    memory_bytes: int
    processor_millis: int
    processor_weight: int
    max_tasks: int
    def __init__(self, memory_bytes: _Optional[int] = ..., processor_millis: _Optional[int] = ..., processor_weight: _Optional[int] = ..., max_tasks: _Optional[int] = ...) -> None: ...

class ComputeSystemExit(_message.Message):
    __slots__ = ("status", "exit_type", "attribution_json", "exit_time")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    EXIT_TYPE_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTION_JSON_FIELD_NUMBER: _ClassVar[int]
    EXIT_TIME_FIELD_NUMBER: _ClassVar[int]
    status: int
    exit_type: ComputeSystemExitType
    attribution_json: str
    exit_time: _timestamp_pb2.Timestamp
    def __init__(self, status: _Optional[int] = ..., exit_type: _Optional[_Union[ComputeSystemExitType, str]] = ..., attribution_json: _Optional[str] = ..., exit_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ComputeSystemCapabilities(_message.Message):
    __slots__ = ("signals", "pause", "console", "open_by_pid", "tree_terminate", "guest_os")
    SIGNALS_FIELD_NUMBER: _ClassVar[int]
    PAUSE_FIELD_NUMBER: _ClassVar[int]
    CONSOLE_FIELD_NUMBER: _ClassVar[int]
    OPEN_BY_PID_FIELD_NUMBER: _ClassVar[int]
    TREE_TERMINATE_FIELD_NUMBER: _ClassVar[int]
    GUEST_OS_FIELD_NUMBER: _ClassVar[int]
    signals: bool
    pause: bool
    console: bool
    open_by_pid: bool
    tree_terminate: bool
    guest_os: str
    def __init__(self, signals: _Optional[bool] = ..., pause: _Optional[bool] = ..., console: _Optional[bool] = ..., open_by_pid: _Optional[bool] = ..., tree_terminate: _Optional[bool] = ..., guest_os: _Optional[str] = ...) -> None: ...

class ComputeSystemStatistics(_message.Message):
    __slots__ = ("sample_time", "start_time", "uptime", "processor", "memory", "storage")
    SAMPLE_TIME_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    UPTIME_FIELD_NUMBER: _ClassVar[int]
    PROCESSOR_FIELD_NUMBER: _ClassVar[int]
    MEMORY_FIELD_NUMBER: _ClassVar[int]
    STORAGE_FIELD_NUMBER: _ClassVar[int]
    sample_time: _timestamp_pb2.Timestamp
    start_time: _timestamp_pb2.Timestamp
    uptime: _duration_pb2.Duration
    processor: ProcessorStatistics
    memory: MemoryStatistics
    storage: StorageStatistics
    def __init__(self, sample_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., uptime: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., processor: _Optional[_Union[ProcessorStatistics, _Mapping]] = ..., memory: _Optional[_Union[MemoryStatistics, _Mapping]] = ..., storage: _Optional[_Union[StorageStatistics, _Mapping]] = ...) -> None: ...

class ProcessorStatistics(_message.Message):
    __slots__ = ("total_runtime", "user_runtime", "kernel_runtime")
    TOTAL_RUNTIME_FIELD_NUMBER: _ClassVar[int]
    USER_RUNTIME_FIELD_NUMBER: _ClassVar[int]
    KERNEL_RUNTIME_FIELD_NUMBER: _ClassVar[int]
    total_runtime: _duration_pb2.Duration
    user_runtime: _duration_pb2.Duration
    kernel_runtime: _duration_pb2.Duration
    def __init__(self, total_runtime: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., user_runtime: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., kernel_runtime: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class MemoryStatistics(_message.Message):
    __slots__ = ("usage_commit_bytes", "usage_commit_peak_bytes", "usage_private_working_set_bytes")
    USAGE_COMMIT_BYTES_FIELD_NUMBER: _ClassVar[int]
    USAGE_COMMIT_PEAK_BYTES_FIELD_NUMBER: _ClassVar[int]
    USAGE_PRIVATE_WORKING_SET_BYTES_FIELD_NUMBER: _ClassVar[int]
    usage_commit_bytes: int
    usage_commit_peak_bytes: int
    usage_private_working_set_bytes: int
    def __init__(self, usage_commit_bytes: _Optional[int] = ..., usage_commit_peak_bytes: _Optional[int] = ..., usage_private_working_set_bytes: _Optional[int] = ...) -> None: ...

class StorageStatistics(_message.Message):
    __slots__ = ("read_count_normalized", "read_size_bytes", "write_count_normalized", "write_size_bytes")
    READ_COUNT_NORMALIZED_FIELD_NUMBER: _ClassVar[int]
    READ_SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    WRITE_COUNT_NORMALIZED_FIELD_NUMBER: _ClassVar[int]
    WRITE_SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    read_count_normalized: int
    read_size_bytes: int
    write_count_normalized: int
    write_size_bytes: int
    def __init__(self, read_count_normalized: _Optional[int] = ..., read_size_bytes: _Optional[int] = ..., write_count_normalized: _Optional[int] = ..., write_size_bytes: _Optional[int] = ...) -> None: ...
