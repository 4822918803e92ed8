"""What only the daemon can tell of an error: what was probably meant, or what state it is in."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import anyio

from hcsd.cli.did_you_mean import did_you_mean
from hcsd.cli.remedies import remedy_of_state
from hcsd.cli.resource_names import ids_of, short_name
from hcsd_client import CallError, HcsdClientError, NotFoundError

if TYPE_CHECKING:
    from hcsd_client import Client

TIMEOUT = 1.0  # seconds that somebody waits for a hint; arbitrary


async def add_hint(client: Client, error: HcsdClientError) -> None:
    """Note at an error what the daemon knows that helps, if it says so in time."""
    with anyio.move_on_after(TIMEOUT), suppress(HcsdClientError):
        if isinstance(error, NotFoundError) and error.resource is not None:
            await _add_names(client, error, error.resource.type, error.resource.name)
        elif isinstance(error, CallError) and (remedy := await remedy_of_state(client, error)):
            error.add_note(remedy)


async def _add_names(client: Client, error: NotFoundError, kind: str, name: str) -> None:
    """Note which name was probably meant, if there is one like it."""
    if kind == "hcsd.v1.Process":
        names = [process.name async for process in client.list_processes()]
        hint = _hint(short_name(name), _same_id(name, names), names)
    elif kind == "hcsd.v1.ComputeSystem":
        names = [system.system_id async for system in client.list_systems()]
        hint = _hint(name.removeprefix("systems/"), [], names)
    else:
        return
    if hint:
        error.add_note(hint)


def _same_id(name: str, names: list[str]) -> list[str]:
    """Return processes with the same id in other systems."""
    process_id = ids_of(name)[1]
    return [other for other in names if ids_of(other)[1] == process_id]


def _hint(said: str, certain: list[str], names: list[str]) -> str:
    known = [short_name(name) for name in names]
    return did_you_mean(said, known, [short_name(name) for name in certain])
