"""Commands of `hcsd system` that change compute systems, from their creation to their removal."""

from __future__ import annotations

import sys
from pathlib import Path  # noqa: TC003  (typer reads it)
from typing import TYPE_CHECKING, Annotated

import typer

from hcsd.cli import exit_codes
from hcsd.cli.connection import ClientCommands
from hcsd.cli.execute import execute, for_each
from hcsd.cli.options import SystemsArgument, seconds_of
from hcsd.cli.resource_names import system_of
from hcsd.cli.system_limits import OWNER, CpusOption, MemoryOption, configuration

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from hcsd.v1 import compute_system_pb2 as pb
    from hcsd_client import Client

CREATE_EPILOG = """\b
Examples:
  hcsd system create --memory 512 --start web
  hcsd system create --file web.json
"""
START_EPILOG = """\b
Examples:
  hcsd system start web
  hcsd system start web db
"""
STOP_EPILOG = """\b
Examples:
  hcsd system stop web
  hcsd system stop --timeout 1m web db
"""
KILL_EPILOG = """\b
Examples:
  hcsd system kill web
  hcsd system kill web db
"""
PAUSE_EPILOG = """\b
Examples:
  hcsd system pause web
  hcsd system pause web db
"""
RESUME_EPILOG = """\b
Examples:
  hcsd system resume web
  hcsd system resume web db
"""
RM_EPILOG = """\b
Examples:
  hcsd system rm web
  hcsd system rm --force web db
"""

app = ClientCommands()


@app.command("create", epilog=CREATE_EPILOG)
def create(
    context: typer.Context,
    system: Annotated[
        str | None,
        typer.Argument(metavar="ID", help="Its id. Default: issued by the daemon."),
    ] = None,
    *,
    file: Annotated[
        Path | None,
        typer.Option(
            "--file",
            "-f",
            metavar="FILE",
            help="ComputeSystem document to create it from, passed on as it is; - is standard"
            " input. The options for what is in a document are not for use with it.",
        ),
    ] = None,
    owner: Annotated[
        str | None, typer.Option(metavar="TEXT", help=f"Its owner. Default: {OWNER}.")
    ] = None,
    memory: MemoryOption = None,
    cpus: CpusOption = None,
    start: Annotated[bool, typer.Option("--start", help="Start it, too.")] = False,
) -> None:
    """Create a compute system and print its id.

    Without a document it is a container of which nothing more is said. HCS on Windows wants to know at
    least its layers, so there a document is needed.
    """
    if file is not None and (owner, memory, cpus) != (None, None, None):
        raise typer.BadParameter("say it in the document", param_hint="--file")
    document = None if file is None else _read(file)

    async def work(client: Client) -> int:
        from hcsd.cli.output.text import show

        said = document
        if said is None:
            said = configuration(owner or OWNER, memory, cpus, local=client.address.is_unix)
        created = await client.create_system(said, system_id=system or "", start=start)
        show(created.system.system_id)
        return _started(created.system) if start else 0

    execute(context, work)


def _started(system: pb.ComputeSystem) -> int:
    """Return the exit code for a system that was started, and say so if it has ended since."""
    from hcsd.cli.output.text import say
    from hcsd.cli.output.words import describe_system_exit

    if not system.HasField("exit"):
        return 0
    how = describe_system_exit(system) or "how is not known"
    say(f"'{system.system_id}' was started and has ended: {how} (0x{system.exit.status:08X})")
    return exit_codes.FAILED


def _read(file: Path) -> str:
    try:
        data = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        return data.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        msg = f"cannot read '{file}': {error}"
        raise typer.BadParameter(msg, param_hint="--file") from error


@app.command("start", epilog=START_EPILOG)
def start(
    context: typer.Context,
    systems: SystemsArgument,
) -> None:
    """Start compute systems that were created and not started."""

    async def work(client: Client) -> int:
        dead = []

        async def start_one(system: str) -> None:
            if _started(await client.start_system(system_of(system))):
                dead.append(system)

        return await for_each(client, systems, start_one) or (exit_codes.FAILED if dead else 0)

    execute(context, work)


