"""The log of events without a daemon: places, revisions, and who is woken by what."""

import anyio
import pytest

from hcsd.abi.hresult import Kind
from hcsd.daemon.errors import RequestError
from hcsd.daemon.event_log import EventLog, Watcher
from hcsd.daemon.events import Bookmark, Event, HcsEvent, SystemEvent
from hcsd.daemon.shorten import DOCUMENT_BYTES

CRASH = 2
HOUR = 3600.0


def a_log(
    capacity: int = 4, bookmark_interval: float = HOUR, max_bytes: int = 1_000_000
) -> EventLog:
    return EventLog("this", capacity, max_bytes, bookmark_interval)


def publish(log: EventLog, count: int = 1, system: str = "host", document: str = "") -> None:
    for _ in range(count):
        log.publish_system(system, CRASH, document)


async def event(watcher: Watcher) -> Event:
    found = await watcher.next()
    assert isinstance(found, Event)
    return found


async def revisions(watcher: Watcher, count: int) -> list[int]:
    return [(await event(watcher)).revision for _ in range(count)]


async def test_revisions_have_no_holes_and_the_oldest_go_first() -> None:
    log = a_log(capacity=4)
    assert (log.oldest, log.newest) == (1, 0)
    publish(log, 3)
    assert (log.oldest, log.newest) == (1, 3)
    publish(log, 7)
    assert (log.oldest, log.newest) == (7, 10)
    with log.watch(None, 6) as watcher:
        assert await revisions(watcher, 4) == [7, 8, 9, 10]


async def test_large_events_go_before_there_are_too_many() -> None:
    log = a_log(capacity=100, max_bytes=10_000)
    publish(log, 8, document="x" * 4000)
    assert (log.oldest, log.newest) == (7, 8)


async def test_a_document_too_large_for_a_message_is_left_out_of_its_event() -> None:
    log = a_log(max_bytes=10_000_000)
    with log.watch(None, None) as watcher:
        for size in (DOCUMENT_BYTES, DOCUMENT_BYTES + 1):
            log.publish_system("a", CRASH, "x" * size)
        kept, left_out = [(await event(watcher)).what for _ in range(2)]
    assert kept == SystemEvent("a", HcsEvent(CRASH, "x" * DOCUMENT_BYTES))
    assert left_out == SystemEvent("a", HcsEvent(CRASH, ""))


async def test_an_event_says_what_hcs_has_said() -> None:
    log = a_log()
    with log.watch(None, None) as watcher:
        log.publish_system("a b", CRASH, '{"\ud800":1}')
        log.publish_system("a b", 0xC0000009, "")
        named, unnamed = [(await event(watcher)).what for _ in range(2)]
    assert named == SystemEvent("a b", HcsEvent(CRASH, '{"?":1}'))
    assert unnamed == SystemEvent("a b", HcsEvent(0xC0000009, ""))
    assert HcsEvent(CRASH).name == "SystemCrashInitiated"
    assert HcsEvent(0xC0000009).name == "0xC0000009"
    assert HcsEvent().name == ""


@pytest.mark.parametrize(
    ("after", "reason"),
    [(5, "REVISION_COMPACTED"), (0, "REVISION_COMPACTED"), (11, "REVISION_UNKNOWN")],
)
async def test_there_is_no_place_before_the_oldest_or_after_the_newest(
    after: int, reason: str
) -> None:
    log = a_log(capacity=4)
    publish(log, 10)
    with pytest.raises(RequestError) as refusal, log.watch(None, after):
        pass
    assert refusal.value.kind is Kind.OUT_OF_RANGE
    assert refusal.value.reason == reason
    assert refusal.value.metadata["oldest_revision"] == "7"


async def test_a_watcher_that_falls_behind_the_oldest_is_ended() -> None:
    log = a_log(capacity=4)
    with log.watch(None, None) as watcher:
        publish(log, 4)
        assert await revisions(watcher, 1) == [1]
        publish(log, 1)
        assert await revisions(watcher, 1) == [2]
        publish(log, 2)
        with pytest.raises(RequestError) as refusal:
            await watcher.next()
    assert refusal.value.reason == "SUBSCRIBER_STALLED"
    assert refusal.value.metadata == {"revision": "2", "oldest_revision": "4"}


async def test_what_concerns_others_takes_a_watcher_along_without_waking_it() -> None:
    log = a_log(capacity=4)
    with log.watch("mine", None) as watcher:
        publish(log, 100, system="other")
        assert watcher.revision == 100
        publish(log, system="mine")
        publish(log, 3, system="other")
        assert await revisions(watcher, 1) == [101]
        publish(log, 100, system="other")
        publish(log, system="mine")
        with pytest.raises(RequestError):  # it had not come to the others before there were more
            await watcher.next()


async def test_waiting_watchers_are_woken_and_all_are_told_the_same() -> None:
    log = a_log(capacity=100)
    found: list[list[int]] = []

    async def watch() -> None:
        with log.watch(None, None) as watcher:
            found.append(await revisions(watcher, 5))

    async with anyio.create_task_group() as tasks:
        for _ in range(10):
            tasks.start_soon(watch)
        await anyio.wait_all_tasks_blocked()
        for _ in range(5):
            publish(log)
            await anyio.wait_all_tasks_blocked()
    assert found == [[1, 2, 3, 4, 5]] * 10


async def test_bookmarks_are_for_whoever_was_sent_nothing() -> None:
    log = a_log(bookmark_interval=0.01)
    with log.watch("mine", None) as watcher:
        publish(log, 3, system="other")
        assert await watcher.next() == Bookmark(3)
        publish(log, system="mine")
        assert (await event(watcher)).revision == 4
