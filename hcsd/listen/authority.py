"""The daemon's own CA, for TCP listeners that are given no certificate.

    server.key   private: the CA's key and certificate, made at the first start
    server.pem   the CA's certificate, written from it: clients need it beside the token

Both are in the folder of the token file. At each start, and every day from then on, the daemon
issues a certificate for itself, which it holds in memory only. Clients trust the CA, so they notice
nothing of that.

One file holds key and certificate, so that no crash can leave two that do not match.
"""

from __future__ import annotations

import logging
import re
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from hcsd.folders import CA_FILE, CA_KEY_FILE
from hcsd.listen.names import ip_of
from hcsd.listen.pem import TlsFileError, shown
from hcsd.listen.tls import ServerCertificate
from hcsd.private.files import (
    NotPrivateError,
    file_version,
    make_private_directory,
    make_private_file,
    make_public_file,
    read_file,
    read_private_file,
    replace_public_file,
)

if TYPE_CHECKING:
    from pathlib import Path

    from hcsd.listen.names import Names

ELSEWHERE = "name a token file in another folder with --token-file"
BEGIN = "-----BEGIN CERTIFICATE-----"
DAY = 86_400.0  # seconds
CA_LIFE = timedelta(days=3650)
LIFE = timedelta(days=30)
# A clock of a client may be behind ours.
SKEW = timedelta(days=1)
SOON = timedelta(days=90)  # before its end, it is time to think of a new CA
OLDEST = datetime(2026, 1, 1, tzinfo=UTC)  # no clock that is right says less
DNS_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?:\.(?!-)[a-z0-9_-]{1,63})*", re.IGNORECASE)

logger = logging.getLogger(__name__)


class Authority:
    """The daemon's own CA, and the source of its certificate.

    Args:
        folder: Where its files are, or are made.
        names: Whom its certificates are for.
        renew_every: After how many seconds a certificate is replaced; far less than it is valid.

    Attributes:
        key_file: The private one.
        ca_file: The one for clients.
        kept_file: What was there in its place before, if it was another.

    Raises:
        TlsFileError: The files cannot be made.
    """

    def __init__(self, folder: Path, names: Names, *, renew_every: float = DAY) -> None:
        self.key_file = folder / CA_KEY_FILE
        self.ca_file = folder / CA_FILE
        self.kept_file = folder / f"{CA_FILE}.old"
        self._names = names
        self._renew_every = renew_every
        try:
            if not folder.exists():
                make_private_directory(folder)
            if not self.key_file.exists():
                make_private_file(self.key_file, _make_ca())
        except (NotPrivateError, OSError) as error:
            raise self._unusable(error) from error

    def version(self) -> object:
        """Return what differs once there is another CA, another name, or another day."""
        turn = time.time() // self._renew_every
        return file_version(self.key_file), self._names.now(), turn

    def load(self) -> ServerCertificate:
        """Issue a certificate, and see that clients can have that of the CA.

        Raises:
            TlsFileError: The CA cannot be used.
        """
        key, certificate = self._read()
        self._judge(certificate)
        self._publish(certificate)
        return _issue(key, certificate, self._names.now())

    def _read(self) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
        try:
            parsed = _parse(read_private_file(self.key_file).encode())
        except (NotPrivateError, OSError) as error:
            raise self._unusable(error) from error
        except (ValueError, TypeError):  # not chained: it may have the content of the file
            parsed = None
        if parsed is None:
            msg = (
                f"cannot use '{self.key_file}': it does not hold the key and certificate that the"
                " daemon makes. Delete it, and the next start makes a new one"
            )
            raise TlsFileError(msg)
        return parsed

    def _publish(self, certificate: x509.Certificate) -> None:
        text = certificate.public_bytes(serialization.Encoding.PEM).decode()
        before = self._published()
        if before == text:
            return
        try:
            make_public_file(self.ca_file, text)
            if self._published() != text:
                if BEGIN in before:  # it may be all that a client has of another daemon
                    replace_public_file(self.kept_file, before)
                    logger.warning("kept another '%s' as '%s'", self.ca_file, self.kept_file)
                replace_public_file(self.ca_file, text)
        except OSError as error:
            msg = (
                f"cannot write '{self.ca_file}', which clients need: {error.strerror}; {ELSEWHERE}"
            )
            raise TlsFileError(msg) from error
        logger.info("wrote '%s', which clients need", self.ca_file)

    def _published(self) -> str:
        """Return what clients have of the CA now; "" if they have nothing that can be read."""
        try:
            return read_file(self.ca_file)
        except (NotPrivateError, OSError, UnicodeDecodeError):
            return ""

    def _judge(self, certificate: x509.Certificate) -> None:
        """See that the CA is valid now, and for long enough.

        Raises:
            TlsFileError: It is not.
        """
        now = datetime.now(UTC)
        since, until = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        anew = (
            f"delete '{self.key_file}', start again and give the new '{self.ca_file.name}' to the"
            " clients"
        )
        if now < since:
            msg = (
                f"the CA in '{self.key_file}' is not valid before {shown(since)}, and the clock here"
                f" says {shown(now)}: set the clock; or {anew}"
            )
            raise TlsFileError(msg)
        if now >= until:
            msg = (
                f"the CA in '{self.key_file}' has expired at {shown(until)}, and the clock here says"
                f" {shown(now)}: {anew}"
            )
            raise TlsFileError(msg)
        if until - now < SOON:
            logger.warning(
                "the CA in '%s' expires at %s. Before that, %s", self.key_file, shown(until), anew
            )

    def _unusable(self, error: Exception) -> TlsFileError:
        reason: object = error
        if isinstance(error, OSError):
            reason = f"{error.strerror}; {ELSEWHERE}"
        return TlsFileError(f"cannot use '{self.key_file}': {reason}")


