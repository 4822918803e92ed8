"""Questions about the end of a process: its exit event, the ends of its output, its late listeners."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from typing import TYPE_CHECKING

from hcsd.hcs.errors import HcsError
from hcsd.selftest.calls import DOCUMENT_CHARACTERS
from hcsd.selftest.question import Answer, Question

if TYPE_CHECKING:
    from hcsd.selftest.asking import Asking
    from hcsd.selftest.process import Started

PROCESSES = 10
EXIT_SECONDS = 10.0
END_SECONDS = 2.0  # how long the end of output may take after the exit
EARLY_SECONDS = 1.0
REPLAY_SECONDS = 1.0
LARGEST = 0xFFFFFFFF


async def _gap(it: Asking, process: Started) -> float | None:
    """Wait for an exit and the end of all output; returns the seconds from one to the other.

    Raises:
        TimeoutError: It did not exit.
    """
    exited = await process.exit(it.seconds(EXIT_SECONDS))
    try:
        async with asyncio.timeout(it.seconds(END_SECONDS)):
            for output in process.outputs:
                await output.text()
    except TimeoutError:
        return None
    return max([output.ended_at for output in process.outputs]) - exited.at


async def _gaps(it: Asking) -> list[float | None]:
    found = []
    for _ in range(PROCESSES):
        process = await it.start(it.programs.after_line(0))
        await process.go()
        found.append(await _gap(it, process))
    return found


async def end_of_output(it: Asking) -> Answer:
    """Run short processes and wait for the ends of their output."""
    gaps = await _gaps(it)
    missing = gaps.count(None)
    return Answer(
        "always" if not missing else f"missing {missing} of {len(gaps)} times",
        {"seconds_after_the_exit": [gap if gap is None else round(gap, 4) for gap in gaps]},
    )


async def exit_or_end_first(it: Asking) -> Answer:
    """Run short processes and see what comes first."""
    order = Counter(
        "no end" if gap is None else "exit" if gap > 0 else "end" for gap in await _gaps(it)
    )
    said = f"{next(iter(order))} first" if len(order) == 1 else "either first"
    return Answer(said, dict(order))


async def end_with_grandchild(it: Asking) -> Answer:
    """Let a process leave a child that holds its output, then end the child."""
    process = await it.start(it.programs.leaves_child())
    await it.exit_code(process, EXIT_SECONDS)
    exited = time.perf_counter()
    try:
        async with asyncio.timeout(it.seconds(EARLY_SECONDS)):
            await process.outputs[0].text()
    except TimeoutError:
        await process.go()
        try:
            await process.text(it.seconds(END_SECONDS))
        except TimeoutError:
            return Answer("not at all")
        return Answer("with the child", {"seconds": round(time.perf_counter() - exited, 4)})
    return Answer("with the process")


async def end_of_console(it: Asking) -> Answer:
    """Run a process with a console and wait for the end of its output."""
    process = await it.start(it.programs.after_line(0) | {"EmulateConsole": True}, pipes="io")
    await process.go()
    gap = await _gap(it, process)
    if gap is None:
        return Answer("no")
    return Answer("yes", {"seconds_after_the_exit": round(gap, 4)})


async def event_replayed(it: Asking) -> Answer:
    """Ask for the events of a process that has exited."""
    process = await it.start(it.programs.after_line(7), listen=False)
    await process.go()
    async with asyncio.timeout(it.seconds(EXIT_SECONDS)):
        while not (await it.status(process)).exited:  # noqa: ASYNC110  (nothing else tells)
            await asyncio.sleep(0.02)
    try:
        process.events = it.listen(process.handle)
    except HcsError as error:
        return Answer(error.code.symbol)
    try:
        await process.exit(it.seconds(REPLAY_SECONDS))
    except TimeoutError:
        return Answer("no")
    return Answer("yes")


async def exit_document(it: Asking) -> Answer:
    """Let a process end with the largest code, and look at how its exit event says so."""
    process = await it.start(it.programs.after_line(LARGEST))
    await process.go()
    event = await process.exit(it.seconds(EXIT_SECONDS))
    if event.data is None:
        return Answer("no document")
    try:
        code = json.loads(event.data).get("ExitCode")
    except (ValueError, AttributeError):
        return Answer("no object", {"document": event.data[:DOCUMENT_CHARACTERS]})
    said = {LARGEST: "unsigned", -1: "signed", None: "no code"}.get(code, "another")
    return Answer(said, {"document": event.data[:DOCUMENT_CHARACTERS]})


async def second_callback(it: Asking) -> Answer:
    """Ask twice for the events of one handle."""
    process = await it.start(it.programs.after_line(0))
    try:
        it.listen(process.handle)
    except HcsError as error:
        return Answer(error.code.symbol, {"text": error.text})
    return Answer("S_OK")


async def event_per_handle(it: Asking) -> Answer:
    """Ask for the events of two handles of one process."""
    process = await it.start(it.programs.after_line(0))
    other = it.listen(it.open_process(process.pid))
    await process.go()
    await process.exit(it.seconds(EXIT_SECONDS))
    try:
        async with asyncio.timeout(it.seconds(2.0)):
            await other.get()
    except TimeoutError:
        return Answer("the first alone")
    return Answer("each")


async def killed_order(it: Asking) -> Answer:
    """Kill processes and see whether the completion or the exit event comes first."""
    order: Counter[str] = Counter()
    for _ in range(5):
        process = await it.start(it.programs.echo())
        done = await it.terminate(process.handle)
        exited = await process.exit(it.seconds(EXIT_SECONDS))
        order["completion" if done.completed < exited.at else "event"] += 1
    said = f"{next(iter(order))} first" if len(order) == 1 else "either first"
    return Answer(said, dict(order))


QUESTIONS = (
    Question(
        "end-of-output",
        "Does the end of stdout and stderr always follow the exit of a process without children?",
        "nothing; hcsshim has met pipes that stay open, and waits a second",
        ("always",),
        "waits for the end, for a pause in the output at most, and closes the pipes then",
        f"{PROCESSES} short processes, {END_SECONDS:g} s for the ends after each exit event",
        end_of_output,
        25.0,
    ),
    Question(
        "exit-or-end-first",
        "What comes first: the exit event, or the end of the output?",
        "nothing",
        (),
        "takes either order",
        f"{PROCESSES} short processes; the times at which both are seen here",
        exit_or_end_first,
        25.0,
    ),
    Question(
        "end-with-grandchild",
        "When does the output end if a child of the process keeps it open?",
        "nothing; as a rule of Windows a pipe ends when its last writing handle is closed",
        ("with the child",),
        "as for `end-of-output`: a child that prints on is read, a silent one does not hold it up",
        "a process that leaves a child which reads stdin; then a line for the child",
        end_with_grandchild,
    ),
    Question(
        "end-of-console",
        "Does the output of a console end after the exit of its process?",
        "nothing",
        ("yes",),
        "as for `end-of-output`",
        "a short process with EmulateConsole",
        end_of_console,
    ),
    Question(
        "event-replayed",
        "Does a callback that is set after the exit of the process get its exit event?",
        "nothing",
        ("no",),
        "asks for the properties after it has set the callback, so that no exit is missed",
        "HcsSetProcessCallback when HcsGetProcessProperties says `Exited`; a second",
        event_replayed,
    ),
    Question(
        "exit-document",
        "Is the exit code in the document of an exit event signed or unsigned?",
        "`ExitCode`, an integer",
        ("unsigned",),
        "reads both as the unsigned number of 32 bits",
        "a process that ends with 0xFFFFFFFF; the document of its event",
        exit_document,
        of_windows=True,
    ),
    Question(
        "second-callback",
        "What answers HcsSetProcessCallback on a handle that has a callback?",
        "nothing; the text of one code says `already registered on this handle`",
        ("HCS_E_OPERATION_SYSTEM_CALLBACK_ALREADY_SET",),
        "sets one callback for each handle",
        "HcsSetProcessCallback twice",
        second_callback,
    ),
    Question(
        "event-per-handle",
        "Does each handle of a process get its exit event?",
        "nothing",
        ("each",),
        "listens on its one handle of a process",
        "callbacks on the handle of the create and on one of HcsOpenProcess",
        event_per_handle,
    ),
    Question(
        "killed-order",
        "What comes first after HcsTerminateProcess: its completion, or the exit event?",
        "nothing",
        (),
        "takes either order",
        "5 processes that wait; the times at which both are seen here",
        killed_order,
        20.0,
    ),
)
