"""What ProcessParameters may ask of this engine beyond what HCS has a place for."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from hcsd.abi.hresult import HR
from hcsd.embedded.documents import invalid, is_bool, refuse
from hcsd.embedded.faults import Fault
from hcsd.embedded.keeper.accounts import MAX_ID
from hcsd.embedded.keeper.limits import INFINITE, NUMBERS
from hcsd.embedded.keeper.procfs import ON_LINUX

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hcsd.embedded.documents import Check

MAX_UMASK = 0o777
MAX_OOM_SCORE_ADJ = 1000


def _is_id(value: object) -> bool:
    return type(value) is int and 0 <= value <= MAX_ID


def _are_limits(value: object) -> bool:
    return isinstance(value, dict) and all(
        isinstance(limit, list)
        and len(limit) == 2  # soft and hard
        and all(type(item) is int and 0 <= item <= INFINITE for item in limit)
        and limit[0] <= limit[1]
        for limit in value.values()
    )


SHAPE: dict[str, Check] = {
    "Uid": _is_id,
    "Gid": _is_id,
    "SupplementaryGroups": lambda value: isinstance(value, list) and all(map(_is_id, value)),
    "ResourceLimits": _are_limits,
    "Umask": lambda value: type(value) is int and 0 <= value <= MAX_UMASK,
    "OomScoreAdj": lambda value: type(value) is int and abs(value) <= MAX_OOM_SCORE_ADJ,
    "NoNewPrivileges": is_bool,
}


class Shape(NamedTuple):
    """What was asked for; the fields are those of `keeper.requests.StartRequest`.

    Attributes:
        uid: A uid instead of a user; None for none. Likewise the gid and the groups.
        limits: Soft and hard resource limits by name; those that are not there have defaults.
        umask: None for the default.
        oom_score_adj: None for the default.
        no_new_privileges: Whether programs may give it more rights than it has.
    """

    uid: int | None = None
    gid: int | None = None
    groups: tuple[int, ...] = ()
    limits: Mapping[str, tuple[int, int]] = {}
    umask: int | None = None
    oom_score_adj: int | None = None
    no_new_privileges: bool = False


NO_SHAPE = Shape()


def parse_shape(members: Mapping[str, object]) -> Shape:
    """Read it out of members that were checked.

    Raises:
        Fault: It makes no sense, or this host has no such thing.
    """
    _refuse_what_the_host_lacks(members)
    uid = _integer(members, "Uid")
    if members.get("User") and uid is not None:
        raise invalid("ProcessParameters has both User and Uid")
    return Shape(
        uid=uid,
        gid=_integer(members, "Gid"),
        groups=tuple(_integers(members.get("SupplementaryGroups"))),
        limits=_limits(members.get("ResourceLimits")),
        umask=_integer(members, "Umask"),
        oom_score_adj=_integer(members, "OomScoreAdj"),
        no_new_privileges=members.get("NoNewPrivileges") is True,
    )


def _refuse_what_the_host_lacks(members: Mapping[str, object]) -> None:
    if not ON_LINUX:
        refuse(members, "ProcessParameters", ("OomScoreAdj", "NoNewPrivileges"))
    limits = members.get("ResourceLimits")
    for name in limits if isinstance(limits, dict) else ():
        if name not in NUMBERS:
            known = ", ".join(NUMBERS)
            raise Fault(HR.ERROR_NOT_SUPPORTED, f"this host has no limit '{name}'; it has {known}")


def _integer(members: Mapping[str, object], name: str) -> int | None:
    value = members.get(name)
    return value if isinstance(value, int) else None


def _integers(value: object) -> list[int]:
    return [int(item) for item in value] if isinstance(value, list) else []


def _limits(value: object) -> dict[str, tuple[int, int]]:
    return {str(k): (v[0], v[1]) for k, v in value.items()} if isinstance(value, dict) else {}
