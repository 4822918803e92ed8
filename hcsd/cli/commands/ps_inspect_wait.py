"""Commands that look at processes: ps, inspect, wait."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from hcsd.cli import exit_codes
from hcsd.cli.connection import ClientCommands
from hcsd.cli.execute import execute, for_each
from hcsd.cli.options import (
    NamesArgument,
    OutputFormat,
    OutputOption,
    SystemOption,
    seconds_of,
)
from hcsd.cli.process_filters import ProcessFilters
from hcsd.cli.resource_names import ids_of, process_of, short_name, system_of

if TYPE_CHECKING:
    from hcsd.v1 import process_pb2 as pb
    from hcsd_client import Client

PS_EPILOG = """\b
Examples:
  hcsd ps --all
  hcsd ps --system web --output json
  hcsd ps --filter exited=nonzero --filter label=app=web
  hcsd kill $(hcsd ps -q)
"""
INSPECT_EPILOG = """\b
Examples:
  hcsd inspect build-1 build-2
  hcsd inspect --output json build-1
"""
WAIT_EPILOG = """\b
Examples:
  hcsd wait build-1
  hcsd wait --timeout 30s build-1 build-2
"""

app = ClientCommands()

HEADER = ("ID", "SYSTEM", "PID", "STATE", "EXIT", "STARTED", "COMMAND")
SPARE = ("STARTED", "PID", "SYSTEM", "EXIT")  # what a narrow terminal can do without first


@app.command("ps", epilog=PS_EPILOG)
def ps(
    context: typer.Context,
    *,
    everything: Annotated[
        bool, typer.Option("--all", "-a", help="Show those that have ended, too.")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print names alone, as other commands take them.")
    ] = False,
    filters: Annotated[
        list[str] | None,
        typer.Option(
            "--filter",
            "-f",
            metavar="KEY=VALUE",
            help="Only those with this: label=KEY=VALUE, status=STATE, exited=CODE or exited=nonzero,"
            " name=TEXT in the id. May be given more than once; status and exited imply --all.",
        ),
    ] = None,
    system: SystemOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """List processes.

    Those of all systems or of one; only those that run, unless --all says so.
    """
    wanted = ProcessFilters.of(filters or [])

    async def work(client: Client) -> int:
        from hcsd.cli.output.json_output import print_json_array
        from hcsd.cli.output.tables import print_table
        from hcsd.cli.output.text import show
        from hcsd.cli.output.words import PROCESS_STYLES
        from hcsd.v1 import process_pb2 as pb
        from hcsd_client import ALL_SYSTEMS

        states = [] if everything else [pb.PROCESS_STATE_CREATING, pb.PROCESS_STATE_RUNNING]
        found = client.list_processes(
            system_of(system) if system else ALL_SYSTEMS,
            states=wanted.numbers() or states,
            labels=wanted.labels,
        )
        processes = [process async for process in found if wanted.matches(process)]
        if quiet:
            for process in processes:
                show(short_name(process.name))
        elif output is OutputFormat.JSON:
            print_json_array(processes)
        else:
            now = time.time()
            print_table(
                HEADER, [_row(process, now) for process in processes], PROCESS_STYLES, SPARE
            )
        return 0

    execute(context, work)


@app.command("inspect", epilog=INSPECT_EPILOG)
def inspect(
    context: typer.Context,
    names: NamesArgument,
    *,
    system: SystemOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Show all that is known of processes."""

    async def work(client: Client) -> int:
        from hcsd.cli.output.json_output import print_json_array
        from hcsd.cli.output.trees import print_trees

        processes = []

        async def get(name: str) -> None:
            processes.append(await client.get_process(process_of(name, system)))

        code = await for_each(client, names, get)
        if output is OutputFormat.JSON:
            print_json_array(processes)
        else:
            print_trees(processes)
        return code

    execute(context, work)


@app.command("wait", epilog=WAIT_EPILOG)
def wait(
    context: typer.Context,
    names: NamesArgument,
    *,
    timeout: Annotated[
        float | None,
        typer.Option(
            "--timeout",
            "-t",
            metavar="DURATION",
            parser=seconds_of,
            help="How long to wait for each at most, as in 30s. Default: without limit.",
        ),
    ] = None,
    system: SystemOption = None,
) -> None:
    """Wait for processes and print their exit codes.

    One a line, in the order of the names. The exit code of this command is 0 if every process has ended
    with a code, whatever it is, and 1 if one still runs when its time is up.
    """

    async def work(client: Client) -> int:
        from hcsd.cli.output.progress import waiting
        from hcsd.cli.output.text import say, show

        unknown = []

        async def wait_for(name: str) -> None:
            with waiting(f"waiting for '{name}' to end"):
                answer = await client.wait_process(process_of(name, system), timeout=timeout)
            if answer.timed_out:
                say(f"'{name}' still runs")
                unknown.append(name)
                return
            ended = answer.process.exit
            outcome = ended.WhichOneof("outcome")
            if outcome == "exit_code":
                show(str(ended.exit_code))
                return
            why = ended.start_error if outcome == "start_error" else ended.unknown
            say(f"'{name}' has no exit code: {why.message}")
            unknown.append(name)

        return await for_each(client, names, wait_for) or (exit_codes.FAILED if unknown else 0)

    execute(context, work)


def _row(process: pb.Process, now: float) -> tuple[str, ...]:
    import shlex

    from hcsd.cli.output.units import ago
    from hcsd.cli.output.words import describe_exit, process_state

    system_id, process_id = ids_of(process.name)
    spec = process.spec
    started = process.HasField("start_time")
    return (
        process_id,
        system_id,
        str(process.pid) if process.pid else "",
        process_state(process),
        describe_exit(process),
        ago(now - process.start_time.ToNanoseconds() / 1e9) if started else "",
        spec.command_line or shlex.join(spec.argv.args),
    )
