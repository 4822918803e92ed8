"""Files and directories that nobody but the daemon's user may touch."""

from __future__ import annotations

import os
import stat
import sys
from typing import TYPE_CHECKING

from hcsd.errors import HcsdError

if TYPE_CHECKING:
    from pathlib import Path

OTHERS = 0o77  # what group and everybody else may do: nothing


class NotPrivateError(HcsdError):
    """Others may touch what must be private, or it cannot be looked at."""


def make_private_directory(path: Path) -> None:
    """Make a directory of mode 0700, or see that the one there is the user's alone.

    Raises:
        NotPrivateError: It is not, and how to mend that.
    """
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        status = path.stat()
    except OSError as error:
        msg = f"directory '{path}' cannot be used: {error.strerror}"
        raise NotPrivateError(msg) from error
    if not is_private(status):
        msg = f"others may enter directory '{path}'; make it yours alone (chmod 700 '{path}')"
        raise NotPrivateError(msg)


def is_private(status: os.stat_result) -> bool:
    """Whether only the user may touch a file or directory of this status.

    Windows keeps this in access control lists, which a status does not show.
    """
    if sys.platform == "win32":  # noqa: TID251  (privacy is the platform's to define)
        return False
    else:  # noqa: RET505  (type checkers follow platforms by branches)
        return status.st_uid == os.geteuid() and not stat.S_IMODE(status.st_mode) & OTHERS
