"""Whom a process runs as.

A user is written as in docker: ``NAME``, ``UID``, ``NAME:GROUP`` or ``UID:GID``. Who names a group
gets that group and no other. Who names none gets the groups of the account. A uid without an
account has the group of the same number, no other groups, and ``/`` for a home.

A process for which nobody names a user runs as the keeper does, with its groups.
"""

from __future__ import annotations

import errno
import functools
import grp
import os
import pwd
from typing import TYPE_CHECKING, NamedTuple

from hcsd.embedded.keeper.frames import Refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_ID = (1 << 31) - 1  # above that are the kernel's own values for "nobody" and "no change"
DEFAULT_SHELL = "/bin/sh"
NOWHERE = "/"  # the home of who has none


class Account(NamedTuple):
    """The account of a process.

    Attributes:
        uid: None for the keeper's own; likewise the gid and the supplementary groups.
        home: Its home directory.
        environment: Variables that tell a process whose it is.
    """

    uid: int | None
    gid: int | None
    groups: list[int] | None
    home: str
    environment: dict[str, str]


def find_account(user: str, uid: int | None, gid: int | None, groups: Sequence[int]) -> Account:
    """Find out what a process is to run as.

    Args:
        user: As the head of the module says; "" for the keeper's own, or what `uid` says.
        uid: A uid instead of a user.
        gid: A group instead of that of the user.
        groups: Supplementary groups instead of those of the user; empty for his.

    Raises:
        Refusal: There is no such user or group.
    """
    name, _, group = user.partition(":")
    if group:
        gid, groups = _gid(group), groups or ()
    if not name and uid is None:
        own = _own()
        return own._replace(gid=gid, groups=_explicit(gid, groups))
    entry, uid = _entry(name) if name else (_by_uid(uid), uid)
    if uid == os.geteuid() and os.geteuid() != 0 and gid is None and not groups:
        return _describe(entry, None, None, None)  # it is the keeper's own
    explicit = _explicit(gid, groups)
    if gid is None:
        gid = entry.pw_gid if entry else uid
    if explicit is None:
        explicit = os.getgrouplist(entry.pw_name, entry.pw_gid) if entry else []
    # What is so already needs no right to be changed.
    own_gid = gid == os.getgid() == os.getegid()
    return _describe(
        entry,
        None if uid == os.getuid() == os.geteuid() else uid,
        None if own_gid else gid,
        None if own_gid and {gid, *explicit} == {gid, *os.getgroups()} else explicit,
    )


@functools.cache
def _own() -> Account:
    return _describe(_by_uid(os.geteuid()), None, None, None)


def _explicit(gid: int | None, groups: Sequence[int]) -> list[int] | None:
    """Return the groups that were asked for; None if the account's are meant."""
    if groups:
        return list(groups)
    return None if gid is None else [gid]


def _describe(
    entry: pwd.struct_passwd | None, uid: int | None, gid: int | None, groups: list[int] | None
) -> Account:
    if entry is None:
        return Account(uid, gid, groups, NOWHERE, {"HOME": NOWHERE, "SHELL": DEFAULT_SHELL})
    home = entry.pw_dir or NOWHERE
    environment = {
        "HOME": home,
        "USER": entry.pw_name,
        "LOGNAME": entry.pw_name,
        "SHELL": entry.pw_shell or DEFAULT_SHELL,
    }
    return Account(uid, gid, groups, home, environment)


def _entry(name: str) -> tuple[pwd.struct_passwd | None, int]:
    """Look a user up by name, or by number, which need not have an account."""
    number = _number(name)
    if number is not None:
        return _by_uid(number), number
    try:
        entry = pwd.getpwnam(name)
    except (KeyError, ValueError):  # ValueError: not even a possible name
        raise Refusal("user", errno.ENOENT) from None
    return entry, entry.pw_uid


def _by_uid(uid: int | None) -> pwd.struct_passwd | None:
    try:
        return None if uid is None else pwd.getpwuid(uid)
    except (KeyError, OverflowError):
        return None


def _gid(group: str) -> int:
    number = _number(group)
    if number is not None:
        return number
    try:
        return grp.getgrnam(group).gr_gid
    except (KeyError, ValueError):
        raise Refusal("group", errno.ENOENT) from None


def _number(text: str) -> int | None:
    """Return a uid or gid that is written as a number; None if it is none."""
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(MAX_ID))):
        return None
    number = int(text)
    return number if number <= MAX_ID else None
