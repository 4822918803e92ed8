"""Commands about processes that the daemon knows: ps, open, inspect, wait, signal, resize, kill."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from hcsd.cli._connection import ClientCommands
from hcsd.cli._execute import execute
from hcsd.cli._names import ids_of, process_of, system_of
from hcsd.cli._options import (
    NameArgument,
    NamesArgument,
    OutputFormat,
    OutputOption,
    SystemOption,
    seconds_of,
)

if TYPE_CHECKING:
    from hcsd.v1 import process_pb2 as pb
    from hcsd_client import Client

app = ClientCommands()

HEADER = ("ID", "SYSTEM", "PID", "STATE", "EXIT", "STARTED", "COMMAND")
MAX_INT32 = 0x7FFFFFFF
MAX_SIDE = 0xFFFF  # of a console
STYLES = {"running": "green", "creating": "cyan", "failed": "red", "lost": "red", "exited": "dim"}


@app.command("ps")
def ps(
    context: typer.Context,
    *,
    everything: Annotated[
        bool, typer.Option("--all", "-a", help="Show those that have ended, too.")
    ] = False,
    system: SystemOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """List processes.

    Of all systems or of one; only those that run, unless --all says so.
    """

    async def work(client: Client) -> int:
        from hcsd.cli._output import print_json_array, print_table
        from hcsd.v1 import process_pb2 as pb
        from hcsd_client import ALL_SYSTEMS

        states = [] if everything else [pb.PROCESS_STATE_CREATING, pb.PROCESS_STATE_RUNNING]
        parent = system_of(system) if system else ALL_SYSTEMS
        processes = [process async for process in client.list_processes(parent, states=states)]
        if output is OutputFormat.JSON:
            print_json_array(processes)
        else:
            now = time.time()
            print_table(HEADER, [_row(process, now) for process in processes], STYLES)
        return 0

    execute(context, work)


@app.command("open")
def open_(
    context: typer.Context,
    pid: Annotated[
        int, typer.Argument(metavar="PID", min=1, max=2**32 - 1, help="Its pid in the guest.")
    ],
    *,
    name: Annotated[
        str, typer.Option("--name", metavar="ID", help="Id of the process. Default: a new one.")
    ] = "",
    system: SystemOption = None,
) -> None:
    """Make a process known that runs in a compute system already, and print its name.

    Then it can be waited for, signalled and killed. Its output stays with whoever started it.
    """

    async def work(client: Client) -> int:
        opened = await client.open_process(pid, parent=system_of(system), process_id=name)
        typer.echo(opened.name)
        return 0

    execute(context, work)


@app.command("inspect")
def inspect(
    context: typer.Context,
    names: NamesArgument,
    *,
    system: SystemOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Show all that is known of processes."""

    async def work(client: Client) -> int:
        from hcsd.cli._output import print_json_array, print_trees

        processes = [await client.get_process(process_of(name, system)) for name in names]
        if output is OutputFormat.JSON:
            print_json_array(processes)
        else:
            print_trees(processes)
        return 0

    execute(context, work)


@app.command("wait")
def wait(
    context: typer.Context,
    names: NamesArgument,
    *,
    system: SystemOption = None,
) -> None:
    """Wait for processes and print their exit codes.

    One a line, in the order of the names. The exit code of this command is 0 if every process has ended with a code, whatever it is.
    """

    async def work(client: Client) -> int:
        from hcsd.cli._errors import FAILED
        from hcsd.cli._text import say

        code = 0
        for name in names:
            ended = (await client.wait_process(process_of(name, system))).process.exit
            outcome = ended.WhichOneof("outcome")
            if outcome == "exit_code":
                typer.echo(ended.exit_code)
                continue
            why = ended.start_error if outcome == "start_error" else ended.unknown
            say(f"'{name}' has no exit code: {why.message}")
            code = FAILED
        return code

    execute(context, work)


@app.command("signal")
def signal(
    context: typer.Context,
    name: NameArgument,
    signal_: Annotated[
        str,
        typer.Argument(metavar="SIGNAL", help="As in TERM, SIGTERM, 15 or CtrlC."),
    ],
    *,
    system: SystemOption = None,
) -> None:
    """Send a signal to a process.

    Or a console event of Windows; each has its counterpart on the other kind of system.
    """

    async def work(client: Client) -> int:
        from hcsd.cli._text import say
        from hcsd.v1 import process_pb2 as pb

        is_number = signal_.isdecimal() and int(signal_) <= MAX_INT32  # else the daemon refuses it
        what = int(signal_) if is_number else signal_
        answer = await client.signal_process(process_of(name, system), what)
        if answer.delivery == pb.SIGNAL_DELIVERY_ALREADY_EXITED:
            say(f"'{name}' has ended already")
        elif answer.delivery == pb.SIGNAL_DELIVERY_PENDING:
            say(f"'{name}' has not taken the signal yet")
        return 0

    execute(context, work)


@app.command("resize")
def resize(
    context: typer.Context,
    name: NameArgument,
    columns: Annotated[int, typer.Argument(metavar="COLUMNS", min=1, max=MAX_SIDE, help="Width.")],
    rows: Annotated[int, typer.Argument(metavar="ROWS", min=1, max=MAX_SIDE, help="Height.")],
    *,
    system: SystemOption = None,
) -> None:
    """Change the size of a process's console, in characters.

    Who is attached to it does so by changing the size of the terminal.
    """

    async def work(client: Client) -> int:
        await client.modify_process(process_of(name, system), console_size=(columns, rows))
        return 0

    execute(context, work)


@app.command("kill")
def kill(
    context: typer.Context,
    names: NamesArgument,
    *,
    grace: Annotated[
        float | None,
        typer.Option(
            "--grace",
            metavar="DURATION",
            parser=seconds_of,
            help="Send TERM first, and kill what has not ended after this time, as in 10s.",
        ),
    ] = None,
    system: SystemOption = None,
) -> None:
    """End processes by force.

    One that has ended already is no error. What is killed has not ended yet when this command has:
    see 'hcsd wait'.
    """

    async def work(client: Client) -> int:
        for name in names:
            await client.terminate_process(process_of(name, system), grace_period=grace)
        return 0

    execute(context, work)


def _row(process: pb.Process, now: float) -> tuple[str, ...]:
    import shlex

    from hcsd.cli._exits import describe
    from hcsd.cli._output import ago
    from hcsd.v1 import process_pb2 as pb

    system_id, process_id = ids_of(process.name)
    spec = process.spec
    started = process.HasField("start_time")
    return (
        process_id,
        system_id,
        str(process.pid) if process.pid else "",
        pb.ProcessState.Name(process.state).removeprefix("PROCESS_STATE_").lower(),
        describe(process),
        ago(now - process.start_time.ToNanoseconds() / 1e9) if started else "",
        spec.command_line or shlex.join(spec.argv.args),
    )
