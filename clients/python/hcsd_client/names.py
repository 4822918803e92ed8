"""Resource names: ``systems/{system_id}`` and ``systems/{system_id}/processes/{process_id}``."""

from urllib.parse import quote

ALL_SYSTEMS = "systems/-"
HOST_SYSTEM = "systems/host"
"""The system that the embedded engine offers from its start."""


def system_name(system_id: str) -> str:
    """Return the name of the compute system that HCS knows by this id."""
    return f"systems/{quote(system_id, safe='~@')}"


def process_name(system_id: str, process_id: str) -> str:
    """Return the name of a process in a system."""
    return f"{system_name(system_id)}/processes/{quote(process_id, safe='~@')}"
