"""The providers that the contract suite runs against.

An entry for computecore.dll on a Windows host, with a guest of its own, makes the same tests run
there.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

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


def _open_embedded() -> CountingProvider:
    from hcsd.embedded.provider import EmbeddedProvider  # noqa: PLC0415  (POSIX only)

    return EmbeddedProvider()


ENGINES = [Engine("embedded", _open_embedded, PosixGuest(), "host")] if os.name == "posix" else []
