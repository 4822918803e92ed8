"""`hcsd system`: the group of the commands about compute systems, which other modules define."""

from __future__ import annotations

import typer

from hcsd.cli.commands import system_inspect, system_lifecycle, system_stats
from hcsd.cli.help_text import CommandGroup

app = typer.Typer(
    cls=CommandGroup,
    help="Create, control and watch compute systems.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
for commands in (system_lifecycle.app, system_inspect.app, system_stats.app):
    app.add_typer(commands)
