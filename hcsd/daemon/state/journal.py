"""The journal: what a daemon knows, kept so that the next one goes on with it.

    collected ──the end of this turn of the loop──▶ written

When that is, and what happens if it fails, is told in `commits`. What is kept of what: `rows`.

The identity of a process is kept once. It stays after the process for as long as an event tells of it:

    add_process ─▶ process + state ──remove_process──▶ process ──the last event is dropped──▶ gone

A journal without a file keeps nothing and costs nothing; so does one that is closed.

Thread: the event loop's; `open` and `load` block and are for another thread, or the time before the loop.
`close` blocks as well, as one commit does.
"""

from __future__ import annotations

import collections
import errno
import time
import uuid
from typing import TYPE_CHECKING

from hcsd.daemon.events import ProcessEvent
from hcsd.daemon.idempotency import NO_KEY
from hcsd.daemon.state import forms
from hcsd.daemon.state.codec import TEXT, WHOLE, CodecError
from hcsd.daemon.state.commits import Commits
from hcsd.daemon.state.database import Database
from hcsd.daemon.state.errors import DamagedError
from hcsd.daemon.state.reading import read_saved
from hcsd.daemon.state.rows import NOTHING, Saved, SavedProcess

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hcsd.daemon.events import Event
    from hcsd.daemon.state.rows import SavedState, SavedSystem

NUMBERS = 1024  # as many numbers of processes are taken as used at once: it spares a row at each
CLOSED = frozenset({errno.EROFS, errno.EACCES, errno.EBUSY})  # what does not pass by itself
RETRY = 1.0  # seconds after which a commit that failed is tried again, if nothing else is collected


