"""Lines for people."""

from __future__ import annotations

import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from hcsd.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

_later: list[str] | None = None  # what was said inside `saying_later`


def say(text: str) -> None:
    """Tell people something, on stderr, with the name of the program before each line."""
    if _later is not None:
        _later.append(text)
        return
    with suppress(OSError):  # nobody reads it
        for line in text.splitlines() or [""]:
            print(f"hcsd: {printable(line)}", file=sys.stderr, flush=True)


@contextmanager
def saying_later() -> Iterator[None]:
    """Keep what is to be said until the end, while the screen belongs to a process."""
    global _later  # noqa: PLW0603  (there is one screen)
    kept: list[str] = []
    _later = kept
    try:
        yield
    finally:
        _later = None
        for text in kept:
            say(text)
