"""Documents about compute systems at the embedded engine; by the same rules as `documents`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hcsd.abi.hresult import HR
from hcsd.embedded.documents import invalid, is_bool, is_object, is_string, is_strings, parse
from hcsd.embedded.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hcsd.embedded.documents import Check

SCHEMA = (2, 1)
MAX_UINT32 = 0xFFFFFFFF
MAX_UINT64 = 0xFFFFFFFFFFFFFFFF
MAX_WEIGHT = MAX_SHARE = 10_000


def _is_any(_value: object) -> bool:
    return True


def _is_list(value: object) -> bool:
    return isinstance(value, list)


def _is_up_to(limit: int) -> Check:
    return lambda value: type(value) is int and 0 <= value <= limit


def _is_one_of(*names: str) -> Check:
    return lambda value: isinstance(value, str) and value in names


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
    "IsolationType": _is_one_of("HostProcess"),
}
HONOURED = ("Memory", "Processor", "IsolationType")
MEMORY: dict[str, Check] = {"SizeInMB": _is_up_to(MAX_UINT64 >> 20)}
PROCESSOR: dict[str, Check] = {
    "Count": _is_up_to(MAX_UINT32),
    "Weight": _is_up_to(MAX_WEIGHT),
    "Maximum": _is_up_to(MAX_SHARE),
}
PROPERTY_QUERY: dict[str, Check] = {"PropertyTypes": is_strings, "Queries": is_object}
FIGURES = frozenset({"Statistics", "ProcessList"})
PROPERTY_TYPES = FIGURES | {"TerminateOnLastHandleClosed"}
# Of virtual machines and of Windows.
OTHER_PROPERTY_TYPES = frozenset(
    {"Memory", "SharedMemoryRegion", "GuestConnection", "GuestMemory", "ContainerCredentialGuard"}
    | {"ICHeartbeatStatus", "ProcessorTopology", "CpuGroup", "SystemGUID"}
)
SHUTDOWN_OPTIONS: dict[str, Check] = {
    "Mechanism": _is_one_of("GuestConnection", "IntegrationService"),
    "Type": _is_one_of("Shutdown", "Hibernate", "Reboot"),
    "Force": is_bool,  # as always here: whoever does not end in time is killed
    "Reason": is_string,
}
PAUSE_OPTIONS: dict[str, Check] = {
    "SuspensionLevel": _is_one_of("Suspend", "MemoryLow", "MemoryMedium", "MemoryHigh"),
    "HostedNotification": is_object,
}
SAVE_OPTIONS: dict[str, Check] = {
    "SaveType": _is_one_of("ToFile", "AsTemplate"),
    "SaveStateFilePath": is_string,
}
MODIFY_SETTING: dict[str, Check] = {
    "ResourcePath": is_string,
    "RequestType": _is_one_of("Add", "Remove", "Update"),
    "Settings": _is_any,
    "GuestRequest": _is_any,
}


@dataclass(frozen=True, slots=True)
class Limits:
    """What a system may use of the host; None is as much as there is.

    Attributes:
        memory: In bytes.
        processors: How many, or a part of one.
        weight: 0 to 10,000, against that of others.
    """

    memory: int | None = None
    processors: float | None = None
    weight: int | None = None


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


def parse_configuration(text: str | None, host_processors: int) -> Configuration:
    """Read what `HcsCreateComputeSystem` takes.

    Args:
        text: The document.
        host_processors: How many the host has; of which a maximum is a share.

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
    _refuse(members, "ComputeSystem", ("HostingSystemId", "HostedSystem", "VirtualMachine"))
    if "Container" not in members:
        raise invalid("ComputeSystem has no Container")
    container = _part(members, "Container", "ComputeSystem.Container", CONTAINER)
    _refuse(container, "Container", [name for name in CONTAINER if name not in HONOURED])
    return Configuration(
        owner=str(members.get("Owner", "")),
        ends_with_handles=members.get("ShouldTerminateOnLastHandleClosed") is True,
        limits=_limits(container, host_processors),
    )


