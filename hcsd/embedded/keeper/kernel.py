"""What only Linux offers, and Python has no function for."""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import struct

from hcsd.embedded.keeper.procfs import ON_LINUX

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38

_CLONE3 = 435  # the number of the call, on every architecture
_CLONE_INTO_CGROUP = 0x2_0000_0000
# Of `struct clone_args`: flags, four that are not used, the signal at the end, four that are not used,
# and the descriptor of the group.
_clone_args = struct.Struct("=11Q")

# A call through this one keeps the interpreter's lock, so that a fork has it in the child, too.
_libc = ctypes.PyDLL(None, use_errno=True) if ON_LINUX else None


def prctl(option: int, value: int = 1) -> None:
    """Switch on a trait of this process, or give it a value.

    Raises:
        OSError: The kernel refuses.
    """
    if _libc is not None and _libc.prctl(option, value, 0, 0, 0):
        raise _error()


def fork_into(group: int) -> int:
    """Fork this process, which has one thread, into a control group of v2.

    To move a process into a group later makes it wait for all processors, for some 6 ms. Unlike
    `os.fork` this prepares the child for nothing but the way to its program.

    Args:
        group: A descriptor of the group's directory.

    Returns:
        0 in the child, its pid in the parent.

    Raises:
        OSError: The kernel refuses; ENOSYS, if it is older than 5.7 or a filter forbids the call.
    """
    if _libc is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    args = _clone_args.pack(_CLONE_INTO_CGROUP, 0, 0, 0, signal.SIGCHLD, 0, 0, 0, 0, 0, group)
    pid: int = _libc.syscall(_CLONE3, args, _clone_args.size)
    if pid < 0:
        raise _error()
    return pid


def _error() -> OSError:
    code = ctypes.get_errno()
    return OSError(code, os.strerror(code))
