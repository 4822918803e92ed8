"""What the engine asks a keeper for, read out of its messages."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from hcsd.embedded.keeper.groups import Places

if TYPE_CHECKING:
    from hcsd.embedded.keeper.frames import Message
    from hcsd.embedded.keeper.limits import Limit


class Settings(NamedTuple):
    """What a keeper is started with, as its argument says it.

    Attributes:
        descriptor: Its end of the socket pair.
        mark: Begins the marks of its processes.
        pass_env: Variables of the daemon that its processes have, too.
        start_timeout: Seconds that a start may take.
        places: Control groups of the system's own; None without any.
        door: A socket that listens for other engines; -1 without one.
        window: Seconds to wait for another engine when this one has died.
    """

    descriptor: int
    mark: str
    pass_env: list[str]
    start_timeout: float
    places: Places | None
    door: int = -1
    window: float = 0.0

    def to_argument(self) -> str:
        """Write them down."""
        return json.dumps(self)

    @classmethod
    def of(cls, argument: str) -> Settings:
        """Read them."""
        settings = cls(*json.loads(argument))
        places = settings.places
        return settings._replace(places=None if places is None else Places(*places))


class StartRequest(NamedTuple):
    """A process to start; its fields are those of `process_documents.Launch`.

    Attributes:
        stdio: Whether a descriptor came for stdin, stdout and stderr.
        limits: Soft and hard, by name.
        tag: What the engine calls this start.
        keep: Names of descriptors that came behind those of stdio, for `kept`.
    """

    argv: list[str]
    environment: dict[str, str]
    directory: str
    user: str
    uid: int | None
    gid: int | None
    groups: list[int]
    console: bool
    stdio: list[bool]
    limits: dict[str, Limit]
    umask: int | None
    oom_score_adj: int | None
    no_new_privileges: bool
    tag: str
    keep: list[str]

    @classmethod
    def of(cls, message: Message) -> StartRequest:
        """Read it: both sides are ours, so it is what it should be."""
        return cls(**{name: message[name] for name in cls._fields})  # type: ignore[arg-type]
