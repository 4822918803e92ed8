import datetime

from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class StdinMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STDIN_MODE_UNSPECIFIED: _ClassVar[StdinMode]
    STDIN_MODE_CLOSED: _ClassVar[StdinMode]
    STDIN_MODE_PIPE: _ClassVar[StdinMode]

class OverflowPolicy(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OVERFLOW_POLICY_UNSPECIFIED: _ClassVar[OverflowPolicy]
    OVERFLOW_POLICY_DROP_OLDEST: _ClassVar[OverflowPolicy]
    OVERFLOW_POLICY_BLOCK: _ClassVar[OverflowPolicy]

class OrphanPolicy(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ORPHAN_POLICY_UNSPECIFIED: _ClassVar[OrphanPolicy]
    ORPHAN_POLICY_KEEP: _ClassVar[OrphanPolicy]
    ORPHAN_POLICY_KILL_ON_OWNER_DISCONNECT: _ClassVar[OrphanPolicy]

class ProcessState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PROCESS_STATE_UNSPECIFIED: _ClassVar[ProcessState]
    PROCESS_STATE_CREATING: _ClassVar[ProcessState]
    PROCESS_STATE_RUNNING: _ClassVar[ProcessState]
    PROCESS_STATE_EXITED: _ClassVar[ProcessState]
    PROCESS_STATE_FAILED: _ClassVar[ProcessState]
    PROCESS_STATE_LOST: _ClassVar[ProcessState]

class ProcessOrigin(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PROCESS_ORIGIN_UNSPECIFIED: _ClassVar[ProcessOrigin]
    PROCESS_ORIGIN_CREATED: _ClassVar[ProcessOrigin]
    PROCESS_ORIGIN_OPENED: _ClassVar[ProcessOrigin]

class ExitReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EXIT_REASON_UNSPECIFIED: _ClassVar[ExitReason]
    EXIT_REASON_EXITED: _ClassVar[ExitReason]
    EXIT_REASON_SIGNALED: _ClassVar[ExitReason]
    EXIT_REASON_TERMINATED: _ClassVar[ExitReason]
    EXIT_REASON_RUN_TIMEOUT: _ClassVar[ExitReason]
    EXIT_REASON_OWNER_GONE: _ClassVar[ExitReason]
    EXIT_REASON_SYSTEM_EXITED: _ClassVar[ExitReason]
    EXIT_REASON_DAEMON_SHUTDOWN: _ClassVar[ExitReason]
    EXIT_REASON_OUT_OF_MEMORY: _ClassVar[ExitReason]

class OutputStream(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OUTPUT_STREAM_UNSPECIFIED: _ClassVar[OutputStream]
    OUTPUT_STREAM_STDOUT: _ClassVar[OutputStream]
    OUTPUT_STREAM_STDERR: _ClassVar[OutputStream]

class GapPolicy(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    GAP_POLICY_UNSPECIFIED: _ClassVar[GapPolicy]
    GAP_POLICY_REPORT: _ClassVar[GapPolicy]
    GAP_POLICY_FAIL: _ClassVar[GapPolicy]

class ConsoleEvent(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CONSOLE_EVENT_UNSPECIFIED: _ClassVar[ConsoleEvent]
    CONSOLE_EVENT_CTRL_C: _ClassVar[ConsoleEvent]
    CONSOLE_EVENT_CTRL_BREAK: _ClassVar[ConsoleEvent]
    CONSOLE_EVENT_CTRL_CLOSE: _ClassVar[ConsoleEvent]
    CONSOLE_EVENT_CTRL_LOG_OFF: _ClassVar[ConsoleEvent]
    CONSOLE_EVENT_CTRL_SHUTDOWN: _ClassVar[ConsoleEvent]

class SignalDelivery(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SIGNAL_DELIVERY_UNSPECIFIED: _ClassVar[SignalDelivery]
    SIGNAL_DELIVERY_DELIVERED: _ClassVar[SignalDelivery]
    SIGNAL_DELIVERY_PENDING: _ClassVar[SignalDelivery]
    SIGNAL_DELIVERY_ALREADY_EXITED: _ClassVar[SignalDelivery]
STDIN_MODE_UNSPECIFIED: StdinMode
STDIN_MODE_CLOSED: StdinMode
STDIN_MODE_PIPE: StdinMode
OVERFLOW_POLICY_UNSPECIFIED: OverflowPolicy
OVERFLOW_POLICY_DROP_OLDEST: OverflowPolicy
OVERFLOW_POLICY_BLOCK: OverflowPolicy
ORPHAN_POLICY_UNSPECIFIED: OrphanPolicy
ORPHAN_POLICY_KEEP: OrphanPolicy
ORPHAN_POLICY_KILL_ON_OWNER_DISCONNECT: OrphanPolicy
PROCESS_STATE_UNSPECIFIED: ProcessState
PROCESS_STATE_CREATING: ProcessState
PROCESS_STATE_RUNNING: ProcessState
PROCESS_STATE_EXITED: ProcessState
PROCESS_STATE_FAILED: ProcessState
PROCESS_STATE_LOST: ProcessState
PROCESS_ORIGIN_UNSPECIFIED: ProcessOrigin
PROCESS_ORIGIN_CREATED: ProcessOrigin
PROCESS_ORIGIN_OPENED: ProcessOrigin
EXIT_REASON_UNSPECIFIED: ExitReason
EXIT_REASON_EXITED: ExitReason
EXIT_REASON_SIGNALED: ExitReason
EXIT_REASON_TERMINATED: ExitReason
EXIT_REASON_RUN_TIMEOUT: ExitReason
EXIT_REASON_OWNER_GONE: ExitReason
EXIT_REASON_SYSTEM_EXITED: ExitReason
EXIT_REASON_DAEMON_SHUTDOWN: ExitReason
EXIT_REASON_OUT_OF_MEMORY: ExitReason
OUTPUT_STREAM_UNSPECIFIED: OutputStream
OUTPUT_STREAM_STDOUT: OutputStream
OUTPUT_STREAM_STDERR: OutputStream
GAP_POLICY_UNSPECIFIED: GapPolicy
GAP_POLICY_REPORT: GapPolicy
GAP_POLICY_FAIL: GapPolicy
CONSOLE_EVENT_UNSPECIFIED: ConsoleEvent
CONSOLE_EVENT_CTRL_C: ConsoleEvent
CONSOLE_EVENT_CTRL_BREAK: ConsoleEvent
CONSOLE_EVENT_CTRL_CLOSE: ConsoleEvent
CONSOLE_EVENT_CTRL_LOG_OFF: ConsoleEvent
CONSOLE_EVENT_CTRL_SHUTDOWN: ConsoleEvent
SIGNAL_DELIVERY_UNSPECIFIED: SignalDelivery
SIGNAL_DELIVERY_DELIVERED: SignalDelivery
SIGNAL_DELIVERY_PENDING: SignalDelivery
SIGNAL_DELIVERY_ALREADY_EXITED: SignalDelivery

class ProcessSpec(_message.Message):
    __slots__ = ("command_line", "argv", "working_directory", "env", "user", "console", "stdin_mode", "run_timeout", "drain_timeout", "output", "orphan_policy", "restricted_token", "resource_limits", "umask", "oom_score_adj", "no_new_privileges", "uid", "gid", "supplementary_groups")
    COMMAND_LINE_FIELD_NUMBER: _ClassVar[int]
    ARGV_FIELD_NUMBER: _ClassVar[int]
    WORKING_DIRECTORY_FIELD_NUMBER: _ClassVar[int]
    ENV_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    CONSOLE_FIELD_NUMBER: _ClassVar[int]
    STDIN_MODE_FIELD_NUMBER: _ClassVar[int]
    RUN_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    DRAIN_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    ORPHAN_POLICY_FIELD_NUMBER: _ClassVar[int]
    RESTRICTED_TOKEN_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_LIMITS_FIELD_NUMBER: _ClassVar[int]
    UMASK_FIELD_NUMBER: _ClassVar[int]
    OOM_SCORE_ADJ_FIELD_NUMBER: _ClassVar[int]
    NO_NEW_PRIVILEGES_FIELD_NUMBER: _ClassVar[int]
    UID_FIELD_NUMBER: _ClassVar[int]
    GID_FIELD_NUMBER: _ClassVar[int]
    SUPPLEMENTARY_GROUPS_FIELD_NUMBER: _ClassVar[int]
    command_line: str
    argv: Argv
    working_directory: str
    env: _containers.RepeatedCompositeFieldContainer[EnvironmentVariable]
    user: str
    console: Console
    stdin_mode: StdinMode
    run_timeout: _duration_pb2.Duration
    drain_timeout: _duration_pb2.Duration
    output: OutputOptions
    orphan_policy: OrphanPolicy
    restricted_token: bool
    resource_limits: _containers.RepeatedCompositeFieldContainer[ResourceLimit]
    umask: int
    oom_score_adj: int
    no_new_privileges: bool
    uid: int
    gid: int
    supplementary_groups: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, command_line: _Optional[str] = ..., argv: _Optional[_Union[Argv, _Mapping]] = ..., working_directory: _Optional[str] = ..., env: _Optional[_Iterable[_Union[EnvironmentVariable, _Mapping]]] = ..., user: _Optional[str] = ..., console: _Optional[_Union[Console, _Mapping]] = ..., stdin_mode: _Optional[_Union[StdinMode, str]] = ..., run_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., drain_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., output: _Optional[_Union[OutputOptions, _Mapping]] = ..., orphan_policy: _Optional[_Union[OrphanPolicy, str]] = ..., restricted_token: _Optional[bool] = ..., resource_limits: _Optional[_Iterable[_Union[ResourceLimit, _Mapping]]] = ..., umask: _Optional[int] = ..., oom_score_adj: _Optional[int] = ..., no_new_privileges: _Optional[bool] = ..., uid: _Optional[int] = ..., gid: _Optional[int] = ..., supplementary_groups: _Optional[_Iterable[int]] = ...) -> None: ...

class ResourceLimit(_message.Message):
    __slots__ = ("name", "soft", "hard")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SOFT_FIELD_NUMBER: _ClassVar[int]
    HARD_FIELD_NUMBER: _ClassVar[int]
    name: str
    soft: int
    hard: int
    def __init__(self, name: _Optional[str] = ..., soft: _Optional[int] = ..., hard: _Optional[int] = ...) -> None: ...

class Argv(_message.Message):
    __slots__ = ("args",)
    ARGS_FIELD_NUMBER: _ClassVar[int]
    args: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, args: _Optional[_Iterable[str]] = ...) -> None: ...

class EnvironmentVariable(_message.Message):
    __slots__ = ("name", "value")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    name: str
    value: str
    def __init__(self, name: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...

class Console(_message.Message):
    __slots__ = ("columns", "rows")
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    columns: int
    rows: int
    def __init__(self, columns: _Optional[int] = ..., rows: _Optional[int] = ...) -> None: ...

class OutputOptions(_message.Message):
    __slots__ = ("ring_bytes", "overflow", "stderr_to_stdout", "discard")
    RING_BYTES_FIELD_NUMBER: _ClassVar[int]
    OVERFLOW_FIELD_NUMBER: _ClassVar[int]
    STDERR_TO_STDOUT_FIELD_NUMBER: _ClassVar[int]
    DISCARD_FIELD_NUMBER: _ClassVar[int]
    ring_bytes: int
    overflow: OverflowPolicy
    stderr_to_stdout: bool
    discard: _containers.RepeatedScalarFieldContainer[OutputStream]
    def __init__(self, ring_bytes: _Optional[int] = ..., overflow: _Optional[_Union[OverflowPolicy, str]] = ..., stderr_to_stdout: _Optional[bool] = ..., discard: _Optional[_Iterable[_Union[OutputStream, str]]] = ...) -> None: ...

class ProcessOptions(_message.Message):
    __slots__ = ("output", "run_timeout", "drain_timeout", "orphan_policy", "owner_grace", "pin")
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    RUN_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    DRAIN_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    ORPHAN_POLICY_FIELD_NUMBER: _ClassVar[int]
    OWNER_GRACE_FIELD_NUMBER: _ClassVar[int]
    PIN_FIELD_NUMBER: _ClassVar[int]
    output: OutputOptions
    run_timeout: _duration_pb2.Duration
    drain_timeout: _duration_pb2.Duration
    orphan_policy: OrphanPolicy
    owner_grace: _duration_pb2.Duration
    pin: bool
    def __init__(self, output: _Optional[_Union[OutputOptions, _Mapping]] = ..., run_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., drain_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., orphan_policy: _Optional[_Union[OrphanPolicy, str]] = ..., owner_grace: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., pin: _Optional[bool] = ...) -> None: ...

class Process(_message.Message):
    __slots__ = ("name", "uid", "incarnation", "spec", "pid", "state", "exit", "create_time", "start_time", "labels", "origin", "stdin", "stdout", "stderr", "options")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    UID_FIELD_NUMBER: _ClassVar[int]
    INCARNATION_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    EXIT_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    STDIN_FIELD_NUMBER: _ClassVar[int]
    STDOUT_FIELD_NUMBER: _ClassVar[int]
    STDERR_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    name: str
    uid: str
    incarnation: str
    spec: ProcessSpec
    pid: int
    state: ProcessState
    exit: ProcessExit
    create_time: _timestamp_pb2.Timestamp
    start_time: _timestamp_pb2.Timestamp
    labels: _containers.ScalarMap[str, str]
    origin: ProcessOrigin
    stdin: StreamStatus
    stdout: StreamStatus
    stderr: StreamStatus
    options: ProcessOptions
    def __init__(self, name: _Optional[str] = ..., uid: _Optional[str] = ..., incarnation: _Optional[str] = ..., spec: _Optional[_Union[ProcessSpec, _Mapping]] = ..., pid: _Optional[int] = ..., state: _Optional[_Union[ProcessState, str]] = ..., exit: _Optional[_Union[ProcessExit, _Mapping]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., labels: _Optional[_Mapping[str, str]] = ..., origin: _Optional[_Union[ProcessOrigin, str]] = ..., stdin: _Optional[_Union[StreamStatus, _Mapping]] = ..., stdout: _Optional[_Union[StreamStatus, _Mapping]] = ..., stderr: _Optional[_Union[StreamStatus, _Mapping]] = ..., options: _Optional[_Union[ProcessOptions, _Mapping]] = ...) -> None: ...

class StreamStatus(_message.Message):
    __slots__ = ("start_offset", "end_offset", "closed", "dropped_bytes", "readers")
    START_OFFSET_FIELD_NUMBER: _ClassVar[int]
    END_OFFSET_FIELD_NUMBER: _ClassVar[int]
    CLOSED_FIELD_NUMBER: _ClassVar[int]
    DROPPED_BYTES_FIELD_NUMBER: _ClassVar[int]
    READERS_FIELD_NUMBER: _ClassVar[int]
    start_offset: int
    end_offset: int
    closed: bool
    dropped_bytes: int
    readers: int
    def __init__(self, start_offset: _Optional[int] = ..., end_offset: _Optional[int] = ..., closed: _Optional[bool] = ..., dropped_bytes: _Optional[int] = ..., readers: _Optional[int] = ...) -> None: ...

class ProcessExit(_message.Message):
    __slots__ = ("exit_code", "start_error", "unknown", "signal", "signal_name", "exit_time", "reason", "output_complete")
    EXIT_CODE_FIELD_NUMBER: _ClassVar[int]
    START_ERROR_FIELD_NUMBER: _ClassVar[int]
    UNKNOWN_FIELD_NUMBER: _ClassVar[int]
    SIGNAL_FIELD_NUMBER: _ClassVar[int]
    SIGNAL_NAME_FIELD_NUMBER: _ClassVar[int]
    EXIT_TIME_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_COMPLETE_FIELD_NUMBER: _ClassVar[int]
    exit_code: int
    start_error: StartError
    unknown: UnknownExit
    signal: int
    signal_name: str
    exit_time: _timestamp_pb2.Timestamp
    reason: ExitReason
    output_complete: bool
    def __init__(self, exit_code: _Optional[int] = ..., start_error: _Optional[_Union[StartError, _Mapping]] = ..., unknown: _Optional[_Union[UnknownExit, _Mapping]] = ..., signal: _Optional[int] = ..., signal_name: _Optional[str] = ..., exit_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., reason: _Optional[_Union[ExitReason, str]] = ..., output_complete: _Optional[bool] = ...) -> None: ...

class StartError(_message.Message):
    __slots__ = ("hresult", "message", "stage", "error_number")
    HRESULT_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    STAGE_FIELD_NUMBER: _ClassVar[int]
    ERROR_NUMBER_FIELD_NUMBER: _ClassVar[int]
    hresult: int
    message: str
    stage: str
    error_number: int
    def __init__(self, hresult: _Optional[int] = ..., message: _Optional[str] = ..., stage: _Optional[str] = ..., error_number: _Optional[int] = ...) -> None: ...

class UnknownExit(_message.Message):
    __slots__ = ("hresult", "message")
    HRESULT_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    hresult: int
    message: str
    def __init__(self, hresult: _Optional[int] = ..., message: _Optional[str] = ...) -> None: ...

class OutputCursor(_message.Message):
    __slots__ = ("stream", "offset", "last_bytes")
    STREAM_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    LAST_BYTES_FIELD_NUMBER: _ClassVar[int]
    stream: OutputStream
    offset: int
    last_bytes: int
    def __init__(self, stream: _Optional[_Union[OutputStream, str]] = ..., offset: _Optional[int] = ..., last_bytes: _Optional[int] = ...) -> None: ...

class OutputStarted(_message.Message):
    __slots__ = ("process", "cursors")
    PROCESS_FIELD_NUMBER: _ClassVar[int]
    CURSORS_FIELD_NUMBER: _ClassVar[int]
    process: Process
    cursors: _containers.RepeatedCompositeFieldContainer[OutputCursor]
    def __init__(self, process: _Optional[_Union[Process, _Mapping]] = ..., cursors: _Optional[_Iterable[_Union[OutputCursor, _Mapping]]] = ...) -> None: ...

class OutputChunk(_message.Message):
    __slots__ = ("stream", "offset", "data", "sequence", "read_time")
    STREAM_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    READ_TIME_FIELD_NUMBER: _ClassVar[int]
    stream: OutputStream
    offset: int
    data: bytes
    sequence: int
    read_time: _timestamp_pb2.Timestamp
    def __init__(self, stream: _Optional[_Union[OutputStream, str]] = ..., offset: _Optional[int] = ..., data: _Optional[bytes] = ..., sequence: _Optional[int] = ..., read_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class OutputGap(_message.Message):
    __slots__ = ("stream", "from_offset", "to_offset")
    STREAM_FIELD_NUMBER: _ClassVar[int]
    FROM_OFFSET_FIELD_NUMBER: _ClassVar[int]
    TO_OFFSET_FIELD_NUMBER: _ClassVar[int]
    stream: OutputStream
    from_offset: int
    to_offset: int
    def __init__(self, stream: _Optional[_Union[OutputStream, str]] = ..., from_offset: _Optional[int] = ..., to_offset: _Optional[int] = ...) -> None: ...

class OutputEof(_message.Message):
    __slots__ = ("stream", "end_offset", "forced")
    STREAM_FIELD_NUMBER: _ClassVar[int]
    END_OFFSET_FIELD_NUMBER: _ClassVar[int]
    FORCED_FIELD_NUMBER: _ClassVar[int]
    stream: OutputStream
    end_offset: int
    forced: bool
    def __init__(self, stream: _Optional[_Union[OutputStream, str]] = ..., end_offset: _Optional[int] = ..., forced: _Optional[bool] = ...) -> None: ...

class OutputEnd(_message.Message):
    __slots__ = ("cursors",)
    CURSORS_FIELD_NUMBER: _ClassVar[int]
    cursors: _containers.RepeatedCompositeFieldContainer[OutputCursor]
    def __init__(self, cursors: _Optional[_Iterable[_Union[OutputCursor, _Mapping]]] = ...) -> None: ...

class ProcessSignal(_message.Message):
    __slots__ = ("signal_name", "signal_number", "console_event", "options_json")
    SIGNAL_NAME_FIELD_NUMBER: _ClassVar[int]
    SIGNAL_NUMBER_FIELD_NUMBER: _ClassVar[int]
    CONSOLE_EVENT_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_JSON_FIELD_NUMBER: _ClassVar[int]
    signal_name: str
    signal_number: int
    console_event: ConsoleEvent
    options_json: str
    def __init__(self, signal_name: _Optional[str] = ..., signal_number: _Optional[int] = ..., console_event: _Optional[_Union[ConsoleEvent, str]] = ..., options_json: _Optional[str] = ...) -> None: ...

class ProcessStatus(_message.Message):
    __slots__ = ("pid", "exited", "exit_code", "last_wait_result", "signal")
    PID_FIELD_NUMBER: _ClassVar[int]
    EXITED_FIELD_NUMBER: _ClassVar[int]
    EXIT_CODE_FIELD_NUMBER: _ClassVar[int]
    LAST_WAIT_RESULT_FIELD_NUMBER: _ClassVar[int]
    SIGNAL_FIELD_NUMBER: _ClassVar[int]
    pid: int
    exited: bool
    exit_code: int
    last_wait_result: int
    signal: int
    def __init__(self, pid: _Optional[int] = ..., exited: _Optional[bool] = ..., exit_code: _Optional[int] = ..., last_wait_result: _Optional[int] = ..., signal: _Optional[int] = ...) -> None: ...

class ProcessStats(_message.Message):
    __slots__ = ("pid", "image_name", "create_time", "user_time", "kernel_time", "memory_commit_bytes", "memory_working_set_private_bytes", "memory_working_set_shared_bytes")
    PID_FIELD_NUMBER: _ClassVar[int]
    IMAGE_NAME_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    USER_TIME_FIELD_NUMBER: _ClassVar[int]
    KERNEL_TIME_FIELD_NUMBER: _ClassVar[int]
    MEMORY_COMMIT_BYTES_FIELD_NUMBER: _ClassVar[int]
    MEMORY_WORKING_SET_PRIVATE_BYTES_FIELD_NUMBER: _ClassVar[int]
    MEMORY_WORKING_SET_SHARED_BYTES_FIELD_NUMBER: _ClassVar[int]
    pid: int
    image_name: str
    create_time: _timestamp_pb2.Timestamp
    user_time: _duration_pb2.Duration
    kernel_time: _duration_pb2.Duration
    memory_commit_bytes: int
    memory_working_set_private_bytes: int
    memory_working_set_shared_bytes: int
    def __init__(self, pid: _Optional[int] = ..., image_name: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., user_time: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., kernel_time: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., memory_commit_bytes: _Optional[int] = ..., memory_working_set_private_bytes: _Optional[int] = ..., memory_working_set_shared_bytes: _Optional[int] = ...) -> None: ...
