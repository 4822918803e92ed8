"""The guest systems: the one list of what differs between them."""

from __future__ import annotations

from enum import Enum


class Guest(Enum):
    """An operating system that runs in a compute system; the value is HCS's name for it."""

    WINDOWS = "Windows"
    LINUX = "Linux"

    @classmethod
    def of(cls, runtime_os_type: str, otherwise: str) -> Guest:
        """Return the guest that HCS names.

        Args:
            runtime_os_type: What HCS says, in any case; empty, or ``None``, where it does not know.
            otherwise: Name of the guest that the engine has, in any case.
        """
        known = {guest.value: guest for guest in cls}
        return known.get(runtime_os_type.title()) or known[otherwise.title()]

    @property
    def takes_arguments(self) -> bool:
        """Whether programs are started with a list of arguments; else with one command line."""
        return self is not Guest.WINDOWS

    @property
    def ignores_case_of_variables(self) -> bool:
        """Whether `Path` and `PATH` name one environment variable."""
        return self is Guest.WINDOWS

    @property
    def has_posix_paths(self) -> bool:
        """Whether absolute paths begin with a slash."""
        return self is not Guest.WINDOWS

    @property
    def has_signal_numbers(self) -> bool:
        """Whether processes can be sent signals by number; else control events by name."""
        return self is not Guest.WINDOWS
