"""A compute system as the daemon has it: the engine's system, what it is, how it ended.

Its life is a table: see `hcsd.daemon.system_life`. Its end is the engine's: known once the ends of its
processes are, so that whoever has seen it need not wait for anything in the system.

Thread: the event loop's.
"""

from __future__ import annotations

import contextlib
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from hcsd.daemon.idempotency import NO_KEY, RequestKey
from hcsd.daemon.names import system_name
from hcsd.daemon.shorten import whole_or_nothing
from hcsd.daemon.system_life import TABLE, Effect, Life, Trigger
from hcsd.hcs.ends import SystemEnd
from hcsd.hcs.latch import Latch
from hcsd.hcs.system_life import SystemTrigger

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hcsd.daemon.guests import Guest
    from hcsd.hcs.schema import SystemProperties
    from hcsd.hcs.system import ComputeSystem
    from hcsd.hcs.system_limits import SystemLimits


BASE_WEIGHT = 4096  # bytes of a system without its texts, generously


@dataclass(frozen=True, slots=True)
class SystemRequest:
    """A compute system that somebody wants.

    Attributes:
        system_id: Its id; "" to let the daemon choose.
        configuration: ComputeSystem document, passed through as it is.
        start: Whether to start it, too.
        key: What tells the request from others.
    """

    system_id: str
    configuration: str
    start: bool = False
    key: RequestKey = NO_KEY


@dataclass(frozen=True, slots=True)
class SystemEnding:
    """How a system ended.

    Attributes:
        status: HRESULT, unsigned; 0 if nothing went wrong.
        exit_type: By HCS's names, such as ``ForcedExit``; "" if HCS did not say.
        attribution: Why: an AttributionRecord array as JSON; "" if HCS gave none, or one that is
            too large.
        time: POSIX time in nanoseconds when the daemon learnt of it.
    """

    status: int
    exit_type: str
    attribution: str
    time: int


@dataclass(frozen=True, slots=True)
class SystemView:
    """A system as it is at one moment.

    Attributes:
        properties: What HCS says of it.
        limits: What it may use of the host; None if that is not known.
        create_time: POSIX time in nanoseconds; None if the daemon did not create it.
        exit: How it ended, once that is known.
        kills_trees: Whether a process in it can be killed with all that descends from it.
        pauses: Whether it can be paused.
    """

    properties: SystemProperties
    limits: SystemLimits | None
    create_time: int | None
    exit: SystemEnding | None
    kills_trees: bool
    pauses: bool

    @property
    def weight(self) -> int:
        """About how many bytes of memory it takes."""
        return _weight(self.properties, self.exit)


class Surroundings(Protocol):
    """What carries out the effects of a life."""

    def do(self, effect: Effect, system: System) -> None:
        """Carry out an effect."""

    def save(self, system: System) -> None:
        """Write down what has changed of a system, for the next run of the daemon."""


class System:
    """One compute system that the daemon has open, or had open until it ended.

    Args:
        engine: The engine's. Ownership: of it.
        properties: What HCS says of it.
        guest: What runs in it.
        surroundings: Who carries out the effects of its life.
        request: What tells the request of the create from others.
        create_time: POSIX time in nanoseconds of the create; None for a system made by others.
        limits: What the create has asked for; None for a system made by others.

    Attributes:
        engine: As given; its handle is closed once the system has ended.
        properties: What HCS said of it last.
        guest: As given.
        request: As given.
        create_time: As given.
        limits: As given. What the engine tells goes before it.
        steps: For each step that HCS is asked for, a latch that is set when HCS has answered.
        life: Where it is in its life.
        exit: How it ended, once that is known.
        exit_document: The document that HCS sent with its exit; "" if none came, or once it is told.
    """

    def __init__(
        self,
        engine: ComputeSystem,
        properties: SystemProperties,
        guest: Guest,
        *,
        surroundings: Surroundings,
        request: RequestKey = NO_KEY,
        create_time: int | None = None,
        limits: SystemLimits | None = None,
    ) -> None:
        self.engine = engine
        self.properties = properties
        self.guest = guest
        self.request = request
        self.create_time = create_time
        self.limits = limits
        self.steps: set[Latch[bool]] = set()
        self.life = Life.NEW
        self.exit: SystemEnding | None = None
        self.exit_document = ""
        self._surroundings = surroundings
        self._uses = 0

    @property
    def id(self) -> str:
        """The id HCS knows it by."""
        return self.engine.id

    @property
    def name(self) -> str:
        """Its resource name."""
        return system_name(self.id)

    @property
    def weight(self) -> int:
        """About how many bytes of memory it takes, in the engine, too."""
        return _weight(self.properties, self.exit) + 2 * sys.getsizeof(self.properties.owner)

    @property
    def ended(self) -> bool:
        """Whether it has ended, and all that ran in it."""
        return self.exit is not None

    def begin(self, *, started: bool = False) -> None:
        """Begin its life, now that it is known by its id.

        Args:
            started: Whether the daemon has started it, too.
        """
        self.transition(Trigger.OPENED if self.create_time is None else Trigger.CREATED)
        if started:
            self.transition(Trigger.STARTED)
        self.engine.exited.observe(self._on_exit)

    def resume(self, life: Life, ending: SystemEnding | None) -> None:
        """Go on with a system of an earlier run of the daemon. It is known by its id already.

        Args:
            life: Where it was in its life.
            ending: How it ended, if that was known.
        """
        self.life, self.exit = life, ending
        if ending is None:
            self.engine.exited.observe(self._on_exit)
            return
        end = SystemEnd(ending.status, ending.exit_type, ending.attribution)
        self.engine.transition(SystemTrigger.NOT_FOUND, end=end)  # nobody waits for it in vain
        self.engine.close()
        self._surroundings.do(Effect.KEEP, self)
        if life is Life.ENDED:
            self._surroundings.do(Effect.AWAIT_INSIDE, self)

    @property
    def age(self) -> float:
        """How many seconds ago it has ended, as far as that is known."""
        return max(0.0, time.time() - self.exit.time / 1e9) if self.exit is not None else 0.0

    @contextlib.contextmanager
    def in_use(self) -> Iterator[System]:
        """Keep it open while the block runs."""
        self._uses += 1
        if self._uses == 1:
            self.transition(Trigger.USED)
        try:
            yield self
        finally:
            self._uses -= 1
            if not self._uses:
                self.transition(Trigger.UNUSED)

    @contextlib.contextmanager
    def stepping(self) -> Iterator[None]:
        """Let its end be told after what the block tells."""
        done: Latch[bool] = Latch()
        self.steps.add(done)
        try:
            yield
        finally:
            self.steps.discard(done)
            done.set(True)

    def drop(self) -> None:
        """Forget it, and close its handle; idempotent.

        A system that was made to end with its last handle may end now.
        """
        self.transition(Trigger.DROPPED)

    def _on_exit(self, end: SystemEnd) -> None:
        attribution = whole_or_nothing(end.attribution)
        self.exit = SystemEnding(end.hresult, end.exit_type, attribution, time.time_ns())
        self.transition(Trigger.EXITED)

    def transition(self, trigger: Trigger) -> None:
        """Move on by a trigger, and do what follows from it."""
        self.life, effects = TABLE.step(self.life, trigger)
        for effect in effects:
            self._surroundings.do(effect, self)
        self._surroundings.save(self)


def _weight(properties: SystemProperties, ending: SystemEnding | None) -> int:
    attribution = ending.attribution if ending is not None else ""
    texts = properties.id, properties.owner, attribution
    return BASE_WEIGHT + sum(sys.getsizeof(text) for text in texts)
