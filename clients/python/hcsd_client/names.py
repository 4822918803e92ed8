"""Resource names: ``systems/{system_id}`` and ``systems/{system_id}/processes/{process_id}``.

Whatever takes a name takes an id as well: that of a system, or that of a process of the system ``host``.
An id has no slash, a name has one. So a name of another kind is found out.
"""

from urllib.parse import quote

from hcsd_client._errors import BadNameError

ALL_SYSTEMS = "systems/-"
HOST_SYSTEM = "systems/host"
"""The system that the embedded engine offers from its start."""

_HOST = "host"


def system_name(system_id: str) -> str:
    """Return the name of the compute system that HCS knows by this id.

    Raises:
        BadNameError: It is a name already.
    """
    if system_id.startswith("systems/"):
        raise BadNameError(f"'{system_id}' is a name already; give the id of a system")
    return f"systems/{quote(system_id, safe='~@')}"


def process_name(system_id: str, process_id: str) -> str:
    """Return the name of a process in a system.

    Raises:
        BadNameError: One of them is a name already.
    """
    if process_id.startswith("systems/"):
        raise BadNameError(f"'{process_id}' is a name already; give the id of a process")
    return f"{system_name(system_id)}/processes/{quote(process_id, safe='~@')}"


def full_process_name(name: str) -> str:
    """Return the name of a process that is said by its name, or by its id if its system is ``host``.

    Raises:
        TypeError: It is no text.
        BadNameError: It names something else.
    """
    _check_text(name, "process")
    if not name or "/" not in name:
        return process_name(_HOST, name) if name else ""  # the daemon says what is missing
    match name.split("/"):
        case ["systems", _, "processes", _]:
            return name
    raise BadNameError(
        f"'{name}' is no process; give a name as 'systems/host/processes/ID', or an id alone"
    )


def full_system_name(name: str) -> str:
    """Return the name of a system that is said by its name or its id.

    Raises:
        TypeError: It is no text.
        BadNameError: It names something else.
    """
    _check_text(name, "compute system")
    if not name or "/" not in name:
        return system_name(name) if name else ""
    match name.split("/"):
        case ["systems", _]:
            return name
    raise BadNameError(
        f"'{name}' is no compute system; give a name as 'systems/ID', or an id alone"
    )


def _check_text(name: object, what: str) -> None:
    if not isinstance(name, str):
        raise TypeError(
            f"the name of a {what} is {name!r}, of type {type(name).__name__}; give its name or id"
        )
