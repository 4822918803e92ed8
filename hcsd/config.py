"""Settings of the daemon: limits and times in force, in one frozen object."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

KIB = 1024
MIB = 1024 * KIB
CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")


def default_ring_memory() -> int:
    """Return half of the memory that there is, or that the control group of the daemon may use."""
    memory = psutil.virtual_memory().total
    with suppress(OSError, ValueError):  # no such group, or "max"
        memory = min(memory, int(CGROUP_LIMIT.read_text(encoding="ascii")))
    return memory // 2


@dataclass(frozen=True, slots=True)
class Limits:
    """What the daemon allows; GetHost reports it. Units: bytes and seconds.

    Attributes:
        default_chunk_bytes: Output chunk if the reader does not say. Four pages of the default
            would cost a message each; more than this gains little (measured).
        max_chunk_bytes: Largest chunk a reader may ask for.
        default_ring_bytes: Ring of an output stream if the creator does not say.
        max_ring_bytes: Largest ring a creator may ask for (arbitrary).
        stdin_buffer_bytes: Stdin that RunProcess takes ahead of the pipe, so that a signal behind
            it still gets through.
        max_message_bytes: Largest request; gRPC's own default.
        ring_memory_bytes: What the output rings of all processes may come to hold together.
        max_processes: Processes that run at once; each takes descriptors (arbitrary).
        max_systems: Compute systems that the daemon has created and that have not ended (arbitrary).
        max_streams_per_client: Streaming calls of one client at once (arbitrary). Over TCP a client
            is a connection; all that come by a Unix socket are one.
        stall_timeout: How long a reader may stand while a process waits for it.
        drain_timeout: Wait without data for pipes that outlive a process.
        max_drain_time: The same with data, in all (arbitrary).
        exited_retention: How long an exited process is kept, or a system that has ended.
        max_exited: How many are kept, of either; the oldest go first.
        event_ring_size: How many events are kept for watchers.
        bookmark_interval: How long a watcher of events is told nothing when nothing happens. Less
            than what idle connections are given on their way, a minute and more.
        max_page_size: Entries of a page.
        signal_wait: How long SignalProcess waits for HCS before it answers PENDING.
        shutdown_grace: How long a stopping daemon waits for its processes to end.
    """

    default_chunk_bytes: int = 64 * KIB
    max_chunk_bytes: int = MIB
    default_ring_bytes: int = MIB
    max_ring_bytes: int = 64 * MIB
    stdin_buffer_bytes: int = MIB
    max_message_bytes: int = 4 * MIB
    ring_memory_bytes: int = field(default_factory=default_ring_memory)
    max_processes: int = 8192
    max_systems: int = 1024
    max_streams_per_client: int = 16_384
    stall_timeout: float = 60.0
    drain_timeout: float = 5.0
    max_drain_time: float = 60.0
    exited_retention: float = 900.0
    max_exited: int = 4096
    event_ring_size: int = 8192
    bookmark_interval: float = 30.0
    max_page_size: int = 1000
    signal_wait: float = 0.25
    shutdown_grace: float = 5.0


def default_token_file() -> Path:
    """Return where the token of TCP listeners is kept if nobody says otherwise."""
    return _state_folder() / "hcsd" / "token"


def default_log_file() -> Path:
    """Return where a service writes its log if nobody says otherwise."""
    return _state_folder() / "hcsd" / "hcsd.log"


def _state_folder() -> Path:
    if sys.platform == "win32":  # noqa: TID251  (where a service keeps its files)
        return Path(os.environ["PROGRAMDATA"])
    elif os.geteuid() == 0:  # noqa: RET505  (type checkers follow platforms by branches)
        return Path("/var/lib")
    else:
        return Path(os.environ.get("XDG_STATE_HOME") or "~/.local/state").expanduser()
