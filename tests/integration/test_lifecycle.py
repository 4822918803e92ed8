"""Create, get, list, wait, delete, properties: what a client finds of a process."""

import json
import os
import time
import uuid
from contextlib import suppress
from pathlib import Path

import anyio
import grpc
import pytest
from google.rpc import error_details_pb2

from hcsd.v1 import process_pb2 as pb
from hcsd.v1 import process_service_pb2 as service_pb
from tests.integration.wire import HOST, Client, code_of, connected, refused, seconds, sh
from tests.support.census import ended, is_running
from tests.support.daemon import Daemon

Code = grpc.StatusCode

FOREVER = pb.Argv(args=["sleep", "1000"])
TRUE = pb.Argv(args=["true"])


async def test_a_new_process_is_there_under_its_name(client: Client) -> None:
    made = await client.create(FOREVER, process_id="lives-1.a_B", labels={"tier": "web"})
    assert made.name == "systems/host/processes/lives-1.a_B"
    assert made.state == pb.PROCESS_STATE_RUNNING
    assert made.origin == pb.PROCESS_ORIGIN_CREATED
    assert made.labels == {"tier": "web"}
    assert made.spec.argv == FOREVER
    assert is_running(made.pid)
    assert made.create_time.ToNanoseconds() <= made.start_time.ToNanoseconds()
    assert not made.HasField("exit")
    found = await client.get(made.name)
    assert (found.name, found.uid, found.pid) == (made.name, made.uid, made.pid)
    assert found.incarnation


async def test_a_process_without_an_id_gets_one(client: Client) -> None:
    first, second = await client.create(TRUE), await client.create(TRUE)
    assert first.name != second.name
    assert first.uid != second.uid
    assert first.name.startswith(f"{HOST}/processes/")


async def test_a_process_made_from_a_document_shows_its_command(client: Client) -> None:
    document = {"CommandLine": "sh -c 'printf \"a b\"'", "CreateStdOutPipe": True}
    response = await client.processes.CreateProcess(
        service_pb.CreateProcessRequest(parent=HOST, parameters_json=json.dumps(document))
    )
    client.made.append(response.process.name)
    assert response.process.spec.command_line == document["CommandLine"]
    output = await client.read(response.process.name)
    assert (output.stdout, output.stderr) == (b"a b", b"")
    assert response.process.stderr.closed


async def test_an_exited_process_keeps_its_exit_and_its_output(client: Client) -> None:
    made = await client.create(sh("echo out; echo err >&2; exit 7"))
    await client.wait(made.name, service_pb.WAIT_FOR_OUTPUT_COMPLETE)
    found = await client.get(made.name)
    assert found.state == pb.PROCESS_STATE_EXITED
    assert found.exit.exit_code == 7
    assert found.exit.reason == pb.EXIT_REASON_EXITED
    assert found.exit.output_complete
    assert found.exit.exit_time.ToNanoseconds() >= found.start_time.ToNanoseconds()
    for _ in range(2):  # reading takes nothing away
        output = await client.read(made.name)
        assert (output.stdout, output.stderr, output.code) == (b"out\n", b"err\n", 7)
    assert (found.stdout.end_offset, found.stdout.closed) == (4, True)


async def test_stdin_is_closed_unless_asked_for(client: Client) -> None:
    without = await client.create(FOREVER)
    with_pipe = await client.create(FOREVER, spec=pb.ProcessSpec(stdin_mode=pb.STDIN_MODE_PIPE))
    assert without.stdin.closed
    assert not with_pipe.stdin.closed


async def test_environment_and_directory_reach_the_process(client: Client) -> None:
    spec = pb.ProcessSpec(
        working_directory="/usr",
        env=[
            pb.EnvironmentVariable(name="EMPTY"),
            pb.EnvironmentVariable(name="TWICE", value="first"),
            pb.EnvironmentVariable(name="TWICE", value="ünï=\n"),
        ],
    )
    script = 'pwd; printf "%s|%s|%s" "${EMPTY-unset}" "$TWICE" "${ABSENT-unset}"'
    made = await client.create(sh(script), spec=spec)
    assert (await client.read(made.name)).stdout == "/usr\n|ünï=\n|unset".encode()


