"""Values of the contract's enums, and what they are called in the daemon. A test holds the names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hcsd.daemon.events import ProcessEventKind, SystemEventKind
from hcsd.daemon.kills import Scope
from hcsd.daemon.options import OrphanPolicy
from hcsd.daemon.process_life import Life
from hcsd.daemon.process_view import ExitReason, Origin
from hcsd.daemon.signals import Delivery
from hcsd.daemon.spec import StdinMode
from hcsd.daemon.streams import Stream
from hcsd.io import Overflow
from hcsd.v1 import compute_system_pb2 as system_pb
from hcsd.v1 import event_pb2
from hcsd.v1 import process_pb2 as pb
from hcsd.v1 import process_service_pb2 as service_pb

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hcsd.hcs.schema import StdioHandle

STDIN_MODES = {StdinMode.CLOSED: pb.STDIN_MODE_CLOSED, StdinMode.PIPE: pb.STDIN_MODE_PIPE}
OVERFLOWS = {
    Overflow.BLOCK: pb.OVERFLOW_POLICY_BLOCK,
    Overflow.DROP_OLDEST: pb.OVERFLOW_POLICY_DROP_OLDEST,
}
ORPHAN_POLICIES = {
    OrphanPolicy.KEEP: pb.ORPHAN_POLICY_KEEP,
    OrphanPolicy.KILL_ON_OWNER_DISCONNECT: pb.ORPHAN_POLICY_KILL_ON_OWNER_DISCONNECT,
}
STREAMS = {Stream.STDOUT: pb.OUTPUT_STREAM_STDOUT, Stream.STDERR: pb.OUTPUT_STREAM_STDERR}
ORIGINS = {
    Origin.CREATED: pb.PROCESS_ORIGIN_CREATED,
    Origin.OPENED: pb.PROCESS_ORIGIN_OPENED,
}
PROCESS_STATES = {
    Life.CREATING: pb.PROCESS_STATE_CREATING,
    Life.RUNNING: pb.PROCESS_STATE_RUNNING,
    Life.LOST: pb.PROCESS_STATE_LOST,
    Life.ABANDONED: pb.PROCESS_STATE_LOST,
    Life.EXITED: pb.PROCESS_STATE_EXITED,
    Life.FAILED: pb.PROCESS_STATE_FAILED,
}
EXIT_REASONS = {
    ExitReason.EXITED: pb.EXIT_REASON_EXITED,
    ExitReason.SIGNALED: pb.EXIT_REASON_SIGNALED,
    ExitReason.TERMINATED: pb.EXIT_REASON_TERMINATED,
    ExitReason.RUN_TIMEOUT: pb.EXIT_REASON_RUN_TIMEOUT,
    ExitReason.OWNER_GONE: pb.EXIT_REASON_OWNER_GONE,
    ExitReason.SYSTEM_EXITED: pb.EXIT_REASON_SYSTEM_EXITED,
    ExitReason.DAEMON_SHUTDOWN: pb.EXIT_REASON_DAEMON_SHUTDOWN,
    ExitReason.OUT_OF_MEMORY: pb.EXIT_REASON_OUT_OF_MEMORY,
}
DELIVERIES = {
    Delivery.DELIVERED: pb.SIGNAL_DELIVERY_DELIVERED,
    Delivery.PENDING: pb.SIGNAL_DELIVERY_PENDING,
    Delivery.ALREADY_EXITED: pb.SIGNAL_DELIVERY_ALREADY_EXITED,
}
TERMINATE_SCOPES = {
    Scope.PROCESS: service_pb.TERMINATE_SCOPE_PROCESS,
    Scope.TREE: service_pb.TERMINATE_SCOPE_TREE,
    Scope.TREE_BEST_EFFORT: service_pb.TERMINATE_SCOPE_TREE_BEST_EFFORT,
}
PROCESS_EVENTS = {
    ProcessEventKind.CREATED: event_pb2.PROCESS_EVENT_TYPE_CREATED,
    ProcessEventKind.STARTED: event_pb2.PROCESS_EVENT_TYPE_STARTED,
    ProcessEventKind.EXITED: event_pb2.PROCESS_EVENT_TYPE_EXITED,
    ProcessEventKind.OUTPUT_COMPLETE: event_pb2.PROCESS_EVENT_TYPE_OUTPUT_COMPLETE,
    ProcessEventKind.DELETED: event_pb2.PROCESS_EVENT_TYPE_DELETED,
}
SYSTEM_EVENTS = {
    SystemEventKind.CREATED: event_pb2.SYSTEM_EVENT_TYPE_CREATED,
    SystemEventKind.STARTED: event_pb2.SYSTEM_EVENT_TYPE_STARTED,
    SystemEventKind.PAUSED: event_pb2.SYSTEM_EVENT_TYPE_PAUSED,
    SystemEventKind.RESUMED: event_pb2.SYSTEM_EVENT_TYPE_RESUMED,
    SystemEventKind.SHUTTING_DOWN: event_pb2.SYSTEM_EVENT_TYPE_SHUTTING_DOWN,
    SystemEventKind.EXITED: event_pb2.SYSTEM_EVENT_TYPE_EXITED,
    SystemEventKind.OUT_OF_MEMORY: event_pb2.SYSTEM_EVENT_TYPE_OUT_OF_MEMORY,
    SystemEventKind.FORGOTTEN: event_pb2.SYSTEM_EVENT_TYPE_FORGOTTEN,
}
CONSOLE_EVENTS: Mapping[int, str] = {
    pb.CONSOLE_EVENT_CTRL_C: "CtrlC",
    pb.CONSOLE_EVENT_CTRL_BREAK: "CtrlBreak",
    pb.CONSOLE_EVENT_CTRL_CLOSE: "CtrlClose",
    pb.CONSOLE_EVENT_CTRL_LOG_OFF: "CtrlLogOff",
    pb.CONSOLE_EVENT_CTRL_SHUTDOWN: "CtrlShutdown",
}
STDIO_HANDLES: Mapping[int, StdioHandle] = {
    service_pb.STDIO_HANDLE_STDIN: "StdIn",
    service_pb.STDIO_HANDLE_STDOUT: "StdOut",
    service_pb.STDIO_HANDLE_STDERR: "StdErr",
    service_pb.STDIO_HANDLE_ALL: "All",
}
SYSTEM_TYPES = {
    "Container": system_pb.COMPUTE_SYSTEM_TYPE_CONTAINER,
    "VirtualMachine": system_pb.COMPUTE_SYSTEM_TYPE_VIRTUAL_MACHINE,
}
SYSTEM_STATES = {
    "Created": system_pb.COMPUTE_SYSTEM_STATE_CREATED,
    "Running": system_pb.COMPUTE_SYSTEM_STATE_RUNNING,
    "Paused": system_pb.COMPUTE_SYSTEM_STATE_PAUSED,
    "Stopped": system_pb.COMPUTE_SYSTEM_STATE_STOPPED,
    "SavedAsTemplate": system_pb.COMPUTE_SYSTEM_STATE_SAVED_AS_TEMPLATE,
}
EXIT_TYPES = {
    "None": system_pb.COMPUTE_SYSTEM_EXIT_TYPE_NONE,
    "GracefulExit": system_pb.COMPUTE_SYSTEM_EXIT_TYPE_GRACEFUL_EXIT,
    "ForcedExit": system_pb.COMPUTE_SYSTEM_EXIT_TYPE_FORCED_EXIT,
    "UnexpectedExit": system_pb.COMPUTE_SYSTEM_EXIT_TYPE_UNEXPECTED_EXIT,
    "Unknown": system_pb.COMPUTE_SYSTEM_EXIT_TYPE_UNKNOWN,
}
