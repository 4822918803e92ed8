"""Repeating a create without running its command twice.

A request id makes a create safe to repeat at the run of the daemon that has seen it, and at no other. So
a create that may be repeated is meant for one run of the daemon:

    ASKED    the run of the daemon is known                    SENT
    SENT     refused, or no connection                         SENT again, after a while
    SENT     the connection is lost, or the daemon is stopping DOUBTFUL
    SENT     another run of the daemon                         ASKED
    DOUBTFUL refused, no connection, or lost again             DOUBTFUL, after a while
    DOUBTFUL another run of the daemon                         FAILED: the command may have run
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from hcsd_client._errors import (
    CallError,
    DaemonRestartedError,
    DaemonUnreachableError,
    UnavailableError,
)
from hcsd_client._retry import retrying

if TYPE_CHECKING:
    from hcsd.v1.process_pb2 import Process
    from hcsd.v1.process_service_pb2 import CreateProcessRequest
    from hcsd_client._channel import Channel


START_TIMEOUT = 60.0  # seconds; a daemon may take 30 for a program on a slow file system


class Creation:
    """One create, over all its attempts.

    Args:
        channel: To the daemon, for no run of it in particular.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._reached = channel.is_reached
        self._doubtful = False
        self._incarnation = ""  # of the run of the daemon that was asked last

    async def pin(self) -> Channel:
        """Return the channel to the present run of the daemon, as far as that is known.

        One that may have begun the work stays: another call may have met a newer one meanwhile.

        Raises:
            CallError: The daemon cannot be asked.
        """
        if not self._doubtful:
            attempts = self._channel.attempts("the search for the daemon")
            self._incarnation = await retrying(
                attempts, self._channel.find_incarnation, reached=self._reached
            )
        self._reached = True
        return self._channel.pinned(self._incarnation)

    def is_survived(self, error: CallError) -> bool:
        """Note how an attempt has failed, and tell whether there may be another."""
        if isinstance(error, DaemonRestartedError):
            self._channel.known.incarnation = ""
            return not self._doubtful
        if not isinstance(error, UnavailableError):
            return False
        # A daemon that stops says so also of what it has begun. Whoever has begun nothing tells when to retry.
        is_stopping = bool(error.reason) and error.retry_delay is None
        self._doubtful = self._doubtful or error.may_have_arrived or is_stopping
        return self._reached or not isinstance(error, DaemonUnreachableError)


async def create(channel: Channel, request: CreateProcessRequest, timeout: float | None) -> Process:
    """Create a process by a request with an id, over lost connections.

    Args:
        channel: To the daemon, for no run of it in particular.
        request: What to create.
        timeout: Seconds for each answer; None for no limit.
    """
    creation, attempts = Creation(channel), channel.attempts("the start of a process")
    while True:
        pinned = await creation.pin()
        try:
            async with pinned.translating():
                created = await pinned.processes.CreateProcess(
                    request, timeout=timeout, metadata=pinned.metadata
                )
        except CallError as error:
            if not creation.is_survived(error):
                raise
            await attempts.failed(error)
        else:
            attempts.succeeded()
            return created.process


def start_timeout(*, can_repeat: bool) -> float:
    """Return how many seconds a start may take until its connection counts as lost.

    Args:
        can_repeat: Whether the create has a request id. One that has none is not given up.
    """
    return START_TIMEOUT if can_repeat else math.inf
