"""Commands of `hcsd system` that look at compute systems: ps, inspect."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from hcsd.cli.connection import ClientCommands
from hcsd.cli.execute import execute, for_each
from hcsd.cli.options import (
    FormatOption,
    NoTruncOption,
    OutputFormat,
    OutputOption,
    ShortFormatOption,
    SystemsArgument,
    check_format,
)
from hcsd.cli.resource_names import system_of

if TYPE_CHECKING:
    from hcsd.v1 import compute_system_pb2 as pb
    from hcsd_client import Client

PS_EPILOG = """\b
Examples:
  hcsd system ps
  hcsd system ps --owner ci --format 'table {{.system_id}}\t{{.state}}'
  hcsd system kill $(hcsd system ps -q --owner ci)
"""
INSPECT_EPILOG = """\b
Examples:
  hcsd system inspect web
  hcsd system inspect --format '{{.limits.memory_bytes}}' web db
"""

app = ClientCommands()

HEADER = ("ID", "STATE", "TYPE", "OS", "OWNER", "CREATED")
SPARE = ("OS", "OWNER", "TYPE")  # what a narrow terminal can do without first


@app.command("ps", epilog=PS_EPILOG)
def ps(
    context: typer.Context,
    *,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print ids alone, as other commands take them.")
    ] = False,
    owner: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TEXT", help="Only those with this owner; may be given more than once."
        ),
    ] = None,
    no_trunc: NoTruncOption = False,
    template: FormatOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """List compute systems, whoever created them; 'hcsd system ls' does the same."""
    check_format(template, output, quiet=quiet)

    async def work(client: Client) -> int:
        from hcsd.cli.output.json_output import plain, print_json_array
        from hcsd.cli.output.tables import is_cut, print_table
        from hcsd.cli.output.text import show
        from hcsd.cli.output.words import SYSTEM_STYLES
        from hcsd.v1 import compute_system_pb2 as pb

        if template:
            template.check(pb.ComputeSystem)
        systems = [system async for system in client.list_systems(owners=owner or ())]
        if template:
            template.show(map(plain, systems))
        elif quiet:
            for system in systems:
                show(system.system_id)
        elif output is OutputFormat.JSON:
            print_json_array(systems)
        else:
            rows = _rows(systems, short=is_cut(whole=no_trunc))
            print_table(HEADER, rows, SYSTEM_STYLES, SPARE, whole=no_trunc)
        return 0

    execute(context, work)


@app.command("inspect", epilog=INSPECT_EPILOG)
def inspect(
    context: typer.Context,
    systems: SystemsArgument,
    *,
    template: ShortFormatOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Show all that is known of compute systems.

    One that has ended is remembered for a while, with how it ended.
    """
    check_format(template, output)

    async def work(client: Client) -> int:
        from hcsd.cli.output.json_output import plain, print_json_array
        from hcsd.cli.output.trees import print_trees
        from hcsd.v1 import compute_system_pb2 as pb

        if template:
            template.check(pb.ComputeSystem)
        found = []

        async def get(system: str) -> None:
            found.append(await client.get_system(system_of(system)))

        code = await for_each(client, systems, get)
        if template:
            template.show(map(plain, found))
        elif output is OutputFormat.JSON:
            print_json_array(found)
        else:
            print_trees(map(_tree, found))
        return code

    execute(context, work)


def _tree(system: pb.ComputeSystem) -> dict[str, object]:
    """Return what is known of a system, its limits in units that people read."""
    from hcsd.cli.output.trees import tree_of
    from hcsd.cli.output.units import limit_size, processors

    tree = tree_of(system)
    limits = system.limits
    if system.HasField("limits"):
        shown = {
            "memory": limit_size(limits.memory_bytes) if limits.memory_bytes else "",
            "processors": processors(limits.processor_millis) if limits.processor_millis else "",
            "processor_weight": str(limits.processor_weight or ""),
            "tasks": str(limits.max_tasks or ""),
        }
        tree["limits"] = {name: value for name, value in shown.items() if value} or "none"
    return tree


def _rows(systems: list[pb.ComputeSystem], *, short: bool) -> list[tuple[str, ...]]:
    from hcsd.cli.output.units import ago
    from hcsd.cli.output.words import system_state, system_type
    from hcsd.cli.short_ids import shortened

    shown = shortened(system.system_id for system in systems) if short else {}
    now = time.time()
    return [
        (
            shown.get(system.system_id, system.system_id),
            system_state(system),
            system_type(system),
            system.capabilities.guest_os,
            system.owner,
            ago(now - system.create_time.ToNanoseconds() / 1e9)
            if system.HasField("create_time")
            else "",
        )
        for system in systems
    ]
