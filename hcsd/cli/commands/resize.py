"""`hcsd resize`: another size for the console of a process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from hcsd.cli.connection import ClientCommands
from hcsd.cli.execute import execute
from hcsd.cli.options import NameArgument, SystemOption  # noqa: TC001  (typer reads them)
from hcsd.cli.resource_names import process_of

if TYPE_CHECKING:
    from hcsd_client import Client

MAX_SIDE = 0xFFFF  # of a console

EPILOG = """\b
Examples:
  hcsd resize shell 120 40
  hcsd resize --system web shell 80 24
"""

app = ClientCommands()


@app.command("resize", epilog=EPILOG)
def resize(
    context: typer.Context,
    name: NameArgument,
    columns: Annotated[int, typer.Argument(metavar="COLUMNS", min=1, max=MAX_SIDE, help="Width.")],
    rows: Annotated[int, typer.Argument(metavar="ROWS", min=1, max=MAX_SIDE, help="Height.")],
    *,
    system: SystemOption = None,
) -> None:
    """Change the size of a console, in characters.

    Who is attached to it does so by changing the size of the terminal.
    """

    async def work(client: Client) -> int:
        await client.modify_process(process_of(name, system), console_size=(columns, rows))
        return 0

    execute(context, work)
