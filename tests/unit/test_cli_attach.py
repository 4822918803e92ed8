"""`hcsd attach` on a real terminal, against a daemon that answers from a script."""

import os
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path

import anyio
import grpc
import pytest

from hcsd.v1 import process_pb2 as pb
from hcsd.v1 import process_service_pb2 as service_pb
from tests.support.person import at_terminal
from tests.unit.test_client_fake import (
    NAME,
    Context,
    FakeDaemon,
    Requests,
    chunks,
    fake_daemon,
    make_status,
    run_events,
)

pytestmark = pytest.mark.skipif(os.name == "nt", reason="uses a pseudo-terminal")

Events = AsyncGenerator[service_pb.RunProcessResponse]


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[FakeDaemon]:
    async with fake_daemon(tmp_path) as daemon:
        process = pb.Process(name=NAME, state=pb.PROCESS_STATE_RUNNING)
        process.spec.console.columns = 80
        daemon.answers("GetProcess", service_pb.GetProcessResponse(process=process))
        yield daemon


@pytest.mark.parametrize(
    ("code", "reason", "hint", "was_there"),
    [
        (grpc.StatusCode.FAILED_PRECONDITION, "STDIN_BUSY", b"take its place with", False),
        (grpc.StatusCode.ABORTED, "STDIN_TAKEN_OVER", b"take it back with", True),
    ],
)
async def test_a_console_that_is_somebody_else_s_is_left(
    daemon: FakeDaemon, code: grpc.StatusCode, reason: str, hint: bytes, *, was_there: bool
) -> None:
    attached: list[service_pb.RunAttach] = []

    async def handle(requests: Requests, context: Context) -> Events:
        attached.append((await anext(requests)).attach)
        yield run_events()[0]
        await anext(requests)
        status = make_status(code, "it is not", reason, metadata={"process": NAME})
        failed = service_pb.OpError(operation=service_pb.RUN_OPERATION_STDIN, status=status)
        yield service_pb.RunProcessResponse(op_error=failed)
        await anyio.sleep_forever()

    daemon.runs(handle)
    with at_terminal(daemon.target, "attach", "--take-over", "one") as person:
        before = person.modes
        exit_code, seen = await person.leave()
        assert person.modes == before
    assert attached[0].take_over
    assert exit_code == 125
    assert b"hcsd: it is not; " + hint in seen
    assert (b"hcsd: detached; the process goes on\r\n" in seen) == was_there


async def test_a_daemon_that_hangs_can_be_left(daemon: FakeDaemon) -> None:
    async def handle(requests: Requests, context: Context) -> Events:
        await anext(requests)
        yield run_events()[0]
        for event in chunks([b"shown"]):
            yield event
        await anyio.sleep_forever()

    daemon.runs(handle)
    with at_terminal(daemon.target, "attach", "one") as person:
        before = person.modes
        await person.expect(b"shown")
        person.type(b"lost\x10\x11")
        exit_code, seen = await person.leave()
        assert person.modes == before
    assert exit_code == 0
    assert b"hcsd: detached" in seen
