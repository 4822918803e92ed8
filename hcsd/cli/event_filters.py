"""Which events are shown, as people say it; the forms are those of `hcsd.cli.process_filters`.

They are ``type=process``, ``type=system``, ``event=STEP``, ``label=KEY=VALUE``, ``system=SYSTEM`` and
``name=TEXT``. Of one key with several values any will do, but each label must be there; of several keys all
must hold.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hcsd.cli.filter_words import filter_words
from hcsd.cli.resource_names import id_of_system, ids_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hcsd.v1.event_pb2 import Event

TYPES = ("process", "system")
# Of processes, then those that only systems have, in the order of the contract.
STEPS = (
    *("created", "started", "exited", "output-complete", "deleted"),
    *("paused", "resumed", "shutting-down", "out-of-memory", "forgotten"),
)


@dataclass
class EventFilters:
    """What was said.

    Attributes:
        labels: Labels that the process must have; systems have none.
        types: What it must be about, one of these; empty for anything.
        steps: What must have happened, one of these; empty for anything.
        systems: Ids of systems, to one of which it must have happened, or in one of which.
        texts: Texts, one of which must be in the id of the process or system.
    """

    labels: dict[str, str] = field(default_factory=dict)
    types: list[str] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)
    systems: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, texts: Iterable[str]) -> EventFilters:
        """Read what was typed.

        Raises:
            BadParameter: It is none of the forms.
        """
        found = cls()
        for word in filter_words(texts):
            value = word.value
            step = value.lower().replace("_", "-")
            match word.key:
                case "label" if word.label:
                    found.labels |= [word.label]
                case "type" if value.lower() in TYPES:
                    found.types.append(value.lower())
                case "event" if step in STEPS:
                    found.steps.append(step)
                case "system" if value:
                    found.systems.append(id_of_system(value))
                case "name" if value:
                    found.texts.append(value)
                case _:
                    raise word.refusal(
                        f"system=SYSTEM, type= and one of {', '.join(TYPES)},"
                        f" or event= and one of {', '.join(STEPS)}"
                    )
        return found

    def matches(self, event: Event) -> bool:
        """Tell whether an event is to be shown."""
        from hcsd.cli.output.words import process_event, system_event

        if event.WhichOneof("event") is None:  # it is of a later contract
            return self == EventFilters()
        if event.HasField("system"):
            kind, step, labels = "system", system_event(event.system), {}
            system_id = own_id = id_of_system(event.system.system)
        else:
            process = event.process.process
            kind, step, labels = "process", process_event(event.process), dict(process.labels)
            system_id, own_id = ids_of(process.name)
        return (
            (not self.types or kind in self.types)
            and (not self.steps or step.replace(" ", "-") in self.steps)
            and (not self.systems or system_id in self.systems)
            and (not self.texts or any(text in own_id for text in self.texts))
            and self.labels.items() <= labels.items()
        )
