"""What goes on while daemons are killed: each load is a client that checks what it is told.

A load runs until its story is over, then ends what it has, and returns. It has processes note in a file
of their own that they have begun (`NOTE`), so a command that runs twice is found whatever the daemon says.
"""

from __future__ import annotations

import json
import uuid
from abc import ABC, abstractmethod
from contextlib import suppress
from typing import ClassVar

import anyio

from hcsd.v1 import compute_system_pb2 as system_pb
from hcsd.v1 import process_pb2 as pb
from hcsd_client import FailedPreconditionError, NotFoundError, RemoteProcess
from tests.restore.pattern import BLOCK_BYTES, Pattern, Stream
from tests.support.census import is_running
from tests.support.chaos import LABEL, Record, Story, persist

MIB = 1 << 20
NOTE = 'echo $$ >>"$1"; '
# Writes the block to both streams until there is a file "stop", then says how many blocks.
WRITER = (
    NOTE + 'n=0; while [ ! -e "$2/stop" ]; do cat "$2/block"; cat "$2/block" >&2; n=$((n+1)); done;'
    ' echo $n >"$2/count"; exit $3'
)
STDOUT, STDERR = pb.OUTPUT_STREAM_STDOUT, pb.OUTPUT_STREAM_STDERR
BLOCK, DROP = pb.OVERFLOW_POLICY_BLOCK, pb.OVERFLOW_POLICY_DROP_OLDEST
DOCUMENT = json.dumps(
    {"Owner": "chaos", "SchemaVersion": {"Major": 2, "Minor": 1}, "Container": {}}
)


class Load(ABC):
    """A client.

    Args:
        story: What it takes part in.
        number: Tells it from others of its kind.

    Attributes:
        rounds: How much it has done: processes, looks or bytes.
    """

    kind: ClassVar[str]

    def __init__(self, story: Story, number: int) -> None:
        self.story = story
        self.name = f"{self.kind}{number}"
        self.chance = story.chance(self.name)
        self.rounds = 0

    @abstractmethod
    async def run(self) -> None:
        """Go on until the story is over, and end what there is."""

    def now(self, what: str, *about: object) -> None:
        """Say what it does, for when that hangs."""
        self.story.doing[self.name] = " ".join(map(str, (what, *about)))

    async def create(  # the same request again and again, until it is answered
        self,
        record: Record,
        script: str,
        *arguments: object,
        stdin: bool = False,
        overflow: pb.OverflowPolicy = DROP,
        ring_bytes: int = MIB,
        parent: str = "host",
        request_id: str = "",
    ) -> RemoteProcess:
        """Start a shell script; its $1 is the file in which it notes that it has begun."""
        self.now("creates", record.id)
        self.story.model.asked(record)
        note = str(self.story.folder / record.id)
        remote = await self.story.client.create(
            ["sh", "-c", script, "sh", note, *map(str, arguments)],
            stdin=stdin,
            parent=parent,
            labels={LABEL: record.id},
            request_id=request_id or str(uuid.UUID(int=self.chance.getrandbits(128), version=4)),
            overflow=overflow,
            ring_bytes=ring_bytes,
            pin=not record.forgettable,
        )
        self.story.model.answered(record, remote.created)
        return remote

    async def finish(self, record: Record, remote: RemoteProcess) -> None:
        """Wait for the exit, and delete it."""
        self.now("waits for the exit of", record.id)
        ended = await remote.wait()
        self.story.model.exited(record, ended)
        self.check_noted(record)
        self.now("deletes", record.id)
        record.leaving = True
        await remote.delete()

    def check_noted(self, record: Record) -> None:
        times = self.story.times_run(record)
        self.story.check(times == 1, f"its command has begun {times} times", process=record.id)

    def code(self) -> int:
        return self.chance.randrange(1, 120)


