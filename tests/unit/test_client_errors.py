"""How a status becomes an error, and that nothing else gets out of any call."""

import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from pathlib import Path

import anyio
import grpc
import pytest
from google.protobuf.message import Message
from google.rpc import error_details_pb2

import hcsd_client
from hcsd.v1 import error_pb2
from hcsd.v1 import process_service_pb2 as service_pb
from hcsd_client import (
    CallError,
    Client,
    FieldViolation,
    HcsdClientError,
    InternalError,
    InvalidRequestError,
    NotFoundError,
    OutOfRangeError,
    Resource,
    Run,
    StdinBusyError,
    UnavailableError,
    error_from_status,
)
from hcsd_client._errors import CLASSES
from tests.unit.test_client_fake import (
    NAME,
    Context,
    FakeDaemon,
    Requests,
    fake_daemon,
    make_status,
    refuse,
)

FAILURES = [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK]

SYSTEM = "systems/host"
CALLS: dict[str, Callable[[Client], Awaitable[object]]] = {
    "create_process": lambda client: client.create_process(["x"]),
    "check_output": lambda client: client.check_output(["x"]),
    "exec": lambda client: client.exec(["x"]),
    "exec_process": lambda client: client.exec_process(["x"]),
    "get_process": lambda client: client.get_process(NAME),
    "list_processes": lambda client: first(client.list_processes()),
    "wait_process": lambda client: client.wait_process(NAME),
    "signal_process": lambda client: client.signal_process(NAME, "TERM"),
    "terminate_process": lambda client: client.terminate_process(NAME),
    "modify_process": lambda client: client.modify_process(NAME, console_size=(1, 2)),
    "get_process_properties": lambda client: client.get_process_properties(NAME),
    "delete_process": lambda client: client.delete_process(NAME),
    "read_output": lambda client: first(client.read_output(NAME)),
    "run_process": lambda client: first_of_run(client.run_process(["x"])),
    "attach_process": lambda client: first_of_run(client.attach_process(NAME)),
    "write_input": lambda client: client.write_input(NAME),
    "create": lambda client: client.create(["x"]),
    "open": lambda client: client.open(NAME),
    "run": lambda client: client.run(["x"]).__aenter__(),
    "list_systems": lambda client: first(client.list_systems()),
    "get_system": lambda client: client.get_system(SYSTEM),
    "create_system": lambda client: client.create_system("{}"),
    "start_system": lambda client: client.start_system(SYSTEM),
    "shut_down_system": lambda client: client.shut_down_system(SYSTEM),
    "terminate_system": lambda client: client.terminate_system(SYSTEM),
    "pause_system": lambda client: client.pause_system(SYSTEM),
    "resume_system": lambda client: client.resume_system(SYSTEM),
    "save_system": lambda client: client.save_system(SYSTEM),
    "modify_system": lambda client: client.modify_system(SYSTEM, "{}"),
    "get_system_properties": lambda client: client.get_system_properties(SYSTEM),
    "wait_system": lambda client: client.wait_system(SYSTEM),
    "open_process": lambda client: client.open_process(7),
    "watch_events": lambda client: first(client.watch_events()),
    "get_host": lambda client: client.get_host(),
    "reload_configuration": lambda client: client.reload_configuration(),
    "get_service_properties": lambda client: client.get_service_properties(),
    "modify_service_settings": lambda client: client.modify_service_settings("{}"),
}


async def first(messages: AsyncIterator[Message]) -> Message:
    return await anext(messages)


async def first_of_run(run: Run) -> Message:
    async with run:
        return await anext(run)


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[FakeDaemon]:
    async with fake_daemon(tmp_path) as daemon:
        yield daemon


def refusing(
    code: grpc.StatusCode, reason: str
) -> Callable[[Message, Context], Awaitable[Message]]:
    async def handle(request: Message, context: Context) -> Message:
        await refuse(context, code, "no", reason)
        raise AssertionError

    return handle


def test_every_method_is_among_the_calls() -> None:
    methods = {
        name
        for name, _ in inspect.getmembers(Client, inspect.isfunction)
        if not name.startswith("_")
    }
    assert methods == set(CALLS)


@pytest.mark.parametrize("code", FAILURES, ids=lambda code: code.name)
def test_every_code_has_a_class(code: grpc.StatusCode) -> None:
    error = error_from_status(make_status(code, "why", "SOME_REASON"))
    assert type(error) is CLASSES[code, ""]
    assert type(error) is not CallError
    assert (error.code, error.message, error.reason, str(error)) == (
        code,
        "why",
        "SOME_REASON",
        "why",
    )


@pytest.mark.parametrize(("code", "reason"), [key for key in CLASSES if key[1]])
def test_a_reason_refines_the_class_of_its_code(code: grpc.StatusCode, reason: str) -> None:
    refined = CLASSES[code, reason]
    assert type(error_from_status(make_status(code, "why", reason))) is refined
    assert issubclass(refined, CLASSES[code, ""])


def test_every_class_is_public() -> None:
    for found in CLASSES.values():
        assert getattr(hcsd_client, found.__name__) is found
        assert issubclass(found, HcsdClientError)


def test_a_code_of_the_future_is_an_internal_error() -> None:
    status = make_status(grpc.StatusCode.ABORTED, "why")
    status.code = 99
    assert type(error_from_status(status)) is InternalError


