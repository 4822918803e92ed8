"""The daemon's certificate as gRPC takes it: one that is renewed is used without a restart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc

if TYPE_CHECKING:
    from hcsd.listen.tls import Identity, Tls


def server_credentials(tls: Tls) -> grpc.ServerCredentials:
    """Return credentials for one listener, which follow the files of `tls`.

    Thread: gRPC asks for a renewed certificate on threads of its own, as somebody connects.
    """
    given = tls.current()

    def renewed() -> grpc.ServerCertificateConfiguration | None:
        nonlocal given
        current = tls.current()
        if current is given:
            return None
        given = current
        return _configuration(current)

    return grpc.dynamic_ssl_server_credentials(
        _configuration(given),
        renewed,  # type: ignore[arg-type]  # None is "no change", which the stub does not know
        require_client_authentication=tls.authenticates,
    )


def _configuration(identity: Identity) -> grpc.ServerCertificateConfiguration:
    """Return it as gRPC takes it; one is good for one use."""
    return grpc.ssl_server_certificate_configuration(
        [(identity.server.key, identity.server.certificate)], identity.client_ca
    )
