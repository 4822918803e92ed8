"""Options of a create: for typed specs and raw documents alike, in their old places and the new one."""

import json
import os
from collections.abc import Callable

import anyio
import grpc
import pytest

from hcsd.v1 import process_pb2 as pb
from hcsd.v1 import process_service_pb2 as service_pb
from tests.integration.wire import HOST, STDERR, STDOUT, Client, Feed, refused, seconds, sh

Code = grpc.StatusCode
Create = service_pb.CreateProcessRequest
PIPES = {"CreateStdOutPipe": True, "CreateStdErrPipe": True}
ALL = pb.ProcessOptions(
    output=pb.OutputOptions(ring_bytes=5000, overflow=pb.OVERFLOW_POLICY_BLOCK),
    run_timeout=seconds(1000),
    drain_timeout=seconds(0.5),
    orphan_policy=pb.ORPHAN_POLICY_KILL_ON_OWNER_DISCONNECT,
    owner_grace=seconds(1000),
    pin=True,
)
JOINED = pb.ProcessOptions(output=pb.OutputOptions(stderr_to_stdout=True))


def typed(script: str, options: pb.ProcessOptions) -> Create:
    return Create(parent=HOST, spec=pb.ProcessSpec(argv=sh(script)), options=options)


def raw(script: str, options: pb.ProcessOptions, **members: object) -> Create:
    document = {"CommandArgs": ["sh", "-c", script], **PIPES, **members}
    return Create(parent=HOST, parameters_json=json.dumps(document), options=options)


BOTH = pytest.mark.parametrize("request_of", [typed, raw], ids=["spec", "document"])
Make = Callable[[str, pb.ProcessOptions], Create]


async def made(client: Client, request: Create) -> pb.Process:
    process = (await client.processes.CreateProcess(request)).process
    client.made.append(process.name)
    return process


async def run(client: Client, request: Create) -> Feed:
    return await client.begin(service_pb.RunProcessRequest(create=request))


@BOTH
async def test_options_are_in_force_and_shown(client: Client, request_of: Make) -> None:
    process = await made(client, request_of("sleep 1000", ALL))
    assert process.options == ALL
    shown = process.spec
    assert (shown.output, shown.run_timeout) == (ALL.output, ALL.run_timeout)
    assert (shown.drain_timeout, shown.orphan_policy) == (ALL.drain_timeout, ALL.orphan_policy)


async def test_defaults_and_what_the_spec_says_are_shown_as_options(client: Client) -> None:
    process = await client.create(
        pb.Argv(args=["true"]), spec=pb.ProcessSpec(run_timeout=seconds(9))
    )
    assert process.options == pb.ProcessOptions(
        output=process.spec.output,
        run_timeout=seconds(9),
        drain_timeout=process.spec.drain_timeout,
        orphan_policy=pb.ORPHAN_POLICY_KEEP,
    )
    assert process.options.output.overflow == pb.OVERFLOW_POLICY_DROP_OLDEST


@BOTH
async def test_the_time_of_the_options_ends_the_process(client: Client, request_of: Make) -> None:
    process = await made(
        client, request_of("sleep 1000", pb.ProcessOptions(run_timeout=seconds(0.1)))
    )
    assert (await client.wait(process.name)).exit.reason == pb.EXIT_REASON_RUN_TIMEOUT


@BOTH
async def test_output_that_blocks_is_whole_for_who_reads_late(
    client: Client, request_of: Make
) -> None:
    blocks = pb.ProcessOptions(output=pb.OutputOptions(overflow=pb.OVERFLOW_POLICY_BLOCK))
    process = await made(client, request_of("head -c 5000000 /dev/zero; exit 3", blocks))
    with anyio.fail_after(30):  # until the ring is full
        while (await client.get(process.name)).stdout.end_offset < 1 << 20:
            await anyio.lowlevel.checkpoint()
    output = await client.read(process.name)
    assert (len(output.stdout), output.gaps[STDOUT], output.code) == (5_000_000, [], 3)


async def test_a_run_of_a_document_blocks_as_it_does_of_a_spec(client: Client) -> None:
    feed = await run(client, raw("head -c 5000000 /dev/zero", pb.ProcessOptions()))
    await feed.until("started")
    assert feed.output.process.options.output.overflow == pb.OVERFLOW_POLICY_BLOCK
    output = await feed.finish()
    assert (len(output.stdout), output.gaps[STDOUT]) == (5_000_000, [])


SPEC_SIDE: dict[str, pb.ProcessSpec] = {
    "output.ring_bytes": pb.ProcessSpec(output=pb.OutputOptions(ring_bytes=1)),
    "output.overflow": pb.ProcessSpec(
        output=pb.OutputOptions(overflow=pb.OVERFLOW_POLICY_DROP_OLDEST)
    ),
    "output.discard": pb.ProcessSpec(output=pb.OutputOptions(discard=[STDERR])),
    "run_timeout": pb.ProcessSpec(run_timeout=seconds(1)),
    "drain_timeout": pb.ProcessSpec(drain_timeout=seconds(1)),
    "orphan_policy": pb.ProcessSpec(orphan_policy=pb.ORPHAN_POLICY_KEEP),
}


async def test_two_places_that_differ_are_refused_and_both_are_named(client: Client) -> None:
    other = pb.ProcessOptions()
    other.CopyFrom(ALL)
    other.output.discard.append(STDOUT)
    for path, spec in SPEC_SIDE.items():
        with refused(Code.INVALID_ARGUMENT, "INVALID_REQUEST") as refusal:
            await client.create(pb.Argv(args=["true"]), spec=spec, options=other)
        assert refusal.value.fields == [f"options.{path}"]
        assert f"'spec.{path}'" in refusal.value.message


