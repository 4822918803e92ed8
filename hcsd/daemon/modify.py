"""Changing a running process: the size of its console, its stdio handles, anything by a document."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING

from hcsd.daemon.errors import InvalidRequestError, Violation
from hcsd.daemon.streams import Stream
from hcsd.hcs.errors import HandleClosedError, HcsError
from hcsd.hcs.schema import ConsoleSize as ConsoleSizeDocument
from hcsd.hcs.schema import ProcessModifyRequest

if TYPE_CHECKING:
    from hcsd.daemon.process import Process
    from hcsd.daemon.process_record import ProcessRecord
    from hcsd.daemon.spec import ConsoleSize
    from hcsd.hcs.schema import StdioHandle

OUTPUTS: dict[Stream, StdioHandle] = {Stream.STDOUT: "StdOut", Stream.STDERR: "StdErr"}


async def resize(process: Process, size: ConsoleSize) -> None:
    """Set the size of the console.

    Raises:
        RequestError: A side is 0, or the process does not run.
        HcsError: HCS refused it; the process may have no console.
    """
    if not (size.columns and size.rows):
        raise InvalidRequestError(
            [Violation("console_size", "required", "needs 'columns' and 'rows' above 0")]
        )
    request = ProcessModifyRequest(
        "ConsoleSize", console_size=ConsoleSizeDocument(size.rows, size.columns)
    )
    await process.require_running("resize").modify(request.to_json())


async def close_stdio(process: Process, which: StdioHandle) -> None:
    """Close a stdio handle: HCS's copy and the daemon's, for neither alone is enough.

    HCS has none any more of a process that has exited, unless the outputs outlive it. The daemon's may still
    be in use by what that has left behind.

    Raises:
        RequestError: STDIO_NOT_OWNED; it was opened by its pid.
        HcsError: HCS refused it.
    """
    if which == "StdIn" and process.stdin is not None:
        await process.stdin.close()
        return
    engine, running = process.engine, process.running
    if not running:
        process.require_stdio()
    if engine is not None and (running or engine.stdio.outlives_process):
        await engine.close_stdio(which)
    _close_our_end(process, which)


async def let_go_of_output(process: ProcessRecord) -> None:
    """Have HCS close its copies of outputs that are complete, if the daemon gave them up or they are a console.

    Otherwise what the process has left behind would not find its pipe broken, and wait for ever. And HCS
    finds out later that nobody needs a terminal, of which a host has few.
    """
    engine = process.engine
    if engine is None or not engine.stdio.outlives_process:
        return
    for stream, which in OUTPUTS.items():
        if process.rings[stream].forced or process.identity.has_console:
            with contextlib.suppress(HcsError, HandleClosedError):  # what is gone holds nothing
                await engine.close_stdio(which)


async def modify(process: Process, document: str) -> None:
    """Carry out a ProcessModifyRequest document, which is passed through as it is.

    Raises:
        RequestError: The process does not run.
        HcsError: HCS refused it.
    """
    await process.require_running("modify").modify(document)
    _close_our_end(process, _closed_handle(document))


def _close_our_end(process: Process, which: object) -> None:
    """Close the daemon's end of what HCS has closed."""
    if which in {"StdIn", "All"} and process.stdin is not None:
        process.stdin.abandon("it was closed")
    if which in {"StdOut", "All"}:
        process.close_output(Stream.STDOUT)
    if which in {"StdErr", "All"}:
        process.close_output(Stream.STDERR)


def _closed_handle(document: str) -> object:
    """Return the handle that a document closes, if it is for that.

    HCS has accepted the document, so it is well formed.
    """
    members = json.loads(document)
    close = members.get("CloseHandle") if members.get("Operation") == "CloseHandle" else None
    return close.get("Handle") if isinstance(close, dict) else None