async def test_a_command_line_is_split_as_a_shell_would_and_no_shell_runs(client: Client) -> None:
    spec = pb.ProcessSpec(command_line=r"""printf '[%s]' 'a b' "c\"d" e\ f $HOME * """)
    response = await client.processes.CreateProcess(
        service_pb.CreateProcessRequest(parent=HOST, spec=spec)
    )
    client.made.append(response.process.name)
    assert (await client.read(response.process.name)).stdout == b'[a b][c"d][e f][$HOME][*]'


# --- list ---


async def test_a_list_has_pages_in_order_of_creation(client: Client) -> None:
    labels = {"list": uuid.uuid4().hex}
    names = [(await client.create(TRUE, labels=labels)).name for _ in range(5)]
    request = service_pb.ListProcessesRequest(parent=HOST, labels=labels, page_size=2)
    pages = []
    while True:
        response = await client.processes.ListProcesses(request)
        pages.append([process.name for process in response.processes])
        request.page_token = response.next_page_token
        if not request.page_token:
            break
    assert pages == [names[:2], names[2:4], names[4:]]


async def test_what_is_deleted_between_two_pages_neither_repeats_nor_hides_others(
    client: Client,
) -> None:
    labels = {"list": uuid.uuid4().hex}
    names = [(await client.create(TRUE, labels=labels)).name for _ in range(4)]
    request = service_pb.ListProcessesRequest(parent=HOST, labels=labels, page_size=2)
    first = await client.processes.ListProcesses(request)
    for name in names[1:3]:
        await client.wait(name)
        await client.delete(name)
    request.page_token = first.next_page_token
    second = await client.processes.ListProcesses(request)
    assert [process.name for process in second.processes] == [names[3]]
    assert not second.next_page_token


async def test_a_list_selects_by_state_by_labels_and_by_system(client: Client) -> None:
    mine = uuid.uuid4().hex
    alive = await client.create(FOREVER, labels={"list": mine, "kind": "alive"})
    dead = await client.create(TRUE, labels={"list": mine, "kind": "dead"})
    await client.wait(dead.name)

    async def listed(parent: str = HOST, *states: pb.ProcessState, **labels: str) -> list[str]:
        response = await client.processes.ListProcesses(
            service_pb.ListProcessesRequest(
                parent=parent, states=states, labels={"list": mine, **labels}
            )
        )
        return [process.name for process in response.processes]

    assert await listed() == [alive.name, dead.name]
    assert await listed("systems/-") == [alive.name, dead.name]
    assert await listed(HOST, pb.PROCESS_STATE_RUNNING) == [alive.name]
    assert await listed(HOST, pb.PROCESS_STATE_EXITED) == [dead.name]
    assert await listed(HOST, pb.PROCESS_STATE_EXITED, pb.PROCESS_STATE_RUNNING) == [
        alive.name,
        dead.name,
    ]
    assert await listed(kind="dead") == [dead.name]
    assert await listed(kind="neither") == []


async def test_a_list_takes_any_page_size_but_a_negative_one(client: Client) -> None:
    list_processes = client.processes.ListProcesses
    await list_processes(service_pb.ListProcessesRequest(parent=HOST, page_size=2**31 - 1))
    with refused(Code.INVALID_ARGUMENT) as refusal:
        await list_processes(service_pb.ListProcessesRequest(parent=HOST, page_size=-1))
    assert refusal.value.fields == ["page_size"]
    for token in ("nonsense", "é", "YWZ0ZXI6eA=="):
        with refused(Code.INVALID_ARGUMENT) as refusal:
            await list_processes(service_pb.ListProcessesRequest(parent=HOST, page_token=token))
        assert refusal.value.fields == ["page_token"]


# --- wait ---


async def test_a_wait_with_a_timeout_answers_with_the_present_state(client: Client) -> None:
    made = await client.create(FOREVER)
    for timeout in (0.0, 0.05):
        for wait_for in (service_pb.WAIT_FOR_EXIT, service_pb.WAIT_FOR_OUTPUT_COMPLETE):
            response = await client.processes.WaitProcess(
                service_pb.WaitProcessRequest(
                    name=made.name, timeout=seconds(timeout), wait_for=wait_for
                )
            )
            assert response.timed_out
            assert response.process.state == pb.PROCESS_STATE_RUNNING


