"""The `hcsd` command itself: its help, by what people want to do, and words that it does not know."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer
from typer._click.exceptions import NoArgsIsHelpError, NoSuchOption
from typer.exceptions import TyperException

from hcsd.cli import exit_codes
from hcsd.cli.help_text import CommandGroup
from hcsd.cli.output.text import tell_lost_output
from hcsd.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hcsd.cli.help_text import Rows

GROUPS = {
    "Run processes": ("run", "attach"),
    "Look at processes": ("ps", "logs", "wait", "inspect", "events"),
    "Steer processes": ("stop", "kill", "signal", "resize", "rm", "prune", "open"),
    "Compute systems": ("system", "stats"),
    "Daemon": ("serve", "service", "info"),
    "Help": ("docs", "completion"),
}

# Commands of docker, ctr and crictl that go by other names here.
ELSEWHERE = {
    "container": "containers are compute systems here: hcsd system",
    "containers": "containers are compute systems here: hcsd system",
    "create": "start a process with hcsd run -d, create a compute system with hcsd system create",
    "daemon": "the daemon is hcsd serve",
    "delete": "remove a process with hcsd rm, a compute system with hcsd system rm",
    "exec": "run a process in a compute system with hcsd run --system SYSTEM -- COMMAND",
    "list": "list processes with hcsd ps, compute systems with hcsd system ps",
    "ls": "list processes with hcsd ps, compute systems with hcsd system ps",
    "pause": "pause a compute system with hcsd system pause",
    "resume": "resume a compute system with hcsd system resume",
    "start": "start a process with hcsd run, a compute system with hcsd system start",
    "top": "see what runs in a compute system with hcsd system stats",
    "unpause": "resume a compute system with hcsd system resume",
    "version": "see versions with hcsd --version, and the daemon's with hcsd info",
}


# Options of docker, systemd and of other commands here, and what does the same; by command and option.
OPTIONS_ELSEWHERE = {
    ("kill", "--tree"): "what it has started is ended, too, unless --process-only says otherwise",
    ("logs", "--lines"): "write --tail",
    ("prune", "--force"): "it asks nothing: write hcsd prune",
    ("prune", "-f"): "it asks nothing: write hcsd prune",
    ("ps", "--failed"): "write --filter exited=nonzero",
    ("ps", "--label"): "write --filter label=KEY=VALUE",
    ("ps", "-l"): "write --filter label=KEY=VALUE",
    ("rm", "--all"): "remove all that have ended with hcsd prune",
    ("rm", "-a"): "remove all that have ended with hcsd prune",
    ("run", "--cwd"): "write --workdir",
    ("run", "--stdout"): "redirect the output of hcsd run itself",
    ("serve", "--address"): "write --listen",
    ("serve", "--port"): "write --listen HOST:PORT",
    ("signal", "--signal"): "write hcsd signal NAME SIGNAL, or hcsd kill -s SIGNAL NAME",
    ("signal", "-s"): "write hcsd signal NAME SIGNAL, or hcsd kill -s SIGNAL NAME",
    ("stop", "--time"): "write --timeout",
    ("stop", "--tree"): "what it has started is ended, too, unless --process-only says otherwise",
}


def _add_hint(error: NoSuchOption) -> None:
    """Say which option was probably meant."""
    command = error.ctx.info_name if error.ctx else None
    hint = OPTIONS_ELSEWHERE.get((command or "", error.option_name))
    if command == "kill" and hint is None and not error.option_name.startswith("--"):
        hint = "write -s SIGNAL, as in -s HUP"
    if hint:
        error.message += f"; {hint}"
        error.possibilities = None


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
        error.message = printable(error.message)
        if isinstance(error, NoSuchOption):
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
        word = args[0]
        if word in ELSEWHERE and word not in self.commands:
            ctx.fail(f"No such command {word!r}: {ELSEWHERE[word]}.")
        return super().resolve_command(ctx, args)
