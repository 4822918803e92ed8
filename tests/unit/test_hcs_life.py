"""The lives of processes and systems: every cell of their tables, and any sequence of triggers."""

import enum
import itertools
from typing import TypeVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from hcsd.hcs import process_life, system_life
from hcsd.hcs.process_life import KNOWN, ProcessEffect, ProcessLife, ProcessState, ProcessTrigger
from hcsd.hcs.system_life import CLOSED, ENDING, LOST, SystemEffect, SystemLife, SystemTrigger
from hcsd.life import IGNORED, IMPOSSIBLE, Cell, ImpossibleError, Table, stay, to

# What each table should say, in the order of the enums: a next state, `.` for a trigger that is
# ignored, `+` for one with effects that keeps the state, `!` for one that cannot come.
PROCESS = """
             RUNNING       VANISHED      LOST       GIVEN_UP   EXITED  LEFT_RUNNING  LEFT_LOST  CLOSED
END_KNOWN    EXITED        EXITED        EXITED     EXITED     .       CLOSED        CLOSED     .
GONE         VANISHED      .             .          .          .       .             .          .
GRACE_OVER   !             EXITED        !          !          !       !             !          !
DISCONNECTED LOST          LOST          .          .          .       .             .          .
FOUND        +             +             RUNNING    +          +       +             +          +
ENDED_AWAY   .             .             EXITED     EXITED     .       .             CLOSED     .
GIVE_UP      !             !             GIVEN_UP   .          .       .             .          .
CLOSE        LEFT_RUNNING  LEFT_RUNNING  LEFT_LOST  LEFT_LOST  CLOSED  .             .          .
"""
SYSTEM = """
                 OPEN     ASKED    ENDING      VANISHED LOST        LOST_ENDING EXITING EXITED LEFT CLOSED
ASK_END          ASKED    .        .           .        .           .           .       .      .    .
END_ACCEPTED     ENDING   ENDING   .           .        LOST_ENDING .           .       .      .    .
END_REFUSED      .        OPEN     .           .        .           .           .       .      .    .
END_KNOWN        EXITING  EXITING  EXITING     EXITING  EXITING     EXITING     .       .      .    .
GONE             VANISHED VANISHED VANISHED    .        VANISHED    VANISHED    .       .      .    .
GRACE_OVER       !        !        !           EXITING  !           !           +       !      !    !
EMPTY            .        .        .           .        .           .           EXITED  .      .    .
DISCONNECTED     LOST     LOST     LOST_ENDING +        +           +           +       +      +    +
OLD_DISCONNECTED +        +        +           +        +           +           +       +      +    +
DROP             LOST     LOST     LOST_ENDING +        .           .           +       +      .    .
FOUND            +        +        +           +        OPEN        ENDING      +       +      +    +
NOT_FOUND        .        .        .           .        EXITING     EXITING     .       .      .    .
CLOSE            LEFT     LEFT     LEFT        LEFT     LEFT        LEFT        CLOSED  CLOSED .    .
"""

Cells = list[tuple[str, str, str]]
S = TypeVar("S", bound=enum.Enum)
T = TypeVar("T", bound=enum.Enum)
E = TypeVar("E", bound=enum.Enum)


def cells(grid: str) -> Cells:
    """The cells of a grid: state, trigger and what is said of them."""
    (states, *rows) = (line.split() for line in grid.strip().splitlines())
    return [
        (state, trigger, said)
        for trigger, *row in rows
        for state, said in zip(states, row, strict=True)
    ]


def test_the_grids_have_every_cell() -> None:
    assert {cell[:2] for cell in cells(PROCESS)} == {
        (s.name, t.name) for s, t in itertools.product(ProcessLife, ProcessTrigger)
    }
    assert {cell[:2] for cell in cells(SYSTEM)} == {
        (s.name, t.name) for s, t in itertools.product(SystemLife, SystemTrigger)
    }


def says(table: Table[S, T, E], state: S, trigger: T) -> str:
    try:
        after, effects = table.step(state, trigger)
    except ImpossibleError:
        return "!"
    if after is not state:
        return after.name
    return "+" if effects else "."


@pytest.mark.parametrize(("state", "trigger", "said"), cells(PROCESS))
def test_a_process_moves_as_it_should(state: str, trigger: str, said: str) -> None:
    assert says(process_life.TABLE, ProcessLife[state], ProcessTrigger[trigger]) == said


@pytest.mark.parametrize(("state", "trigger", "said"), cells(SYSTEM))
def test_a_system_moves_as_it_should(state: str, trigger: str, said: str) -> None:
    assert says(system_life.TABLE, SystemLife[state], SystemTrigger[trigger]) == said


