"""HCS JSON documents (schema 2.x) as frozen dataclasses.

Members are PascalCase on the wire and snake_case here; a member at its default is omitted, as
Microsoft's own clients do. What HCS sends is read by `hcsd.hcs.documents`, leniently: unknown members
are ignored and a missing one has its default. A word that the schema lists is taken in any case and
has the schema's here; one that it does not list stays as it is. Source: Microsoft's HCS schema
reference.
"""

from __future__ import annotations

import json
from dataclasses import MISSING, dataclass, field, fields
from typing import TYPE_CHECKING, Literal

from hcsd.hcs.documents import (
    MAX_INT64,
    MAX_UINT32,
    hresult,
    integer,
    is_integer,
    load,
    load_object,
    string,
    timestamp,
    word,
)
from hcsd.hcs.errors import DocumentError, ErrorEvent
from hcsd.hcs.system_limits import SystemLimits

if TYPE_CHECKING:
    from collections.abc import Mapping

# The words of the schema.
SYSTEM_TYPES = ("Container", "VirtualMachine")
RUNTIME_OS_TYPES = ("Windows", "Linux", "Unknown")
STATES = ("Created", "Running", "Paused", "Stopped", "SavedAsTemplate", "Unknown")
EXIT_TYPES = ("None", "GracefulExit", "ForcedExit", "UnexpectedExit", "Unknown")


def _pascal(name: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))


@dataclass(frozen=True, slots=True)
class Document:
    """A document of known members that can be written as JSON."""

    def members(self) -> dict[str, object]:
        """Return the members that differ from their default, by their HCS names."""
        result: dict[str, object] = {}
        for item in fields(self):
            value = getattr(self, item.name)
            default = item.default if item.default_factory is MISSING else item.default_factory()
            if value != default:
                result[_pascal(item.name)] = (
                    value.members() if isinstance(value, Document) else value
                )
        return result

    def to_json(self) -> str:
        """Return the document as HCS takes it."""
        return json.dumps(self.members())


@dataclass(frozen=True, slots=True)
class ProcessParameters(Document):
    """What `HcsCreateProcess` takes.

    `console_size` is an array ``[height, width]`` here; only ProcessModifyRequest has an object.
    The members from `std_err_to_std_out` on are for a provider that `shapes_processes`; HCS has no place for them.
    """

    application_name: str = ""
    command_line: str = ""
    command_args: list[str] = field(default_factory=list)
    user: str = ""
    working_directory: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    restricted_token: bool = False
    emulate_console: bool = False
    create_std_in_pipe: bool = False
    create_std_out_pipe: bool = False
    create_std_err_pipe: bool = False
    console_size: list[int] = field(default_factory=list)
    std_err_to_std_out: bool = False
    uid: int | None = None
    gid: int | None = None
    supplementary_groups: list[int] = field(default_factory=list)
    resource_limits: dict[str, tuple[int, int]] = field(default_factory=dict)
    umask: int | None = None
    oom_score_adj: int | None = None
    no_new_privileges: bool = False
    tag: str = ""


@dataclass(frozen=True, slots=True)
class ConsoleSize(Document):
    """Size of a console in character cells, as ProcessModifyRequest spells it."""

    height: int
    width: int


StdioHandle = Literal["StdIn", "StdOut", "StdErr", "All"]


@dataclass(frozen=True, slots=True)
class CloseHandle(Document):
    """Which stdio handle the service is to close."""

    handle: StdioHandle


@dataclass(frozen=True, slots=True)
class ProcessModifyRequest(Document):
    """What `HcsModifyProcess` takes; `operation` is required and names the member that is set."""

    operation: Literal["ConsoleSize", "CloseHandle"]
    console_size: ConsoleSize | None = None
    close_handle: CloseHandle | None = None


@dataclass(frozen=True, slots=True)
class SignalProcessOptions(Document):
    """What `HcsSignalProcess` takes: a control event by name, or a number for Linux guests."""

    signal: str | int


@dataclass(frozen=True, slots=True)
class TerminateOptions(Document):
    """What `HcsTerminateProcess` takes of a provider that `kills_trees`; HCS has no schema for it."""

    tree: bool


