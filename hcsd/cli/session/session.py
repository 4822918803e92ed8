"""`hcsd run` and `hcsd attach`: this command in the place of a process, for as long as it runs.

Four tasks share one RunProcess call:

    events   the process's output to our stdout and stderr, its end to our exit code
    stdin    what we read to the process
    signals  those of `SIGNALS` to the process; a second Ctrl-C leaves it
    sink     if our own output cannot be written any more, a process of ours is terminated with all
             that it has started

The first that decides the exit code ends the others.
"""

from __future__ import annotations

import errno
import signal
from contextlib import suppress
from typing import TYPE_CHECKING

import anyio

from hcsd.cli import exit_codes
from hcsd.cli.errors import say_error, start_exit_code
from hcsd.cli.hints import add_hint
from hcsd.cli.output.text import end_line, say, say_now
from hcsd.cli.resource_names import short_name
from hcsd.cli.session.exits import exit_code, memory_limit, sink_exit_code
from hcsd.cli.session.receive_signals import receive_signals
from hcsd.cli.session.sink import Sink
from hcsd.cli.session.standard_streams import STDIN, show
from hcsd.cli.session.stdin_reader import Stdin
from hcsd.cli.terminal.terminal import HANG_UPS
from hcsd.v1 import process_pb2 as pb
from hcsd.v1 import process_service_pb2 as service_pb
from hcsd_client import (
    CallError,
    DaemonRestartedError,
    HcsdClientError,
    NotFoundError,
    RunEndedError,
    StdinClosedError,
    UnavailableError,
    error_from_status,
)

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from hcsd_client import Client, Run

# Failures after which the process is over, or nobody knows.
UNKNOWN_OR_OVER = (UnavailableError, DaemonRestartedError, NotFoundError)

INTERRUPT_TIME = 1.0  # seconds to end by Ctrl-C before more is said; arbitrary

SIGNALS = {
    signal.SIGINT: pb.ProcessSignal(console_event=pb.CONSOLE_EVENT_CTRL_C),
    **{
        signal.Signals[f"SIG{name}"]: pb.ProcessSignal(signal_name=name)
        for name in ("TERM", "HUP", "QUIT", "USR1", "USR2")
        if f"SIG{name}" in signal.Signals.__members__  # Windows has the first alone
    },
    **{
        number: pb.ProcessSignal(console_event=pb.CONSOLE_EVENT_CTRL_BREAK)
        for name, number in signal.Signals.__members__.items()
        if name == "SIGBREAK"  # of Windows: Ctrl-Break
    },
}


