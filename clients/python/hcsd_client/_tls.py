"""TLS on the way to a daemon: what it is told by, how its files are read, and how it fails."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import anyio.to_thread
import grpc

from hcsd_client._errors import TlsError

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

_CERTIFICATE = "it holds no certificate in PEM ('-----BEGIN CERTIFICATE-----')"
_KEY = "it holds no private key in PEM ('-----BEGIN PRIVATE KEY-----')"


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


def choose_tls(
    ca: str | os.PathLike[str] | None,
    certificate: str | os.PathLike[str] | None,
    key: str | os.PathLike[str] | None,
    wanted: bool | None,
    environ: Mapping[str, str],
) -> TlsFiles | None:
    """Return what to use for TLS, or None to speak in clear.

    Args:
        ca: File of the CA; by default what `HCSD_TLS_CA` names.
        certificate: File of the client's certificate; by default what `HCSD_TLS_CERT` names.
        key: File of its key; by default what `HCSD_TLS_KEY` names.
        wanted: Whether to use TLS; None: if any of these files is named.
        environ: The environment.

    Raises:
        TlsError: There is a certificate without a key, or the reverse.
    """
    if wanted is False:
        return None
    ca, certificate, key = (
        Path(path) if path else None
        for path in (
            ca or environ.get("HCSD_TLS_CA"),
            certificate or environ.get("HCSD_TLS_CERT"),
            key or environ.get("HCSD_TLS_KEY"),
        )
    )
    if (certificate is None) != (key is None):
        alone, other = ("certificate", "key") if key is None else ("key", "certificate")
        raise TlsError(
            f"the {alone} of this client is of no use without its {other}: name both, with "
            "--tls-cert and --tls-key, or HCSD_TLS_CERT and HCSD_TLS_KEY"
        )
    return TlsFiles(ca, certificate, key) if wanted or ca or certificate else None


def explain(cause: str, host: str, files: TlsFiles | None) -> str:
    """Say in words why no connection came about, as far as gRPC tells; "" if that is not about TLS.

    Args:
        cause: What gRPC says.
        host: Whom the connection was to.
        files: What was used for TLS; None if nothing was.
    """
    if files is None:
        # The other side of TLS takes what is in clear for nonsense, and hangs up.
        if _hung_up(cause):
            return "it hung up at once; if it speaks TLS, name its CA with --tls-ca or HCSD_TLS_CA"
        return ""
    trusted = f"the CA in '{files.ca}'" if files.ca else "a CA that this system trusts"
    known = {
        "certificate has expired": "its certificate has expired",
        "certificate is not yet valid": "its certificate is not valid yet, by the clock here",
        "CERTIFICATE_VERIFY_FAILED": (
            f"its certificate is not from {trusted}; name the right one with --tls-ca or "
            "HCSD_TLS_CA"
        ),
        "Hostname Verification Check failed": (
            f"its certificate is not for '{host}'; use a name that it is for, or have it made "
            "with this one as a subjectAltName"
        ),
        "WRONG_VERSION_NUMBER": (
            "it does not speak TLS; leave out --tls and the files of TLS, or give it a certificate "
            "with 'hcsd serve --tls-cert FILE --tls-key FILE'"
        ),
    }
    for text, words in known.items():
        if text in cause:
            return words
    if _hung_up(cause):
        lacks = "another than this" if files.certificate else "a"
        return (
            f"it ended the TLS handshake; it may want {lacks} client certificate: name one with "
            "--tls-cert and --tls-key, or HCSD_TLS_CERT and HCSD_TLS_KEY"
        )
    return ""


def _hung_up(cause: str) -> bool:
    return any(text in cause for text in ("Socket closed", "Connection reset", "Broken pipe"))


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
