"""`hcsd service`: the daemon as a service of Windows."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path  # noqa: TC003  (typer reads it)
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from hcsd.cli import exit_codes
from hcsd.cli.help_text import CommandGroup
from hcsd.cli.output.text import say, show

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

NOT_RUNNING = 3  # as systemctl says it
NEEDS = (
    "cannot manage services: pywin32 is not installed; run in the checkout of hcsd:"
    ' py -m pip install ./clients/python ".[windows]"'
)

HELP = """Run the daemon as a service of Windows, as SYSTEM.

It is 'hcsd serve' with the same configuration file and variables, and writes its log to a file."""

INSTALL_EPILOG = """\b
Examples:
  hcsd service install
  hcsd service install --config hcsd.toml --manual
"""
REMOVE_EPILOG = """\b
Examples:
  hcsd service remove
  hcsd service stop && hcsd service remove
"""
START_EPILOG = """\b
Examples:
  hcsd service start
  hcsd service install && hcsd service start
"""
STOP_EPILOG = """\b
Examples:
  hcsd service stop
  hcsd service stop && hcsd service start
"""
STATUS_EPILOG = """\b
Examples:
  hcsd service status
  hcsd service status || hcsd service start
"""

app = typer.Typer(cls=CommandGroup, help=HELP, no_args_is_help=True)


@contextmanager
def _manager() -> Iterator[ModuleType]:
    """Load the service manager; what it refuses inside is told, and ends the command."""
    from hcsd.errors import HcsdError

    if sys.platform == "win32":  # noqa: TID251  (there are no such services elsewhere)
        try:
            from hcsd.win32 import scm
        except ImportError:
            _fail(NEEDS)
        try:
            yield scm
        except HcsdError as error:
            _fail(str(error))
    else:
        _fail("cannot manage services: only Windows has them; here, have yours run 'hcsd serve'")


def _fail(text: str) -> NoReturn:
    say(text)
    raise typer.Exit(exit_codes.FAILED)


@app.command("install", epilog=INSTALL_EPILOG)
def install(
    *,
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            exists=True,
            dir_okay=False,
            resolve_path=True,
            help="TOML file with options of 'hcsd serve'; 'hcsd config check' checks it.",
        ),
    ] = None,
    log_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            dir_okay=False,
            resolve_path=True,
            help=r"Where it writes its log. Default: %ProgramData%\hcsd\hcsd.log.",
        ),
    ] = None,
    manual: Annotated[
        bool, typer.Option("--manual", help="Do not start it together with Windows.")
    ] = False,
) -> None:
    """Install the service. It does not start yet: see 'hcsd service start'.

    Its options come from the file; it should be writable for administrators alone, as what it says
    is done by SYSTEM.
    """
    with _manager() as scm:
        from hcsd.cli.commands.config import check_file
        from hcsd.folders import default_log_file
        from hcsd.private.files import NotPrivateError, make_private_directory

        if config is not None and (problems := check_file(config).problems):
            _fail("; ".join(map(str, problems)))
        if log_file is None:
            log_file = default_log_file()
            try:
                make_private_directory(log_file.parent)
            except NotPrivateError as error:
                _fail(f"{error}; name a log file elsewhere with --log-file")
        # Isolated: nothing of where it is started, or of a user, comes before what is installed.
        arguments = ["-I", "-m", "hcsd", "serve", "--as-service", "--log-file", str(log_file)]
        if config is not None:
            arguments += ["--config", str(config)]
        scm.install(arguments, automatic=not manual)
        show("installed; start it with 'hcsd service start'")


@app.command("remove", epilog=REMOVE_EPILOG)
def remove() -> None:
    """Remove the service, which must have stopped. Its files stay."""
    with _manager() as scm:
        scm.remove()
        show("removed")


@app.command("start", epilog=START_EPILOG)
def start() -> None:
    """Start the service and wait until it is ready."""
    with _manager() as scm:
        state = scm.start()
        if state.name != "running":
            _fail(f"the service did not start (code {state.exit_code}); see its log or event log")
        show(f"running (pid {state.pid})")


@app.command("stop", epilog=STOP_EPILOG)
def stop() -> None:
    """Stop the service and wait until it has ended, with all of its processes."""
    with _manager() as scm:
        state = scm.stop()
        show(f"{state.name} (code {state.exit_code})")


@app.command("status", epilog=STATUS_EPILOG)
def status() -> None:
    """Show the state of the service. The exit code is 0 if it runs, else 3."""
    with _manager() as scm:
        state = scm.state()
        running = state.name == "running"
        detail = f"pid {state.pid}" if state.pid else f"code {state.exit_code}"
        show(f"{state.name} ({detail})")
        raise typer.Exit(0 if running else NOT_RUNNING)
