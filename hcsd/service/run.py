"""RunProcess: one stream that creates a process, or attaches to one, and drives it.

Two tasks share the RPC. The events of an `OutputFeed` are written by the RPC's own task, which is
the only writer. Requests are read by another one; it answers through the feed.

Stdin goes through a bounded buffer that a third task empties, see `hcsd.service.input`, so that a
signal or a resize behind it is not held up by a process that does not read. When the buffer is full,
requests are no longer read, and gRPC's flow control stops the client.

    client ─▶ requests ─▶ buffer ─▶ stdin         stdin, close_stdin
                   └─────▶ process                resize, signal

The end of the requests is not end-of-file for the process; only `close_stdin` is. The end of the
RPC detaches, or kills if the process was created to die with its owner.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from hcsd.service.control import Control
from hcsd.service.errors import InvalidRequestError, Violation, to_status
from hcsd.service.input import StdinBuffer
from hcsd.service.output import OutputFeed
from hcsd.service.validate import check
from hcsd.v1 import process_pb2 as pb
from hcsd.v1 import process_service_pb2 as service_pb

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from hcsd.service.interceptor import Context
    from hcsd.service.registry import Registry
    from hcsd.service.served import ServedProcess

    Feed = OutputFeed[service_pb.RunProcessResponse]

OPERATIONS = {
    "stdin": service_pb.RUN_OPERATION_STDIN,
    "close_stdin": service_pb.RUN_OPERATION_CLOSE_STDIN,
    "resize": service_pb.RUN_OPERATION_RESIZE,
    "signal": service_pb.RUN_OPERATION_SIGNAL,
}


async def run_process(
    registry: Registry, requests: AsyncIterator[service_pb.RunProcessRequest], context: Context
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
    violations = check(first)
    if violations:
        raise InvalidRequestError(violations)
    if kind == "create":
        process, _ = await registry.create(first.create, owned=True)
        attach = service_pb.RunAttach()
    else:
        process, attach = registry.get(first.attach.name), first.attach
    feed = OutputFeed(
        process,
        service_pb.RunProcessResponse,
        registry.stalls,
        cursors=attach.cursors,
        follow=True,
        gap_policy=attach.gap_policy,
        max_chunk_bytes=attach.max_chunk_bytes or registry.limits.default_chunk_bytes,
    )
    try:
        await _drive(registry, process, feed, requests, context, take_over=attach.take_over)
    finally:
        feed.close()
        if process.plan.kill_when_orphaned and kind == "create" and process.running:
            registry.kill(process, pb.EXIT_REASON_OWNER_GONE)


async def _drive(
    registry: Registry,
    process: ServedProcess,
    feed: Feed,
    requests: AsyncIterator[service_pb.RunProcessRequest],
    context: Context,
    *,
    take_over: bool,
) -> None:
    failure: Exception | None = None
    async with anyio.create_task_group() as tasks:
        stdin = StdinBuffer(
            process,
            registry.limits.stdin_buffer_bytes,
            take_over=take_over,
            post=feed.post,
            fail=lambda kind, error: feed.post(_op_error(kind, error)),
            tasks=tasks,
        )
        tasks.start_soon(
            _serve_requests, registry, process, stdin, feed, requests, name="run requests"
        )
        try:
            await feed.pump(context.write)
        except Exception as error:  # the task group would wrap it
            failure = error
        tasks.cancel_scope.cancel()
    if failure is not None:
        raise failure


async def _serve_requests(
    registry: Registry,
    process: ServedProcess,
    stdin: StdinBuffer,
    feed: Feed,
    requests: AsyncIterator[service_pb.RunProcessRequest],
) -> None:
    control = Control(registry, process)
    async for request in requests:
        kind = request.WhichOneof("request") or "request"
        try:
            await _serve_request(kind, request, control, stdin)
        except Exception as error:  # to_status tells them apart
            feed.post(_op_error(kind, error))
    stdin.finish()


async def _serve_request(
    kind: str, request: service_pb.RunProcessRequest, control: Control, stdin: StdinBuffer
) -> None:
    """Take one step.

    Raises:
        RequestError: It is not valid, or not legal now.
        HcsError: HCS refused it.
    """
    violations = check(request)
    if kind in {"create", "attach"}:
        violations.append(Violation(kind, "enum.not_in", "is for the first request only"))
    if violations:
        raise InvalidRequestError(violations)
    if kind in {"stdin", "close_stdin"}:
        await stdin.put(request)
    elif kind == "resize":
        await control.resize(request.resize)
    else:
        await control.signal(request.signal)


def _op_error(kind: str, error: Exception) -> service_pb.RunProcessResponse:
    """Report a step that failed; the run goes on."""
    operation = OPERATIONS.get(kind, service_pb.RUN_OPERATION_UNSPECIFIED)
    return service_pb.RunProcessResponse(
        op_error=service_pb.OpError(operation=operation, status=to_status(error))
    )
