"""ExecProcess: a process from its start to its end, in one call.

    create, or join an equal request ─▶ own it, feed its stdin ─▶ its output is complete ─▶ answer
                                            ├──the time for the answer is up──▶ answer; the owner has left
                                            └──the call ends early──▶ the owner has left

The calls that share a process own it jointly. One of them feeds its stdin; when that one leaves, the next
goes on behind what the pipe has taken. So nothing is lost with a call, and none takes anything from another.
Who takes stdin over by another call keeps it: no exec writes to it any more.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

import anyio

from hcsd.daemon.errors import InvalidRequestError, ProcessNotFoundError, Violation
from hcsd.daemon.options import OrphanPolicy
from hcsd.daemon.raw_document import read_document
from hcsd.daemon.spans import Span
from hcsd.daemon.spec import StdinMode
from hcsd.daemon.stdin_errors import StdinError
from hcsd.daemon.streams import Stream
from hcsd.hcs.errors import HcsError
from hcsd.io import Overflow
from hcsd.rpc.convert import fill_process, key_from, process_request_from, timeout_of
from hcsd.rpc.input import LEAST_TIME, close_stdin, stdin_of
from hcsd.rpc.nested_create import within_create
from hcsd.rpc.sizes import MAX_CAPTURE_BYTES, sendable
from hcsd.v1 import process_service_pb2 as service_pb

if TYPE_CHECKING:
    from hcsd.daemon.daemon import Daemon
    from hcsd.daemon.process import Process
    from hcsd.daemon.settings import Limits
    from hcsd.daemon.spec import ProcessRequest
    from hcsd.io import Ring

LEAST_RING = 64 * 1024  # bytes; no more than a ring holds is read at once, so a smaller one is slow
OWNER_GRACE = 10.0  # seconds: long enough to connect anew


async def exec_process(
    daemon: Daemon, request: service_pb.ExecProcessRequest
) -> service_pb.ExecProcessResponse:
    """Serve one ExecProcess call.

    Raises:
        RequestError: The process was not started, or was deleted while it ran.
        HcsError: HCS refused it.
    """
    size = request.max_output_bytes or MAX_CAPTURE_BYTES
    with within_create():
        asked = process_request_from(request.create, owned=True)
        asked = _with_defaults(asked, request, daemon.limits)
        process, replayed = await daemon.processes.create(asked)
    timeout = timeout_of(request)
    if timeout is not None:
        timeout = max(timeout, LEAST_TIME)  # or who asks again and again would never feed stdin
    with process.ownership.held(jointly=True):
        if not process.ended.is_set:
            with anyio.move_on_after(timeout):
                await _run(process, request.stdin)
    if process.deleted:
        raise ProcessNotFoundError(process.name)
    response = service_pb.ExecProcessResponse(replayed=replayed)
    fill_process(response.process, process.view())
    if not process.ended.is_set:
        response.timed_out = True
        return response
    _fill(response.stdout, process.rings[Stream.STDOUT], size)
    _fill(response.stderr, process.rings[Stream.STDERR], size)
    return sendable(response, "ask for less with 'max_output_bytes'")


def _with_defaults(
    asked: ProcessRequest, request: service_pb.ExecProcessRequest, limits: Limits
) -> ProcessRequest:
    """Fill in what a run to the end keeps otherwise than others.

    Raises:
        InvalidRequestError: There is input for a process without stdin.
    """
    options = asked.options
    policy = options.orphan_policy or OrphanPolicy.KILL_ON_OWNER_DISCONNECT
    grace = Span(round(min(OWNER_GRACE, limits.max_owner_grace) * 1e9))
    kills = policy is OrphanPolicy.KILL_ON_OWNER_DISCONNECT
    options = replace(
        options,
        ring_bytes=options.ring_bytes
        or max(request.max_output_bytes or MAX_CAPTURE_BYTES, LEAST_RING),
        overflow=Overflow.DROP_OLDEST,
        orphan_policy=policy,
        owner_grace=grace if options.owner_grace is None and kills else options.owner_grace,
    )
    same = service_pb.ExecProcessRequest()
    same.CopyFrom(request)
    same.ClearField("timeout")
    key = key_from(same, request.create.request_id)
    asked = replace(asked, options=options, key=key)
    if not request.stdin:
        return asked
    if asked.spec is not None:
        if asked.spec.stdin_mode is StdinMode.CLOSED:
            raise _no_stdin("spec.stdin_mode", "STDIN_MODE_PIPE or nothing")
        return replace(asked, spec=replace(asked.spec, stdin_mode=StdinMode.PIPE))
    if read_document(asked.document or "").stdin_mode is not StdinMode.PIPE:
        raise _no_stdin("parameters_json", "'CreateStdInPipe': true")
    return asked


def _no_stdin(field: str, remedy: str) -> InvalidRequestError:
    message = f"must have {remedy}, since there is 'stdin' for the process"
    return InvalidRequestError([Violation(field, "field.requires", message)])


async def _run(process: Process, data: bytes) -> None:
    """Feed a process, and wait until it and its output have ended.

    Raises:
        HcsError: HCS could not close its end of stdin, so that the process may read for ever.
    """
    failures: list[HcsError] = []

    async def feed() -> None:
        try:
            await _feed(process, data)
        except HcsError as error:  # a task group would wrap it
            failures.append(error)
            tasks.cancel_scope.cancel()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(feed, name=f"stdin of {process.name}")
        await process.ended.wait()
        tasks.cancel_scope.cancel()
    if failures and not process.ended.is_set:
        raise failures[0]


async def _feed(process: Process, data: bytes) -> None:
    """Write all of its stdin, and end it, unless others write to it.

    That the process does not want it is no error.

    Raises:
        HcsError: HCS could not close its end.
    """
    stdin = stdin_of(process)
    async with stdin.feeding:
        if stdin.taken:
            return
        with contextlib.suppress(StdinError), stdin.writer(feeds=True) as writer:
            await writer.write(0, data)
            await close_stdin(stdin, writer)


def _fill(captured: service_pb.CapturedOutput, ring: Ring, size: int) -> None:
    begin = ring.tail_offset(size)
    captured.end_offset = ring.end_offset
    captured.forced = ring.forced
    if begin < ring.end_offset:
        captured.data = ring.peek(begin, ring.end_offset - begin)
