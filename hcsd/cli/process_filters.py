"""Which processes a list shows, as people say it: ``label=KEY=VALUE``, ``status=STATE``, ``name=TEXT``.

Of one key with several values any will do, but each label must be there; of several keys all must hold.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import typer

from hcsd.cli.resource_names import ids_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hcsd.v1.process_pb2 import Process, ProcessState

STATES = ("creating", "running", "exited", "failed", "lost")


@dataclass
class ProcessFilters:
    """What was said.

    Attributes:
        labels: Labels that must be there.
        states: States, one of which it must have; empty for any.
        texts: Texts, one of which must be in its id; empty for any.
    """

    labels: dict[str, str] = field(default_factory=dict)
    states: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, texts: Iterable[str]) -> ProcessFilters:
        """Read what was typed.

        Raises:
            BadParameter: It is none of the forms.
        """
        found = cls()
        for text in texts:
            key, _, value = text.partition("=")
            name, equals, label = value.partition("=")
            if key == "label" and name and equals:
                found.labels[name] = label
            elif key == "status" and value.lower() in STATES:
                found.states.append(value.lower())
            elif key == "name" and value:
                found.texts.append(value)
            else:
                raise typer.BadParameter(
                    f"'{text}' is no filter; write label=KEY=VALUE, name=TEXT, or status= and one of"
                    f" {', '.join(STATES)}",
                    param_hint="--filter",
                )
        return found

    def numbers(self) -> list[ProcessState]:
        """Return the states as the contract has them."""
        from hcsd.v1.process_pb2 import ProcessState

        names = (f"PROCESS_STATE_{state.upper()}" for state in self.states)
        return [cast("ProcessState", ProcessState.Value(name)) for name in names]

    def matches(self, process: Process) -> bool:
        """Tell whether a process has one of the texts in its id."""
        _, process_id = ids_of(process.name)
        return not self.texts or any(text in process_id for text in self.texts)
