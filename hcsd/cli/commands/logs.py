"""`hcsd logs`: shows what a process has written."""

from __future__ import annotations

import math
import time
from datetime import datetime  # noqa: TC003  (typer reads it)
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from hcsd.cli import exit_codes
from hcsd.cli.connection import ClientCommands
from hcsd.cli.execute import execute
from hcsd.cli.options import OLDER_HELP, NamesArgument, SystemOption, moment_option
from hcsd.cli.resource_names import process_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hcsd.cli.session.log_lines import LogLines
    from hcsd.cli.session.sink import Sink
    from hcsd_client import Client, Output

app = ClientCommands()

EPILOG = """\b
Examples:
  hcsd logs build-1
  hcsd logs --follow --tail 10 build-1 build-2
  hcsd logs --timestamps --since 10m build-1
  hcsd logs --since 2h --until 1h build-1
  hcsd logs -f --stdout-only build-1 | grep warning
"""


@app.command("logs", epilog=EPILOG)
def logs(
    context: typer.Context,
    names: NamesArgument,
    *,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until the processes have ended.")
    ] = False,
    timestamps: Annotated[
        bool,
        typer.Option(
            "--timestamps", "-t", help="Show before each line when it was read from the process."
        ),
    ] = False,
    since: Annotated[datetime | None, moment_option("--since", OLDER_HELP)] = None,
    until: Annotated[
        datetime | None,
        moment_option(
            "--until", "Leave out what is newer; with --follow, end when that time has come."
        ),
    ] = None,
    tail: Annotated[
        int | None,
        typer.Option(
            "--tail",
            "-n",
            metavar="LINES",
            min=0,
            max=2**32 - 1,
            help="Begin with the last lines of what is kept. Default: all.",
        ),
    ] = None,
    stdout_only: Annotated[
        bool, typer.Option("--stdout-only", help="Leave out what it wrote to stderr.")
    ] = False,
    stderr_only: Annotated[
        bool, typer.Option("--stderr-only", help="Leave out what it wrote to stdout.")
    ] = False,
    system: SystemOption = None,
) -> None:
    """Show what processes have written.

    Each stream goes to this command's own, both in the order in which they were read. Of several processes
    each line begins with a name. What the daemon no longer has is said on stderr. Reading takes nothing away.
    """
    if stdout_only and stderr_only:
        raise typer.BadParameter("--stdout-only and --stderr-only leave nothing to show")

    async def work(client: Client) -> int:
        from hcsd.cli.session.log_lines import LogLines
        from hcsd.cli.session.sink import Sink
        from hcsd.v1 import process_pb2 as pb

        streams = {
            (True, False): [pb.OUTPUT_STREAM_STDOUT],
            (False, True): [pb.OUTPUT_STREAM_STDERR],
        }.get((stdout_only, stderr_only), [])
        last = math.inf if until is None else until.timestamp()
        follows = follow and last > time.time()
        sink = Sink()

        def output_of(process: str) -> Output:
            return client.read_output(
                process_of(process, None),
                cursors=[pb.OutputCursor(stream=stream) for stream in streams],
                follow=follows,
                timestamps=timestamps or until is not None,
                since=since,
                last_lines=tail,
            )

        shown = [
            (
                partial(output_of, process_of(name, system)),
                LogLines(sink, name=name if len(names) > 1 else "", times=timestamps),
            )
            for name in dict.fromkeys(names)
        ]
        return await _show(client, shown, sink, at_once=follows, last=last)

    execute(context, work)


async def _show(
    client: Client,
    shown: Sequence[tuple[Callable[[], Output], LogLines]],
    sink: Sink,
    *,
    at_once: bool,
    last: float,
) -> int:
    """Show the outputs, until they end or the time `last` has come, and return the exit code.

    Args:
        client: Open client.
        shown: Of each process what reads its output and what shows it.
        sink: Where they are shown.
        at_once: Show all as they come; else one after another.
        last: The newest to be shown, in seconds since 1970.
    """
    # Imported here, so that help does not load gRPC.
    import anyio

    from hcsd.cli.errors import say_error
    from hcsd.cli.hints import understanding
    from hcsd.cli.session.exits import sink_exit_code
    from hcsd_client import CallError

    failures: list[CallError] = []

    async def read(output_of: Callable[[], Output], lines: LogLines) -> None:
        async with output_of() as output:
            async for event in output:
                if event.HasField("chunk") and event.chunk.read_time.ToNanoseconds() > last * 1e9:
                    break  # and so is all that follows, since it comes as it was read
                await lines.show(event)

    async def show(output_of: Callable[[], Output], lines: LogLines) -> None:
        try:
            await understanding(client, lambda: read(output_of, lines))
            await lines.finish()
        except CallError as error:
            failures.append(error)
            if len(shown) > 1:
                await sink.flush()
                say_error(error)

    async def show_all() -> None:
        async with anyio.create_task_group() as tasks:
            for output_of, lines in shown:
                if at_once:
                    tasks.start_soon(show, output_of, lines)
                else:
                    await show(output_of, lines)

    async def stop_on_failure(scope: anyio.CancelScope) -> None:
        await sink.failed()
        scope.cancel()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(stop_on_failure, tasks.cancel_scope)
        with anyio.move_on_after(last - time.time() if at_once else math.inf) as in_time:
            await show_all()
        if in_time.cancelled_caught:
            for _, lines in shown:
                await lines.finish()
        await sink.flush()
        tasks.cancel_scope.cancel()
    if sink.failure is not None:
        return sink_exit_code(sink.failure, other=exit_codes.FAILED)
    if failures and len(shown) == 1:
        raise failures[0]
    return exit_codes.FAILED if failures else 0
