"""A Unix socket that its user may not use: whose it is, and what to do."""

from __future__ import annotations

import errno
import os
from pathlib import Path

_DENIED = os.strerror(errno.EACCES)


def explain_denied(cause: str, path: str) -> str:
    """Say in words why a socket may not be used, as far as gRPC tells; "" if that is not about rights.

    Args:
        cause: What gRPC says.
        path: Of the socket.
    """
    if _DENIED not in cause:
        return ""
    place = _closed_place(Path(path))
    try:
        owner = place.stat().st_uid
    except OSError:  # it has gone since
        return ""
    if owner == os.geteuid():  # type: ignore[attr-defined, unused-ignore]  # not in typeshed for win32
        return f"{_DENIED}: '{place}' is yours, but its mode keeps you out; chmod u+rwx '{place}'"
    try:
        user = f"'{place.owner()}'"  # type: ignore[misc, unused-ignore]  # nor is this
    except KeyError:
        user = str(owner)
    return (
        f"{_DENIED}: '{place}' belongs to user {user}; run this as that user, or give the address of"
        " another daemon, as with HCSD_ADDRESS"
    )


def _closed_place(path: Path) -> Path:
    """Return the first that may not be entered or used: what is below cannot even be looked at."""
    for place in path.parents:
        if not os.access(place, os.X_OK):
            path = place
    return path
