"""Names of systems and processes, as people write and read them."""

from __future__ import annotations

from urllib.parse import quote, unquote

HOST = "host"
_SHORT = f"systems/{HOST}/processes/"


def system_of(system: str | None) -> str:
    """Return the resource name of a system that is said by its id or its name; "host" by default."""
    system = system or HOST
    return system if system.startswith("systems/") else f"systems/{quote(system, safe='~@')}"


def process_of(name: str, system: str | None) -> str:
    """Return the resource name of a process that is said by its id or its name."""
    return (
        name
        if name.startswith("systems/")
        else f"{system_of(system)}/processes/{quote(name, safe='~@')}"
    )


def short_name(name: str) -> str:
    """Return the shortest form of a process's name that commands take."""
    return name.removeprefix(_SHORT)


def id_of_system(name: str) -> str:
    """Return the id of the system in its name."""
    return unquote(name.removeprefix("systems/"))


def ids_of(name: str) -> tuple[str, str]:
    """Return the ids of the system and of the process in a process's name."""
    _, system, _, process = name.split("/")
    return unquote(system), unquote(process)