def test_a_reason_of_another_domain_says_nothing() -> None:
    status = make_status(grpc.StatusCode.FAILED_PRECONDITION, "why", "STDIN_BUSY")
    assert type(error_from_status(status)) is StdinBusyError
    info = error_details_pb2.ErrorInfo(reason="STDIN_BUSY", domain="example.com")
    status.details[0].Pack(info)
    error = error_from_status(status)
    assert not isinstance(error, StdinBusyError)
    assert error.reason == ""


def test_details_are_read() -> None:
    violation = error_details_pb2.BadRequest.FieldViolation
    bad = error_details_pb2.BadRequest(
        field_violations=[
            violation(field="parent", reason="required", description="is required"),
            violation(field="spec", description="must be set"),
        ]
    )
    error = error_from_status(
        make_status(grpc.StatusCode.INVALID_ARGUMENT, "bad", "INVALID_REQUEST", bad)
    )
    assert isinstance(error, InvalidRequestError)
    assert error.violations == (
        FieldViolation("parent", "required", "is required"),
        FieldViolation("spec", "", "must be set"),
    )
    assert error.hresult is None

    what = error_details_pb2.ResourceInfo(
        resource_type="hcsd.v1.Process", resource_name=NAME, description="deleted"
    )
    hcs = error_pb2.HcsErrorDetail(hresult=0x8037010E, function="HcsOpenComputeSystem")
    retry = error_details_pb2.RetryInfo()
    retry.retry_delay.FromMilliseconds(1500)
    error = error_from_status(
        make_status(grpc.StatusCode.NOT_FOUND, "gone", "HCS_E_SYSTEM_NOT_FOUND", what, hcs, retry)
    )
    assert isinstance(error, NotFoundError)
    assert error.resource == Resource("hcsd.v1.Process", NAME, "deleted")
    assert error.hcs == hcs
    assert error.hresult == 0x8037010E
    assert error.retry_delay == 1.5


def test_the_hresult_is_also_found_in_the_metadata() -> None:
    status = make_status(
        grpc.StatusCode.INTERNAL, "why", "E_FAIL", metadata={"hresult": "0x80004005"}
    )
    assert error_from_status(status).hresult == 0x80004005


@pytest.mark.parametrize("method", CALLS)
async def test_a_refusal_becomes_the_error_of_every_method(method: str, daemon: FakeDaemon) -> None:
    async def refuse_run(
        requests: Requests, context: Context
    ) -> AsyncGenerator[service_pb.RunProcessResponse]:
        await refuse(context, grpc.StatusCode.OUT_OF_RANGE, "no", "WHY")
        yield service_pb.RunProcessResponse()

    daemon.runs(refuse_run)
    for name in daemon.method_names():
        daemon.does(name, refusing(grpc.StatusCode.OUT_OF_RANGE, "WHY"))
    async with Client(daemon.target) as client:
        with pytest.raises(OutOfRangeError, match="no") as caught:
            await CALLS[method](client)
    assert caught.value.reason == "WHY"
    assert isinstance(caught.value.__context__, grpc.aio.AioRpcError)


@pytest.mark.parametrize("method", CALLS)
async def test_every_method_can_be_given_a_time_limit(method: str, daemon: FakeDaemon) -> None:
    """By a cancel scope, too, which must know the cancellation that it gets back as its own."""
    asked = anyio.Event()

    async def hang(request: object, context: Context) -> Message:
        asked.set()
        await anyio.sleep_forever()
        raise AssertionError

    async def hang_in_run(requests: Requests, context: Context) -> None:
        await hang(requests, context)

    daemon.drives(hang_in_run)
    for name in daemon.method_names():
        daemon.does(name, hang)
    async with Client(daemon.target) as client, anyio.create_task_group() as tasks:

        async def cancel() -> None:
            await asked.wait()
            scope.cancel()

        tasks.start_soon(cancel)
        with anyio.CancelScope() as scope:
            await CALLS[method](client)
        assert scope.cancelled_caught


async def test_a_status_without_details_is_an_error_of_its_code(daemon: FakeDaemon) -> None:
    async def handle(request: Message, context: Context) -> Message:
        await context.abort(grpc.StatusCode.PERMISSION_DENIED, "")
        raise AssertionError

    daemon.does("GetHost", handle)
    async with Client(daemon.target) as client:
        with pytest.raises(hcsd_client.PermissionDeniedError, match="PERMISSION_DENIED") as caught:
            await client.get_host()
    assert caught.value.reason == ""


async def test_details_that_are_garbage_leave_the_status(daemon: FakeDaemon) -> None:
    async def handle(request: Message, context: Context) -> Message:
        trailers = (("grpc-status-details-bin", b"\xff\xff"),)
        await context.abort(grpc.StatusCode.ABORTED, "why", trailers)
        raise AssertionError

    daemon.does("GetHost", handle)
    async with Client(daemon.target) as client:
        with pytest.raises(hcsd_client.AbortedError, match="why"):
            await client.get_host()


async def test_a_daemon_that_says_it_is_stopping_is_not_unreachable(daemon: FakeDaemon) -> None:
    daemon.does("GetHost", refusing(grpc.StatusCode.UNAVAILABLE, "DAEMON_STOPPING"))
    async with Client(daemon.target) as client:
        with pytest.raises(UnavailableError) as caught:
            await client.get_host()
    assert type(caught.value) is UnavailableError
