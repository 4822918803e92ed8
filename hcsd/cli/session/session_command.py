"""What `hcsd run` and `hcsd attach` have in common as commands."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from hcsd.cli import exit_codes
from hcsd.cli.connection import ClientCommand

if TYPE_CHECKING:
    from collections.abc import Iterator


class SessionCommand(ClientCommand):
    """A command whose exit codes below 125 belong to the process, wrong options included."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """Read the command line."""
        with _failing_as_run():
            return super().parse_args(ctx, args)

    def invoke(self, ctx: typer.Context) -> object:  # type: ignore[override]
        """Run the command, which may find that its options contradict each other."""
        with _failing_as_run():
            return super().invoke(ctx)


@contextmanager
def _failing_as_run() -> Iterator[None]:
    try:
        yield
    except typer.Exit:  # --help, or the end of the command
        raise
    except Exception as error:
        if hasattr(error, "exit_code"):  # their base class has no public name in older typer
            error.exit_code = exit_codes.RUN_FAILED
        raise
