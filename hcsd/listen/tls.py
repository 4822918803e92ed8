"""TLS of the TCP listeners: the daemon's certificate and key, and the CA of its clients.

    read ──▶ checked ──▶ in use ──(a file has changed, seen as somebody connects)──▶ read ──▶ ...
               │                                                                      │
               └─ bad at the start: TlsFileError               bad later: a warning, and those in
                                                               use stay until a file changes again

So a renewed certificate is taken without a restart. Connections that there are keep theirs.

What is checked is what would fail every client: bad PEM, a key of another certificate, and a
certificate that is expired, not valid yet or not for servers. A daemon with such a one would look
well and serve nobody; so it is refused, not warned about.

Threads: a server may ask for the certificate on threads of its own, maybe several at once; a lock
makes them take turns. Nothing here touches the event loop.
"""

from __future__ import annotations

import logging
import ssl
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hcsd.errors import HcsdError
from hcsd.listen.private import NotPrivateError, read_private_file

if TYPE_CHECKING:
    from pathlib import Path

NO_CERTIFICATE = "it holds no certificate in PEM ('-----BEGIN CERTIFICATE-----')"
NO_KEY = "it holds no private key in PEM ('-----BEGIN PRIVATE KEY-----')"

logger = logging.getLogger(__name__)


class TlsFileError(HcsdError):
    """A file of a certificate, key or CA cannot be used as it is."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Where everything is, in PEM.

    Attributes:
        certificate: The daemon's certificate, and those between it and its CA after it.
        key: Its private key, without a passphrase, in a file that only its owner can read.
        client_ca: The CA whose clients may come in; None if they show the token instead.
    """

    certificate: Path
    key: Path
    client_ca: Path | None = None


class Tls:
    """The certificate in use, always that of the files as far as they can be used.

    Raises:
        TlsFileError: They cannot be used at all.
    """

    def __init__(self, files: TlsFiles) -> None:
        self._files = files
        self._lock = threading.Lock()
        self._seen = _state(files)  # of the files that were read last, good or bad; under the lock
        self._used = _load(files)  # under the lock
        logger.info("certificate '%s' is valid until %s", files.certificate, self._used.not_after)

    @property
    def authenticates(self) -> bool:
        """Whether it lets in only who has a certificate, and so needs no token."""
        return self._files.client_ca is not None

    def current(self) -> Identity:
        """Return what is in use; a renewed one if the files have changed. Thread: any."""
        with self._lock:
            try:
                state = _state(self._files)
                if state != self._seen:
                    self._seen = state
                    self._used = _load(self._files)
                    logger.info("took a renewed certificate, valid until %s", self._used.not_after)
            except TlsFileError as error:
                logger.warning("the certificate in use stays: %s", error)
            return self._used


@dataclass(frozen=True, slots=True, eq=False)
class Identity:
    """What was read and is good; another object is another version.

    Attributes:
        certificate: The daemon's certificate, PEM.
        key: Its private key, PEM.
        client_ca: The CA whose clients may come in, PEM; None if they show the token instead.
        not_after: Until when the certificate is valid, for people.
    """

    certificate: bytes
    key: bytes
    client_ca: bytes | None
    not_after: str


# What tells one version of a file from the next.
_State = tuple[tuple[int, int, int] | None, ...]


def _state(files: TlsFiles) -> _State:
    """Look at the files; what is not there is told by who reads them."""
    return tuple(_version(path) for path in (files.certificate, files.key, files.client_ca) if path)


def _version(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


def _load(files: TlsFiles) -> Identity:
    """Read the files and check them.

    Raises:
        TlsFileError: They cannot be used.
    """
    before = _state(files)
    certificate = _read_certificates(files.certificate, "certificate")
    key = _read_key(files.key)
    client_ca = files.client_ca and _read_certificates(files.client_ca, "client CA")
    not_after = _rehearse(files, certificate)
    if _state(files) != before:  # what was checked is what was read
        msg = f"'{files.certificate}' or what belongs to it was changed while it was read"
        raise TlsFileError(msg)
    return Identity(
        certificate.encode(), key.encode(), client_ca.encode() if client_ca else None, not_after
    )


def _read_certificates(path: Path, what: str) -> str:
    try:
        text = path.read_text(encoding="ascii")
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=text)
    except OSError as error:  # SSLError is one
        reason = error.strerror if not isinstance(error, ssl.SSLError) else NO_CERTIFICATE
        msg = f"cannot use {what} file '{path}': {reason}"
        raise TlsFileError(msg) from error
    except ValueError as error:  # empty, or not ASCII
        msg = f"cannot use {what} file '{path}': {NO_CERTIFICATE}"
        raise TlsFileError(msg) from error
    return text


def _read_key(path: Path) -> str:
    try:
        return read_private_file(path, made_by_us=False)
    except UnicodeDecodeError:  # not chained: it has the content of the file
        msg = f"cannot use key file '{path}': {NO_KEY}"
        raise TlsFileError(msg) from None
    except (NotPrivateError, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        msg = f"cannot use key file '{path}': {reason}"
        raise TlsFileError(msg) from error


def _rehearse(files: TlsFiles, certificate: str) -> str:
    """Shake hands in memory as a client that trusts this very certificate would.

    Python's own `ssl` so says all that is wrong with it, without another library to read it.

    Returns:
        Until when it is valid.

    Raises:
        TlsFileError: The handshake fails.
    """

    def passphrase() -> str:
        msg = (
            f"cannot use key file '{files.key}': it needs a passphrase. Write it without one:"
            f" openssl pkey -in '{files.key}' -out NEW.key"
        )
        raise TlsFileError(msg)

    try:
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(files.certificate, files.key, passphrase)
        client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        client.check_hostname = False
        client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # it need not be a CA's
        client.load_verify_locations(cadata=certificate)
        return _shake_hands(client, server)
    except ssl.SSLCertVerificationError as error:
        msg = (
            f"cannot use certificate file '{files.certificate}': {error.verify_message}, so no"
            " client would take it. Is it the right one, and does the clock here tell the right"
            " time?"
        )
        raise TlsFileError(msg) from error
    except ssl.SSLError as error:
        known = {
            "KEY_VALUES_MISMATCH": f"it is not that of the certificate in '{files.certificate}'",
            None: NO_KEY,
        }
        problem = known.get(error.reason, f"OpenSSL says {error.reason}")
        msg = f"cannot use key file '{files.key}': {problem}"
        raise TlsFileError(msg) from error
    except OSError as error:
        msg = f"cannot use key file '{files.key}': {error.strerror}"
        raise TlsFileError(msg) from error


def _shake_hands(client: ssl.SSLContext, server: ssl.SSLContext) -> str:
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(to_client, to_server)
    theirs = server.wrap_bio(to_server, to_client, server_side=True)
    for side in (ours, theirs, ours):  # hello, certificate, verdict
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    return str((ours.getpeercert() or {})["notAfter"])
