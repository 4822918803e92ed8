"""Small parts of the daemon: work in the background, requests that are repeated, records that are kept."""

import logging
import subprocess
import sys
from collections.abc import Awaitable, Callable

import anyio
import pytest

from hcsd.daemon.background import Background
from hcsd.daemon.errors import RequestError, StoppingError
from hcsd.daemon.idempotency import NO_KEY, Idempotency, RequestKey
from hcsd.daemon.retention import Retention
from tests.support.records import ours

pytestmark = pytest.mark.anyio


def test_the_daemon_loads_no_grpc_and_no_message() -> None:
    program = (
        "import importlib, pkgutil, sys, hcsd.daemon, hcsd.listen\n"
        "for package in (hcsd.daemon, hcsd.listen):\n"
        "    for module in pkgutil.iter_modules(package.__path__, package.__name__ + '.'):\n"
        "        importlib.import_module(module.name)\n"
        "print([m for m in sys.modules if m.split('.')[0] in {'grpc', 'google'} or 'hcsd.v1' in m])"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert found.stdout.decode() == "[]\n"


# --- work in the background ---


class Gate:
    """Work that goes on until it is let through."""

    def __init__(self, result: int | Exception) -> None:
        self.open = anyio.Event()
        self.began = 0
        self._result = result

    async def __call__(self) -> int:
        self.began += 1
        await self.open.wait()
        if isinstance(self._result, Exception):
            raise self._result
        return self._result


async def test_work_goes_on_when_whoever_asked_for_it_leaves() -> None:
    gate = Gate(7)
    async with anyio.create_task_group() as tasks:
        work = Background(tasks).start(gate, "work")
        with anyio.CancelScope() as scope:
            scope.cancel()
            await work.result()
        assert scope.cancelled_caught
        gate.open.set()
        assert await work.result() == 7
        assert await work.result() == 7


async def test_an_error_is_every_waiter_s_and_ends_nothing_else() -> None:
    gate = Gate(ValueError("wrong"))
    seen: list[int] = []
    async with anyio.create_task_group() as tasks:
        work = Background(tasks).start(gate, "work")
        work.observe(seen.append)
        gate.open.set()
        for _ in range(2):
            with pytest.raises(ValueError, match="wrong"):
                await work.result()
        work.observe(seen.append)
    assert seen == []


async def test_observers_get_the_result_before_and_after_it_is_there() -> None:
    gate = Gate(7)
    seen: list[int] = []
    async with anyio.create_task_group() as tasks:
        work = Background(tasks).start(gate, "work")
        work.observe(seen.append)
        gate.open.set()
        await work.result()
        work.observe(seen.append)
    assert seen == [7, 7]


async def test_a_fault_that_nobody_waits_for_is_logged_and_a_refusal_is_not(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with anyio.create_task_group() as tasks:
        for error in (ValueError("a fault"), StoppingError()):
            gate = Gate(error)
            Background(tasks).start(gate, "work")
            gate.open.set()
    (record,) = [record for record in ours(caplog) if record.levelno >= logging.ERROR]
    assert record.getMessage() == "work failed, and nobody waits for it"
    assert record.exc_info is not None


# --- requests that are repeated ---

KEY = RequestKey("id", b"request")


async def repeated(
    use: Callable[[Idempotency[int]], Awaitable[None]],
) -> None:
    async with anyio.create_task_group() as tasks:
        await use(Idempotency(Background(tasks)))


async def test_fifty_equal_requests_at_once_do_the_work_once() -> None:
    gate = Gate(7)

    async def use(requests: Idempotency[int]) -> None:
        started = [requests.start(KEY, gate, "work") for _ in range(50)]
        assert [replayed for _, replayed in started] == [False] + [True] * 49
        gate.open.set()
        assert [await work.result() for work, _ in started] == [7] * 50
        assert gate.began == 1

    await repeated(use)


async def test_an_id_is_not_to_be_used_for_another_request() -> None:
    gate = Gate(7)
    gate.open.set()

    async def use(requests: Idempotency[int]) -> None:
        work, _ = requests.start(KEY, gate, "work")
        await work.result()
        with pytest.raises(RequestError) as caught:
            requests.start(RequestKey("id", b"other"), gate, "work")
        assert caught.value.reason == "REQUEST_ID_REUSED"
        requests.forget("id")
        assert not requests.start(RequestKey("id", b"other"), gate, "work")[1]

    await repeated(use)


async def test_a_request_that_failed_may_be_tried_again() -> None:
    failing, good = Gate(ValueError("wrong")), Gate(7)
    failing.open.set()
    good.open.set()

    async def use(requests: Idempotency[int]) -> None:
        work, _ = requests.start(KEY, failing, "work")
        with pytest.raises(ValueError, match="wrong"):
            await work.result()
        again, replayed = requests.start(KEY, good, "work")
        assert not replayed
        assert await again.result() == 7

    await repeated(use)


async def test_requests_without_an_id_are_never_the_same() -> None:
    gate = Gate(7)
    gate.open.set()

    async def use(requests: Idempotency[int]) -> None:
        assert not any(requests.start(NO_KEY, gate, "work")[1] for _ in range(3))

    await repeated(use)


# --- records that are kept ---


class Shelf:
    """Records, and which of them were forgotten."""

    def __init__(self, time: float = 3600.0, limit: int = 3) -> None:
        self.used: set[int] = set()
        self.pinned: set[int] = set()
        self.forgotten: list[int] = []
        self.changed = anyio.Event()
        self.kept: Retention[int] = Retention(
            lambda: time,
            lambda: limit,
            self.forget,
            self.used.__contains__,
            self.pinned.__contains__,
        )

    def forget(self, item: int) -> None:
        self.kept.drop(item)
        self.forgotten.append(item)
        self.changed.set()


async def test_the_oldest_go_first_when_there_are_too_many() -> None:
    shelf = Shelf(limit=3)
    for number in range(5):
        shelf.kept.keep(number)
    assert (shelf.forgotten, len(shelf.kept)) == ([0, 1], 3)


async def test_what_somebody_uses_stays_and_the_newest_is_never_forgotten_at_once() -> None:
    shelf = Shelf(limit=1)
    shelf.used |= {0, 1}
    for number in range(4):
        shelf.kept.keep(number)
    assert shelf.forgotten == [2]
    assert len(shelf.kept) == 3


async def test_a_record_is_forgotten_when_its_time_is_over() -> None:
    shelf = Shelf(time=0.01)
    shelf.kept.keep(1)
    await shelf.changed.wait()
    assert (shelf.forgotten, len(shelf.kept)) == ([1], 0)


async def test_what_is_pinned_stays_until_it_is_dropped_and_takes_nobodys_place() -> None:
    shelf = Shelf(time=0.01, limit=1)
    shelf.pinned |= {1, 2}
    for number in (1, 2, 3):
        shelf.kept.keep(number)
    await shelf.changed.wait()
    assert (shelf.forgotten, len(shelf.kept)) == ([3], 2)
    assert not shelf.kept.forget_oldest()
    shelf.kept.drop(1)
    assert len(shelf.kept) == 1


async def test_a_record_that_was_dropped_is_forgotten_by_nobody_else() -> None:
    shelf = Shelf(time=0.01)
    shelf.kept.keep(1)
    shelf.kept.drop(1)
    shelf.kept.drop(1)
    shelf.kept.keep(2)
    await shelf.changed.wait()
    assert shelf.forgotten == [2]
