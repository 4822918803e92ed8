"""The token that a caller presents where the listener is no guard."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from hcsd.daemon.errors import RequestError
from hcsd.daemon.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Iterable

SCHEME = "Bearer "


def check_token(token: str, metadata: Iterable[tuple[str, str | bytes]]) -> None:
    """Admit a call that carries the token.

    Raises:
        RequestError: TOKEN_MISSING or TOKEN_INVALID.
    """
    given = next((value for key, value in metadata if key == "authorization"), None)
    if given is None:
        raise RequestError(
            Reason.TOKEN_MISSING,
            "this listener needs the daemon's token: pass --token-file or set HCSD_TOKEN_FILE",
        )
    text = given.decode("latin-1") if isinstance(given, bytes) else given
    if not hmac.compare_digest(text.encode(), (SCHEME + token).encode()):
        raise RequestError(Reason.TOKEN_INVALID, "the token is not this daemon's")
