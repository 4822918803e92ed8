"""The lives of processes and systems: every cell of the tables, and long lives against a model."""

import itertools
from collections.abc import Callable, Iterable
from typing import TypeVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from hcsd.daemon import process_life, system_life
from hcsd.daemon.process_life import Effect, Life, State, Trigger
from hcsd.life import ImpossibleError

S = TypeVar("S")
T = TypeVar("T")


def reachable(first: S, triggers: Iterable[T], move: Callable[[S, T], S | None]) -> set[S]:
    """All states that triggers lead to, from the first one on."""
    found, todo, triggers = {first}, [first], list(triggers)
    while todo:
        state = todo.pop()
        for trigger in triggers:
            after = move(state, trigger)
            if after is not None and after not in found:
                found.add(after)
                todo.append(after)
    return found


# --- processes ---

# What each trigger leads to, written down once more as one would tell it; "!" cannot happen, "=" changes
# nothing. A state ends in "+" when the output is complete.
PROCESS = """
             started  refused  lost  found     given up    exited   output complete  deleted
creating     running  failed   !     !         !           !        !                deleted
running      !        !        lost  =         !           exited   running+         deleted
running+     !        !        lost+ =         !           exited+  !                deleted+
lost         !        !        =     running   abandoned   exited   lost+            deleted
lost+        !        !        =     running+  abandoned+  exited+  !                deleted+
abandoned    !        !        =     =         !           exited   abandoned+       deleted
abandoned+   !        !        =     =         !           exited+  !                deleted+
exited       !        !        =     =         =           =        exited+          deleted
exited+      !        !        =     =         =           =        !                deleted+
failed       !        !        !     !         !           !        !                deleted
deleted      !        !        =     =         =           =        =                =
deleted+     !        !        =     =         =           =        =                =
"""
PROCESS_STATES = [State(life, complete) for life in Life for complete in (False, True)]


def name_of(state: State) -> str:
    return state.life.value + "+" * state.output_complete


def told(table: str, triggers: Iterable[str]) -> dict[tuple[str, str], str]:
    """Read a table as it is told."""
    rows = [line.split() for line in table.strip().splitlines()[1:]]
    return {
        (row[0], trigger): cell
        for row in rows
        for trigger, cell in zip(triggers, row[1:], strict=True)
    }


PROCESS_CELLS = told(PROCESS, [trigger.value for trigger in Trigger])


def move_process(state: State, trigger: Trigger) -> State | None:
    try:
        return process_life.transition(state, trigger)[0]
    except ImpossibleError:
        return None


def test_every_state_that_a_process_can_be_in_is_told() -> None:
    found = reachable(State(), Trigger, move_process)
    assert {name_of(state) for state in found} == {row for row, _ in PROCESS_CELLS}


@pytest.mark.parametrize(("cell", "expected"), PROCESS_CELLS.items(), ids=str)
def test_a_step_leads_where_the_table_says(cell: tuple[str, str], expected: str) -> None:
    state = next(state for state in PROCESS_STATES if name_of(state) == cell[0])
    trigger = Trigger(cell[1])
    if expected == "!":
        with pytest.raises(ImpossibleError, match=cell[1].replace(" ", "_").upper()):
            process_life.transition(state, trigger)
        return
    after, effects = process_life.transition(state, trigger)
    assert name_of(after) == (cell[0] if expected == "=" else expected)
    if expected == "=":
        assert effects == ()


def test_effects_run_in_the_order_in_which_they_are_listed() -> None:
    order = list(Effect)
    for state, trigger in itertools.product(reachable(State(), Trigger, move_process), Trigger):
        if move_process(state, trigger) is not None:
            _, effects = process_life.transition(state, trigger)
            assert list(effects) == sorted(set(effects), key=order.index)


def test_watchers_are_told_before_anybody_who_waits() -> None:
    order = list(Effect)
    assert order.index(Effect.PUBLISH_STARTED) < order.index(Effect.TELL_STARTED)
    assert order.index(Effect.PUBLISH_EXITED) < order.index(Effect.TELL_END)
    assert order.index(Effect.PUBLISH_OUTPUT_COMPLETE) < order.index(Effect.TELL_ENDED)
    assert order[-1] is Effect.PUBLISH_DELETED


class ProcessLives(RuleBasedStateMachine):
    """A process that lives any life, beside a model that only counts."""

    def __init__(self) -> None:
        super().__init__()
        self.state = State()
        self.triggers: list[Trigger] = []
        self.done: list[Effect] = []

    @rule(trigger=st.sampled_from(Trigger))
    def take(self, trigger: Trigger) -> None:
        after = move_process(self.state, trigger)
        if after is None:
            return
        self.state, effects = process_life.transition(self.state, trigger)
        self.triggers.append(trigger)
        self.done += effects

    @invariant()
    def nobody_is_told_twice(self) -> None:
        told_of = [effect for effect in self.done if effect.name.startswith("PUBLISH")]
        assert len(told_of) == len(set(told_of))
        assert sorted(told_of, key=list(Effect).index) == told_of

    @invariant()
    def whoever_waits_is_told_as_soon_as_there_is_something(self) -> None:
        triggers = set(self.triggers)
        over = bool(triggers & {Trigger.EXITED, Trigger.GIVEN_UP, Trigger.REFUSED, Trigger.DELETED})
        assert (Effect.TELL_END in self.done) == over
        started = bool(triggers & {Trigger.STARTED, Trigger.REFUSED, Trigger.DELETED})
        assert (Effect.TELL_STARTED in self.done) == started

    @invariant()
    def a_place_that_was_taken_is_left_once_nothing_needs_it(self) -> None:
        left = Effect.LEAVE_SYSTEM in self.done
        assert left == (self.state.life in {Life.EXITED, Life.DELETED})

    @invariant()
    def of_a_deleted_process_nothing_follows(self) -> None:
        if Effect.PUBLISH_DELETED in self.done:
            assert self.done[-1] is Effect.PUBLISH_DELETED
            assert self.state.life is Life.DELETED

    @invariant()
    def it_has_ended_when_its_end_and_its_output_are_there(self) -> None:
        settled = Effect.SETTLE_MEMORY in self.done
        if self.state.life is not Life.DELETED:
            assert settled == self.state.ended


