"""Pages of a list whose entries have ascending keys."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, TypeVar

from hcsd.daemon.errors import InvalidRequestError, Violation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

T = TypeVar("T")
K = TypeVar("K", int, str)

DEFAULT_PAGE_SIZE = 100


def page(
    items: Iterable[T], key: Callable[[T], K], size: int, token: str, limit: int, *, kind: type[K]
) -> tuple[list[T], str]:
    """Cut one page out of a list.

    Args:
        items: The entries, by ascending key.
        key: Returns the key of an entry, which no other has.
        size: Entries wanted; 0 for the default.
        token: Token of the page before, or "".
        limit: Most entries of a page.
        kind: Type of the keys.

    Returns:
        The entries, and the token of the next page or "".

    Raises:
        InvalidRequestError: The token is none of ours.
    """
    after = _decode(token, kind)
    wanted = min(size or DEFAULT_PAGE_SIZE, limit)
    rest = [item for item in items if after is None or key(item) > after]
    found = rest[:wanted]
    return found, _encode(key(found[-1])) if len(rest) > wanted else ""


def _encode(key: int | str) -> str:
    return base64.urlsafe_b64encode(f"after:{key}".encode()).decode()


def _decode(token: str, kind: type[K]) -> K | None:
    if not token:
        return None
    try:
        said, _, key = base64.urlsafe_b64decode(token).decode().partition(":")
        if said == "after":
            return kind(key)
    except ValueError:
        pass
    raise InvalidRequestError(
        [Violation("page_token", "string.page_token", "is not a token that a list has returned")]
    )
