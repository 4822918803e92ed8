"""What a place to listen at is, whatever its kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from hcsd.errors import HcsdError

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from hcsd.listen.tls import Tls

    # Binds a server to an address, with TLS or without, and returns the port in use. It raises an
    # OSError or a RuntimeError if it cannot.
    Bind = Callable[[str, Tls | None], int]


class ListenError(HcsdError):
    """The daemon cannot, or must not, listen at an address."""


class Listener(Protocol):
    """A place to listen at."""

    @property
    def tls(self) -> Tls | None:
        """What it uses for TLS; None for a place that guards itself, as a Unix socket does."""

    def require_usable(self) -> None:
        """Refuse a place that can never be used, before anything else is begun.

        Raises:
            ListenError: It is none, as far as this can be told without binding it.
        """

    def require_free(self) -> None:
        """Refuse a place at which another daemon listens.

        Raises:
            ListenError: There is one, as far as this can be told without binding it.
        """

    def claim(self, bind: Bind) -> AbstractContextManager[str]:
        """Bind a server to it until the context ends.

        Args:
            bind: Binds the server to an address.

        Returns:
            A context whose value is the address that clients use.

        Raises:
            ListenError: It cannot be used.
        """
