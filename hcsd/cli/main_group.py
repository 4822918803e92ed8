"""The `hcsd` command itself: its help, by what people want to do, and words that it does not know."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer
from typer._click.exceptions import NoArgsIsHelpError, NoSuchOption, UsageError
from typer.exceptions import TyperException

from hcsd.cli import exit_codes
from hcsd.cli.bad_values import plain
from hcsd.cli.help_text import CommandGroup
from hcsd.cli.output.text import tell_lost_output
from hcsd.cli.words_elsewhere import ALIASES, NAMELESS, hint_for_option, hint_for_word
from hcsd.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hcsd.cli.help_text import Rows

GROUPS = {
    "Run processes": ("run", "attach"),
    "Look at processes": ("ps", "logs", "wait", "inspect", "events"),
    "Steer processes": ("stop", "kill", "signal", "resize", "rm", "prune", "open"),
    "Compute systems": ("system", "stats", "top"),
    "Daemon": ("serve", "config", "reload", "service", "info"),
    "Help": ("docs", "completion"),
}

_UNKNOWN_WORD = re.compile(r"No such command '([^']*)'\.")


def _add_hint(error: TyperException) -> None:
    """Say what to type instead of a command or an option that there is not, if that is known."""
    path = (
        error.ctx.command_path.partition(" ")[2]
        if isinstance(error, UsageError) and error.ctx
        else ""
    )
    hint = ""
    if isinstance(error, NoSuchOption):
        hint = hint_for_option(path, error.option_name)
        if hint:
            error.possibilities = None
    elif found := _UNKNOWN_WORD.match(error.message):
        hint = hint_for_word(path, found[1])
        error.message = found[0].rstrip(".") if hint else error.message
    elif error.message.startswith("Got unexpected extra argument"):
        hint = NAMELESS.get(path, "")
    if hint:
        error.message += f"; {hint}"


@contextmanager
def _errors_told() -> Iterator[None]:
    """Make errors of the command line printable, and tell of a stdout that takes no more.

    The former quote what was typed, and typer shows them.
    """
    try:
        yield
    except NoArgsIsHelpError:  # its message is a help text, and quotes nothing
        raise
    except TyperException as error:
        error.message = printable(plain(error))
        _add_hint(error)
        raise
    except OSError as error:
        raise typer.Exit(tell_lost_output(error, exit_codes.FAILED)) from None


class MainGroup(CommandGroup):
    """The commands in groups."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """Take the options before the command."""
        with _errors_told():
            return super().parse_args(ctx, args)

    def invoke(self, ctx: typer.Context) -> object:  # type: ignore[override]
        """Run the command."""
        with _errors_told():
            return super().invoke(ctx)

    def rows_of_commands(self) -> dict[str, Rows]:
        """Return the commands by what people want to do."""
        return {title: self._rows(names) for title, names in GROUPS.items()}

    def resolve_command(  # type: ignore[override]
        self, ctx: typer.Context, args: list[str]
    ) -> tuple[str | None, object, list[str]]:
        """Find the command that is meant."""
        for words, same in ALIASES.items():
            if tuple(args[: len(words)]) == words:
                args = [*same, *args[len(words) :]]
        return super().resolve_command(ctx, args)
