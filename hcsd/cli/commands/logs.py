"""`hcsd logs`: shows what a process has written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from hcsd.cli import exit_codes
from hcsd.cli.connection import ClientCommands
from hcsd.cli.execute import execute
from hcsd.cli.options import NameArgument, SystemOption  # noqa: TC001  (typer reads them)
from hcsd.cli.resource_names import process_of

if TYPE_CHECKING:
    from hcsd_client import Client, Output

app = ClientCommands()

EPILOG = """\b
Examples:
  hcsd logs build-1
  hcsd logs --follow --tail 10 build-1
  hcsd logs -f --stdout-only build-1 | grep warning
"""


@app.command("logs", epilog=EPILOG)
def logs(
    context: typer.Context,
    name: NameArgument,
    *,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until the process has ended.")
    ] = False,
    tail: Annotated[
        int | None,
        typer.Option(
            "--tail",
            "-n",
            metavar="LINES",
            min=0,
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
    """Show what a process has written.

    Each stream goes to this command's own. What the daemon no longer has is said on stderr.
    Reading takes nothing away.
    """
    if stdout_only and stderr_only:
        raise typer.BadParameter("--stdout-only and --stderr-only leave nothing to show")

    async def work(client: Client) -> int:
        from hcsd.v1 import process_pb2 as pb

        streams = {
            (True, False): [pb.OUTPUT_STREAM_STDOUT],
            (False, True): [pb.OUTPUT_STREAM_STDERR],
        }.get((stdout_only, stderr_only), [])
        cursors = [pb.OutputCursor(stream=stream) for stream in streams]
        output = client.read_output(process_of(name, system), cursors=cursors, follow=follow)
        return await _show(output, tail)

    execute(context, work)


async def _show(output: Output, lines: int | None) -> int:
    # Imported here, so that help does not load gRPC.
    import anyio

    from hcsd.cli.session.exits import sink_exit_code
    from hcsd.cli.session.sink import Sink
    from hcsd.cli.session.tail import Tail
    from hcsd_client import CallError

    sink = Sink()
    tail = Tail(lines, sink)
    failure: CallError | None = None

    async def stop_on_failure(scope: anyio.CancelScope) -> None:
        await sink.failed()
        scope.cancel()

    async with anyio.create_task_group() as tasks, output:
        tasks.start_soon(stop_on_failure, tasks.cancel_scope)
        try:
            async for event in output:
                await tail.show(event)
        except CallError as error:
            failure = error
        await tail.finish()
        await sink.flush()
        tasks.cancel_scope.cancel()
    if sink.failure is not None:
        return sink_exit_code(sink.failure, other=exit_codes.FAILED)
    if failure is not None:
        raise failure
    return 0