@app.command("stop", epilog=STOP_EPILOG)
def stop(
    context: typer.Context,
    systems: SystemsArgument,
    *,
    timeout: Annotated[
        float,
        typer.Option(
            "--timeout",
            "-t",
            metavar="DURATION",
            parser=seconds_of,
            help="How long each has to shut down, as in 10s.",
        ),
    ] = "30s",  # type: ignore[assignment]  # parsed as if it were said
    kill: Annotated[
        bool,
        typer.Option("--kill/--no-kill", help="Kill what cannot be shut down, or not in time."),
    ] = True,
) -> None:
    """Shut compute systems down, and wait for their ends.

    One that has ended already is no error.
    """

    async def work(client: Client) -> int:
        from hcsd.cli.output.progress import waiting
        from hcsd.cli.output.text import say

        alive = []

        async def end(system: str) -> None:
            with waiting(f"waiting for '{system}' to shut down"):
                answer = await client.shut_down_system(
                    system_of(system), timeout=timeout, force=kill
                )
            if answer.forced:
                say(f"'{system}' had to be killed")
            elif answer.timed_out:
                say(f"'{system}' has not ended yet")
                alive.append(system)

        return await for_each(client, systems, end) or (exit_codes.FAILED if alive else 0)

    execute(context, work)


@app.command("kill", epilog=KILL_EPILOG)
def kill(
    context: typer.Context,
    systems: SystemsArgument,
) -> None:
    """Kill compute systems with all that runs in them, and wait for their ends.

    One that has ended already is no error.
    """
    _for_each(context, systems, _kill)


@app.command("pause", epilog=PAUSE_EPILOG)
def pause(
    context: typer.Context,
    systems: SystemsArgument,
) -> None:
    """Pause all that runs in compute systems."""
    _for_each(context, systems, lambda client, name: client.pause_system(name))


@app.command("resume", epilog=RESUME_EPILOG)
def resume(
    context: typer.Context,
    systems: SystemsArgument,
) -> None:
    """Let paused compute systems run on."""
    _for_each(context, systems, lambda client, name: client.resume_system(name))


@app.command("rm", epilog=RM_EPILOG)
def rm(
    context: typer.Context,
    systems: SystemsArgument,
    *,
    force: Annotated[
        bool, typer.Option("--force", "-f", help="Remove those, too, in which something may run.")
    ] = False,
) -> None:
    """Remove compute systems from the host.

    HCS keeps none that has ended, so this ends those that have not; one that has ended already is no
    error. One that runs or is paused needs --force: see 'hcsd system stop'.
    """

    async def work(client: Client) -> int:
        from hcsd.cli.output.text import say
        from hcsd.cli.output.words import system_state
        from hcsd.v1 import compute_system_pb2 as pb

        busy = {pb.COMPUTE_SYSTEM_STATE_RUNNING, pb.COMPUTE_SYSTEM_STATE_PAUSED}
        refused = []

        async def remove(system: str) -> None:
            name = system_of(system)
            found = await client.get_system(name)
            if found.state in busy and not force:
                say(f"'{system}' is {system_state(found)}: stop it first, or use --force")
                refused.append(system)
            else:
                await _kill(client, name)

        return await for_each(client, systems, remove) or (exit_codes.FAILED if refused else 0)

    execute(context, work)


async def _kill(client: Client, name: str) -> None:
    await client.terminate_system(name)
    await client.wait_system(name)


def _for_each(
    context: typer.Context,
    systems: list[str],
    change: Callable[[Client, str], Awaitable[object]],
) -> None:
    """Do something to one system after the other."""

    async def work(client: Client) -> int:
        return await for_each(client, systems, lambda system: change(client, system_of(system)))

    execute(context, work)
