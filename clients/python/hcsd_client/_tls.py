"""TLS on the way to a daemon: how its files are read, and how it fails."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

import anyio.to_thread
import grpc

from hcsd_client._errors import TlsError

_CERTIFICATE = "it holds no certificate in PEM ('-----BEGIN CERTIFICATE-----')"
_KEY = "it holds no private key in PEM ('-----BEGIN PRIVATE KEY-----')"
_HUNG_UP = ("Socket closed", "Connection reset", "Broken pipe")  # as gRPC says it


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """What a client uses for TLS, in PEM.

    Attributes:
        ca: The CA that has signed the daemon's certificate; None for those that the system trusts.
        certificate: The client's certificate, and those between it and its CA after it; None for
            a daemon that asks for the token.
        key: Its private key.
    """

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    async def credentials(self) -> grpc.ChannelCredentials:
        """Read the files.

        Raises:
            TlsError: One cannot be used; the message says which, why, and what to do.
        """
        return await anyio.to_thread.run_sync(self._read)

    def _read(self) -> grpc.ChannelCredentials:
        roots = _read_ca(self.ca) if self.ca else _system_roots()
        if self.certificate is None or self.key is None:
            return grpc.ssl_channel_credentials(roots)
        certificate, key = (_read(path) for path in (self.certificate, self.key))
        _check(self.certificate, self.key)
        return grpc.ssl_channel_credentials(roots, key, certificate)


def explain(cause: str, host: str, files: TlsFiles | None) -> str:
    """Say in words why no connection came about, as far as gRPC tells; "" if that is not about TLS.

    Args:
        cause: What gRPC says.
        host: Whom the connection was to.
        files: What was used for TLS; None if nothing was.
    """
    known = _in_clear() if files is None else _with_tls(host, files)
    return next((words for text, words in known.items() if text in cause), "")


def _in_clear() -> dict[str, str]:
    """Return what may be in the words of gRPC, and what it means, for a client that speaks in clear."""
    # The other side of TLS takes what is in clear for nonsense, and hangs up or waits for more.
    other = (
        "it does not speak gRPC in clear; if it is a daemon, leave out "
        "Client(insecure=...) or HCSD_INSECURE"
    )
    return dict.fromkeys((*_HUNG_UP, "SETTINGS frame"), other)


def _with_tls(host: str, files: TlsFiles) -> dict[str, str]:
    """Return the same for one that speaks TLS; the first that fits counts."""
    stranger = (
        f"its certificate is not from the CA in '{files.ca}'; if the daemon was set up anew, copy its "
        "server.pem and its token again, or name its CA with Client(tls_ca_file=...) or HCSD_TLS_CA; "
        "if it was not, another program is listening there"
        if files.ca
        else "its certificate is not from a CA that this system trusts; name the server.pem of the "
        "daemon with Client(tls_ca_file=...) or HCSD_TLS_CA"
    )
    lacks = "another than this" if files.certificate else "a"
    ended = (
        f"it ended the TLS handshake; it may want {lacks} client certificate: name one with "
        "Client(tls_cert_file=..., tls_key_file=...) or HCSD_TLS_CERT and HCSD_TLS_KEY"
    )
    return {
        "certificate has expired": "its certificate has expired",
        "certificate is not yet valid": "its certificate is not valid yet, by the clock here",
        "CERTIFICATE_VERIFY_FAILED": stranger,
        "Hostname Verification Check failed": (
            f"its certificate is not for '{host}'; use a name that it is for, or have it made "
            "with this one as a subjectAltName"
        ),
        "WRONG_VERSION_NUMBER": (
            "it does not speak TLS, as every daemon does on TCP; another program may be listening "
            "there. To speak in clear nevertheless, use Client(insecure=...) or HCSD_INSECURE=1"
        ),
        "missing selected ALPN": "it does not speak HTTP/2; another program is listening there",
        "Endpoint closing": (
            "it does not answer the TLS handshake; another program may be listening there"
        ),
    } | dict.fromkeys(_HUNG_UP, ended)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise TlsError(
            f"cannot read the TLS file '{path}': {error.strerror}; name another or make it readable"
        ) from error


def _read_ca(path: Path) -> bytes:
    data = _read(path)
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=data.decode("ascii"))
    except (ssl.SSLError, ValueError) as error:
        raise _unusable(path, _CERTIFICATE, "name the CA of the daemon's certificate") from error
    return data


def _check(certificate: Path, key: Path) -> None:
    def passphrase() -> str:
        raise _unusable(
            key, "it needs a passphrase", f"write it without one: openssl pkey -in '{key}' -out NEW"
        )

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(certificate)
    except ssl.SSLError as error:
        raise _unusable(certificate, _CERTIFICATE, "name the certificate of this client") from error
    try:
        context.load_cert_chain(certificate, key, passphrase)
    except ssl.SSLError as error:
        known = {"KEY_VALUES_MISMATCH": f"it is not that of '{certificate}'", None: _KEY}
        problem = known.get(error.reason, f"OpenSSL says {error.reason}")
        raise _unusable(key, problem, "name the key that the certificate was made for") from error


def _unusable(path: Path, problem: str, remedy: str) -> TlsError:
    return TlsError(f"cannot use the TLS file '{path}': {problem}; {remedy}")


def _system_roots() -> bytes | None:
    """Return the CAs that the system trusts; None for those that gRPC brings, if it names none.

    gRPC by itself prefers those it brings, and so would not know one that a company has added.
    """
    paths = ssl.get_default_verify_paths()
    files = [Path(paths.cafile)] if paths.cafile else []
    if not files and paths.capath:
        files = sorted(Path(paths.capath).glob("*.[0-9]"))  # by the hashes of their subjects
    roots = b"\n".join(_read(file) for file in files if file.is_file())
    if not roots:  # Windows, which has a store of its own
        context = ssl.create_default_context()
        ders = context.get_ca_certs(binary_form=True)
        roots = "".join(ssl.DER_cert_to_PEM_cert(der) for der in ders).encode()
    return roots or None
