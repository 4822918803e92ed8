"""The token of the daemon, for callers that no listener keeps out.

A Unix socket is guarded by its directory (0700) and its mode (0600). TCP has no such guard, so a
TCP listener admits only who presents the daemon's token: 256 random bits in a file that only its
owner can read (on Windows administrators, too), made at the first start. Where TLS asks for a
certificate of the client (client_certificates.py), that is the guard, and nobody is asked for the
token.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from hcsd.errors import HcsdError
from hcsd.listen.followed import Followed
from hcsd.private.files import (
    NotPrivateError,
    make_private_directory,
    make_private_file,
    read_private_file,
)

if TYPE_CHECKING:
    from pathlib import Path

TOKEN_BYTES = 32
# What people choose is weak; these bounds refuse the worst of it.
MIN_LENGTH = 24
MIN_DIFFERENT = 8
ANOTHER = "name another with --token-file"
NOT_VISIBLE = "its token has other characters than those of ASCII that are visible"


class TokenFileError(HcsdError):
    """The token file cannot be used as it is."""


class Token(Followed[str]):
    """The token, as its file says it now; made if there is none.

    `current()` returns "" if nobody may come in: nothing equals the token then.

    Raises:
        TokenFileError: The file cannot be used or made, others could read or replace it, or its
            token is weak.
    """

    def __init__(self, path: Path) -> None:
        try:
            if not path.parent.exists():
                make_private_directory(path.parent)
            if not path.exists():
                make_private_file(path, secrets.token_urlsafe(TOKEN_BYTES) + "\n")
        except NotPrivateError as error:
            raise TokenFileError(f"{_unusable(path, error)}; {ANOTHER}") from error
        except OSError as error:
            raise _unusable(path, error) from error
        super().__init__(path, _load, "")


def _load(path: Path) -> str:
    try:
        token = read_private_file(path).strip()
    except UnicodeDecodeError:
        token = None  # and not chained: it has the content of the file
    except (NotPrivateError, OSError) as error:
        raise _unusable(path, error) from error
    weakness = NOT_VISIBLE if token is None else _weakness(token)
    if token is None or weakness:
        msg = (
            f"cannot use token file '{path}': {weakness}. Write a better one, or delete the file:"
            " the next start makes a new one"
        )
        raise TokenFileError(msg)
    return token


def _weakness(token: str) -> str:
    """Say why a token is none, or can be guessed; "" if it is good."""
    if not all("!" <= character <= "~" for character in token):
        return NOT_VISIBLE
    if len(token) < MIN_LENGTH:
        return f"its token has {len(token)} characters, and {MIN_LENGTH} are the least"
    if len(set(token)) < MIN_DIFFERENT:
        return f"its token has fewer than {MIN_DIFFERENT} different characters"
    return ""


def _unusable(path: Path, error: Exception) -> TokenFileError:
    reason = f"{error.strerror}; {ANOTHER}" if isinstance(error, OSError) else error
    return TokenFileError(f"cannot use token file '{path}': {reason}")
