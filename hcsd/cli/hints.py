"""What only the daemon can tell of an error: which name was meant, or what state a system is in.

A name is first taken as it is typed, so an exact one costs no call and always wins. If there is none,
one list tells which are there. What was typed may be a part of an id that nobody chose: if it is of one alone, the
command goes on with that, whatever it does. Otherwise the error says which names come near.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

import anyio

from hcsd.cli.did_you_mean import did_you_mean
from hcsd.cli.output.units import ago
from hcsd.cli.remedies import remedy_of_state
from hcsd.cli.resource_names import HOST, id_of_system, ids_of, short_name, take_for
from hcsd.cli.short_ids import is_part, shortened, stands_for
from hcsd_client import CallError, HcsdClientError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from hcsd_client import Client

T = TypeVar("T")

RECENT = 3600.0  # seconds; arbitrary
TIMEOUT = 1.0  # seconds that somebody waits for a hint; arbitrary
MOST = 5  # ids to choose from


async def understanding(client: Client, act: Callable[[], Awaitable[T]]) -> T:
    """Do something for names that are typed, and once more if one was a part of an id.

    Args:
        client: Open client.
        act: What to do. It must ask `process_of` and `system_of` for the names, and fail for one that is
            not there before it has done anything else.

    Raises:
        NotFoundError: There is no such name; a note says which was probably meant.
    """
    while True:
        try:
            return await act()
        except NotFoundError as error:
            if not await _is_understood(client, error):
                raise


async def add_hint(client: Client, error: HcsdClientError) -> None:
    """Note at an error what the daemon knows that helps, if it says so in time."""
    if isinstance(error, NotFoundError):
        await _is_understood(client, error)
    elif isinstance(error, CallError):
        with anyio.move_on_after(TIMEOUT), suppress(HcsdClientError):
            if remedy := await remedy_of_state(client, error):
                error.add_note(remedy)


async def _is_understood(client: Client, error: NotFoundError) -> bool:
    """Tell whether the name is now taken for another. Else there is a note, if there is anything to say."""
    if error.resource is None or hasattr(error, "__notes__"):
        return False
    kind, name = error.resource.type, error.resource.name
    # Who typed a part of an id waits as for the command itself.
    patience = None if is_part(name.rpartition("/")[2]) else TIMEOUT
    with anyio.move_on_after(patience), suppress(HcsdClientError):
        if kind == "hcsd.v1.Process":
            names = [process.name async for process in client.list_processes()]
            parts = [other for other in names if _is_process(name, other)]
            ids = {other: ids_of(other)[1] for other in names}
            same = [other for other in names if ids[other] == ids_of(name)[1]]
            see = "hcsd ps --all"
        elif kind == "hcsd.v1.ComputeSystem":
            names = [system.name async for system in client.list_systems()]
            parts = [
                other for other in names if stands_for(id_of_system(name), id_of_system(other))
            ]
            ids, same, see = {other: id_of_system(other) for other in names}, [], "hcsd system ps"
        else:
            return False
        if len(parts) == 1:
            return take_for(name, parts[0])
        if note := _choice(parts, ids) or _asked(name, same, names) or await _past(client, see):
            error.add_note(note)
    return False


def _is_process(said: str, name: str) -> bool:
    """Tell whether a process is what somebody says who has typed parts of ids.

    Who names no system means any, since a part of an id tells its process from those of all systems.
    """
    system_said, id_said = ids_of(said)
    system, process_id = ids_of(name)
    if system_said in {HOST, system}:
        return stands_for(id_said, process_id)
    return stands_for(system_said, system) and (
        id_said == process_id or stands_for(id_said, process_id)
    )


def _choice(parts: list[str], ids: dict[str, str]) -> str:
    if not parts:
        return ""
    shown = shortened(ids.values())
    listed = ", ".join(shown[ids[name]] for name in parts[:MOST])
    more = f" and {len(parts) - MOST} more" if len(parts) > MOST else ""
    return f"it is a part of several ids, of {listed}{more}: write more of one"


def _asked(name: str, certain: list[str], names: list[str]) -> str:
    said, *known = (_said(other) for other in (name, *names))
    return did_you_mean(said, known, [_said(other) for other in certain])


async def _past(client: Client, command: str) -> str:
    """Say that there may be little since the daemon knows only what ran lately; "" if it has known for long."""
    host = await client.get_host()
    since = host.state_create_time if host.HasField("state_create_time") else host.start_time
    seconds = time.time() - since.ToNanoseconds() / 1e9
    if seconds > RECENT:
        return ""
    begun = "goes on with a state that was made" if host.restore_count else "was started"
    return (
        f"see what there is with '{command}'; the daemon {begun} {ago(seconds)}, and does not know what"
        " ran before"
    )


def _said(name: str) -> str:
    """Return the shortest form of a name that commands take."""
    return short_name(name) if "/processes/" in name else id_of_system(name)
