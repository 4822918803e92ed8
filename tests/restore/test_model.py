"""The model of the kills refuses what a daemon must not do, and says where."""

import pytest

from hcsd.v1 import event_pb2
from hcsd.v1 import process_pb2 as pb
from tests.restore.pattern import BLOCK_BYTES, Pattern, Stream
from tests.support.chaos import (
    CREATED,
    DELETED,
    EXITED,
    LABEL,
    STARTED,
    BrokenPromiseError,
    Record,
    Story,
)
from tests.support.restarts import Place

PATTERN = Pattern(1)


@pytest.fixture
def story(here: Place) -> Story:
    return Story(here, 7)


@pytest.fixture
def stream(story: Story) -> Stream:
    return Stream(story, PATTERN, "p stdout", has_gaps=False)


def chunk(offset: int, data: bytes) -> pb.OutputChunk:
    return pb.OutputChunk(stream=pb.OUTPUT_STREAM_STDOUT, offset=offset, data=data)


def event(revision: int, kind: event_pb2.ProcessEventType, uid: str = "U") -> event_pb2.Event:
    process = pb.Process(name="p", uid=uid, labels={LABEL: "p"}, exit=pb.ProcessExit(exit_code=7))
    return event_pb2.Event(
        revision=revision, process=event_pb2.ProcessEvent(type=kind, process=process)
    )


def test_a_stream_that_is_whole_is_fine(stream: Stream) -> None:
    offset = 0
    for size in (5, BLOCK_BYTES, 1 << 20):
        stream.chunk(chunk(offset, bytes(PATTERN.at(offset, size))))
        offset += size
    stream.eof(pb.OutputEof(end_offset=offset))
    stream.finish(offset)


@pytest.mark.parametrize(
    ("came_from", "told"),
    [(110, "10 bytes are missing"), (93, "7 bytes came twice"), (100 + BLOCK_BYTES - 1, "1 bytes")],
)
def test_bytes_that_are_missing_or_double_are_told(
    stream: Stream, came_from: int, told: str
) -> None:
    stream.chunk(chunk(0, bytes(PATTERN.at(0, 100))))
    with pytest.raises(BrokenPromiseError, match=rf"{told}.*seed 7, kill 0.*p stdout, offset 10\d"):
        stream.chunk(chunk(100, bytes(PATTERN.at(came_from, 100))))


def test_an_end_that_comes_too_soon_is_told(stream: Stream) -> None:
    stream.chunk(chunk(0, bytes(PATTERN.at(0, 100))))
    stream.eof(pb.OutputEof(end_offset=100))
    with pytest.raises(BrokenPromiseError, match=f"ended, and {BLOCK_BYTES} bytes were written"):
        stream.finish(BLOCK_BYTES)


def test_a_gap_is_told_where_none_may_be(stream: Stream) -> None:
    with pytest.raises(BrokenPromiseError, match="a gap up to 9"):
        stream.gap(pb.OutputGap(from_offset=0, to_offset=9))


WRONG_EVENTS: dict[str, tuple[list[event_pb2.Event], str]] = {
    "hole": ([event(1, CREATED), event(3, STARTED)], "hole.*revision 3"),
    "again": ([event(1, CREATED), event(1, CREATED)], "came again.*revision 1"),
    "exit twice": (
        [event(1, CREATED), event(2, STARTED), event(3, EXITED), event(4, EXITED)],
        "EXITED came twice",
    ),
    "exit before the start": ([event(1, CREATED), event(2, EXITED)], "before it had started"),
    "no create": ([event(1, STARTED)], r"STARTED came after \[\]"),
    "two runs": (
        [event(1, CREATED), event(2, STARTED), event(3, CREATED, "V"), event(4, STARTED, "V")],
        r"started as \['U', 'V'\]",
    ),
    "forgotten": (
        [event(1, CREATED), event(2, STARTED), event(3, DELETED)],
        "nobody has deleted it",
    ),
}


@pytest.mark.parametrize("name", WRONG_EVENTS)
def test_events_that_cannot_be_are_told(story: Story, name: str) -> None:
    (*before, last), told = WRONG_EVENTS[name]
    story.model.asked(Record("p", wanted="code 7"))
    for each in before:
        story.model.event(each)
    with pytest.raises(BrokenPromiseError, match=told):
        story.model.event(last)


def test_another_exit_code_is_told(story: Story) -> None:
    record = story.model.asked(Record("p", wanted="code 7"))
    with pytest.raises(BrokenPromiseError, match="ends with code 7, and was told: code 8"):
        story.model.exited(record, pb.ProcessExit(exit_code=8))


@pytest.mark.parametrize(
    ("shown", "told"),
    [
        (pb.Process(uid="V", pid=5), "as U before, and now as V"),
        (pb.Process(uid="U", pid=6), "its pid was 5 and is 6"),
        (pb.Process(uid="U", pid=5, state=pb.PROCESS_STATE_LOST), "LOST"),
    ],
)
def test_another_process_in_its_place_is_told(story: Story, shown: pb.Process, told: str) -> None:
    record = story.model.asked(Record("p"))
    story.model.answered(record, pb.Process(uid="U", pid=5, state=pb.PROCESS_STATE_RUNNING))
    with pytest.raises(BrokenPromiseError, match=told):
        story.model.answered(record, shown)
