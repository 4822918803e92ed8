"""Figures of a compute system and of what runs in it, read out of its Properties document.

The document is HCS's and goes to the client as it is; here it is read for those who want types. So
it is read leniently: a member that is missing, or is not what the schema says, is one without a
value. Times count in units of 100 ns. Source: Microsoft's HCS schema reference, `Properties`.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeGuard, TypeVar

from google.protobuf.message import Message

from hcsd.hcs.errors import HandleClosedError, HcsError
from hcsd.hcs.system import PROCESS_LIST
from hcsd.v1 import compute_system_pb2 as pb
from hcsd.v1 import process_pb2

if TYPE_CHECKING:
    from hcsd.hcs.process import Process

M = TypeVar("M", bound=Message)

MAX_UINT32 = 2**32 - 1
MAX_UINT64 = 2**64 - 1
MAX_DURATION = 315_576_000_000 * 10**7  # of google.protobuf.Duration, in units of 100 ns

# Field of the message, and member of the document.
STATISTICS = {
    "sample_time": "Timestamp",
    "start_time": "ContainerStartTime",
    "uptime": "Uptime100ns",
}
PROCESSOR = {
    "total_runtime": "TotalRuntime100ns",
    "user_runtime": "RuntimeUser100ns",
    "kernel_runtime": "RuntimeKernel100ns",
}
MEMORY = {
    "usage_commit_bytes": "MemoryUsageCommitBytes",
    "usage_commit_peak_bytes": "MemoryUsageCommitPeakBytes",
    "usage_private_working_set_bytes": "MemoryUsagePrivateWorkingSetBytes",
}
STORAGE = {
    "read_count_normalized": "ReadCountNormalized",
    "read_size_bytes": "ReadSizeBytes",
    "write_count_normalized": "WriteCountNormalized",
    "write_size_bytes": "WriteSizeBytes",
}
PROCESS = {
    "pid": "ProcessId",
    "image_name": "ImageName",
    "create_time": "CreateTimestamp",
    "user_time": "UserTime100ns",
    "kernel_time": "KernelTime100ns",
    "memory_commit_bytes": "MemoryCommitBytes",
    "memory_working_set_private_bytes": "MemoryWorkingSetPrivateBytes",
    "memory_working_set_shared_bytes": "MemoryWorkingSetSharedBytes",
}


def read_figures(
    document: str,
) -> tuple[pb.ComputeSystemStatistics | None, list[process_pb2.ProcessStats]]:
    """Return the statistics in a Properties document, if it has some, and its process list."""
    try:
        properties = json.loads(document)
    except (ValueError, RecursionError):
        return None, []
    if not isinstance(properties, dict):
        return None, []
    statistics, processes = properties.get("Statistics"), properties.get("ProcessList")
    return (
        _statistics(statistics) if isinstance(statistics, dict) else None,
        [
            _filled(process_pb2.ProcessStats(), entry, PROCESS)
            for entry in (processes if isinstance(processes, list) else [])
            if isinstance(entry, dict)
        ],
    )


async def stats_of(process: Process) -> process_pb2.ProcessStats | None:
    """Return what the system of a process lists of it; None if it lists none, or not this one.

    A pid may be another process's by the time of the list. It is ours if the process, asked by its
    own handle afterwards, still runs.
    """
    try:
        document = await process.system.raw_properties(PROCESS_LIST)
    except (HcsError, HandleClosedError):  # a system that is ending has many ways to say so
        return None
    _, listed = read_figures(document or "")
    return next((entry for entry in listed if entry.pid == process.pid), None)


def _statistics(members: dict[str, object]) -> pb.ComputeSystemStatistics:
    message = _filled(pb.ComputeSystemStatistics(), members, STATISTICS)
    for part, name, fields in (
        (message.processor, "Processor", PROCESSOR),
        (message.memory, "Memory", MEMORY),
        (message.storage, "Storage", STORAGE),
    ):
        figures = members.get(name)
        if isinstance(figures, dict):
            part.SetInParent()
            _filled(part, figures, fields)
    return message


def _filled(message: M, members: dict[str, object], fields: dict[str, str]) -> M:
    """Fill a message in, each field by its type."""
    for name, member in fields.items():
        value = members.get(member)
        kind = message.DESCRIPTOR.fields_by_name[name]
        if kind.message_type is None and kind.type == kind.TYPE_STRING:
            if isinstance(value, str):
                setattr(message, name, value.encode(errors="replace").decode())
        elif kind.message_type is None:
            limit = MAX_UINT32 if kind.type == kind.TYPE_UINT32 else MAX_UINT64
            if _is_count(value, limit):
                setattr(message, name, value)
        elif kind.message_type.full_name == "google.protobuf.Duration":
            if _is_count(value, MAX_DURATION):
                getattr(message, name).FromNanoseconds(value * 100)
        elif (time := _time(value)) is not None:
            getattr(message, name).FromDatetime(time)
    return message


def _is_count(value: object, limit: int) -> TypeGuard[int]:
    return type(value) is int and 0 <= value <= limit


def _time(value: object) -> datetime | None:
    """Read an RFC 3339 time; of one without a zone nobody knows when it is."""
    try:
        time = datetime.fromisoformat(value) if isinstance(value, str) else None
        return time.astimezone(UTC) if time is not None and time.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None
