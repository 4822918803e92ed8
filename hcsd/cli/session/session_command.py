"""What `hcsd run` and `hcsd attach` have in common as commands."""

from __future__ import annotations

import typer

from hcsd.cli import exit_codes
from hcsd.cli.connection import ClientCommand


class SessionCommand(ClientCommand):
    """A command whose exit codes below 125 belong to the process, wrong options included."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """Read the command line."""
        try:
            rest = super().parse_args(ctx, args)
        except typer.Exit:  # --help
            raise
        except Exception as error:
            if hasattr(error, "exit_code"):  # their base class has no public name in older typer
                error.exit_code = exit_codes.RUN_FAILED
            raise
        return rest
