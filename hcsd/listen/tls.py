"""TLS of the TCP listeners: the daemon's certificate and key, and the CA of its clients.

    read ──▶ checked ──▶ in use ──(another version, seen as somebody connects)──▶ read ──▶ ...
               │                                                                    │
               └─ bad at the start: TlsFileError             bad later: a warning, and what is in
                                                             use stays until it changes again

The certificate comes from a source: files that somebody else keeps (certificate_files.py), or the
daemon's own CA (authority.py). A renewed one is taken without a restart. Connections that there are
keep theirs. The CA of clients is followed, too (client_certificates.py).

Threads: a server may ask for the certificate on threads of its own, maybe several at once; a lock
makes them take turns. Nothing here touches the event loop.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from hcsd.listen.pem import TlsFileError

if TYPE_CHECKING:
    from hcsd.listen.client_certificates import ClientCa

logger = logging.getLogger(__name__)


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


@dataclass(frozen=True, slots=True)
class Identity:
    """What a handshake uses; another object is another version.

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
        clients: The CA whose clients may come in; None if they show the token instead.

    Attributes:
        clients: The same.

    Raises:
        TlsFileError: There is no certificate that can be used.
    """

    def __init__(self, source: Source, clients: ClientCa | None = None) -> None:
        self.clients = clients
        self._source = source
        self._lock = threading.Lock()
        self._seen = source.version()  # of what was loaded last, good or bad; under the lock
        self._used = Identity(
            source.load(), clients.current() if clients else None
        )  # under the lock
        logger.info("the certificate is valid until %s", self._used.server.not_after)

    @property
    def authenticates(self) -> bool:
        """Whether it lets in only who has a certificate, and so needs no token."""
        return self.clients is not None

    def current(self) -> Identity:
        """Return what a handshake uses now. Thread: any."""
        with self._lock:
            # Without a CA nobody is let in, and that is for each call to say: a handshake needs one.
            client_ca = (self.clients and self.clients.current()) or self._used.client_ca
            used = Identity(self._renewed(), client_ca)
            if used != self._used:
                self._used = used
            return self._used

    def _renewed(self) -> ServerCertificate:
        """Return the certificate of the source, or that in use if it has no better one."""
        version = self._source.version()
        if version != self._seen:
            self._seen = version
            try:
                certificate = self._source.load()
            except TlsFileError as error:
                logger.warning("the certificate in use stays: %s", error)
            else:
                logger.info("took a renewed certificate, valid until %s", certificate.not_after)
                return certificate
        return self._used.server
