"""A compute system for one process: made for its limits, and removed with it."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import anyio

from hcsd.cli.output.text import say
from hcsd.v1 import process_pb2 as pb
from hcsd_client import HcsdClientError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from hcsd_client import Client

PATIENCE = 30.0  # seconds for the end of the system; arbitrary


async def in_own_system(
    client: Client,
    configuration: str,
    run: Callable[[str], Awaitable[int]],
) -> int:
    """Run a process in a new compute system.

    The system is removed with all that is left in it, unless the process goes on: then it stays, too.

    Args:
        client: Open client.
        configuration: Document of the system.
        run: Runs the process in the system of this resource name, and returns the exit code.

    Returns:
        The exit code of `run`.

    Raises:
        HcsdClientError: The system was not made, or `run` has failed.
    """
    # An id of our own, so that it can be removed although the answer has not come.
    system_id = f"run-{uuid.uuid4().hex[:12]}"
    try:
        await client.create_system(
            configuration, system_id=system_id, start=True, request_id=str(uuid.uuid4())
        )
    except anyio.get_cancelled_exc_class():
        await _remove(client, system_id)
        raise
    try:
        return await run(f"systems/{system_id}")
    finally:
        await _remove(client, system_id)


async def _remove(client: Client, system_id: str) -> None:
    """Remove a system, and say so if it stays."""
    name = f"systems/{system_id}"
    alive = [pb.PROCESS_STATE_CREATING, pb.PROCESS_STATE_RUNNING]
    with anyio.move_on_after(PATIENCE, shield=True) as patience:
        try:
            async for _ in client.list_processes(name, states=alive):
                say(f"its system stays for it: remove both with 'hcsd system rm -f {system_id}'")
                return
            await client.terminate_system(name)
            await client.wait_system(name)
        except NotFoundError:  # it was not made, or somebody else has removed it
            pass
        except HcsdClientError as error:
            say(f"the compute system '{system_id}' may still be there: {error}")
    if patience.cancelled_caught:
        say(f"the compute system '{system_id}' has not ended yet")
