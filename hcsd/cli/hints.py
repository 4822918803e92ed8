"""What to say to who has named something that there is not: what was probably meant."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import anyio

from hcsd.cli.did_you_mean import did_you_mean
from hcsd.cli.resource_names import ids_of, short_name
from hcsd_client import HcsdClientError, NotFoundError

if TYPE_CHECKING:
    from hcsd_client import Client

TIMEOUT = 1.0  # seconds that somebody waits for a hint; arbitrary


async def add_hint(client: Client, error: HcsdClientError) -> None:
    """Note at an error about a name that there is not which one was probably meant."""
    if not isinstance(error, NotFoundError) or error.resource is None:
        return
    kind, name = error.resource.type, error.resource.name
    with anyio.move_on_after(TIMEOUT), suppress(HcsdClientError):
        if kind == "hcsd.v1.Process":
            names = [process.name async for process in client.list_processes()]
            error.add_note(_hint(short_name(name), _same_id(name, names), names, "hcsd ps --all"))
        elif kind == "hcsd.v1.ComputeSystem":
            names = [system.system_id async for system in client.list_systems()]
            error.add_note(_hint(name.removeprefix("systems/"), [], names, "hcsd system ps"))


def _same_id(name: str, names: list[str]) -> list[str]:
    """Return processes with the same id in other systems."""
    process_id = ids_of(name)[1]
    return [other for other in names if ids_of(other)[1] == process_id]


def _hint(said: str, certain: list[str], names: list[str], command: str) -> str:
    known = [short_name(name) for name in names]
    asked = did_you_mean(said, known, [short_name(name) for name in certain])
    return asked or f"see what there is with '{command}'"
