"""Questions about the service itself: its exports, its words, its events."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from hcsd.abi.extensions import EVENT_OUT_OF_MEMORY
from hcsd.abi.functions import FUNCTIONS
from hcsd.abi.types import GENERIC_ALL, HCS_EVENT_TYPE
from hcsd.hcs.errors import HcsError
from hcsd.hcs.schema import parse_properties, parse_schema_versions
from hcsd.selftest.question import Answer, Question
from hcsd.selftest.windows import library_names

if TYPE_CHECKING:
    from hcsd.hcs.schema import SystemProperties
    from hcsd.selftest.asking import Asking

KNOWN_EVENTS = {int(event) for event in HCS_EVENT_TYPE} | {EVENT_OUT_OF_MEMORY}
NO_SYSTEM = "hcsd-selftest-no-such-system"


async def exports(it: Asking) -> Answer:
    """Compare the exports of the library with those that hcsd knows."""
    missing = it.library.missing
    details: dict[str, object] = {"missing": list(missing)}
    known = {row.name for row in FUNCTIONS}
    try:
        found = {name for name in library_names() if name.startswith("Hcs")}
    except (OSError, ValueError) as error:
        details["file"] = str(error)
    else:
        details |= {"exports": sorted(found), "unknown_to_hcsd": sorted(found - known)}
    return Answer(f"{len(missing)} missing" if missing else "none missing", details)


async def schema_versions(it: Asking) -> Answer:
    """Ask for the schema versions."""
    document = it.library.HcsGetServiceProperties('{"PropertyTypes":["Basic"]}')
    versions = parse_schema_versions(document)
    return Answer(", ".join(f"{major}.{minor}" for major, minor in sorted(versions)) or "none")


async def _properties(it: Asking) -> SystemProperties:
    system = it.open_system()
    done = await it.run(lambda op: it.library.HcsGetComputeSystemProperties(system, op, None))
    if done.error is not None:
        raise done.error
    return parse_properties(done.document)


async def system_state(it: Asking) -> Answer:
    """Read the state of the running system."""
    return Answer((await _properties(it)).state or "nothing")


async def system_type(it: Asking) -> Answer:
    """Read the type of the system."""
    return Answer((await _properties(it)).system_type or "nothing")


async def guest_name(it: Asking) -> Answer:
    """Read the name of the guest's system."""
    return Answer((await _properties(it)).runtime_os_type or "nothing")


async def process_list(it: Asking) -> Answer:
    """Look for a process of ours in the process list."""
    process = await it.start(it.programs.echo())
    system = it.open_system()
    query = '{"PropertyTypes":["ProcessList"]}'
    done = await it.run(lambda op: it.library.HcsGetComputeSystemProperties(system, op, query))
    if done.error is not None:
        return Answer(done.symbol, done.details())
    entries = json.loads(done.document or "{}").get("ProcessList")
    if not isinstance(entries, list):
        return Answer("no list")
    ours = [entry for entry in entries if entry.get("ProcessId") == process.pid]
    if not ours:
        return Answer("listed without it", {"entries": len(entries)})
    return Answer("listed", {"members": sorted(ours[0])})


async def no_system(it: Asking) -> Answer:
    """Open a system that does not exist."""
    try:
        system = it.library.HcsOpenComputeSystem(NO_SYSTEM, GENERIC_ALL)
    except HcsError as error:
        return Answer(error.code.symbol, {"hresult": f"0x{error.hresult:08X}"})
    it.library.HcsCloseComputeSystem(system)
    return Answer("S_OK")


async def events(it: Asking) -> Answer:
    """Look at what events have come."""
    seen = it.subject.seen.events
    unknown = sorted(kind for kind in seen if kind not in KNOWN_EVENTS)
    details: dict[str, object] = {f"0x{kind:08X}": count for kind, count in sorted(seen.items())}
    return Answer(", ".join(f"0x{kind:08X}" for kind in unknown) or "none unknown", details)


QUESTIONS = (
    Question(
        "exports",
        "Which exports that hcsd knows does this build lack?",
        "each page names a first build; some are said to be absent from builds that it names",
        ("none missing",),
        "needs the few that it lives by; a call of another that is absent fails as not supported",
        "the addresses of all exports; the list in the file of the DLL",
        exports,
        of_host=True,
    ),
    Question(
        "schema-versions",
        "Which schema versions does the service report?",
        "one entry for each major version, with its highest minor version",
        (),
        "reports them; HCS itself judges documents",
        "HcsGetServiceProperties with `Basic`",
        schema_versions,
        of_host=True,
    ),
    Question(
        "no-system",
        "What answers HcsOpenComputeSystem for a system that does not exist?",
        "HCS_E_SYSTEM_NOT_FOUND",
        ("HCS_E_SYSTEM_NOT_FOUND",),
        "says that there is no such system",
        "HcsOpenComputeSystem with an id that nobody has",
        no_system,
        of_host=True,
    ),
    Question(
        "system-state",
        "How is the state of a running system worded?",
        "`Running`",
        ("Running",),
        "shows the word; only `Stopped` has a meaning for it",
        "HcsGetComputeSystemProperties without a query",
        system_state,
    ),
    Question(
        "system-type",
        "How is the type of a system worded?",
        "`Container` or `VirtualMachine`",
        ("Container", "VirtualMachine"),
        "shows the word",
        "HcsGetComputeSystemProperties without a query",
        system_type,
    ),
    Question(
        "guest-name",
        "How is the operating system of the guest worded in `RuntimeOsType`?",
        "`Windows` or `Linux`",
        ("Windows", "Linux"),
        "takes the word in any case; without one the guest is taken for Windows",
        "HcsGetComputeSystemProperties without a query",
        guest_name,
    ),
    Question(
        "process-list",
        "Does the process list of a system name a process by the pid that the create gave?",
        "the list and its members",
        ("listed",),
        "looks there for a process that it has lost; without a list it asks by the pid",
        "HcsGetComputeSystemProperties with `ProcessList`, while a process of ours runs",
        process_list,
    ),
)
LAST = (
    Question(
        "events",
        "Do events of a type come that hcsd does not know?",
        "the types of the header; values may be added",
        ("none unknown",),
        "ignores them",
        "all events of this self-test",
        events,
        of_host=True,
    ),
)
