"""Questions about signals: whether they block, and whom."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from hcsd.selftest.calls import COMPLETION_SECONDS
from hcsd.selftest.question import Answer, NotHereError, Question

if TYPE_CHECKING:
    from hcsd.selftest.asking import Asking
    from hcsd.selftest.calls import Done
    from hcsd.selftest.process import Started

AT_ONCE = 1.0  # seconds; a call that takes longer blocks
ALIVE_SECONDS = 1.0
SLOW_SECONDS = 1.6


async def _signal(it: Asking, process: Started, signal: str | int) -> Answer:
    """Send a signal to a process that waits, and say whether the call or the operation waited."""
    try:
        done = await it.signal(process.handle, signal)
    except TimeoutError:
        return Answer(f"not within {it.seconds(COMPLETION_SECONDS):g} s")
    if done.error is not None:
        return Answer(done.symbol, done.details())
    try:
        code = await it.exit_code(process, ALIVE_SECONDS)
    except TimeoutError:
        code = "it runs on"
    return Answer(_said(it, done), done.details() | {"exit_code": code})


def _said(it: Asking, done: Done) -> str:
    if done.returned - done.called > it.seconds(AT_ONCE):
        return "the call blocks"
    blocks = done.completed - done.called > it.seconds(AT_ONCE)
    return "the operation waits" if blocks else "at once"


async def signal_interrupt(it: Asking) -> Answer:
    """Send CtrlC to a process that waits."""
    return await _signal(it, await it.start(it.programs.echo()), it.programs.interrupt())


async def signal_shutdown(it: Asking) -> Answer:
    """Send CtrlShutdown to a process that waits."""
    return await _signal(it, await it.start(it.programs.echo()), it.programs.signal())


async def _ready(it: Asking, words: str) -> Started:
    """Start guest.exe, and wait until its handler of control events is there."""
    if not it.subject.guest:
        raise NotHereError("needs --guest")
    line = f'"{it.subject.guest}" {words} ready'
    process = await it.start({"CommandLine": line}, pipes="o")
    async with asyncio.timeout(it.seconds(5.0)):
        await process.outputs[0].first()
    return process


async def signal_stubborn(it: Asking) -> Answer:
    """Send CtrlShutdown to a process that takes it and goes on."""
    return await _signal(it, await _ready(it, "stubborn"), it.programs.signal())


def _slow(it: Asking) -> str:
    return f"slow {it.seconds(SLOW_SECONDS) * 1000:.0f}"


async def signal_slow(it: Asking) -> Answer:
    """Send CtrlC to a process that takes its time to end."""
    return await _signal(it, await _ready(it, _slow(it)), it.programs.interrupt())


async def kill_behind_signal(it: Asking) -> Answer:
    """Kill a process by a handle of its own while a signal to it may be under way."""
    process = await (_ready(it, _slow(it)) if it.subject.guest else it.start(it.programs.echo()))
    handle = it.open_process(process.pid)
    async with asyncio.TaskGroup() as tasks:
        signal = tasks.create_task(it.signal(process.handle, it.programs.signal()))
        await asyncio.sleep(0)  # so that it is under way, or about to be
        killed = await it.terminate(handle)
        await asyncio.wait([signal], timeout=it.seconds(AT_ONCE))
        details: dict[str, object] = {"kill": killed.details(), "signal": "under way"}
        if signal.done():
            signalled = signal.result()
            behind = signalled.completed > killed.called
            details |= {"signal": signalled.details(), "signal_was_under_way": behind}
        signal.cancel()
    waited = killed.completed and killed.completed - killed.called > it.seconds(AT_ONCE)
    return Answer("the kill waits" if waited else "the kill is at once", details)


QUESTIONS = (
    Question(
        "signal-interrupt",
        "Does HcsSignalProcess with CtrlC return before the process has dealt with it?",
        "nothing; hcsshim has seen it blocked until the process ends",
        ("at once",),
        "signals on a lane of its own, and kills by fresh handles",
        "CtrlC for a process that waits; the times of the call and of the completion",
        signal_interrupt,
        15.0,
    ),
    Question(
        "signal-shutdown",
        "Does HcsSignalProcess with CtrlShutdown return before the process has ended?",
        "nothing; hcsshim has seen it blocked in Server Core images",
        ("at once",),
        "as for `signal-interrupt`",
        "CtrlShutdown for a process that waits; the times of the call and of the completion",
        signal_shutdown,
        15.0,
    ),
    Question(
        "signal-stubborn",
        "Does HcsSignalProcess block if the process takes CtrlShutdown and goes on?",
        "nothing",
        ("at once",),
        "as for `signal-interrupt`",
        "CtrlShutdown for guest.exe with a handler that takes it (`--guest`)",
        signal_stubborn,
        15.0,
    ),
    Question(
        "signal-slow",
        "Does HcsSignalProcess block while the process deals with CtrlC?",
        "nothing; Windows gives handlers of such events 5 seconds",
        ("the operation waits",),
        "as for `signal-interrupt`",
        f"CtrlC for guest.exe with a handler that takes {SLOW_SECONDS:g} s (`--guest`)",
        signal_slow,
        15.0,
    ),
    Question(
        "kill-behind-signal",
        "Is a kill by a fresh handle at once, although a signal to the process is under way?",
        "nothing; hcsshim says that signals wait for each other on one system handle",
        ("the kill is at once",),
        "opens system and process anew for each kill",
        "HcsSignalProcess with CtrlShutdown, with `--guest` for a process that is slow to end;"
        " HcsTerminateProcess by a second system handle",
        kill_behind_signal,
        15.0,
    ),
)
