"""`hcsd serve`: the daemon in the foreground."""

from __future__ import annotations

import contextlib
import enum
import logging
import os
import sys
import tomllib
from pathlib import Path  # noqa: TC003  (typer reads it)
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from hcsd.cli.commands.limit_options import limits_of, with_limit_options
from hcsd.cli.listeners import TcpOptions, open_listeners
from hcsd.cli.options import check_names
from hcsd.cli.output.text import say
from hcsd.control_groups import ControlGroups
from hcsd.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable

    from hcsd.cli.stop_requests import StopRequests
    from hcsd.daemon.settings import Limits

CANNOT_START = 1
EPILOG = """\b
Examples:
  hcsd serve
  hcsd serve --listen 127.0.0.1:7443
  hcsd serve --config hcsd.toml --log-level debug
"""

logger = logging.getLogger(__name__)


class Level(enum.StrEnum):
    """Lowest level that is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Format(enum.StrEnum):
    """How logs are written."""

    TEXT = "text"
    JSON = "json"


def _load_config(context: typer.Context, path: Path | None) -> Path | None:
    """Take defaults from a TOML file; what the command line or the environment says wins."""
    if path is None:
        return None
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        msg = f"cannot read '{path}': {error}"
        raise typer.BadParameter(msg) from error
    excepted = {"config", "help", "as_service"}
    known = {str(param.name) for param in context.command.params} - excepted
    values = {key.replace("-", "_"): value for key, value in settings.items()}
    if unknown := sorted(values.keys() - known):
        msg = f"'{path}' sets {', '.join(unknown)}; known are {', '.join(sorted(known))}"
        raise typer.BadParameter(msg)
    for name in ("listen", "pass_env"):
        if isinstance(values.get(name), str):
            values[name] = [values[name]]
    context.default_map = values
    return path


@with_limit_options
def serve(
    *,
    listen: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ADDR",
            envvar="HCSD_LISTEN",
            help="Where to listen: unix:///path or host:port; may be given more than once."
            " TCP is always with TLS, and its clients need the token and server.pem beside it."
            " Default: a Unix socket that only you can reach; on Windows 127.0.0.1:7443.",
        ),
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(
            envvar="HCSD_TOKEN_FILE",
            help="Token that TCP clients must present; made at the first start. What the daemon"
            " proves itself with is made beside it: server.key and, for clients, server.pem.",
        ),
    ] = None,
    tls_cert: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Certificate (PEM, with those between it and its CA) for every TCP address."
            " A renewed one is taken without a restart. Default: the daemon makes its own.",
        ),
    ] = None,
    tls_key: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Its private key, which nobody else may read."),
    ] = None,
    tls_client_ca: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="CA (PEM): who calls by TCP must have a certificate of it, and needs no token.",
        ),
    ] = None,
    pass_env: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            callback=check_names,
            help="Variable of the daemon's environment that its processes have, too; may be given"
            " more than once. They have no others of it but LANG and TZ.",
        ),
    ] = None,
    control_groups: Annotated[
        ControlGroups,
        typer.Option(
            help="Which control groups hold the processes together on Linux. Without any, a process"
            " that keeps forking can get away from a kill; then the kill fails and says so."
        ),
    ] = ControlGroups.AUTO,
    log_level: Annotated[Level, typer.Option(help="Lowest level to log.")] = Level.INFO,
    log_format: Annotated[Format, typer.Option(help="How to write the log.")] = Format.TEXT,
    log_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            dir_okay=False,
            help="Write the log to this file instead of stderr; FILE.1 is the one before it.",
        ),
    ] = None,
    as_service: Annotated[bool, typer.Option("--as-service", hidden=True)] = False,
    config: Annotated[
        Path | None,
        typer.Option(
            callback=_load_config,
            is_eager=True,
            envvar="HCSD_CONFIG",
            help="TOML file with defaults for these options, by their long names.",
        ),
    ] = None,
    **limits: object,
) -> None:
    """Run the daemon in the foreground.

    It starts processes for whoever reaches it, as the user it runs as; so by default nobody but
    that user can. It ends in order by Ctrl-C or SIGTERM, on Windows also by Ctrl-Break, and at once
    by a second one or SIGQUIT. SIGHUP opens the log file again, or ends a daemon whose terminal is
    gone. SIGUSR1 logs what the daemon is doing. 'hcsd docs running' has the rest.
    """
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
    settings.tcp.check()
    with logs.standard_error() as errors, contextlib.ExitStack() as logging_there:
        log = logs.logging_to(errors, log_level.value, log_format.value, log_file)
        try:
            reopen = logging_there.enter_context(log)
        except OSError as error:
            why = f"cannot open the log file '{log_file}': {error.strerror}"
            say(f"cannot start: {why}; name another with --log-file")
            raise typer.Exit(CANNOT_START) from None
        try:
            if as_service:
                _serve_as_service(settings, stops, expected)
            else:
                with answering_signals(stops, reopen):
                    _run(settings, stops, lambda _bound: None)
        except expected as error:
            settings.tell(logging.ERROR, f"cannot start: {error}")
            raise typer.Exit(CANNOT_START) from None


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
