"""`hcsd top`: which processes run in a compute system, whoever started them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from hcsd.cli.complete_names import complete_systems
from hcsd.cli.connection import ClientCommands
from hcsd.cli.execute import execute
from hcsd.cli.options import FormatOption, NoTruncOption, OutputFormat, OutputOption, check_format
from hcsd.cli.resource_names import ids_of, system_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hcsd.v1 import process_pb2 as pb
    from hcsd_client import Client

EPILOG = """\b
Examples:
  hcsd top
  hcsd top web
  hcsd top --format '{{.pid}} {{.image_name}}' web
"""

app = ClientCommands()

HEADER = ("PID", "ID", "CPU TIME", "MEMORY", "STARTED", "COMMAND")
SPARE = ("STARTED", "CPU TIME")  # what a narrow terminal can do without first


@app.command("top", epilog=EPILOG)
def top(
    context: typer.Context,
    system: Annotated[
        str | None,
        typer.Argument(
            metavar="SYSTEM",
            help="Compute system, by its id or its name. Default: the host.",
            autocompletion=complete_systems,
        ),
    ] = None,
    *,
    no_trunc: NoTruncOption = False,
    template: FormatOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Show which processes run in a compute system.

    All of them, also those that others or these have started: what the daemon knows has an ID. CPU
    TIME is what each has used so far. 'hcsd stats' is a live view of systems.
    """
    check_format(template, output)

    async def work(client: Client) -> int:
        from hcsd.cli.output.json_output import plain, print_json_array
        from hcsd.cli.output.tables import is_cut, print_table
        from hcsd.v1 import process_pb2 as pb

        if template:
            template.check(pb.ProcessStats)
        name = system_of(system)
        figures = await client.get_system_properties(name, property_types=["ProcessList"])
        processes = figures.process_list
        if template:
            template.show(map(plain, processes))
        elif output is OutputFormat.JSON:
            print_json_array(processes)
        else:
            running = client.list_processes(name, states=[pb.PROCESS_STATE_RUNNING])
            known = {process.pid: process async for process in running}
            short = is_cut(whole=no_trunc)
            rows = _rows(list(processes), known, short=short)
            print_table(HEADER, rows, spare=SPARE, whole=no_trunc)
        return 0

    execute(context, work)


def _rows(
    processes: list[pb.ProcessStats], known: Mapping[int, pb.Process], *, short: bool
) -> list[tuple[str, ...]]:
    import shlex

    from hcsd.cli.output.units import ago, size
    from hcsd.cli.short_ids import shortened

    now = time.time()
    ids = {pid: ids_of(process.name)[1] for pid, process in known.items()}
    shown = shortened(ids.values()) if short else {}
    rows: list[tuple[str, ...]] = []
    for process in processes:
        spec = known[process.pid].spec if process.pid in known else None
        command = (spec.command_line or shlex.join(spec.argv.args)) if spec else ""
        process_id = ids.get(process.pid, "")
        used = process.user_time.ToNanoseconds() + process.kernel_time.ToNanoseconds()
        rows.append(
            (
                str(process.pid),
                shown.get(process_id, process_id),
                f"{used / 1e9:.2f}s",
                size(process.memory_working_set_private_bytes),
                ago(now - process.create_time.ToNanoseconds() / 1e9)
                if process.HasField("create_time")
                else "",
                command or process.image_name,
            )
        )
    return rows