@dataclass(frozen=True, slots=True)
class TerminateResult:
    """What a provider that `kills_trees` may answer to that; HCS answers without a document.

    Attributes:
        descendants_killed: How many were killed besides the process; None if that is not said.
    """

    descendants_killed: int | None = None

    @classmethod
    def parse(cls, text: str | None) -> TerminateResult:
        """Read the document; what cannot be read says nothing."""
        if text is None:
            return cls()
        try:
            count = load_object(text, "TerminateResult").get("DescendantsKilled")
        except DocumentError:
            return cls()
        return cls(count if is_integer(count) and 0 <= count <= MAX_UINT32 else None)


@dataclass(frozen=True, slots=True)
class SystemQuery(Document):
    """What `HcsEnumerateComputeSystems` takes.

    Members combine with AND, the values of one with OR; an empty member asks for nothing.
    """

    ids: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    types: list[str] = field(default_factory=list)
    owners: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ProcessStatus:
    """State of a process as HCS reports it.

    Attributes:
        process_id: Pid in the guest.
        exited: Whether it has exited.
        exit_code: The code, 0 to 2**32-1; None while running and whenever HCS's own wait failed.
        last_wait_result: HRESULT of that wait, unsigned; 0 is success.
        signal: Number of the signal that ended it, when the engine can tell; else 0.
        out_of_memory: Whether the host killed it because its system had used up its memory. Only the
            embedded engine tells.
        exit_time: When it ended, in nanoseconds since 1970; 0 if it runs or the engine does not tell.
    """

    process_id: int
    exited: bool
    exit_code: int | None
    last_wait_result: int
    signal: int = 0
    out_of_memory: bool = False
    exit_time: int = 0

    @classmethod
    def parse(cls, text: str | None) -> ProcessStatus:
        """Read the document of a ProcessExited event or of HcsGetProcessProperties.

        A missing ExitCode is 0 only if the process has exited and the wait succeeded: some
        producers omit zeros.

        Raises:
            DocumentError: It is absent or not a ProcessStatus.
        """
        members = load_object(text, "ProcessStatus")
        exited = members.get("Exited") is True
        wait_result = hresult(members, "LastWaitResult")
        code = members.get("ExitCode", 0)
        readable = is_integer(code) and -(1 << 31) <= code <= MAX_UINT32
        return cls(
            process_id=integer(members, "ProcessId"),
            exited=exited,
            exit_code=code & MAX_UINT32  # type: ignore[operator]  # an integer, if readable
            if exited and readable and wait_result == 0
            else None,
            last_wait_result=wait_result,
            signal=integer(members, "Signal", 0xFF),
            out_of_memory=members.get("OutOfMemory") is True,
            exit_time=integer(members, "ExitTime", MAX_INT64),
        )


@dataclass(frozen=True, slots=True)
class ProcessDetails:
    """An entry of the process list of a system: any process in it, whoever started it.

    Attributes:
        process_id: Pid in the guest.
        created: POSIX time in seconds by the clock of the guest; None if it does not say.
    """

    process_id: int
    created: float | None


@dataclass(frozen=True, slots=True)
class SystemExitStatus:
    """How a system ended, as HCS reports it.

    Attributes:
        status: HRESULT of the exit, unsigned.
        exit_type: ``GracefulExit``, ``ForcedExit``, ``UnexpectedExit``, ``Unknown`` or ``None``;
            empty if absent, as before Windows 10 1903.
        attribution: The AttributionRecord array as JSON; empty if absent.
    """

    status: int
    exit_type: str = ""
    attribution: str = ""

    @classmethod
    def parse(cls, text: str | None) -> SystemExitStatus:
        """Read the document of a SystemExited event.

        Raises:
            DocumentError: It is absent or not an object.
        """
        members = load_object(text, "SystemExitStatus")
        return cls(
            status=hresult(members, "Status"),
            exit_type=word(members, "ExitType", EXIT_TYPES),
            attribution=_attribution(members.get("Attribution")),
        )


def _attribution(records: object) -> str:
    try:
        return json.dumps(records) if isinstance(records, list) else ""
    except RecursionError:
        return ""


