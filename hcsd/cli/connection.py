"""The options that lead to the daemon, which every client command has, before and after its name.

They are said once, in `Connection`; `ClientCommands` adds them to the parameters of each command,
and keeps what was said for `client_of`. The nearer to the end of the command line, the stronger.
"""

from __future__ import annotations

import functools
import inspect
from dataclasses import dataclass, fields, replace
from pathlib import Path  # noqa: TC003  (typer reads it)
from typing import TYPE_CHECKING, Annotated, Concatenate, ParamSpec, get_type_hints

import typer

from hcsd.cli.help_text import PlainCommand

if TYPE_CHECKING:
    from collections.abc import Callable

    from hcsd.cli.help_text import Formatter
    from hcsd_client import Client

P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class Connection:
    """What the options say about the way to the daemon; None leaves it to the environment."""

    address: Annotated[
        str | None,
        typer.Option(
            "--address",
            metavar="ADDR",
            help="Where the daemon listens: unix:///path or host:port. [env var: HCSD_ADDRESS]",
        ),
    ] = None
    token_file: Annotated[
        Path | None,
        typer.Option(
            "--token-file",
            metavar="FILE",
            help="File with the daemon's token, for a TCP address. Default: that of a daemon that"
            " you run yourself. [env var: HCSD_TOKEN_FILE]",
        ),
    ] = None
    tls_ca: Annotated[
        Path | None,
        typer.Option(
            "--tls-ca",
            metavar="FILE",
            help="CA of the daemon's certificate. Default: 'server.pem' beside the token file, else"
            " the CAs that the system trusts. [env var: HCSD_TLS_CA]",
        ),
    ] = None
    tls_cert: Annotated[
        Path | None,
        typer.Option(
            "--tls-cert",
            metavar="FILE",
            help="Certificate of this client, for a daemon that wants one. [env var:"
            " HCSD_TLS_CERT]",
        ),
    ] = None
    tls_key: Annotated[
        Path | None,
        typer.Option("--tls-key", metavar="FILE", help="Its private key. [env var: HCSD_TLS_KEY]"),
    ] = None
    insecure: Annotated[
        bool | None,
        typer.Option(
            "--insecure",
            help="Speak to a TCP address in clear, without TLS and without a token. Others can read"
            " and change what is sent. [env var: HCSD_INSECURE]",
        ),
    ] = None


NAMES = tuple(field.name for field in fields(Connection))


SEE = "It also takes the options that lead to the daemon: see 'hcsd --help'."


class ClientCommand(PlainCommand):
    """A command whose help has only a word on the options that lead to the daemon."""

    unlisted = frozenset(NAMES)

    def format_options(self, ctx: typer.Context, formatter: Formatter) -> None:  # type: ignore[override]
        """Write arguments and options."""
        super().format_options(ctx, formatter)
        formatter.write_paragraph()
        formatter.write_text(SEE)


class ClientCommands(typer.Typer):
    """Commands that are clients of the daemon; the first parameter of each is the context."""

    def command(  # type: ignore[override]
        self,
        name: str,
        *,
        cls: type[ClientCommand] = ClientCommand,
        epilog: str | None = None,
        context_settings: dict[str, bool] | None = None,
    ) -> Callable[
        [Callable[Concatenate[typer.Context, P], None]],
        Callable[Concatenate[typer.Context, P], None],
    ]:
        """Return a decorator that makes a command of a function."""
        register = super().command(name, cls=cls, epilog=epilog, context_settings=context_settings)

        def decorate(
            function: Callable[Concatenate[typer.Context, P], None],
        ) -> Callable[Concatenate[typer.Context, P], None]:
            return register(connecting(function))

        return decorate


def connecting(
    function: Callable[Concatenate[typer.Context, P], None],
) -> Callable[Concatenate[typer.Context, P], None]:
    """Add the options that lead to the daemon to a function that typer makes a command of."""

    @functools.wraps(function)
    def command(context: typer.Context, *args: P.args, **kwargs: P.kwargs) -> None:
        keep(context, {name: kwargs.pop(name) for name in NAMES})
        function(context, *args, **kwargs)

    hints = get_type_hints(Connection, include_extras=True)
    own = inspect.signature(function, eval_str=True)
    added = [
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=hints[name]
        )
        for name in NAMES
    ]
    parameters = [*own.parameters.values(), *added]
    command.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {param.name: param.annotation for param in parameters}
    return command  # type: ignore[return-value]  # typer names the context


def keep(context: typer.Context, said: dict[str, object]) -> None:
    """Keep what the options of a command say, over what those before it have said."""
    outer = context.find_object(Connection) or Connection()
    nearer = {name: value for name, value in said.items() if value is not None}
    # typer has made each of its type
    context.obj = replace(outer, **nearer)  # type: ignore[arg-type]


def client_of(context: typer.Context) -> Client:
    """Return a client of the daemon that the options lead to, not open yet.

    Raises:
        HcsdClientError: There is no sense in what they or the environment say.
    """
    from hcsd_client import Client

    to = context.find_object(Connection) or Connection()
    return Client(
        to.address,
        to.token_file,
        tls_ca_file=to.tls_ca,
        tls_cert_file=to.tls_cert,
        tls_key_file=to.tls_key,
        insecure=to.insecure,
    )
