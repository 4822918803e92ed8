"""Heartbeats: when one is due, and that writing is not silence."""

import asyncio

from hcsd.daemon.heartbeats import Heartbeats

SOON = 0.01
HOUR = 3600.0


async def test_one_is_due_whenever_the_interval_is_over() -> None:
    awake = asyncio.Event()
    heartbeats = Heartbeats(SOON, awake)
    for _ in range(3):
        awake.clear()
        assert await heartbeats.wait()
    heartbeats.close()


async def test_none_is_due_if_there_is_something_to_send() -> None:
    awake = asyncio.Event()
    heartbeats = Heartbeats(HOUR, awake)
    asyncio.get_running_loop().call_soon(awake.set)
    assert not await heartbeats.wait()
    heartbeats.close()


async def test_a_stream_that_writes_is_not_silent() -> None:
    awake = asyncio.Event()
    heartbeats = Heartbeats(SOON, awake)
    assert await heartbeats.wait()
    awake.clear()
    await asyncio.sleep(5 * SOON)  # a write that takes its time
    assert not awake.is_set()
    assert await heartbeats.wait()
    heartbeats.close()


async def test_after_the_end_nothing_is_left() -> None:
    awake = asyncio.Event()
    heartbeats = Heartbeats(SOON, awake)
    assert await heartbeats.wait()
    heartbeats.close()
    awake.clear()
    await asyncio.sleep(5 * SOON)
    assert not awake.is_set()


async def test_without_an_interval_there_are_none() -> None:
    awake = asyncio.Event()
    heartbeats = Heartbeats(0, awake)
    asyncio.get_running_loop().call_soon(awake.set)
    assert not await heartbeats.wait()
    heartbeats.close()
