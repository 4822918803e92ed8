"""What a compute system may use of the host, as documents say it.

The embedded engine adds a member `Limits` to the Properties of a system. HCS has none: there the
configuration document tells what was asked for. It is read leniently, since HCS has accepted it.
Source of the configuration's members: Microsoft's HCS schema reference.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

    Members: TypeAlias = Mapping[str, object]

MAX_UINT32 = 0xFFFFFFFF
MAX_UINT64 = 0xFFFFFFFFFFFFFFFF
MAX_SHARE = 10_000  # Processor.Maximum of a container: all processors of the host
MAX_PART = 100_000  # Processor.Limit of a virtual machine: all of its processors


@dataclass(frozen=True, slots=True)
class SystemLimits:
    """What a compute system may use; 0 is no limit, or the default share.

    Attributes:
        memory_bytes: Memory in bytes.
        processor_millis: Processors, in thousandths of one.
        processor_weight: Share against that of others, 1 to 10,000.
        max_tasks: How many processes and threads there may be at once.
    """

    memory_bytes: int = 0
    processor_millis: int = 0
    processor_weight: int = 0
    max_tasks: int = 0

    @classmethod
    def of(cls, members: object) -> SystemLimits | None:
        """Read the `Limits` of a Properties document; None if it has none."""
        if not isinstance(members, dict):
            return None
        return cls(
            memory_bytes=_count(members, "MemoryBytes", MAX_UINT64),
            processor_millis=_count(members, "ProcessorMillis", MAX_UINT32),
            processor_weight=_count(members, "ProcessorWeight", MAX_UINT32),
            max_tasks=_count(members, "MaxTasks", MAX_UINT64),
        )

    @classmethod
    def asked(cls, configuration: str) -> SystemLimits | None:
        """Read what a ComputeSystem document asks for; None if it cannot be read."""
        try:
            document = json.loads(configuration)
        except (ValueError, RecursionError):
            return None
        if not isinstance(document, dict):
            return None
        container = _part(document, "Container")
        topology = _part(_part(document, "VirtualMachine"), "ComputeTopology")
        parts = container or topology
        processor = _part(parts, "Processor")
        megabytes = _count(_part(parts, "Memory"), "SizeInMB", MAX_UINT64 >> 20)
        return cls(
            memory_bytes=megabytes << 20,
            processor_millis=min(MAX_UINT32, _millis(processor)),
            processor_weight=_count(processor, "Weight", MAX_UINT32),
        )


def _millis(processor: Members) -> int:
    """Return the processors that a container or a virtual machine may use, in thousandths of one."""
    count = _count(processor, "Count", MAX_UINT32)
    part = _count(processor, "Limit", MAX_UINT32)  # of a virtual machine, beside Count
    if count:
        return count * 1000 * min(part, MAX_PART) // MAX_PART if part else count * 1000
    share = min(_count(processor, "Maximum", MAX_UINT32), MAX_SHARE)
    return (os.cpu_count() or 1) * 1000 * share // MAX_SHARE


def _part(members: Members, name: str) -> Members:
    value = members.get(name)
    return value if isinstance(value, dict) else {}


def _count(members: Members, name: str, most: int) -> int:
    value = members.get(name)
    return min(value, most) if type(value) is int and value > 0 else 0
