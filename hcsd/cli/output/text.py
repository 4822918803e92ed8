"""Lines for people and programs: the way of all text to stdout and stderr.

Whatever is in a line, a terminal that shows it obeys none of it and shows it as one line. So nobody
else in `hcsd.cli` prints. What a process writes is not text but bytes: see `hcsd.cli.session`.
"""

from __future__ import annotations

import errno
import os
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from hcsd.cli import exit_codes
from hcsd.printable import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# What a write to a file, a pipe or a terminal fails for. Commands write to stdout and to sockets, whose failures
# are errors of the client.
_STDOUT_ERRORS = frozenset(
    getattr(errno, name)
    for name in ("ENOSPC", "EDQUOT", "EFBIG", "EIO", "EPIPE", "EBADF")
    if hasattr(errno, name)
)

_later: list[str] | None = None  # what was said inside `saying_later`
_notify: Callable[[str, bool], None] | None = None  # what shows a word there at once


def show(*lines: str) -> None:
    """Print lines on stdout; an empty one if there is none."""
    print(*map(printable, lines), sep="\n", flush=True)


def lead_nowhere(descriptor: int) -> None:
    """Let everything that is written to a descriptor from now on go nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)


def tell_lost_output(error: OSError, failure_code: int) -> int:
    """Say that stdout takes no more, and return the exit code for it.

    What is left for stdout goes nowhere. Otherwise Python would try again at its end, and end with an exit code
    of its own.

    Raises:
        OSError: `error`, if it has another cause.
    """
    if error.errno not in _STDOUT_ERRORS or error.filename is not None:
        raise error
    lead_nowhere(1)
    if isinstance(error, BrokenPipeError):
        return exit_codes.BROKEN_PIPE
    say(f"cannot write to stdout: {error.strerror}")
    return failure_code


def say(text: str) -> None:
    """Tell people something on stderr, in a line that begins with the name of the program."""
    if _later is not None:
        _later.append(text)
        return
    with suppress(OSError):  # nobody reads it
        print(f"hcsd: {printable(text)}", file=sys.stderr, flush=True)


def end_line() -> None:
    """End the line on which a Ctrl-C has left its ``^C``, unless the screen is a process's."""
    if _later is not None:
        return
    with suppress(OSError):  # nobody reads it
        if sys.stderr.isatty():
            print(file=sys.stderr, flush=True)


def say_now(text: str, *, lasts: bool = False) -> None:
    """Tell people what is of no use later; on the screen of a process by a notice.

    Args:
        text: What to tell.
        lasts: Whether it holds until something else is told.
    """
    if _notify is not None:
        _notify(printable(text), lasts)
    else:
        say(text)


@contextmanager
def saying_later(notify: Callable[[str, bool], None]) -> Iterator[list[str]]:
    """Keep what is to be said until the end, while the screen belongs to a process.

    Args:
        notify: Shows what is of no use later, and is told whether it lasts.

    Returns:
        What is kept, as it grows.
    """
    global _later, _notify  # noqa: PLW0603  (there is one screen)
    kept: list[str] = []
    _later, _notify = kept, notify
    try:
        yield kept
    finally:
        _later = _notify = None
        for text in kept:
            say(text)
