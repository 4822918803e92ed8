"""`hcsd run`: runs a process."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Annotated

import typer

from hcsd.cli import exit_codes
from hcsd.cli.connection import ClientCommands
from hcsd.cli.execute import execute
from hcsd.cli.options import (
    DetachKeysOption,
    SystemOption,
    bytes_of,
    check_pairs,
    expand_variables,
    seconds_of,
    variables_in,
)
from hcsd.cli.process_shape import (
    LimitsOption,
    NoNewPrivilegesOption,
    OomScoreOption,
    UmaskOption,
    shape,
)
from hcsd.cli.process_spec import directory_of, options_of, pairs_of, spec_of
from hcsd.cli.resource_names import system_of
from hcsd.cli.session.session_command import SessionCommand
from hcsd.cli.stdin_file import StdinFileOption, take_stdin_from
from hcsd.cli.system_limits import (
    OWNER,
    CpusOption,
    MemoryOption,
    check_own_system,
    configuration,
)
from hcsd.cli.terminal.detach_keys import DETACH_KEYS, DetachKeys
from hcsd.cli.terminal.terminal import NoTerminalError, Terminal

if TYPE_CHECKING:
    from hcsd_client import Client

EPILOG = """\b
Exit code:
  0-255  that of the process; 128+n if signal n ended it, which stderr names
  0      detached by the detach keys; the process goes on
  125    hcsd itself failed: no daemon, a request that is not valid
  126    the program cannot be executed
  127    there is no such program
  130    left by a second Ctrl-C; the process goes on
  141    nobody reads this command's output any more; the process was ended,
         with all that it had started

\b
Examples:
  hcsd run -- sh -c 'echo out; echo err >&2; exit 7'
  hcsd run -i -- sort < names.txt
  hcsd run -it -- bash
  hcsd run --env LANG=C --workdir /tmp ls -l
  hcsd run -u nobody --ulimit nofile=4096 --umask 077 -- env
  hcsd run -d -w . --name build-1 -- make all
  hcsd run -w . --timeout 10m --stderr-to-stdout -- make test > log
  hcsd run -d --stdin-file names.txt --name sorted -- sort
  hcsd run -w . --memory 256m --cpus 0.5 -- make
  hcsd run -d -w . --env-file web.env --keep 64m --name web -- ./serve
