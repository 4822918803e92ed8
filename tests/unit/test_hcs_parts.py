"""The small parts of the engine: handles, latches, errors, the callback registry."""

import asyncio
import logging
import threading
import weakref

import pytest

from hcsd.abi.hresult import HR
from hcsd.abi.types import HCS_PROCESS
from hcsd.errors import HcsdError
from hcsd.hcs.callbacks import REGISTRY, Completion, Event
from hcsd.hcs.errors import CLASSES, HandleClosedError, HcsError
from hcsd.hcs.handles import ProcessHandle
from hcsd.hcs.latch import Latch
from hcsd.hcs.library import error_for
from tests.support.census import until
from tests.support.records import ours
from tests.support.scripting import served


class Closer:
    """A native close that notes what it was given."""

    def __init__(self) -> None:
        self.closed: list[int | None] = []

    def __call__(self, raw: HCS_PROCESS) -> None:
        self.closed.append(raw.value)


def test_a_handle_is_closed_once() -> None:
    closer = Closer()
    handle = ProcessHandle(HCS_PROCESS(7), closer)
    handle.close()
    handle.close()
    assert handle.closed
    assert closer.closed == [7]


def test_a_handle_in_use_is_closed_by_its_last_user() -> None:
    closer = Closer()
    handle = ProcessHandle(HCS_PROCESS(7), closer)
    with handle.use():
        with handle.use() as raw:
            handle.close()
            assert handle.closed
            assert raw.value == 7
        assert closer.closed == []
    assert closer.closed == [7]


def test_a_handle_being_closed_takes_no_more_users() -> None:
    handle = ProcessHandle(HCS_PROCESS(7), Closer())
    with handle.use():
        handle.close()
        with pytest.raises(HandleClosedError), handle.use():
            pass
    with pytest.raises(HandleClosedError), handle.use():
        pass


def test_a_use_that_fails_is_over() -> None:
    closer = Closer()
    handle = ProcessHandle(HCS_PROCESS(7), closer)
    with pytest.raises(ZeroDivisionError), handle.use():
        raise ZeroDivisionError
    handle.close()
    assert closer.closed == [7]


def test_what_a_handles_callbacks_needed_is_freed_after_its_close() -> None:
    order: list[str] = []
    handle = ProcessHandle(HCS_PROCESS(7), lambda _: order.append("close"))
    handle.on_closed = lambda: order.append("free")
    handle.close()
    assert order == ["close", "free"]


def test_a_null_handle_is_not_closed() -> None:
    closer = Closer()
    ProcessHandle(HCS_PROCESS(None), closer).close()
    assert closer.closed == []


def test_a_handle_that_nobody_closed_is_told() -> None:
    handle = [ProcessHandle(HCS_PROCESS(7), Closer())]
    with pytest.warns(ResourceWarning, match="ProcessHandle was never closed"):
        handle.clear()


def test_the_first_value_of_a_latch_stays() -> None:
    latch: Latch[int] = Latch()
    assert (latch.is_set, latch.value) == (False, None)
    assert latch.set(0)
    assert not latch.set(1)
    assert (latch.is_set, latch.value) == (True, 0)


@pytest.mark.anyio
async def test_who_waits_for_a_latch_gets_its_value_now_or_later() -> None:
    latch: Latch[int] = Latch()
    waiters = [asyncio.ensure_future(latch.wait()) for _ in range(3)]
    await asyncio.sleep(0)
    latch.set(5)
    assert await asyncio.gather(*waiters) == [5] * 3
    assert await latch.wait() == 5


def test_an_observer_is_told_once_now_or_later() -> None:
    latch: Latch[int] = Latch()
    told: list[int] = []
    latch.observe(told.append)
    assert told == []
    latch.set(5)
    latch.set(6)
    latch.observe(lambda value: told.append(value + 100))
    assert told == [5, 105]


@pytest.mark.parametrize("hr", list(HR), ids=lambda hr: hr.name)
def test_every_code_becomes_an_error_that_says_what_and_why(hr: HR) -> None:
    error = error_for(hr - (1 << 32), "HcsX", subject="do a thing")
    assert isinstance(error, HcsdError)
    assert type(error) is CLASSES.get(hr, HcsError)
    assert error.hresult == hr
    assert str(error) == f"cannot do a thing: {hr.code.meaning}"
    assert str(error_for(hr, "HcsX")).startswith("cannot call HcsX: ")


def test_every_error_class_stands_for_a_code() -> None:
    assert set(CLASSES.values()) == set(HcsError.__subclasses__())


def test_callbacks_are_served_in_order_on_one_thread() -> None:
    got: list[tuple[object, str]] = []
    handler = REGISTRY.register(lambda item: got.append((item, threading.current_thread().name)))
    items: list[Completion | Event] = [Completion(1), Event(2, "x"), Completion(3)]
    for item in items:
        REGISTRY.post(handler, item)
    served()
    assert got == [(item, "hcs-callbacks") for item in items]
    assert REGISTRY.unregister(handler)
    assert not REGISTRY.unregister(handler)


@pytest.mark.parametrize("context", [None, 0, 1 << 63])
def test_a_callback_for_nobody_is_counted(context: int | None) -> None:
    late = REGISTRY.late
    REGISTRY.post(context, Completion(0))
    served()
    assert REGISTRY.late == late + 1


def test_ids_are_never_used_again() -> None:
    ids = [REGISTRY.register(lambda _: None) for _ in range(3)]
    for each in ids:
        REGISTRY.unregister(each)
    again = REGISTRY.register(lambda _: None)
    REGISTRY.unregister(again)
    assert again > max(ids)


def test_a_handler_that_fails_is_logged_and_does_not_stop_the_next(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(_item: object) -> None:
        raise ZeroDivisionError

    handler = REGISTRY.register(fail)
    with caplog.at_level(logging.ERROR):
        REGISTRY.post(handler, Completion(0))
        served()
    REGISTRY.unregister(handler)
    assert [record.message for record in ours(caplog)] == ["handler of an HCS callback failed"]


def test_a_handler_that_has_run_is_not_kept() -> None:
    class Handler:
        def __init__(self) -> None:
            self.called = threading.Event()

        def __call__(self, _item: Event | Completion) -> None:
            self.called.set()

    handler = Handler()
    kept = weakref.ref(handler)
    handler_id = REGISTRY.register(handler)
    REGISTRY.post(handler_id, Completion(0))
    assert handler.called.wait(30)
    REGISTRY.unregister(handler_id)
    del handler
    until(lambda: kept() is None, "the handler is gone, although no other callback has come")
