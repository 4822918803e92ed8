"""Commands that look at processes: ps, inspect, wait."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from hcsd.cli import exit_codes
from hcsd.cli.connection import ClientCommands
from hcsd.cli.execute import execute, for_each
from hcsd.cli.options import (
    FormatOption,
    NamesArgument,
    NoTruncOption,
    OutputFormat,
    OutputOption,
    ShortFormatOption,
    SystemOption,
    check_format,
    seconds_of,
)
from hcsd.cli.process_filters import ProcessFilters
from hcsd.cli.resource_names import ids_of, process_of, short_name, system_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from hcsd.cli.output.templates import Template
    from hcsd.v1 import process_pb2 as pb
    from hcsd_client import Client

PS_EPILOG = """\b
Examples:
  hcsd ps --all
  hcsd ps --system web --output json
  hcsd ps --filter exited=nonzero --filter ended=10m
  hcsd ps --filter label=app=web
  hcsd ps -n 5 --format 'table {{.id}}\\t{{.exit.exit_code}}'
  hcsd kill $(hcsd ps -q)
"""
INSPECT_EPILOG = """\b
Examples:
  hcsd inspect build-1 build-2
  hcsd inspect --format '{{.state}} {{json .labels}}' build-1
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
            " ended=TIME for no longer ago, as in 10m, name=TEXT in the id. May be given more than once; status,"
            " exited and ended imply --all.",
        ),
    ] = None,
    last: Annotated[
        int | None,
        typer.Option("--last", "-n", metavar="COUNT", min=1, help="Only the newest, ended or not."),
    ] = None,
    latest: Annotated[
        bool, typer.Option("--latest", "-l", help="Only the newest one, ended or not.")
    ] = False,
    system: SystemOption = None,
    no_trunc: NoTruncOption = False,
    template: FormatOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """List processes, the newest last.

    Those of all systems or of one; only those that run, unless --all says so. At a terminal it
    fits the width, and an issued id is shown by its last characters, which every command takes.
    """
    wanted = ProcessFilters.of(filters or [])
    if latest and last is not None:
        raise typer.BadParameter("must not be given with --latest", param_hint="--last")
    count = 1 if latest else last
    check_format(template, output, quiet=quiet)

    async def work(client: Client) -> int:
        from hcsd.cli.output.json_output import print_json_array
        from hcsd.cli.output.tables import is_cut, print_table
        from hcsd.cli.output.text import show
        from hcsd.cli.output.words import PROCESS_STYLES
        from hcsd.v1 import process_pb2 as pb
        from hcsd_client import ALL_SYSTEMS

        if template:
            template.check(pb.Process, also=("id",))
        states = (
            [] if everything or count else [pb.PROCESS_STATE_CREATING, pb.PROCESS_STATE_RUNNING]
        )
        found = client.list_processes(
            system_of(system) if system else ALL_SYSTEMS,
            states=wanted.numbers() or states,
            labels=wanted.labels,
        )
        processes = [process async for process in found if wanted.matches(process)]
        processes = processes[-count:] if count else processes
        if template:
            template.show(_with_ids(template, processes))
        elif quiet:
            for process in processes:
                show(short_name(process.name))
        elif output is OutputFormat.JSON:
            print_json_array(processes)
        else:
            rows = _rows(processes, short=is_cut(whole=no_trunc))
            print_table(HEADER, rows, PROCESS_STYLES, SPARE, whole=no_trunc)
        return 0

    execute(context, work)


@app.command("inspect", epilog=INSPECT_EPILOG)
def inspect(
    context: typer.Context,
    names: NamesArgument,
    *,
    system: SystemOption = None,
    template: ShortFormatOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Show all that is known of processes."""
    check_format(template, output)

    async def work(client: Client) -> int:
        from hcsd.cli.output.json_output import print_json_array
        from hcsd.cli.output.trees import print_trees
        from hcsd.v1 import process_pb2 as pb

        if template:
            template.check(pb.Process, also=("id",))
        processes = []

        async def get(name: str) -> None:
            processes.append(await client.get_process(process_of(name, system)))

        code = await for_each(client, names, get)
        if template:
            template.show(_with_ids(template, processes))
        elif output is OutputFormat.JSON:
            print_json_array(processes)
        else:
            print_trees(map(_tree, processes))
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
        from hcsd.v1 import process_pb2 as pb

        unknown = []

        async def wait_for(name: str) -> None:
            # It is opened first: then a daemon that lost its state meanwhile is told from one that never knew it.
            process = await client.open(process_of(name, system))
            ended = process.created.exit
            try:
                if (
                    process.created.state != pb.PROCESS_STATE_EXITED
                ):  # else there is no need for time
                    with waiting(f"waiting for '{name}' to end"):
                        ended = await process.wait(timeout)
            except TimeoutError:
                say(f"'{name}' still runs")
                unknown.append(name)
                return
            outcome = ended.WhichOneof("outcome")
            if outcome == "exit_code":
                show(str(ended.exit_code))
                return
            why = ended.start_error if outcome == "start_error" else ended.unknown
            say(f"'{name}' has no exit code: {why.message}")
            unknown.append(name)

        return await for_each(client, names, wait_for) or (exit_codes.FAILED if unknown else 0)

    execute(context, work)


def _tree(process: pb.Process) -> dict[str, object]:
    """Return what is known of a process: its arguments on a line, and options only as they are in force."""
    import shlex

    from hcsd.cli.output.trees import tree_of

    tree = tree_of(process)
    spec, options = tree.get("spec"), tree.get("options")
    if isinstance(spec, dict):
        same = set(options) if isinstance(options, dict) else set()
        shown = {name: value for name, value in spec.items() if name not in same}
        if process.spec.argv.args:
            shown["argv"] = shlex.join(process.spec.argv.args)
        tree["spec"] = shown
    return tree


def _with_ids(
    template: Template, processes: Iterable[pb.Process]
) -> Iterator[Mapping[str, object]]:
    """Return processes for a template, each with its id alone if that is asked for."""
    from hcsd.cli.output.json_output import plain

    for process in processes:
        fields = plain(process)
        yield fields | {"id": ids_of(process.name)[1]} if template.has("id") else fields


def _rows(processes: list[pb.Process], *, short: bool) -> list[tuple[str, ...]]:
    import shlex

    from hcsd.cli.output.units import ago
    from hcsd.cli.output.words import describe_exit, process_state
    from hcsd.cli.short_ids import shortened

    ids = [ids_of(process.name) for process in processes]
    shown = shortened({part for pair in ids for part in pair}) if short else {}
    now = time.time()
    return [
        (
            shown.get(process_id, process_id),
            shown.get(system_id, system_id),
            str(process.pid) if process.pid else "",
            process_state(process),
            describe_exit(process),
            ago(now - process.start_time.ToNanoseconds() / 1e9)
            if process.HasField("start_time")
            else "",
            process.spec.command_line or shlex.join(process.spec.argv.args),
        )
        for process, (system_id, process_id) in zip(processes, ids, strict=True)
    ]
