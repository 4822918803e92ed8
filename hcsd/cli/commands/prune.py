"""`hcsd prune`: removes all processes that have ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from hcsd.cli.connection import ClientCommands
from hcsd.cli.execute import execute, for_each
from hcsd.cli.options import SystemOption, check_pairs
from hcsd.cli.resource_names import system_of

if TYPE_CHECKING:
    from hcsd_client import Client

EPILOG = """\b
Examples:
  hcsd prune
  hcsd prune --system web --label app=build
"""

app = ClientCommands()


@app.command("prune", epilog=EPILOG)
def prune(
    context: typer.Context,
    *,
    label: Annotated[
        list[str] | None,
        typer.Option(
            "--label",
            "-l",
            metavar="KEY=VALUE",
            callback=check_pairs,
            help="Only those with this label. May be given more than once.",
        ),
    ] = None,
    system: SystemOption = None,
) -> None:
    """Remove all processes that have ended, with their output.

    Also those that were to be kept until they are removed (--pin).
    """

    async def work(client: Client) -> int:
        from hcsd.cli.output.text import say
        from hcsd.v1 import process_pb2 as pb
        from hcsd_client import ALL_SYSTEMS, FailedPreconditionError

        removed = 0

        async def remove(name: str) -> None:
            nonlocal removed
            try:
                await client.delete_process(name, allow_missing=True)
            except FailedPreconditionError:  # a lost one that was found again meanwhile
                return
            removed += 1

        found = client.list_processes(
            ALL_SYSTEMS if system is None else system_of(system),
            states=[pb.PROCESS_STATE_EXITED, pb.PROCESS_STATE_FAILED],
            labels=dict(pair.split("=", 1) for pair in label or []),
        )
        code = await for_each(client, [process.name async for process in found], remove)
        say(f"removed {removed} process{'' if removed == 1 else 'es'}")
        return code

    execute(context, work)
