"""The channel to one daemon: how it connects, what every call carries, and how it fails."""

from __future__ import annotations

import asyncio
import copy
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import grpc
from anyio.lowlevel import checkpoint_if_cancelled
from google.rpc import status_pb2

from hcsd.v1 import (
    compute_system_service_pb2_grpc,
    event_service_pb2_grpc,
    host_service_pb2_grpc,
    process_service_pb2_grpc,
)
from hcsd.v1.host_service_pb2 import GetHostRequest
from hcsd_client._denied import explain_denied
from hcsd_client._errors import (
    CallError,
    ClientClosedError,
    ConnectionLostError,
    DaemonUnreachableError,
    DeadlineExceededError,
    InternalError,
    UnauthenticatedError,
    error_from_status,
    status_of,
)
from hcsd_client._link import CONNECT_TIMEOUT_MS
from hcsd_client._retry import Attempts
from hcsd_client._tls import explain
from hcsd_client._wire import Wire

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from hcsd_client._link import Link
    from hcsd_client._trust import Trust
    from hcsd_client.address import Address

ANSWER_TIMEOUT = 15.0  # seconds for what the daemon answers at once; more than it takes to connect
INCARNATION = "hcsd-incarnation"

# What ends a call that is not the daemon's own word: it has lost its connection, whatever the code.
_LOST = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.CANCELLED,
}
_NO_CONNECT = "failed to connect"
_NO_ANSWER = "tcp handshaker shutdown"  # from nobody at all, not even a refusal
# Of a host whose name is not found: what gRPC says today, and what it said before.
_NO_HOST = ("address lookup failed", "DNS resolution failed")
_HOW_TO_FIND = "check the name, or name another with Client(address=...) or HCSD_ADDRESS"
_HOW_TO_REACH = (
    "start one with 'hcsd serve', or name its address with Client(address=...) or HCSD_ADDRESS"
)


@dataclass(slots=True)
class Life:
    """What has become of a call that answers with many messages.

    Attributes:
        connected: It has had an answer, so the daemon was there.
        left: Its owner left it, or a cancellation ended it.
        silent: We have ended it, since nothing came any more.
    """

    connected: bool = False
    left: bool = False
    silent: bool = False


@dataclass(slots=True)
class Known:
    """What is known of the daemon; the views of a channel share it.

    Attributes:
        incarnation: Its present run, as far as is known; "" if nothing is.
        reached: It has been there before.
    """

    incarnation: str = ""
    reached: bool = False


