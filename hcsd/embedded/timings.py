"""How long the engine waits for its keepers, and for what they leave behind."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timings:
    """All in seconds, and all arbitrary.

    Attributes:
        look: Between two looks at all keepers. A look finds those that were stopped.
        ask: For how long a keeper may be silent before it is asked whether it is there.
        silence: For how long it may be silent while it owes an answer, or is to end. It is counted
            in looks, so that a host that stood still does not count.
        end: How long all keepers may take to end when the engine closes. Those that take longer are
            killed, and what they leave behind is given the same time.
        reap: How long the kernel may take for the last steps of a keeper's end.
        clean: How long it may take to end what a killed keeper has left behind.
        hurry: Takes the place of `end` and of `clean` when the close of the engine is to hurry.
        revive: The pause before `host` is made again once more; it doubles up to `revive_most`.
        revive_most: The longest of these pauses.
    """

    look: float = 1.0
    ask: float = 5.0
    silence: float = 10.0
    end: float = 4.0
    reap: float = 1.0
    clean: float = 10.0
    hurry: float = 0.5
    revive: float = 0.5
    revive_most: float = 60.0


DEFAULT_TIMINGS = Timings()
