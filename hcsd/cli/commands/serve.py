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
    PassEnvOption,
    PrintConfigOption,
    TlsCertOption,
    TlsClientCaOption,
    TlsKeyOption,
    TokenFileOption,
)
from hcsd.cli.help_text import PlainCommand
from hcsd.cli.listeners import TcpOptions, open_listeners
from hcsd.cli.output.text import say
from hcsd.control_groups import ControlGroups
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
    by a second one or SIGQUIT. SIGHUP opens the log file again, or ends a daemon whose terminal is
    gone. SIGUSR1 logs what the daemon is doing. 'hcsd docs running' has the rest.
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
    """

    addresses: list[str]
    tcp: TcpOptions
    limits: Limits
    pass_env: tuple[str, ...]
    control_groups: ControlGroups
    log_file: Path | None
    log_format: Format

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
    from hcsd.cli.wake_on_signals import waking_on_signals
    from hcsd.engine import open_host
    from hcsd.rpc.server import Server

    listeners = open_listeners(settings.addresses, settings.tcp)

    def ready(bound: list[str]) -> None:
        if listeners.needs:
            settings.tell(logging.INFO, f"TCP clients need {listeners.needs}")
        more = f"; version {__version__}, pid {os.getpid()}"
        settings.tell(logging.INFO, f"ready at {', '.join(bound)}", more)
        on_ready(bound)

    limits = settings.limits
    host = open_host(
        settings.pass_env,
        limits.start_timeout,
        max_tasks=limits.max_tasks_per_system,
        control_groups=settings.control_groups,
        reaps_orphans=True,
    )
    server = Server(host, listeners.all, listeners.token, limits)
    with waking_on_signals():
        stops.hand_to(server.stop)
        await server.run(ready)
    logger.info("stopped")
