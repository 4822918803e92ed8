"""What only Linux offers, and Python has no function for."""

from __future__ import annotations

import ctypes
import os

from hcsd.embedded.keeper.procfs import ON_LINUX

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38

_libc = ctypes.CDLL(None, use_errno=True) if ON_LINUX else None


def prctl(option: int, value: int = 1) -> None:
    """Switch on a trait of this process, or give it a value.

    Raises:
        OSError: The kernel refuses.
    """
    if _libc is not None and _libc.prctl(option, value, 0, 0, 0):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
