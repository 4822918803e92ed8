"""When what is collected is written, and who waits for that.

    collected ──the end of this turn of the loop──▶ COMMITTING ──▶ written: whoever waits goes on
        ▲                                                 │
        └────────── tried again with the next, ───────────┘ it cannot be written: whoever waits is told
                    or after a while

All that is collected in one turn of the loop is one transaction. The file holds all turns up to one, and
nothing of those after it, whenever the daemon is killed.

Thread: the event loop's.
"""

from __future__ import annotations

import asyncio
import collections
import logging
from typing import TYPE_CHECKING

from hcsd.daemon.state.errors import JournalError
from hcsd.failpoints import reach

if TYPE_CHECKING:
    from collections.abc import Callable

    from hcsd.daemon.state.database import Database

logger = logging.getLogger(__name__)


class Commits:
    """The commits of a database.

    Args:
        database: What is written. Ownership: of it.
        retry: Seconds after which a commit that failed is tried again, if nothing else is collected.
    """

    def __init__(self, database: Database, retry: float) -> None:
        self._database = database
        self._retry = retry
        self._pending = False  # something is collected and not written
        self._due = False
        self._timer: asyncio.TimerHandle | None = None
        self._failing = False
        self._waiting: list[asyncio.Future[None]] = []
        self._calls: collections.deque[Callable[[], object]] = collections.deque()

    def collected(self) -> None:
        """Note that something was collected."""
        self._pending = True
        self._schedule()

    async def written(self) -> None:
        """Wait until all that is collected so far is written.

        Raises:
            JournalError: It cannot be. It will be tried again.
        """
        if self._pending:
            waiting = asyncio.get_running_loop().create_future()
            self._waiting.append(waiting)
            self._schedule()
            await waiting

    def after_written(self, call: Callable[[], object]) -> None:
        """Have something called when all that is collected so far is written, or cannot be.

        Calls come in the order of this. If nothing is collected, it is called at once.
        """
        if self._pending or self._calls:
            self._calls.append(call)
            self._schedule()
        else:
            call()

    def try_now(self) -> JournalError | None:
        """Write all that is collected, before there is a loop; return why it cannot be."""
        self._pending = True
        refusal = self._write()
        self._note(refusal)
        return refusal

    def close(self) -> None:
        """Write what is collected, let all go on who wait, and close the database."""
        self._cancel_timer()
        self._commit()
        self._database.close()

    def _schedule(self) -> None:
        if not self._due:
            self._due = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        self._due = False
        if self._database.closed:
            return
        self._cancel_timer()
        self._commit()
        if self._failing and not self._database.closed:
            self._timer = asyncio.get_running_loop().call_later(self._retry, self._schedule)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _commit(self) -> None:
        """Write all that is collected, and let those go on who wait for it."""
        refusal = self._write()
        self._note(refusal)
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if future.done():
                continue
            if refusal is None:
                future.set_result(None)
            else:
                future.set_exception(JournalError(refusal.errno, str(refusal)))
        for _ in range(len(self._calls)):
            try:
                self._calls.popleft()()
            except Exception:
                logger.exception("what was to follow a commit failed")

    def _write(self) -> JournalError | None:
        if self._pending:
            reach("journal.commit")
            try:
                self._database.commit()
            except JournalError as error:
                return error
            self._pending = False
            reach("journal.committed")
        return None

    def _note(self, refusal: JournalError | None) -> None:
        if refusal is not None and not self._failing:
            logger.warning(
                "the journal cannot be written, so a restart would lose what happens from now on: %s;"
                " it is tried again",
                refusal,
            )
        elif refusal is None and self._failing:
            logger.warning("the journal is written again, and nothing is missing in it")
        self._failing = refusal is not None
