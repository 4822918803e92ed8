"""What a client sends to the daemon at a TCP address, and by what that daemon proves itself before.

    what is named           what is sent       what proves the daemon
    `insecure`              nothing secret     nothing; all is in clear
    a token file            its token          `server.pem` beside it if there is one, else the system's CAs
    a client certificate    the certificate    the system's CAs
    a CA                    nothing            this CA, also for all of the above but `insecure`
    nothing                 the token of the daemon's default file, if `server.pem` is beside it; that
                            proves the daemon. Else nothing, and the system's CAs

`server.pem` is the certificate that a daemon makes with its token. A token that the user has not named
is thus sent only to the daemon whose certificate is beside it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hcsd_client._errors import TlsError, TokenFileError
from hcsd_client._tls import TlsFiles
from hcsd_client._values import flag, text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import anyio

    StrPath = str | os.PathLike[str]

SERVER_CERTIFICATE = "server.pem"

# The variables that name the same as an argument. Messages write arguments as `Client(name=...)`, which the
# command line puts into its own words.
_NAMES = {
    "token_file": "HCSD_TOKEN_FILE",
    "tls_ca_file": "HCSD_TLS_CA",
    "tls_cert_file": "HCSD_TLS_CERT",
    "tls_key_file": "HCSD_TLS_KEY",
}
_INSECURE = "HCSD_INSECURE"
_YES, _NO = ("1", "true"), ("", "0", "false")


@dataclass(frozen=True, slots=True)
class TcpOptions:
    """What the user of a client says about a TCP address; None leaves it to the environment.

    Attributes:
        token_file: File of the daemon's token.
        tls_ca_file: File of the CA of the daemon's certificate.
        tls_cert_file: File of the client's certificate.
        tls_key_file: File of its private key.
        insecure: Whether to speak in clear.
    """

    token_file: StrPath | None = None
    tls_ca_file: StrPath | None = None
    tls_cert_file: StrPath | None = None
    tls_key_file: StrPath | None = None
    insecure: bool | None = None

    def __post_init__(self) -> None:
        """Refuse what is of another kind, with a TypeError."""
        for name in _NAMES:
            if (path := getattr(self, name)) is not None:
                text(path, name)
        if self.insecure is not None:
            flag(self.insecure, "insecure")


@dataclass(frozen=True, slots=True)
class Trust:
    """What follows from the options.

    Attributes:
        token_file: File of the token to send; None sends none.
        tls: The files of TLS; None speaks in clear.
    """

    token_file: Path | None = None
    tls: TlsFiles | None = None

    @property
    def shown(self) -> str:
        """What the client shows to the daemon, for an error message."""
        shown = []
        if self.token_file:
            shown.append(f"the token in '{self.token_file}'")
        if self.tls and self.tls.certificate:
            shown.append(f"the certificate in '{self.tls.certificate}'")
        return f"this client sent {' and '.join(shown) or 'no token and no certificate'}"


def choose_trust(
    options: TcpOptions,
    environ: Mapping[str, str],
    is_file: Callable[[Path], bool] = os.path.isfile,
) -> Trust:
    """Return what to send to a daemon at a TCP address, and by what it proves itself.

    Args:
        options: What the user says.
        environ: The environment.
        is_file: Whether there is a file of this path.

    Raises:
        TokenFileError: A token file is named, and clear text is wanted.
        TlsError: A file of TLS is named, and clear text is wanted; there is a certificate without a
            key, or the reverse; or `HCSD_INSECURE` is neither yes nor no.
    """
    named = {
        argument: Path(path)
        for argument, variable in _NAMES.items()
        if (path := getattr(options, argument) or environ.get(variable))
    }
    if _is_insecure(options.insecure, environ):
        _refuse_in_clear(named)
        return Trust()
    token_file, ca = named.get("token_file"), named.get("tls_ca_file")
    certificate, key = named.get("tls_cert_file"), named.get("tls_key_file")
    _refuse_half(certificate, key)
    if not named:
        default = default_token_file(environ)
        token_file = default if is_file(default) and is_file(_beside(default)) else None
    if ca is None and token_file is not None and is_file(_beside(token_file)):
        ca = _beside(token_file)
    return Trust(token_file, TlsFiles(ca, certificate, key))


def default_token_file(environ: Mapping[str, str]) -> Path:
    """Return where a daemon of this user keeps its token if nobody says otherwise."""
    if os.name == "nt":
        folder = environ.get("PROGRAMDATA") or r"C:\ProgramData"
    elif os.geteuid() == 0:  # type: ignore[attr-defined, unused-ignore]  # not in typeshed for win32
        folder = "/var/lib"
    else:
        folder = os.path.expanduser(environ.get("XDG_STATE_HOME") or "~/.local/state")
    return Path(folder, "hcsd", "token")


def _beside(token_file: Path) -> Path:
    """Return where the certificate is that a daemon makes with this token."""
    return token_file.parent / SERVER_CERTIFICATE


def _is_insecure(wanted: bool | None, environ: Mapping[str, str]) -> bool:
    if wanted is not None:
        return wanted
    value = environ.get(_INSECURE, "")
    if value not in _YES + _NO:
        raise TlsError(
            f"{_INSECURE} is '{value}', which is neither yes nor no: set it to 1 to speak in clear, "
            "or to 0 for TLS"
        )
    return value in _YES


def _refuse_in_clear(named: Mapping[str, Path]) -> None:
    """Refuse what has no place in clear text."""
    for argument, path in named.items():
        wrong = TokenFileError if argument == "token_file" else TlsError
        raise wrong(
            f"will not use '{path}' in clear text: leave out the file, Client({argument}=...) or"
            f" {_NAMES[argument]}, or leave out Client(insecure=...) or {_INSECURE}"
        )


def _refuse_half(certificate: Path | None, key: Path | None) -> None:
    if (certificate is None) != (key is None):
        alone, other = ("certificate", "key") if key is None else ("key", "certificate")
        raise TlsError(
            f"the {alone} of this client is of no use without its {other}: name both, with "
            "Client(tls_cert_file=..., tls_key_file=...) or HCSD_TLS_CERT and HCSD_TLS_KEY"
        )


async def read_token(file: anyio.Path) -> str:
    """Read the token of a daemon.

    Raises:
        TokenFileError: The file cannot be read or does not hold a token.
    """
    remedy = "name the file that the daemon made with Client(token_file=...) or HCSD_TOKEN_FILE"
    try:
        token = (await file.read_text(encoding="ascii")).strip()
    except OSError as error:
        raise TokenFileError(
            f"cannot read the token file '{file}': {error.strerror}; {remedy}"
        ) from error
    except UnicodeDecodeError:  # not chained: it has the content of the file
        token = ""
    if not token.isprintable() or not token or " " in token:
        raise TokenFileError(f"the token file '{file}' does not hold a token; {remedy}")
    return token
