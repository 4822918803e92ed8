"""`hcsd info`: tells about the daemon."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer  # noqa: TC002  (it reads the annotations)

from hcsd.cli.connection import ClientCommands
from hcsd.cli.execute import execute
from hcsd.cli.options import (
    OutputFormat,
    OutputOption,
)

if TYPE_CHECKING:
    from hcsd_client import Client

EPILOG = """\b
Examples:
  hcsd info
  hcsd info --output json
"""

app = ClientCommands()


@app.command("info", epilog=EPILOG)
def info(
    context: typer.Context,
    *,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Show what the daemon is and allows."""

    async def work(client: Client) -> int:
        from hcsd.cli.output.json_output import print_json
        from hcsd.cli.output.trees import print_tree, tree_of

        host = await client.get_host()
        if output is OutputFormat.JSON:
            print_json(host)
        else:
            print_tree({"address": str(client.address), **tree_of(host)})
        return 0

    execute(context, work)
