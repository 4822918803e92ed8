import datetime

from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.rpc import status_pb2 as _status_pb2
from hcsd.v1 import process_pb2 as _process_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class WaitFor(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    WAIT_FOR_UNSPECIFIED: _ClassVar[WaitFor]
    WAIT_FOR_EXIT: _ClassVar[WaitFor]
    WAIT_FOR_OUTPUT_COMPLETE: _ClassVar[WaitFor]

class TerminateScope(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TERMINATE_SCOPE_UNSPECIFIED: _ClassVar[TerminateScope]
    TERMINATE_SCOPE_PROCESS: _ClassVar[TerminateScope]
    TERMINATE_SCOPE_TREE: _ClassVar[TerminateScope]
    TERMINATE_SCOPE_TREE_BEST_EFFORT: _ClassVar[TerminateScope]

class StdioHandle(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STDIO_HANDLE_UNSPECIFIED: _ClassVar[StdioHandle]
    STDIO_HANDLE_STDIN: _ClassVar[StdioHandle]
    STDIO_HANDLE_STDOUT: _ClassVar[StdioHandle]
    STDIO_HANDLE_STDERR: _ClassVar[StdioHandle]
    STDIO_HANDLE_ALL: _ClassVar[StdioHandle]

class RunOperation(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RUN_OPERATION_UNSPECIFIED: _ClassVar[RunOperation]
    RUN_OPERATION_STDIN: _ClassVar[RunOperation]
    RUN_OPERATION_CLOSE_STDIN: _ClassVar[RunOperation]
    RUN_OPERATION_RESIZE: _ClassVar[RunOperation]
    RUN_OPERATION_SIGNAL: _ClassVar[RunOperation]
WAIT_FOR_UNSPECIFIED: WaitFor
WAIT_FOR_EXIT: WaitFor
WAIT_FOR_OUTPUT_COMPLETE: WaitFor
TERMINATE_SCOPE_UNSPECIFIED: TerminateScope
TERMINATE_SCOPE_PROCESS: TerminateScope
TERMINATE_SCOPE_TREE: TerminateScope
TERMINATE_SCOPE_TREE_BEST_EFFORT: TerminateScope
STDIO_HANDLE_UNSPECIFIED: StdioHandle
STDIO_HANDLE_STDIN: StdioHandle
STDIO_HANDLE_STDOUT: StdioHandle
STDIO_HANDLE_STDERR: StdioHandle
STDIO_HANDLE_ALL: StdioHandle
RUN_OPERATION_UNSPECIFIED: RunOperation
RUN_OPERATION_STDIN: RunOperation
RUN_OPERATION_CLOSE_STDIN: RunOperation
RUN_OPERATION_RESIZE: RunOperation
RUN_OPERATION_SIGNAL: RunOperation

class CreateProcessRequest(_message.Message):
    __slots__ = ("parent", "spec", "parameters_json", "process_id", "labels", "request_id", "options")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    PARENT_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_JSON_FIELD_NUMBER: _ClassVar[int]
    PROCESS_ID_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    parent: str
    spec: _process_pb2.ProcessSpec
    parameters_json: str
    process_id: str
    labels: _containers.ScalarMap[str, str]
    request_id: str
    options: _process_pb2.ProcessOptions
    def __init__(self, parent: _Optional[str] = ..., spec: _Optional[_Union[_process_pb2.ProcessSpec, _Mapping]] = ..., parameters_json: _Optional[str] = ..., process_id: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ..., request_id: _Optional[str] = ..., options: _Optional[_Union[_process_pb2.ProcessOptions, _Mapping]] = ...) -> None: ...

class CreateProcessResponse(_message.Message):
    __slots__ = ("process", "replayed")
    PROCESS_FIELD_NUMBER: _ClassVar[int]
    REPLAYED_FIELD_NUMBER: _ClassVar[int]
    process: _process_pb2.Process
    replayed: bool
    def __init__(self, process: _Optional[_Union[_process_pb2.Process, _Mapping]] = ..., replayed: _Optional[bool] = ...) -> None: ...

class ExecProcessRequest(_message.Message):
    __slots__ = ("create", "stdin", "max_output_bytes", "timeout")
    CREATE_FIELD_NUMBER: _ClassVar[int]
    STDIN_FIELD_NUMBER: _ClassVar[int]
    MAX_OUTPUT_BYTES_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    create: CreateProcessRequest
    stdin: bytes
    max_output_bytes: int
    timeout: _duration_pb2.Duration
    def __init__(self, create: _Optional[_Union[CreateProcessRequest, _Mapping]] = ..., stdin: _Optional[bytes] = ..., max_output_bytes: _Optional[int] = ..., timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class ExecProcessResponse(_message.Message):
    __slots__ = ("process", "stdout", "stderr", "replayed", "timed_out")
    PROCESS_FIELD_NUMBER: _ClassVar[int]
    STDOUT_FIELD_NUMBER: _ClassVar[int]
    STDERR_FIELD_NUMBER: _ClassVar[int]
    REPLAYED_FIELD_NUMBER: _ClassVar[int]
    TIMED_OUT_FIELD_NUMBER: _ClassVar[int]
    process: _process_pb2.Process
    stdout: CapturedOutput
    stderr: CapturedOutput
    replayed: bool
    timed_out: bool
    def __init__(self, process: _Optional[_Union[_process_pb2.Process, _Mapping]] = ..., stdout: _Optional[_Union[CapturedOutput, _Mapping]] = ..., stderr: _Optional[_Union[CapturedOutput, _Mapping]] = ..., replayed: _Optional[bool] = ..., timed_out: _Optional[bool] = ...) -> None: ...

class CapturedOutput(_message.Message):
    __slots__ = ("data", "end_offset", "forced")
    DATA_FIELD_NUMBER: _ClassVar[int]
    END_OFFSET_FIELD_NUMBER: _ClassVar[int]
    FORCED_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    end_offset: int
    forced: bool
    def __init__(self, data: _Optional[bytes] = ..., end_offset: _Optional[int] = ..., forced: _Optional[bool] = ...) -> None: ...

class OpenProcessRequest(_message.Message):
    __slots__ = ("parent", "pid", "process_id")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    PROCESS_ID_FIELD_NUMBER: _ClassVar[int]
    parent: str
    pid: int
    process_id: str
    def __init__(self, parent: _Optional[str] = ..., pid: _Optional[int] = ..., process_id: _Optional[str] = ...) -> None: ...

class OpenProcessResponse(_message.Message):
    __slots__ = ("process",)
    PROCESS_FIELD_NUMBER: _ClassVar[int]
    process: _process_pb2.Process
    def __init__(self, process: _Optional[_Union[_process_pb2.Process, _Mapping]] = ...) -> None: ...

class GetProcessRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class GetProcessResponse(_message.Message):
    __slots__ = ("process",)
    PROCESS_FIELD_NUMBER: _ClassVar[int]
    process: _process_pb2.Process
    def __init__(self, process: _Optional[_Union[_process_pb2.Process, _Mapping]] = ...) -> None: ...

class ListProcessesRequest(_message.Message):
    __slots__ = ("parent", "page_size", "page_token", "states", "labels")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    PARENT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    STATES_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    parent: str
    page_size: int
    page_token: str
    states: _containers.RepeatedScalarFieldContainer[_process_pb2.ProcessState]
    labels: _containers.ScalarMap[str, str]
    def __init__(self, parent: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., states: _Optional[_Iterable[_Union[_process_pb2.ProcessState, str]]] = ..., labels: _Optional[_Mapping[str, str]] = ...) -> None: ...

class ListProcessesResponse(_message.Message):
    __slots__ = ("processes", "next_page_token")
    PROCESSES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    processes: _containers.RepeatedCompositeFieldContainer[_process_pb2.Process]
    next_page_token: str
    def __init__(self, processes: _Optional[_Iterable[_Union[_process_pb2.Process, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class WaitProcessRequest(_message.Message):
    __slots__ = ("name", "wait_for", "timeout")
    NAME_FIELD_NUMBER: _ClassVar[int]
    WAIT_FOR_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    name: str
    wait_for: WaitFor
    timeout: _duration_pb2.Duration
    def __init__(self, name: _Optional[str] = ..., wait_for: _Optional[_Union[WaitFor, str]] = ..., timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class WaitProcessResponse(_message.Message):
    __slots__ = ("process", "timed_out")
    PROCESS_FIELD_NUMBER: _ClassVar[int]
    TIMED_OUT_FIELD_NUMBER: _ClassVar[int]
    process: _process_pb2.Process
    timed_out: bool
    def __init__(self, process: _Optional[_Union[_process_pb2.Process, _Mapping]] = ..., timed_out: _Optional[bool] = ...) -> None: ...

class SignalProcessRequest(_message.Message):
    __slots__ = ("name", "signal")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SIGNAL_FIELD_NUMBER: _ClassVar[int]
    name: str
    signal: _process_pb2.ProcessSignal
    def __init__(self, name: _Optional[str] = ..., signal: _Optional[_Union[_process_pb2.ProcessSignal, _Mapping]] = ...) -> None: ...

class SignalProcessResponse(_message.Message):
    __slots__ = ("delivery", "process")
    DELIVERY_FIELD_NUMBER: _ClassVar[int]
    PROCESS_FIELD_NUMBER: _ClassVar[int]
    delivery: _process_pb2.SignalDelivery
    process: _process_pb2.Process
    def __init__(self, delivery: _Optional[_Union[_process_pb2.SignalDelivery, str]] = ..., process: _Optional[_Union[_process_pb2.Process, _Mapping]] = ...) -> None: ...

class TerminateProcessRequest(_message.Message):
    __slots__ = ("name", "scope", "grace_period", "timeout")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    GRACE_PERIOD_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    name: str
    scope: TerminateScope
    grace_period: _duration_pb2.Duration
    timeout: _duration_pb2.Duration
    def __init__(self, name: _Optional[str] = ..., scope: _Optional[_Union[TerminateScope, str]] = ..., grace_period: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class TerminateProcessResponse(_message.Message):
    __slots__ = ("process", "scope_applied", "descendants_killed", "timed_out")
    PROCESS_FIELD_NUMBER: _ClassVar[int]
    SCOPE_APPLIED_FIELD_NUMBER: _ClassVar[int]
    DESCENDANTS_KILLED_FIELD_NUMBER: _ClassVar[int]
    TIMED_OUT_FIELD_NUMBER: _ClassVar[int]
    process: _process_pb2.Process
    scope_applied: TerminateScope
    descendants_killed: int
    timed_out: bool
    def __init__(self, process: _Optional[_Union[_process_pb2.Process, _Mapping]] = ..., scope_applied: _Optional[_Union[TerminateScope, str]] = ..., descendants_killed: _Optional[int] = ..., timed_out: _Optional[bool] = ...) -> None: ...

class CloseHandles(_message.Message):
    __slots__ = ("handles",)
    HANDLES_FIELD_NUMBER: _ClassVar[int]
    handles: _containers.RepeatedScalarFieldContainer[StdioHandle]
    def __init__(self, handles: _Optional[_Iterable[_Union[StdioHandle, str]]] = ...) -> None: ...

class ModifyProcessRequest(_message.Message):
    __slots__ = ("name", "console_size", "close_handles", "modification_json")
    NAME_FIELD_NUMBER: _ClassVar[int]
    CONSOLE_SIZE_FIELD_NUMBER: _ClassVar[int]
    CLOSE_HANDLES_FIELD_NUMBER: _ClassVar[int]
    MODIFICATION_JSON_FIELD_NUMBER: _ClassVar[int]
    name: str
    console_size: _process_pb2.Console
    close_handles: CloseHandles
    modification_json: str
    def __init__(self, name: _Optional[str] = ..., console_size: _Optional[_Union[_process_pb2.Console, _Mapping]] = ..., close_handles: _Optional[_Union[CloseHandles, _Mapping]] = ..., modification_json: _Optional[str] = ...) -> None: ...

class ModifyProcessResponse(_message.Message):
    __slots__ = ("process",)
    PROCESS_FIELD_NUMBER: _ClassVar[int]
    process: _process_pb2.Process
    def __init__(self, process: _Optional[_Union[_process_pb2.Process, _Mapping]] = ...) -> None: ...

class GetProcessPropertiesRequest(_message.Message):
    __slots__ = ("name", "property_query_json", "include_stats")
    NAME_FIELD_NUMBER: _ClassVar[int]
    PROPERTY_QUERY_JSON_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_STATS_FIELD_NUMBER: _ClassVar[int]
    name: str
    property_query_json: str
    include_stats: bool
    def __init__(self, name: _Optional[str] = ..., property_query_json: _Optional[str] = ..., include_stats: _Optional[bool] = ...) -> None: ...

class GetProcessPropertiesResponse(_message.Message):
    __slots__ = ("properties_json", "status", "stats")
    PROPERTIES_JSON_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    STATS_FIELD_NUMBER: _ClassVar[int]
    properties_json: str
    status: _process_pb2.ProcessStatus
    stats: _process_pb2.ProcessStats
    def __init__(self, properties_json: _Optional[str] = ..., status: _Optional[_Union[_process_pb2.ProcessStatus, _Mapping]] = ..., stats: _Optional[_Union[_process_pb2.ProcessStats, _Mapping]] = ...) -> None: ...

class DeleteProcessRequest(_message.Message):
    __slots__ = ("name", "force", "allow_missing", "scope")
    NAME_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    ALLOW_MISSING_FIELD_NUMBER: _ClassVar[int]
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    name: str
    force: bool
    allow_missing: bool
    scope: TerminateScope
    def __init__(self, name: _Optional[str] = ..., force: _Optional[bool] = ..., allow_missing: _Optional[bool] = ..., scope: _Optional[_Union[TerminateScope, str]] = ...) -> None: ...

class DeleteProcessResponse(_message.Message):
    __slots__ = ("scope_applied", "descendants_killed")
    SCOPE_APPLIED_FIELD_NUMBER: _ClassVar[int]
    DESCENDANTS_KILLED_FIELD_NUMBER: _ClassVar[int]
    scope_applied: TerminateScope
    descendants_killed: int
    def __init__(self, scope_applied: _Optional[_Union[TerminateScope, str]] = ..., descendants_killed: _Optional[int] = ...) -> None: ...

class ReadOutputRequest(_message.Message):
    __slots__ = ("name", "cursors", "follow", "gap_policy", "max_chunk_bytes", "heartbeat_interval", "timestamps", "since", "last_lines")
    NAME_FIELD_NUMBER: _ClassVar[int]
    CURSORS_FIELD_NUMBER: _ClassVar[int]
    FOLLOW_FIELD_NUMBER: _ClassVar[int]
    GAP_POLICY_FIELD_NUMBER: _ClassVar[int]
    MAX_CHUNK_BYTES_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    TIMESTAMPS_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    LAST_LINES_FIELD_NUMBER: _ClassVar[int]
    name: str
    cursors: _containers.RepeatedCompositeFieldContainer[_process_pb2.OutputCursor]
    follow: bool
    gap_policy: _process_pb2.GapPolicy
    max_chunk_bytes: int
    heartbeat_interval: _duration_pb2.Duration
    timestamps: bool
    since: _timestamp_pb2.Timestamp
    last_lines: int
    def __init__(self, name: _Optional[str] = ..., cursors: _Optional[_Iterable[_Union[_process_pb2.OutputCursor, _Mapping]]] = ..., follow: _Optional[bool] = ..., gap_policy: _Optional[_Union[_process_pb2.GapPolicy, str]] = ..., max_chunk_bytes: _Optional[int] = ..., heartbeat_interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., timestamps: _Optional[bool] = ..., since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., last_lines: _Optional[int] = ...) -> None: ...

class ReadOutputResponse(_message.Message):
    __slots__ = ("started", "chunk", "gap", "eof", "exit", "end", "heartbeat")
    STARTED_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    GAP_FIELD_NUMBER: _ClassVar[int]
    EOF_FIELD_NUMBER: _ClassVar[int]
    EXIT_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    started: _process_pb2.OutputStarted
    chunk: _process_pb2.OutputChunk
    gap: _process_pb2.OutputGap
    eof: _process_pb2.OutputEof
    exit: _process_pb2.ProcessExit
    end: _process_pb2.OutputEnd
    heartbeat: Heartbeat
    def __init__(self, started: _Optional[_Union[_process_pb2.OutputStarted, _Mapping]] = ..., chunk: _Optional[_Union[_process_pb2.OutputChunk, _Mapping]] = ..., gap: _Optional[_Union[_process_pb2.OutputGap, _Mapping]] = ..., eof: _Optional[_Union[_process_pb2.OutputEof, _Mapping]] = ..., exit: _Optional[_Union[_process_pb2.ProcessExit, _Mapping]] = ..., end: _Optional[_Union[_process_pb2.OutputEnd, _Mapping]] = ..., heartbeat: _Optional[_Union[Heartbeat, _Mapping]] = ...) -> None: ...

class Heartbeat(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class WriteInputRequest(_message.Message):
    __slots__ = ("name", "offset", "data", "close_stdin", "timeout")
    NAME_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    CLOSE_STDIN_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    name: str
    offset: int
    data: bytes
    close_stdin: bool
    timeout: _duration_pb2.Duration
    def __init__(self, name: _Optional[str] = ..., offset: _Optional[int] = ..., data: _Optional[bytes] = ..., close_stdin: _Optional[bool] = ..., timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class WriteInputResponse(_message.Message):
    __slots__ = ("committed_offset", "closed", "skipped_bytes", "timed_out")
    COMMITTED_OFFSET_FIELD_NUMBER: _ClassVar[int]
    CLOSED_FIELD_NUMBER: _ClassVar[int]
    SKIPPED_BYTES_FIELD_NUMBER: _ClassVar[int]
    TIMED_OUT_FIELD_NUMBER: _ClassVar[int]
    committed_offset: int
    closed: bool
    skipped_bytes: int
    timed_out: bool
    def __init__(self, committed_offset: _Optional[int] = ..., closed: _Optional[bool] = ..., skipped_bytes: _Optional[int] = ..., timed_out: _Optional[bool] = ...) -> None: ...

class StreamInputRequest(_message.Message):
    __slots__ = ("start", "data", "close")
    START_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    CLOSE_FIELD_NUMBER: _ClassVar[int]
    start: StreamInputStart
    data: bytes
    close: CloseStdin
    def __init__(self, start: _Optional[_Union[StreamInputStart, _Mapping]] = ..., data: _Optional[bytes] = ..., close: _Optional[_Union[CloseStdin, _Mapping]] = ...) -> None: ...

class StreamInputStart(_message.Message):
    __slots__ = ("name", "offset", "take_over")
    NAME_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    TAKE_OVER_FIELD_NUMBER: _ClassVar[int]
    name: str
    offset: int
    take_over: bool
    def __init__(self, name: _Optional[str] = ..., offset: _Optional[int] = ..., take_over: _Optional[bool] = ...) -> None: ...

class StreamInputResponse(_message.Message):
    __slots__ = ("committed_offset", "closed")
    COMMITTED_OFFSET_FIELD_NUMBER: _ClassVar[int]
    CLOSED_FIELD_NUMBER: _ClassVar[int]
    committed_offset: int
    closed: bool
    def __init__(self, committed_offset: _Optional[int] = ..., closed: _Optional[bool] = ...) -> None: ...

class RunProcessRequest(_message.Message):
    __slots__ = ("create", "attach", "stdin", "close_stdin", "resize", "signal", "heartbeat", "heartbeat_interval")
    CREATE_FIELD_NUMBER: _ClassVar[int]
    ATTACH_FIELD_NUMBER: _ClassVar[int]
    STDIN_FIELD_NUMBER: _ClassVar[int]
    CLOSE_STDIN_FIELD_NUMBER: _ClassVar[int]
    RESIZE_FIELD_NUMBER: _ClassVar[int]
    SIGNAL_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    create: CreateProcessRequest
    attach: RunAttach
    stdin: StdinData
    close_stdin: CloseStdin
    resize: _process_pb2.Console
    signal: _process_pb2.ProcessSignal
    heartbeat: Heartbeat
    heartbeat_interval: _duration_pb2.Duration
    def __init__(self, create: _Optional[_Union[CreateProcessRequest, _Mapping]] = ..., attach: _Optional[_Union[RunAttach, _Mapping]] = ..., stdin: _Optional[_Union[StdinData, _Mapping]] = ..., close_stdin: _Optional[_Union[CloseStdin, _Mapping]] = ..., resize: _Optional[_Union[_process_pb2.Console, _Mapping]] = ..., signal: _Optional[_Union[_process_pb2.ProcessSignal, _Mapping]] = ..., heartbeat: _Optional[_Union[Heartbeat, _Mapping]] = ..., heartbeat_interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class RunAttach(_message.Message):
    __slots__ = ("name", "cursors", "gap_policy", "max_chunk_bytes", "take_over", "owner", "without_output", "timestamps", "since", "last_lines")
    NAME_FIELD_NUMBER: _ClassVar[int]
    CURSORS_FIELD_NUMBER: _ClassVar[int]
    GAP_POLICY_FIELD_NUMBER: _ClassVar[int]
    MAX_CHUNK_BYTES_FIELD_NUMBER: _ClassVar[int]
    TAKE_OVER_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    WITHOUT_OUTPUT_FIELD_NUMBER: _ClassVar[int]
    TIMESTAMPS_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    LAST_LINES_FIELD_NUMBER: _ClassVar[int]
    name: str
    cursors: _containers.RepeatedCompositeFieldContainer[_process_pb2.OutputCursor]
    gap_policy: _process_pb2.GapPolicy
    max_chunk_bytes: int
    take_over: bool
    owner: bool
    without_output: bool
    timestamps: bool
    since: _timestamp_pb2.Timestamp
    last_lines: int
    def __init__(self, name: _Optional[str] = ..., cursors: _Optional[_Iterable[_Union[_process_pb2.OutputCursor, _Mapping]]] = ..., gap_policy: _Optional[_Union[_process_pb2.GapPolicy, str]] = ..., max_chunk_bytes: _Optional[int] = ..., take_over: _Optional[bool] = ..., owner: _Optional[bool] = ..., without_output: _Optional[bool] = ..., timestamps: _Optional[bool] = ..., since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., last_lines: _Optional[int] = ...) -> None: ...

class StdinData(_message.Message):
    __slots__ = ("offset", "data")
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    offset: int
    data: bytes
    def __init__(self, offset: _Optional[int] = ..., data: _Optional[bytes] = ...) -> None: ...

class CloseStdin(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class RunProcessResponse(_message.Message):
    __slots__ = ("started", "chunk", "gap", "eof", "exit", "end", "stdin_accepted", "op_error", "heartbeat")
    STARTED_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    GAP_FIELD_NUMBER: _ClassVar[int]
    EOF_FIELD_NUMBER: _ClassVar[int]
    EXIT_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    STDIN_ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    OP_ERROR_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    started: _process_pb2.OutputStarted
    chunk: _process_pb2.OutputChunk
    gap: _process_pb2.OutputGap
    eof: _process_pb2.OutputEof
    exit: _process_pb2.ProcessExit
    end: _process_pb2.OutputEnd
    stdin_accepted: StdinAccepted
    op_error: OpError
    heartbeat: Heartbeat
    def __init__(self, started: _Optional[_Union[_process_pb2.OutputStarted, _Mapping]] = ..., chunk: _Optional[_Union[_process_pb2.OutputChunk, _Mapping]] = ..., gap: _Optional[_Union[_process_pb2.OutputGap, _Mapping]] = ..., eof: _Optional[_Union[_process_pb2.OutputEof, _Mapping]] = ..., exit: _Optional[_Union[_process_pb2.ProcessExit, _Mapping]] = ..., end: _Optional[_Union[_process_pb2.OutputEnd, _Mapping]] = ..., stdin_accepted: _Optional[_Union[StdinAccepted, _Mapping]] = ..., op_error: _Optional[_Union[OpError, _Mapping]] = ..., heartbeat: _Optional[_Union[Heartbeat, _Mapping]] = ...) -> None: ...

class StdinAccepted(_message.Message):
    __slots__ = ("committed_offset", "closed")
    COMMITTED_OFFSET_FIELD_NUMBER: _ClassVar[int]
    CLOSED_FIELD_NUMBER: _ClassVar[int]
    committed_offset: int
    closed: bool
    def __init__(self, committed_offset: _Optional[int] = ..., closed: _Optional[bool] = ...) -> None: ...

class OpError(_message.Message):
    __slots__ = ("operation", "status")
    OPERATION_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    operation: RunOperation
    status: _status_pb2.Status
    def __init__(self, operation: _Optional[_Union[RunOperation, str]] = ..., status: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...