class Session:
    """One run in the foreground; made on the running loop.

    Args:
        client: Open client.
        run: The run; `execute` enters it.
        forward_stdin: Whether our stdin is the process's.
        owned: Whether the run started the process, which then ends when nobody reads what it
            writes.
    """

    def __init__(self, client: Client, run: Run, *, forward_stdin: bool, owned: bool) -> None:
        self._client = client
        self._run = run
        self._forward_stdin = forward_stdin
        self._owned = owned
        self._name = ""
        self._exit: pb.ProcessExit | None = None
        self._code = exit_codes.RUN_FAILED
        self._sink = Sink()
        self._tasks = anyio.create_task_group()
        self._interrupted = False
        self._signalling = anyio.Lock()  # they go in the order in which they came
        self._all_received = False
        self._actions: dict[signal.Signals, Callable[[signal.Signals], None]] = {
            **dict.fromkeys(SIGNALS, self._pass_signal),
            signal.SIGINT: self._interrupt,
        }
        if not owned:  # it does not end with the terminal of who looks at it
            self._actions |= dict.fromkeys(HANG_UPS, self._hang_up)

    async def execute(self) -> int:
        """Run to the end and return the exit code."""
        with receive_signals(*self._actions) as received:
            async with self._run, self._tasks as tasks:
                tasks.start_soon(self._take_signals, received)
                tasks.start_soon(self._watch_sink)
                if self._forward_stdin:
                    tasks.start_soon(self._pass_stdin)
                await self._pass_events()
                tasks.cancel_scope.cancel()
        return self._code

    async def remove(self) -> None:
        """Make the daemon forget the process, if it has ended; whoever still reads it is told so."""
        if self._exit is not None:
            with suppress(HcsdClientError):  # it is forgotten anyway after a while
                await self._client.delete_process(self._name, allow_missing=True)

    async def _pass_events(self) -> None:
        failure: CallError | None = None
        try:
            async for event in self._run:
                await self._pass_event(event)
        except CallError as error:
            failure = error
        self._all_received = True
        await self._sink.flush()
        if self._sink.failure is not None:
            await anyio.sleep_forever()  # _watch_sink decides, and ends this
        elif failure is not None:
            await add_hint(self._client, failure)
            self._code = self._report_end(failure)
        else:
            memory = await memory_limit(self._client, self._name, self._exit)
            self._code = exit_code(self._exit, memory)

    def _report_end(self, failure: CallError) -> int:
        """Say why the call has failed and return the exit code."""
        say_error(failure)
        if not self._name:
            return start_exit_code(failure) if self._owned else exit_codes.RUN_FAILED
        if not isinstance(failure, UNKNOWN_OR_OVER):
            self._say_left()
        return exit_codes.RUN_FAILED

    async def _pass_event(self, event: service_pb.RunProcessResponse) -> None:
        kind = event.WhichOneof("event")
        if kind == "started":
            self._name = event.started.process.name
            await self._on_started(event.started.process)
        elif kind == "exit":
            self._exit = event.exit
        elif kind == "op_error":
            self._on_failed(error_from_status(event.op_error.status))
        else:
            await self._show(event)

    async def _on_started(self, process: pb.Process) -> None:
        """Begin what can begin only now."""

    async def _show(self, event: service_pb.RunProcessResponse) -> None:
        await show(event, self._sink)

    def _on_failed(self, error: CallError) -> None:
        """Say what could not be passed on."""
        if isinstance(error, StdinClosedError):  # that is how a process says it has enough
            return
        say_error(error)

    async def _pass_stdin(self) -> None:
        stdin = Stdin(STDIN)
        with suppress(RunEndedError, CallError):  # what failed is among the events
            try:
                while data := await stdin.read():
                    await self._run.write_stdin(data)
            except OSError as error:
                say(f"cannot read stdin: {error.strerror}")
            await self._run.close_stdin()

    async def _take_signals(self, received: asyncio.Queue[signal.Signals]) -> None:
        while True:
            number = await received.get()
            self._actions[number](number)

    def _interrupt(self, number: signal.Signals) -> None:
        """Pass the first Ctrl-C on and leave by the second."""
        if self._interrupted:
            self._leave(128 + number)
        else:
            self._interrupted = True
            end_line()
            self._pass_signal(number)
            self._tasks.start_soon(self._tell_way_out)

    async def _tell_way_out(self) -> None:
        await anyio.sleep(INTERRUPT_TIME)
        if self._exit is None and self._name:
            say_now("the process has not ended; Ctrl-C again leaves it running")

    def _hang_up(self, number: signal.Signals) -> None:
        self._leave(128 + number)

    def _pass_signal(self, number: signal.Signals) -> None:
        # By a task of its own: a daemon that hangs must not keep us from the next signal.
        self._tasks.start_soon(self._send_signal, number)

    async def _send_signal(self, number: signal.Signals) -> None:
        """Send a signal, not by the run: that may have been ended since we paused, unknown to us."""
        async with self._signalling:
            try:
                if self._all_received:  # only our own output is left to be written
                    self._leave(128 + number)
                elif self._name:
                    await self._client.signal_process(self._name, SIGNALS[number])
                else:  # it is for the process as soon as that has a name
                    await self._run.signal(SIGNALS[number])
            except RunEndedError:  # refused, as the events say
                return
            except CallError as error:
                say_error(error)

    def _leave(self, code: int) -> None:
        """End without the process."""
        if self._name:
            self._say_left()
        else:
            say("gave up before the daemon said that the process has started")
        self._end(code)

    def _end(self, code: int) -> None:
        self._code = code
        self._tasks.cancel_scope.cancel()

    def _say_left(self) -> None:
        if self._exit is None:
            name = short_name(self._name)
            say("detached; the process goes on")
            say(f"return to it with 'hcsd attach {name}', end it with 'hcsd kill {name}'")

    async def _watch_sink(self) -> None:
        failure = await self._sink.failed()
        gone = failure.error.errno == errno.EIO  # the terminal, not who reads a pipe
        runs = self._exit is None  # before it can end of what is done here
        if self._owned and not gone:
            with suppress(HcsdClientError):
                # So that all that the engine cannot end learns that nobody reads what it writes.
                handles = [service_pb.STDIO_HANDLE_STDOUT, service_pb.STDIO_HANDLE_STDERR]
                await self._client.modify_process(self._name, close_handles=handles)
        if self._owned and runs and not gone:
            with suppress(HcsdClientError):
                await self._client.terminate_process(self._name)
        self._end(sink_exit_code(failure, other=exit_codes.RUN_FAILED))
