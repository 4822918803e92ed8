"""What only a real host can answer, as data: a question, and the answer that was seen.

Where the documentation of HCS is silent, or says otherwise than its users, hcsd has to assume
something. Each such place is a `Question`. The lists are in the modules `about_…`, the whole of
them in `hcsd.selftest.catalogue`; the manual has its table from there.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from hcsd.selftest.asking import Asking

SECONDS = 10.0


class Verdict(enum.Enum):
    """What an answer says about the assumption; the value is how the report words it."""

    AS_ASSUMED = "as assumed"
    DIFFERENT = "different"
    NOTED = "noted"  # hcsd assumes nothing
    NO_ANSWER = "no answer"
    NOT_ASKED = "not asked"


@dataclass(frozen=True, slots=True)
class Answer:
    """What was seen.

    Attributes:
        said: A few words, of a small vocabulary, so that answers of hosts can be compared.
        details: What was measured and what HCS said, for people. No secrets, no names of others.
    """

    said: str
    details: dict[str, object] = field(default_factory=dict)


class NotHereError(Exception):
    """The question cannot be asked of this engine or this guest; the text says why."""


@dataclass(frozen=True, slots=True)
class Question:
    """One question.

    Attributes:
        id: Its name, which stays.
        text: The question, a sentence.
        documented: What Microsoft's reference says, or else where the expectation is from.
        assumed: Answers that hcsd expects, and the test double gives one of; none if hcsd takes any.
        either_way: What hcsd does, whatever the answer is.
        method: How the answer is found.
        ask: Finds it.
        seconds: How long that may take.
        of_host: Whether it needs no running system.
        of_windows: Whether it is about Windows guests alone.
    """

    id: str
    text: str
    documented: str
    assumed: tuple[str, ...]
    either_way: str
    method: str
    ask: Callable[[Asking], Awaitable[Answer]]
    seconds: float = SECONDS
    of_host: bool = False
    of_windows: bool = False

    def judge(self, said: str) -> Verdict:
        """Compare an answer with the assumption."""
        if not self.assumed:
            return Verdict.NOTED
        return Verdict.AS_ASSUMED if said in self.assumed else Verdict.DIFFERENT
