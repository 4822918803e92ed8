"""Lives written as tables.

A table says for each state and each trigger what the next state is, and which effects follow. Four
lives are written so: those of processes and compute systems, as the engine sees them (`hcsd.hcs`) and
as the daemon does (`hcsd.daemon`), each in `process_life` and `system_life`.

A row of a table lists every state, in groups that share a cell:

    Trigger.FOUND: {
        (State.LOST,): to(State.RUNNING, Effect.TAKE_HANDLE),
        (State.RUNNING, State.EXITED): stay(Effect.CLOSE_FOUND),
        (State.CLOSED,): IGNORED,
    }

Effects run in the order in which their enum declares them; every cell keeps to it.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, NamedTuple, Never, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping


class LifeEnum(enum.Enum):
    """An enum whose members hash by identity, in C: tables look them up at every turn."""

    __hash__ = object.__hash__


S = TypeVar("S", bound=enum.Enum)
T = TypeVar("T", bound=enum.Enum)
E = TypeVar("E", bound=enum.Enum)
S_co = TypeVar("S_co", bound=enum.Enum, covariant=True)
E_co = TypeVar("E_co", bound=enum.Enum, covariant=True)


class ImpossibleError(RuntimeError):
    """A trigger came in a state in which the table says that it cannot come."""


@dataclass(frozen=True, slots=True)
class Cell(Generic[S_co, E_co]):
    """One cell of a table.

    Attributes:
        state: The next state; None if it stays the same.
        effects: What follows, in this order.
        possible: Whether the trigger can come in this state at all.
    """

    state: S_co | None = None
    effects: tuple[E_co, ...] = ()
    possible: bool = True


IGNORED: Cell[Never, Never] = Cell()
IMPOSSIBLE: Cell[Never, Never] = Cell(possible=False)


def to(state: S, *effects: E) -> Cell[S, E]:
    """Return the cell that changes the state."""
    return Cell(state, effects)


def stay(*effects: E) -> Cell[Never, E]:
    """Return the cell that has effects and keeps the state."""
    return Cell(None, effects)


class Step(NamedTuple, Generic[S, E]):
    """What a trigger does in a state."""

    state: S
    effects: tuple[E, ...]


class Table(Generic[S, T, E]):
    """The table of a life.

    Args:
        states: All states.
        triggers: All triggers.
        rows: For each trigger a cell for each state.

    Raises:
        ValueError: A cell is missing, or is there twice.
    """

    def __init__(
        self,
        states: type[S],
        triggers: type[T],
        rows: Mapping[T, Mapping[tuple[S, ...], Cell[S, E]]],
    ) -> None:
        self._rows = rows
        self._steps: dict[tuple[S, T], Step[S, E] | None] = {}
        for trigger in triggers:
            listed = [state for group in rows[trigger] for state in group]
            if len(listed) != len(set(listed)) or set(listed) != set(states):
                msg = f"the row of {trigger.name} does not list every state once"
                raise ValueError(msg)
            for group, cell in rows[trigger].items():
                for state in group:
                    step = Step(state if cell.state is None else cell.state, cell.effects)
                    self._steps[state, trigger] = step if cell.possible else None

    def step(self, state: S, trigger: T) -> Step[S, E]:
        """Look up what a trigger does in a state.

        Raises:
            ImpossibleError: It cannot come in that state.
        """
        step = self._steps[state, trigger]
        if step is None:
            msg = f"{trigger.name} cannot come in state {state.name}"
            raise ImpossibleError(msg)
        return step

    def render(self) -> str:
        """Write the table as text: under each trigger a line for each group of states."""
        lines = []
        for trigger, row in self._rows.items():
            lines.append(trigger.name)
            for group, cell in row.items():
                names = ", ".join(state.name for state in group)
                lines.append(f"    {names}: {_describe(cell)}")
        return "\n".join(lines)


def _describe(cell: Cell[S, E]) -> str:
    if not cell.possible:
        return "impossible"
    if cell == IGNORED:
        return "ignored"
    words = "stays" if cell.state is None else f"to {cell.state.name}"
    return f"{words}; {', '.join(e.name for e in cell.effects)}" if cell.effects else words
