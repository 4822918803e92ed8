"""Statistics of a compute system and of what runs in it, read out of its Properties document.

The document is HCS's and goes to the client as it is; here it is read for those who want types. So
it is read leniently: a member that is missing, or is not what the schema says, is None. Times count in
units of 100 ns. Source: Microsoft's HCS schema reference, `Properties`.
"""

from __future__ import annotations

import functools
import typing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, TypeVar

from hcsd.daemon.spans import Span
from hcsd.hcs.documents import load_object
from hcsd.hcs.errors import DocumentError, HandleClosedError, HcsError
from hcsd.hcs.system import PROCESS_LIST

if TYPE_CHECKING:
    from collections.abc import Callable

    from hcsd.hcs.process import Process

# A field says which member of the document it comes from, and what reads that.
T = TypeVar("T")

MAX_UINT32 = 2**32 - 1
MAX_UINT64 = 2**64 - 1
MAX_SPAN = 315_576_000_000 * 10**7  # 10,000 years, in units of 100 ns


def _is_count(value: object, limit: int) -> bool:
    return type(value) is int and 0 <= value <= limit


def _count32(value: object) -> object:
    return value if _is_count(value, MAX_UINT32) else None


def _count64(value: object) -> object:
    return value if _is_count(value, MAX_UINT64) else None


def _text(value: object) -> object:
    return value if isinstance(value, str) else None


def _span(value: object) -> object:
    return Span(value * 100) if isinstance(value, int) and _is_count(value, MAX_SPAN) else None


def _time(value: object) -> object:
    """Read an RFC 3339 time; of one without a zone nobody knows when it is."""
    try:
        time = datetime.fromisoformat(value) if isinstance(value, str) else None
        return time.astimezone(UTC) if time is not None and time.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


@dataclass(frozen=True, slots=True)
class ProcessorStatistics:
    """Processor time of a system."""

    total_runtime: Annotated[Span | None, "TotalRuntime100ns", _span] = None
    user_runtime: Annotated[Span | None, "RuntimeUser100ns", _span] = None
    kernel_runtime: Annotated[Span | None, "RuntimeKernel100ns", _span] = None


@dataclass(frozen=True, slots=True)
class MemoryStatistics:
    """Memory of a system. Units: bytes."""

    usage_commit_bytes: Annotated[int | None, "MemoryUsageCommitBytes", _count64] = None
    usage_commit_peak_bytes: Annotated[int | None, "MemoryUsageCommitPeakBytes", _count64] = None
    usage_private_working_set_bytes: Annotated[
        int | None, "MemoryUsagePrivateWorkingSetBytes", _count64
    ] = None


@dataclass(frozen=True, slots=True)
class StorageStatistics:
    """Reads and writes of a system."""

    read_count_normalized: Annotated[int | None, "ReadCountNormalized", _count64] = None
    read_size_bytes: Annotated[int | None, "ReadSizeBytes", _count64] = None
    write_count_normalized: Annotated[int | None, "WriteCountNormalized", _count64] = None
    write_size_bytes: Annotated[int | None, "WriteSizeBytes", _count64] = None


def _processor(value: object) -> object:
    return _part(ProcessorStatistics, value)


def _memory(value: object) -> object:
    return _part(MemoryStatistics, value)


def _storage(value: object) -> object:
    return _part(StorageStatistics, value)


@dataclass(frozen=True, slots=True)
class SystemStatistics:
    """What a system has used so far."""

    sample_time: Annotated[datetime | None, "Timestamp", _time] = None
    start_time: Annotated[datetime | None, "ContainerStartTime", _time] = None
    uptime: Annotated[Span | None, "Uptime100ns", _span] = None
    processor: Annotated[ProcessorStatistics | None, "Processor", _processor] = None
    memory: Annotated[MemoryStatistics | None, "Memory", _memory] = None
    storage: Annotated[StorageStatistics | None, "Storage", _storage] = None


@dataclass(frozen=True, slots=True)
class ProcessStatistics:
    """What a process has used so far. Units: bytes."""

    pid: Annotated[int | None, "ProcessId", _count32] = None
    image_name: Annotated[str | None, "ImageName", _text] = None
    create_time: Annotated[datetime | None, "CreateTimestamp", _time] = None
    user_time: Annotated[Span | None, "UserTime100ns", _span] = None
    kernel_time: Annotated[Span | None, "KernelTime100ns", _span] = None
    memory_commit_bytes: Annotated[int | None, "MemoryCommitBytes", _count64] = None
    memory_working_set_private_bytes: Annotated[
        int | None, "MemoryWorkingSetPrivateBytes", _count64
    ] = None
    memory_working_set_shared_bytes: Annotated[
        int | None, "MemoryWorkingSetSharedBytes", _count64
    ] = None


def read_statistics(document: str) -> tuple[SystemStatistics | None, list[ProcessStatistics]]:
    """Return the statistics in a Properties document, if it has some, and its process list."""
    try:
        properties = load_object(document, "Properties")
    except DocumentError:
        return None, []
    processes = properties.get("ProcessList")
    listed = [_part(ProcessStatistics, entry) for entry in _as_list(processes)]
    return (
        _part(SystemStatistics, properties.get("Statistics")),
        [entry for entry in listed if entry is not None],
    )


async def statistics_of(process: Process) -> ProcessStatistics | None:
    """Return what the system of a process lists of it; None if it lists none, or not this one.

    A pid may be another process's by the time of the list. It is ours if the process, asked by its
    own handle afterwards, still runs.
    """
    try:
        document = await process.system.raw_properties(PROCESS_LIST)
    except (HcsError, HandleClosedError):  # a system that is ending has many ways to say so
        return None
    _, listed = read_statistics(document or "")
    return next((entry for entry in listed if entry.pid == process.pid), None)


def _as_list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _part(kind: type[T], members: object) -> T | None:
    """Read an object of the document; None if it is none."""
    if not isinstance(members, dict):
        return None
    return kind(**{name: read(members.get(member)) for name, member, read in _fields(kind)})  # type: ignore[arg-type]  # classes are hashable


@functools.cache
def _fields(kind: type) -> list[tuple[str, str, Callable[[object], object]]]:
    """Return the fields of a class with the member of each, and what reads it."""
    hints = typing.get_type_hints(kind, include_extras=True)
    return [(name, *hint.__metadata__) for name, hint in hints.items()]
