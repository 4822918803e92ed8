"""The providers that the contract suite runs against.

On POSIX that is the embedded one. In the Windows Python it is what stands behind computecore.dll, by
way of the real loader: the test double, or HCS itself if HCSD_CONTRACT_SYSTEM is the id of a running
container. Then HCSD_GUEST is the path of guest.exe inside it.
"""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from hcsd.hcs.library import Provider
from tests.support.census import MARK
from tests.support.guest import Guest, PosixGuest, WindowsGuest
from tests.support.traits import Trait


class CountingProvider(Provider, Protocol):
    """A provider that knows what it has given out."""

    def live(self) -> dict[str, int]: ...


@dataclass(frozen=True)
class Engine:
    """A provider, and the guest whose processes it runs.

    Attributes:
        open: Makes the provider; it has one running system, of the id in `system_id`.
        many: How many short processes it runs in a few seconds.
        traits: What it has beyond what every engine has.
    """

    name: str
    open: Callable[[], CountingProvider]
    guest: Guest
    system_id: str
    many: int
    traits: frozenset[Trait] = frozenset()


OURS = frozenset({Trait.SYSTEMS, Trait.COUNTS, Trait.GUARDED, Trait.STRICT})

if sys.platform == "win32":
    from tests.windows.provider import DoubleProvider, HcsProvider

    ENGINES = [
        Engine("hcs", HcsProvider, WindowsGuest(), container, 50)
        if (container := os.environ.get("HCSD_CONTRACT_SYSTEM"))
        else Engine(
            "double", DoubleProvider, WindowsGuest(), "host", 50, OURS | {Trait.DISCONNECTS}
        )
    ]
else:
    from hcsd.control_groups import ControlGroups
    from hcsd.embedded.child_settings import ChildSettings
    from hcsd.embedded.hierarchies import find_hierarchies
    from hcsd.embedded.provider import EmbeddedProvider
    from hcsd.embedded.timings import DEFAULT_TIMINGS, Timings

    # A keeper that a test has stopped stays so, and one that does not answer is waited for.
    PATIENT = Timings(look=3600)
    # One that does not answer is soon given up.
    HASTY = Timings(look=0.05, ask=0.2, silence=2.0, end=1.0, reap=0.3, clean=10.0, revive=0.1)

    def embedded_provider(
        start_timeout: float = 30.0,
        timings: Timings = DEFAULT_TIMINGS,
        groups: ControlGroups = ControlGroups.AUTO,
        *,
        reaps_orphans: bool = False,
    ) -> EmbeddedProvider:
        """Make one whose processes a census sees."""
        hierarchies = find_hierarchies(groups)
        settings = ChildSettings((MARK,), start_timeout, hierarchies=hierarchies)
        return EmbeddedProvider(settings, timings, reaps_orphans=reaps_orphans)

    ENGINES = [
        Engine(
            "embedded",
            embedded_provider,
            PosixGuest(),
            "host",
            300,
            OURS | {Trait.POSIX, Trait.SERIAL},
        )
    ]
