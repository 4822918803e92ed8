"""Questions to a host: each has its own end, and leaves nothing behind."""

import asyncio
import os
import re
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from hcsd.abi.hresult import HR
from hcsd.engine import open_host
from hcsd.hcs.errors import ElementNotFoundError
from hcsd.hcs.host import Host
from hcsd.selftest.asking import Asking, Subject
from hcsd.selftest.catalogue import QUESTIONS
from hcsd.selftest.interview import Interview, Reply, run_bounded
from hcsd.selftest.programs import PosixPrograms
from hcsd.selftest.question import Answer, NotHereError, Question, Verdict

ROOT = Path(__file__).parents[2]
PATIENCE = 0.02  # the limits beyond a question's own become a fraction of a second


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    opened = open_host()
    yield opened
    opened.close()


def subject(host: Host, patience: float = 1.0) -> Subject:
    return Subject(host.library, "host", PosixPrograms(), patience=patience)


def question(
    ask: Callable[[Asking], Awaitable[Answer]], *, assumed: tuple[str, ...] = (), seconds: float = 5
) -> Question:
    return Question("q", "Is it?", "nothing", assumed, "goes on", "asking", ask, seconds)


def ask_all(interview: Interview, *asks: Callable[[Asking], Awaitable[Answer]]) -> list[Reply]:
    return list(interview.ask([question(ask, assumed=("yes",)) for ask in asks]))


async def yes(_it: Asking) -> Answer:
    return Answer("yes")


async def no(_it: Asking) -> Answer:
    return Answer("no")


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def wait(event: threading.Event) -> None:
    event.wait()


def wait_until_gone(pid: int) -> None:
    until = time.monotonic() + 20
    while not gone(pid):
        assert time.monotonic() < until, f"{pid} runs on"
        time.sleep(0.01)


def test_an_answer_is_compared_with_what_is_assumed(host: Host) -> None:
    replies = ask_all(Interview(subject(host), 60), yes, no)
    assert [reply.verdict for reply in replies] == [Verdict.AS_ASSUMED, Verdict.DIFFERENT]
    [open_one] = Interview(subject(host), 60).ask([question(no)])
    assert open_one.verdict is Verdict.NOTED


def test_what_a_question_raises_is_no_answer(host: Host) -> None:
    async def fails(_it: Asking) -> Answer:
        raise RuntimeError("out of order")

    async def refused(_it: Asking) -> Answer:
        raise ElementNotFoundError(HR.ERROR_NOT_FOUND, "HcsOpenProcess")

    async def in_a_group(_it: Asking) -> Answer:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(refused(_it))
        return Answer("yes")

    async def elsewhere(_it: Asking) -> Answer:
        raise NotHereError("needs a sun")

    replies = ask_all(Interview(subject(host), 60), fails, refused, in_a_group, elsewhere)
    assert [(reply.verdict, reply.answer.said) for reply in replies] == [
        (Verdict.NO_ANSWER, "failed"),
        (Verdict.NO_ANSWER, "ERROR_NOT_FOUND"),
        (Verdict.NO_ANSWER, "ERROR_NOT_FOUND"),
        (Verdict.NOT_ASKED, "needs a sun"),
    ]
    assert "out of order" in str(replies[0].answer.details)


def test_a_question_that_takes_too_long_is_given_up_and_what_it_started_is_ended(
    host: Host,
) -> None:
    pids = []

    async def waits(it: Asking) -> Answer:
        pids.append((await it.start(it.programs.echo())).pid)
        await asyncio.Event().wait()
        return Answer("never")

    interview = Interview(subject(host), 60)
    [first] = interview.ask([question(waits, seconds=0.5)])
    [second] = ask_all(interview, yes)
    assert (first.verdict, second.verdict) == (Verdict.NO_ANSWER, Verdict.AS_ASSUMED)
    assert first.answer.said.startswith("no answer in ")
    assert interview.stuck == []
    wait_until_gone(pids[0])


def test_a_question_that_is_stuck_in_a_call_is_left_and_what_it_started_is_ended(
    host: Host,
) -> None:
    release = threading.Event()
    pids = []

    async def stuck(it: Asking) -> Answer:
        pids.append((await it.start(it.programs.echo())).pid)
        release.wait()  # as a call of HCS that does not return
        return Answer("late")

    interview = Interview(subject(host, PATIENCE), 60)
    try:
        [first] = interview.ask([question(stuck, seconds=50)])  # one second
        [second] = ask_all(interview, yes)
        assert (first.verdict, second.verdict) == (Verdict.NO_ANSWER, Verdict.AS_ASSUMED)
        assert interview.stuck == ["q"]
        wait_until_gone(pids[0])
    finally:
        release.set()


def test_handles_stay_open_while_a_starting_call_has_not_returned(host: Host) -> None:
    release, closed = threading.Event(), threading.Event()
    closes = []

    async def blocked(it: Asking) -> Answer:
        handle = it.open_system()
        closes.append(handle)
        it._opened.callback(closed.set)
        await it.run(lambda _operation: release.wait())
        return Answer("late")

    interview = Interview(subject(host, PATIENCE), 60)
    try:
        [reply] = interview.ask([question(blocked, seconds=50)])
        assert (reply.verdict, interview.stuck) == (Verdict.NO_ANSWER, ["q"])
        assert not closed.is_set()
    finally:
        release.set()
        host.library.HcsCloseComputeSystem(closes[0])


def test_what_there_is_no_time_for_is_not_asked(host: Host) -> None:
    [reply] = ask_all(Interview(subject(host), -1), yes)
    assert (reply.verdict, reply.answer.said) == (Verdict.NOT_ASKED, "the time was up")


def test_work_that_does_not_end_is_left() -> None:
    release = threading.Event()
    try:
        assert not run_bounded(lambda: wait(release), 0.01)
    finally:
        release.set()
    assert run_bounded(lambda: None, 60)


def test_the_page_leads_to_the_template_of_a_report() -> None:
    page = (ROOT / "hcsd/docs/windows.md").read_text("utf-8")
    [template] = re.findall(r"https://github\.com/hcsd/hcsd/issues/new\?template=([\w.-]+)", page)
    assert (ROOT / ".github/ISSUE_TEMPLATE" / template).is_file()


def test_each_question_says_all_of_itself_once() -> None:
    names = [question.id for question in QUESTIONS]
    assert len(set(names)) == len(names)
    for it in QUESTIONS:
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", it.id)
        assert it.text.endswith("?"), it.id
        assert it.documented, it.id
        assert it.either_way[0].islower(), it.id
        assert it.method, it.id
        assert it.seconds <= 25, it.id  # with the end of all, it is what two minutes have room for
