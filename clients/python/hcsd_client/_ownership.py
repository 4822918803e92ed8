"""Owning a process for as long as a program holds on to it.

The daemon kills a process of `run` when it has had no owner for its grace period. The owner is a call that
reads nothing, beside those that do. It goes on after a lost connection, and ends with the program, however
that ends. It is never given up while the daemon is out of reach, since only the daemon knows when the
grace is over.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio

from hcsd.v1.process_pb2 import ORPHAN_POLICY_KILL_ON_OWNER_DISCONNECT
from hcsd.v1.process_service_pb2 import RunAttach, RunProcessRequest
from hcsd_client._errors import ClientClosedError, HcsdClientError, UnavailableError
from hcsd_client._retry import LOGGER
from hcsd_client._run import Run

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from hcsd.v1.process_pb2 import Process
    from hcsd_client._channel import Channel

PAUSE = 0.5  # seconds before it begins anew, beside those of `Retry`; arbitrary


@asynccontextmanager
async def owning(channel: Channel, process: Process) -> AsyncIterator[None]:
    """Own a process while inside, if it is one that needs an owner.

    Args:
        channel: To the run of the daemon that has the process.
        process: As the daemon has created it.
    """
    # A daemon that does not know of owners of such a process says nothing of its options.
    if process.options.orphan_policy != ORPHAN_POLICY_KILL_ON_OWNER_DISCONNECT:
        yield
        return
    # Not a task group: the block may be left in another task than it was entered in.
    task = asyncio.create_task(_own(channel, process.name))  # noqa: TID251  (see above)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])  # and not for its result: its cancellation is not ours
        if not task.cancelled():
            task.result()


async def _own(channel: Channel, name: str) -> None:
    attach = RunAttach(name=name, owner=True, without_output=True)
    while True:
        try:
            async with Run(channel, RunProcessRequest(attach=attach)) as run:
                async for _ in run:
                    pass
        except ClientClosedError:
            return
        except UnavailableError as error:
            LOGGER.warning("'%s' has no owner now, and may be killed: %s", name, error)
            await anyio.sleep(PAUSE)
        except HcsdClientError as error:  # its end, of which everybody learns, tells the rest
            LOGGER.warning("'%s' has lost its owner, and may be killed: %s", name, error)
            return
        else:
            return
