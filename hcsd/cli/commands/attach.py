"""`hcsd attach`: returns to a process that was started before."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from hcsd.cli import exit_codes
from hcsd.cli.connection import ClientCommands
from hcsd.cli.execute import execute
from hcsd.cli.options import DetachKeysOption, NameArgument, SystemOption  # noqa: TC001  (typer reads them)
from hcsd.cli.resource_names import process_of
from hcsd.cli.session.session_command import SessionCommand
from hcsd.cli.terminal.detach_keys import DETACH_KEYS, DetachKeys
from hcsd.cli.terminal.terminal import NoTerminalError, Terminal

if TYPE_CHECKING:
    from hcsd_client import Client

EPILOG = """\b
Exit code:
  0-255  that of the process, as with 'hcsd run'
  0      detached by the detach keys; the process goes on
  125    hcsd itself failed: no daemon, no such process, stdin is somebody else's
  130    left by Ctrl-C, at a console from outside; the process goes on
  141    nobody reads this command's output any more; the process goes on

\b
Examples:
  hcsd run -dt --name shell -- bash; hcsd attach shell
  hcsd attach --detach-keys ctrl-a,d shell
  hcsd attach --no-stdin build-1
"""

app = ClientCommands()


@app.command("attach", cls=SessionCommand, epilog=EPILOG)
def attach(
    context: typer.Context,
    name: NameArgument,
    *,
    no_stdin: Annotated[
        bool, typer.Option("--no-stdin", help="Pass nothing on that is typed or piped in.")
    ] = False,
    take_over: Annotated[
        bool,
        typer.Option("--take-over", help="Take the place of who writes to its stdin now."),
    ] = False,
    detach_keys: DetachKeysOption = DETACH_KEYS,
    system: SystemOption = None,
) -> None:
    """Return to a process that is running, or see how it ended.

    One with a console gets this terminal, as with 'hcsd run -it'. What was on its screen is shown, and
    the process is asked to draw it again. Earlier output is in 'hcsd logs'.

    Without a console everything that is kept of its output comes first, so that nothing is missed.
    Stdin is passed on, its end included, and so are Ctrl-C and TERM; a second Ctrl-C leaves.
    """

    async def work(client: Client) -> int:
        # Imported here, so that help does not load gRPC.
        from hcsd.cli.session.console_session import ConsoleSession
        from hcsd.cli.session.session import Session
        from hcsd.cli.session.standard_streams import STDOUT

        process = await client.get_process(process_of(name, system))
        run = client.attach_process(process.name, take_over=take_over)
        types = not no_stdin
        if process.spec.HasField("console") and (types or os.isatty(STDOUT)):
            keys = DetachKeys(detach_keys) if types else None
            terminal = _terminal(name, types=types)
            return await ConsoleSession(client, run, terminal, keys, owned=False).execute()
        forward = types and not process.stdin.closed
        return await Session(client, run, forward_stdin=forward, owned=False).execute()

    execute(context, work, failure_code=exit_codes.RUN_FAILED)


def _terminal(name: str, *, types: bool) -> Terminal:
    try:
        return Terminal.ours(types=types)
    except NoTerminalError as error:
        raise NoTerminalError(
            f"'{name}' has a console, which needs a terminal: {error}; use --no-stdin to only read"
            " what it writes"
        ) from None
