"""The lives of processes and systems: every cell of the tables, and long lives against a model."""

import itertools
from collections.abc import Callable, Iterable
from typing import TypeVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from hcsd.daemon import process_life, system_life
from hcsd.daemon.process_life import Effect, Life, State, Step

S = TypeVar("S")
T = TypeVar("T")


def reachable(first: S, steps: Iterable[T], move: Callable[[S, T], S | None]) -> set[S]:
    """All states that steps lead to, from the first one on."""
    found, todo, steps = {first}, [first], list(steps)
    while todo:
        state = todo.pop()
        for step in steps:
            after = move(state, step)
            if after is not None and after not in found:
                found.add(after)
                todo.append(after)
    return found


# --- processes ---

# What each step leads to, written down once more as one would tell it; "!" cannot happen, "=" changes
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


def told(table: str, steps: Iterable[str]) -> dict[tuple[str, str], str]:
    """Read a table as it is told."""
    rows = [line.split() for line in table.strip().splitlines()[1:]]
    return {(row[0], step): cell for row in rows for step, cell in zip(steps, row[1:], strict=True)}


PROCESS_CELLS = told(PROCESS, [step.value for step in Step])


def move_process(state: State, step: Step) -> State | None:
    try:
        return process_life.transition(state, step)[0]
    except process_life.IllegalStepError:
        return None


def test_every_state_that_a_process_can_be_in_is_told() -> None:
    found = reachable(State(), Step, move_process)
    assert {name_of(state) for state in found} == {row for row, _ in PROCESS_CELLS}


@pytest.mark.parametrize(("cell", "expected"), PROCESS_CELLS.items(), ids=str)
def test_a_step_leads_where_the_table_says(cell: tuple[str, str], expected: str) -> None:
    state = next(state for state in PROCESS_STATES if name_of(state) == cell[0])
    step = Step(cell[1])
    if expected == "!":
        with pytest.raises(process_life.IllegalStepError, match=cell[1]):
            process_life.transition(state, step)
        return
    after, effects = process_life.transition(state, step)
    assert name_of(after) == (cell[0] if expected == "=" else expected)
    if expected == "=":
        assert effects == ()


def test_effects_run_in_the_order_in_which_they_are_listed() -> None:
    order = list(Effect)
    for state, step in itertools.product(reachable(State(), Step, move_process), Step):
        if move_process(state, step) is not None:
            _, effects = process_life.transition(state, step)
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
        self.steps: list[Step] = []
        self.done: list[Effect] = []

    @rule(step=st.sampled_from(Step))
    def take(self, step: Step) -> None:
        after = move_process(self.state, step)
        if after is None:
            return
        self.state, effects = process_life.transition(self.state, step)
        self.steps.append(step)
        self.done += effects

    @invariant()
    def nobody_is_told_twice(self) -> None:
        told_of = [effect for effect in self.done if effect.name.startswith("PUBLISH")]
        assert len(told_of) == len(set(told_of))
        assert sorted(told_of, key=list(Effect).index) == told_of

    @invariant()
    def whoever_waits_is_told_as_soon_as_there_is_something(self) -> None:
        steps = set(self.steps)
        over = bool(steps & {Step.EXITED, Step.GIVEN_UP, Step.REFUSED, Step.DELETED})
        assert (Effect.TELL_END in self.done) == over
        started = bool(steps & {Step.STARTED, Step.REFUSED, Step.DELETED})
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

SYSTEM = """
           created  opened  used    unused  exited  dropped
new        own      idle    !       !       !       !
own        !        !       =       =       ended   forgotten
idle       !        !       in-use  !       ended   forgotten
in-use     !        !       !       idle    ended   forgotten
ended      !        !       =       =       !       forgotten
forgotten  !        !       =       =       =       =
"""
SYSTEM_CELLS = told(SYSTEM, [step.value for step in system_life.Step])


def system_life_of(name: str) -> system_life.Life:
    return system_life.Life(name.replace("-", " "))


def move_system(life: system_life.Life, step: system_life.Step) -> system_life.Life | None:
    try:
        return system_life.transition(life, step)[0]
    except system_life.IllegalStepError:
        return None


def test_every_state_that_a_system_can_be_in_is_told() -> None:
    found = reachable(system_life.Life.NEW, system_life.Step, move_system)
    assert found == set(system_life.Life) == {system_life_of(row) for row, _ in SYSTEM_CELLS}


@pytest.mark.parametrize(("cell", "expected"), SYSTEM_CELLS.items(), ids=str)
def test_a_step_of_a_system_leads_where_the_table_says(
    cell: tuple[str, str], expected: str
) -> None:
    life, step = system_life_of(cell[0]), system_life.Step(cell[1])
    if expected == "!":
        with pytest.raises(system_life.IllegalStepError, match=cell[1]):
            system_life.transition(life, step)
        return
    after, effects = system_life.transition(life, step)
    assert after is (life if expected == "=" else system_life_of(expected))
    if expected == "=":
        assert effects == ()


def test_effects_of_systems_run_in_the_order_in_which_they_are_listed() -> None:
    order = list(system_life.Effect)
    for life, step in itertools.product(system_life.Life, system_life.Step):
        if move_system(life, step) is not None:
            _, effects = system_life.transition(life, step)
            assert list(effects) == sorted(set(effects), key=order.index)


class SystemLives(RuleBasedStateMachine):
    """A system that lives any life."""

    def __init__(self) -> None:
        super().__init__()
        self.life = system_life.Life.NEW
        self.idling = False
        self.done: list[system_life.Effect] = []

    @rule(step=st.sampled_from(system_life.Step))
    def take(self, step: system_life.Step) -> None:
        if move_system(self.life, step) is None:
            return
        self.life, effects = system_life.transition(self.life, step)
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
        over = {system_life.Life.ENDED, system_life.Life.FORGOTTEN}
        assert (system_life.Effect.CLOSE in self.done) == (self.life in over)


TestSystemLives = SystemLives.TestCase