async def test_a_wait_of_no_time_for_what_is_over_does_not_time_out(client: Client) -> None:
    made = await client.create(TRUE)
    await client.wait(made.name, service_pb.WAIT_FOR_OUTPUT_COMPLETE)
    for wait_for in (service_pb.WAIT_FOR_EXIT, service_pb.WAIT_FOR_OUTPUT_COMPLETE):
        response = await client.processes.WaitProcess(
            service_pb.WaitProcessRequest(name=made.name, timeout=seconds(0), wait_for=wait_for)
        )
        assert not response.timed_out
        assert response.process.exit.exit_code == 0


async def test_any_number_may_wait_and_again_after_the_exit(client: Client) -> None:
    made = await client.create(FOREVER)
    seen: list[int] = []

    async def wait() -> None:
        seen.append((await client.wait(made.name)).exit.signal)

    async with anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(wait)
        await client.get(made.name)
        assert seen == []
        await client.signal(made.name, pb.ProcessSignal(signal_name="USR1"))
    assert seen == [10] * 20
    assert (await client.wait(made.name)).exit.signal == 10


async def test_one_waiter_that_goes_away_takes_nothing_from_the_others(client: Client) -> None:
    made = await client.create(FOREVER)
    leaver = client.processes.WaitProcess(service_pb.WaitProcessRequest(name=made.name))
    stayer = client.processes.WaitProcess(service_pb.WaitProcessRequest(name=made.name))
    await client.get(made.name)
    assert leaver.cancel()
    await client.terminate(made.name)
    assert (await stayer).process.exit.exit_code == 137


async def test_the_exit_waits_for_no_pipe_but_complete_output_does(client: Client) -> None:
    script = "sleep 1000 & echo $!; exit 3"
    made = await client.create(sh(script), spec=pb.ProcessSpec(drain_timeout=seconds(1000)))
    exited = await client.wait(made.name)
    assert exited.exit.exit_code == 3
    assert not exited.exit.output_complete
    waiting = await client.processes.WaitProcess(
        service_pb.WaitProcessRequest(
            name=made.name, wait_for=service_pb.WAIT_FOR_OUTPUT_COMPLETE, timeout=seconds(0)
        )
    )
    assert waiting.timed_out
    grandchild = int((await client.read(made.name, follow=False)).stdout)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(client.wait, made.name, service_pb.WAIT_FOR_OUTPUT_COMPLETE)
        killer = await client.create(sh(f"kill {grandchild}"))
    assert (await client.get(made.name)).exit.output_complete
    assert (await client.wait(killer.name)).exit.exit_code == 0


# --- delete ---


async def test_a_deleted_process_is_unknown_and_its_name_is_free(client: Client) -> None:
    first = await client.create(TRUE, process_id="deleted-once")
    await client.wait(first.name)
    await client.delete(first.name)
    with refused(Code.NOT_FOUND, "PROCESS_NOT_FOUND") as refusal:
        await client.get(first.name)
    resource = refusal.value.detail(error_details_pb2.ResourceInfo)
    assert resource.resource_name == first.name
    second = await client.create(TRUE, process_id="deleted-once")
    assert second.name == first.name
    assert second.uid != first.uid


async def test_a_second_delete_is_not_found_unless_missing_is_allowed(client: Client) -> None:
    made = await client.create(TRUE)
    await client.wait(made.name)
    await client.delete(made.name)
    await client.delete(made.name, allow_missing=True)
    with refused(Code.NOT_FOUND, "PROCESS_NOT_FOUND"):
        await client.delete(made.name)


async def test_a_running_process_is_deleted_by_force_only(client: Client) -> None:
    made = await client.create(FOREVER)
    with refused(Code.FAILED_PRECONDITION, "PROCESS_RUNNING") as refusal:
        await client.delete(made.name)
    assert made.name in refusal.value.message
    assert is_running(made.pid)
    await client.delete(made.name, force=True)
    with anyio.fail_after(30):
        await ended(made.pid)
    with refused(Code.NOT_FOUND):
        await client.get(made.name)


async def test_a_deletion_that_has_begun_completes_without_its_caller(client: Client) -> None:
    for attempt in range(20):
        made = await client.create(FOREVER)
        request = service_pb.DeleteProcessRequest(name=made.name, force=True)
        with suppress(grpc.aio.AioRpcError):
            await client.processes.DeleteProcess(request, timeout=0.0005 * (attempt + 1))
        wait = service_pb.WaitProcessRequest(name=made.name)
        wait.timeout.FromMilliseconds(100)
        with suppress(grpc.aio.AioRpcError):
            if (await client.processes.WaitProcess(wait)).timed_out:  # it has not begun
                await client.delete(made.name, force=True)
        with anyio.fail_after(30):
            while await code_of(client.get(made.name)) is not Code.NOT_FOUND:
                pass


