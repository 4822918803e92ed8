"""`hcsd events`: tells what happens to compute systems and processes."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Annotated

import typer

from hcsd.cli.connection import ClientCommands
from hcsd.cli.execute import execute
from hcsd.cli.options import (
    OutputFormat,
    OutputOption,
    SystemOption,
)
from hcsd.cli.resource_names import id_of_system, ids_of, system_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from hcsd.v1 import event_pb2 as pb
    from hcsd_client import Client

EPILOG = """\b
Examples:
  hcsd events --system web --output json
  hcsd events --follow
"""

app = ClientCommands()

LINE = "{:12}  {:15}  {:20}  {:26}  {}"
HEADER = ("TIME", "EVENT", "SYSTEM", "ID", "DETAIL")


@app.command("events", epilog=EPILOG)
def events(
    context: typer.Context,
    *,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what happens from now on.")
    ] = False,
    system: SystemOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Show what has happened to processes and systems.

    As far as it is kept: see 'hcsd info'. JSON is an object a line.
    """

    async def work(client: Client) -> int:
        from hcsd.cli.output.json_output import plain, print_json_line
        from hcsd.cli.output.text import show

        if output is OutputFormat.TABLE:
            show(LINE.format(*HEADER))
        found = _events(client, system_of(system) if system else "", follow=follow)
        async with aclosing(found):
            async for event in found:
                if output is OutputFormat.JSON:
                    print_json_line(plain(event))
                else:
                    show(_line(event))
        return 0

    execute(context, work)


async def _events(client: Client, system: str, *, follow: bool) -> AsyncGenerator[pb.Event, None]:
    """Iterate over the events of a system or of all: those that are kept, and later ones."""
    newest = 0
    if not follow:  # a watch of what comes begins with the revision that is the last by now
        async with client.watch_events() as now:
            newest = (await anext(now)).bookmark.revision
    # Of all systems, or it would not be sure that the last one comes. Who follows one watches it by
    # its name, so that the daemon keeps it open.
    parent = system if follow else ""
    async with client.watch_events(parent=parent, after_revision=0) as watch:
        async for message in watch:
            event = message.event
            revision = max(event.revision, message.bookmark.revision)
            if message.HasField("event") and system in {"", _system(event)}:
                yield event
            if not follow and revision >= newest:
                return


def _system(event: pb.Event) -> str:
    return event.system.system or event.process.process.name.rpartition("/processes/")[0]


def _line(event: pb.Event) -> str:
    from hcsd.printable import printable
    from hcsd.v1 import event_pb2 as pb

    time = event.event_time.ToDatetime().astimezone().strftime("%H:%M:%S.%f")[:12]
    if event.HasField("system"):
        what, process_id, detail = event.system.type, "", event.system.document
        system_id = id_of_system(event.system.system)
        if event.system.event_type:
            kind = pb.SystemEventType.Name(event.system.event_type)
            what = kind.removeprefix("SYSTEM_EVENT_TYPE_").lower()
            detail = _system_detail(event.system, system_id)
    else:
        kind = pb.ProcessEventType.Name(event.process.type)
        what = kind.removeprefix("PROCESS_EVENT_TYPE_").lower()
        system_id, process_id = ids_of(event.process.process.name)
        detail = _detail(event.process)
    cells = (time, what, system_id, process_id, detail)
    return LINE.format(*map(printable, cells)).rstrip()


def _system_detail(event: pb.SystemEvent, system_id: str) -> str:
    from hcsd.cli.output.units import limit_size
    from hcsd.cli.output.words import describe_system_exit, system_event
    from hcsd.v1 import event_pb2 as pb

    told = f"system {system_id} {system_event(event)}"
    more = ""
    if event.event_type == pb.SYSTEM_EVENT_TYPE_EXITED:
        more = describe_system_exit(event.compute_system)
    elif event.event_type == pb.SYSTEM_EVENT_TYPE_OUT_OF_MEMORY:
        limit = event.compute_system.limits.memory_bytes
        more = f"limit {limit_size(limit)}" if limit else ""
    return f"{told} ({more})" if more else told


def _detail(event: pb.ProcessEvent) -> str:
    import shlex

    from hcsd.cli.output.words import describe_exit
    from hcsd.v1 import event_pb2 as pb

    process = event.process
    if event.type == pb.PROCESS_EVENT_TYPE_CREATED:
        return process.spec.command_line or shlex.join(process.spec.argv.args)
    if event.type == pb.PROCESS_EVENT_TYPE_STARTED:
        return f"pid {process.pid}"
    return describe_exit(process) if event.type == pb.PROCESS_EVENT_TYPE_EXITED else ""
