"""A certificate of the daemon in files that somebody else keeps: `--tls-cert` and `--tls-key`.

What is checked is what would fail every client: bad PEM, a key of another certificate, and a
certificate that is expired, not valid yet or not for servers. A daemon with such a one would look
well and serve nobody; so it is refused, not warned about.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from hcsd.listen.pem import TlsFileError, mend, read_certificates, shown
from hcsd.listen.tls import ServerCertificate
from hcsd.private.files import NotPrivateError, file_version, read_private_file

if TYPE_CHECKING:
    from pathlib import Path

KEY_OPTION = "--tls-key"
NO_KEY = "it holds no private key in PEM ('-----BEGIN PRIVATE KEY-----')"


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """Where both are, in PEM.

    Attributes:
        certificate: The daemon's certificate, and those between it and its CA after it.
        key: Its private key, without a passphrase, in a file that only its owner can read.
    """

    certificate: Path
    key: Path

    def version(self) -> object:
        """Look at the files; what is not there is told by `load`."""
        return file_version(self.certificate), file_version(self.key)

    def load(self) -> ServerCertificate:
        """Read the files and check them.

        Raises:
            TlsFileError: They cannot be used.
        """
        before = self.version()
        certificate = read_certificates(self.certificate, "certificate", "--tls-cert")
        key = _read_key(self.key)
        not_after = _rehearse(self, certificate)
        if self.version() != before:  # what was checked is what was read
            msg = f"'{self.certificate}' or '{self.key}' was changed while it was read"
            raise TlsFileError(msg)
        return ServerCertificate(certificate.encode(), key.encode(), not_after)


def _read_key(path: Path) -> str:
    try:
        return read_private_file(path, made_by_us=False)
    except UnicodeDecodeError:  # not chained: it has the content of the file
        msg = f"cannot use key file '{path}': {NO_KEY}; {mend(KEY_OPTION)}"
        raise TlsFileError(msg) from None
    except (NotPrivateError, OSError) as error:
        reason = f"{error.strerror}; {mend(KEY_OPTION)}" if isinstance(error, OSError) else error
        msg = f"cannot use key file '{path}': {reason}"
        raise TlsFileError(msg) from error


def _rehearse(files: CertificateFiles, certificate: str) -> str:
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
        msg = f"cannot use key file '{files.key}': {problem}; {mend(KEY_OPTION)}"
        raise TlsFileError(msg) from error
    except OSError as error:
        msg = f"cannot use key file '{files.key}': {error.strerror}; {mend(KEY_OPTION)}"
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
    until = ssl.cert_time_to_seconds(str((ours.getpeercert() or {})["notAfter"]))
    return shown(datetime.fromtimestamp(until, UTC))
