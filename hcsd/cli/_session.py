"""`hcsd run`: this command in the place of the process, for as long as it runs.

Four tasks share one RunProcess call:

    events   the process's output to our stdout and stderr, its end to our exit code
    stdin    what we read to the process, with -i only
    signals  Ctrl-C and TERM to the process; a second Ctrl-C leaves it
    sink     if our own output cannot be written any more, the process is terminated

The first that decides the exit code ends the others.
"""

from __future__ import annotations

import signal
from contextlib import suppress
from typing import TYPE_CHECKING

import anyio

from hcsd.cli import _errors
from hcsd.cli._exits import exit_code, sink_exit_code
from hcsd.cli._names import short_name
from hcsd.cli._signals import receive_signals
from hcsd.cli._sink import Sink
from hcsd.cli._stdin import Stdin
from hcsd.cli._streams import STDIN, show
from hcsd.cli._text import say
from hcsd.v1 import process_pb2 as pb
from hcsd.v1 import process_service_pb2 as service_pb
from hcsd_client import (
    CallError,
    HcsdClientError,
    RunEndedError,
    StdinClosedError,
    UnavailableError,
    error_from_status,
)

if TYPE_CHECKING:
    import asyncio

    from anyio.abc import TaskGroup

    from hcsd_client import Client, Run

SIGNALS = {
    signal.SIGINT: pb.ProcessSignal(console_event=pb.CONSOLE_EVENT_CTRL_C),
    signal.SIGTERM: pb.ProcessSignal(signal_name="TERM"),
}


class Session:
    """One run in the foreground.

    Args:
        client: Open client.
        run: The run; `execute` enters it.
        forward_stdin: Whether our stdin is the process's.
    """

    def __init__(self, client: Client, run: Run, *, forward_stdin: bool) -> None:
        self._client = client
        self._run = run
        self._forward_stdin = forward_stdin
        self._name = ""
        self._exit: pb.ProcessExit | None = None
        self._code = _errors.RUN_FAILED
        self._sink = Sink()

    async def execute(self) -> int:
        """Run to the end and return the exit code."""
        with receive_signals(*SIGNALS) as received:
            async with self._run, anyio.create_task_group() as tasks:
                tasks.start_soon(self._pass_signals, received, tasks)
                tasks.start_soon(self._watch_sink, tasks)
                if self._forward_stdin:
                    tasks.start_soon(self._pass_stdin)
                await self._pass_events()
                tasks.cancel_scope.cancel()
        return self._code

    async def _pass_events(self) -> None:
        failure: CallError | None = None
        try:
            async for event in self._run:
                await self._pass_event(event)
        except CallError as error:
            failure = error
        await self._sink.flush()
        if self._sink.failure is not None:
            await anyio.sleep_forever()  # _watch_sink decides, and ends this
        elif failure is not None:
            self._code = self._report_end(failure)
        else:
            self._code = exit_code(self._exit)

    def _report_end(self, failure: CallError) -> int:
        """Say why the call has failed and return the exit code."""
        _errors.say_error(failure)
        if not self._name:
            return _errors.start_exit_code(failure)
        if not isinstance(failure, UnavailableError):
            self._say_left()
        return _errors.RUN_FAILED

    async def _pass_event(self, event: service_pb.RunProcessResponse) -> None:
        kind = event.WhichOneof("event")
        if kind == "started":
            self._name = event.started.process.name
        elif kind == "exit":
            self._exit = event.exit
        elif kind == "op_error":
            self._report(event.op_error)
        else:
            await show(event, self._sink)

    def _report(self, failed: service_pb.OpError) -> None:
        error = error_from_status(failed.status)
        if not isinstance(error, StdinClosedError):  # that is how a process says it has enough
            _errors.say_error(error)

    async def _pass_stdin(self) -> None:
        with suppress(RunEndedError, CallError):  # what failed is among the events
            try:
                async for data in Stdin(STDIN).chunks():
                    await self._run.write_stdin(data)
            except OSError as error:
                say(f"cannot read stdin: {error.strerror}")
            await self._run.close_stdin()

    async def _pass_signals(
        self, received: asyncio.Queue[signal.Signals], tasks: TaskGroup
    ) -> None:
        interrupted = False
        while True:
            number = await received.get()
            if interrupted and number is signal.SIGINT:
                self._leave(tasks, number)
            else:
                # By a task of its own: a daemon that hangs must not keep us from the next signal.
                tasks.start_soon(self._pass_signal, number, tasks)
            interrupted |= number is signal.SIGINT

    async def _pass_signal(self, number: signal.Signals, tasks: TaskGroup) -> None:
        try:
            await self._run.signal(SIGNALS[number])
        except RunEndedError:  # only our own output is left to be written
            self._leave(tasks, number)

    def _leave(self, tasks: TaskGroup, number: signal.Signals) -> None:
        """End without the process."""
        if self._name:
            self._say_left()
        else:
            say("gave up before the daemon said that the process has started")
        self._code = 128 + number
        tasks.cancel_scope.cancel()

    def _say_left(self) -> None:
        if self._exit is None:
            name = short_name(self._name)
            say("detached; the process goes on")
            say(f"see its output with 'hcsd logs -f {name}', end it with 'hcsd kill {name}'")

    async def _watch_sink(self, tasks: TaskGroup) -> None:
        failure = await self._sink.failed()
        if self._exit is None:
            with suppress(HcsdClientError):
                # So that descendants, too, learn that nobody reads what they write.
                handles = [service_pb.STDIO_HANDLE_STDOUT, service_pb.STDIO_HANDLE_STDERR]
                await self._client.modify_process(self._name, close_handles=handles)
            with suppress(HcsdClientError):
                await self._client.terminate_process(self._name)
        self._code = sink_exit_code(failure, other=_errors.RUN_FAILED)
        tasks.cancel_scope.cancel()
