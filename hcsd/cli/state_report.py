"""What the daemon is doing just now, for its log: where its threads and tasks are."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
import traceback
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import FrameType

# How coroutines, generators and asynchronous generators name their frames, and what they wait for.
KINDS = ("cr", "gi", "ag")
WAITS_FOR = ("cr_await", "gi_yieldfrom", "ag_await")
DEPTH = 50  # frames of a task (arbitrary)

logger = logging.getLogger(__name__)


def report_state(reason: str) -> None:
    """Log figures, and below them the stacks of all threads and tasks. Thread: that of the loop.

    Args:
        reason: Who asks.
    """
    import psutil

    tasks = asyncio.all_tasks()
    threads = threading.enumerate()
    names = {thread.ident: thread.name for thread in threads}
    stacks = Counter(_stack(f"task {_name(task)}", _awaiting(task)) for task in tasks)
    blocks = [
        _stack(f"thread {names.get(ident, ident)}", _frames(frame))
        for ident, frame in sys._current_frames().items()  # noqa: SLF001  (so it is documented)
    ]
    blocks += [f"{count} times {stack}" for stack, count in stacks.most_common()]
    record = logger.makeRecord(
        logger.name,
        logging.INFO,
        __file__,
        0,
        "received %s: pid %d, threads %d, tasks %d, open files %d, memory %d KiB",
        (
            reason,
            os.getpid(),
            len(threads),
            len(tasks),
            len(os.listdir("/dev/fd")) - 1,  # but the one by which they are listed
            psutil.Process().memory_info().rss // 1024,
        ),
        None,
        sinfo="\n".join(blocks),
    )
    logger.handle(record)


def _name(task: asyncio.Task[object]) -> str:
    return getattr(task.get_coro(), "__qualname__", "of gRPC")  # whose coroutines are in C


def _awaiting(task: asyncio.Task[object]) -> list[FrameType]:
    """Return the frames of a task that waits, the outermost first.

    The task itself knows only the first one, which for most is of anyio.
    """
    frames = task.get_stack()
    step: object = task.get_coro()
    while (step := _next(step)) is not None and len(frames) < DEPTH:
        frame = next(
            (found for kind in KINDS if (found := getattr(step, f"{kind}_frame", None))), None
        )
        if frame is not None:
            frames.append(frame)
    return frames


def _next(step: object) -> object:
    """Return what a coroutine or generator waits for, if that is one, too."""
    return next((found for name in WAITS_FOR if (found := getattr(step, name, None))), None)


def _frames(frame: FrameType | None) -> list[FrameType]:
    """Return the frames of a thread, the outermost first."""
    found = []
    while frame is not None:
        found.append(frame)
        frame = frame.f_back
    return found[::-1]


def _stack(title: str, frames: Iterable[FrameType]) -> str:
    summary = traceback.StackSummary.extract((frame, frame.f_lineno) for frame in frames)
    return "\n".join([title, *(f"  {line.filename}:{line.lineno} {line.name}" for line in summary)])
