"""Changing a running process: signals, kills, console size, stdio handles.

For the unary RPCs and for the steps of RunProcess alike. A target that has exited is no error for
a signal or a kill; it is one for everything else.
"""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING

import anyio
import grpc

from hcsd.hcs.errors import AlreadyStoppedError, ElementNotFoundError, HcsError
from hcsd.hcs.schema import ConsoleSize, ProcessModifyRequest
from hcsd.service.errors import InvalidRequestError, RequestError, Violation
from hcsd.service.served import STDERR, STDOUT
from hcsd.service.signals import LINUX_SIGNALS, Kill, resolve
from hcsd.v1 import process_pb2 as pb
from hcsd.v1 import process_service_pb2 as service_pb

if TYPE_CHECKING:
    from hcsd.hcs.process import Process
    from hcsd.hcs.schema import StdioHandle
    from hcsd.service.registry import Registry
    from hcsd.service.served import ServedProcess

STDIO_HANDLES: dict[int, StdioHandle] = {
    service_pb.STDIO_HANDLE_STDIN: "StdIn",
    service_pb.STDIO_HANDLE_STDOUT: "StdOut",
    service_pb.STDIO_HANDLE_STDERR: "StdErr",
    service_pb.STDIO_HANDLE_ALL: "All",
}


class TreeNotSupportedError(RequestError):
    """The engine does not know what descends from a process."""

    def __init__(self) -> None:
        super().__init__(
            grpc.StatusCode.UNIMPLEMENTED,
            "TREE_NOT_SUPPORTED",
            "this engine cannot kill a process together with its descendants, for HCS does not tell"
            " them: terminate each process, or the compute system",
        )


class Control:
    """Changes one process.

    Args:
        registry: Where work goes that must finish even if the caller is gone.
        process: Which one.
    """

    def __init__(self, registry: Registry, process: ServedProcess) -> None:
        self._registry = registry
        self._process = process

    async def signal(self, signal: pb.ProcessSignal) -> pb.SignalDelivery:
        """Send a signal; a kill travels as a termination, on its own handles.

        Returns:
            PENDING if HCS has not finished after `Limits.signal_wait`; it goes on.

        Raises:
            InvalidRequestError: The guest has no such signal.
            HcsError: HCS refused it.
        """
        opened = await self._registry.system(self._process.key.system_id)
        options = resolve(signal, opened.guest_os)
        if not self._process.running:
            return pb.SIGNAL_DELIVERY_ALREADY_EXITED
        if isinstance(options, Kill):
            await self._registry.terminate(self._process, pb.EXIT_REASON_TERMINATED)
            return pb.SIGNAL_DELIVERY_DELIVERED
        engine = self._engine("signal")
        done = self._registry.spawn(lambda: engine.signal(options), f"signal {self._process.name}")
        with anyio.move_on_after(self._registry.limits.signal_wait):
            result = await done.wait()
            if isinstance(result, (AlreadyStoppedError, ElementNotFoundError)):
                return pb.SIGNAL_DELIVERY_ALREADY_EXITED
            if isinstance(result, Exception):
                raise result
            return pb.SIGNAL_DELIVERY_DELIVERED
        return pb.SIGNAL_DELIVERY_PENDING

    async def terminate(self, grace: float, *, tree: bool = False) -> None:
        """Kill the process, after TERM and a time of grace if one is given; waits for its exit.

        A caller that goes away calls nothing back: the kill comes all the same.

        Args:
            grace: Seconds.
            tree: Kill all that descends from it, too, whether or not it follows TERM, which it gets
                alone.

        Raises:
            RequestError: UNIMPLEMENTED; this engine cannot kill trees.
            HcsError: HCS could not kill it.
        """
        if tree and not self._registry.host.kills_trees:
            raise TreeNotSupportedError
        done = self._registry.spawn(
            lambda: self._terminate(grace, tree=tree), f"terminate {self._process.name}"
        )
        result = await done.wait()
        if isinstance(result, Exception):
            raise result

    async def _terminate(self, grace: float, *, tree: bool) -> None:
        process = self._process
        if grace > 0 and process.running:
            process.expect(pb.EXIT_REASON_TERMINATED)
            with contextlib.suppress(HcsError):  # without a signal there is nothing to wait for
                await self.signal(pb.ProcessSignal(signal_number=LINUX_SIGNALS["TERM"]))
                with anyio.move_on_after(grace):
                    await process.exited.wait()
        await self._registry.terminate(process, pb.EXIT_REASON_TERMINATED, tree=tree)
        await process.exited.wait()

    async def delete(self) -> None:
        """Kill the process if it is running, and make the daemon forget it once it has exited.

        One that was opened is only forgotten.

        A caller that goes away calls nothing back.

        Raises:
            HcsError: HCS could not kill it; it is still known then.
        """
        done = self._registry.spawn(self._delete, f"delete {self._process.name}")
        result = await done.wait()
        if isinstance(result, Exception):
            raise result

    async def _delete(self) -> None:
        if self._process.running and not self._process.was_opened:
            await self._terminate(0, tree=False)
        self._registry.delete(self._process)

    async def modify(self, request: service_pb.ModifyProcessRequest) -> None:
        """Carry out a ModifyProcess request.

        Raises:
            RequestError: The process does not run.
            HcsError: HCS refused it.
        """
        kind = request.WhichOneof("modification")
        if kind == "console_size":
            await self.resize(request.console_size)
        elif kind == "close_handles":
            for handle in request.close_handles.handles:
                await self._close_stdio(STDIO_HANDLES[handle])
        else:
            await self._engine("modify").modify(request.modification_json)
            self._close_our_end(_closed_handle(request.modification_json))

    async def resize(self, size: pb.Console) -> None:
        """Set the size of the console.

        Raises:
            RequestError: A side is 0, or the process does not run.
            HcsError: HCS refused it; the process may have no console.
        """
        if not (size.columns and size.rows):
            raise InvalidRequestError(
                [Violation("console_size", "required", "needs 'columns' and 'rows' above 0")]
            )
        request = ProcessModifyRequest(
            "ConsoleSize", console_size=ConsoleSize(size.rows, size.columns)
        )
        await self._engine("resize").modify(request.to_json())

    async def _close_stdio(self, which: StdioHandle) -> None:
        if which == "StdIn" and self._process.stdin is not None:
            await self._process.stdin.close()
            return
        await self._engine("close stdio of").close_stdio(which)
        self._close_our_end(which)

    def _close_our_end(self, which: object) -> None:
        """Close the daemon's end of what HCS has closed: neither closing alone is enough."""
        if which in {"StdIn", "All"} and self._process.stdin is not None:
            self._process.stdin.abandon("it was closed")
        if which in {"StdOut", "All"}:
            self._process.close_output(STDOUT)
        if which in {"StdErr", "All"}:
            self._process.close_output(STDERR)

    def _engine(self, verb: str) -> Process:
        engine = self._process.engine
        if engine is None or not self._process.running:
            raise RequestError(
                grpc.StatusCode.FAILED_PRECONDITION,
                "PROCESS_NOT_RUNNING",
                f"cannot {verb} process '{self._process.name}': it has exited",
                metadata={"process": self._process.name},
            )
        return engine


def _closed_handle(modification: str) -> object:
    """Return the handle that a document closes, if it is for that.

    HCS has accepted the document, so it is well formed.
    """
    members = json.loads(modification)
    close = members.get("CloseHandle") if members.get("Operation") == "CloseHandle" else None
    return close.get("Handle") if isinstance(close, dict) else None
