"""The one list of limits and times that the daemon keeps to, in one object.

Each field of `Limits` is a row: its value in force, its unit, what it means, and, where there is one,
the option of `hcsd serve` that sets it and the name by which GetHost shows it. The options, their
keys in the configuration file, the answer of GetHost and the table in the page `settings.md` follow from the rows.

Rows that are live change while the daemon runs, when it reads its configuration again (`Limits.adopt`). So
whoever needs the value of one asks the object each time, and keeps no copy.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from hcsd.daemon.host_size import half_the_memory, share_of_tasks
from hcsd.daemon.setting import KIB, MIB, Setting, count, seconds, size

MOST_MESSAGE = 2047 * MIB  # gRPC counts its bytes by 32 bits with a sign


@dataclass(slots=True)
class Limits:
    """What the daemon allows. The rows say what each field means; see `SETTINGS`.

    Thread: that of the event loop, once the daemon runs. Nothing but `adopt` changes one.
    """

    # Four pages of gRPC's default would cost a message each; more than this gains little (measured).
    default_chunk_bytes: int = size(
        64 * KIB, "Output chunk if the reader does not say.", shown="default_chunk_bytes"
    )
    max_chunk_bytes: int = size(
        MIB, "Largest chunk that a reader may ask for.", shown="max_chunk_bytes"
    )
    default_ring_bytes: int = size(
        MIB,
        "How much of each output stream is kept if the creator does not say.",
        shown="default_ring_bytes",
    )
    max_ring_bytes: int = size(  # arbitrary
        64 * MIB,
        "The most that a creator may ask to be kept of a stream.",
        shown="max_ring_bytes",
    )
    # So that a signal behind the stdin still gets through.
    stdin_buffer_bytes: int = size(
        MIB, "Stdin that RunProcess takes ahead of the pipe.", shown="stdin_buffer_bytes"
    )
    max_message_bytes: int = size(  # gRPC's own default
        4 * MIB, "Size limit of a request.", "max-message", "max_message_bytes", MOST_MESSAGE
    )
    # Kubernetes and containerd have 4 KiB for a label, 63 to 253 for its key, and no number.
    max_labels: int = count(64, "Labels of a process.", shown="max_labels")
    max_label_key_bytes: int = size(128, "Key of a label.", shown="max_label_key_bytes")
    max_label_value_bytes: int = size(4 * KIB, "Value of a label.", shown="max_label_value_bytes")
    max_labels_bytes: int = size(
        16 * KIB, "All labels of a process, keys and values.", shown="max_labels_bytes"
    )
    max_variables: int = count(  # arbitrary; each is looked at before anything else happens
        16_384, "Environment variables of a process.", shown="max_variables"
    )
    # So that whatever shows a process or a system fits a message of 4 MiB, as clients take it.
    max_create_bytes: int = size(
        MIB,
        "Request of one process, with its arguments, environment and labels, or configuration of one"
        " compute system.",
        shown="max_create_bytes",
    )
    max_system_id_bytes: int = size(  # arbitrary
        KIB, "Id of a compute system.", shown="max_system_id_bytes"
    )
    record_memory_bytes: int = size(  # twice what the most processes take that ask for little
        128 * MIB,
        "Memory for what is kept of processes and compute systems beside output, such as arguments,"
        " environment and labels. If it is short, the oldest that have ended are forgotten; then no"
        " more are created.",
        "record-memory",
        "record_memory_bytes",
        live=True,
    )
    ring_memory_bytes: int = size(
        half_the_memory,
        "Memory for the output that is kept, of all processes together. A process whose output may"
        " not fit is not started. Default: half of what the machine has.",
        "ring-memory",
        "ring_memory_bytes",
        live=True,
    )
    max_processes: int = count(  # each takes descriptors (arbitrary)
        8192,
        "How many processes may run at once.",
        "max-processes",
        "max_processes",
        live=True,
    )
    max_systems: int = count(  # arbitrary
        1024,
        "How many compute systems that the daemon has created there may be.",
        "max-systems",
        "max_systems",
        live=True,
    )
    max_tasks_per_system: int = count(
        share_of_tasks,
        "How many processes and threads a compute system may have at once; a fork bomb comes no"
        " further. For the embedded engine, where the host lets it limit that. Default: 15 % of what"
        " the host can have.",
        "max-tasks-per-system",
        "max_tasks_per_system",
    )
    max_streams_per_client: int = count(  # arbitrary
        16_384,
        "How many streaming calls all clients of a Unix socket may have at once.",
        "max-streams-per-client",
        "max_streams_per_client",
        live=True,
    )
    max_streams_per_connection: int = count(  # arbitrary
        1024,
        "How many streaming calls a TCP connection may have at once.",
        "max-streams-per-connection",
        "max_streams_per_connection",
    )
    max_calls: int = count(  # arbitrary
        32_768,
        "How many calls may be under way at once, those that wait too; each listener counts its own.",
        "max-calls",
        "max_calls",
        live=True,
    )
    max_connections: int = count(  # arbitrary
        256,
        "How many connections a TCP listener has at once. One more is refused. At most a quarter of"
        " the descriptors that the daemon may have.",
        "max-connections",
        "max_connections",
    )
    connection_idle_time: float = seconds(  # arbitrary
        60.0,
        "How long a TCP connection without calls is kept. Clients connect again by themselves.",
        "connection-idle-time",
    )
    connection_age: float = seconds(  # arbitrary
        1800.0,
        "How long a TCP connection takes new calls. Those under way go on; clients make another"
        " connection for the next.",
        "connection-age",
    )
    # With `keepalive_timeout`, a dead peer is noticed within 25 s. Most proxies wait a minute and more.
    keepalive_time: float = seconds(
        15.0,
        "How long the peer of a TCP connection may be silent before the daemon sends it a ping.",
        "keepalive-time",
    )
    keepalive_timeout: float = seconds(
        10.0,
        "How long the answer to that ping may take. Then the connection is closed, which ends its calls.",
        "keepalive-timeout",
    )
    request_timeout: float = seconds(  # for 4 MiB by a slow line (arbitrary)
        30.0,
        "How long the first message of a call may take to arrive.",
        "request-timeout",
        "request_timeout",
        live=True,
    )
    start_timeout: float = seconds(  # arbitrary
        30.0,
        "How long a process may take from its start to its program, whose file may lie on a file system"
        " that does not answer. For the embedded engine; HCS has its own.",
        "start-timeout",
    )
    stall_timeout: float = seconds(
        60.0,
        "How long a reader that takes nothing may hold up a process.",
        "stall-timeout",
        "stall_timeout",
        live=True,
    )
    drain_timeout: float = seconds(
        5.0,
        "How long a pipe that outlives its process may stay silent before the daemon gives it up.",
        shown="default_drain_timeout",
    )
    max_drain_time: float = seconds(  # arbitrary
        60.0,
        "How long a pipe that outlives its process is read at all.",
        shown="max_drain_time",
    )
    max_owner_grace: float = seconds(
        3600.0,
        "How long a process may ask to live without its owner.",
        "max-owner-grace",
        "max_owner_grace",
    )
    exited_retention: float = seconds(
        900.0,
        "How long the daemon remembers a process that has exited, with its output, or a compute"
        " system.",
        "exited-retention",
        "exited_process_retention",
        live=True,
    )
    max_exited: int = count(
        4096,
        "How many processes that have exited the daemon remembers; the oldest go first, but not those"
        " that somebody reads.",
        "max-exited",
        "max_exited_processes",
        live=True,
    )
    event_ring_size: int = count(
        8192,
        "How many events it keeps for watchers that are slow, or come back.",
        "event-ring",
        "event_ring_size",
    )
    # Most events have less than 3 KiB. So for a ring of the default size this is no limit.
    event_memory_bytes: int = size(
        64 * MIB,
        "Memory for events; if it is short, fewer are kept.",
        shown="event_memory_bytes",
    )
    # Less than what idle connections are given on their way, a minute and more.
    bookmark_interval: float = seconds(
        30.0,
        "How long a watcher of events is told nothing when nothing happens.",
        "bookmark-interval",
    )
    max_page_size: int = count(1000, "Entries of a page.", shown="max_page_size")
    signal_wait: float = seconds(
        0.25, "How long SignalProcess waits for HCS before it answers PENDING."
    )
    shutdown_grace: float = seconds(
        5.0, "How long a stopping daemon waits for its processes to end."
    )
    # Longer than clients try to come back after a lost connection, so that who watches a system by
    # its name and resumes has missed nothing.
    idle_system_time: float = seconds(
        30.0, "How long a compute system of others stays open that nobody uses."
    )

    def adopt(self, others: Limits) -> None:
        """Take the values of the live rows from others."""
        for setting in SETTINGS:
            if setting.live:
                setattr(self, setting.name, getattr(others, setting.name))

    @classmethod
    def default_of(cls, name: str) -> float | None:
        """Return the default of a field; None for one that depends on the machine."""
        default: float | dataclasses._MISSING_TYPE = cls.__dataclass_fields__[name].default
        return default if isinstance(default, (int, float)) else None


SETTINGS = tuple(Setting(field.name, **field.metadata) for field in dataclasses.fields(Limits))
OPTIONS = {setting.name: setting for setting in SETTINGS if setting.option}
