"""One process from its start to its end, asked for in pieces and run once.

PINNED  the run of the daemon is known          ASKED
ASKED   another run of the daemon, at once      PINNED: nothing was begun
ASKED   the time of a piece is up, or lost      JOINING
JOINING the time of a piece is up, or lost      JOINING
JOINING another run of the daemon               FAILED: the command may have run
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hcsd_client._creation import Creation
from hcsd_client._errors import DaemonRestartedError
from hcsd_client._pieces import Pieces

if TYPE_CHECKING:
    from hcsd.v1.process_service_pb2 import ExecProcessRequest, ExecProcessResponse
    from hcsd_client._channel import Channel


async def run_to_end(channel: Channel, request: ExecProcessRequest) -> ExecProcessResponse:
    """Run a process by a request with an id, over lost connections.

    Args:
        channel: To the daemon, for no run of it in particular.
        request: What to run; its `timeout` is set.
    """
    creation = Creation(channel)
    while True:
        pinned = await creation.pin()
        pieces, joining = Pieces(pinned, "the run of a process"), False
        try:
            while True:
                answer = await pieces.ask(pinned.processes.ExecProcess, request)
                if answer is not None and not answer.timed_out:
                    return answer
                joining = True
        except DaemonRestartedError as error:
            if joining or not creation.is_survived(error):
                raise
