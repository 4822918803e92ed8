"""`hcsd completion`: what makes a shell complete our commands, options and names."""

from __future__ import annotations

import enum
import os
from typing import Annotated

import typer
from typer.completion import get_completion_inspect_parameters, shell_complete

from hcsd.cli.help_text import PlainCommand

PROGRAM = "hcsd"
VARIABLE = "_HCSD_COMPLETE"  # by it the script asks; its name is typer's

EPILOG = """\b
Examples:
  source <(hcsd completion bash)
  hcsd completion zsh > ~/.zfunc/_hcsd
"""

app = typer.Typer()


class Shell(enum.StrEnum):
    """Shells that can complete."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"
    POWERSHELL = "powershell"
    PWSH = "pwsh"


def prepare() -> None:
    """Make ready to answer a shell, if it is one that asks."""
    if VARIABLE in os.environ:
        _load_shells()


@app.command("completion", cls=PlainCommand, epilog=EPILOG)
def completion(
    context: typer.Context,
    shell: Annotated[
        Shell, typer.Argument(metavar="SHELL", help="bash, zsh, fish, powershell or pwsh.")
    ],
) -> None:
    """Print a script for a shell to complete what is typed.

    It completes commands, options and names.

    For bash: source <(hcsd completion bash), in ~/.bashrc to have it always.
    """
    _load_shells()
    command = context.find_root().command
    shell_complete(command, {}, PROGRAM, VARIABLE, f"source_{shell.value}")


def _load_shells() -> None:
    """Let typer know its shells; it does so when it makes its own options, which we do without."""
    get_completion_inspect_parameters()