def in_order(table: Table[S, T, E], states: type[S], triggers: type[T], effects: type[E]) -> None:
    order = list(effects)
    for state, trigger in itertools.product(states, triggers):
        if says(table, state, trigger) != "!":
            places = [order.index(effect) for effect in table.step(state, trigger).effects]
            assert places == sorted(set(places)), (state, trigger)


def test_effects_run_in_the_order_of_their_enum() -> None:
    in_order(process_life.TABLE, ProcessLife, ProcessTrigger, ProcessEffect)
    in_order(system_life.TABLE, SystemLife, SystemTrigger, SystemEffect)


def printed(text: str) -> dict[tuple[str, str], str]:
    """What a printed table says of each state and trigger."""
    read: dict[tuple[str, str], str] = {}
    trigger = ""
    for line in text.splitlines():
        if not line.startswith(" "):
            trigger = line
            continue
        states, _, outcome = line.strip().partition(": ")
        read |= {(state, trigger): outcome for state in states.split(", ")}
    return read


def outcome(table: Table[S, T, E], state: S, trigger: T) -> str:
    """The same, as the table does it."""
    if (said := says(table, state, trigger)) in {"!", "."}:
        return {"!": "impossible", ".": "ignored"}[said]
    words = "stays" if said == "+" else f"to {said}"
    names = ", ".join(effect.name for effect in table.step(state, trigger).effects)
    return f"{words}; {names}" if names else words


def test_a_table_is_printed_as_it_is() -> None:
    assert printed(process_life.TABLE.render()) == {
        (s.name, t.name): outcome(process_life.TABLE, s, t)
        for s, t in itertools.product(ProcessLife, ProcessTrigger)
    }
    assert printed(system_life.TABLE.render()) == {
        (s.name, t.name): outcome(system_life.TABLE, s, t)
        for s, t in itertools.product(SystemLife, SystemTrigger)
    }


class Light(enum.Enum):
    ON = enum.auto()
    OFF = enum.auto()


class Press(enum.Enum):
    PRESS = enum.auto()


class Click(enum.Enum):
    CLICK = enum.auto()


@pytest.mark.parametrize(
    "row",
    [
        {(Light.ON,): to(Light.OFF, Click.CLICK)},
        {(Light.ON,): stay(Click.CLICK), (Light.ON, Light.OFF): IGNORED},
        {(Light.ON, Light.OFF, Light.OFF): IMPOSSIBLE},
    ],
)
def test_a_table_has_one_cell_for_each_state(
    row: dict[tuple[Light, ...], Cell[Light, Click]],
) -> None:
    with pytest.raises(ValueError, match="PRESS does not list every state once"):
        Table(Light, Press, {Press.PRESS: row})


def test_what_cannot_come_is_an_error_that_names_it() -> None:
    with pytest.raises(ImpossibleError, match="GRACE_OVER cannot come in state EXITED"):
        process_life.TABLE.step(ProcessLife.EXITED, ProcessTrigger.GRACE_OVER)


# What ends a run, or makes it dull, is drawn seldom.
SELDOM = st.sampled_from([True, False, False, False])


