"""What the daemon says no to: the code, the reason, the details, and nothing else."""

import json
import os
from pathlib import Path

import grpc
import pytest
from google.rpc import error_details_pb2

from hcsd.v1 import (
    compute_system_service_pb2 as system_pb,
)
from hcsd.v1 import (
    host_service_pb2 as host_pb,
)
from hcsd.v1 import (
    process_pb2 as pb,
)
from hcsd.v1 import (
    process_service_pb2 as service_pb,
)
from tests.integration.wire import HOST, Client, at, code_of, refused, seconds

Code = grpc.StatusCode

NOWHERE = "systems/no-such-system"
NOBODY = f"{HOST}/processes/nobody"
TRUE = pb.ProcessSpec(argv=pb.Argv(args=["true"]))


def create(
    parent: str = HOST,
    spec: pb.ProcessSpec | None = None,
    *,
    document: str | None = None,
    process_id: str = "",
    request_id: str = "",
) -> service_pb.CreateProcessRequest:
    return service_pb.CreateProcessRequest(
        parent=parent,
        spec=spec,
        parameters_json=document,
        process_id=process_id,
        request_id=request_id,
    )


# --- what cannot be started ---


@pytest.mark.parametrize("program", ["no-such-program", "/no/such/program", "./no-such-program"])
async def test_a_missing_program_is_not_found(client: Client, program: str) -> None:
    with refused(Code.NOT_FOUND, "EXECUTABLE_NOT_FOUND") as refusal:
        await client.create(pb.Argv(args=[program, "argument"]))
    assert program in refusal.value.message
    assert refusal.value.info.metadata["hresult"] == "0x80070002"
    assert refusal.value.hcs.hresult == 0x80070002


async def test_a_start_that_fails_late_names_the_function_that_was_called(client: Client) -> None:
    with refused(Code.NOT_FOUND) as refusal:
        await client.create(pb.Argv(args=["no-such-program"]))
    assert refusal.value.info.metadata["function"] == "HcsCreateProcess"


async def test_a_program_below_a_file_is_not_found(client: Client) -> None:
    with refused(Code.NOT_FOUND, "EXECUTABLE_NOT_FOUND"):
        await client.create(pb.Argv(args=["/etc/passwd/program"]))


async def test_a_program_whose_name_no_file_can_have_is_refused(client: Client) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await client.create(pb.Argv(args=["n" * 300]))
    assert error.value.code() in {Code.NOT_FOUND, Code.INVALID_ARGUMENT}


async def test_a_program_that_may_not_be_run_is_denied(client: Client) -> None:
    with refused(Code.PERMISSION_DENIED) as refusal:
        await client.create(pb.Argv(args=["/etc/passwd"]))
    assert "/etc/passwd" in refusal.value.message


async def test_a_missing_directory_is_named(client: Client) -> None:
    spec = pb.ProcessSpec(working_directory="/no/such/directory")
    with refused(Code.INVALID_ARGUMENT, "WORKING_DIRECTORY_NOT_FOUND") as refusal:
        await client.create(pb.Argv(args=["true"]), spec=spec)
    assert "/no/such/directory" in refusal.value.message


@pytest.mark.parametrize(
    ("directory", "rule", "reason"),
    [
        ("/no/such", "not_found", "WORKING_DIRECTORY_NOT_FOUND"),
        ("/etc/passwd", "not_a_directory", "WORKING_DIRECTORY_NOT_FOUND"),
        ("/etc/passwd/a", "not_a_directory", "WORKING_DIRECTORY_NOT_FOUND"),
        ("/" + "a" * 300, "too_long", "WORKING_DIRECTORY_NOT_FOUND"),
        ("LOOP", "too_many_links", "WORKING_DIRECTORY_NOT_FOUND"),
        ("CLOSED", "permission_denied", "INVALID_REQUEST"),
    ],
)
async def test_a_directory_that_cannot_be_entered_is_the_mistake_of_a_field(
    client: Client, tmp_path: Path, directory: str, rule: str, reason: str
) -> None:
    spec = pb.ProcessSpec()
    if directory == "LOOP":
        (tmp_path / "loop").symlink_to("loop")
        directory = f"{tmp_path}/loop"
    elif directory == "CLOSED":
        (tmp_path / "closed").mkdir(0)
        directory = f"{tmp_path}/closed"
        spec.user = "" if os.getuid() else "nobody"  # root may enter all
    spec.working_directory = directory
    with refused(Code.INVALID_ARGUMENT, reason) as refusal:
        await client.create(pb.Argv(args=["true"]), spec=spec)
    assert refusal.value.violations == [("spec.working_directory", rule)]
    assert directory in refusal.value.message
    assert refusal.value.info.metadata["stage"] == "working_directory"
    assert refusal.value.info.metadata["violations"] == "1"
    assert refusal.value.hcs.hresult


