"""What some engines have and others lack.

A test says which traits it is about: by the marker `needs`, or by a fixture of `OF_FIXTURES`. It is
collected for the engines that have them all. It is no test of any other, and so none is skipped.
"""

from collections import Counter
from enum import StrEnum

import pytest


class Trait(StrEnum):
    """The value says why a test cannot be asked of an engine without it."""

    POSIX = "is about sh, numbers of signals, or terminals of POSIX"
    SYSTEMS = "creates systems out of nothing"
    DISCONNECTS = "takes the service away, which is back at once"
    COUNTS = "counts what the library has given out"
    SERIAL = "holds the one thread that completes operations"
    GUARDED = "passes handles and addresses with which a real library would end the process"
    STRICT = "wants what HCS leaves open: what is refused, and in which words"


OF_FIXTURES = {
    "posix": Trait.POSIX,
    "created": Trait.SYSTEMS,
    "disconnect": Trait.DISCONNECTS,
}


def needed(item: pytest.Item) -> set[Trait]:
    """Tell which traits a test is about."""
    marked = {trait for marker in item.iter_markers("needs") for trait in marker.args}
    fixtures = getattr(item, "fixturenames", ())
    return marked | {trait for name, trait in OF_FIXTURES.items() if name in fixtures}


def fitting(items: list[pytest.Item]) -> tuple[list[pytest.Item], list[pytest.Item], list[str]]:
    """Take tests apart: those of their engine, those that are not, and a line for each reason."""
    fit, others, reasons = [], [], Counter[str]()
    for item in items:
        call = getattr(item, "callspec", None)
        engine = call.params.get("engine") if call else None
        if engine is None or not (lacking := needed(item) - engine.traits):
            fit.append(item)
        else:
            others.append(item)
            reasons[f"not for the engine '{engine.name}': each {min(lacking)}"] += 1
    return fit, others, [f"{count} tests {reason}" for reason, count in reasons.most_common()]
