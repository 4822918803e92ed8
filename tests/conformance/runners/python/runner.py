"""The runner of the Python client; the protocol is PROTOCOL.md, two folders up."""

import asyncio
import hashlib
import json
import logging
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, aclosing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from subprocess import DEVNULL, STDOUT
from typing import Any

import anyio

import hcsd_client
from hcsd.v1 import process_pb2 as pb
from hcsd.v1.process_service_pb2 import DeleteProcessResponse, TerminateProcessResponse
from hcsd_client import (
    CallError,
    Client,
    Completed,
    HcsdClientError,
    RemoteOutput,
    RemoteProcess,
    Retry,
)

Table = dict[str, Any]


STREAMS = {"stdout": pb.OUTPUT_STREAM_STDOUT, "stderr": pb.OUTPUT_STREAM_STDERR}
# Of the times of the protocol.
BEGIN = datetime(1970, 1, 1, tzinfo=UTC)

# What the library offers, as a program writes it.
FEATURES = {
    "run": "client.run",
    "create": "client.create",
    "open": "client.open",
    "list": "client.list_processes",
    "watch": "client.watch_events",
    "systems": "client.create_system, list_systems, wait_system",
    "properties": "client.get_process_properties, get_system_properties",
    "modify": "process.resize, client.modify_process, modify_system",
    "communicate": "process.communicate",
    "exec": "client.exec, check_output",
    "lines": "process.lines, process.stdout.lines",
    "since": "line.time, since",
    "wait": "process.wait",
    "signal": "process.signal",
    "terminate": "process.terminate",
    "stdout": "AsyncIterable, ByteReceiveStream of anyio",
    "stdin": "write",
    "options": "ring_bytes, overflow, timeout, drain_timeout",
    "discard": "stdout=DEVNULL, stderr=DEVNULL",
    "stderr_to_stdout": "stderr=STDOUT",
    "pin": "pin",
    "owner_grace": "owner_grace",
    "blocking": "hcsd_client.blocking",
    "async": "hcsd_client",
    "deadline": "timeout, asyncio.timeout",
    "cancel": "Task.cancel",
    "retry": "retry",
    "keepalive": "keepalive",
    "tls": "tls_ca_file, tls_cert_file, tls_key_file",
    "token": "token_file",
    "logging": "logger hcsd_client",
    "interceptors": "interceptors of grpc.aio",
    "channel": "channel_options",
    "errors": "subclasses of CallError",
    "stubs": "hcsd.v1",
}


