"""How a process ended, as an exit code of ours and as a line for people."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from hcsd.cli import exit_codes
from hcsd.cli.errors import hresult_exit_code
from hcsd.cli.output.text import say
from hcsd.cli.output.units import limit_size
from hcsd.cli.output.words import signal_name
from hcsd.cli.session.standard_streams import STDERR
from hcsd.v1 import process_pb2 as pb
from hcsd_client import CallError

if TYPE_CHECKING:
    from hcsd.cli.session.sink import SinkFailure
    from hcsd_client import Client

REASONS = {
    pb.EXIT_REASON_RUN_TIMEOUT: "it ran longer than it may",
    pb.EXIT_REASON_OWNER_GONE: "the call that owned it has ended",
    pb.EXIT_REASON_SYSTEM_EXITED: "its compute system has ended",
    pb.EXIT_REASON_DAEMON_SHUTDOWN: "the daemon is stopping",
}
QUIET_SIGNALS = {"INT", "PIPE"}  # who is at the terminal knows, as shells have it
MAX_EXIT_CODE = 0xFF
MAX_INT32 = 0x7FFFFFFF


async def memory_limit(client: Client, process: str, ended: pb.ProcessExit | None) -> int:
    """Return the limit that a process has run into, to tell people.

    Args:
        client: Whom to ask.
        process: Its name.
        ended: How it ended.

    Returns:
        Memory of its compute system in bytes; 0 if that is not why it ended, or is not known.
    """
    if ended is None or ended.reason != pb.EXIT_REASON_OUT_OF_MEMORY:
        return 0
    try:
        system = await client.get_system(process.rpartition("/processes/")[0])
    except CallError:  # it says less then, and the exit code is the same
        return 0
    return system.limits.memory_bytes


def exit_code(ended: pb.ProcessExit | None, memory: int = 0) -> int:
    """Return the exit code to end with, and tell people what it does not say.

    Args:
        ended: How the process ended.
        memory: The limit that `memory_limit` has found.
    """
    outcome = ended.WhichOneof("outcome") if ended is not None else None
    if ended is None or outcome is None:
        say("the daemon did not say how the process ended")
        return exit_codes.RUN_FAILED
    if outcome == "start_error":
        say(f"the process was not started: {ended.start_error.message}")
        return hresult_exit_code(ended.start_error.hresult)
    if outcome == "unknown":
        say(f"how the process ended cannot be known: {ended.unknown.message}")
        return exit_codes.RUN_FAILED
    if ended.reason == pb.EXIT_REASON_OUT_OF_MEMORY:
        limit = f" (limit {limit_size(memory)})" if memory else ""
        say(f"the process was killed: its compute system was out of memory{limit}")
        return _fit(ended.exit_code)
    end = unusual_end(ended)
    if end and signal_name(ended) not in QUIET_SIGNALS:
        say(f"process {end}")
    return _fit(ended.exit_code)


def unusual_end(ended: pb.ProcessExit) -> str:
    """Return how a process ended if not by itself; "" if it did."""
    reason = REASONS.get(ended.reason, "")
    if name := signal_name(ended):
        return f"was ended by SIG{name}" + (f": {reason}" if reason else "")
    if ended.reason == pb.EXIT_REASON_TERMINATED:
        return "was terminated"
    return f"was ended: {reason}" if reason else ""


def _fit(code: int) -> int:
    """Return a process's exit code as one of ours.

    POSIX has only the low byte. A failure must not turn into a success by that.
    """
    if os.name == "nt":  # takes all of it, as a signed number
        return code if code <= MAX_INT32 else code - 2**32
    if code <= MAX_EXIT_CODE:
        return code
    say(f"process exited with {code} (0x{code:08X})")
    return code & MAX_EXIT_CODE or 1


def sink_exit_code(failure: SinkFailure, *, other: int) -> int:
    """Return the exit code for output that could not be written, and tell people why.

    Args:
        failure: What went wrong.
        other: Exit code if it is not that nobody reads any more.
    """
    if failure.error.errno == errno.EPIPE:
        return exit_codes.BROKEN_PIPE  # quietly, as a process that SIGPIPE ends
    name = "stderr" if failure.descriptor == STDERR else "stdout"
    say(f"cannot write to {name}: {failure.error.strerror}")
    return other
