"""Ask the questions, one after another, each with its own end.

    asked ──answers──▶ its verdict
      ├─raises──▶ NO_ANSWER, with the error
      ├─its time is up──▶ given up ──ends and gives back──▶ NO_ANSWER
      │                      └─is stuck in a call──▶ left; what it started is killed ──▶ NO_ANSWER
      └─the time of all is up before──▶ NOT_ASKED

Each question runs on a thread of its own. One that is stuck is left there, and the self-test ends
all the same (`Interview.stuck`).
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hcsd.abi.types import GENERIC_ALL
from hcsd.errors import HcsdError
from hcsd.hcs.errors import HcsError
from hcsd.selftest.asking import Asking
from hcsd.selftest.question import Answer, NotHereError, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from hcsd.selftest.asking import Subject
    from hcsd.selftest.question import Question

NO_SYSTEM = "no system"  # the answer to what needs one
CLOSE_SECONDS = 6.0
STUCK_SECONDS = 4.0


@dataclass(frozen=True, slots=True)
class Reply:
    """What became of a question."""

    question: Question
    verdict: Verdict
    answer: Answer
    seconds: float = 0.0


@dataclass
class _Attempt:
    """One question on its thread.

    Attributes:
        asking: What it has at hand, once it runs.
        outcome: Its answer, or what it raised.
    """

    question: Question
    subject: Subject
    asking: Asking | None = None
    outcome: Answer | BaseException | None = None
    over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Ask. Thread: its own."""
        try:
            asyncio.run(self._ask())
        except BaseException as error:  # whatever it is, it is the outcome
            self.outcome = self.outcome or error
        finally:
            self.over.set()

    async def _ask(self) -> None:
        self.asking = asking = Asking(self.subject)
        try:
            async with asyncio.timeout(asking.seconds(self.question.seconds)):
                self.outcome = await self.question.ask(asking)
        except Exception as error:
            self.outcome = error
        finally:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(asking.seconds(CLOSE_SECONDS)):
                    await asking.close()


class Interview:
    """Asks questions of one subject.

    Args:
        subject: Who is asked.
        seconds: How long all of it may take.

    Attributes:
        stuck: Ids of questions whose calls have not returned. Their threads are left, so this
            process cannot end as usual.
    """

    def __init__(self, subject: Subject, seconds: float) -> None:
        self.stuck: list[str] = []
        self._subject = subject
        self._until = time.monotonic() + seconds

    def ask(self, questions: Iterable[Question]) -> Iterator[Reply]:
        """Ask, and give each reply as it comes."""
        for question in questions:
            if not (question.of_host or self._subject.system_id):
                yield Reply(question, Verdict.NOT_ASKED, Answer(NO_SYSTEM))
            elif question.of_windows and not self._subject.programs.of_windows:
                yield Reply(question, Verdict.NOT_ASKED, Answer("needs a Windows guest"))
            elif time.monotonic() > self._until:
                yield Reply(question, Verdict.NOT_ASKED, Answer("the time was up"))
            else:
                yield self._ask(question)

    def _ask(self, question: Question) -> Reply:
        began = time.perf_counter()
        attempt = _Attempt(question, self._subject)
        threading.Thread(target=attempt.run, name=f"hcsd-{question.id}", daemon=True).start()
        limit = (question.seconds + CLOSE_SECONDS + STUCK_SECONDS) * self._subject.patience
        if not attempt.over.wait(limit):
            self.stuck.append(question.id)
            self._end_leftovers(attempt)
        elif attempt.asking is not None and attempt.asking.stuck:
            self.stuck.append(question.id)
        seconds = round(time.perf_counter() - began, 3)
        return Reply(question, *self._judge(attempt, seconds), seconds)

    def _judge(self, attempt: _Attempt, seconds: float) -> tuple[Verdict, Answer]:
        question, outcome = attempt.question, attempt.outcome
        if isinstance(outcome, BaseException):
            outcome = first(outcome)
        if isinstance(outcome, Answer):
            return question.judge(outcome.said), outcome
        if isinstance(outcome, NotHereError):
            return Verdict.NOT_ASKED, Answer(str(outcome))
        if outcome is None or isinstance(outcome, TimeoutError):
            return Verdict.NO_ANSWER, Answer(f"no answer in {seconds:.0f} s")
        if isinstance(outcome, HcsError):
            told: dict[str, object] = {"hresult": f"0x{outcome.hresult:08X}", "text": str(outcome)}
            return Verdict.NO_ANSWER, Answer(outcome.code.symbol, told)
        text = str(outcome) if isinstance(outcome, HcsdError) else repr(outcome)
        return Verdict.NO_ANSWER, Answer("failed", {"text": text})

    def _end_leftovers(self, attempt: _Attempt) -> None:
        """Kill what a stuck question has started, on a thread that may get stuck, too."""
        started = [] if attempt.asking is None else list(attempt.asking.started)
        pids = [process.pid for process in started if not process.exited]
        if pids:
            thread = threading.Thread(target=self._kill, args=(pids,), daemon=True)
            thread.start()
            thread.join(CLOSE_SECONDS * self._subject.patience)

    def _kill(self, pids: list[int]) -> None:
        library = self._subject.library
        with contextlib.suppress(HcsError), contextlib.ExitStack() as opened:
            system = library.HcsOpenComputeSystem(self._subject.system_id, GENERIC_ALL)
            opened.callback(library.HcsCloseComputeSystem, system)
            for pid in pids:
                with contextlib.suppress(HcsError):  # it has ended meanwhile
                    process = library.HcsOpenProcess(system, pid, GENERIC_ALL)
                    opened.callback(library.HcsCloseProcess, process)
                    operation = library.HcsCreateOperation(None, None)
                    opened.callback(library.HcsCloseOperation, operation)
                    library.HcsTerminateProcess(process, operation, None)


def first(error: BaseException) -> BaseException:
    """Return the error itself, or the first one of a group."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def run_bounded(work: Callable[[], None], seconds: float) -> bool:
    """Run something on a thread that is left if it does not end; returns whether it has ended."""
    thread = threading.Thread(target=work, name="hcsd-selftest-checks", daemon=True)
    thread.start()
    thread.join(seconds)
    return not thread.is_alive()
