"""Files of certificates in PEM, and what is said of those that cannot be used."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from hcsd.errors import HcsdError
from hcsd.private.files import NotPrivateError, read_file

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

NO_CERTIFICATE = "it holds no certificate in PEM ('-----BEGIN CERTIFICATE-----')"


class TlsFileError(HcsdError):
    """A file of a certificate, key or CA cannot be used as it is."""


def shown(moment: datetime) -> str:
    """Return a time of UTC, as the log has it."""
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def mend(option: str) -> str:
    """Say what to do about a file that an option of `hcsd serve` names."""
    return f"put a good one there, or name another with {option}"


def read_certificates(path: Path, what: str, option: str) -> str:
    """Read a file of certificates.

    Args:
        path: The file.
        what: What is in it, for people.
        option: The option of `hcsd serve` that names it.

    Raises:
        TlsFileError: It holds none, or cannot be read.
    """
    try:
        text = read_file(path)
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=text)
    except OSError as error:  # SSLError is one
        reason = error.strerror if not isinstance(error, ssl.SSLError) else NO_CERTIFICATE
        msg = f"cannot use {what} file '{path}': {reason}; {mend(option)}"
        raise TlsFileError(msg) from error
    except NotPrivateError as error:
        msg = f"cannot use {what} file: {error}"
        raise TlsFileError(msg) from error
    except ValueError as error:  # empty, or not ASCII
        msg = f"cannot use {what} file '{path}': {NO_CERTIFICATE}; {mend(option)}"
        raise TlsFileError(msg) from error
    return text
