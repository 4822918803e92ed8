"""What can go wrong with the state of the daemon, in words."""

from __future__ import annotations

from hcsd.errors import HcsdError


class StateError(HcsdError):
    """The state directory cannot be used; the text names it, the cause and a remedy."""


class StateTakenError(StateError):
    """Another daemon uses the state directory."""


class JournalError(HcsdError):
    """The journal cannot be written.

    Attributes:
        errno: What the host said, as far as SQLite tells: ENOSPC, EROFS, EACCES or EIO.
    """

    def __init__(self, errno: int, message: str) -> None:
        super().__init__(message)
        self.errno = errno


class DamagedError(HcsdError):
    """What is in the place of the journal is none, or cannot be read."""


class NewerError(HcsdError):
    """A newer version of the daemon has written the journal."""