@dataclass(frozen=True, slots=True)
class ResultError:
    """Why an operation failed, in the words of HCS.

    `stage` and `errno` say how far the start of a process came, `limit` which limit of the host is
    reached; only the embedded engine sends them.
    """

    error_message: str = ""
    error_events: tuple[ErrorEvent, ...] = ()
    stage: str = ""
    errno: int = 0
    limit: str = ""

    @property
    def text(self) -> str:
        """The most useful sentence: the first event's message, else the error message."""
        first = next((event.message for event in self.error_events if event.message), "")
        return first or self.error_message

    @classmethod
    def parse(cls, text: str | None) -> ResultError:
        """Read a result document; anything that is not a ResultError gives an empty one."""
        try:
            members = load_object(text, "ResultError")
        except DocumentError:
            return cls()
        events = members.get("ErrorEvents")
        return cls(
            error_message=string(members, "ErrorMessage"),
            stage=string(members, "Stage"),
            errno=integer(members, "Errno", 0x7FFFFFFF),
            limit=string(members, "Limit"),
            error_events=tuple(
                ErrorEvent(
                    message=string(event, "Message"),
                    provider=string(event, "Provider"),
                    event_id=integer(event, "EventId"),
                    source=string(event, "Source"),
                )
                for event in (events if isinstance(events, list) else [])
                if isinstance(event, dict)
            ),
        )


@dataclass(frozen=True, slots=True)
class SystemProperties:
    """Basic properties of a compute system, as enumeration and a plain query give them.

    `limits` is None if the engine does not tell them, as HCS never does.
    """

    id: str
    system_type: str = ""
    runtime_os_type: str = ""
    name: str = ""
    owner: str = ""
    runtime_id: str = ""
    state: str = ""
    exit_type: str = ""
    limits: SystemLimits | None = None

    @classmethod
    def of(cls, members: Mapping[str, object]) -> SystemProperties:
        """Read a Properties object that has been parsed already."""
        return cls(
            id=string(members, "Id"),
            system_type=word(members, "SystemType", SYSTEM_TYPES),
            runtime_os_type=word(members, "RuntimeOsType", RUNTIME_OS_TYPES),
            name=string(members, "Name"),
            owner=string(members, "Owner"),
            runtime_id=string(members, "RuntimeId"),
            state=word(members, "State", STATES),
            exit_type=word(members, "ExitType", EXIT_TYPES),
            limits=SystemLimits.of(members.get("Limits")),
        )


def parse_properties(text: str | None) -> SystemProperties:
    """Read the Properties document of one system.

    Raises:
        DocumentError: It is absent or not an object.
    """
    return SystemProperties.of(load_object(text, "Properties"))


def parse_process_list(text: str | None) -> list[ProcessDetails]:
    """Read the process list out of the Properties of a system that were asked for it.

    Raises:
        DocumentError: There is no array of them, or an entry has no pid: then it cannot be told which
            processes are not in the list.
    """
    entries = load_object(text, "Properties").get("ProcessList")
    if not isinstance(entries, list) or not all(map(_has_pid, entries)):
        msg = "Properties document has no ProcessList"
        raise DocumentError(msg)
    return [
        ProcessDetails(integer(entry, "ProcessId"), timestamp(entry, "CreateTimestamp"))
        for entry in entries
    ]


def _has_pid(entry: object) -> bool:
    pid = entry.get("ProcessId") if isinstance(entry, dict) else None
    return is_integer(pid) and 0 <= pid <= MAX_UINT32


def parse_enumeration(text: str | None) -> list[SystemProperties]:
    """Read the result of an enumeration.

    An entry without an id is left out: nobody can ask for that system.

    Raises:
        DocumentError: It is absent (which HCS means as a failure) or not an array.
    """
    value = load(text, "enumeration")
    if not isinstance(value, list):
        msg = "enumeration document is not an array"
        raise DocumentError(msg)
    found = [SystemProperties.of(item) for item in value if isinstance(item, dict)]
    return [properties for properties in found if properties.id]


def parse_schema_versions(text: str | None) -> list[tuple[int, int]]:
    """Read the supported schema versions, as (major, highest minor), out of ServiceProperties.

    One without a number is left out.

    Raises:
        DocumentError: It is absent, or has no Basic properties as its first.
    """
    properties = load_object(text, "ServiceProperties").get("Properties")
    basic = properties[0] if isinstance(properties, list) and properties else None
    versions = basic.get("SupportedSchemaVersions") if isinstance(basic, dict) else None
    if not isinstance(versions, list) or not all(isinstance(item, dict) for item in versions):
        msg = "ServiceProperties document has no SupportedSchemaVersions"
        raise DocumentError(msg)
    read = [(integer(item, "Major"), integer(item, "Minor")) for item in versions]
    return [version for version in read if version[0]]