class Out(Load):
    """Two streams at full speed, which wait for their reader; or, by turns, drop what is too old."""

    kind = "out"

    async def run(self) -> None:
        overflow = BLOCK if self.name.endswith("0") else DROP
        pattern = Pattern(self.story.seed)
        folder = anyio.Path(self.story.place.directory / self.name)
        await folder.mkdir()
        await (folder / "block").write_bytes(pattern.block)
        code = self.code()
        record = Record(self.story.new_id(self.name), wanted=f"code {code}", runs_on=True)
        remote = await self.create(record, WRITER, folder, code, overflow=overflow, ring_bytes=MIB)
        streams = {
            stream: Stream(self.story, pattern, f"{record.id} {said}", has_gaps=overflow == DROP)
            for stream, said in ((STDOUT, "stdout"), (STDERR, "stderr"))
        }
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._stop, folder / "stop")
            async for event in remote._calls.read_output(remote.name, follow=True):
                if (kind := event.WhichOneof("event")) in {"chunk", "gap", "eof"}:
                    told = getattr(event, str(kind))
                    getattr(streams[told.stream], str(kind))(told)
                    self.rounds = streams[told.stream].offset
                    self.now("reads", record.id, "after", self.rounds)
                elif kind == "exit":
                    self.story.model.exited(record, event.exit)
        written = int(await (folder / "count").read_text()) * BLOCK_BYTES
        for stream in streams.values():
            stream.finish(written)
        await self.finish(record, remote)

    async def _stop(self, file: anyio.Path) -> None:
        await self.story.over.wait()
        await file.touch()


class In(Load):
    """Stdin at full speed, which comes back by stdout."""

    kind = "in"

    async def run(self) -> None:
        pattern = Pattern(self.story.seed)
        code = self.code()
        record = Record(self.story.new_id(self.name), wanted=f"code {code}", runs_on=True)
        script = NOTE + "cat; exit $2"
        remote = await self.create(record, script, code, stdin=True, overflow=BLOCK)
        stream = Stream(self.story, pattern, f"{record.id} stdin to stdout", has_gaps=False)
        cursor = pb.OutputCursor(stream=STDOUT, offset=0)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._write, remote, pattern)
            async for event in remote._calls.read_output(
                remote.name, follow=True, cursors=[cursor]
            ):
                if (kind := event.WhichOneof("event")) in {"chunk", "gap", "eof"}:
                    getattr(stream, str(kind))(getattr(event, str(kind)))
                    self.now("reads", record.id, "after", stream.offset)
        stream.finish(self.rounds)
        await self.finish(record, remote)

    async def _write(self, remote: RemoteProcess, pattern: Pattern) -> None:
        while not self.story.over.is_set():
            size = self.chance.randrange(1, 300_000)
            await remote.stdin.write(bytes(pattern.at(self.rounds, size)))
            self.rounds += size
            if remote.stdin.offset != self.rounds:
                what = f"stdin is told to have taken {remote.stdin.offset} bytes"
                self.story.violated(what, process=remote.name, offset=self.rounds)
        await remote.stdin.close()


class Shorts(Load):
    """Processes that soon end, by creates that are asked for twice, and are deleted."""

    kind = "shorts"

    async def run(self) -> None:
        while not self.story.over.is_set():
            code = self.code()
            record = Record(self.story.new_id(self.name), wanted=f"code {code}")
            request_id = str(uuid.UUID(int=self.chance.getrandbits(128), version=4))
            script = NOTE + "echo $2; exit $2"
            remote = await self.create(record, script, code, request_id=request_id)
            if self.chance.random() < 0.3:
                again = await self.create(record, script, code, request_id=request_id)
                same = again.created.uid == remote.created.uid
                self.story.check(same, "the same request gave another process", process=record.id)
            self.now("reads", record.id)
            output = await remote.stdout.read()
            wanted = f"{code}\n".encode()
            self.story.check(output == wanted, f"it wrote {output!r}", process=record.id)
            await self.finish(record, remote)
            self.rounds += 1


class Forgotten(Load):
    """Processes that nobody asks about, and that the daemon forgets; the watcher sees how they end."""

    kind = "forgotten"

    async def run(self) -> None:
        while not self.story.over.is_set():
            code = self.code()
            id = self.story.new_id(self.name)  # noqa: A001
            record = Record(id, wanted=f"code {code}", forgettable=True)
            await self.create(record, NOTE + "exit $2", code)
            self.rounds += 1
            with anyio.move_on_after(self.chance.uniform(0.01, 0.1)):
                await self.story.over.wait()