"""


OUTPUT = "Output and what is kept"

app = ClientCommands()


@app.command(
    "run",
    cls=SessionCommand,
    epilog=EPILOG,
    context_settings={"allow_interspersed_args": False},
)
def run(
    context: typer.Context,
    command: Annotated[
        list[str], typer.Argument(metavar="COMMAND", help="Program and its arguments.")
    ],
    *,
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="Only start it, and print its name.")
    ] = False,
    stdin: Annotated[
        bool,
        typer.Option(
            "--stdin",
            "--interactive",
            "-i",
            help="Pass this command's stdin to the process; with -d, leave its stdin open for "
            "'hcsd attach'.",
        ),
    ] = False,
    stdin_file: StdinFileOption = None,
    tty: Annotated[
        bool,
        typer.Option(
            "--tty", "-t", help="Give it a console, as large as this terminal and of its kind."
        ),
    ] = False,
    name: Annotated[
        str, typer.Option("--name", metavar="ID", help="Id of the process. Default: a new one.")
    ] = "",
    env: Annotated[
        list[str] | None,
        typer.Option(
            "--env",
            "-e",
            metavar="KEY[=VALUE]",
            callback=expand_variables,
            help="Variable for the process, on top of the system's own; without VALUE, the one "
            "set here. May be given more than once.",
        ),
    ] = None,
    env_file: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE",
            help="File with a KEY=VALUE in each line; --env wins. May be given more than once.",
        ),
    ] = None,
    workdir: Annotated[
        str,
        typer.Option(
            "--workdir",
            "-w",
            metavar="DIR",
            help="Working directory; on a Unix socket a relative one is seen from here. Default: the"
            " home of the user.",
        ),
    ] = "",
    user: Annotated[
        str,
        typer.Option(
            "--user",
            "-u",
            metavar="USER[:GROUP]",
            help="Whom to run it as, by names or numbers. Default: the daemon's user.",
        ),
    ] = "",
    system: SystemOption = None,
    run_timeout: Annotated[
        float | None,
        typer.Option(
            "--timeout",
            "--run-timeout",
            metavar="TIME",
            parser=seconds_of,
            help="How long it may run before it is killed, with all that it has started. Default:"
            " without limit.",
        ),
    ] = None,
    remove: Annotated[
        bool | None,
        typer.Option(
            "--rm/--no-rm",
            help="Remove the process with its output when it has ended here. Default: if it has no"
            " --name.",
        ),
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(
            "--label",
            "-l",
            metavar="KEY=VALUE",
            callback=check_pairs,
            help="Label to store with it. May be given more than once.",
        ),
    ] = None,
    stderr_to_stdout: Annotated[
        bool,
        typer.Option(
            "--stderr-to-stdout",
            rich_help_panel=OUTPUT,
            help="Join its stderr to its stdout, in the order of writing.",
        ),
    ] = False,
    keep: Annotated[
        int | None,
        typer.Option(
            metavar="SIZE",
            parser=bytes_of,
            rich_help_panel=OUTPUT,
            help="How much of each output to keep, as in 256m. Default: that of the daemon.",
        ),
    ] = None,
    pin: Annotated[
        bool,
        typer.Option(
            "--pin",
            rich_help_panel=OUTPUT,
            help="Keep the process after its end until you remove it, however long that is.",
        ),
    ] = False,
    memory: MemoryOption = None,
    cpus: CpusOption = None,
    umask: UmaskOption = "",
    ulimit: LimitsOption = None,
    oom_score_adj: OomScoreOption = None,
    no_new_privileges: NoNewPrivilegesOption = False,
    detach_keys: DetachKeysOption = DETACH_KEYS,
) -> None:
    """Run a process and pass its output on.

    Each stream goes to this command's own, as it is written and byte for byte. Stdin is not touched
    unless -i says so. Ctrl-C goes to the process; a second one leaves it running and ends this
    command.

    With -it the process has this terminal, as if it were run here: shells, editors and pagers work,
    Ctrl-C goes to the program in the foreground. Ctrl-P Ctrl-Q detaches: the process goes on, and
    waits when nobody has read the last megabyte it wrote; 'hcsd attach' returns to it. The terminal
    is put back in any case.

    With --memory or --cpus a compute system is made for the process. It is held to these limits, and
    removed with all that is in it when the process has ended.
    """
    if memory is not None or cpus is not None:
        check_own_system(system, memory, cpus, detach=detach)
    if detach and remove:
        raise typer.BadParameter("it is only for a process in the foreground", param_hint="--rm")
    if pin and remove:
        raise typer.BadParameter("must not be given with --pin", param_hint="--rm")
    if stdin_file is not None:
        if stdin or tty:
            raise typer.BadParameter("must not be given with -i or -t", param_hint="--stdin-file")
        take_stdin_from(stdin_file)
        stdin = True
    variables = [line for path in env_file or [] for line in variables_in(path)] + (env or [])

    async def work(client: Client) -> int:
        parent = system_of(system)
        terminal = _terminal(types=stdin) if tty and not detach else None
        directory = directory_of(workdir, local=client.address.is_unix)
        spec = spec_of(command, variables, directory, user, stdin=stdin, tty=tty)
        shape(spec, umask, ulimit or [], oom_score_adj, no_new_privileges=no_new_privileges)
        if run_timeout is not None:
            spec.run_timeout.FromNanoseconds(round(run_timeout * 1e9))
        if stderr_to_stdout:
            spec.output.stderr_to_stdout = True
        if keep is not None:
            spec.output.ring_bytes = keep
        labels = dict(pairs_of(label or []))
        # Imported here, so that help does not load gRPC.
        if detach:
            from hcsd.cli.session.detached_start import start

            feed = stdin_file is not None
            return await start(client, spec, parent, name, labels, pin=pin, feed=feed)
        from hcsd.cli.session.console_session import ConsoleSession
        from hcsd.cli.session.own_system import in_own_system
        from hcsd.cli.session.session import Session

        async def in_foreground(parent: str) -> int:
            run = client.run_process(
                spec,
                parent=parent,
                process_id=name,
                labels=labels,
                options=options_of(pin=pin),
                # So that it goes on if the connection is lost at once.
                request_id=str(uuid.uuid4()),
            )
            if terminal is None:
                session = Session(client, run, forward_stdin=stdin, owned=True)
            else:
                keys = DetachKeys(detach_keys) if stdin else None
                session = ConsoleSession(client, run, terminal, keys, owned=True)
            code = await session.execute()
            if remove or (remove is None and not name and not pin):
                await session.remove()
            return code

        if memory is None and cpus is None:
            return await in_foreground(parent)
        document = configuration(OWNER, memory, cpus, local=client.address.is_unix)
        return await in_own_system(client, document, in_foreground)

    execute(context, work, failure_code=exit_codes.RUN_FAILED)


def _terminal(*, types: bool) -> Terminal:
    try:
        return Terminal.ours(types=types)
    except NoTerminalError as error:
        raise NoTerminalError(f"-t needs a terminal: {error}") from None
