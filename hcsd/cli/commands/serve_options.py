"""The options of `hcsd serve` but for the limits. The configuration file has entries of the same names."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated

import typer

from hcsd.cli import exit_codes
from hcsd.cli.commands.limit_options import window_of
from hcsd.cli.options import check_names
from hcsd.cli.output.text import say
from hcsd.control_groups import ControlGroups
from hcsd.daemon.on_stop import OnStop

LISTENING = "Where to listen"
TLS = "TLS, for TCP addresses"
PROCESSES = "Processes"
RESTART = "Restart"
LOG = "Log"
CONFIGURATION = "Configuration file"


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


def _check_addresses(addresses: list[str] | None) -> list[str] | None:
    """Refuse what is no address."""
    if addresses:
        import hcsd.rpc  # noqa: F401  (before the client: it loads gRPC as a daemon needs it)
        from hcsd_client import AddressError, parse_address

        for text in addresses:
            try:
                parse_address(text)
            except AddressError as error:
                raise typer.BadParameter(str(error)) from None
    return addresses


def _load_config(context: typer.Context, path: Path | None) -> Path | None:
    """Take defaults from a TOML file; what the command line or the environment says wins."""
    if path is not None and not context.resilient_parsing:
        from hcsd.cli.configuration import FILE, read_configuration

        found = read_configuration(path, context)
        for problem in found.problems:
            say(str(problem))
        if found.problems:
            say(f"cannot start: mend '{path}' first; 'hcsd config check' checks it")
            raise typer.Exit(exit_codes.FAILED)
        context.default_map = found.defaults
        context.meta[FILE] = found
    return path


ListenOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="ADDR",
        envvar="HCSD_LISTEN",
        callback=_check_addresses,
        rich_help_panel=LISTENING,
        help="Where to listen: unix:///path or host:port; may be given more than once. TCP is always"
        " with TLS, and its clients need the token and server.pem beside it. Default: a Unix socket"
        " that only you can reach; on Windows 127.0.0.1:7443.",
    ),
]
TokenFileOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        envvar="HCSD_TOKEN_FILE",
        rich_help_panel=LISTENING,
        help="Token that TCP clients must present; made at the first start. What the daemon proves"
        " itself with is made beside it: server.key and, for clients, server.pem.",
    ),
]
TlsCertOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        rich_help_panel=TLS,
        help="Certificate (PEM, with those between it and its CA) for every TCP address. A renewed"
        " one is taken without a restart. Default: the daemon makes its own.",
    ),
]
TlsKeyOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        rich_help_panel=TLS,
        help="Private key of that certificate, which nobody else may read.",
    ),
]
TlsClientCaOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        rich_help_panel=TLS,
        help="CA (PEM). A client that calls by TCP must have a certificate of it, and needs no"
        " token. Default: clients need the token.",
    ),
]
PassEnvOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME",
        callback=check_names,
        rich_help_panel=PROCESSES,
        help="Variable of the daemon's environment that its processes have, too; may be given more"
        " than once. They have no others of it but LANG and TZ.",
    ),
]
ControlGroupsOption = Annotated[
    ControlGroups,
    typer.Option(
        rich_help_panel=PROCESSES,
        help="Which control groups hold the processes together on Linux. Without any, a process that"
        " keeps forking can get away from a kill; then the kill fails and says so.",
    ),
]
StateDirOption = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        file_okay=False,
        rich_help_panel=RESTART,
        help="Folder for what a daemon that is started again goes on with: processes, output and"
        " events. It belongs on a file system in memory. Default: beside the first Unix socket, with"
        " .state for .sock; a daemon without a Unix socket has none.",
    ),
]
OnStopOption = Annotated[
    OnStop,
    typer.Option(
        rich_help_panel=RESTART,
        help="What an orderly stop does with processes: end all of them, or keep them for the next"
        " daemon. A daemon that crashes or is killed always keeps them.",
    ),
]
RestoreWindowOption = Annotated[
    float,
    typer.Option(
        metavar="TIME",
        parser=window_of,
        rich_help_panel=RESTART,
        help="How long processes outlive a daemon that is gone, until another one with its state is"
        " there. Then they are killed. 0: they end with the daemon.",
    ),
]
LogLevelOption = Annotated[Level, typer.Option(rich_help_panel=LOG, help="Lowest level to log.")]
LogFormatOption = Annotated[Format, typer.Option(rich_help_panel=LOG, help="How to write the log.")]
LogFileOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        dir_okay=False,
        rich_help_panel=LOG,
        help="Write the log to this file instead of stderr; FILE.1 is the one before it.",
    ),
]
AsServiceOption = Annotated[bool, typer.Option("--as-service", hidden=True)]
ConfigOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        callback=_load_config,
        is_eager=True,
        envvar="HCSD_CONFIG",
        rich_help_panel=CONFIGURATION,
        help="TOML file with defaults for these options, by their long names.",
    ),
]
PrintConfigOption = Annotated[
    bool,
    typer.Option(
        "--print-config",
        rich_help_panel=CONFIGURATION,
        help="Print a configuration file with the settings that would hold and where each comes"
        " from, and start nothing.",
    ),
]
