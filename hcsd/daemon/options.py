"""How the daemon keeps a process: its output, its times, its owner, its record.

    asked for ──defaults──▶ in force

The same holds for a typed spec and for a raw document. HCS learns of two of them only, which say what
pipes there are: see `hcsd.daemon.spec` and `hcsd.daemon.raw_document`.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hcsd.daemon.errors import InvalidRequestError, RequestError, Violation
from hcsd.daemon.reasons import Reason
from hcsd.daemon.spans import Span
from hcsd.daemon.streams import Stream
from hcsd.io import Overflow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hcsd.daemon.settings import Limits


class OrphanPolicy(enum.Enum):
    """What becomes of a process whose owner leaves."""

    KEEP = enum.auto()
    KILL_ON_OWNER_DISCONNECT = enum.auto()


@dataclass(frozen=True, slots=True)
class Options:
    """How a process is kept. What is None is left open.

    Attributes:
        ring_bytes: Capacity of each output ring.
        overflow: What gives way when a ring is full.
        stderr_to_stdout: Whether stderr goes where stdout goes.
        discard: Streams that nobody will read.
        run_timeout: How long it may run; 0 is without limit.
        drain_timeout: How long to wait for pipes that outlive it.
        orphan_policy: What becomes of it when its owner leaves.
        owner_grace: How long it lives without an owner.
        pin: Whether its record stays until somebody deletes it.
        in_spec: Which of them the spec says, by their paths in the contract; for messages.
    """

    ring_bytes: int | None = None
    overflow: Overflow | None = None
    stderr_to_stdout: bool = False
    discard: frozenset[Stream] = frozenset()
    run_timeout: Span | None = None
    drain_timeout: Span | None = None
    orphan_policy: OrphanPolicy | None = None
    owner_grace: Span | None = None
    pin: bool = False
    in_spec: frozenset[str] = frozenset()

    def filled(self, limits: Limits, *, owned: bool) -> Options:
        """Put the defaults in the place of what is left open.

        Args:
            limits: Defaults.
            owned: Whether somebody who reads its output owns it: then output blocks by default, as a
                pipe would.
        """
        return replace(
            self,
            ring_bytes=self.ring_bytes or limits.default_ring_bytes,
            overflow=self.overflow or (Overflow.BLOCK if owned else Overflow.DROP_OLDEST),
            drain_timeout=self.drain_timeout or Span(round(limits.drain_timeout * 1e9)),
            orphan_policy=self.orphan_policy or OrphanPolicy.KEEP,
        )

    @property
    def kills_orphan(self) -> bool:
        """Whether the process dies when it has no owner."""
        return self.orphan_policy is OrphanPolicy.KILL_ON_OWNER_DISCONNECT

    def has_pipe(self, stream: Stream) -> bool:
        """Whether a process without a console has a pipe for an output stream."""
        joined = self.stderr_to_stdout and stream is Stream.STDERR
        return not joined and stream not in self.discard

    def place_of(self, option: str) -> str:
        """Return the field of the request that says an option."""
        return f"{'spec' if option in self.in_spec else 'options'}.{option}"


NO_OPTIONS = Options()


def require_sense(options: Options, *, owned: bool, console: bool) -> None:
    """Refuse options that contradict each other, or the rest of the request.

    Args:
        options: As they were asked for.
        owned: Whether a call owns the process from its start.
        console: Whether the process has a console.

    Raises:
        InvalidRequestError: It lists all contradictions.
    """
    found = [
        Violation(options.place_of(option), rule, message)
        for option, rule, message in _contradictions(options, owned=owned, console=console)
    ]
    if found:
        raise InvalidRequestError(found)


def _contradictions(
    options: Options, *, owned: bool, console: bool
) -> Iterator[tuple[str, str, str]]:
    grace = options.owner_grace is not None and options.owner_grace.nanoseconds > 0
    if options.kills_orphan and not owned and not grace:
        yield (
            "orphan_policy",
            "enum.not_in",
            "needs an owner: RunProcess gives one, or one attaches within 'options.owner_grace'",
        )
    if grace and not options.kills_orphan:
        yield (
            "owner_grace",
            "field.requires",
            "needs the orphan policy ORPHAN_POLICY_KILL_ON_OWNER_DISCONNECT",
        )
    if options.discard and console:
        yield (
            "output.discard",
            "field.exclusive",
            "must not be set with a console, whose output is one stream",
        )
    if options.discard and options.stderr_to_stdout:
        yield (
            "output.discard",
            "field.exclusive",
            "must not be set with 'stderr_to_stdout': to discard both, name both streams here",
        )


class JoinNotSupportedError(RequestError):
    """The engine cannot send stderr where stdout goes."""

    def __init__(self) -> None:
        super().__init__(
            Reason.STDERR_TO_STDOUT_NOT_SUPPORTED,
            "this engine cannot join stderr to stdout, for HCS has no place for that: let a shell of"
            " the guest do it ('2>&1'), or read both streams",
        )
