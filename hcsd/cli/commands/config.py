"""`hcsd config`: the configuration file of a daemon."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003  (typer reads it)
from typing import TYPE_CHECKING, Annotated

import typer

from hcsd.cli import exit_codes
from hcsd.cli.help_text import CommandGroup, PlainCommand
from hcsd.cli.output.text import show

if TYPE_CHECKING:
    from hcsd.cli.configuration import Configuration

HELP = """Check the configuration file of a daemon.

'hcsd serve --print-config' makes one, with all entries, what they do and their defaults.
"""
EPILOG = """\b
Examples:
  hcsd serve --print-config > hcsd.toml
  hcsd config check hcsd.toml
  hcsd config check hcsd.toml && hcsd serve --config hcsd.toml

\b
Exit code:
  0  the file is good
  1  it is not; each line of the output is one error
"""

app = typer.Typer(
    cls=CommandGroup, help=HELP, epilog=EPILOG, no_args_is_help=True, rich_markup_mode=None
)


@app.callback()
def group() -> None:
    """Make `check` a command of its own, although it is the only one."""


@app.command("check", cls=PlainCommand, epilog=EPILOG)
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="TOML file for 'hcsd serve'.")],
) -> None:
    """Check a configuration file and start nothing.

    All errors are printed, each as FILE:LINE: KEY: what is wrong. 'hcsd serve' says the same. Other
    files that the entries name are not looked at, and the environment is not, either.
    """
    found = check_file(file)
    for problem in found.problems:
        show(str(problem))
    if found.problems:
        raise typer.Exit(exit_codes.FAILED)
    number = len(found.defaults)
    show(f"'{file}' is valid: {number} {'setting' if number == 1 else 'settings'}")


def check_file(path: Path) -> Configuration:
    """Read a file and find all that is wrong with it, by itself."""
    from hcsd.cli.commands import serve
    from hcsd.cli.configuration import read_configuration

    command = typer.main.get_command(serve.app)
    found = read_configuration(path, typer.Context(command))
    found.problems.extend(found.misfits())
    found.problems.sort(key=lambda problem: problem.line)
    return found
