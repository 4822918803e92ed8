"""`hcsd reload`: has the daemon read its configuration file again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer  # noqa: TC002  (it reads the annotations)

from hcsd.cli.connection import ClientCommands
from hcsd.cli.execute import execute
from hcsd.cli.options import OutputFormat, OutputOption

if TYPE_CHECKING:
    from hcsd_client import Client

EPILOG = """\b
Examples:
  hcsd reload
  hcsd reload --output json

\b
Exit code:
  0  the file was read
  1  it was not: there is none, or something is wrong with it; nothing has changed
"""

app = ClientCommands()


@app.command("reload", epilog=EPILOG)
def reload(context: typer.Context, *, output: OutputOption = OutputFormat.TABLE) -> None:
    """Have the daemon read its configuration file again.

    What can change while the daemon runs holds at once; the rest is named, and needs a restart of the
    daemon. 'hcsd docs settings' says which is which. SIGHUP does the same.
    """

    async def work(client: Client) -> int:
        from hcsd.cli.output.json_output import plain, print_json_line
        from hcsd.cli.output.text import show
        from hcsd.daemon.changed_setting import ChangedSetting

        changed = await client.reload_configuration()
        if output is OutputFormat.JSON:
            print_json_line([plain(it) for it in changed])
            return 0
        for it in changed:
            show(str(ChangedSetting(it.key, it.old_value, it.new_value, it.applied)))
        if not changed:
            show("nothing has changed")
        return 0

    execute(context, work)
