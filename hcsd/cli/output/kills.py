"""What a kill has ended besides the process that was named, as a line for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hcsd.v1 import process_pb2 as pb
from hcsd.v1 import process_service_pb2 as service_pb

if TYPE_CHECKING:
    from hcsd.v1.process_service_pb2 import DeleteProcessResponse, TerminateProcessResponse


def told_of_end(name: str, answer: TerminateProcessResponse | DeleteProcessResponse) -> str:
    """Return what is to be told of a kill that was to end the tree of a process; "" if nothing.

    Args:
        name: What the process is called here.
        answer: What the daemon says of the kill.
    """
    if answer.scope_applied == service_pb.TERMINATE_SCOPE_PROCESS:
        return f"'{name}' has ended; what it had started may run on: this engine cannot tell"
    if not answer.descendants_killed:
        return ""
    more = answer.descendants_killed > 1
    others = f"{answer.descendants_killed} process{'es' if more else ''}"
    if isinstance(answer, service_pb.DeleteProcessResponse):
        return f"removed '{name}' and ended {others} that it had started"
    if answer.process.exit.reason != pb.EXIT_REASON_TERMINATED:
        return f"'{name}' had ended already; ended {others} that it had started"
    return f"ended '{name}' and {others} that it had started"
