"""Documents about compute systems at the embedded engine: what it accepts, and what it words."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from hcsd.abi.extensions import KEPT_PROCESSES
from hcsd.abi.hresult import HR
from hcsd.embedded.documents import (
    invalid,
    is_bool,
    is_object,
    is_one_of,
    is_string,
    is_strings,
    parse,
    refuse,
)
from hcsd.embedded.faults import Fault

if TYPE_CHECKING:
    from hcsd.embedded.configuration import Configuration, Limits
    from hcsd.embedded.documents import Check


def _is_any(_value: object) -> bool:
    return True


# Status, and detail and initiator of the attribution, by how a system ends.
EXITS = {
    "GracefulExit": (0, "Shutdown", "Client"),
    "ForcedExit": (HR.TERMINATED, "Terminate", "Client"),
    "UnexpectedExit": (HR.UNEXPECTED_EXIT, "UnexpectedExit", "Internal"),
}

SYSTEM_QUERY: dict[str, Check] = {
    "Ids": is_strings,
    "Names": is_strings,
    "Types": is_strings,
    "Owners": is_strings,
}
PROPERTY_QUERY: dict[str, Check] = {"PropertyTypes": is_strings, "Queries": is_object}
MEASURED = frozenset({"Statistics", "ProcessList"})
PROPERTY_TYPES = MEASURED | {"TerminateOnLastHandleClosed", KEPT_PROCESSES}
# Of virtual machines and of Windows.
OTHER_PROPERTY_TYPES = frozenset(
    {"Memory", "SharedMemoryRegion", "GuestConnection", "GuestMemory", "ContainerCredentialGuard"}
    | {"ICHeartbeatStatus", "ProcessorTopology", "CpuGroup", "SystemGUID"}
)
SHUTDOWN_OPTIONS: dict[str, Check] = {
    "Mechanism": is_one_of("GuestConnection", "IntegrationService"),
    "Type": is_one_of("Shutdown", "Hibernate", "Reboot"),
    "Force": is_bool,  # as always here: whoever does not end in time is killed
    "Reason": is_string,
}
PAUSE_OPTIONS: dict[str, Check] = {
    "SuspensionLevel": is_one_of("Suspend", "MemoryLow", "MemoryMedium", "MemoryHigh"),
    "HostedNotification": is_object,
}
SAVE_OPTIONS: dict[str, Check] = {
    "SaveType": is_one_of("ToFile", "AsTemplate"),
    "SaveStateFilePath": is_string,
}
MODIFY_SETTING: dict[str, Check] = {
    "ResourcePath": is_string,
    "RequestType": is_one_of("Add", "Remove", "Update"),
    "Settings": _is_any,
    "GuestRequest": _is_any,
}


def parse_property_query(text: str | None) -> frozenset[str]:
    """Read what `HcsGetComputeSystemProperties` takes.

    Returns:
        The property types asked for.

    Raises:
        Fault: The document is malformed, or asks for something this engine does not know.
    """
    members = parse(text, "PropertyQuery", PROPERTY_QUERY)
    refuse(members, "PropertyQuery", ("Queries",))
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
    refuse(members, "PauseOptions", ("HostedNotification",))
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


def limits_members(limits: Limits, *, tasks: bool) -> dict[str, int]:
    """Word the `Limits` of a Properties document, which only this engine sends.

    Args:
        limits: What the system is held to.
        tasks: Whether it is held to a number of tasks; else that is not said.
    """
    found = {
        "MemoryBytes": limits.memory,
        "ProcessorMillis": None
        if limits.processors is None
        else max(1, round(limits.processors * 1000)),
        "ProcessorWeight": limits.weight,
        "MaxTasks": limits.tasks if tasks else None,
    }
    return {name: value for name, value in found.items() if value}


def basic_properties(
    system_id: str,
    runtime_id: str,
    configuration: Configuration,
    *,
    state: str,
    exit_type: str,
    limits_tasks: bool,
) -> dict[str, object]:
    """Word the basic Properties of a system; `exit_type` is "" unless it has stopped."""
    return {
        "Id": system_id,
        "SystemType": "Container",
        "RuntimeOsType": "Linux",
        "Owner": configuration.owner,
        "RuntimeId": runtime_id,
        "State": state,
        "Limits": limits_members(configuration.limits, tasks=limits_tasks),
        **({"Stopped": True, "ExitType": exit_type} if exit_type else {}),
    }


def exit_status(exit_type: str) -> str:
    """Word a SystemExitStatus document; `exit_type` is one of `EXITS`."""
    hresult, detail, initiator = EXITS[exit_type]
    return json.dumps(
        {
            "Status": hresult - (1 << 32) if hresult else 0,
            "ExitType": exit_type,
            "Attribution": [{"SystemExit": {"Detail": detail, "Initiator": initiator}}],
        }
    )