def _part(
    members: Mapping[str, object], name: str, what: str, known: Mapping[str, Check]
) -> dict[str, object]:
    return parse(json.dumps(members.get(name, {})), what, known)


def _refuse(members: Mapping[str, object], what: str, names: object) -> None:
    assert isinstance(names, (tuple, list))  # noqa: S101  (for the type checker)
    for name in names:
        if members.get(name):
            raise Fault(HR.ERROR_NOT_SUPPORTED, f"the embedded engine cannot honour {what}.{name}")


def _limits(container: Mapping[str, object], host_processors: int) -> Limits:
    memory = _part(container, "Memory", "Container.Memory", MEMORY)
    processor = _part(container, "Processor", "Container.Processor", PROCESSOR)
    given = {name: value for name, value in processor.items() if isinstance(value, int) and value}
    if len(given) > 1:
        raise invalid(f"Container.Processor has {' and '.join(given)}, which exclude each other")
    size = memory.get("SizeInMB")
    processors: float | None = given.get("Count")
    if "Maximum" in given:
        processors = host_processors * given["Maximum"] / MAX_SHARE
    return Limits(
        memory=size << 20 if isinstance(size, int) and size else None,
        processors=processors,
        weight=given.get("Weight"),
    )


def parse_property_query(text: str | None) -> frozenset[str]:
    """Read what `HcsGetComputeSystemProperties` takes.

    Returns:
        The property types asked for.

    Raises:
        Fault: The document is malformed, or asks for something this engine does not know.
    """
    members = parse(text, "PropertyQuery", PROPERTY_QUERY)
    _refuse(members, "PropertyQuery", ("Queries",))
    types = members.get("PropertyTypes", [])
    asked = frozenset(types if isinstance(types, list) else [])
    for name in sorted(asked - PROPERTY_TYPES):
        if name not in OTHER_PROPERTY_TYPES:
            raise invalid(f"PropertyQuery.PropertyTypes has an unknown type '{name}'")
        raise Fault(HR.ERROR_NOT_SUPPORTED, f"the embedded engine has no property '{name}'")
    return asked


def parse_shutdown_options(text: str | None) -> None:
    """Check what `HcsShutDownComputeSystem` takes; there is one way to shut down.

    Raises:
        Fault: The document is malformed, or asks for another way.
    """
    members = parse(text, "ShutdownOptions", SHUTDOWN_OPTIONS)
    for name, only in (("Mechanism", "GuestConnection"), ("Type", "Shutdown")):
        if members.get(name, only) != only:
            raise Fault(
                HR.ERROR_NOT_SUPPORTED,
                f"the embedded engine cannot honour ShutdownOptions.{name} {members[name]}",
            )


def parse_pause_options(text: str | None) -> None:
    """Check what `HcsPauseComputeSystem` takes; there is one way to pause.

    Raises:
        Fault: The document is malformed, or asks for another way.
    """
    members = parse(text, "PauseOptions", PAUSE_OPTIONS)
    _refuse(members, "PauseOptions", ("HostedNotification",))
    level = members.get("SuspensionLevel", "Suspend")
    if level != "Suspend":
        raise Fault(
            HR.ERROR_NOT_SUPPORTED,
            f"the embedded engine cannot honour PauseOptions.SuspensionLevel {level}",
        )


def parse_modify_setting(text: str | None) -> str:
    """Read what `HcsModifyComputeSystem` takes.

    Returns:
        The path of what is to be modified.

    Raises:
        Fault: The document is malformed.
    """
    path = parse(text, "ModifySettingRequest", MODIFY_SETTING).get("ResourcePath")
    if not isinstance(path, str) or not path:
        raise invalid("ModifySettingRequest names no ResourcePath")
    return path


def exit_status(hresult: int, exit_type: str, detail: str, initiator: str) -> str:
    """Word a SystemExitStatus document."""
    return json.dumps(
        {
            "Status": hresult - (1 << 32) if hresult else 0,
            "ExitType": exit_type,
            "Attribution": [{"SystemExit": {"Detail": detail, "Initiator": initiator}}],
        }
    )
