"""Who owns a process: every way from one state to the next, on a real event loop."""

import asyncio

import anyio
import pytest

from hcsd.daemon.ownership import Ownership, State

pytestmark = pytest.mark.anyio

SOON, LATER, LONG = 0.01, 0.02, 1000.0


class Watched:
    """An ownership, and how often it has had the process killed."""

    def __init__(self, grace: float | None) -> None:
        self.kills = 0
        self.killed = anyio.Event()
        self.owner = Ownership(grace)
        self.owner.begin(self._kill)

    def _kill(self) -> None:
        self.kills += 1
        self.killed.set()


async def test_without_a_grace_the_end_of_the_owner_kills_at_once() -> None:
    it = Watched(0.0)
    with it.owner.held():
        assert (it.owner.state, it.kills) == (State.OWNED, 0)
    assert (it.owner.state, it.kills) == (State.OVER, 1)


async def test_whoever_comes_in_time_stops_the_grace() -> None:
    it = Watched(SOON)
    it.owner.abandon()
    assert it.owner.state is State.GRACE
    with it.owner.held():
        await asyncio.sleep(LATER)  # timers come in their order
        assert (it.owner.state, it.kills) == (State.OWNED, 0)
    await it.killed.wait()
    assert (it.owner.state, it.kills) == (State.OVER, 1)


async def test_the_end_of_a_former_owner_means_nothing() -> None:
    it = Watched(0.0)
    former = it.owner.held()
    former.__enter__()
    with it.owner.held():
        former.__exit__(None, None, None)
        assert (it.owner.state, it.kills) == (State.OWNED, 0)
    assert it.kills == 1


async def test_of_joint_owners_the_last_one_counts() -> None:
    it = Watched(0.0)
    first, second = it.owner.held(jointly=True), it.owner.held(jointly=True)
    first.__enter__()
    second.__enter__()
    second.__exit__(None, None, None)
    assert (it.owner.state, it.kills) == (State.OWNED, 0)
    with it.owner.held():
        pass
    assert (it.owner.state, it.kills) == (State.OWNED, 0)
    first.__exit__(None, None, None)
    assert (it.owner.state, it.kills) == (State.OVER, 1)


async def test_a_caller_who_left_before_the_start_does_not_disown_who_came_since() -> None:
    it = Watched(0.0)
    with it.owner.held():
        it.owner.abandon()
        assert (it.owner.state, it.kills) == (State.OWNED, 0)


async def test_nothing_follows_when_the_process_has_ended() -> None:
    it = Watched(SOON)
    it.owner.abandon()
    it.owner.end()
    with it.owner.held():
        assert it.owner.state is State.OVER
    it.owner.abandon()
    await asyncio.sleep(LATER)
    assert (it.owner.state, it.kills) == (State.OVER, 0)


async def test_a_process_that_is_kept_needs_no_owner() -> None:
    it = Watched(None)
    with it.owner.held():
        pass
    assert (it.owner.state, it.kills) == (State.GRACE, 0)
    with it.owner.held():
        assert it.owner.state is State.OWNED


async def test_a_grace_that_is_over_kills_once() -> None:
    it = Watched(SOON)
    it.owner.abandon()
    await it.killed.wait()
    with it.owner.held():
        pass
    it.owner.end()
    assert it.kills == 1


async def test_a_long_grace_begins_anew_with_each_owner() -> None:
    it = Watched(LONG)
    for _ in range(3):
        with it.owner.held():
            assert it.owner.state is State.OWNED
        assert (it.owner.state, it.kills) == (State.GRACE, 0)
    it.owner.end()
