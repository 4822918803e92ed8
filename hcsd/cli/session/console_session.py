"""A session at the console of a process: our terminal in the place of its console.

Keys go to the process as they are, and the console makes of them what a terminal does: Ctrl-C
becomes an interrupt there, for the program in the foreground. What the process writes goes to our
terminal as it is, and a new size of our terminal is one of the console. While it is so, the screen
is the process's, and what we have to say waits.

    WAITING ──started──▶ RAW ──the session ends, however──▶ RESTORED
                         │ ▲
                    TSTP │ │ CONT
                         ▼ │
                       STOPPED

The keys to detach, and a signal that would end this command, leave the process running. What it
has switched at our terminal, such as to another screen, is undone then.

Whoever attaches is shown what was on the screen (`hcsd.cli.terminal.last_screen` says how). Then the
size is changed twice, which makes programs draw again what they can: it may be a part of their screen
that is kept, or one of another size. Two changes at once may be seen as none, so the second waits for
the program to draw, or for a moment. Who only watches changes nothing.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

import anyio

from hcsd.cli import exit_codes
from hcsd.cli.output.text import say
from hcsd.cli.resource_names import short_name
from hcsd.cli.session.screen import LAST_WORDS_TIMEOUT, Screen
from hcsd.cli.session.session import Session
from hcsd.cli.session.standard_streams import STDOUT
from hcsd.cli.terminal.terminal import (
    CONTINUES,
    ENDS,
    RESIZES,
    SIZE_INTERVAL,
    STOPS,
    Size,
    showing,
    stop_this_program,
    telling_of_the_end,
)
from hcsd.v1 import process_pb2 as pb
from hcsd_client import CallError, RunEndedError, StdinBusyError, StdinTakenOverError

if TYPE_CHECKING:
    import signal

    from anyio.streams.memory import MemoryObjectReceiveStream

    from hcsd.cli.terminal.detach_keys import DetachKeys
    from hcsd.cli.terminal.terminal import Terminal
    from hcsd.v1 import process_service_pb2 as service_pb
    from hcsd_client import Client, Run

KEY_TIMEOUT = 1.0  # seconds until the beginning of the detach keys counts as typed; arbitrary
NEVER = 2**64  # no stream comes to this offset
PENDING_READS = 1024  # of the terminal, which gives up to 4 KiB at once; beyond that, a paste waits
CLAIM_TIMEOUT = 1.0  # seconds to find out whether stdin is somebody else's; arbitrary
REDRAW_TIME = 0.25  # seconds for a program to notice a new size before the next one; as in tmux


class ConsoleSession(Session):
    """One session at a console; made on the running loop.

    Args:
        client: Open client.
        run: The run; `execute` enters it.
        terminal: Ours.
        keys: What detaches. None: nothing typed is passed on, and the terminal stays as it is.
        owned: Whether the run started the process, with a console of the terminal's size.
    """

    def __init__(
        self, client: Client, run: Run, terminal: Terminal, keys: DetachKeys | None, *, owned: bool
    ) -> None:
        super().__init__(client, run, forward_stdin=False, owned=owned)
        self._terminal = terminal
        self._keys = keys
        self._size = terminal.size if owned else Size()
        raw = keys is not None
        self._screen = Screen(terminal, self._sink, self._tasks, self._draw_again, raw=raw)
        self._drawn = anyio.Event()  # the process has written something
        self._claimed = anyio.Event()  # stdin is ours, or cannot be had
        self._arrived = owned or keys is None
        self._caught_up = owned
        self._known = 0  # offset in stdout up to which all is known
        self._early = b""  # what has come since, before it could be shown
        self._shown_from = 0  # offset in stdout; what comes before was written before we came
        self._holds_screen = False
        self._left = False
        self._settle_signals()

    def _settle_signals(self) -> None:
        passes_keys, watches = self._keys is not None, self._keys is None and not self._owned
        self._actions |= dict.fromkeys(STOPS, self._on_stop)
        self._actions |= dict.fromkeys(CONTINUES, self._on_continue)
        if passes_keys or watches:
            self._actions |= dict.fromkeys(ENDS, self._on_end)
        if not watches:
            self._actions |= dict.fromkeys(RESIZES, self._on_resize)

    async def execute(self) -> int:
        """Run to the end and return the exit code; the terminal ends as it was."""
        loop = asyncio.get_running_loop()

        def hang_up() -> None:
            with suppress(RuntimeError):  # the loop is closed, and all is over
                loop.call_soon_threadsafe(self._leave, exit_codes.HUNG_UP)

        with showing(STDOUT) as writer, telling_of_the_end(hang_up):
            if writer is not None:
                self._sink.write_by(STDOUT, writer)
            try:
                return await super().execute()
            finally:
                with anyio.CancelScope(shield=True):
                    await self._return_screen()

    async def _on_started(self, process: pb.Process) -> None:
        if process.state == pb.PROCESS_STATE_EXITED and not self._owned:
            name = short_name(process.name)
            say(f"'{name}' has ended already; see what it wrote with 'hcsd logs {name}'")
            self._shown_from = NEVER
            return
        self._holds_screen = True
        self._screen.take()
        if self._keys is not None:
            self._tasks.start_soon(self._pass_keys, self._keys)
        if SIZE_INTERVAL is not None and (self._owned or self._keys is not None):
            self._tasks.start_soon(self._look_at_size, SIZE_INTERVAL)
        if self._owned:
            self._change_size()
        else:
            self._shown_from = process.stdout.end_offset
            await self._catch_up(process.stdout.start_offset)
            if self._keys is not None:
                self._tasks.start_soon(self._arrive)

    async def _pass_event(self, event: service_pb.RunProcessResponse) -> None:
        await super()._pass_event(event)
        if self._exit is not None and not self._caught_up:
            self._arrived = True  # what it wrote is to be seen all the same
            await self._catch_up(self._known)

    async def _show(self, event: service_pb.RunProcessResponse) -> None:
        kind = event.WhichOneof("event")
        if kind == "chunk":
            await self._show_chunk(event.chunk)
        elif kind == "gap":
            self._screen.skip()
            if self._caught_up:
                await super()._show(event)
            else:
                await self._catch_up(event.gap.to_offset)
        # An end of the output that was forced is what a terminal does to who outlives its shell.

    async def _show_chunk(self, chunk: pb.OutputChunk) -> None:
        if self._caught_up:
            await self._screen.show(chunk.data)
            self._drawn.set()
            return
        old = max(0, self._shown_from - chunk.offset)
        self._screen.note(chunk.data[:old])
        self._early += chunk.data[old:]
        await self._catch_up(chunk.offset + len(chunk.data))

    async def _catch_up(self, offset: int) -> None:
        """Show the screen once all that was written on it is known, and stdin is ours."""
        self._known = offset
        if not self._caught_up and offset >= self._shown_from and self._arrived:
            self._caught_up = True
            await self._draw_again()

    async def _arrive(self) -> None:
        """Have a part in the console, unless another one has it."""
        with anyio.move_on_after(CLAIM_TIMEOUT):
            await self._claimed.wait()
        self._arrived = True
        await self._catch_up(self._known)

    async def _draw_again(self) -> None:
        since, self._early = self._early, b""
        await self._screen.draw(since)
        if self._keys is not None:
            self._tasks.start_soon(self._redraw)

    async def _redraw(self) -> None:
        """Make the process draw its screen: nothing else than a new size tells it to."""
        size = self._terminal.size
        if not size:
            return
        self._drawn = anyio.Event()
        with suppress(RunEndedError):
            await self._run.resize(size.columns, size.rows - 1 or 2)
            with anyio.move_on_after(REDRAW_TIME):
                await self._drawn.wait()
        self._size = self._terminal.size or size
        await self._send_size()

    def _change_size(self) -> None:
        size = self._terminal.size
        if self._caught_up and size and size != self._size:
            self._size = size
            self._tasks.start_soon(self._send_size)

    async def _look_at_size(self, interval: float) -> None:
        while True:
            await anyio.sleep(interval)
            self._change_size()

    async def _send_size(self) -> None:
        with suppress(RunEndedError):
            await self._run.resize(self._size.columns, self._size.rows)

    async def _pass_keys(self, keys: DetachKeys) -> None:
        """Pass on what is typed until the keys to detach come.

        Another task writes it, so that they are found even if the process or the daemon hangs.
        """
        typed, pending = anyio.create_memory_object_stream[bytes](PENDING_READS)
        all_written = anyio.Event()
        self._tasks.start_soon(self._write_keys, pending, all_written)
        found = False
        with typed, self._terminal.reading_keys() as terminal:
            while not found:
                data = b""
                with anyio.move_on_after(KEY_TIMEOUT if keys.holding else None) as waiting:
                    data = await terminal.read()
                if waiting.cancelled_caught:
                    passed = keys.release()
                elif data:
                    passed, found = keys.feed(data)
                else:
                    self._leave(exit_codes.HUNG_UP)
                    return
                await typed.send(passed)
        with anyio.move_on_after(LAST_WORDS_TIMEOUT):
            await all_written.wait()
        self._leave(0)

    async def _write_keys(
        self, typed: MemoryObjectReceiveStream[bytes], all_written: anyio.Event
    ) -> None:
        with typed:
            with suppress(CallError, RunEndedError):  # what failed is among the events
                await self._run.claim_stdin()
                self._claimed.set()
                async for keys in typed:
                    await self._run.write_stdin(keys)
                await self._run.flush_stdin()
            async for _ in typed:  # nobody takes it any more
                pass
        all_written.set()

    def _on_failed(self, error: CallError) -> None:
        if error.reason == "PROCESS_NOT_RUNNING":  # a new size came too late
            return
        super()._on_failed(error)
        if isinstance(error, StdinBusyError):  # we were never there
            self._end(exit_codes.RUN_FAILED)
        elif isinstance(error, StdinTakenOverError):
            self._leave(exit_codes.RUN_FAILED)
        else:
            self._claimed.set()

    def _leave(self, code: int) -> None:
        self._left = True
        super()._leave(code)

    def _on_end(self, number: signal.Signals) -> None:
        self._leave(128 + number)

    def _on_resize(self, _number: signal.Signals) -> None:
        if self._name:
            self._change_size()

    def _on_stop(self, _number: signal.Signals) -> None:
        self._tasks.start_soon(self._stop)

    async def _stop(self) -> None:
        await self._return_screen()
        stop_this_program()

    def _on_continue(self, _number: signal.Signals) -> None:
        if self._holds_screen:
            self._tasks.start_soon(self._continue)

    async def _continue(self) -> None:
        self._screen.take()
        if self._caught_up:
            await self._draw_again()

    async def _return_screen(self) -> None:
        await self._screen.give_back(shown=self._caught_up, left=self._left)
