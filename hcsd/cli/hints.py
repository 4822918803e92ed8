"""What to say to who has named something that there is not: what was probably meant."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

import anyio

from hcsd.cli.did_you_mean import did_you_mean
from hcsd.cli.output.units import ago
from hcsd.cli.resource_names import ids_of, short_name
from hcsd_client import HcsdClientError, NotFoundError

if TYPE_CHECKING:
    from hcsd_client import Client

RECENT = 3600.0  # seconds; arbitrary
TIMEOUT = 1.0  # seconds that somebody waits for a hint; arbitrary


async def add_hint(client: Client, error: HcsdClientError) -> None:
    """Note at an error about a name that there is not which one was probably meant."""
    if not isinstance(error, NotFoundError) or error.resource is None:
        return
    kind, name = error.resource.type, error.resource.name
    with anyio.move_on_after(TIMEOUT), suppress(HcsdClientError):
        if kind == "hcsd.v1.Process":
            names = [process.name async for process in client.list_processes()]
            asked = _asked(short_name(name), _same_id(name, names), names)
            error.add_note(asked or await _advice(client, "hcsd ps --all"))
        elif kind == "hcsd.v1.ComputeSystem":
            names = [system.system_id async for system in client.list_systems()]
            asked = _asked(name.removeprefix("systems/"), [], names)
            error.add_note(asked or await _advice(client, "hcsd system ps"))


def _same_id(name: str, names: list[str]) -> list[str]:
    """Return processes with the same id in other systems."""
    process_id = ids_of(name)[1]
    return [other for other in names if ids_of(other)[1] == process_id]


def _asked(said: str, certain: list[str], names: list[str]) -> str:
    known = [short_name(name) for name in names]
    return did_you_mean(said, known, [short_name(name) for name in certain])


async def _advice(client: Client, command: str) -> str:
    """Say how to see what there is, and that it may be little since the daemon was started a while ago."""
    advice = f"see what there is with '{command}'"
    seconds = time.time() - (await client.get_host()).start_time.ToNanoseconds() / 1e9
    if seconds > RECENT:
        return advice
    return f"{advice}; the daemon was started {ago(seconds)}, and does not know what ran before"
