"""`hcsd events`: tells what happens to compute systems and processes."""

from __future__ import annotations

import time
from contextlib import aclosing
from datetime import datetime  # noqa: TC003  (typer reads it)
from typing import TYPE_CHECKING, Annotated

import typer

from hcsd.cli.connection import ClientCommands
from hcsd.cli.event_filters import EventFilters
from hcsd.cli.execute import execute
from hcsd.cli.options import (
    OLDER_HELP,
    OutputFormat,
    OutputOption,
    SystemOption,
    moment_option,
)
from hcsd.cli.resource_names import id_of_system, system_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from hcsd.v1 import event_pb2 as pb
    from hcsd.v1.event_service_pb2 import WatchEventsResponse
    from hcsd_client import Client

EPILOG = """\b
Examples:
  hcsd events --since 10m
  hcsd events --follow --filter type=process --filter event=exited
  hcsd events -f --filter label=app=web --output json
  hcsd events --since 2026-11-30T14:00 --until 2026-11-30T15:00
"""
WHICH = "Which events"

app = ClientCommands()


@app.command("events", epilog=EPILOG)
def events(
    context: typer.Context,
    *,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what happens from now on.")
    ] = False,
    output: OutputOption = OutputFormat.TABLE,
    since: Annotated[datetime | None, moment_option("--since", OLDER_HELP, WHICH)] = None,
    until: Annotated[
        datetime | None,
        moment_option(
            "--until", "Leave out what is newer. With --follow, end at that time.", WHICH
        ),
    ] = None,
    filters: Annotated[
        list[str] | None,
        typer.Option(
            "--filter",
            metavar="KEY=VALUE",
            help="Only those with this: type=process or type=system, event=STEP, label=KEY=VALUE,"
            " system=SYSTEM, name=TEXT in the id. May be given more than once.",
            rich_help_panel=WHICH,
        ),
    ] = None,
    system: SystemOption = None,
) -> None:
    """Show what has happened to processes and systems.

    As far as it is kept: see 'hcsd info'. A STEP is created, started, exited, output-complete or deleted; of
    systems also paused, resumed, shutting-down, out-of-memory and forgotten. Times are local.

    JSON is an object a line, with all that is known. With --follow it goes on after a lost connection, and with a daemon
    that has lost its state, which is said on stderr.
    """
    wanted = EventFilters.of(filters or [])
    if system is not None:
        wanted.systems.append(id_of_system(system_of(system)))
    begin = since.timestamp() if since else 0.0
    end = until.timestamp() if until else float("inf")

    async def work(client: Client) -> int:
        import anyio

        from hcsd.cli.output.event_lines import HEADER, line_of
        from hcsd.cli.output.json_output import plain, print_json_line
        from hcsd.cli.output.text import show

        if output is OutputFormat.TABLE:
            show(HEADER)
        left = max(0.0, end - time.time()) if follow else float("inf")
        # The daemon keeps a system open that is watched by its name.
        parent = system_of(wanted.systems[0]) if len(wanted.systems) == 1 else ""
        found = _events(client, parent, follow=follow and left > 0)
        with anyio.move_on_after(left or float("inf")):
            async with aclosing(found):
                async for event in found:
                    at = event.event_time.ToNanoseconds() / 1e9
                    if not begin <= at <= end or not wanted.matches(event):
                        continue
                    if output is OutputFormat.JSON:
                        print_json_line(plain(event))
                    elif event.WhichOneof("event"):  # else it is of a later contract
                        show(line_of(event))
        return 0

    execute(context, work)


async def _events(client: Client, system: str, *, follow: bool) -> AsyncGenerator[pb.Event, None]:
    """Iterate over the events that are kept, and with `follow` those of one system, or of all, that come."""
    if not follow:
        async for message in _kept(client):
            yield message.event
        return
    from hcsd.cli.errors import RESTARTED
    from hcsd.cli.output.text import say
    from hcsd_client import DaemonRestartedError, RevisionCompactedError, SubscriberStalledError

    seen = (0, "")  # revision and incarnation
    while True:
        try:
            async with client.watch_events(parent=system, after_revision=0) as watch:
                async for message in watch:
                    event = message.event
                    is_new = event.incarnation != seen[1] or event.revision > seen[0]
                    if message.HasField("event") and is_new:
                        seen = event.revision, event.incarnation
                        yield event
        except DaemonRestartedError:
            say(f"{RESTARTED}; going on with the new one")
        except (RevisionCompactedError, SubscriberStalledError):
            say(
                "events are missing here: the daemon no longer had them; see --event-ring of 'hcsd serve'"
            )


async def _kept(client: Client) -> AsyncGenerator[WatchEventsResponse, None]:
    """Iterate over the events that are kept by now."""
    async with client.watch_events() as now:  # it begins with the revision that is the last by now
        last = (await anext(now)).bookmark
    # Of all systems, or it would not be sure that the last one comes.
    async with client.watch_events(after_revision=0) as watch:
        async for message in watch:
            if message.HasField("event"):
                yield message
            place = message.event if message.HasField("event") else message.bookmark
            if place.incarnation != last.incarnation or place.revision >= last.revision:
                return