class Journal:
    """A journal; `open` and `none` make one.

    Attributes:
        incarnation: Made with a new journal, and the same for all that go on with it.
        create_time: POSIX time in nanoseconds when it was new; 0 if nothing is kept.
        restores: How often it was opened again.
        restore_time: POSIX time in nanoseconds when it was opened again last; 0 if it was not.
    """

    def __init__(self, database: Database | None, retry: float = RETRY) -> None:
        self.incarnation = str(uuid.uuid4())
        self.create_time = 0 if database is None else time.time_ns()
        self.restores = 0
        self.restore_time = 0
        self._database = database
        self._commits = None if database is None else Commits(database, retry)
        self._saved = NOTHING
        self._next_number = 1
        self._newest = 0
        self._next_row = 1
        self._rows: dict[str, int] = {}  # where the identity of a process is, by uid
        self._known: set[str] = set()  # uids of processes that were not removed
        self._mentions: collections.Counter[str] = collections.Counter()  # of identities, by uid
        self._told_of: collections.deque[tuple[int, str]] = collections.deque()  # revision and uid

    @staticmethod
    def open(path: Path, *, retry: float = RETRY) -> Journal:
        """Open a journal, or make a new one.

        Args:
            path: Its file.
            retry: Seconds after which a commit that failed is tried again.

        Raises:
            DamagedError: There is something else, or it is damaged.
            NewerError: A newer daemon has written it; it was not touched.
            JournalError: It cannot be opened, or not be written.
        """
        database = Database(path)
        try:
            journal = Journal(database, retry)
            journal._begin(database)
        except BaseException:
            database.close()
            raise
        return journal

    @staticmethod
    def none() -> Journal:
        """Return a journal that keeps nothing."""
        return Journal(None)

    def load(self) -> Saved:
        """Return what was kept; once, afterwards nothing."""
        saved, self._saved = self._saved, NOTHING
        return saved

    # --- what is kept; all of it only collects ---

    def add_process(self, process: SavedProcess, state: SavedState) -> None:
        """Keep a process that is new."""
        if self._database is None:
            return
        uid = process.identity.uid
        row = self._mention(self._database, process)
        self._database.states.put(row, forms.STATE.encode(state))
        self._known.add(uid)
        if process.number >= self._next_number:
            self._next_number = process.number + NUMBERS
            self._database.facts.put("next_number", self._next_number)
        self._collected()

    def set_state(self, uid: str, state: SavedState) -> None:
        """Keep where a process is; of one that was removed, nothing."""
        if self._database is not None and uid in self._known:
            self._database.states.put(self._rows[uid], forms.STATE.encode(state))
            self._collected()

    def remove_process(self, uid: str) -> None:
        """Keep a process no more; idempotent. What events tell of it stays."""
        if self._database is not None and uid in self._known:
            self._known.remove(uid)
            self._database.states.delete(self._rows[uid])
            self._forget_mention(self._database, uid)
            self._collected()

    def put_system(self, system: SavedSystem) -> None:
        """Keep a system as it is now."""
        if self._database is not None:
            self._database.systems.put(system.id, forms.SYSTEM.encode(system))
            self._collected()

    def remove_system(self, system_id: str) -> None:
        """Keep a system no more; idempotent."""
        if self._database is not None:
            self._database.systems.delete(system_id)
            self._collected()

    def add_event(self, event: Event) -> None:
        """Keep an event; events come in the order of their revisions."""
        if self._database is None:
            return
        self._newest = event.revision
        row = None
        if isinstance(event.what, ProcessEvent):
            identity = event.what.process.identity
            row = self._mention(self._database, SavedProcess(identity, 0, NO_KEY))
            self._told_of.append((event.revision, identity.uid))
        self._database.events.put(event.revision, forms.encode_event(event, row))
        self._collected()

    def drop_events(self, oldest: int) -> None:
        """Keep no more events before a revision."""
        if self._database is None:
            return
        self._database.events.delete_below(oldest)
        if oldest > self._newest:  # no event is left to tell it
            self._database.facts.put("oldest", oldest)
        while self._told_of and self._told_of[0][0] < oldest:
            self._forget_mention(self._database, self._told_of.popleft()[1])
        self._collected()

    def _mention(self, database: Database, process: SavedProcess) -> int:
        """Keep the identity of a process once more, and return where it is."""
        uid = process.identity.uid
        row = self._rows.get(uid)
        if row is None:
            row = self._rows[uid] = self._next_row
            self._next_row += 1
            database.processes.put(row, forms.encode_process(process))
        self._mentions[uid] += 1
        return row

    def _forget_mention(self, database: Database, uid: str) -> None:
        self._mentions[uid] -= 1
        if not self._mentions[uid]:
            del self._mentions[uid]
            database.processes.delete(self._rows.pop(uid))

    # --- when it is written ---

    async def written(self) -> None:
        """Wait until all that is collected so far is written.

        Raises:
            JournalError: It cannot be. It will be tried again.
        """
        if self._commits is not None:
            await self._commits.written()

    def after_written(self, call: Callable[[], object]) -> None:
        """Have something called when all that is collected so far is written, or cannot be.

        Calls come in the order of this. If nothing is collected, it is called at once.
        """
        if self._commits is None:
            call()
        else:
            self._commits.after_written(call)

    def close(self) -> None:
        """Write what is collected, and keep nothing from now on; idempotent."""
        commits, self._commits, self._database = self._commits, None, None
        if commits is not None:
            commits.close()

    def _collected(self) -> None:
        if self._commits is not None:
            self._commits.collected()

    # --- what was there ---

    def _begin(self, database: Database) -> None:
        """Go on with what is there, or begin."""
        facts = dict(database.read(database.facts))
        if not facts and not any(map(database.read, database.tables)):
            database.facts.put("incarnation", self.incarnation)
            database.facts.put("create_time", self.create_time)
            database.facts.put("restores", 0)
            database.commit()
            return
        try:
            self.incarnation = TEXT.decode(facts.get("incarnation"))
            self.create_time = WHOLE.decode(facts.get("create_time"))
            self.restores = WHOLE.decode(facts.get("restores")) + 1
            number = WHOLE.decode(facts.get("next_number", 1))
            oldest = WHOLE.decode(facts.get("oldest", 1))
        except CodecError as error:
            msg = f"the journal does not say what it is: {error}"
            raise DamagedError(msg) from error
        self.restore_time = time.time_ns()
        self._saved, self._rows = read_saved(database, number, oldest)
        self._know_again(self._saved)
        database.facts.put("restores", self.restores)
        database.facts.put("restore_time", self.restore_time)
        refusal = self._commits.try_now() if self._commits is not None else None
        if refusal is not None and refusal.errno in CLOSED:
            raise refusal  # else: what runs is worth more than that all of it is kept

    def _know_again(self, saved: Saved) -> None:
        """Know again who is mentioned where."""
        self._next_number = saved.next_number
        self._newest = saved.newest
        self._next_row = max(self._rows.values(), default=0) + 1
        for process, _ in saved.processes:
            self._known.add(process.identity.uid)
            self._mentions[process.identity.uid] += 1
        for event in saved.events:
            if isinstance(event.what, ProcessEvent):
                uid = event.what.process.identity.uid
                self._mentions[uid] += 1
                self._told_of.append((event.revision, uid))
