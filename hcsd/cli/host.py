"""`hcsd info`: tells about the daemon."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from hcsd.cli._execute import execute
from hcsd.cli._options import (
    AddressOption,
    OutputFormat,
    OutputOption,
    TokenFileOption,
    connection_of,
)

if TYPE_CHECKING:
    from hcsd_client import Client

app = typer.Typer()


@app.command("info")
def info(
    context: typer.Context,
    *,
    output: OutputOption = OutputFormat.TABLE,
    address: AddressOption = None,
    token_file: TokenFileOption = None,
) -> None:
    """Show what the daemon is and allows."""

    async def work(client: Client) -> int:
        from hcsd.cli._output import print_json, print_tree, tree_of

        host = await client.get_host()
        if output is OutputFormat.JSON:
            print_json(host)
        else:
            print_tree({"address": str(client.address), **tree_of(host)})
        return 0

    execute(connection_of(context, address, token_file), work)
