"""`hcsd open`: makes a process known that others have started."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from hcsd.cli.connection import ClientCommands
from hcsd.cli.execute import execute
from hcsd.cli.options import SystemOption  # noqa: TC001  (typer reads it)
from hcsd.cli.resource_names import system_of

if TYPE_CHECKING:
    from hcsd_client import Client

EPILOG = """\b
Examples:
  hcsd open 4242
  hcsd open --name helper --system web 4242
"""

app = ClientCommands()


@app.command("open", epilog=EPILOG)
def open_(
    context: typer.Context,
    pid: Annotated[
        int, typer.Argument(metavar="PID", min=1, max=2**32 - 1, help="Its pid in the guest.")
    ],
    *,
    name: Annotated[
        str, typer.Option("--name", metavar="ID", help="Id of the process. Default: a new one.")
    ] = "",
    system: SystemOption = None,
) -> None:
    """Make a running process known by its pid, and print its name.

    One that runs in a compute system and that others have started: then it can be waited for, signalled
    and killed. Its output stays with whoever started it.
    """

    async def work(client: Client) -> int:
        opened = await client.open_process(pid, parent=system_of(system), process_id=name)
        from hcsd.cli.output.text import show

        show(opened.name)
        return 0

    execute(context, work)
