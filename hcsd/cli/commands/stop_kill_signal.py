"""Commands that do something to processes: stop, kill, signal, rm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from hcsd.cli.connection import ClientCommand, ClientCommands
from hcsd.cli.execute import execute, for_each
from hcsd.cli.options import NameArgument, NamesArgument, SystemOption, seconds_of
from hcsd.cli.resource_names import process_of

if TYPE_CHECKING:
    from hcsd.v1.process_service_pb2 import (
        DeleteProcessResponse,
        TerminateProcessResponse,
        TerminateScope,
    )
    from hcsd_client import Client

MAX_INT32 = 0x7FFFFFFF
INT32_DIGITS = 10
KILL_NUMBER = 9

ProcessOnlyOption = Annotated[
    bool,
    typer.Option("--process-only", help="Leave what they have started alone."),
]

SIGNAL_EPILOG = """\b
Examples:
  hcsd signal web HUP
  hcsd signal --system db server 15
"""
KILL_EPILOG = """\b
Examples:
  hcsd kill build-1 build-2
  hcsd kill -HUP web
  hcsd kill --grace 10s web
"""
STOP_EPILOG = """\b
Examples:
  hcsd stop build-1
  hcsd stop --timeout 1m build-1 build-2
  hcsd stop --signal INT web
"""
RM_EPILOG = """\b
Examples:
  hcsd rm build-1
  hcsd rm --force $(hcsd ps -aq)
