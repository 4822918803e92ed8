"""Commands of `hcsd system` that look at compute systems: ps, inspect."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from hcsd.cli.connection import ClientCommands
from hcsd.cli.execute import execute, for_each
from hcsd.cli.options import OutputFormat, OutputOption, SystemsArgument
from hcsd.cli.resource_names import system_of

if TYPE_CHECKING:
    from hcsd.v1 import compute_system_pb2 as pb
    from hcsd_client import Client

PS_EPILOG = """\b
Examples:
  hcsd system ps
  hcsd system ps --owner ci --output json
"""
INSPECT_EPILOG = """\b
Examples:
  hcsd system inspect web
  hcsd system inspect --output json web db
"""

app = ClientCommands()

HEADER = ("ID", "STATE", "TYPE", "OS", "OWNER", "CREATED")


@app.command("ps", epilog=PS_EPILOG)
def ps(
    context: typer.Context,
    *,
    owner: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TEXT", help="Only those with this owner; may be given more than once."
        ),
    ] = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """List compute systems, whoever created them."""

    async def work(client: Client) -> int:
        from hcsd.cli.output.json_output import print_json_array
        from hcsd.cli.output.tables import print_table
        from hcsd.cli.output.words import SYSTEM_STYLES

        systems = [system async for system in client.list_systems(owners=owner or ())]
        if output is OutputFormat.JSON:
            print_json_array(systems)
        else:
            now = time.time()
            print_table(HEADER, [_row(system, now) for system in systems], SYSTEM_STYLES)
        return 0

    execute(context, work)


@app.command("inspect", epilog=INSPECT_EPILOG)
def inspect(
    context: typer.Context,
    systems: SystemsArgument,
    *,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Show all that is known of compute systems.

    One that has ended is remembered for a while, with how it ended.
    """

    async def work(client: Client) -> int:
        from hcsd.cli.output.json_output import print_json_array
        from hcsd.cli.output.text import show
        from hcsd.cli.output.trees import print_tree

        found = []

        async def get(system: str) -> None:
            found.append(await client.get_system(system_of(system)))

        code = await for_each(client, systems, get)
        if output is OutputFormat.JSON:
            print_json_array(found)
        else:
            for number, system in enumerate(found):
                if number:
                    show()
                print_tree(_tree(system))
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


def _row(system: pb.ComputeSystem, now: float) -> tuple[str, ...]:
    from hcsd.cli.output.units import ago
    from hcsd.cli.output.words import system_state, system_type

    created = system.HasField("create_time")
    return (
        system.system_id,
        system_state(system),
        system_type(system),
        system.capabilities.guest_os,
        system.owner,
        ago(now - system.create_time.ToNanoseconds() / 1e9) if created else "",
    )