class ProcessMachine(RuleBasedStateMachine):
    """What happens to a process, beside what a user of it is promised.

    The model knows nothing of the states. It knows what the process holds, and what was told.
    """

    def __init__(self) -> None:
        super().__init__()
        self.life = ProcessLife.RUNNING
        self.offered = (
            0  # handles by which it was opened again, and that nobody has taken or closed
        )
        # What the effects have done.
        self.handle = self.inside = self.stdio = True
        self.timer = False
        self.told = 0
        self.told_state = ProcessState.RUNNING
        # The model.
        self.has_handle = True
        self.is_lost = self.has_exited = self.given_up = self.is_closed = False

    def trigger(self, trigger: ProcessTrigger) -> None:
        self.life, effects = process_life.TABLE.step(self.life, trigger)
        for effect in effects:
            self.act(effect)

    def act(self, effect: ProcessEffect) -> None:
        match effect:
            case ProcessEffect.CANCEL_GRACE:
                assert self.timer
                self.timer = False
            case ProcessEffect.START_GRACE:
                assert not self.timer
                self.timer = True
            case ProcessEffect.TAKE_HANDLE:
                assert not self.handle
                self.handle = True
                self.offered -= 1
            case ProcessEffect.CLOSE_FOUND:
                self.offered -= 1
            case ProcessEffect.CLOSE_HANDLE:
                self.handle = False
            case ProcessEffect.FREE_STDIO:
                assert self.stdio
                self.stdio = False
            case ProcessEffect.TELL_END:
                assert self.inside  # a system tells its end after those of its processes
                self.told += 1
            case ProcessEffect.TELL_STATE:
                assert self.told_state is not KNOWN[self.life]
                self.told_state = KNOWN[self.life]
            case ProcessEffect.LEAVE_SYSTEM:
                assert self.inside
                self.inside = False

    @rule()
    def its_end_is_known(self) -> None:
        self.trigger(ProcessTrigger.END_KNOWN)
        self.has_exited = True

    @rule()
    def it_is_gone(self) -> None:
        runs = not (self.is_lost or self.has_exited or self.is_closed)
        self.trigger(ProcessTrigger.GONE)
        assert self.timer == runs

    @precondition(lambda self: self.timer)
    @rule()
    def the_grace_is_over(self) -> None:
        self.timer = False
        self.trigger(ProcessTrigger.GRACE_OVER)
        self.has_exited = True

    @rule()
    def the_service_goes_away(self) -> None:
        self.trigger(ProcessTrigger.DISCONNECTED)
        if not (self.has_exited or self.is_closed):
            self.is_lost, self.has_handle = True, False

    @rule()
    def it_is_found(self) -> None:
        self.offered += 1
        self.trigger(ProcessTrigger.FOUND)
        if self.is_lost and not (self.given_up or self.has_exited or self.is_closed):
            self.is_lost, self.has_handle = False, True

    @rule()
    def the_service_is_back_without_it(self) -> None:
        self.trigger(ProcessTrigger.ENDED_AWAY)
        self.has_exited |= self.is_lost

    @precondition(lambda self: self.is_lost or self.has_exited or self.is_closed)
    @rule()
    def the_service_stays_away(self) -> None:
        self.trigger(ProcessTrigger.GIVE_UP)
        self.given_up |= not (self.has_exited or self.is_closed)

    @rule(rarely=SELDOM)
    def it_is_closed(self, rarely: bool) -> None:
        if rarely:
            self.trigger(ProcessTrigger.CLOSE)
            self.is_closed, self.has_handle = True, False

    @rule(seconds=st.sampled_from(ProcessTrigger))
    def told_is_not_told_again(self, seconds: ProcessTrigger) -> None:
        """Whatever the table says in this state, an end that was told, or is not wanted, is not told."""
        try:
            step = process_life.TABLE.step(self.life, seconds)
        except ImpossibleError:
            return
        if self.told or self.is_closed:
            assert ProcessEffect.TELL_END not in step.effects

    @invariant()
    def what_is_known_is_right(self) -> None:
        exited, lost = ProcessState.EXITED, ProcessState.LOST
        known = exited if self.has_exited else lost if self.is_lost else ProcessState.RUNNING
        assert KNOWN[self.life] is known
        if not self.is_closed:
            assert self.told_state is known

    @invariant()
    def nothing_is_told_twice_and_nothing_after_the_close(self) -> None:
        if self.is_closed:
            assert not any((self.timer, self.stdio, self.inside))
            assert self.told <= 1
        else:
            assert self.told == (self.has_exited or self.given_up)
            assert self.inside == (not self.told)

    @invariant()
    def handles_are_where_they_should_be(self) -> None:
        assert self.offered == 0
        assert self.handle == self.has_handle


