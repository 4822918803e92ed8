"""What a listener takes before it knows who calls, as arguments of gRPC's core.

A stranger at a TCP port can open connections, send headers, and hold both. So there is a bound for
each: how many connections, how long one may take for its handshake, stay idle and grow old; how many
calls a connection may have open, and how many may wait to be looked at. What a call sends beyond its
headers is read only once it is admitted (`gate.py`), and until then gRPC takes no more of it than the
window of a stream, 64 KiB.

Networks and proxies lose connections without a word. So clients may send pings as often as every 5 s,
at calls and without, and at TCP the daemon sends pings itself to a peer that is silent. One that does
not answer has its connection closed, which ends its calls as any departure does. It is not so at a Unix
socket: there the kernel tells of the end of a client, and one that is only stopped (Ctrl-Z) keeps its
calls.

Pings are no calls: a connection without any is idle all the same, and grows old.

Who can connect to a Unix socket is the daemon's own user, so there these bounds would bound only him.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hcsd.daemon.settings import Limits

DESCRIPTORS_SHARE = 4  # a TCP listener may have one descriptor in so many
HANDSHAKE_SECONDS = 10  # arbitrary; some round trips
# gRPC takes what comes at once up to some MiB, and a header block without an end piles up in there:
# one connection came to 580 MiB, six to 650. With this it is 140 and 300, and nothing is slower.
READ_BUFFER_BYTES = 64 * 1024
# Beyond its streams, so that a kill gets through when all are taken (arbitrary).
OTHER_CALLS = 256
# Calls whose headers have come, at all connections of a listener. One more is cancelled without a word:
# a listener that is flooded answers those that it can. With the bounds of gRPC itself a burst of
# calls from one honest client would be cut from 1,000 on.
MAX_WAITING_TCP = 4_096
MAX_WAITING_UNIX = 100_000  # more than the processes that one machine holds

# Of clients, which send pings every 5 s at most; a network may bring two closer together.
LEAST_PING_SECONDS = 4.0
MAX_INT = 2**31 - 1


def options_for(limits: Limits, *, is_tcp: bool) -> list[tuple[str, int]]:
    """Return the arguments of the server of a listener."""
    waiting = MAX_WAITING_TCP if is_tcp else MAX_WAITING_UNIX
    options = [
        ("grpc.max_receive_message_length", limits.max_message_bytes),
        ("grpc.server.max_pending_requests", waiting),
        ("grpc.server.max_pending_requests_hard_limit", waiting),
        ("grpc.so_reuseport", 0),  # a second daemon must not share the port in silence
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", milliseconds(LEAST_PING_SECONDS)),
    ]
    if is_tcp:
        options += [
            ("grpc.max_allowed_incoming_connections", max_connections(limits)),
            ("grpc.experimental.tcp_max_read_buffer_size", READ_BUFFER_BYTES),
            ("grpc.max_concurrent_streams", limits.max_streams_per_connection + OTHER_CALLS),
            ("grpc.server_handshake_timeout_ms", milliseconds(HANDSHAKE_SECONDS)),
            ("grpc.keepalive_time_ms", milliseconds(limits.keepalive_time)),
            ("grpc.keepalive_timeout_ms", milliseconds(limits.keepalive_timeout)),
            # What in fact ends the connection; gRPC sets no timer of its own for the other.
            ("grpc.http2.ping_timeout_ms", milliseconds(limits.keepalive_timeout)),
            ("grpc.max_connection_idle_ms", milliseconds(limits.connection_idle_time)),
            ("grpc.max_connection_age_ms", milliseconds(limits.connection_age)),
        ]
    return options


def milliseconds(seconds: float) -> int:
    """Return a length of time as gRPC takes it; its longest, 24 days, stands for what is longer."""
    return min(int(seconds * 1000), MAX_INT)


def max_connections(limits: Limits) -> int:
    """Return how many connections a TCP listener takes, by the descriptors that there are."""
    if sys.platform == "win32":  # noqa: TID251  (it has no such limit)
        return limits.max_connections
    else:  # noqa: RET505  (type checkers follow platforms by branches)
        import resource  # noqa: PLC0415  (not on Windows)

        descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if descriptors == resource.RLIM_INFINITY:
            return limits.max_connections
        return max(1, min(limits.max_connections, descriptors // DESCRIPTORS_SHARE))