async def test_a_reader_that_stands_at_one_stream_hears_of_the_deletion_and_no_more(
    client: Client, daemon: Daemon
) -> None:
    script = 'exec 3<&0; (read line <&3; echo err >&2) & head -c "$1" /dev/zero'
    spec = pb.ProcessSpec(stdin_mode=pb.STDIN_MODE_PIPE)
    spec.output.overflow = pb.OVERFLOW_POLICY_BLOCK
    made = await client.create(sh(script, "40000000"), spec=spec)
    async with connected(daemon.address) as other:
        reader = other.follow(made.name, gap_policy=pb.GAP_POLICY_FAIL)
        await reader.until("started")
        size = stands = 0
        while stands < 400:  # answers in which the reader has not moved
            before, size = size, (await client.get(made.name)).stdout.end_offset
            stands = stands + 1 if size == before else 0
        await client.processes.WriteInput(
            service_pb.WriteInputRequest(name=made.name, data=b"go\n")
        )
        while not (await client.get(made.name)).stderr.end_offset:
            pass
        await client.delete(made.name, force=True)
        assert await code_of(reader.finish()) is Code.NOT_FOUND


async def test_deleting_ends_readers_and_waiters_with_not_found(client: Client) -> None:
    # The grandchild keeps the pipes open, so that both would go on.
    spec = pb.ProcessSpec(drain_timeout=seconds(1000))
    made = await client.create(sh("sleep 1000 & exit 0"), spec=spec)
    await client.wait(made.name)
    reader = client.follow(made.name)
    waiter = client.processes.WaitProcess(
        service_pb.WaitProcessRequest(name=made.name, wait_for=service_pb.WAIT_FOR_OUTPUT_COMPLETE)
    )
    await reader.until("started")
    while (await client.get(made.name)).stdout.readers == 0:
        pass
    await client.delete(made.name)
    with refused(Code.NOT_FOUND, "PROCESS_NOT_FOUND"):
        await reader.finish()
    with refused(Code.NOT_FOUND, "PROCESS_NOT_FOUND"):
        await waiter


# --- properties ---


async def test_properties_are_the_document_and_the_same_typed(client: Client) -> None:
    made = await client.create(FOREVER)
    request = service_pb.GetProcessPropertiesRequest(name=made.name)
    running = await client.processes.GetProcessProperties(request)
    document = json.loads(running.properties_json)
    assert (document["ProcessId"], document["Exited"]) == (made.pid, False)
    assert (running.status.pid, running.status.exited) == (made.pid, False)
    assert not running.status.HasField("exit_code")
    await client.terminate(made.name)
    dead = await client.processes.GetProcessProperties(request)
    assert dead.status.exited
    assert (dead.status.exit_code, dead.status.signal) == (137, 9)
    assert dead.status.last_wait_result == 0
    assert json.loads(dead.properties_json)["ExitCode"] == 137


@pytest.mark.parametrize("query", ["{", "[]", '{"Nonsense": 1}', "null"])
async def test_a_bad_property_query_is_the_clients_mistake(client: Client, query: str) -> None:
    made = await client.create(TRUE)
    with refused(Code.INVALID_ARGUMENT, "HCS_E_INVALID_JSON"):
        await client.processes.GetProcessProperties(
            service_pb.GetProcessPropertiesRequest(name=made.name, property_query_json=query)
        )


def _user_time(pid: int) -> int:
    """Processor time of a process in user mode by the kernel, in nanoseconds."""
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return int(stat[11]) * 10**9 // os.sysconf("SC_CLK_TCK")