class SystemMachine(RuleBasedStateMachine):
    """What happens to a system with processes, beside what a user of it is promised."""

    def __init__(self) -> None:
        super().__init__()
        self.life = SystemLife.OPEN
        self.offered = 0
        # What the effects have done.
        self.handle = True
        self.timer = self.end_is_kept = False
        self.told = self.woken = 0
        self.running = self.lost = 0  # processes
        # The model.
        self.has_handle = True
        self.is_lost = self.is_gone = self.has_ended = self.is_closed = False
        self.asked = self.was_told_to_end = False

    def trigger(self, trigger: SystemTrigger) -> None:
        self.life, effects = system_life.TABLE.step(self.life, trigger)
        for effect in effects:
            self.act(effect)

    def act(self, effect: SystemEffect) -> None:
        match effect:
            case SystemEffect.CANCEL_GRACE:
                self.timer = False
            case SystemEffect.KEEP_END:
                assert not self.end_is_kept
                self.end_is_kept = True
            case SystemEffect.START_GRACE:
                assert not self.timer
                self.timer = True
            case SystemEffect.TAKE_HANDLE:
                assert not self.handle
                self.handle = True
                self.offered -= 1
            case SystemEffect.CLOSE_FOUND:
                self.offered -= 1
            case SystemEffect.CLOSE_HANDLE:
                self.handle = False
            case SystemEffect.LOSE_PROCESSES:
                self.lost += self.running
                self.running = 0
            case SystemEffect.END_LOST_PROCESSES:
                self.lose_all(running=False)
            case SystemEffect.END_PROCESSES:
                self.lose_all(running=True)
            case SystemEffect.CHECK_PROCESSES:
                self.check()
            case SystemEffect.TELL_END:
                assert self.end_is_kept
                assert not self.running + self.lost
                self.told += 1
            case SystemEffect.WAKE_SUPERVISOR:
                self.woken += 1

    def lose_all(self, *, running: bool) -> None:
        """The lost processes end, or all do; each leaves, as a process does."""
        had = self.lost or (running and self.running)
        self.lost = 0
        if running:
            self.running = 0
        if had:
            self.check()

    def check(self) -> None:
        if not self.running + self.lost:
            self.trigger(SystemTrigger.EMPTY)

    @initialize(running=st.sampled_from([0, 1, 2]))
    def processes_run(self, running: int) -> None:
        self.running = running

    @precondition(lambda self: not self.told)
    @rule()
    def a_process_starts(self) -> None:
        self.running += 1

    @precondition(lambda self: self.running)
    @rule()
    def a_process_ends(self) -> None:
        self.running -= 1
        self.check()

    @rule()
    def it_is_asked_to_end(self) -> None:
        self.trigger(SystemTrigger.ASK_END)
        self.asked |= not (self.is_lost or self.is_gone or self.has_ended or self.is_closed)

    @rule()
    def it_accepts_to_end(self) -> None:
        self.trigger(SystemTrigger.END_ACCEPTED)
        self.was_told_to_end = True

    @rule()
    def it_refuses_to_end(self) -> None:
        self.trigger(SystemTrigger.END_REFUSED)
        self.asked = False

    @rule(rarely=SELDOM)
    def its_end_is_known(self, rarely: bool) -> None:
        if rarely:
            self.trigger(SystemTrigger.END_KNOWN)
            self.has_ended |= not self.is_closed

    @rule()
    def it_is_gone_by_what_hcs_says(self) -> None:
        self.trigger(SystemTrigger.GONE)
        self.is_gone |= not (self.has_ended or self.is_closed)

    @precondition(lambda self: self.timer)
    @rule()
    def the_grace_is_over(self) -> None:
        ended = self.has_ended
        self.timer = False
        self.trigger(SystemTrigger.GRACE_OVER)
        self.has_ended = True
        if ended:
            assert self.told  # the second grace ends the last processes

    @rule()
    def the_service_goes_away(self) -> None:
        woken = self.woken
        self.trigger(SystemTrigger.DISCONNECTED)
        assert self.running == 0
        assert self.woken == woken + 1
        self.has_handle = self.asked = False
        self.is_lost |= not (self.is_gone or self.has_ended or self.is_closed)

    @rule()
    def an_old_handle_is_useless(self) -> None:
        before, woken = self.life, self.woken
        self.trigger(SystemTrigger.OLD_DISCONNECTED)
        assert self.life is before
        assert self.running == 0  # all of them are held to be old here
        assert self.woken == woken + 1

    @rule()
    def the_handle_is_dropped(self) -> None:
        running = self.running
        self.trigger(SystemTrigger.DROP)
        assert self.running == running
        self.has_handle = self.asked = False
        self.is_lost |= not (self.is_gone or self.has_ended or self.is_closed)

    @rule()
    def it_is_found(self) -> None:
        self.offered += 1
        self.trigger(SystemTrigger.FOUND)
        if self.is_lost and not (self.is_gone or self.has_ended or self.is_closed):
            self.is_lost, self.has_handle = False, True

    @rule()
    def it_is_not_found(self) -> None:
        self.trigger(SystemTrigger.NOT_FOUND)
        if self.is_lost and not (self.is_gone or self.has_ended or self.is_closed):
            self.has_ended = True
            assert self.lost == 0

    @rule(rarely=SELDOM)
    def it_is_closed(self, rarely: bool) -> None:
        if rarely:
            self.trigger(SystemTrigger.CLOSE)
            self.is_closed, self.has_handle = True, False

    @invariant()
    def what_is_known_is_right(self) -> None:
        over = self.is_gone or self.has_ended or self.is_closed
        assert (self.life in CLOSED) == self.is_closed
        assert (self.life in LOST) == (self.is_lost and not over)
        if not self.is_closed:
            ending = self.asked or self.was_told_to_end or self.is_gone or self.has_ended
            assert (self.life in ENDING) == ending

    @invariant()
    def its_end_is_told_once_and_after_those_of_its_processes(self) -> None:
        if self.is_closed:
            assert self.told <= 1
        elif self.has_ended and not (self.running or self.lost):
            assert self.told == 1
        else:
            assert self.told == 0
        waits = self.is_gone or self.has_ended
        assert self.timer == (waits and not (self.told or self.is_closed))

    @invariant()
    def handles_are_where_they_should_be(self) -> None:
        assert self.offered == 0
        assert self.handle == self.has_handle


TestProcess = ProcessMachine.TestCase
TestSystem = SystemMachine.TestCase