async def test_a_document_is_to_blame_for_what_is_in_it(client: Client) -> None:
    document = '{"CommandArgs": ["true"], "WorkingDirectory": "/no/such"}'
    request = service_pb.CreateProcessRequest(parent=HOST, parameters_json=document)
    with refused(Code.INVALID_ARGUMENT, "WORKING_DIRECTORY_NOT_FOUND") as refusal:
        await client.processes.CreateProcess(request)
    assert refusal.value.violations == [("parameters_json", "not_found")]


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        (pb.ProcessSpec(user="no-such-user"), "spec.user"),
        (pb.ProcessSpec(user="root:no-such-group"), "spec.user"),
        (pb.ProcessSpec(argv=pb.Argv(args=["/bin/echo", "x" * 300_000])), "spec.argv"),
    ],
    ids=["user", "group", "arguments"],
)
async def test_what_a_start_fails_for_is_a_field(
    client: Client, spec: pb.ProcessSpec, field: str
) -> None:
    argv = spec.argv if spec.HasField("argv") else pb.Argv(args=["true"])
    with refused(Code.INVALID_ARGUMENT) as refusal:
        await client.create(argv, spec=spec)
    assert refusal.value.fields == [field]


async def test_an_unknown_user_is_refused_and_the_system_goes_on(client: Client) -> None:
    for user in ("no-such-user", "4294967295", "9" * 30, "\u00b2"):
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await client.create(pb.Argv(args=["true"]), spec=pb.ProcessSpec(user=user))
        assert error.value.code() not in {Code.INTERNAL, Code.UNKNOWN}, user
        assert user in (error.value.details() or "")
    made = await client.create(pb.Argv(args=["true"]))
    assert (await client.wait(made.name)).exit.exit_code == 0


async def test_a_restricted_token_is_not_for_this_engine(client: Client) -> None:
    with refused(Code.UNIMPLEMENTED) as refusal:
        await client.create(pb.Argv(args=["true"]), spec=pb.ProcessSpec(restricted_token=True))
    assert "RestrictedToken" in refusal.value.message


async def test_nothing_is_left_of_what_did_not_start(client: Client) -> None:
    for _ in range(2):
        with refused(Code.NOT_FOUND):
            await client.create(pb.Argv(args=["no-such-program"]), process_id="never-started")
    with refused(Code.NOT_FOUND, "PROCESS_NOT_FOUND"):
        await client.get(f"{HOST}/processes/never-started")


# --- what does not exist ---


async def test_an_unknown_system_has_the_hresult_of_hcs(client: Client) -> None:
    list_request = service_pb.ListProcessesRequest(parent=NOWHERE)
    get_request = system_pb.GetComputeSystemRequest(name=NOWHERE)
    for call in (
        lambda: client.processes.CreateProcess(create(NOWHERE, TRUE)),
        lambda: client.processes.ListProcesses(list_request),
        lambda: client.systems.GetComputeSystem(get_request),
    ):
        with refused(Code.NOT_FOUND, "HCS_E_SYSTEM_NOT_FOUND") as refusal:
            await call()
        assert refusal.value.info.metadata["hresult"] == "0x8037010E"
        assert refusal.value.info.metadata["function"] == "HcsOpenComputeSystem"
        assert refusal.value.hcs.hresult == 0x8037010E
        resource = refusal.value.detail(error_details_pb2.ResourceInfo)
        assert resource.resource_name == NOWHERE
        assert "no-such-system" in refusal.value.message


async def test_an_unknown_process_is_named(client: Client) -> None:
    wait = service_pb.WaitProcessRequest(name=NOBODY)
    modify = service_pb.ModifyProcessRequest(
        name=NOBODY, console_size=pb.Console(columns=80, rows=25)
    )
    properties = service_pb.GetProcessPropertiesRequest(name=NOBODY)
    for call in (
        lambda: client.get(NOBODY),
        lambda: client.processes.WaitProcess(wait),
        lambda: client.signal(NOBODY, pb.ProcessSignal(signal_number=15)),
        lambda: client.terminate(NOBODY),
        lambda: client.processes.ModifyProcess(modify),
        lambda: client.processes.GetProcessProperties(properties),
        lambda: client.delete(NOBODY),
        lambda: client.read(NOBODY),
    ):
        with refused(Code.NOT_FOUND, "PROCESS_NOT_FOUND") as refusal:
            await call()
        resource = refusal.value.detail(error_details_pb2.ResourceInfo)
        assert resource.resource_name == NOBODY
        assert refusal.value.info.metadata["process"] == NOBODY


