"""Names of systems and processes, as people write and read them."""

from __future__ import annotations

from urllib.parse import quote, unquote

HOST = "host"
_SHORT = f"systems/{HOST}/processes/"

# What is meant by names that there are not: see `hcsd.cli.hints`. A command has one client.
_meant: dict[str, str] = {}


def system_of(system: str | None) -> str:
    """Return the resource name of a system that is said by its id or its name; "host" by default."""
    system = system or HOST
    name = system if system.startswith("systems/") else f"systems/{quote(system, safe='~@')}"
    return _meant.get(name, name)


def process_of(name: str, system: str | None) -> str:
    """Return the resource name of a process that is said by its id or its name."""
    if not name.startswith("systems/"):
        name = f"{system_of(system)}/processes/{quote(name, safe='~@')}"
    return _meant.get(name, name)


def take_for(name: str, meant: str) -> bool:
    """From now on take a resource name for another.

    Returns:
        Whether that is new.
    """
    is_new = _meant.get(name, name) != meant
    _meant[name] = meant
    return is_new


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
