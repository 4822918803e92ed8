"""Lines for people."""

from __future__ import annotations

import sys
from contextlib import suppress


def say(text: str) -> None:
    """Tell people something, on stderr, with the name of the program before each line."""
    with suppress(OSError):  # nobody reads it
        for line in text.splitlines() or [""]:
            print(f"hcsd: {printable(line)}", file=sys.stderr, flush=True)


def printable(text: str) -> str:
    """Return a text with its control characters shown, not obeyed."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )
