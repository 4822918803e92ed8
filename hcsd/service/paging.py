"""Pages of a list whose entries have ascending numbers."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, TypeVar

from hcsd.service.errors import InvalidRequestError, Violation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

T = TypeVar("T")

DEFAULT_PAGE_SIZE = 100


def page(
    items: Iterable[T], number: Callable[[T], int], size: int, token: str, limit: int
) -> tuple[list[T], str]:
    """Cut one page out of a list.

    Args:
        items: The entries, by ascending number.
        number: Returns the number of an entry.
        size: Entries wanted; 0 for the default.
        token: Token of the page before, or "".
        limit: Most entries of a page.

    Returns:
        The entries, and the token of the next page or "".

    Raises:
        InvalidRequestError: The token is none of ours.
    """
    after = _decode(token)
    wanted = min(size or DEFAULT_PAGE_SIZE, limit)
    rest = [item for item in items if number(item) > after]
    found = rest[:wanted]
    return found, _encode(number(found[-1])) if len(rest) > wanted else ""


def _encode(number: int) -> str:
    return base64.urlsafe_b64encode(f"after:{number}".encode()).decode()


def _decode(token: str) -> int:
    if not token:
        return -1
    try:
        kind, _, number = base64.urlsafe_b64decode(token).decode().partition(":")
        if kind == "after":
            return int(number)
    except ValueError:
        pass
    raise InvalidRequestError(
        [Violation("page_token", "string.page_token", "is not a token that a list has returned")]
    )
