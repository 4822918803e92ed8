"""`hcsd serve`: the daemon in the foreground."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from typing import TYPE_CHECKING, NamedTuple

import typer

from hcsd.cli import exit_codes
from hcsd.cli.commands.limit_options import limits_of, with_limit_options
from hcsd.cli.commands.serve_options import (
    AsServiceOption,
    ConfigOption,
    ControlGroupsOption,
    Format,
    Level,
    ListenOption,
    LogFileOption,
    LogFormatOption,
    LogLevelOption,
    OnStopOption,
    PassEnvOption,
    PrintConfigOption,
    RestoreWindowOption,
    StateDirOption,
    TlsCertOption,
    TlsClientCaOption,
    TlsKeyOption,
    TokenFileOption,
)
from hcsd.cli.help_text import PlainCommand
from hcsd.cli.listeners import TcpOptions, open_listeners, state_dir_for
from hcsd.cli.output.text import say
from hcsd.control_groups import ControlGroups
from hcsd.daemon.on_stop import OnStop
from hcsd.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hcsd.cli.stop_requests import StopRequests
    from hcsd.daemon.settings import Limits

EPILOG = """\b
Examples:
  hcsd serve
  hcsd serve --listen 127.0.0.1:7443 --ring-memory 2g
  hcsd serve --print-config > hcsd.toml
  hcsd serve --config hcsd.toml --log-level debug
  hcsd serve --config hcsd.toml --max-processes 500 --print-config

\b
Exit code:
  0  ended in order
  1  it cannot start, as stderr says
  2  the command line makes no sense