class Execs(Load):
    """Commands with stdin and a result, each asked for twice."""

    kind = "execs"

    async def run(self) -> None:
        while not self.story.over.is_set():
            code, data = self.code(), self.chance.randbytes(self.chance.randrange(1, 20_000))
            record = Record(self.story.new_id(self.name), wanted=f"code {code}")
            self.story.model.asked(record)
            note = str(self.story.folder / record.id)
            request_id = str(uuid.UUID(int=self.chance.getrandbits(128), version=4))
            name = ""
            for time in ("first", "second"):
                self.now("runs", record.id, "for the", time, "time")
                answer = await self.story.client.exec_process(
                    ["sh", "-c", NOTE + "cat; exit $2", "sh", note, str(code)],
                    stdin=data,
                    labels={LABEL: record.id},
                    request_id=request_id,
                    options=pb.ProcessOptions(pin=True),
                )
                self.story.model.answered(record, answer.process)
                name = answer.process.name
                if answer.stdout.data != data:
                    what = f"{len(answer.stdout.data)} bytes, not the {len(data)} that it was sent"
                    self.story.violated(what, process=record.id)
            self.check_noted(record)
            record.leaving = True
            await self._delete(name)
            self.rounds += 1

    async def _delete(self, name: str) -> None:
        client = self.story.client
        await persist(lambda: client.delete_process(name, allow_missing=True))


class Sitters(Load):
    """Processes that run on and are looked at, by the daemon and by /proc."""

    kind = "sitters"

    async def run(self) -> None:
        held = []
        for _ in range(3):
            record = Record(self.story.new_id(self.name), runs_on=True)
            held.append((record, await self.create(record, NOTE + "exec sleep 1000")))
        while not self.story.over.is_set():
            for record, remote in held:
                self.now("looks at", record.id)
                after_exit = bool(record.ended)
                shown = await remote.get()
                self.story.model.answered(record, shown, after_exit=after_exit)
                if not is_running(remote.pid):
                    self.story.violated("it runs no more", process=f"{record.id} pid {remote.pid}")
            self.rounds += 1
            with anyio.move_on_after(0.02):
                await self.story.over.wait()
        for record, remote in held:
            self.now("terminates", record.id)
            await remote.terminate()
            if is_running(remote.pid):
                self.story.violated("it was terminated and runs", process=f"pid {remote.pid}")
            await self.finish(record, remote)


class Systems(Load):
    """Compute systems with one process each."""

    kind = "systems"

    async def run(self) -> None:
        while not self.story.over.is_set():
            await self._live(self.story.new_id(self.name))
            self.rounds += 1

    async def _live(self, system: str) -> None:
        """Create a system, run a process in it, end it."""
        story, client = self.story, self.story.client
        request_id = str(uuid.UUID(int=self.chance.getrandbits(128), version=4))
        self.now("creates system", system)
        await persist(
            lambda: client.create_system(
                DOCUMENT, system_id=system, start=True, request_id=request_id
            )
        )
        code = self.code()
        record = Record(story.new_id(f"{self.name}-in"), wanted=f"code {code}")
        remote = await self.create(record, NOTE + "sleep 0.1; exit $2", code, parent=system)
        self.now("looks at system", system)
        shown = await persist(lambda: client.get_system(system))
        running = system_pb.COMPUTE_SYSTEM_STATE_RUNNING
        story.check(shown.state == running, f"system {system} has state {shown.state}: not running")
        await self.finish(record, remote)
        self.now("terminates system", system)
        with suppress(NotFoundError, FailedPreconditionError):  # an attempt before has ended it
            await persist(lambda: client.terminate_system(system))


LOADS: dict[str, tuple[type[Load], int]] = {
    "out": (Out, 2),
    "in": (In, 1),
    "shorts": (Shorts, 2),
    "forgotten": (Forgotten, 1),
    "execs": (Execs, 1),
    "sitters": (Sitters, 1),
    "systems": (Systems, 1),
}