def _make_ca() -> str:
    """Return a new key and certificate of a CA, PEM.

    Raises:
        TlsFileError: The clock is wrong, so that nobody could tell until when it is valid.
    """
    now = datetime.now(UTC)
    if now < OLDEST:
        msg = f"cannot make a certificate: the clock here says {shown(now)}. Set it"
        raise TlsFileError(msg)
    key = ec.generate_private_key(ec.SECP256R1())
    # The serial number in its name tells clients apart that know several.
    serial = x509.random_serial_number()
    name = _name(f"hcsd CA {serial:x}")
    usage = x509.KeyUsage(
        digital_signature=False, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, key_cert_sign=True, crl_sign=True,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), serial, now - SKEW, now + CA_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return (
        _private_pem(key).decode() + certificate.public_bytes(serialization.Encoding.PEM).decode()
    )


def _parse(pem: bytes) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate] | None:
    """Read key and certificate of a CA; None if they are not what `_make_ca` makes.

    Raises:
        ValueError: It lacks one of them.
        TypeError: It needs a passphrase.
    """
    key = serialization.load_pem_private_key(pem, None)
    certificate = x509.load_pem_x509_certificate(pem)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        return None
    return (key, certificate) if certificate.public_key() == key.public_key() else None


def _issue(
    ca_key: ec.EllipticCurvePrivateKey, ca: x509.Certificate, names: frozenset[str]
) -> ServerCertificate:
    """Issue a certificate for the daemon."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    not_before = max(now - SKEW, ca.not_valid_before_utc)
    not_after = min(now + LIFE, ca.not_valid_after_utc)
    usage = x509.KeyUsage(
        digital_signature=True, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, key_cert_sign=False, crl_sign=False,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key())
    certificate = (
        x509.CertificateBuilder(
            ca.subject, _name("hcsd"), key.public_key(), x509.random_serial_number(),
            not_before, not_after,
        )
        .add_extension(x509.SubjectAlternativeName(_alternatives(names)), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(issuer, critical=False)
        .sign(ca_key, hashes.SHA256())
    )  # fmt: skip
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    return ServerCertificate(pem, _private_pem(key), shown(not_after))


def _alternatives(names: frozenset[str]) -> list[x509.GeneralName]:
    """Return names as a certificate has them; what is no name of DNS is left out."""
    made: list[x509.GeneralName] = []
    for name in sorted(names):
        address = ip_of(name)
        if address is not None:
            made.append(x509.IPAddress(address))
        elif DNS_NAME.fullmatch(name.removesuffix(".")):
            made.append(x509.DNSName(name.removesuffix(".")))
    return made


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
