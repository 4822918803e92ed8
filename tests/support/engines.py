"""The providers that the contract suite runs against.

An entry for computecore.dll on a Windows host, with a guest of its own, makes the same tests run
there.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from hcsd.embedded.provider import EmbeddedProvider
from hcsd.hcs.library import Provider
from tests.support.guest import Guest, PosixGuest


class CountingProvider(Provider, Protocol):
    """A provider that knows what it has given out."""

    def live(self) -> dict[str, int]: ...


@dataclass(frozen=True)
class Engine:
    """A provider, and the guest whose processes it runs.

    Attributes:
        open: Makes the provider; it has one running system, of the id in `system_id`.
    """

    name: str
    open: Callable[[], CountingProvider]
    guest: Guest
    system_id: str


ENGINES = [Engine("embedded", EmbeddedProvider, PosixGuest(), "host")]
