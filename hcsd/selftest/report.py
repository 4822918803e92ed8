"""The report: what is shown while the self-test runs, and the file that is sent.

The file has versions, the ids and states of the compute systems, timings, answers and the texts of
errors. `SCHEMA` changes when a member gets another meaning or goes.
"""

from __future__ import annotations

import json
import platform
import sys
import textwrap
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from hcsd.printable import printable
from hcsd.selftest.interview import NO_SYSTEM
from hcsd.selftest.question import Verdict
from hcsd.selftest.windows import full_build
from hcsd.version import __version__

if TYPE_CHECKING:
    from pathlib import Path

    from hcsd.selftest.interview import Reply
    from hcsd.selftest.question import Question

SCHEMA = 2
WIDTH = 78


@dataclass(frozen=True)
class Result:
    """How a check ended.

    Attributes:
        detail: What it found, or why it failed.
        hresult: The code of HCS if that failed it, as in ``0x8037011B``.
    """

    check: str
    passed: bool
    seconds: float
    detail: str
    hresult: str = ""


@dataclass
class Report:
    """All of it, as it is sent.

    Attributes:
        schema: Of this file.
        full_build: The build of Windows with its update revision; "" if it is not told.
        seconds: How long all took.
        stuck: What never returned.
    """

    schema: int = SCHEMA
    hcsd: str = __version__
    python: str = sys.version
    system: str = field(default_factory=platform.platform)
    build: str = field(default_factory=platform.version)
    full_build: str = field(default_factory=full_build)
    machine: str = field(default_factory=platform.machine)
    began: str = field(default_factory=lambda: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
    engine: str = ""
    seconds: float = 0.0
    results: list[Result] = field(default_factory=list)
    answers: list[dict[str, object]] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)

    def add_result(self, result: Result) -> None:
        """Note the result of a check, and tell it."""
        self.results.append(result)
        verdict = "pass" if result.passed else "FAIL"
        say(f"{verdict} {result.seconds:8.3f} s  {result.check}: {result.detail} {result.hresult}")

    def add_reply(self, reply: Reply) -> None:
        """Note the reply to a question, and tell it."""
        question, answer = reply.question, reply.answer
        self.answers.append(
            {
                "id": question.id,
                "question": question.text,
                "documented": question.documented,
                "assumed": list(question.assumed),
                "method": question.method,
                "answer": answer.said,
                "verdict": reply.verdict.value,
                "seconds": reply.seconds,
                "details": answer.details,
            }
        )
        if answer.said == NO_SYSTEM:
            return  # most of them; the summary counts them
        say(f"{reply.verdict.value:10}  {question.id:22}  {answer.said}")
        if reply.verdict is Verdict.DIFFERENT:
            say(f"{'':12}assumed: {', or '.join(question.assumed)}")

    @property
    def failed(self) -> int:
        """How many checks have failed."""
        return sum(not result.passed for result in self.results)

    def summary(self) -> str:
        """Return what came of it, in a line."""
        counts = Counter(str(answer["verdict"]) for answer in self.answers)
        told = ", ".join(f"{counts[v.value]} {v.value}" for v in Verdict if counts[v.value])
        checks = f"checks: {len(self.results) - self.failed} passed, {self.failed} failed"
        return f"{checks}; questions: {told}" if told else checks

    def write(self, path: Path) -> None:
        """Write the file.

        Raises:
            OSError: It cannot be written.
        """
        text = json.dumps(asdict(self), indent=2, default=str)
        path.write_text(text + "\n", encoding="utf-8")


def describe(question: Question) -> None:
    """Tell a question without asking it."""
    say(question.id)
    for label, text in (
        ("", question.text),
        ("documented: ", question.documented),
        ("assumed: ", ", or ".join(question.assumed) or "nothing"),
        ("either way: ", f"hcsd {question.either_way}"),
        ("found by: ", question.method),
    ):
        for line in textwrap.wrap(f"{label}{text}", WIDTH - 4, subsequent_indent="  "):
            say(f"    {line}")


def say(text: str) -> None:
    """Print a line, of what others have said only what a terminal may show."""
    line = printable(text.rstrip()) + "\n"
    sys.stdout.write(
        line.encode(sys.stdout.encoding, "backslashreplace").decode(sys.stdout.encoding)
    )
    sys.stdout.flush()
