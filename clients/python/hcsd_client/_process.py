"""A process as an object that outlives its connections."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

import anyio

from hcsd.v1.process_pb2 import (
    GAP_POLICY_FAIL,
    GAP_POLICY_REPORT,
    OUTPUT_STREAM_STDERR,
    OUTPUT_STREAM_STDOUT,
    PROCESS_STATE_EXITED,
    Console,
    Process,
    ProcessExit,
)
from hcsd.v1.process_service_pb2 import TERMINATE_SCOPE_TREE_BEST_EFFORT
from hcsd_client._asking import time_limit
from hcsd_client._completed import Completed, ending
from hcsd_client._errors import StdinClosedError, check_same
from hcsd_client._input import RemoteInput
from hcsd_client._lines import lines_of
from hcsd_client._output import RemoteOutput, cursor_of
from hcsd_client._retry import retrying
from hcsd_client._values import data, flag, message

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable
    from datetime import datetime
    from types import TracebackType
    from typing import Self

    from anyio.abc import TaskGroup

    from hcsd.v1.process_pb2 import OutputStream, ProcessSignal, SignalDelivery
    from hcsd.v1.process_service_pb2 import (
        DeleteProcessResponse,
        TerminateProcessResponse,
        TerminateScope,
    )
    from hcsd_client._calls import Calls
    from hcsd_client._channel import Channel
    from hcsd_client._lines import Line
    from hcsd_client._values import Bytes, Seconds

Result = TypeVar("Result")


class RemoteProcess:
    """A process of the daemon, as `Client.run`, `Client.create` and `Client.open` return it.

    It is not bound to a connection: what it reads, writes and waits for goes on where it stopped when
    the daemon is reached again, within the bounds of `Retry`, and without the caller noticing. Only
    `signal` is never sent twice. All that is asked for is meant for this process alone: if the daemon was
    started anew without its state, which ends its processes, every method raises `DaemonRestartedError`. And
    if the process was deleted and another one got its name, what is read or waited for raises `NotFoundError`.

    What is written, sent or asked to end goes by the name, so with a `process_id` that is used again after
    a deletion by somebody else it would reach the later process. Ids that the daemon issues, which is what
    it does by default, are never used again.

    Used with ``async with`` it gives up its streams at the end; the process goes on.

    Methods raise `DaemonRestartedError`; `NotFoundError`, the process was deleted; `UnavailableError`,
    the daemon was out of reach for too long; and the errors of every call, see `Client`.

    Attributes:
        name: Its resource name.
        pid: Its process id in the guest.
        created: The process as it was when this object was made.
        stdin: Its stdin.
        stdout: Its stdout from the first byte on; with a console, all output.
        stderr: Its stderr from the first byte on.
    """

    def __init__(
        self, calls: Calls, channel: Channel, process: Process, *, stdin_offset: int | None
    ) -> None:
        self.name = process.name
        self.pid = process.pid
        self.created = process
        self._calls = calls
        self._channel = channel
        self._outputs: list[RemoteOutput] = []
        self._exit: ProcessExit | None = None
        self.stdin = RemoteInput(channel, self.name, stdin_offset)
        self.stdout = self.output(OUTPUT_STREAM_STDOUT)
        self.stderr = self.output(OUTPUT_STREAM_STDERR)

    def output(
        self,
        stream: OutputStream,
        *,
        offset: int = 0,
        last_bytes: int | None = None,
        skip_gaps: bool = False,
    ) -> RemoteOutput:
        """Read an output once more, or from another place; any number may read at a time.

        Args:
            stream: Which one.
            offset: Where to begin, from the start of the stream.
            last_bytes: Instead, how many bytes before the present end, or as many as there are.
            skip_gaps: Go on behind bytes that are gone, and count them, rather than fail.
        """
        output = RemoteOutput(
            self._calls,
            self.created,
            cursor_of(stream, offset, last_bytes),
            skip_gaps=flag(skip_gaps, "skip_gaps"),
        )
        self._outputs.append(output)
        return output

    async def lines(
        self, *, last_lines: int | None = None, since: datetime | None = None
    ) -> AsyncGenerator[Line, None]:
        """Give each line of both outputs as text, in the order in which they were written.

        It is a reader of its own, and goes on until both have ended. A process of `Client.run` waits for it.

        Args:
            last_lines: Begin with so many of the last lines. Default: all that are kept.
            since: Leave out what the daemon has read before. A time without a zone is local.

        Raises:
            OutputEvictedError: Bytes are gone that were not read in time. With an argument they are left
                out instead.
        """
        is_all = last_lines is None and since is None
        output = self._calls.read_output(
            self.name,
            follow=True,
            gap_policy=GAP_POLICY_FAIL if is_all else GAP_POLICY_REPORT,
            timestamps=True,
            last_lines=last_lines,
            since=since,
        )
        async with output:
            async for line in lines_of(output, self._checked):
                yield line

    async def get(self) -> Process:
        """Return the process as it is now."""
        return self._checked(await self._calls.get_process(self.name))

    async def wait(self, timeout: Seconds | None = None) -> ProcessExit:
        """Wait for the exit, which waits for no output, and return how the process ended.

        Of a process that HCS has lost the outcome is `unknown`, until it is found again.

        Args:
            timeout: Seconds to wait at the most. Default: without limit.

        Raises:
            TimeoutError: The time is up; the process goes on.
        """
        if self._exit is not None:
            return self._exit
        with time_limit(timeout, f"'{self.name}' has not ended"):
            answer = await self._calls.wait_process(self.name)
        process = self._checked(answer.process)
        if process.state == PROCESS_STATE_EXITED:  # not LOST, which may be found again
            self._exit = process.exit
        return process.exit

    async def signal(self, signal: str | int | ProcessSignal) -> SignalDelivery:
        """Send a signal; that the process has exited is no error, but in the answer.

        It is sent at most once: if the connection is lost, it may have been delivered. While the daemon is
        away it is not sent, and waits.

        Args:
            signal: Name with or without ``SIG``, number, or a `ProcessSignal`.
        """
        return (await self._calls.signal_process(self.name, signal)).delivery

    async def terminate(
        self,
        *,
        grace_period: Seconds | None = None,
        scope: TerminateScope = TERMINATE_SCOPE_TREE_BEST_EFFORT,
    ) -> TerminateProcessResponse:
        """Kill the process with its descendants, and wait until it has exited.

        That it has exited before is no error: then what is left of its descendants is killed. A
        cancellation ends the wait only: the kill comes all the same.

        Args:
            grace_period: Seconds it gets after a TERM signal before it is killed. Default: none.
            scope: What to kill, as in `Client.terminate_process`.

        Returns:
            The answer; its ``scope_applied`` says what the kill reached, and ``descendants_killed``
            how many descendants that were.

        Raises:
            UnimplementedError: `scope` is `TERMINATE_SCOPE_TREE`, and the engine cannot do that.
        """
        return await self._calls.terminate_process(
            self.name, scope=scope, grace_period=grace_period
        )

    async def resize(self, columns: int, rows: int) -> None:
        """Change the size of the console, in character cells.

        Raises:
            FailedPreconditionError: The process has no console, or has exited.
        """
        console = message(Console, columns=columns, rows=rows)
        size = console.columns, console.rows
        await self._repeat(lambda: self._calls.modify_process(self.name, console_size=size))

    async def delete(
        self, *, force: bool = False, scope: TerminateScope = TERMINATE_SCOPE_TREE_BEST_EFFORT
    ) -> DeleteProcessResponse:
        """Make the daemon forget the process, with its exit and output; idempotent.

        Args:
            force: Kill it first if it is running.
            scope: What `force` kills, as in `Client.terminate_process`.

        Returns:
            The answer, which says what the kill reached as that of `terminate` does.

        Raises:
            FailedPreconditionError: It is running.
            UnimplementedError: As in `terminate`.
        """
        return await self._repeat(
            lambda: self._calls.delete_process(
                self.name, force=force, allow_missing=True, scope=scope
            )
        )

    async def communicate(
        self,
        input: Bytes | str = b"",  # noqa: A002  (the word of subprocess)
    ) -> Completed:
        """Write to stdin, close it, read both outputs to their ends, and wait for the exit.

        Args:
            input: What to write; a text as UTF-8. That the process does not read all of it is no error.
        """
        written = data(input, "input")
        try:
            async with anyio.create_task_group() as tasks:
                reading = [_Reading(output, tasks) for output in (self.stdout, self.stderr)]
                with suppress(StdinClosedError):
                    await self.stdin.write(written)
                await self.stdin.close()
        except ExceptionGroup as group:  # the first one has ended the others
            raise group.exceptions[0] from None
        exited = await self.wait()
        return Completed(self.name, exited, reading[0].data, reading[1].data)

    async def aclose(self) -> None:
        """Give up the streams; idempotent. Reading again goes on where it stopped."""
        for output in self._outputs:
            await output.aclose()

    def __repr__(self) -> str:
        """Name it, and say how it ended if that was seen."""
        ended = f" {ending(self._exit)}" if self._exit is not None else ""
        return f"<RemoteProcess {self.name!r} pid {self.pid}{ended}>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def _repeat(self, call: Callable[[], Awaitable[Result]]) -> Result:
        return await retrying(self._channel.attempts(f"a call about '{self.name}'"), call)

    def _checked(self, process: Process) -> Process:
        check_same(self.created, process)
        return process


class _Reading:
    """Reads an output to its end, in a task of the group."""

    def __init__(self, output: RemoteOutput, tasks: TaskGroup) -> None:
        self.data = b""
        self._output = output
        tasks.start_soon(self._read)

    async def _read(self) -> None:
        self.data = await self._output.read()