async def test_attaching_to_an_unknown_process_is_not_found(client: Client) -> None:
    run = await client.attach(service_pb.RunAttach(name=NOBODY))
    with refused(Code.NOT_FOUND, "PROCESS_NOT_FOUND"):
        await run.read()


# --- what is malformed ---


@pytest.mark.parametrize(
    "document",
    [
        "",
        "{",
        "null",
        "[]",
        '"text"',
        "{}",
        '{"CommandLine": 1}',
        '{"CommandLine": "true", "Nonsense": true}',
        '{"CommandLine": "true", "CommandArgs": ["true"]}',
        '{"CommandArgs": ["true"], "Environment": ["A=1"]}',
        '{"CommandArgs": ["true"], "ConsoleSize": [1, 2]}',
        '{"CommandArgs": ["true"], "EmulateConsole": true, "ConsoleSize": [70000, 1]}',
        '{"CommandLine": "\'open"}',
        '{"CommandArgs": ["a\\u0000b"]}',
        "[" * 100_000,
        '{"a":' * 100_000,
        '{"\\ud800": 1}',
        '{"CommandLine": "\\ud800", "Nonsense": true}',
        '{"' + "n" * 20_000 + '": 1}',
    ],
    ids=range(19),
)
async def test_a_malformed_document_is_invalid_json(client: Client, document: str) -> None:
    with refused(Code.INVALID_ARGUMENT, "HCS_E_INVALID_JSON") as refusal:
        await client.processes.CreateProcess(create(document=document))
    assert refusal.value.info.metadata["hresult"] == "0x8037010D"
    assert refusal.value.hcs.hresult == 0x8037010D


