"""Resource names: ``systems/{system_id}`` and ``systems/{system_id}/processes/{process_id}``.

Whatever takes a name takes an id as well: that of a system, or that of a process of the system ``host``.
An id has no slash, a name has one. So a name of another kind is found out.
"""

from urllib.parse import quote

from hcsd_client._errors import BadNameError
from hcsd_client._values import wrong_kind

ALL_SYSTEMS = "systems/-"
HOST_SYSTEM = "systems/host"
"""The system that the embedded engine offers from its start."""

_HOST = "host"


def system_name(system_id: str) -> str:
    """Return the name of the compute system that HCS knows by this id.

    Raises:
        TypeError: It is no text.
        BadNameError: It is a name already, or empty.
    """
    return f"systems/{_quoted(system_id, 'system_id', 'system')}"


def process_name(system_id: str, process_id: str) -> str:
    """Return the name of a process in a system.

    Raises:
        TypeError: One of them is no text.
        BadNameError: One of them is a name already, or empty.
    """
    return f"{system_name(system_id)}/processes/{_quoted(process_id, 'process_id', 'process')}"


def full_process_name(name: str, keyword: str = "name") -> str:
    """Return the name of a process that is said by its name, or by its id if its system is ``host``.

    Args:
        name: Its name or id.
        keyword: What a caller calls it, for an error message.

    Raises:
        TypeError: It is no text.
        BadNameError: It names something else.
    """
    _check_text(name, keyword, "the name or id of a process")
    if not name or "/" not in name:
        return process_name(_HOST, name) if name else ""  # the daemon says what is missing
    match name.split("/"):
        case ["systems", system, "processes", process] if system and process:
            return name
    raise BadNameError(
        f"'{name}' is no process; give a name as 'systems/host/processes/ID', or an id alone"
    )


def full_system_name(name: str, keyword: str = "name") -> str:
    """Return the name of a system that is said by its name or its id; arguments and errors as those above."""
    _check_text(name, keyword, "the name or id of a compute system")
    if not name or "/" not in name:
        return system_name(name) if name else ""
    match name.split("/"):
        case ["systems", system] if system:
            return name
    raise BadNameError(
        f"'{name}' is no compute system; give a name as 'systems/ID', or an id alone"
    )


def bare_id(value: str, keyword: str, kind: str) -> str:
    """Return an id; a name is refused.

    Raises:
        TypeError: It is no text.
        BadNameError: It is a name.
    """
    _check_text(value, keyword, f"the id of a {kind}")
    if value.startswith("systems/"):
        raise BadNameError(f"'{value}' is a name already; give the id of a {kind}")
    return value


def _quoted(value: str, keyword: str, kind: str) -> str:
    if not bare_id(value, keyword, kind):
        raise BadNameError(f"{keyword} is empty; give the id of a {kind}")
    return quote(value, safe="~@")


def _check_text(value: object, keyword: str, wanted: str) -> None:
    if not isinstance(value, str):
        raise wrong_kind(keyword, value, wanted)