async def test_the_figures_of_a_process_are_those_of_the_kernel_while_it_runs(
    client: Client,
) -> None:
    created = time.time()
    made = await client.create(sh("while :; do :; done"))
    await client.create(FOREVER)  # which is listed, too
    while not _user_time(made.pid):
        await client.settle()
    request = service_pb.GetProcessPropertiesRequest(name=made.name, include_stats=True)
    before = _user_time(made.pid)
    stats = (await client.processes.GetProcessProperties(request)).stats
    assert before <= stats.user_time.ToNanoseconds() <= _user_time(made.pid)
    assert (stats.pid, stats.image_name) == (made.pid, "sh")
    assert created - 0.1 <= stats.create_time.ToNanoseconds() / 1e9 <= time.time()
    assert stats.memory_working_set_private_bytes > 0
    unasked = service_pb.GetProcessPropertiesRequest(name=made.name)
    assert not (await client.processes.GetProcessProperties(unasked)).HasField("stats")
    await client.terminate(made.name)
    dead = await client.processes.GetProcessProperties(request)
    assert dead.status.exited
    assert not dead.HasField("stats")


# --- request ids and process ids ---


def _create(script: str, request_id: str) -> service_pb.CreateProcessRequest:
    return service_pb.CreateProcessRequest(
        parent=HOST, spec=pb.ProcessSpec(argv=sh(script)), request_id=request_id
    )


async def test_the_same_request_id_gives_the_same_process(client: Client) -> None:
    request = _create("echo once", str(uuid.uuid4()))
    first = await client.processes.CreateProcess(request)
    client.made.append(first.process.name)
    assert not first.replayed
    await client.wait(first.process.name)
    again = await client.processes.CreateProcess(request)
    assert again.replayed
    assert again.process.uid == first.process.uid
    assert again.process.state == pb.PROCESS_STATE_EXITED


async def test_a_request_id_with_another_body_is_refused(client: Client) -> None:
    request_id = str(uuid.uuid4())
    first = await client.processes.CreateProcess(_create("echo one", request_id))
    client.made.append(first.process.name)
    with refused(Code.ALREADY_EXISTS, "REQUEST_ID_REUSED") as refusal:
        await client.processes.CreateProcess(_create("echo two", request_id))
    assert refusal.value.info.metadata["request_id"] == request_id


async def test_fifty_creates_with_one_id_start_one_process(client: Client) -> None:
    label = uuid.uuid4().hex
    request = _create("echo once", str(uuid.uuid4()))
    request.labels["fifty"] = label
    responses: list[service_pb.CreateProcessResponse] = []

    async def create() -> None:
        responses.append(await client.processes.CreateProcess(request))

    async with anyio.create_task_group() as tasks:
        for _ in range(50):
            tasks.start_soon(create)
    client.made.append(responses[0].process.name)
    assert len({response.process.uid for response in responses}) == 1
    assert [response.replayed for response in responses].count(False) == 1
    listed = await client.processes.ListProcesses(
        service_pb.ListProcessesRequest(parent=HOST, labels={"fifty": label})
    )
    assert len(listed.processes) == 1


async def test_a_create_that_failed_may_be_tried_again_with_its_id(client: Client) -> None:
    request = service_pb.CreateProcessRequest(
        parent=HOST,
        spec=pb.ProcessSpec(argv=pb.Argv(args=["no-such-program"])),
        request_id=str(uuid.uuid4()),
    )
    for _ in range(2):
        with refused(Code.NOT_FOUND, "EXECUTABLE_NOT_FOUND"):
            await client.processes.CreateProcess(request)


async def test_a_request_id_is_free_once_its_process_is_deleted(client: Client) -> None:
    request = _create("echo again", str(uuid.uuid4()))
    first = await client.processes.CreateProcess(request)
    await client.wait(first.process.name)
    await client.delete(first.process.name)
    second = await client.processes.CreateProcess(request)
    client.made.append(second.process.name)
    assert not second.replayed
    assert second.process.uid != first.process.uid


async def test_a_process_id_is_taken_while_its_process_is_known(client: Client) -> None:
    made = await client.create(TRUE, process_id="taken")
    with refused(Code.ALREADY_EXISTS, "PROCESS_ALREADY_EXISTS") as refusal:
        await client.create(TRUE, process_id="taken")
    assert made.name in refusal.value.message


async def test_of_many_creates_with_one_process_id_one_wins(client: Client) -> None:
    codes: list[Code] = []

    async def create() -> None:
        codes.append(await code_of(client.create(TRUE, process_id="contested")))

    async with anyio.create_task_group() as tasks:
        for _ in range(30):
            tasks.start_soon(create)
    assert sorted(codes, key=str) == [*[Code.ALREADY_EXISTS] * 29, Code.OK]
