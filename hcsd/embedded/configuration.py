"""What a compute system of the embedded engine is created from."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hcsd.abi.hresult import HR
from hcsd.embedded.documents import invalid, is_bool, is_object, is_one_of, is_string, parse, refuse
from hcsd.embedded.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hcsd.embedded.documents import Check

SCHEMA = (2, 1)
MAX_UINT32 = 0xFFFFFFFF
MAX_UINT64 = 0xFFFFFFFFFFFFFFFF
MAX_WEIGHT = MAX_SHARE = 10_000
# MiB. A shell that starts one program needs 1 if its files are cached already (measured), and more if
# the system has to pay for that, too. With less the kernel kills whatever is started.
MIN_MEMORY = 4


def _is_list(value: object) -> bool:
    return isinstance(value, list)


def _is_up_to(limit: int) -> Check:
    return lambda value: type(value) is int and 0 <= value <= limit


COMPUTE_SYSTEM: dict[str, Check] = {
    "Owner": is_string,
    "SchemaVersion": is_object,
    "HostingSystemId": is_string,
    "HostedSystem": is_object,
    "Container": is_object,
    "VirtualMachine": is_object,
    "ShouldTerminateOnLastHandleClosed": is_bool,
}
SCHEMA_VERSION: dict[str, Check] = {"Major": _is_up_to(MAX_UINT32), "Minor": _is_up_to(MAX_UINT32)}
CONTAINER: dict[str, Check] = {
    "GuestOs": is_object,
    "Storage": is_object,
    "MappedDirectories": _is_list,
    "MappedPipes": _is_list,
    "Memory": is_object,
    "Processor": is_object,
    "Networking": is_object,
    "HvSocket": is_object,
    "ContainerCredentialGuard": is_object,
    "RegistryChanges": is_object,
    "AssignedDevices": _is_list,
    "AdditionalDeviceNamespace": is_object,
    "IsolationType": is_one_of("HostProcess"),
}
HONOURED = ("Memory", "Processor", "IsolationType")
MEMORY: dict[str, Check] = {"SizeInMB": _is_up_to(MAX_UINT64 >> 20)}
PROCESSOR: dict[str, Check] = {
    "Count": _is_up_to(MAX_UINT32),
    "Weight": _is_up_to(MAX_WEIGHT),
    "Maximum": _is_up_to(MAX_SHARE),
}


@dataclass(frozen=True, slots=True)
class Limits:
    """What a system may use of the host; None is as much as there is.

    Attributes:
        memory: In bytes.
        processors: How many, or a part of one.
        weight: 0 to 10,000, against that of others.
        tasks: How many processes and threads there may be at once.
    """

    memory: int | None = None
    processors: float | None = None
    weight: int | None = None
    tasks: int | None = None


@dataclass(frozen=True, slots=True)
class Configuration:
    """What a ComputeSystem document asks for.

    Attributes:
        owner: Free tag.
        ends_with_handles: Whether it ends when its last handle is closed.
        limits: What it may use.
    """

    owner: str = ""
    ends_with_handles: bool = False
    limits: Limits = Limits()


def parse_configuration(
    text: str | None, host_processors: int, max_tasks: int = 0
) -> Configuration:
    """Read what `HcsCreateComputeSystem` takes.

    Args:
        text: The document.
        host_processors: How many the host has; of which a maximum is a share.
        max_tasks: How many processes and threads it may have at once; 0 is no limit.

    Raises:
        Fault: The document is malformed, or asks for something this engine cannot do.
    """
    members = parse(text, "ComputeSystem", COMPUTE_SYSTEM)
    version = _part(members, "SchemaVersion", "ComputeSystem.SchemaVersion", SCHEMA_VERSION)
    if set(version) != set(SCHEMA_VERSION):
        raise invalid("ComputeSystem.SchemaVersion needs a Major and a Minor")
    asked = tuple(int(str(version[name])) for name in SCHEMA_VERSION)
    if asked[0] != SCHEMA[0] or asked > SCHEMA:
        text = f"the embedded engine knows schema {SCHEMA[0]}.0 to {SCHEMA[0]}.{SCHEMA[1]}"
        raise Fault(HR.ERROR_NOT_SUPPORTED, f"{text}, not {asked[0]}.{asked[1]}")
    refuse(members, "ComputeSystem", ("HostingSystemId", "HostedSystem", "VirtualMachine"))
    if "Container" not in members:
        raise invalid("ComputeSystem has no Container")
    container = _part(members, "Container", "ComputeSystem.Container", CONTAINER)
    refuse(container, "Container", [name for name in CONTAINER if name not in HONOURED])
    return Configuration(
        owner=str(members.get("Owner", "")),
        ends_with_handles=members.get("ShouldTerminateOnLastHandleClosed") is True,
        limits=_limits(container, host_processors, max_tasks),
    )


def _part(
    members: Mapping[str, object], name: str, what: str, known: Mapping[str, Check]
) -> dict[str, object]:
    return parse(json.dumps(members.get(name, {})), what, known)


def _limits(container: Mapping[str, object], host_processors: int, max_tasks: int) -> Limits:
    memory = _part(container, "Memory", "Container.Memory", MEMORY)
    processor = _part(container, "Processor", "Container.Processor", PROCESSOR)
    given = {name: value for name, value in processor.items() if isinstance(value, int) and value}
    if len(given) > 1:
        raise invalid(f"Container.Processor has {' and '.join(given)}, which exclude each other")
    size = memory.get("SizeInMB")
    if isinstance(size, int) and 0 < size < MIN_MEMORY:
        raise Fault(
            HR.E_INVALIDARG,
            f"Container.Memory.SizeInMB is {size}, which no process can start with:"
            f" the least is {MIN_MEMORY}",
        )
    processors: float | None = given.get("Count")
    if "Maximum" in given:
        processors = host_processors * given["Maximum"] / MAX_SHARE
    return Limits(
        memory=size << 20 if isinstance(size, int) and size else None,
        processors=processors,
        weight=given.get("Weight"),
        tasks=max_tasks or None,
    )
