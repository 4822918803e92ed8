"""A row of the list of limits and times: what it counts, what it means, and what options may set."""

from __future__ import annotations

import dataclasses
import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

KIB = 1024
MIB = 1024 * KIB


class Unit(enum.Enum):
    """What a limit counts."""

    BYTES = "bytes"
    SECONDS = "seconds"
    COUNT = "number"


LEAST = {Unit.BYTES: MIB, Unit.SECONDS: 0.001, Unit.COUNT: 1}
# A petabyte; what timers can do anywhere; what gRPC and the contract can tell of a number.
MOST = {Unit.BYTES: 2**50, Unit.SECONDS: 365 * 24 * 3600, Unit.COUNT: 2**31 - 1}


@dataclass(frozen=True, slots=True)
class Setting:
    """A row of the list.

    Attributes:
        name: Of the field of `Limits`.
        unit: What it counts.
        text: What it means.
        option: Name of the option of `hcsd serve` without its dashes; "" if there is none.
        shown: Name in the answer of GetHost; "" if it is not shown.
        most: The largest value that an option may set.
        live: Whether it can change while the daemon runs.
    """

    name: str
    unit: Unit
    text: str
    option: str
    shown: str
    most: float
    live: bool

    @property
    def least(self) -> float:
        """The smallest value that an option may set."""
        return LEAST[self.unit]

    @property
    def key(self) -> str:
        """Its key in the configuration file."""
        return self.option.replace("-", "_")


# dataclasses.field gives the default's own type to a type checker, so each kind has a function.
def count(
    value: int | Callable[[], int],
    text: str,
    option: str = "",
    shown: str = "",
    *,
    live: bool = False,
) -> int:
    """Return a field for a number."""
    return _integer(value, _row(Unit.COUNT, text, option, shown, live=live))


def size(
    value: int | Callable[[], int],
    text: str,
    option: str = "",
    shown: str = "",
    most: int = MOST[Unit.BYTES],
    *,
    live: bool = False,
) -> int:
    """Return a field for bytes."""
    return _integer(value, _row(Unit.BYTES, text, option, shown, live=live) | {"most": most})


def _integer(value: int | Callable[[], int], row: dict[str, Unit | str | float]) -> int:
    found: int
    if isinstance(value, int):
        found = dataclasses.field(default=value, metadata=row)
    else:
        found = dataclasses.field(default_factory=value, metadata=row)
    return found


def seconds(
    value: float, text: str, option: str = "", shown: str = "", *, live: bool = False
) -> float:
    """Return a field for a time."""
    row = _row(Unit.SECONDS, text, option, shown, live=live)
    found: float = dataclasses.field(default=value, metadata=row)
    return found


def _row(
    unit: Unit, text: str, option: str, shown: str, *, live: bool
) -> dict[str, Unit | str | float]:
    return {
        "unit": unit,
        "text": text,
        "option": option,
        "shown": shown,
        "most": MOST[unit],
        "live": live,
    }
