"""The line between the engine and a keeper, over a real socket that takes little at a time."""

import errno
import os
import resource
import socket
import threading
from collections.abc import Iterator

import pytest

from hcsd.embedded.keeper.frames import Line, Message
from hcsd.embedded.worker import Worker
from tests.support.census import Census, until

LONG = "x" * 1_000_000


def never(code: int) -> None:
    pytest.fail(f"a frame was lost: {os.strerror(code)}")


@pytest.fixture
def ends() -> Iterator[tuple[Line, Line]]:
    before = Census.take()
    one, two = (Line(sock) for sock in socket.socketpair())
    yield one, two
    one.close()
    two.close()
    assert Census.take().descriptors == before.descriptors


def taken(one: Line, two: Line) -> list[tuple[Message, list[int]]]:
    """Move frames until neither side can do more."""
    found: list[tuple[Message, list[int]]] = []
    while True:
        one.flush()
        frame = two.receive()
        if frame is not None:
            found.append(frame)
        elif not one.waiting:
            return found


def pipe_with(text: bytes) -> int:
    reads, writes = os.pipe()
    os.write(writes, text)
    os.close(writes)
    return reads


def test_frames_come_whole_and_in_order_with_their_own_descriptors(
    ends: tuple[Line, Line],
) -> None:
    one, two = ends
    for number in range(60):
        fds = [pipe_with(f"{number}.{index}".encode()) for index in range(number % 4)]
        text = LONG if number % 7 == 3 else ""
        one.send({"number": number, "text": text}, fds, never)
        for fd in fds:
            os.close(fd)  # a frame that waits has its own
    assert one.waiting > 5 * len(LONG)
    frames = taken(one, two)
    assert [message["number"] for message, _ in frames] == list(range(60))
    for message, fds in frames:
        which = message["number"]
        assert isinstance(which, int)
        assert message["text"] == (LONG if which % 7 == 3 else "")
        assert not any(map(os.get_inheritable, fds))
        assert [os.read(fd, 99).decode() for fd in fds] == [
            f"{which}.{index}" for index in range(which % 4)
        ]
        for fd in fds:
            os.close(fd)


def test_a_side_that_hangs_up_in_the_middle_of_a_frame_has_ended(ends: tuple[Line, Line]) -> None:
    one, two = ends
    fd = pipe_with(b"")
    one.send({"text": ""}, [fd], never)
    one.send({"text": LONG}, [fd], never)
    one.send({"text": LONG}, [fd], never)
    os.close(fd)
    one.hang_up()
    (frame,) = taken(one, two)
    assert frame[0] == {"text": ""}
    os.close(frame[1][0])
    assert two.ended


def test_what_waits_for_a_side_that_has_gone_is_dropped(ends: tuple[Line, Line]) -> None:
    one, two = ends
    fd = pipe_with(b"")
    for _ in range(5):
        one.send({"text": LONG}, [fd], never)
    os.close(fd)
    two.close()
    one.flush()
    assert one.waiting == 0
    assert one.receive() is None
    assert one.ended


def test_without_room_for_its_descriptors_a_frame_is_lost_and_the_others_are_not(
    ends: tuple[Line, Line],
) -> None:
    one, two = ends
    lost: list[int] = []
    fd = pipe_with(b"there")
    one.send({"text": LONG}, [], never)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (fd + 2, before[1]))
    spare: list[int] = []
    try:
        while True:
            spare.append(os.dup(fd))
    except OSError:
        one.send({"text": "lost"}, [fd, fd], lost.append)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
        for other in spare:
            os.close(other)
    assert lost == [errno.EMFILE]
    one.send({"text": "last"}, [fd], never)
    os.close(fd)
    first, last = taken(one, two)
    assert first == ({"text": LONG}, [])
    assert last[0] == {"text": "last"}
    assert os.read(last[1][0], 99) == b"there"
    os.close(last[1][0])


def test_the_last_words_of_a_side_arrive_although_the_other_is_slow(
    ends: tuple[Line, Line],
) -> None:
    one, two = ends
    for _ in range(5):
        one.put({"text": LONG})
    heard: list[Message] = []

    def listen() -> None:
        while len(heard) < 5 and not two.ended:
            frame = two.receive()
            if frame is not None:
                heard.append(frame[0])

    listener = threading.Thread(target=listen)
    listener.start()
    one.drain(30.0)
    assert one.waiting == 0
    listener.join()
    assert heard == [{"text": LONG}] * 5


def test_last_words_are_given_up_in_time(ends: tuple[Line, Line]) -> None:
    one, _two = ends
    one.put({"text": LONG})
    one.drain(0.01)
    assert one.waiting


def test_timers_of_a_worker_are_run_in_their_order_unless_cancelled() -> None:
    worker = Worker()
    ran: list[str] = []
    done = threading.Event()

    def begin() -> None:
        worker.after(0.02, lambda: ran.append("late"))
        worker.after(0.0, lambda: ran.append("soon"))
        cancelled = worker.after(0.01, lambda: ran.append("never"))
        worker.after(0.03, done.set)
        cancelled.cancel()

    worker.post(begin)
    assert done.wait(30.0)
    assert ran == ["soon", "late"]
    assert worker.close()


def test_a_worker_whose_job_hangs_is_left_behind() -> None:
    before = Census.take()
    worker = Worker()
    go_on = threading.Event()

    def hang() -> None:
        go_on.wait()

    worker.post(hang)
    assert not worker.close(0.01)
    go_on.set()
    assert worker.close()
    until(lambda: Census.take() <= before, "nothing of the worker is left")
