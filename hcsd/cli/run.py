"""`hcsd run`: runs a process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from typer.core import TyperCommand

from hcsd.cli._execute import execute
from hcsd.cli._names import system_of
from hcsd.cli._options import (
    AddressOption,
    SystemOption,
    TokenFileOption,
    check_pairs,
    connection_of,
    expand_variables,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hcsd.v1.process_pb2 import ProcessSpec
    from hcsd_client import Client

RUN_FAILED = 125

EPILOG = """\b
Exit code:
  0-255  that of the process; 128+n if signal n ended it, which stderr names
  125    hcsd itself failed: no daemon, a request that is not valid
  126    the program cannot be executed
  127    there is no such program
  130    left by a second Ctrl-C; the process goes on
  141    nobody reads this command's output any more; the process was terminated

\b
Examples:
  hcsd run -- sh -c 'echo out; echo err >&2; exit 7'
  hcsd run -i -- sort < names.txt
  hcsd run --env LANG=C --workdir /tmp ls -l
  hcsd run -d --name build-1 -- make all
"""


class RunCommand(TyperCommand):
    """A command whose exit codes below 125 belong to the process, wrong options included."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """Read the command line."""
        try:
            rest = super().parse_args(ctx, args)
            _check(ctx.params)
        except typer.Exit:  # --help
            raise
        except Exception as error:
            if hasattr(error, "exit_code"):  # their base class has no public name in older typer
                error.exit_code = RUN_FAILED
            raise
        return rest


def _check(options: Mapping[str, object]) -> None:
    if options["stdin"] and options["detach"]:
        raise typer.BadParameter("-i passes stdin on, and -d leaves nobody to do so")


app = typer.Typer()


@app.command(
    "run",
    cls=RunCommand,
    epilog=EPILOG,
    context_settings={"allow_interspersed_args": False},
)
def run(
    context: typer.Context,
    command: Annotated[
        list[str], typer.Argument(metavar="COMMAND", help="Program and its arguments.")
    ],
    *,
    stdin: Annotated[
        bool, typer.Option("--stdin", "-i", help="Pass this command's stdin to the process.")
    ] = False,
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="Only start it, and print its name.")
    ] = False,
    name: Annotated[
        str, typer.Option("--name", metavar="ID", help="Id of the process. Default: a new one.")
    ] = "",
    system: SystemOption = None,
    env: Annotated[
        list[str] | None,
        typer.Option(
            "--env",
            "-e",
            metavar="KEY[=VALUE]",
            callback=expand_variables,
            help="Variable for the process, on top of the system's own; without VALUE, the one "
            "set here. May be given more than once.",
        ),
    ] = None,
    workdir: Annotated[
        str, typer.Option("--workdir", "-w", metavar="DIR", help="Working directory.")
    ] = "",
    user: Annotated[
        str, typer.Option("--user", "-u", metavar="USER", help="Account to run it as.")
    ] = "",
    label: Annotated[
        list[str] | None,
        typer.Option(
            "--label",
            "-l",
            metavar="KEY=VALUE",
            callback=check_pairs,
            help="Label to store with it. May be given more than once.",
        ),
    ] = None,
    address: AddressOption = None,
    token_file: TokenFileOption = None,
) -> None:
    """Run a process and pass its output on.

    Each stream goes to this command's own, as it is written and byte for byte. Stdin is not touched
    unless -i says so. Ctrl-C goes to the process; a second one leaves it running and ends this
    command.
    """
    connection = connection_of(context, address, token_file)
    parent = system_of(system)

    async def work(client: Client) -> int:
        spec = _spec(command, env or [], workdir, user, stdin=stdin)
        labels = dict(_pairs(label or []))
        if detach:
            return await _start(client, spec, parent, name, labels)
        # Imported here, so that help does not load gRPC.
        from hcsd.cli._session import Session

        run = client.run_process(spec, parent=parent, process_id=name, labels=labels)
        return await Session(client, run, forward_stdin=stdin).execute()

    execute(connection, work, failure_code=RUN_FAILED)


async def _start(
    client: Client, spec: ProcessSpec, parent: str, name: str, labels: dict[str, str]
) -> int:
    from hcsd.cli._errors import say_error, start_exit_code
    from hcsd_client import CallError

    try:
        created = await client.create_process(spec, parent=parent, process_id=name, labels=labels)
    except CallError as error:
        say_error(error)
        return start_exit_code(error)
    typer.echo(created.process.name)
    return 0


def _spec(
    command: list[str], env: list[str], workdir: str, user: str, *, stdin: bool
) -> ProcessSpec:
    from hcsd.v1 import process_pb2 as pb

    return pb.ProcessSpec(
        argv=pb.Argv(args=command),
        env=[pb.EnvironmentVariable(name=key, value=value) for key, value in _pairs(env)],
        working_directory=workdir,
        user=user,
        stdin_mode=pb.STDIN_MODE_PIPE if stdin else pb.STDIN_MODE_CLOSED,
    )


def _pairs(values: list[str]) -> list[tuple[str, str]]:
    return [(key, value) for key, _, value in (text.partition("=") for text in values)]
