"""What a shell may complete a name to: what the daemon knows, if it answers soon.

A shell waits for this at every press of the key, and a word to say there is no use to anybody: so
whatever goes wrong, there is nothing to complete to.

Others choose names, and shells put them on the line as they are; the script for zsh even has them
evaluated. So a name is offered only in a form that means itself in every shell: as it is if it is
plain, else as a resource name, in which everything else is percent-encoded.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote

import typer  # noqa: TC002  (typer reads the annotations)

from hcsd.cli.resource_names import HOST, ids_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from hcsd_client import Client

# What no shell takes for more than letters: not for a pattern, a substitution, a list or an option.
# Nor does bash end a word there, as it does at a colon.
_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")

TIMEOUT = 1.0  # seconds that somebody waits for the names; arbitrary


def complete_systems(context: typer.Context, incomplete: str) -> list[str]:
    """Return the ids of compute systems that begin so."""

    async def ids(client: Client) -> AsyncIterator[str]:
        async for system in client.list_systems():
            yield plain_system(system.system_id)

    return _ask(context, ids, incomplete)


def complete_processes(context: typer.Context, incomplete: str) -> list[str]:
    """Return the shortest names of processes that begin so."""

    async def names(client: Client) -> AsyncIterator[str]:
        async for process in client.list_processes():
            yield plain_process(*ids_of(process.name))

    return _ask(context, names, incomplete)


def plain_system(system_id: str) -> str:
    """Return what names a system without quotes, in any shell."""
    return system_id if _PLAIN.fullmatch(system_id) else f"systems/{_encoded(system_id)}"


def plain_process(system_id: str, process_id: str) -> str:
    """Return what names a process without quotes, in any shell."""
    if system_id == HOST and _PLAIN.fullmatch(process_id):
        return process_id
    return f"systems/{_encoded(system_id)}/processes/{_encoded(process_id)}"


def _encoded(text: str) -> str:
    """Return a text with nothing but what is plain and percent signs."""
    return quote(text, safe="").replace("~", "%7E")  # patterns of zsh may have a tilde


def _ask(
    context: typer.Context, names: Callable[[Client], AsyncIterator[str]], incomplete: str
) -> list[str]:
    import anyio

    from hcsd.cli.connection import client_of

    found: list[str] = []

    async def ask() -> None:
        with anyio.move_on_after(TIMEOUT):
            async with client_of(context) as client:
                found.extend([name async for name in names(client)])

    try:
        anyio.run(ask)
    except Exception:
        return []
    return [name for name in found if name.startswith(incomplete)]
