"""Certificates of clients, in the place of the token.

The handshake proves that a client holds the key of its certificate, and verifies the certificate
against the CA of that moment, with all the rules of BoringSSL. A connection may outlive both. So each
call asks again, with `holds`, for what can have changed since: the time, and the CA.

That is not done by the verifier of `cryptography`. It holds the rules of the web's CAs, and refuses
much of what the handshake admits and openssl makes by default: certificates of version 1 or without
names, and CAs without a key usage. Its rules for CAs cannot be loosened.
"""

from __future__ import annotations

import functools
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from hcsd.listen.followed import Followed
from hcsd.listen.pem import NO_CERTIFICATE, TlsFileError, mend, read_certificates

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

CA_OPTION = "--tls-client-ca"
MAX_BETWEEN = 10  # certificates between a client's and its CA; bounds what a call costs
CACHED = 1024  # clients


class ClientCa(Followed[bytes]):
    """The CA whose clients may come in, as its file says it now: PEM, may be several.

    `current()` returns b"" if nobody may come in.

    Raises:
        TlsFileError: It cannot be used.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, _load, b"")


def holds(certificate: bytes, between: bytes, ca: bytes) -> bool:
    """Return whether a client's certificate is good now, after it was good in the handshake.

    It must be valid in time, and so must each certificate on a way from it to a CA. What a
    certificate may be used for, constraints on names and the like were judged in the handshake.

    grpc.aio (1.85) tells of a client certificate in `context.auth_context()`:

        x509_pem_cert         [the client's certificate, PEM]; absent if it has shown none
        x509_pem_cert_chain   [the others that it has sent, without its own, PEM]; may be absent
        x509_common_name, x509_subject, x509_subject_alternative_name   its names

    Cost: some 0.2 ms, and a microsecond for the same arguments within the same second.

    Args:
        certificate: That of the client, PEM.
        between: Those between it and its CA, PEM; b"" if it has sent none.
        ca: The CAs, PEM; b"" for none.
    """
    return _holds(certificate, between, ca, int(time.time()))


@functools.lru_cache(CACHED)
def _holds(certificate: bytes, between: bytes, ca: bytes, second: int) -> bool:
    now = datetime.fromtimestamp(second, UTC)

    def valid(some: Sequence[x509.Certificate]) -> list[x509.Certificate]:
        return [one for one in some if one.not_valid_before_utc <= now <= one.not_valid_after_utc]

    try:
        own = valid(_parse(certificate))
        trusted = valid(_parse(ca))
        waiting = valid(_parse(between)[:MAX_BETWEEN])
        if not own:
            return False
        issuers = [one for one in trusted if _may_issue(one, by_default=True)]
        # Each round finds those that one found before has issued.
        while issuers:
            if any(_is_issued_by(own[0], issuer) for issuer in issuers):
                return True
            found = [
                one
                for one in waiting
                if _may_issue(one) and any(_is_issued_by(one, issuer) for issuer in issuers)
            ]
            waiting = [one for one in waiting if one not in found]
            issuers = found
    except ValueError:  # one of them is broken
        return False
    return own[0] in trusted  # a client may be trusted by itself


@functools.lru_cache(CACHED)
def _parse(pem: bytes) -> Sequence[x509.Certificate]:
    return tuple(x509.load_pem_x509_certificates(pem)) if pem else ()


def _may_issue(certificate: x509.Certificate, *, by_default: bool = False) -> bool:
    """Return whether it may be above another.

    Args:
        certificate: The certificate.
        by_default: What holds if it does not say.
    """
    extensions = certificate.extensions
    try:
        if not extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign:
            return False
    except x509.ExtensionNotFound:
        pass
    try:
        return extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return by_default


def _is_issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Return whether name and signature are the issuer's; what signs with SHA-1 is never."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
        return False
    return True


def _load(path: Path) -> bytes:
    pem = read_certificates(path, "client CA", CA_OPTION).encode()
    try:
        _parse(pem)
    except ValueError as error:
        msg = f"cannot use client CA file '{path}': {NO_CERTIFICATE}; {mend(CA_OPTION)}"
        raise TlsFileError(msg) from error
    return pem
