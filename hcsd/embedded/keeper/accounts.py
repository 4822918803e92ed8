"""Whom a process runs as."""

from __future__ import annotations

import errno
import os
import pwd

from hcsd.embedded.keeper.frames import Refusal


class Account:
    """The account of a process; its fields are None for "as the keeper".

    Args:
        entry: What the host knows of it; None for the keeper's own.

    Attributes:
        environment: Variables that tell a process whose it is.
    """

    def __init__(self, entry: pwd.struct_passwd | None) -> None:
        self.uid = entry.pw_uid if entry else None
        self.gid = entry.pw_gid if entry else None
        self.groups = os.getgrouplist(entry.pw_name, entry.pw_gid) if entry else None
        self.environment = (
            {"HOME": entry.pw_dir, "USER": entry.pw_name, "LOGNAME": entry.pw_name} if entry else {}
        )


def find_account(user: str) -> Account:
    """Find an account by its name or uid; "" is the keeper's own.

    Raises:
        Refusal: There is no such account, or the keeper may not start processes as it.
    """
    if not user:
        return Account(None)
    try:
        entry = pwd.getpwuid(int(user)) if user.isdigit() else pwd.getpwnam(user)
    except (KeyError, ValueError):  # ValueError: not even a possible name or number
        raise Refusal("user", errno.ENOENT) from None
    if os.geteuid() not in {0, entry.pw_uid}:
        raise Refusal("user", errno.EPERM)
    return Account(None if entry.pw_uid == os.geteuid() else entry)