class Logs(logging.Handler):
    """What the library has logged, by the address of the client."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: dict[str, list[str]] = defaultdict(list)
        logger = logging.getLogger("hcsd_client")
        logger.setLevel(logging.DEBUG)
        logger.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        self.lines[getattr(record, "hcsd_address", "")].append(record.getMessage())


class Unsupported(Exception):  # noqa: N818  (the protocol's word)
    """A request that this runner does not know."""


class Digest:
    """What an output has given since its process object was made."""

    def __init__(self, output: RemoteOutput) -> None:
        self.output = output
        self.count = 0
        self.sha256 = hashlib.sha256()

    async def read(self, until: int | None) -> Table:
        ended = False
        while until is None or self.count < until:
            try:
                data = await self.output.receive()
            except anyio.EndOfStream:
                ended = True
                break
            self.count += len(data)
            self.sha256.update(data)
        return {"bytes": self.count, "sha256": self.sha256.hexdigest(), "ended": ended}


class Held:
    """A process, and the scope that it lives in if it has one."""

    def __init__(self, process: RemoteProcess) -> None:
        self.process = process
        self.outputs = {"stdout": Digest(process.stdout), "stderr": Digest(process.stderr)}
        self.scope = AsyncExitStack()


class Runner:
    """Does what it is asked. The methods are named as the requests are."""

    def __init__(self) -> None:
        self._clients: dict[str, Client] = {}
        self._processes: dict[str, Held] = {}
        self._watches: dict[str, hcsd_client.Events] = {}
        self._logs = Logs()
        self._tasks: dict[object, asyncio.Task[None]] = {}

    async def serve(self, lines: AsyncIterator[bytes]) -> None:
        async for line in lines:
            request = json.loads(line)
            number, do = request.pop("id"), request.pop("do")
            if do == "cancel":
                if task := self._tasks.get(request["request"]):
                    task.cancel()
                answer(number, ok={})
            else:
                task = asyncio.create_task(self._answer(number, do, request))
                self._tasks[number] = task
                await asyncio.sleep(0)  # a task that is cancelled before it begins says nothing
        for task in self._tasks.values():
            task.cancel()

    async def _answer(self, number: object, do: str, request: Table) -> None:
        try:
            deadline = request.pop("deadline_ms", None)
            async with asyncio.timeout(None if deadline is None else deadline / 1000):
                ok = await self._method(do)(**request)
        except BaseException as error:  # whatever it is, is the answer
            answer(number, error=describe(error))
        else:
            answer(number, ok=ok)
        finally:
            del self._tasks[number]

    def _method(self, do: str) -> Callable[..., Awaitable[Table]]:
        found: Callable[..., Awaitable[Table]] | None = getattr(self, do, None)
        if found is None or do.startswith("_"):
            raise Unsupported(do)
        return found

    async def connect(
        self,
        *,
        address: str,
        token_file: str | None = None,
        attempts: int | None = None,
        **options: Any,
    ) -> Table:
        name = options.pop("as")
        if "keepalive_ms" in options:
            options["keepalive"] = options.pop("keepalive_ms") / 1000
        retry = Retry() if attempts is None else Retry(attempts=attempts)
        client = Client(address, token_file, retry=retry, **options)
        self._clients[name] = await client.__aenter__()
        return {}

    async def offers(self) -> Table:
        return {"features": FEATURES}

    async def log(self, client: str) -> Table:
        return {"lines": self._logs.lines[str(self._clients[client].address)]}

    async def disconnect(self, client: str) -> Table:
        await self._clients[client].__aexit__(None, None, None)
        return {}

    async def create(self, *, client: str, **options: Any) -> Table:
        name = options.pop("as")
        return self._hold(name, Held(await self._clients[client].create(**arguments(options))))

    async def run(self, *, client: str, **options: Any) -> Table:
        name = options.pop("as")
        if "owner_grace_ms" in options:
            options["owner_grace"] = options.pop("owner_grace_ms") / 1000
        scope = AsyncExitStack()
        process = await scope.enter_async_context(self._clients[client].run(**arguments(options)))
        held = Held(process)
        held.scope = scope
        return self._hold(name, held)

    async def leave(self, process: str) -> Table:
        await self._processes[process].scope.aclose()
        return {}

    async def open(self, *, client: str, name: str, **options: str) -> Table:
        return self._hold(options["as"], Held(await self._clients[client].open(name)))

    async def get(self, process: str) -> Table:
        found = await self._processes[process].process.get()
        return {
            "name": found.name,
            "state": found.state,
            "stdin_offset": found.stdin.end_offset,
        }

    async def read(self, process: str, stream: str = "stdout", until: int | None = None) -> Table:
        return await self._processes[process].outputs[stream].read(until)

    async def write(self, process: str, file: str | None = None, text: str | None = None) -> Table:
        await self._processes[process].process.stdin.write(content(file, text))
        return {}

    async def committed(self, process: str) -> Table:
        return {"offset": await self._processes[process].process.stdin.committed()}

    async def close_stdin(self, process: str) -> Table:
        await self._processes[process].process.stdin.close()
        return {}

    async def communicate(
        self, process: str, file: str | None = None, text: str | None = None
    ) -> Table:
        return completed(await self._processes[process].process.communicate(content(file, text)))

    async def exec(
        self, client: str, file: str | None = None, text: str | None = None, **options: Any
    ) -> Table:
        done = await self._clients[client].exec(input=content(file, text), **arguments(options))
        return completed(done) | {"truncated": done.truncated}

    async def lines(
        self, process: str, last: int | None = None, since: int | None = None, until: int = 0
    ) -> Table:
        found: list[tuple[str, str]] = []
        times: list[int] = []
        moment = None if since is None else BEGIN + timedelta(milliseconds=since)
        lines = self._processes[process].process.lines(last_lines=last, since=moment)
        async with aclosing(lines):
            async for line in lines:
                found.append((line.stream, line.text))
                times.append((line.time - BEGIN) // timedelta(milliseconds=1))
                if len(found) == until:
                    break
        return {"lines": found, "times": times}

    async def wait(self, process: str) -> Table:
        return {"exit": exit_of(await self._processes[process].process.wait())}

    async def signal(self, process: str, signal: str | int) -> Table:
        return {"delivery": await self._processes[process].process.signal(signal)}

    async def terminate(self, process: str, grace_ms: int | None = None, **scope: Any) -> Table:
        grace = None if grace_ms is None else grace_ms / 1000
        held = self._processes[process]
        return ended(await held.process.terminate(grace_period=grace, **scope))

    async def resize(self, process: str, columns: int, rows: int) -> Table:
        await self._processes[process].process.resize(columns, rows)
        return {}

    async def delete(self, process: str, force: bool = False, **scope: Any) -> Table:
        return ended(await self._processes[process].process.delete(force=force, **scope))

    async def list(self, client: str, parent: str) -> Table:
        processes = self._clients[client].list_processes(parent)
        return {"names": [process.name async for process in processes]}

    async def watch(self, *, client: str, snapshot: bool = False, **options: Any) -> Table:
        name = options.pop("as")
        self._watches[name] = self._clients[client].watch_events(
            send_snapshot=snapshot,
            **options,
        )
        return {}

    async def next(self, watch: str) -> Table:
        message = await anext(self._watches[watch])
        item = message.WhichOneof("item")
        if item is None:
            return {"item": "unknown"}
        found = getattr(message, item)
        table: Table = {
            "item": item,
            "revision": found.revision,
            "incarnation": found.incarnation,
        }
        if item == "event" and message.event.HasField("process"):
            event = message.event.process
            table |= {"type": event.type, "process": event.process.name}
            table["state"] = event.process.state
        return table

    async def unwatch(self, watch: str) -> Table:
        await self._watches[watch].aclose()
        return {}

    def _hold(self, name: str, held: Held) -> Table:
        self._processes[name] = held
        process = held.process
        return {"name": process.name, "uid": process.created.uid, "pid": process.pid}


def arguments(options: Table) -> Table:
    """Return what `Client.create` takes for what the protocol has."""
    if options.pop("block", False):
        options["overflow"] = pb.OVERFLOW_POLICY_BLOCK
    for stream in options.pop("discard", []):
        options[stream] = DEVNULL
    if options.pop("stderr_to_stdout", False):
        options["stderr"] = STDOUT
    if "run_timeout_ms" in options:
        options["timeout"] = options.pop("run_timeout_ms") / 1000
    if "drain_timeout_ms" in options:
        options["drain_timeout"] = options.pop("drain_timeout_ms") / 1000
    if console := options.pop("console", None):
        options["console"] = (console["columns"], console["rows"])
    if "argv" in options:
        options["command"] = options.pop("argv")
    return options


def content(file: str | None, text: str | None) -> bytes:
    return Path(file).read_bytes() if file is not None else (text or "").encode()


def completed(done: Completed) -> Table:
    both = {"stdout": done.stdout, "stderr": done.stderr}
    return {"exit": exit_of(done.exit)} | {
        name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for name, data in both.items()
    }


def ended(answer: TerminateProcessResponse | DeleteProcessResponse) -> Table:
    return {
        "scope_applied": answer.scope_applied,
        "descendants_killed": answer.descendants_killed,
    }


def exit_of(found: pb.ProcessExit) -> Table:
    outcome = found.WhichOneof("outcome")
    table: Table = {"signal": found.signal, "reason": found.reason}
    if outcome == "exit_code":
        table["exit_code"] = found.exit_code
    elif outcome is not None:
        table[outcome] = getattr(found, outcome).hresult
    return table


def describe(error: BaseException) -> Table:
    """Return an error as the protocol has it."""
    table: Table = {"type": type(error).__name__, "message": str(error)}
    if isinstance(error, CallError):
        table |= {"code": error.code.name, "reason": error.reason}
        table["metadata"] = dict(error.metadata)
        table["violations"] = [
            {"field": each.field, "rule": each.rule} for each in error.violations
        ]
        if error.hresult is not None:
            table["hresult"] = error.hresult
    return table | {"class": class_of(error)}


# Errors whose names are not those of the protocol.
CLASSES: dict[type[BaseException], str] = {
    asyncio.CancelledError: "Cancelled",
    hcsd_client.ProcessTimeoutError: "ProcessTimeout",
    TimeoutError: "DeadlineExceeded",
    hcsd_client.ClientClosedError: "Closed",
    Unsupported: "Unsupported",
    HcsdClientError: "",
    TypeError: "Usage",
    ValueError: "Usage",
}


def class_of(error: BaseException) -> str:
    for kind, name in CLASSES.items():
        if isinstance(error, kind):
            return name or type(error).__name__.removesuffix("Error")
    return "unexpected"


def answer(number: object, **response: object) -> None:
    print(json.dumps({"id": number, **response}), flush=True)


async def read_lines() -> AsyncIterator[bytes]:
    reader = asyncio.StreamReader(limit=1024 * 1024)
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    while line := await reader.readline():
        yield line


if __name__ == "__main__":
    asyncio.run(Runner().serve(read_lines()))