class Channel:
    """An open channel, its stubs and its metadata.

    gRPC connects at the first call, and again whenever the connection is gone. No call waits for
    a daemon that is not there.

    Args:
        address: Where the daemon listens.
        token: Bearer token of the daemon, or "".
        trust: What `token` and `credentials` were made from, for error messages.
        credentials: For TLS; None to speak in clear, or to a Unix socket.
        link: How to hold the connection.

    Attributes:
        link: As given.
        wire: What the stubs go over.
        known: What is known of the daemon.
        is_pinned: Its calls are meant for one run of the daemon alone, which was there.
        metadata: What to pass as `metadata` to every call.
        processes: Stub of ProcessService.
        systems: Stub of ComputeSystemService.
        events: Stub of EventService.
        host: Stub of HostService.
    """

    def __init__(
        self,
        address: Address,
        token: str,
        trust: Trust,
        credentials: grpc.ChannelCredentials | None,
        link: Link,
    ) -> None:
        self.link = link
        self.known = Known()
        self.is_pinned = False
        self.metadata: tuple[tuple[str, str], ...] = ()
        if token:
            self.metadata = (("authorization", f"Bearer {token}"),)
        self._address = address
        self._trust = trust
        self._closing = asyncio.Event()  # the views of `pinned` share it
        options, interceptors = link.grpc_options(address), list(link.interceptors)
        self.wire = Wire(
            lambda: (
                grpc.aio.secure_channel(address.target, credentials, options, None, interceptors)
                if credentials
                else grpc.aio.insecure_channel(address.target, options, None, interceptors)
            )
        )
        channel = self.wire.channel
        self.processes = process_service_pb2_grpc.ProcessServiceStub(channel)
        self.systems = compute_system_service_pb2_grpc.ComputeSystemServiceStub(channel)
        self.events = event_service_pb2_grpc.EventServiceStub(channel)
        self.host = host_service_pb2_grpc.HostServiceStub(channel)

    def pinned(self, incarnation: str) -> Channel:
        """Return the same channel for calls that are meant for this run of the daemon alone."""
        if self.is_pinned or not incarnation:
            return self
        view = copy.copy(self)
        view.metadata = (*self.metadata, (INCARNATION, incarnation))
        view.is_pinned = True
        self.known.incarnation = incarnation
        return view

    @property
    def is_reached(self) -> bool:
        """Whether the daemon was there before. If it was not, that it is not is told at once."""
        return self.is_pinned or self.known.reached

    async def find_incarnation(self) -> str:
        """Return the present run of the daemon, as far as it is known; asks if it is not."""
        if not self.known.incarnation:
            begun = time.monotonic()
            try:
                async with self.translating():
                    answer = await self.host.GetHost(
                        GetHostRequest(), timeout=ANSWER_TIMEOUT, metadata=self.metadata
                    )
            except DeadlineExceededError as error:
                await self.wire.renew(begun)
                raise self.lost(f"no answer in {ANSWER_TIMEOUT:.0f} s") from error
            self.known.incarnation = answer.incarnation
        return self.known.incarnation

    def attempts(self, what: str) -> Attempts:
        """Return the attempts at something, for as long as the daemon is out of reach."""
        return Attempts(self.link.retry, what, str(self._address))

    async def close(self) -> None:
        """Close the connection; calls under way end with `ClientClosedError`."""
        self._closing.set()
        await self.wire.close()

    def check_open(self, life: Life) -> None:
        """Refuse to go on with a call that is over by our own doing.

        Raises:
            ClientClosedError: The client is closed, or the call was left.
        """
        closed = self._closing.is_set()
        if closed or life.left:
            raise ClientClosedError(f"the {'client' if closed else 'stream'} is closed")

    @asynccontextmanager
    async def translating(self, life: Life | None = None) -> AsyncIterator[None]:
        """Turn what gRPC raises inside into errors of this package, which say all of it.

        What gRPC raised is their context, and not in their traceback.

        Args:
            life: State of a call with many messages; a cancellation leaves it.
        """
        try:
            yield
        except grpc.aio.AioRpcError as error:
            connected = life is not None and life.connected
            raise self.error_of(status_of(error), connected=connected) from None
        except grpc.aio.BaseError as error:  # misuse, or a fault of gRPC itself
            self.check_open(life or Life())
            status = status_pb2.Status(code=grpc.StatusCode.INTERNAL.value[0], message=str(error))
            raise InternalError(status) from None
        except asyncio.CancelledError:
            # gRPC also raises it in all who wait for a call that somebody has cancelled, as
            # leaving the call and closing the channel do.
            if not _is_being_cancelled():
                self.check_open(life or Life())
                if life is not None and life.silent:
                    raise self.lost("nothing comes any more") from None
            if life is not None:
                life.left = True
            # gRPC awaits tasks of its own, and what they raise lacks the mark by which a cancel
            # scope of anyio knows its own cancellation: let anyio raise its own again.
            await checkpoint_if_cancelled()
            raise
        else:
            self.known.reached = True

    def error_of(self, status: status_pb2.Status, *, connected: bool) -> CallError:
        """Return the error for how a call has ended.

        Args:
            status: What it ended with.
            connected: Whether the daemon was there during the call.
        """
        found = error_from_status(status)
        if isinstance(found, UnauthenticatedError) and not self._address.is_unix:
            status.message = f"{found.message}; {self._trust.shown}"
            return error_from_status(status)
        if found.reason or found.code not in _LOST:
            self.known.reached = True
            return found
        # gRPC speaks, not the daemon.
        if connected or not self._never_connected(status.message):
            return self.lost(status.message)
        text = status.message
        if self._address.is_unix:
            why = explain_denied(text, self._address.path)
        else:
            why = explain(text, self._address.host, self._trust.tls)
        why = why or _why_unreachable(text)
        status.code = grpc.StatusCode.UNAVAILABLE.value[0]
        status.message = f"cannot reach a daemon at {self._address}: {why}"
        unreachable = DaemonUnreachableError(status)
        unreachable.may_have_arrived = not any(words in text for words in (_NO_CONNECT, *_NO_HOST))
        return unreachable

    def lost(self, why: str) -> ConnectionLostError:
        """Return the error for a connection that is lost."""
        message = f"lost the connection to the daemon at {self._address}: {why}"
        code: int = grpc.StatusCode.UNAVAILABLE.value[0]
        error = ConnectionLostError(status_pb2.Status(code=code, message=message))
        error.may_have_arrived = True
        return error

    def _never_connected(self, message: str) -> bool:
        """Whether a call failed since there was no connection, rather than lost one on its way.

        The channel stays in this state from a connection that failed until one succeeds; one that
        breaks leaves it idle. The text is for the call that fails just as gRPC tries again.
        """
        state = self.wire.present.get_state()
        return state is grpc.ChannelConnectivity.TRANSIENT_FAILURE or message.startswith(
            _NO_CONNECT
        )


def _why_unreachable(text: str) -> str:
    """Say in words why there is no connection, and what to do."""
    if any(words in text for words in _NO_HOST):
        return f"the name of its host is not found ({_cause(text)}); {_HOW_TO_FIND}"
    return f"{_cause(text)}; {_HOW_TO_REACH}"


def _cause(text: str) -> str:
    """Shorten what gRPC says of a failed connection to its last part, the system's own words."""
    cause = text.rpartition(": ")[2].rstrip("]") or text
    return f"no answer in {CONNECT_TIMEOUT_MS // 1000} s" if cause == _NO_ANSWER else cause


def _is_being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
