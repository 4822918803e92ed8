"""What a shell may complete a name to: what the daemon knows, if it answers soon.

A shell waits for this at every press of the key, and a word to say there is no use to anybody: so
whatever goes wrong, there is nothing to complete to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer  # noqa: TC002  (typer reads the annotations)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from hcsd_client import Client

TIMEOUT = 1.0  # seconds that somebody waits for the names; arbitrary


def complete_systems(context: typer.Context, incomplete: str) -> list[str]:
    """Return the ids of compute systems that begin so."""

    async def ids(client: Client) -> AsyncIterator[str]:
        async for system in client.list_systems():
            yield system.system_id

    return _ask(context, ids, incomplete)


def complete_processes(context: typer.Context, incomplete: str) -> list[str]:
    """Return the shortest names of processes that begin so."""
    from hcsd.cli.resource_names import short_name

    async def names(client: Client) -> AsyncIterator[str]:
        async for process in client.list_processes():
            yield short_name(process.name)

    return _ask(context, names, incomplete)


def _ask(
    context: typer.Context, names: Callable[[Client], AsyncIterator[str]], incomplete: str
) -> list[str]:
    import anyio

    from hcsd.cli.connection import client_of
    from hcsd_client import HcsdClientError

    found: list[str] = []

    async def ask() -> None:
        with anyio.move_on_after(TIMEOUT):
            async with client_of(context) as client:
                found.extend([name async for name in names(client)])

    try:
        anyio.run(ask)
    except HcsdClientError:
        return []
    return [name for name in found if name.startswith(incomplete)]
