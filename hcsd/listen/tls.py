"""TLS of the TCP listeners: the daemon's certificate and key, and the CA of its clients.

    read ──▶ checked ──▶ in use ──(another version, seen as somebody connects)──▶ read ──▶ ...
               │                                                                    │
               └─ bad at the start: TlsFileError             bad later: a warning, and what is in
                                                             use stays until it changes again

The certificate comes from a source: files that somebody else keeps (certificate_files.py), or the
daemon's own CA (authority.py). A renewed one is taken without a restart. Connections that there are
keep theirs.

Threads: a server may ask for the certificate on threads of its own, maybe several at once; a lock
makes them take turns. Nothing here touches the event loop.
"""

from __future__ import annotations

import logging
import ssl
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from hcsd.errors import HcsdError

if TYPE_CHECKING:
    from pathlib import Path

NO_CERTIFICATE = "it holds no certificate in PEM ('-----BEGIN CERTIFICATE-----')"

logger = logging.getLogger(__name__)


class TlsFileError(HcsdError):
    """A file of a certificate, key or CA cannot be used as it is."""


@dataclass(frozen=True, slots=True)
class ServerCertificate:
    """What the daemon proves itself with.

    Attributes:
        certificate: The certificate, and those between it and its CA after it; PEM.
        key: Its private key, PEM.
        not_after: Until when it is valid, for people.
    """

    certificate: bytes
    key: bytes
    not_after: str


class Source(Protocol):
    """Where the daemon's certificate comes from."""

    def version(self) -> object:
        """Return what differs once `load` would return something else; cheap."""

    def load(self) -> ServerCertificate:
        """Return the certificate, which is good now.

        Raises:
            TlsFileError: It cannot be used.
        """


@dataclass(frozen=True, slots=True, eq=False)
class Identity:
    """What is in use; another object is another version.

    Attributes:
        server: What the daemon proves itself with.
        client_ca: The CA whose clients may come in, PEM; None if they show the token instead.
    """

    server: ServerCertificate
    client_ca: bytes | None


class Tls:
    """The certificate in use, always the newest that can be used.

    Args:
        source: Where it comes from.
        client_ca: File of the CA whose clients may come in; None if they show the token instead.

    Raises:
        TlsFileError: There is none that can be used.
    """

    def __init__(self, source: Source, client_ca: Path | None = None) -> None:
        self._source = source
        self._client_ca = client_ca
        self._lock = threading.Lock()
        self._seen = self._version()  # of what was loaded last, good or bad; under the lock
        self._used = self._load()  # under the lock
        logger.info("the certificate is valid until %s", self._used.server.not_after)

    @property
    def authenticates(self) -> bool:
        """Whether it lets in only who has a certificate, and so needs no token."""
        return self._client_ca is not None

    def current(self) -> Identity:
        """Return what is in use; a renewed one if something has changed. Thread: any."""
        with self._lock:
            try:
                version = self._version()
                if version != self._seen:
                    self._seen = version
                    self._used = self._load()
                    logger.info(
                        "took a renewed certificate, valid until %s", self._used.server.not_after
                    )
            except TlsFileError as error:
                logger.warning("the certificate in use stays: %s", error)
            return self._used

    def _version(self) -> object:
        return self._source.version(), self._client_ca and file_version(self._client_ca)

    def _load(self) -> Identity:
        ca = self._client_ca and read_certificates(self._client_ca, "client CA")
        return Identity(self._source.load(), ca.encode() if ca else None)


def file_version(path: Path) -> tuple[int, ...] | None:
    """Return what tells one version of a file from the next; None if it cannot be looked at."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


def read_certificates(path: Path, what: str) -> str:
    """Read a file of certificates.

    Raises:
        TlsFileError: It holds none, or cannot be read.
    """
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
