"""Pages of a list whose entries have ascending keys, bounded in number and in bytes."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Protocol, TypeVar

from google.protobuf.message import Message

from hcsd.daemon.errors import InvalidRequestError, Violation
from hcsd.rpc.sizes import PAGE_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

T = TypeVar("T")
K = TypeVar("K", int, str)
M = TypeVar("M", bound=Message)
Entry_co = TypeVar("Entry_co", bound=Message, covariant=True)

DEFAULT_PAGE_SIZE = 100


class Query(Protocol):
    """A request for a page."""

    page_size: int
    page_token: str


class Entries(Protocol[Entry_co]):
    """The field of an answer that holds the entries."""

    def add(self) -> Entry_co:
        """Add an empty entry."""

    def pop(self) -> Entry_co:
        """Remove the last one."""


def fill_page(
    entries: Entries[M],
    items: Iterable[T],
    fill: Callable[[M, T], None],
    key: Callable[[T], K],
    query: Query,
    *,
    limit: int,
    kind: type[K],
) -> str:
    """Fill in one page of a list: so many entries, and `PAGE_BYTES` at most, but always one.

    Args:
        entries: Where they go.
        items: What is listed, by ascending key.
        fill: Fills in an entry.
        key: Returns the key of an item, which no other has.
        query: Says how many entries are wanted, 0 for the default, and after which page.
        limit: Most entries of a page.
        kind: Type of the keys.

    Returns:
        The token of the next page or "".

    Raises:
        InvalidRequestError: The token is none of ours.
    """
    after = _decode(query.page_token, kind)
    left = min(query.page_size or DEFAULT_PAGE_SIZE, limit)
    room = PAGE_BYTES
    last: K | None = None
    for item in items:
        if after is not None and key(item) <= after:
            continue
        if not left:
            return _encode(last)
        entry = entries.add()
        fill(entry, item)
        room -= entry.ByteSize()
        if room < 0 and last is not None:
            entries.pop()
            return _encode(last)
        last = key(item)
        left -= 1
    return ""


def _encode(key: int | str | None) -> str:
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