TestProcessLives = ProcessLives.TestCase

# --- systems ---

# Cells as above; "+" keeps the state and has effects.
SYSTEM = """
           created  opened  used    unused  started  paused  resumed  shutting  memory  exited  told  dropped
new        own      idle    !       !       !        !       !        !         !       !       !     !
own        !        !       =       =       +        +       +        +         +       ended   !     forgotten
idle       !        !       in-use  !       +        +       +        +         +       ended   !     forgotten
in-use     !        !       !       idle    +        +       +        +         +       ended   !     forgotten
ended      !        !       =       =       +        +       +        +         +       !       told  forgotten
told       !        !       =       =       =        =       =        =         =       !       !     forgotten
forgotten  !        !       =       =       =        =       =        =         =       =       =     =
"""
SYSTEM_CELLS = told(SYSTEM, [trigger.value for trigger in system_life.Trigger])


def system_life_of(name: str) -> system_life.Life:
    return system_life.Life(name.replace("-", " "))


def move_system(life: system_life.Life, trigger: system_life.Trigger) -> system_life.Life | None:
    try:
        return system_life.TABLE.step(life, trigger)[0]
    except ImpossibleError:
        return None


def test_every_state_that_a_system_can_be_in_is_told() -> None:
    found = reachable(system_life.Life.NEW, system_life.Trigger, move_system)
    assert found == set(system_life.Life) == {system_life_of(row) for row, _ in SYSTEM_CELLS}


@pytest.mark.parametrize(("cell", "expected"), SYSTEM_CELLS.items(), ids=str)
def test_a_step_of_a_system_leads_where_the_table_says(
    cell: tuple[str, str], expected: str
) -> None:
    life, trigger = system_life_of(cell[0]), system_life.Trigger(cell[1])
    if expected == "!":
        with pytest.raises(ImpossibleError, match=cell[1].replace(" ", "_").upper()):
            system_life.TABLE.step(life, trigger)
        return
    after, effects = system_life.TABLE.step(life, trigger)
    assert after is (life if expected in {"=", "+"} else system_life_of(expected))
    if expected in {"=", "+"}:
        steps = (system_life.STEPS[trigger],) if expected == "+" else ()
        assert effects == steps


def test_effects_of_systems_run_in_the_order_in_which_they_are_listed() -> None:
    order = list(system_life.Effect)
    for life, trigger in itertools.product(system_life.Life, system_life.Trigger):
        if move_system(life, trigger) is not None:
            _, effects = system_life.TABLE.step(life, trigger)
            assert list(effects) == sorted(set(effects), key=order.index)


class SystemLives(RuleBasedStateMachine):
    """A system that lives any life."""

    def __init__(self) -> None:
        super().__init__()
        self.life = system_life.Life.NEW
        self.idling = False
        self.done: list[system_life.Effect] = []

    @rule(trigger=st.sampled_from(system_life.Trigger))
    def take(self, trigger: system_life.Trigger) -> None:
        if move_system(self.life, trigger) is None:
            return
        self.life, effects = system_life.TABLE.step(self.life, trigger)
        for effect in effects:
            if effect is system_life.Effect.START_IDLING:
                self.idling = True
            elif effect is system_life.Effect.STOP_IDLING:
                self.idling = False
        self.done += effects

    @invariant()
    def its_time_without_use_counts_only_while_nobody_uses_it(self) -> None:
        assert self.idling == (self.life is system_life.Life.IDLE)

    @invariant()
    def its_end_is_told_once_and_its_handle_is_closed_then(self) -> None:
        assert self.done.count(system_life.Effect.PUBLISH_EXITED) <= 1
        assert self.done.count(system_life.Effect.FORGET) <= 1
        over = {system_life.Life.ENDED, system_life.Life.TOLD, system_life.Life.FORGOTTEN}
        assert (system_life.Effect.CLOSE in self.done) == (self.life in over)

    @invariant()
    def watchers_hear_of_its_creation_first_and_nothing_after_its_exit_but_that_it_is_forgotten(
        self,
    ) -> None:
        heard = [effect for effect in self.done if effect.name.startswith("PUBLISH")]
        created, exited, forgotten = (
            system_life.Effect.PUBLISH_CREATED,
            system_life.Effect.PUBLISH_EXITED,
            system_life.Effect.PUBLISH_FORGOTTEN,
        )
        assert created not in heard[1:]
        if exited in heard:
            assert heard[heard.index(exited) + 1 :] in ([], [forgotten])
        assert forgotten not in heard[:-1]


TestSystemLives = SystemLives.TestCase
