"""What is asked about the stdio of a process, of which the keeper may have all or some.

Thread: the worker's, all of it.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from hcsd.abi.hresult import HR
from hcsd.embedded.faults import Fault
from hcsd.embedded.keeper_errors import process_fault
from hcsd.embedded.process_documents import Resize
from hcsd.embedded.stdio import Stdio

if TYPE_CHECKING:
    from collections.abc import Callable

    from hcsd.embedded.keeper.frames import Message
    from hcsd.embedded.keeper_client import KeeperClient
    from hcsd.embedded.kept_stdio import KeptWith
    from hcsd.embedded.process_documents import CloseStdio
    from hcsd.embedded.work import Done


def fetch_stdio(
    keeper: KeeperClient,
    mark: str,
    kept_with: KeptWith,
    then: Callable[[Stdio | None, Fault | None], None],
) -> None:
    """Get what a keeper has of the stdio of a process; what it has dropped is not in it.

    Args:
        keeper: The keeper.
        mark: The mark of the process.
        kept_with: Where what is kept with stdio handles waits for their owners.
        then: Called with it, or with None and why it cannot be had now. Of a keeper that is gone
            nothing can be had, and it has nothing.
    """

    def answered(answer: Message) -> None:
        fds, held = answer.get("fds", []), answer.get("held", [])
        assert isinstance(fds, list)  # noqa: S101  (both sides are ours)
        assert isinstance(held, list)  # noqa: S101
        if len(fds) < len(held):  # this process had no room for all of them
            for fd in fds:
                os.close(fd)
            answer = {"error": errno.EMFILE, "what": "system"}
        if answer.get("error") not in {None, errno.ESRCH}:
            then(None, process_fault(answer))
        else:
            then(Stdio.of_kept(dict(zip(held, fds, strict=True)), kept_with), None)

    keeper.request({"stdio": mark}, [], answered)


def drop_stdio(keeper: KeeperClient, mark: str, handle: str, done: Done) -> None:
    """Let a keeper close what it keeps for a handle: StdIn, StdOut, StdErr or All."""

    def answered(answer: Message) -> None:
        is_gone = answer.get("error") == errno.ESRCH  # and all that it kept
        done(None if is_gone else process_fault(answer))

    keeper.request({"drop": handle, "mark": mark}, [], answered)


def modify_stdio(
    stdio: Stdio | None, request: Resize | CloseStdio, *, adopted: bool
) -> Fault | None:
    """Carry out what is the engine's own part; return why that cannot be done.

    Args:
        stdio: What is here; None if there is nothing.
        request: What is asked for.
        adopted: Whether the process was not started by `HcsCreateProcess`.
    """
    if stdio is None:
        why = "was adopted: nothing of its stdio is here" if adopted else "has not started"
        return Fault(HR.INVALID_STATE, f"the process {why}")
    if isinstance(request, Resize):
        if stdio.console < 0:
            return Fault(HR.INVALID_STATE, "the process has no console")
        stdio.resize(request.rows, request.columns)
    elif request.handle in {"StdIn", "All"}:
        stdio.close_service_stdin()  # of the outputs the service keeps no copy
    return None
