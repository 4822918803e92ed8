"""A word to who waits at a terminal; nothing where nobody watches."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """Show on stderr what is waited for, while inside. It leaves no trace, and no room for output."""
    if not sys.stderr.isatty():
        yield
        return
    # Imported here: only a terminal needs it, and it takes time.
    from rich.console import Console
    from rich.text import Text

    from hcsd.printable import printable

    # As a text, since rich would take what is in brackets in a string for orders.
    with Console(stderr=True).status(Text(printable(what))):
        yield