"""

logger = logging.getLogger(__name__)

app = typer.Typer()


@app.command("serve", cls=PlainCommand, epilog=EPILOG)
@with_limit_options
def serve(
    context: typer.Context,
    *,
    listen: ListenOption = None,
    token_file: TokenFileOption = None,
    tls_cert: TlsCertOption = None,
    tls_key: TlsKeyOption = None,
    tls_client_ca: TlsClientCaOption = None,
    pass_env: PassEnvOption = None,
    control_groups: ControlGroupsOption = ControlGroups.AUTO,
    state_dir: StateDirOption = None,
    on_stop: OnStopOption = OnStop.END,
    restore_window: RestoreWindowOption = "1m",  # type: ignore[assignment]  # as one types it
    log_level: LogLevelOption = Level.INFO,
    log_format: LogFormatOption = Format.TEXT,
    log_file: LogFileOption = None,
    config: ConfigOption = None,
    print_config: PrintConfigOption = False,
    as_service: AsServiceOption = False,
    **limits: object,
) -> None:
    """Run the daemon in the foreground.

    It starts processes for whoever reaches it, as the user it runs as; so by default nobody but
    that user can. It ends in order by Ctrl-C or SIGTERM, on Windows also by Ctrl-Break, and at once
    by a second one or SIGQUIT. SIGHUP reads the configuration and opens the log file again, or ends a
    daemon whose terminal is gone. SIGUSR1 logs what the daemon is doing. 'hcsd docs running' has the rest.
    """
    from hcsd.cli.configuration import refuse_misfits

    refuse_misfits(context)
    if print_config:
        from hcsd.cli.configuration_print import print_configuration

        print_configuration(context)
        return
    import hcsd.rpc  # noqa: F401  (before the client: it loads gRPC as a daemon needs it)
    from hcsd import logs
    from hcsd.cli.daemon_signals import answering_signals
    from hcsd.cli.stop_requests import StopRequests
    from hcsd.errors import HcsdError
    from hcsd.folders import default_token_file
    from hcsd_client import AddressError

    expected = (HcsdError, AddressError, OSError)
    stops = StopRequests()
    settings = Settings(
        listen or [],
        TcpOptions(token_file or default_token_file(), tls_cert, tls_key, tls_client_ca),
        limits_of(limits),
        tuple(pass_env or ()),
        control_groups,
        log_file,
        log_format,
        state_dir,
        on_stop,
        restore_window,
        context,
    )
    with logs.standard_error() as errors, contextlib.ExitStack() as logging_there:
        log = logs.logging_to(errors, log_level.value, log_format.value, log_file)
        try:
            reopen = logging_there.enter_context(log)
        except OSError as error:
            why = f"cannot open the log file '{log_file}': {error.strerror}"
            say(f"cannot start: {why}; name another with --log-file")
            raise typer.Exit(exit_codes.FAILED) from None
        try:
            settings = settings.with_state_dir()
            if as_service:
                _serve_as_service(settings, stops, expected)
            else:
                with answering_signals(stops, reopen):
                    _run(settings, stops, lambda _bound: None)
        except expected as error:
            settings.tell(logging.ERROR, f"cannot start: {error}")
            raise typer.Exit(exit_codes.FAILED) from None


class Settings(NamedTuple):
    """What the daemon is started with.

    Attributes:
        addresses: Where to listen; empty for the default.
        tcp: What holds for TCP addresses.
        limits: Limits in force.
        pass_env: Variables of its environment that its processes have, too.
        control_groups: Which control groups may be used.
        log_file: Where the log goes; None for stderr.
        log_format: How it is written.
        state_dir: The folder of what a daemon that is started again goes on with; None for none.
        on_stop: What an orderly stop does with processes.
        restore_window: How long they outlive a daemon that is gone, in seconds; 0 for not at all.
        context: That of the command, which has the configuration file.
    """

    addresses: list[str]
    tcp: TcpOptions
    limits: Limits
    pass_env: tuple[str, ...]
    control_groups: ControlGroups
    log_file: Path | None
    log_format: Format
    state_dir: Path | None
    on_stop: OnStop
    restore_window: float
    context: typer.Context

    def with_state_dir(self) -> Settings:
        """Return them with the state directory that holds: as given, the default, or none.

        Raises:
            AddressError: HCSD_ADDRESS is no address.
        """
        folder = None
        if self.restore_window:
            folder = self.state_dir or state_dir_for(self.addresses)
        return self._replace(state_dir=folder and folder.absolute())

    def tell(self, level: int, text: str, more: str = "") -> None:
        """Tell whoever has started the daemon something, and the log, too.

        On stderr that is one line: of the log, if programs read that there, else of its own.

        Args:
            level: That of `logging`.
            text: What to tell.
            more: What only the log has, after that.
        """
        if self.log_file or self.log_format is Format.JSON:
            logger.log(level, "%s%s", text, more)
        if self.log_file or self.log_format is Format.TEXT:
            say(text)


def _serve_as_service(
    settings: Settings, stops: StopRequests, expected: tuple[type[Exception], ...]
) -> None:
    """Run the daemon for the service manager of Windows, which has started this process."""
    if sys.platform == "win32":  # noqa: TID251  (there is no such manager elsewhere)
        from hcsd.win32.service import host

        host(lambda ready: _run(settings, stops, ready), stops.request, expected)
    else:
        from hcsd.errors import HcsdError

        msg = "only Windows has services of this kind"
        raise HcsdError(msg)


def _run(settings: Settings, stops: StopRequests, on_ready: Callable[[list[str]], None]) -> None:
    import anyio

    anyio.run(_serve, settings, stops, on_ready)


async def _serve(
    settings: Settings, stops: StopRequests, on_ready: Callable[[list[str]], None]
) -> None:
    from hcsd.cli.configuration import FILE
    from hcsd.cli.kept_state import open_state
    from hcsd.cli.reload import Reload
    from hcsd.cli.wake_on_signals import waking_on_signals
    from hcsd.engine import open_host
    from hcsd.rpc.server import Server

    listeners = open_listeners(settings.addresses, settings.tcp)

    def ready(bound: list[str]) -> None:
        if listeners.needs:
            settings.tell(logging.INFO, f"TCP clients need {listeners.needs}")
        if server.restored:
            settings.tell(logging.INFO, f"went on with {server.restored}")
        more = f"; version {__version__}, pid {os.getpid()}"
        settings.tell(logging.INFO, f"ready at {', '.join(bound)}", more)
        on_ready(bound)

    limits = settings.limits
    with waking_on_signals(), contextlib.ExitStack() as held:
        kept = await open_state(settings.state_dir, listeners.all)
        held.callback(kept.close)
        host = open_host(
            settings.pass_env,
            limits.start_timeout,
            max_tasks=limits.max_tasks_per_system,
            control_groups=settings.control_groups,
            reaps_orphans=True,
            kept_in=kept.engine,
            restore_window=settings.restore_window,
        )
        server = Server(host, listeners.all, listeners.token, limits, kept.state)
        server.on_stop = settings.on_stop
        if FILE in settings.context.meta:
            reload = Reload(settings.context, server, keeps_state=settings.state_dir is not None)
            server.reload = reload
            stops.reload = reload.on_signal

        def stop() -> None:
            kept.note_stop()
            server.stop()

        stops.hand_to(stop)
        await server.run(ready)
        kept.over = server.ended
    logger.info("stopped")
