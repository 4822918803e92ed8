"""Who may come in at a listener, by what each call shows.

    Unix socket                  everybody who can connect: the file system has kept out the others
    TLS                          who presents the daemon's token
    TLS with a CA of clients     who has a certificate of it

What holds is asked for each call, so a token or CA that was replaced counts for those who are connected,
too. A call remembers the credential that it has shown; `revoked` tells whether that is still one.
A credential may come and go between two looks, so changes are counted and not compared.
"""

from __future__ import annotations

import hmac
import time
from typing import TYPE_CHECKING, Protocol, cast

from hcsd.daemon.errors import RequestError
from hcsd.daemon.reasons import Reason
from hcsd.listen.client_certificates import holds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hcsd.listen.client_certificates import ClientCa
    from hcsd.listen.token import Token
    from hcsd.rpc.calls import Context

    Metadata = Sequence[tuple[str, str | bytes]]

SCHEME = "Bearer "
# Seconds after which a certificate that has expired is noticed: each client costs 0.2 ms (arbitrary).
EXPIRY_LOOK = 5
# How gRPC names a client's certificate, and those between it and its CA.
CERTIFICATE, BETWEEN = "x509_pem_cert", "x509_pem_cert_chain"


class Guard(Protocol):
    """Knows who may come in."""

    def check_metadata(self, metadata: Metadata) -> None:
        """Refuse a call by its metadata.

        Raises:
            RequestError: TOKEN_MISSING or TOKEN_INVALID.
        """

    def check_peer(self, context: Context) -> object:
        """Refuse a call by who is at the other end; returns the credential that it came with.

        Raises:
            RequestError: CERTIFICATE_INVALID.
        """

    def changed(self) -> bool:
        """Tell whether a credential may have been revoked since the last time."""

    def revoked(self, credential: object) -> RequestError | None:
        """Return why a credential holds no more, or None."""


class OpenGuard:
    """Lets in everybody."""

    def check_metadata(self, metadata: Metadata) -> None:
        """Refuse nobody."""

    def check_peer(self, context: Context) -> object:
        """Refuse nobody."""
        return None

    def changed(self) -> bool:
        """Tell that nothing was revoked."""
        return False

    def revoked(self, credential: object) -> RequestError | None:
        """Tell that all is as it was."""
        return None


class TokenGuard:
    """Lets in who presents the token that holds now.

    Args:
        token: The daemon's.
    """

    def __init__(self, token: Token) -> None:
        self._token = token
        self._seen = token.changes()

    def check_metadata(self, metadata: Metadata) -> None:
        """Refuse a call without the token, or with another."""
        self._shown(metadata)

    def check_peer(self, context: Context) -> object:
        """Refuse a call whose token was replaced since its metadata came; returns its token."""
        return self._shown(cast("Metadata", context.invocation_metadata()))

    def _shown(self, metadata: Metadata) -> str:
        """Return the token that a call shows, which holds."""
        given = next((value for key, value in metadata if key == "authorization"), None)
        if given is None:
            raise RequestError(
                Reason.TOKEN_MISSING,
                "this listener needs the daemon's token, and the call has none",
            )
        text = given.decode("latin-1") if isinstance(given, bytes) else given
        token = self._token.current()
        if not token or not hmac.compare_digest(text.encode(), (SCHEME + token).encode()):
            raise RequestError(Reason.TOKEN_INVALID, "the token is not this daemon's")
        return token

    def changed(self) -> bool:
        """Tell whether the token was replaced since the last time."""
        before, self._seen = self._seen, self._token.changes()
        return self._seen != before

    def revoked(self, credential: object) -> RequestError | None:
        """Return that the token was replaced, if it was."""
        if credential == self._token.current():
            return None
        return RequestError(
            Reason.TOKEN_INVALID, "the daemon's token was replaced: read the token file anew"
        )


class CertificateGuard:
    """Lets in who has a certificate of the CA that holds now.

    Args:
        clients: The CA of clients.
    """

    def __init__(self, clients: ClientCa) -> None:
        self._clients = clients
        self._seen = self._now()

    def check_metadata(self, metadata: Metadata) -> None:
        """Leave it to the certificate."""

    def check_peer(self, context: Context) -> object:
        """Refuse who has no certificate of the CA; returns the certificate, and those sent with it."""
        shown = context.auth_context()
        own, between = (b"".join(shown.get(key, ())) for key in (CERTIFICATE, BETWEEN))
        if (error := self.revoked((own, between))) is not None:
            raise error
        return own, between

    def changed(self) -> bool:
        """Tell whether the CA was replaced since the last time, or certificates may have expired."""
        before, self._seen = self._seen, self._now()
        return self._seen != before

    def _now(self) -> tuple[int, int]:
        return self._clients.changes(), int(time.time() // EXPIRY_LOOK)

    def revoked(self, credential: object) -> RequestError | None:
        """Return that a certificate is not, or no longer, of the CA."""
        match credential:
            case (bytes() as own, bytes() as between) if holds(
                own, between, self._clients.current()
            ):
                return None
        return RequestError(
            Reason.CERTIFICATE_INVALID,
            "the client's certificate is not, or no longer, one of the CA that the daemon trusts:"
            " use another",
        )
