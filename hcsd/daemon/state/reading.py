"""What an earlier daemon has kept, as values; what cannot be read is told in the log, and left out.

Events are without holes: before one that cannot be read, nothing is left. What nobody can reach any more
is removed from the file with the next commit.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, TypeVar

from hcsd.daemon.events import ProcessEvent
from hcsd.daemon.state import forms
from hcsd.daemon.state.codec import CodecError
from hcsd.daemon.state.rows import Saved

if TYPE_CHECKING:
    from collections.abc import Callable

    from hcsd.daemon.events import Event
    from hcsd.daemon.state.database import Database, Key
    from hcsd.daemon.state.rows import SavedProcess

T = TypeVar("T")

logger = logging.getLogger(__name__)


def read_saved(database: Database, next_number: int, oldest: int) -> tuple[Saved, dict[str, int]]:
    """Return all that a database has, and by uid where the identities of processes are.

    Args:
        database: Whose file.
        next_number: The least number that no process had, as its facts say.
        oldest: Revision before which events were dropped, as its facts say.

    Raises:
        DamagedError: The file cannot be read.
        JournalError: The same, for a reason of the host.
    """
    known = _decoded(database.read(database.processes), "process", forms.decode_process)
    states = _decoded(database.read(database.states), "state of process", forms.STATE.decode)
    systems = _decoded(database.read(database.systems), "system", forms.SYSTEM.decode)
    rows = database.read(database.events)
    newest = max((key for key, _ in rows if isinstance(key, int)), default=0)
    events = _events(rows, known)
    first = events[0].revision if events else newest + 1
    if rows and rows[0][0] != first:
        logger.error("events before revision %d are lost", first)
        database.events.delete_below(first)
    for row in states.keys() - known.keys():
        logger.error("a process is lost: nothing says what it is, but that it was %s", states[row])
        database.states.delete(row)
    processes = [(known[row], state) for row, state in states.items() if row in known]
    processes.sort(key=lambda process: process[0].number)
    mentioned = {
        event.what.process.identity.uid for event in events if isinstance(event.what, ProcessEvent)
    }
    places: dict[str, int] = {}
    for row, process in known.items():
        if isinstance(row, int) and (row in states or process.identity.uid in mentioned):
            places[process.identity.uid] = row
        else:
            database.processes.delete(row)
    saved = Saved(
        processes,
        list(systems.values()),
        events,
        max(newest, oldest - 1),
        max(next_number, 1 + max((process.number for process in known.values()), default=0)),
    )
    return saved, places


def _decoded(
    rows: list[tuple[Key, object]], what: str, decode: Callable[[object], T]
) -> dict[Key, T]:
    found = {}
    for key, document in rows:
        try:
            found[key] = decode(document)
        except CodecError as error:
            logger.error("%s %s cannot be read, and is lost: %s", what, key, error)  # noqa: TRY400
    return found


def _events(rows: list[tuple[Key, object]], known: dict[Key, SavedProcess]) -> list[Event]:
    """Return the latest events, up to where one is missing."""
    found: list[Event] = []
    for key, document in reversed(rows):
        try:
            row = forms.row_of(document)
            identity = None if row is None else known[row].identity
            event = forms.decode_event(document, identity)
        except (CodecError, KeyError) as error:
            logger.error("event %s cannot be read: %r", key, error)  # noqa: TRY400
            break
        if found and found[-1].revision != event.revision + 1:
            break
        found.append(event)
    return found[::-1]
