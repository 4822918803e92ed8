"""RunProcess: one stream that creates a process, or attaches to one, and drives it.

Two tasks share the RPC. The events of an `OutputFeed` are written by the RPC's own task, which is
the only writer. Requests are read by another one; it answers through the feed.

Stdin goes through a bounded buffer that a third task empties, see `hcsd.rpc.input`, so that a
signal or a resize behind it is not held up by a process that does not read. When the buffer is full,
requests are no longer read, and gRPC's flow control stops the client.

    client ─▶ requests ─▶ buffer ─▶ stdin         stdin, close_stdin
                   ├─────▶ process                resize, signal
                   └─────▶ nothing                heartbeat

The end of the requests is not end-of-file for the process; only `close_stdin` is. The end of the
RPC detaches. If it owned the process, `hcsd.daemon.ownership` says what follows.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import anyio

from hcsd.daemon import modify
from hcsd.daemon.errors import InvalidRequestError, Violation
from hcsd.daemon.names import parse_process
from hcsd.daemon.output import OutputFeed
from hcsd.rpc.convert import console_from, process_request_from, signal_from
from hcsd.rpc.input import StdinBuffer
from hcsd.rpc.nested_create import within_create
from hcsd.rpc.output import wanted_from, write_events
from hcsd.rpc.status import to_status
from hcsd.v1 import process_service_pb2 as service_pb

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from hcsd.daemon.daemon import Daemon
    from hcsd.daemon.process import Process
    from hcsd.rpc.calls import Context
    from hcsd.rpc.validate import Validator

    Feed = OutputFeed[service_pb.RunProcessResponse]

OPERATIONS = {
    "stdin": service_pb.RUN_OPERATION_STDIN,
    "close_stdin": service_pb.RUN_OPERATION_CLOSE_STDIN,
    "resize": service_pb.RUN_OPERATION_RESIZE,
    "signal": service_pb.RUN_OPERATION_SIGNAL,
}


FIRST_ONLY = Violation("heartbeat_interval", "duration.not_in", "is for the first request only")


async def run_process(
    daemon: Daemon,
    validator: Validator,
    requests: AsyncIterator[service_pb.RunProcessRequest],
    context: Context,
) -> None:
    """Serve one RunProcess call.

    Raises:
        RequestError: The first request is not valid, or the process was not started.
        HcsError: HCS refused it.
    """
    first = await anext(requests, None)
    kind = first.WhichOneof("request") if first else None
    if first is None or kind not in {"create", "attach"}:
        raise InvalidRequestError(
            [Violation("request", "required", "the first request must be 'create' or 'attach'")]
        )
    validator.require_valid(first)
    if kind == "create":
        with within_create():
            asked = process_request_from(first.create, owned=True)
            process, _ = await daemon.processes.create(asked)
        attach = service_pb.RunAttach()
    else:
        process, attach = daemon.processes.get(parse_process(first.attach.name)), first.attach
    with contextlib.ExitStack() as held:
        if kind == "create":
            held.enter_context(process.ownership.held())
        feed: Feed = OutputFeed(
            process,
            daemon.stalls,
            wanted_from(attach, daemon.limits, first.heartbeat_interval),
            follow=True,
        )
        held.callback(feed.close)
        if attach.owner:  # and not before: an attach that fails takes nobody's place
            held.enter_context(process.ownership.held())
        async with anyio.create_task_group() as tasks:
            run = _Run(process, feed, validator)
            stdin = StdinBuffer(
                process,
                daemon.limits.stdin_buffer_bytes,
                take_over=attach.take_over,
                post=feed.post,
                fail=run.report,
                tasks=tasks,
            )
            tasks.start_soon(run.serve_requests, requests, stdin, name="run requests")
            failure = await _outcome(feed, context)
            tasks.cancel_scope.cancel()
        if failure is not None:
            raise failure


async def _outcome(feed: Feed, context: Context) -> Exception | None:
    """Write the events to their end; return what ended them early, which a task group would wrap."""
    try:
        await write_events(feed, service_pb.RunProcessResponse, context)
    except Exception as error:
        return error
    return None


class _Run:
    """The requests of one call after the first.

    Args:
        process: Which process they are for.
        feed: Where answers go.
        validator: Holds the rules of the contract.
    """

    def __init__(self, process: Process, feed: Feed, validator: Validator) -> None:
        self._process = process
        self._feed = feed
        self._validator = validator

    async def serve_requests(
        self, requests: AsyncIterator[service_pb.RunProcessRequest], stdin: StdinBuffer
    ) -> None:
        """Take every step; one that fails is reported, and the run goes on."""
        async for request in requests:
            kind = request.WhichOneof("request") or "request"
            try:
                await self._serve(kind, request, stdin)
            except Exception as error:  # to_status tells them apart
                self.report(kind, error)
        stdin.finish()

    async def _serve(
        self, kind: str, request: service_pb.RunProcessRequest, stdin: StdinBuffer
    ) -> None:
        """Take one step.

        Raises:
            RequestError: It is not valid, or not legal now.
            HcsError: HCS refused it.
        """
        violations = self._validator.check(request)
        if kind in {"create", "attach"}:
            violations.append(Violation(kind, "enum.not_in", "is for the first request only"))
        if request.HasField("heartbeat_interval"):
            violations.append(FIRST_ONLY)
        if violations:
            raise InvalidRequestError(violations)
        if kind in {"stdin", "close_stdin"}:
            await stdin.put(request)
        elif kind == "resize":
            await modify.resize(self._process, console_from(request.resize))
        elif kind == "signal":
            await self._process.signal(signal_from(request.signal))

    def report(self, kind: str, error: Exception) -> None:
        """Tell the client of a step that failed."""
        self._feed.post(_op_error(kind, error))


def _op_error(kind: str, error: Exception) -> service_pb.RunProcessResponse:
    """Report a step that failed; the run goes on."""
    operation = OPERATIONS.get(kind, service_pb.RUN_OPERATION_UNSPECIFIED)
    return service_pb.RunProcessResponse(
        op_error=service_pb.OpError(operation=operation, status=to_status(error))
    )
