"""`hcsd system stats`: what a compute system has used, and what runs in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer  # noqa: TC002  (it reads the annotations)

from hcsd.cli.connection import ClientCommands
from hcsd.cli.execute import execute
from hcsd.cli.options import (
    FormatOption,
    OutputFormat,
    OutputOption,
    SystemArgument,
    check_format,
)
from hcsd.cli.resource_names import system_of

if TYPE_CHECKING:
    from hcsd.v1 import process_pb2
    from hcsd_client import Client

EPILOG = """\b
Examples:
  hcsd system stats web
  hcsd system stats --format '{{.statistics.uptime}}' host
"""

app = ClientCommands()

PROCESS_HEADER = ("PID", "IMAGE", "CPU TIME", "PRIVATE", "SHARED", "COMMITTED", "STARTED")
FIGURES = ("Statistics", "ProcessList")


@app.command("stats", epilog=EPILOG)
def system_stats(
    context: typer.Context,
    system: SystemArgument,
    *,
    template: FormatOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Show what a compute system has used, and what runs in it.

    Also what was not started through the daemon. See 'hcsd stats' for a live table of systems, and
    'hcsd top' for its processes alone.
    """
    check_format(template, output)

    async def work(client: Client) -> int:
        from hcsd.cli.output.json_output import plain, print_json
        from hcsd.cli.output.tables import print_table
        from hcsd.cli.output.text import show
        from hcsd.cli.output.trees import print_tree, tree_of
        from hcsd.v1.compute_system_service_pb2 import GetComputeSystemPropertiesResponse

        if template:
            template.check(GetComputeSystemPropertiesResponse)
        figures = await client.get_system_properties(system_of(system), property_types=FIGURES)
        if template:
            template.show([plain(figures)])
            return 0
        if output is OutputFormat.JSON:
            print_json(figures)
            return 0
        print_tree(tree_of(figures.statistics))
        show()
        print_table(PROCESS_HEADER, [_process_row(process) for process in figures.process_list])
        return 0

    execute(context, work)


def _process_row(process: process_pb2.ProcessStats) -> tuple[str, ...]:
    import time

    from hcsd.cli.output.units import ago, size

    used = process.user_time.ToNanoseconds() + process.kernel_time.ToNanoseconds()
    created = process.HasField("create_time")
    return (
        str(process.pid),
        process.image_name,
        f"{used / 1e9:.2f}s",
        size(process.memory_working_set_private_bytes),
        size(process.memory_working_set_shared_bytes),
        size(process.memory_commit_bytes),
        ago(time.time() - process.create_time.ToNanoseconds() / 1e9) if created else "",
    )
