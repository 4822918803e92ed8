"""Lengths of time as others give them, exact to the nanosecond; the daemon's own are float seconds."""

from __future__ import annotations

from typing import NamedTuple


class Span(NamedTuple):
    """A length of time."""

    nanoseconds: int

    @property
    def seconds(self) -> float:
        """The same in seconds."""
        return self.nanoseconds / 1e9
