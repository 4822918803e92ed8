"""The token of the daemon, for callers that no listener keeps out.

A Unix socket is guarded by its directory (0700) and its mode (0600). TCP has no such guard, so a
TCP listener admits only who presents the daemon's token: 256 random bits in a file that only its
owner can read (on Windows administrators, too), made at the first start. Where TLS asks for a
certificate of the client (tls.py), that is the guard, and nobody is asked for the token.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from hcsd.errors import HcsdError
from hcsd.listen.private import (
    NotPrivateError,
    make_private_directory,
    make_private_file,
    read_private_file,
)

if TYPE_CHECKING:
    from pathlib import Path

TOKEN_BYTES = 32


class TokenFileError(HcsdError):
    """The token file cannot be used as it is."""


def load_token(path: Path) -> str:
    """Read the daemon's token, making the file if there is none.

    Raises:
        TokenFileError: Others could read the file, it is empty, or it cannot be read or made.
    """
    try:
        if not path.parent.exists():
            make_private_directory(path.parent)
        if not path.exists():
            make_private_file(path, secrets.token_urlsafe(TOKEN_BYTES) + "\n")
        token = read_private_file(path).strip()
    except (NotPrivateError, OSError, UnicodeDecodeError) as error:
        msg = f"cannot use token file '{path}': {error}"
        raise TokenFileError(msg) from error
    if not token:
        msg = f"token file '{path}' is empty; delete it, and the next start makes a new one"
        raise TokenFileError(msg)
    return token