@pytest.mark.parametrize(
    "members",
    [
        {"CommandArgs": ["echo", "\ud800"]},
        {"CommandArgs": ["\ud800"]},
        {"CommandLine": "echo \ud800"},
        {"CommandArgs": ["true"], "WorkingDirectory": "\ud800"},
        {"CommandArgs": ["true"], "User": "\ud800"},
        {"CommandArgs": ["true"], "Environment": {"\ud800": "\ud800"}},
    ],
    ids=["argument", "program", "line", "directory", "user", "environment"],
)
async def test_text_that_is_no_unicode_is_the_clients_mistake(
    client: Client, members: dict[str, object]
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await client.processes.CreateProcess(create(document=json.dumps(members)))
    assert error.value.code() in {Code.INVALID_ARGUMENT, Code.NOT_FOUND, Code.UNAUTHENTICATED}
    made = await client.create(pb.Argv(args=["true"]))
    assert (await client.wait(made.name)).exit.exit_code == 0


async def test_documents_for_a_running_process_are_checked_too(client: Client) -> None:
    made = await client.create(pb.Argv(args=["sleep", "1000"]))
    for document in ("{", '{"\\ud800": 1}', '{"Operation": "Nonsense"}', "[" * 100_000):
        with refused(Code.INVALID_ARGUMENT, "HCS_E_INVALID_JSON"):
            await client.signal(made.name, pb.ProcessSignal(options_json=document))
        with refused(Code.INVALID_ARGUMENT, "HCS_E_INVALID_JSON"):
            await client.processes.ModifyProcess(
                service_pb.ModifyProcessRequest(name=made.name, modification_json=document)
            )


async def test_an_empty_request_lists_every_violation(client: Client) -> None:
    with refused(Code.INVALID_ARGUMENT, "INVALID_REQUEST") as refusal:
        await client.processes.CreateProcess(service_pb.CreateProcessRequest())
    assert refusal.value.fields == ["parent", "source"]
    assert "parent" in refusal.value.message
    assert "source" in refusal.value.message
    with refused(Code.INVALID_ARGUMENT, "INVALID_REQUEST") as refusal:
        await client.processes.ModifyProcess(service_pb.ModifyProcessRequest())
    assert refusal.value.fields == ["name", "modification"]


async def test_a_request_with_everything_wrong_lists_everything(client: Client) -> None:
    spec = pb.ProcessSpec(
        argv=pb.Argv(),
        working_directory="a\0b",
        env=[
            pb.EnvironmentVariable(name="FINE"),
            pb.EnvironmentVariable(),
            pb.EnvironmentVariable(name="A=B", value="\0"),
        ],
        console=pb.Console(columns=70_000, rows=70_000),
        run_timeout=seconds(-1),
        drain_timeout=seconds(-0.5),
        output=pb.OutputOptions(ring_bytes=2**40),
    )
    spec.stdin_mode = 77  # type: ignore[assignment]  # what an enum takes on the wire
    with refused(Code.INVALID_ARGUMENT, "INVALID_REQUEST") as refusal:
        await client.processes.CreateProcess(
            create("nonsense", spec, process_id="-bad-", request_id="not a uuid")
        )
    assert set(refusal.value.fields) == {
        "parent",
        "process_id",
        "request_id",
        "spec.argv.args",
        "spec.working_directory",
        "spec.env[1].name",
        "spec.env[2].name",
        "spec.env[2].value",
        "spec.console.columns",
        "spec.console.rows",
        "spec.stdin_mode",
        "spec.run_timeout",
        "spec.drain_timeout",
        "spec.output.ring_bytes",
    }


@pytest.mark.parametrize(
    "name",
    [
        "",
        "nonsense",
        HOST,
        f"{HOST}/processes/",
        f"{HOST}/processes/-a",
        f"{HOST}/processes/{'a' * 129}",
        f"{HOST}/processes/a/b",
        f"/{HOST}/processes/a",
        f"{HOST}/processes/a\n",
        f"{HOST}/processes/ä",
        "systems//processes/a",
        "systems/a b/processes/a",
        "systems/a%/processes/a",
        "systems/a%00/processes/a",
    ],
)
async def test_a_malformed_name_is_refused(client: Client, name: str) -> None:
    with refused(Code.INVALID_ARGUMENT, "INVALID_REQUEST") as refusal:
        await client.get(name)
    assert set(refusal.value.fields) == {"name"}


async def test_the_name_of_a_system_cannot_hide_another_behind_a_nul(client: Client) -> None:
    for parent in ("systems/host%00x", "systems/%00"):
        with refused(Code.INVALID_ARGUMENT, "INVALID_REQUEST"):
            await client.processes.CreateProcess(create(parent, TRUE))
        with refused(Code.INVALID_ARGUMENT, "INVALID_REQUEST"):
            await client.processes.ListProcesses(service_pb.ListProcessesRequest(parent=parent))


async def test_a_process_needs_one_system(client: Client) -> None:
    with refused(Code.INVALID_ARGUMENT, "INVALID_REQUEST") as refusal:
        await client.processes.CreateProcess(create("systems/-", TRUE))
    assert refusal.value.fields == ["parent"]


async def test_a_percent_encoded_name_means_the_same_system(client: Client) -> None:
    response = await client.processes.CreateProcess(create("systems/%68%6Fst", TRUE))
    client.made.append(response.process.name)
    assert response.process.name.startswith(f"{HOST}/processes/")


# --- what is too much ---


async def test_more_violations_than_a_trailer_holds_are_refused_all_the_same(
    client: Client,
) -> None:
    spec = pb.ProcessSpec(
        argv=pb.Argv(args=["true"]), env=[pb.EnvironmentVariable() for _ in range(5000)]
    )
    with refused(Code.INVALID_ARGUMENT, "INVALID_REQUEST") as refusal:
        await client.processes.CreateProcess(create(spec=spec))
    assert refusal.value.fields[:2] == ["spec.env[0].name", "spec.env[1].name"]
    told = refusal.value.info.metadata
    assert told["violations"] == "5000"
    assert int(told["violations_left_out"]) == 5000 - len(refusal.value.fields)
    assert f"{told['violations_left_out']} of 5000 violations" in refusal.value.message


@pytest.mark.parametrize("character", ["x", "é", "\n", "%", "\U0001f600"])
async def test_a_name_longer_than_a_trailer_is_told_shortened(
    client: Client, character: str
) -> None:
    spec = pb.ProcessSpec(working_directory=f"/no/such/{character * 20_000}")
    with refused(Code.INVALID_ARGUMENT, "WORKING_DIRECTORY_NOT_FOUND") as refusal:
        await client.create(pb.Argv(args=["true"]), spec=spec)
    assert f"/no/such/{character}" in refusal.value.message
    with refused(Code.INVALID_ARGUMENT, "INVALID_REQUEST") as refusal:
        await client.create(
            pb.Argv(args=["true"]), spec=pb.ProcessSpec(working_directory=character * 1000)
        )
    assert refusal.value.fields == ["spec.working_directory"]
    system = f"systems/{'x' * 100_000}"
    with refused(Code.NOT_FOUND, "HCS_E_SYSTEM_NOT_FOUND"):
        await client.processes.CreateProcess(create(system, TRUE))
    with refused(Code.NOT_FOUND, "PROCESS_NOT_FOUND"):
        await client.get(f"{system}/processes/a")


async def test_an_argument_list_that_the_kernel_refuses_is_the_clients_mistake(
    client: Client,
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await client.create(pb.Argv(args=["echo", "x" * 3_000_000]))
    assert error.value.code() in {Code.INVALID_ARGUMENT, Code.RESOURCE_EXHAUSTED}


async def test_a_message_beyond_the_limit_is_refused_and_the_connection_lives(
    client: Client,
) -> None:
    host = await client.hosts.GetHost(host_pb.GetHostRequest())
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await client.create(pb.Argv(args=["echo", "x" * host.limits.max_message_bytes]))
    assert error.value.code() is Code.RESOURCE_EXHAUSTED
    await client.hosts.GetHost(host_pb.GetHostRequest())


# --- what there is not ---


async def test_an_unknown_method_is_unimplemented(client: Client) -> None:
    assert await code_of(client.nonsense()) is Code.UNIMPLEMENTED


# --- what does not fit the state ---


async def test_what_needs_a_running_process_says_that_it_has_exited(client: Client) -> None:
    made = await client.create(pb.Argv(args=["true"]))
    await client.wait(made.name)
    for modification in (
        {"console_size": pb.Console(columns=80, rows=25)},
        {"modification_json": '{"Operation": "ConsoleSize"}'},
    ):
        with refused(Code.FAILED_PRECONDITION, "PROCESS_NOT_RUNNING") as refusal:
            await client.processes.ModifyProcess(
                service_pb.ModifyProcessRequest(name=made.name, **modification)
            )
        assert made.name in refusal.value.message


async def test_a_process_without_a_console_cannot_be_resized(client: Client) -> None:
    made = await client.create(pb.Argv(args=["sleep", "1000"]))
    with refused(Code.FAILED_PRECONDITION) as refusal:
        await client.processes.ModifyProcess(
            service_pb.ModifyProcessRequest(
                name=made.name, console_size=pb.Console(columns=80, rows=25)
            )
        )
    assert "console" in refusal.value.message


@pytest.mark.parametrize("handles", [[], [0], [-1], [5], [1, 77]])
async def test_handles_that_do_not_exist_cannot_be_closed(
    client: Client, handles: list[service_pb.StdioHandle]
) -> None:
    made = await client.create(pb.Argv(args=["sleep", "1000"]))
    with refused(Code.INVALID_ARGUMENT, "INVALID_REQUEST") as refusal:
        await client.processes.ModifyProcess(
            service_pb.ModifyProcessRequest(
                name=made.name, close_handles=service_pb.CloseHandles(handles=handles)
            )
        )
    assert refusal.value.fields == ["close_handles.handles"]


async def test_closing_a_handle_that_is_closed_is_ok(client: Client) -> None:
    made = await client.create(pb.Argv(args=["sleep", "1000"]))
    for handle in (service_pb.STDIO_HANDLE_STDIN, service_pb.STDIO_HANDLE_STDIN):
        await client.processes.ModifyProcess(
            service_pb.ModifyProcessRequest(
                name=made.name, close_handles=service_pb.CloseHandles(handles=[handle])
            )
        )


@pytest.mark.parametrize(
    ("request_", "fields"),
    [
        (service_pb.ReadOutputRequest(name=NOBODY, max_chunk_bytes=2**20 + 1), ["max_chunk_bytes"]),
        (
            service_pb.ReadOutputRequest(
                name=NOBODY, cursors=[at(pb.OUTPUT_STREAM_UNSPECIFIED, 0)]
            ),
            ["cursors[0].stream"],
        ),
        (
            service_pb.ReadOutputRequest(
                name="", cursors=[at(pb.OUTPUT_STREAM_STDOUT, 0)] * 2, max_chunk_bytes=2**31
            ),
            ["name", "cursors", "max_chunk_bytes"],
        ),
    ],
    ids=["chunk", "stream", "all"],
)
async def test_a_malformed_read_is_refused(
    client: Client, request_: service_pb.ReadOutputRequest, fields: list[str]
) -> None:
    with refused(Code.INVALID_ARGUMENT, "INVALID_REQUEST") as refusal:
        await client.processes.ReadOutput(request_).read()
    assert sorted(refusal.value.fields) == sorted(fields)