async def test_two_places_that_say_the_same_are_one(client: Client) -> None:
    spec = pb.ProcessSpec(
        output=ALL.output, run_timeout=ALL.run_timeout, orphan_policy=ALL.orphan_policy
    )
    process = await client.create(pb.Argv(args=["true"]), spec=spec, options=ALL)
    assert process.options == ALL


async def test_another_option_is_another_request(client: Client) -> None:
    request = typed("exit 3", pb.ProcessOptions(pin=True))
    request.request_id = "6a3a0b5c-2b44-4a5b-9a05-0d5ea0c0a071"
    first = await made(client, request)
    assert (await client.processes.CreateProcess(request)).process.uid == first.uid
    request.options.pin = False
    with refused(Code.ALREADY_EXISTS, "REQUEST_ID_REUSED"):
        await client.processes.CreateProcess(request)


# --- stderr to stdout ---

IN_TURNS = "for n in 1 2 3 4 5 6 7 8 9; do echo out $n; echo err $n >&2; done"
TURNS = "".join(f"out {n}\nerr {n}\n" for n in range(1, 10)).encode()


@BOTH
async def test_joined_streams_keep_the_order_of_writing(client: Client, request_of: Make) -> None:
    output = await (await run(client, request_of(IN_TURNS, JOINED))).finish()
    assert (output.stdout, output.stderr) == (TURNS, b"")
    assert not output.eofs[STDERR].forced
    assert output.process.options.output.stderr_to_stdout
    assert output.process.stderr.closed


async def test_a_console_is_joined_anyway(client: Client) -> None:
    request = typed("echo out; echo err >&2", JOINED)
    request.spec.console.columns = 80
    output = await (await run(client, request)).finish()
    assert output.stdout == b"out\r\nerr\r\n"


async def test_options_reach_a_document_only_if_it_is_one(client: Client) -> None:
    for document in ("{", "[]", '"a"', "[" * 100_000):
        with refused(Code.INVALID_ARGUMENT, "INVALID_REQUEST") as refusal:
            await made(client, Create(parent=HOST, parameters_json=document, options=JOINED))
        assert refusal.value.fields == ["parameters_json"]


# --- what nobody will read ---

NOISY = "head -c 3000000 /dev/zero; head -c 3000000 /dev/zero >&2; exit 3"


@BOTH
@pytest.mark.parametrize("streams", [[STDOUT], [STDERR], [STDOUT, STDERR]], ids=str)
async def test_a_discarded_stream_is_closed_and_holds_nobody_up(
    client: Client, request_of: Make, streams: list[pb.OutputStream]
) -> None:
    options = pb.ProcessOptions(
        output=pb.OutputOptions(discard=streams, overflow=pb.OVERFLOW_POLICY_BLOCK)
    )
    feed = await run(client, request_of(NOISY, options))
    await feed.until("started")
    began = {STDOUT: feed.output.process.stdout, STDERR: feed.output.process.stderr}
    output = await feed.finish()
    assert output.code == 3
    assert list(output.process.options.output.discard) == streams
    for stream in (STDOUT, STDERR):
        assert len(output.data[stream]) == (0 if stream in streams else 3_000_000)
        assert began[stream].closed is (stream in streams)
        assert not output.eofs[stream].forced


async def test_a_discarded_stream_is_the_null_device(client: Client) -> None:
    options = pb.ProcessOptions(output=pb.OutputOptions(discard=[STDERR]))
    feed = await run(client, typed("readlink /proc/self/fd/2", options))
    assert (await feed.finish()).stdout == os.devnull.encode() + b"\n"


@pytest.mark.parametrize(
    ("options", "console", "field"),
    [
        (
            pb.ProcessOptions(output=pb.OutputOptions(discard=[STDOUT], stderr_to_stdout=True)),
            False,
            "options.output.discard",
        ),
        (
            pb.ProcessOptions(output=pb.OutputOptions(discard=[STDERR])),
            True,
            "options.output.discard",
        ),
        (
            pb.ProcessOptions(output=pb.OutputOptions(discard=[STDERR, STDERR])),
            False,
            "options.output.discard",
        ),
        (
            pb.ProcessOptions(output=pb.OutputOptions(discard=[0])),  # type: ignore[list-item]
            False,
            "options.output.discard",
        ),
        (pb.ProcessOptions(owner_grace=seconds(1)), False, "options.owner_grace"),
        (
            pb.ProcessOptions(orphan_policy=pb.ORPHAN_POLICY_KILL_ON_OWNER_DISCONNECT),
            False,
            "options.orphan_policy",
        ),
        (pb.ProcessOptions(run_timeout=seconds(-1)), False, "options.run_timeout"),
    ],
    ids=["both", "console", "twice", "none", "grace", "policy", "time"],
)
async def test_options_that_make_no_sense_are_refused(
    client: Client, options: pb.ProcessOptions, field: str, *, console: bool
) -> None:
    requests = [typed("true", options), raw("true", options, EmulateConsole=console)]
    if console:
        requests[0].spec.console.columns = 80
    for request in requests:
        with refused(Code.INVALID_ARGUMENT, "INVALID_REQUEST") as refusal:
            await made(client, request)
        assert refusal.value.fields == [field]


async def test_more_grace_than_the_limit_is_refused(client: Client) -> None:
    most = (await client.get_host()).limits.max_owner_grace.ToSeconds()
    options = pb.ProcessOptions(
        orphan_policy=pb.ORPHAN_POLICY_KILL_ON_OWNER_DISCONNECT, owner_grace=seconds(most + 1)
    )
    with refused(Code.INVALID_ARGUMENT, "INVALID_REQUEST") as refusal:
        await made(client, typed("true", options))
    assert refusal.value.fields == ["options.owner_grace"]
    assert "max_owner_grace" in refusal.value.message
