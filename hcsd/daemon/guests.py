"""The guest systems: the one list of what differs between them."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class Guest(Enum):
    """An operating system that runs in a compute system; the value is HCS's name for it."""

    WINDOWS = "Windows"
    LINUX = "Linux"

    @classmethod
    def of(cls, runtime_os_type: str, otherwise: str) -> Guest:
        """Return the guest that HCS names.

        Args:
            runtime_os_type: What HCS says; empty, or ``None``, where it does not know.
            otherwise: Name of the guest that the engine has, in any case.
        """
        known = {guest.value: guest for guest in cls}
        return known.get(runtime_os_type) or known[otherwise.title()]

    @property
    def takes_arguments(self) -> bool:
        """Whether programs are started with a list of arguments; else with one command line."""
        return self is not Guest.WINDOWS

    @property
    def has_posix_paths(self) -> bool:
        """Whether absolute paths begin with a slash."""
        return self is not Guest.WINDOWS

    @property
    def has_signal_numbers(self) -> bool:
        """Whether processes can be sent signals by number; else control events by name."""
        return self is not Guest.WINDOWS


def quote_windows(args: Iterable[str]) -> str:
    """Join arguments into a command line that CommandLineToArgvW splits into the same ones.

    Backslashes count only in front of a quote: there each is doubled, and the quote escaped.
    """
    return " ".join(map(_quote, args))


def _quote(arg: str) -> str:
    if arg and not set(arg) & set(' \t\n\v"'):
        return arg
    quoted = ""
    backslashes = 0
    for character in arg:
        if character == "\\":
            backslashes += 1
            continue
        escaped = backslashes * 2 + 1 if character == '"' else backslashes
        quoted += "\\" * escaped + character
        backslashes = 0
    closing = "\\" * (backslashes * 2)
    return f'"{quoted}{closing}"'
