"""All that a child needs, prepared before the fork."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from hcsd.embedded.keeper.limits import limits_to_set

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hcsd.embedded.keeper.accounts import Account
    from hcsd.embedded.keeper.limits import Limit

LATE_LIMITS = {"as", "data"}  # of the memory, which the steps of the start need themselves
OOM_SCORE_ADJ_FILE = "/proc/self/oom_score_adj"


class Plan(NamedTuple):
    """All that a child needs, prepared.

    Attributes:
        argv: The program and its arguments.
        paths: Where the program may be, in order.
        environment: All of it but PWD.
        directory: The directory to enter; empty for the home.
        home: Where to be without one.
        stdio: Descriptors for stdin, stdout and stderr, each above 2.
        console: Whether stdin is to be the controlling terminal.
        uid: None for the keeper's; likewise the gid and the groups.
        limits: Number, and soft and hard, of each limit to set.
        late_limits: Likewise those that would be in the way of the steps.
        limit_names: Of the limits, then of the late ones.
        reset_nice: Whether the nice value is not 0.
        umask: None for the keeper's, which is the default.
        oom_score_adj: None for the keeper's.
        oom_score_adj_asked: Whether it was asked for, and is not just the default.
        no_new_privileges: Whether programs may give it more rights than it has.
    """

    argv: list[bytes]
    paths: Sequence[bytes]
    environment: dict[bytes, bytes]
    directory: bytes
    home: bytes
    stdio: Sequence[int]
    console: bool
    uid: int | None
    gid: int | None
    groups: Sequence[int] | None
    limits: Sequence[tuple[int, Limit]]
    late_limits: Sequence[tuple[int, Limit]]
    limit_names: Sequence[str]
    reset_nice: bool
    umask: int | None
    oom_score_adj: bytes | None
    oom_score_adj_asked: bool
    no_new_privileges: bool


def prepare(
    *,
    argv: Sequence[str],
    environment: dict[str, str],
    directory: str,
    stdio: Sequence[int],
    console: bool,
    account: Account,
    limits: dict[str, Limit],
    umask: int | None,
    oom_score_adj: int | None,
    no_new_privileges: bool,
) -> Plan:
    """Make a plan.

    Raises:
        ValueError: A text stands for no bytes.
    """
    program = os.fsencode(argv[0])
    to_set = limits_to_set(limits)
    early = [name for name in to_set if name not in LATE_LIMITS]
    late = [name for name in to_set if name in LATE_LIMITS]
    wanted = b"%d" % (oom_score_adj or 0)
    variables = {os.fsencode(name): os.fsencode(value) for name, value in environment.items()}
    return Plan(
        argv=[os.fsencode(arg) for arg in argv],
        paths=_paths(program, variables.get(b"PATH", os.fsencode(os.defpath))),
        environment=variables,
        directory=os.fsencode(directory),
        home=os.fsencode(account.home),
        stdio=stdio,
        console=console,
        uid=account.uid,
        gid=account.gid,
        groups=account.groups,
        limits=[to_set[name] for name in early],
        late_limits=[to_set[name] for name in late],
        limit_names=early + late,
        reset_nice=os.getpriority(os.PRIO_PROCESS, 0) != 0,
        umask=umask,
        oom_score_adj=None if wanted == _own_oom_score_adj() else wanted,
        oom_score_adj_asked=oom_score_adj is not None,
        no_new_privileges=no_new_privileges,
    )


def _own_oom_score_adj() -> bytes:
    """Return the keeper's; "0" where there is no such thing."""
    try:
        descriptor = os.open(OOM_SCORE_ADJ_FILE, os.O_RDONLY)
    except OSError:
        return b"0"
    try:
        return os.read(descriptor, 16).strip()
    finally:
        os.close(descriptor)


def _paths(program: bytes, path: bytes) -> list[bytes]:
    if b"/" in program:
        return [program]
    return [os.path.join(directory, program) for directory in path.split(b":")]
