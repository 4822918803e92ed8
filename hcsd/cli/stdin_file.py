"""`hcsd run --stdin-file`: a file as the stdin of a process."""

from __future__ import annotations

import errno
import os
import stat
from typing import Annotated

import typer

STDIN = 0
OURS = "-"

StdinFileOption = Annotated[
    str | None,
    typer.Option(
        "--stdin-file",
        metavar="FILE",
        help="File of this machine to pass to the process as its stdin, to its end; - is this"
        " command's stdin. With -d, too: this command then ends when the process has taken all"
        " of it.",
    ),
]


def take_stdin_from(path: str) -> None:
    """Make a file our own stdin, as ``< FILE`` of a shell does.

    Raises:
        BadParameter: It cannot be read.
    """
    if path == OURS:
        return
    try:
        # Left open: without a stdin of ours it is the one that the system has given this number.
        file = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        if stat.S_ISDIR(os.fstat(file).st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        os.dup2(file, STDIN)
    except (OSError, ValueError) as error:  # the latter: a NUL in the path
        why = error.strerror if isinstance(error, OSError) else error
        msg = f"cannot read '{path}': {why}"
        raise typer.BadParameter(msg, param_hint="--stdin-file") from None