"""

app = ClientCommands()


@app.command("signal", epilog=SIGNAL_EPILOG)
def signal(
    context: typer.Context,
    name: NameArgument,
    signal_: Annotated[
        str,
        typer.Argument(metavar="SIGNAL", help="As in TERM, SIGTERM, 15 or CtrlC."),
    ],
    *,
    system: SystemOption = None,
) -> None:
    """Send a signal to a process.

    Or a console event of Windows; each has its counterpart on the other kind of system.
    """

    async def work(client: Client) -> int:
        from hcsd_client import NotFoundError

        try:
            await _send(client, name, system, signal_)
        except NotFoundError as error:
            if _is_signal(name):
                error.add_note(f"name the process first: hcsd signal {signal_} {name}")
            raise
        return 0

    execute(context, work)


def _is_signal(text: str) -> bool:
    from hcsd.daemon.signals import LINUX_SIGNALS

    return text.isdecimal() or text.upper().removeprefix("SIG") in LINUX_SIGNALS


def _signal(text: str) -> str | int:
    """Return a signal by its name, or by its number if it is one; the daemon refuses the rest."""
    is_number = text.isdecimal() and len(text) <= INT32_DIGITS and int(text) <= MAX_INT32
    return int(text) if is_number else text


async def _send(client: Client, name: str, system: str | None, text: str) -> None:
    from hcsd.cli.output.text import say
    from hcsd.v1 import process_pb2 as pb

    answer = await client.signal_process(process_of(name, system), _signal(text))
    if answer.delivery == pb.SIGNAL_DELIVERY_ALREADY_EXITED:
        say(f"'{name}' has ended already")
    elif answer.delivery == pb.SIGNAL_DELIVERY_PENDING:
        say(f"'{name}' has not taken the signal yet")


class KillCommand(ClientCommand):
    """A command that takes signals as kill(1) does: -9, -KILL, -SIGHUP."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """Read the command line."""
        end = args.index("--") if "--" in args else len(args)
        said = [
            f"--signal={word[1:]}" if word[:1] == "-" and _is_signal(word[1:]) else word
            for word in args[:end]
        ]
        return super().parse_args(ctx, said + args[end:])


@app.command("kill", cls=KillCommand, epilog=KILL_EPILOG)
def kill(
    context: typer.Context,
    names: NamesArgument,
    *,
    grace: Annotated[
        float | None,
        typer.Option(
            "--grace",
            metavar="DURATION",
            parser=seconds_of,
            help="Send TERM first, and kill what has not ended after this time, as in 10s.",
        ),
    ] = None,
    process_only: ProcessOnlyOption = False,
    signal_: Annotated[
        str,
        typer.Option(
            "--signal",
            "-s",
            metavar="SIGNAL",
            help="Send this to the processes, as in TERM, SIGHUP or 15; -HUP and -15 do as well."
            " Default: KILL.",
        ),
    ] = "",
    system: SystemOption = None,
) -> None:
    """End processes by force, with all that they have started.

    A process that has ended already is no error; what it has left behind is ended. With another signal
    than KILL it goes to the processes alone, as with 'hcsd signal'.
    """
    if _signal(signal_) == KILL_NUMBER or signal_.upper().removeprefix("SIG") == "KILL":
        signal_ = ""
    if signal_ and (grace is not None or process_only):
        raise typer.BadParameter("is for KILL alone", param_hint="--grace, --process-only")

    async def work(client: Client) -> int:
        if signal_:
            return await for_each(client, names, lambda name: _send(client, name, system, signal_))

        async def end(name: str) -> None:
            process, scope = process_of(name, system), _scope(process_only=process_only)
            answer = await client.terminate_process(process, grace_period=grace, scope=scope)
            _tell(name, answer, process_only=process_only)

        return await for_each(client, names, end)

    execute(context, work)


@app.command("stop", epilog=STOP_EPILOG)
def stop(
    context: typer.Context,
    names: NamesArgument,
    *,
    timeout: Annotated[
        float,
        typer.Option(
            "--timeout",
            "-t",
            metavar="DURATION",
            parser=seconds_of,
            help="How long each has to end by itself, as in 30 or 1m.",
        ),
    ] = "10s",  # type: ignore[assignment]  # parsed as if it were said
    signal_: Annotated[
        str,
        typer.Option(
            "--signal",
            "-s",
            metavar="SIGNAL",
            help="Ask with this signal, as in INT, SIGHUP or 2. Default: TERM.",
        ),
    ] = "",
    process_only: ProcessOnlyOption = False,
    system: SystemOption = None,
) -> None:
    """Ask processes to end, kill those that do not, and wait.

    Each is sent TERM, or what stands for it in its guest, and killed if it has not ended in time.
    Then all that it has started is killed, too. One that has ended already is no error.
    """

    async def work(client: Client) -> int:
        from hcsd.cli.output.progress import waiting

        async def end(name: str) -> None:
            process, scope = process_of(name, system), _scope(process_only=process_only)
            with waiting(f"waiting for '{name}' to end"):
                if signal_:
                    await client.signal_process(process, _signal(signal_))
                    await client.wait_process(process, timeout=timeout)
                answer = await client.terminate_process(
                    process, grace_period=0 if signal_ else timeout, scope=scope
                )
            _tell(name, answer, process_only=process_only)

        return await for_each(client, names, end)

    execute(context, work)


@app.command("rm", epilog=RM_EPILOG)
def rm(
    context: typer.Context,
    names: NamesArgument,
    *,
    force: Annotated[
        bool,
        typer.Option(
            "--force", "-f", help="Kill those that run, too, with all that they have started."
        ),
    ] = False,
    process_only: Annotated[
        bool,
        typer.Option("--process-only", help="With --force, leave what they have started alone."),
    ] = False,
    system: SystemOption = None,
) -> None:
    """Remove processes that have ended, with their output.

    With --force, what processes that have ended have left behind is killed, too. The daemon forgets
    processes by itself after a while: see 'hcsd info'.
    """
    if process_only and not force:
        raise typer.BadParameter("needs --force", param_hint="--process-only")

    async def work(client: Client) -> int:
        async def remove(name: str) -> None:
            process, scope = process_of(name, system), _scope(process_only=process_only)
            answer = await client.delete_process(process, force=force, scope=scope)
            _tell(name, answer, process_only=process_only)

        return await for_each(client, names, remove)

    execute(context, work)


def _scope(*, process_only: bool) -> TerminateScope:
    from hcsd.v1 import process_service_pb2 as service_pb

    if process_only:
        return service_pb.TERMINATE_SCOPE_PROCESS
    return service_pb.TERMINATE_SCOPE_TREE_BEST_EFFORT


def _tell(
    name: str, answer: TerminateProcessResponse | DeleteProcessResponse, *, process_only: bool
) -> None:
    """Tell what was ended besides the process, unless that was to be left alone."""
    from hcsd.cli.output.kills import told_of_end
    from hcsd.cli.output.text import say

    if not process_only and (text := told_of_end(name, answer)):
        say(text)
