"""The `hcsd` command: all its commands, and what they have in common.

Help must come at once, so modules of commands import only what their options need; a command loads
the rest when it runs. The daemon is loaded by `serve` alone.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import Annotated

import typer
from typer.exceptions import TyperException

from hcsd.cli.commands import (
    attach,
    completion,
    config,
    docs,
    events,
    info,
    logs,
    open_process,
    prune,
    ps_inspect_wait,
    reload,
    resize,
    run,
    serve,
    service,
    stats,
    stop_kill_signal,
    system,
    top,
)
from hcsd.cli.connection import connecting
from hcsd.cli.exit_codes import INTERRUPTED
from hcsd.cli.main_group import MainGroup
from hcsd.cli.output.text import lead_nowhere, show
from hcsd.version import __version__

HELP = """Run processes through the Host Compute Service, or on POSIX through hcsd's own engine.

One daemon ('hcsd serve') runs the processes; all other commands are its clients. They find it by
--address or HCSD_ADDRESS, and by default where it listens by default.

'hcsd COMMAND --help' or 'hcsd help COMMAND' tells about a command, 'hcsd docs' lists pages to read.
'man hcsd' lists manual pages of all commands; if man finds none, see 'hcsd docs command-line'.
"""
EPILOG = """\b
Examples:
  hcsd serve
  hcsd run -- sh -c 'echo hello; exit 7'
  hcsd run -it -- bash
  hcsd run -d -w . --name build -- make all
  hcsd logs --follow build
  hcsd ps --all
  hcsd stop build

\b
Exit code:
  0    done
  1    it failed, as stderr says; of several names, it failed for at least one
  2    the command line makes no sense
  130  ended by Ctrl-C
  141  nobody reads the output any more

'hcsd run' and 'hcsd attach' end as the process does: see their help.
"""

app = typer.Typer(
    cls=MainGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    help=HELP,
    epilog=EPILOG,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for commands in (
    serve.app,
    run.app,
    attach.app,
    ps_inspect_wait.app,
    open_process.app,
    stop_kill_signal.app,
    resize.app,
    prune.app,
    logs.app,
    events.app,
    stats.app,
    top.app,
    info.app,
    reload.app,
    docs.app,
    completion.app,
):
    app.add_typer(commands)
app.add_typer(system.app, name="system")
app.add_typer(config.app, name="config")
app.add_typer(service.app, name="service")


def _print_version(wanted: bool) -> None:
    if wanted:
        show(f"hcsd {__version__}")
        raise typer.Exit


@app.callback()
@connecting
def options(
    context: typer.Context,
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Take the options before the command."""


def main() -> None:
    """Run the command line."""
    _open_standard_streams()
    _write_any_text()
    completion.prepare()
    try:
        app(prog_name=completion.PROGRAM)
    except KeyboardInterrupt:  # in a completion, which typer does outside of any command
        sys.exit(INTERRUPTED)
    except OSError as error:  # stderr takes nothing of what is wrong with the command line
        if not isinstance(error.__context__, TyperException):
            raise
        sys.exit(error.__context__.exit_code)
    finally:
        forget_lost_readers()


def _open_standard_streams() -> None:
    """Make sure that 0, 1 and 2 are open, if only on nothing, and that Python has streams for them.

    Otherwise the next file or socket would get such a number, and output meant for a standard
    stream would go into it.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:  # it was closed when Python started
            mode = "w" if number else "r"
            try:
                stream = open(number, mode, closefd=False)  # noqa: SIM115
            except OSError:  # a service of Windows has numbers that lead nowhere
                stream = open(os.devnull, mode)  # noqa: SIM115
            setattr(sys, name, stream)


def _write_any_text() -> None:
    """Make stdout and stderr take every text; what their encoding lacks is shown as an escape.

    On Windows a file or a pipe would get the code page of the user, which has few characters and which
    hardly any program expects of its input. It gets UTF-8, unless PYTHONIOENCODING says otherwise.
    """
    chosen = os.name != "nt" or "PYTHONIOENCODING" in os.environ
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            errors = "backslashreplace" if stream.errors == "strict" else stream.errors
            stream.reconfigure(encoding=stream.encoding if chosen else "utf-8", errors=errors)


def forget_lost_readers() -> None:
    """Let go nowhere what is left for a pipe or a terminal at whose other end nobody is any more.

    So does what is left for a stderr that takes no more, since there is no other place to say so. Otherwise Python
    would fail on it while it ends, and say so by an exit code of its own.
    """
    for number, stream in ((1, sys.stdout), (2, sys.stderr)):
        try:
            stream.flush()
        except OSError as error:
            if number == 2 or error.errno in {errno.EPIPE, errno.EIO}:
                lead_nowhere(number)
