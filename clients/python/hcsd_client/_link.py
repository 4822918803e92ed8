"""How a client holds its connection: pings, heartbeats, and what gRPC is told.

`keepalive` does two things. Over TCP gRPC pings a connection that has been silent for so long, and gives
it up if no answer comes. And every stream asks the daemon for a heartbeat after so much silence: proxies
then see traffic, and the client notices a connection on which nothing comes any more, of any kind.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import grpc

from hcsd_client._retry import Retry
from hcsd_client._values import duration, instance, instances, seconds, wrong_kind

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

    from google.protobuf.duration_pb2 import Duration

    from hcsd_client.address import Address

    ChannelOptions = Sequence[tuple[str, str | int]]

CONNECT_TIMEOUT_MS = 10_000  # for who listens and stays silent; who does not listen is seen at once
LOOKAHEAD_BYTES = 128 * 1024  # with it, some 256 KiB are on their way at the most (measured)
RECONNECT_MIN_MS = 100
RECONNECT_MAX_MS = 1_000  # a daemon that was started again is found after this at the latest
PING_TIMEOUT_MS = 10_000
PING_LEAST = 5.0  # seconds; a daemon takes more pings for an attack
HEARTBEAT_LEAST, HEARTBEAT_MOST = 0.1, 3600.0  # seconds, by the contract
SILENCE_LEAST = 1.0  # seconds; a busy machine may be late by less
SILENCE = 2  # intervals without a word
PIECE = 20.0  # seconds of a long wait that are asked for at once

_OPTIONS: ChannelOptions = (
    ("grpc.min_reconnect_backoff_ms", CONNECT_TIMEOUT_MS),
    ("grpc.initial_reconnect_backoff_ms", RECONNECT_MIN_MS),
    ("grpc.max_reconnect_backoff_ms", RECONNECT_MAX_MS),
    # What is on its way must be read anew when the connection breaks, so it must not be more than the
    # daemon keeps behind a reader. Left to itself gRPC takes 6 MiB ahead, and is no faster (measured).
    ("grpc.http2.bdp_probe", 0),
    ("grpc.http2.lookahead_bytes", LOOKAHEAD_BYTES),
    # Otherwise a new client shares the failed connection of an older one, and its waiting time.
    ("grpc.use_local_subchannel_pool", 1),
    # A page of processes with long command lines may be larger than the 4 MiB that gRPC allows.
    ("grpc.max_receive_message_length", -1),
)


@dataclass(frozen=True, slots=True)
class Link:
    """What a client was told about its connection; see `Client`.

    Attributes:
        retry: How to go on after a lost connection.
        keepalive: Seconds of silence before a ping or a heartbeat; None for neither.
        interceptors: Interceptors of `grpc.aio`.
        options: Further options of the channel, which win.
    """

    retry: Retry = field(default_factory=Retry)
    keepalive: float | None = None
    interceptors: Sequence[grpc.aio.ClientInterceptor] = ()
    options: ChannelOptions = ()

    @classmethod
    def of(
        cls, retry: object, keepalive: object, interceptors: object, channel_options: object
    ) -> Self:
        """Return what a caller asks for.

        Raises:
            TypeError: A value is of another kind.
            ValueError: The interval is negative.
        """
        pairs = instances(channel_options, "channel_options", tuple, "pairs, (name, value)")
        options: list[tuple[str, str | int]] = []
        for place, pair in enumerate(pairs):
            match pair:
                case (str(name), str() | int() as value):
                    options.append((name, value))
                case _:
                    raise wrong_kind(f"channel_options[{place}]", pair, "a pair, (name, value)")
        return cls(
            instance(retry, "retry", Retry, "a Retry, as Retry(attempts=3)"),
            (None if keepalive is None else seconds(keepalive, "keepalive")) or None,
            instances(
                interceptors, "interceptors", grpc.aio.ClientInterceptor, "interceptors of grpc.aio"
            ),
            options,
        )

    @property
    def heartbeat(self) -> Duration | None:
        """The `heartbeat_interval` of every stream."""
        if self.keepalive is None:
            return None
        return duration(min(max(self.keepalive, HEARTBEAT_LEAST), HEARTBEAT_MOST), "keepalive")

    @property
    def silence(self) -> float | None:
        """Seconds without a message after which a stream has lost its connection; None for never."""
        return None if self.keepalive is None else max(SILENCE * self.keepalive, SILENCE_LEAST)

    @property
    def piece(self) -> float:
        """Seconds of a long wait that are asked for at once."""
        return PIECE if self.keepalive is None else min(max(self.keepalive, HEARTBEAT_LEAST), PIECE)

    def grpc_options(self, address: Address) -> list[tuple[str, str | int]]:
        """Return the options of the channel to an address."""
        options = dict(_OPTIONS)
        if address.is_loopback:
            options["grpc.enable_http_proxy"] = 0
        if self.keepalive is not None and not address.is_unix:
            interval = max(self.keepalive, PING_LEAST)
            options |= {
                "grpc.keepalive_time_ms": min(round(interval * 1000), 2**31 - 1),
                "grpc.keepalive_timeout_ms": PING_TIMEOUT_MS,
                # Which of the two gRPC 1.85 goes by (seen with a proxy that had fallen silent).
                "grpc.http2.ping_timeout_ms": PING_TIMEOUT_MS,
                "grpc.keepalive_permit_without_calls": 1,
                "grpc.http2.max_pings_without_data": 0,
            }
        return list((options | dict(self.options)).items())
