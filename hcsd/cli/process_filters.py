"""Which processes a list shows, as people say it.

The forms are ``label=KEY=VALUE``, ``status=STATE``, ``exited=CODE``, ``ended=TIME`` and ``name=TEXT``.

Of one key with several values any will do, but each label must be there; of several keys all must hold.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from hcsd.cli.filter_words import filter_words
from hcsd.cli.options import moment_of
from hcsd.cli.resource_names import ids_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hcsd.v1.process_pb2 import Process, ProcessExit, ProcessState

NONZERO = "nonzero"
STATES = ("creating", "running", "exited", "failed", "lost")


@dataclass
class ProcessFilters:
    """What was said.

    Attributes:
        labels: Labels that must be there.
        states: States, one of which it must have; empty for any.
        codes: Exit codes, one of which it must have, as numbers or `NONZERO`; empty for any.
        texts: Texts, one of which must be in its id; empty for any.
        ended: Times, after one of which it must have ended, in seconds; empty for any.
    """

    labels: dict[str, str] = field(default_factory=dict)
    states: list[str] = field(default_factory=list)
    codes: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    ended: list[float] = field(default_factory=list)

    @classmethod
    def of(cls, texts: Iterable[str]) -> ProcessFilters:
        """Read what was typed.

        Raises:
            BadParameter: It is none of the forms.
        """
        found = cls()
        for word in filter_words(texts):
            value = word.value
            match word.key:
                case "label" if word.label:
                    found.labels |= [word.label]
                case "status" if value.lower() in STATES:
                    found.states.append(value.lower())
                case "exited" if value == NONZERO or re.fullmatch(r"\d{1,10}", value):
                    found.codes.append(value)
                case "ended":
                    found.ended.append(moment_of(value).timestamp())
                case "name" if value:
                    found.texts.append(value)
                case _:
                    raise word.refusal(
                        f"exited=CODE, exited={NONZERO}, ended=TIME,"
                        f" or status= and one of {', '.join(STATES)}"
                    )
        return found

    def numbers(self) -> list[ProcessState]:
        """Return the states as the contract has them."""
        from hcsd.v1.process_pb2 import ProcessState

        states = self.states or (["exited"] if self.codes or self.ended else [])
        names = (f"PROCESS_STATE_{state.upper()}" for state in states)
        return [cast("ProcessState", ProcessState.Value(name)) for name in names]

    def matches(self, process: Process) -> bool:
        """Tell whether a process has one of the texts in its id, one of the exit codes, and one of the ends."""
        _, process_id = ids_of(process.name)
        if self.codes and not (process.HasField("exit") and self._has_code(process.exit)):
            return False
        if self.ended and process.exit.exit_time.ToNanoseconds() / 1e9 < min(self.ended):
            return False
        return not self.texts or any(text in process_id for text in self.texts)

    def _has_code(self, end: ProcessExit) -> bool:
        if not end.HasField("exit_code"):
            return False
        return any(
            end.exit_code != 0 if code == NONZERO else end.exit_code == int(code)
            for code in self.codes
        )
