"""What must hold of a daemon that is killed again and again, and who says what does not.

A `Story` is one run: a load, kills, and a `Model` of what the daemon has promised. What breaks a promise
is a `BrokenPromiseError`, which says the seed, the number of kills before, and the process, offset or revision.

The life of a record of the model, which is one process that a load has asked for:

    ASKED   the daemon has answered                  KNOWN
    KNOWN   its exit was seen, by whomever           EXITED
    any     its deletion was begun, or it may be     LEAVING
            forgotten since it has exited
    LEAVING the event DELETED                        GONE
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn, Protocol, TypeVar

import anyio

from hcsd.v1 import event_pb2
from hcsd.v1 import process_pb2 as pb
from hcsd_client import Client, Retry, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from tests.support.restarts import Place

T = TypeVar("T")

LABEL = "chaos"  # of a process: the id of its record
# A daemon that was killed is there again after a second; this bounds a hang.
PATIENT = Retry(attempts=400, first_delay=0.01, max_delay=0.1)
CREATED = event_pb2.PROCESS_EVENT_TYPE_CREATED
STARTED = event_pb2.PROCESS_EVENT_TYPE_STARTED
EXITED = event_pb2.PROCESS_EVENT_TYPE_EXITED
OUTPUT_COMPLETE = event_pb2.PROCESS_EVENT_TYPE_OUTPUT_COMPLETE
DELETED = event_pb2.PROCESS_EVENT_TYPE_DELETED
ALIVE = {pb.PROCESS_STATE_CREATING, pb.PROCESS_STATE_RUNNING}


class BrokenPromiseError(AssertionError):
    """The daemon has broken a promise."""


class Violated(Protocol):
    """Says what does not hold; see `Story.violated`."""

    def __call__(
        self,
        what: str,
        *,
        process: str = "",
        offset: int | None = None,
        revision: int | None = None,
    ) -> NoReturn: ...


async def persist(call: Callable[[], Awaitable[T]]) -> T:
    """Make a call that is safe to repeat until a daemon answers it."""
    while True:
        try:
            return await call()
        except UnavailableError:
            await anyio.sleep(0.02)  # until there is a daemon again, and gRPC has found it


async def listed(client: Client) -> list[pb.Process]:
    """All processes that the daemon knows; asked again until it answers."""

    async def ask() -> list[pb.Process]:
        return [process async for process in client.list_processes()]

    return await persist(ask)


def ended_as(ended: pb.ProcessExit) -> str:
    """Say how a process has ended: its code, or why there is none."""
    outcome = ended.WhichOneof("outcome")
    if outcome == "exit_code":
        return f"code {ended.exit_code}"
    return f"{outcome} {getattr(ended, str(outcome), '')}".strip()


@dataclass
class Record:
    """A process that a load has asked for.

    Attributes:
        id: Its label.
        wanted: How it ends unless it is killed, as `ended_as` says it; "" for any way.
        runs_on: It goes on until it is told to end.
        forgettable: The daemon may forget it once it has exited.
        process: As the daemon has first answered.
        uids: All uids by which it was seen.
        events: The types of its events, by uid.
        ended: How it has ended, as far as that was seen.
        leaving: It was deleted, or its deletion was begun.
        gone: The event says so.
    """

    id: str
    wanted: str = ""
    runs_on: bool = False
    forgettable: bool = False
    process: pb.Process | None = None
    events: dict[str, list[int]] = field(default_factory=dict)
    ended: str = ""
    leaving: bool = False
    gone: bool = False

    @property
    def started(self) -> list[str]:
        """The uids under which it has run."""
        return [uid for uid, types in self.events.items() if STARTED in types]


class Model:
    """What the daemon has promised so far.

    Attributes:
        records: All, by id.
        revision: Of the last event.
        incarnation: Of the daemon; "" before the first answer.
        history: Revision, type and uid of each event of a process.
    """

    def __init__(self, violated: Violated) -> None:
        self.records: dict[str, Record] = {}
        self.revision = 0
        self.incarnation = ""
        self.history: list[tuple[int, int, str]] = []
        self._violated = violated

    def asked(self, record: Record) -> Record:
        self.records[record.id] = record
        return record

    def answered(self, record: Record, process: pb.Process, *, after_exit: bool = False) -> None:
        """The daemon shows a process to whoever asks for it.

        Args:
            record: What was asked for.
            process: What is shown.
            after_exit: Its exit was known when that was asked.
        """
        where = f"{record.id} ({process.name})"
        known = record.process
        if known is None:
            record.process = known = process
        if known.uid != process.uid:
            self._violated(
                f"it has run as {known.uid} before, and now as {process.uid}", process=where
            )
        if known.pid and process.pid and known.pid != process.pid:
            self._violated(f"its pid was {known.pid} and is {process.pid}", process=where)
        if process.state == pb.PROCESS_STATE_LOST:
            self._violated("it is shown as LOST", process=where)
        if process.state == pb.PROCESS_STATE_FAILED:
            self._violated(f"it is shown as FAILED: {ended_as(process.exit)}", process=where)
        if process.state == pb.PROCESS_STATE_EXITED:
            self.exited(record, process.exit)
        elif after_exit:
            self._violated(
                f"it has exited with {record.ended} and is shown as running", process=where
            )

    def exited(self, record: Record, ended: pb.ProcessExit) -> None:
        """Somebody was told how it ended."""
        told = ended_as(ended)
        if record.ended and told != record.ended:
            self._violated(f"its exit was {record.ended} and is {told}", process=record.id)
        if record.wanted and told != record.wanted:
            self._violated(f"it ends with {record.wanted}, and was told: {told}", process=record.id)
        record.ended = told

    def saw(self, revision: int, incarnation: str) -> None:
        """The watcher was told a revision that is not an event."""
        if self.incarnation and incarnation != self.incarnation:
            self._violated(f"another incarnation: {incarnation}, not {self.incarnation}")
        self.incarnation = incarnation
        if revision != self.revision:
            self._violated(f"told to be there after event {self.revision}", revision=revision)

    def event(self, event: event_pb2.Event) -> None:
        """The watcher was told an event."""
        if event.revision != self.revision + 1:
            what = "came again" if event.revision <= self.revision else "came with a hole before"
            self._violated(f"event {what}; the last was {self.revision}", revision=event.revision)
        self.revision = event.revision
        if not event.HasField("process"):
            self.history.append((event.revision, 0, event.system.system))
            return
        process, kind = event.process.process, event.process.type
        self.history.append((event.revision, kind, process.uid))
        id = process.labels.get(LABEL, "")  # noqa: A001
        if not id:
            return
        where = f"{id} ({process.name})"

        def wrong(what: str) -> NoReturn:
            self._violated(what, process=where, revision=event.revision)

        record = self.records.get(id)
        if record is None:
            wrong("an event of a process that nobody has asked for")
        said = event_pb2.ProcessEventType.Name(kind)
        types = record.events.setdefault(process.uid, [])
        if kind in types:
            wrong(f"{said} came twice")
        if (kind == CREATED) is bool(types) or DELETED in types:
            wrong(f"{said} came after {types}")
        failed = process.exit.HasField(
            "start_error"
        )  # it has never run, and may be asked for again
        if kind in {EXITED, OUTPUT_COMPLETE} and STARTED not in types and not failed:
            wrong(f"{said} came before it had started, with {ended_as(process.exit)}")
        types.append(kind)
        if len(record.started) > 1:
            wrong(f"it was started as {record.started}")
        if failed:
            return
        if kind == EXITED:
            self.exited(record, process.exit)
        if kind == DELETED:
            if not (record.leaving or record.forgettable):
                wrong("it was forgotten, and nobody has deleted it")
            record.gone = True

    def kept(self) -> list[Record]:
        """Those that the daemon must have."""
        return [
            record
            for record in self.records.values()
            if record.process is not None and not (record.leaving or record.forgettable)
        ]


class Story:
    """One run of a load, with its kills.

    Args:
        place: Where the daemons are.
        seed: Of all that is chosen by chance.

    Attributes:
        seed, place: As given.
        client: To whichever daemon there is.
        model: What must hold.
        kills: How many there were.
        over: The loads are to come to their ends.
        doing: What each part does now, for when it hangs.
        folder: Where the processes leave files.
    """

    def __init__(self, place: Place, seed: int) -> None:
        self.place = place
        self.seed = seed
        self.client = Client(place.address, retry=PATIENT)
        self.model = Model(self.violated)
        self.kills = 0
        self.over = anyio.Event()
        self.doing: dict[str, str] = {}
        self.folder: Path = place.directory / "ran"
        self.folder.mkdir()
        self._last = 0

    def chance(self, name: str) -> random.Random:
        """Return what a part chooses by; the others do not change it."""
        return random.Random(f"{self.seed} {name}")  # noqa: S311  (repeatable)

    def new_id(self, name: str) -> str:
        self._last += 1
        return f"{name}-{self._last}"

    def violated(
        self,
        what: str,
        *,
        process: str = "",
        offset: int | None = None,
        revision: int | None = None,
    ) -> NoReturn:
        """Say what does not hold.

        Raises:
            BrokenPromiseError: Always.
        """
        places = [
            f"seed {self.seed}",
            f"kill {self.kills}",
            f"process {process}" if process else "",
            "" if offset is None else f"offset {offset}",
            "" if revision is None else f"revision {revision}",
        ]
        raise BrokenPromiseError(f"{what} [{', '.join(filter(None, places))}]")

    def check(self, condition: object, what: str, *, process: str = "") -> None:
        if not condition:
            self.violated(what, process=process)

    def times_run(self, record: Record) -> int:
        """How often its command has begun, as it has noted itself; see loads.py."""
        try:
            return len((self.folder / record.id).read_text(encoding="ascii").splitlines())
        except FileNotFoundError:
            return 0

    async def look_after_restart(self) -> None:
        """Hold what a new daemon shows against the model."""
        host = await persist(self.client.get_host)
        model = self.model
        if model.incarnation and host.incarnation != model.incarnation:
            self.violated(f"incarnation {host.incarnation} instead of {model.incarnation}")
        model.incarnation = host.incarnation
        wanted = model.kept()
        ended = {record.id for record in model.records.values() if record.ended}
        shown: dict[str, pb.Process] = {}
        for process in await listed(self.client):
            id = process.labels.get(LABEL, "")  # noqa: A001
            record = model.records.get(id)
            if record is None:
                self.violated("a process that nobody has asked for is listed", process=process.name)
            known = record.process is not None and record.process.uid == process.uid
            if process.state == pb.PROCESS_STATE_FAILED and not known:
                continue  # an intent that came to nothing, of which nobody was told
            if id in shown:
                both = f"{shown[id].name} and {process.name}"
                self.violated(f"it is listed twice, as {both}", process=id)
            shown[id] = process
            model.answered(record, process, after_exit=id in ended)
        for record in wanted:
            if record.id not in shown and not record.leaving:
                self.violated("it was lost: the new daemon does not list it", process=record.id)
        for record in model.records.values():
            if (times := self.times_run(record)) > 1:
                self.violated(f"its command has begun {times} times", process=record.id)
