"""What a process is to be beyond what HCS has a place for: limits, groups, and what else POSIX has."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hcsd.hcs.schema import ProcessParameters


MAX_OOM_SCORE_ADJ = 1000
MAX_GROUPS = 1024
MAX_LIMITS = 64
MAX_ID = (1 << 31) - 1  # of a user or a group
INFINITE = (1 << 64) - 1  # a limit that is none


class ResourceLimit(NamedTuple):
    """How much a process may have of something."""

    name: str
    soft: int
    hard: int


@dataclass(frozen=True, slots=True)
class Shape:
    """What HCS has no place for. What is None or empty is left to the engine.

    Attributes:
        uid: The user by number.
        gid: The group.
        supplementary_groups: The other groups.
        resource_limits: Limits; of two with one name the last holds.
        umask: The umask.
        oom_score_adj: How gladly the kernel ends it.
        no_new_privileges: Whether no program may give it more rights.
    """

    uid: int | None = None
    gid: int | None = None
    supplementary_groups: tuple[int, ...] = ()
    resource_limits: tuple[ResourceLimit, ...] = ()
    umask: int | None = None
    oom_score_adj: int | None = None
    no_new_privileges: bool = False

    @property
    def texts(self) -> Iterator[str]:
        """What is large of it, as texts of about that size."""
        yield from (name for name, _, _ in self.resource_limits)
        yield from map(str, self.supplementary_groups)

    @classmethod
    def read(cls, members: Mapping[str, object]) -> Shape:
        """Read what a raw document says of it; what is not as it should be is left out."""
        groups, limits = members.get("SupplementaryGroups"), members.get("ResourceLimits")
        found = cls(
            uid=_integer(members.get("Uid")),
            gid=_integer(members.get("Gid")),
            supplementary_groups=tuple(_integers(groups, MAX_ID)[:MAX_GROUPS]),
            resource_limits=tuple(
                ResourceLimit(name, *pair)
                for name, item in (limits.items() if isinstance(limits, dict) else ())
                if name.isascii() and len(pair := _integers(item, INFINITE)) == 2  # soft and hard
            ),
            umask=_integer(members.get("Umask")),
            oom_score_adj=_integer(members.get("OomScoreAdj"), least=-MAX_OOM_SCORE_ADJ),
            no_new_privileges=members.get("NoNewPrivileges") is True,
        )
        return NO_SHAPE if found == NO_SHAPE else found

    def put_into(self, document: ProcessParameters) -> ProcessParameters:
        """Return a document that asks for this, too."""
        if self is NO_SHAPE:
            return document
        return replace(
            document,
            uid=self.uid,
            gid=self.gid,
            supplementary_groups=list(self.supplementary_groups),
            resource_limits={name: (soft, hard) for name, soft, hard in self.resource_limits},
            umask=self.umask,
            oom_score_adj=self.oom_score_adj,
            no_new_privileges=self.no_new_privileges,
        )

    @property
    def asked_for(self) -> list[str]:
        """Names of the fields that ask for something."""
        return [item.name for item in fields(self) if getattr(self, item.name) != item.default]


NO_SHAPE = Shape()


def _integer(value: object, *, least: int = 0) -> int | None:
    return value if type(value) is int and least <= value <= MAX_ID else None


def _integers(value: object, most: int) -> list[int]:
    if not isinstance(value, list):
        return []
    return [item for item in value if type(item) is int and 0 <= item <= most]
