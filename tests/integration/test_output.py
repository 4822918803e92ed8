"""Output: every byte, at its offset, once, to every reader, however fast each side is."""

import hashlib
import os
from pathlib import Path

import anyio
import grpc
import pytest

from hcsd.v1 import process_pb2 as pb
from hcsd.v1 import process_service_pb2 as service_pb
from tests.integration.wire import STDERR, STDOUT, Client, Output, at, refused, seconds, sh, tail

Code = grpc.StatusCode

MIB = 1 << 20
DROP = pb.OVERFLOW_POLICY_DROP_OLDEST
BLOCK = pb.OVERFLOW_POLICY_BLOCK


def kept(ring_bytes: int, overflow: pb.OverflowPolicy) -> pb.ProcessSpec:
    return pb.ProcessSpec(output=pb.OutputOptions(ring_bytes=ring_bytes, overflow=overflow))


def random_file(path: Path, size: int) -> str:
    """Write random bytes; returns their checksum."""
    digest = hashlib.sha256()
    with path.open("wb") as file:
        while size:
            block = os.urandom(min(size, MIB))
            digest.update(block)
            file.write(block)
            size -= len(block)
    return digest.hexdigest()


# --- what a stream looks like ---


async def test_each_stream_has_its_bytes_and_the_exit_code_comes_with_them(client: Client) -> None:
    run = await client.run(sh("echo out; echo err >&2; exit 7"))
    output = await run.finish()
    assert (output.stdout, output.stderr, output.code) == (b"out\n", b"err\n", 7)
    assert output.kinds[0] == "started"
    assert output.kinds[-1] == "end"
    assert output.kinds.count("eof") == 2
    assert not any(eof.forced for eof in output.eofs.values())


async def test_output_comes_as_it_is_written(client: Client) -> None:
    run = await client.run(sh("echo first; read line; echo second $line; read line"), spec=PIPE)
    await run.until_out(b"first\n")
    await run.stdin(b"and last\n")
    await run.until_out(b"second and last\n")
    await run.close_stdin()
    await run.finish()


PIPE = pb.ProcessSpec(stdin_mode=pb.STDIN_MODE_PIPE)


async def test_a_reader_that_does_not_follow_ends_after_what_is_there(client: Client) -> None:
    run = await client.run(sh("echo early; read line; echo late"), spec=PIPE)
    await run.until_out(b"early\n")
    name = run.output.process.name
    output = await client.read(name, follow=False)
    assert output.stdout == b"early\n"
    assert output.exit is None
    assert not output.eofs
    await run.close_stdin()
    await run.finish()
    assert (await client.read(name, at(STDOUT, 6), follow=False)).stdout == b"late\n"


async def test_a_reader_resumes_where_it_stopped(client: Client) -> None:
    made = await client.create(sh("printf 0123456789; printf abc >&2"))
    await client.wait(made.name, service_pb.WAIT_FOR_OUTPUT_COMPLETE)
    output = await client.read(made.name, at(STDOUT, 4))
    assert output.stdout == b"456789"
    assert STDERR not in output.data  # a stream that is not named is left out
    output = await client.read(made.name, at(STDERR, 3), at(STDOUT, 10))
    assert (output.stdout, output.stderr) == (b"", b"")
    assert set(output.eofs) == {STDOUT, STDERR}


async def test_a_tail_begins_at_the_last_bytes(client: Client) -> None:
    made = await client.create(sh("printf 0123456789"))
    await client.wait(made.name, service_pb.WAIT_FOR_OUTPUT_COMPLETE)
    for last_bytes, expected in ((4, b"6789"), (10, b"0123456789"), (2**64 - 1, b"0123456789")):
        output = await client.read(made.name, tail(STDOUT, last_bytes))
        assert output.stdout == expected
        assert output.started is not None
        assert output.started.cursors[0].offset == 10 - len(expected)
    assert (await client.read(made.name, tail(STDOUT, 0))).stdout == b""


async def test_a_tail_of_nothing_follows_what_comes(client: Client) -> None:
    run = await client.run(sh("echo early; read line; echo late"), spec=PIPE)
    await run.until_out(b"early\n")
    reader = client.follow(run.output.process.name, tail(STDOUT, 0))
    await reader.until("started")
    await run.close_stdin()
    assert (await reader.finish()).stdout == b"late\n"


async def test_no_chunk_is_larger_than_asked_for(client: Client) -> None:
    made = await client.create(pb.Argv(args=["head", "-c", "100000", "/dev/zero"]))
    await client.wait(made.name, service_pb.WAIT_FOR_OUTPUT_COMPLETE)
    for asked, limit in ((1000, 1000), (0, 65536), (MIB, MIB)):
        output = await client.follow(made.name, max_chunk_bytes=asked).finish()
        assert sum(output.sizes) == 100_000
        assert max(output.sizes) <= limit


async def test_an_offset_past_the_end_of_a_closed_stream_is_out_of_range(client: Client) -> None:
    made = await client.create(sh("printf 0123456789"))
    await client.wait(made.name, service_pb.WAIT_FOR_OUTPUT_COMPLETE)
    for offset in (11, 2**64 - 1):
        with refused(Code.OUT_OF_RANGE, "OUTPUT_OFFSET") as refusal:
            await client.read(made.name, at(STDOUT, offset))
        assert refusal.value.info.metadata["end_offset"] == "10"
    assert (await client.get(made.name)).stdout.readers == 0


async def test_an_offset_past_the_end_of_an_open_stream_is_refused(client: Client) -> None:
    run = await client.run(sh("read line"), spec=PIPE)
    await run.until("started")
    with refused(Code.OUT_OF_RANGE, "OUTPUT_OFFSET"):
        await client.read(run.output.process.name, at(STDOUT, 4))
    await run.close_stdin()
    await run.finish()


# --- what has left the ring ---


async def test_evicted_bytes_are_one_gap_and_reading_goes_on(client: Client) -> None:
    script = 'i=1000; while [ $i -lt 3000 ]; do echo "$i"; i=$((i + 1)); done'
    made = await client.create(sh(script), spec=kept(1000, DROP))
    await client.wait(made.name, service_pb.WAIT_FOR_OUTPUT_COMPLETE)
    everything = b"".join(b"%d\n" % number for number in range(1000, 3000))
    for policy in (pb.GAP_POLICY_UNSPECIFIED, pb.GAP_POLICY_REPORT):
        output = await client.read(made.name, gap_policy=policy)
        assert output.gaps[STDOUT] == [(0, 9000)]
        assert output.stdout == everything[9000:]
    assert (await client.read(made.name, at(STDOUT, 9000))).gaps[STDOUT] == []
    assert (await client.read(made.name, tail(STDOUT, 5000))).stdout == everything[9000:]
    status = (await client.get(made.name)).stdout
    assert (status.start_offset, status.end_offset) == (9000, 10_000)


async def test_evicted_bytes_end_the_call_of_who_cannot_do_without(client: Client) -> None:
    made = await client.create(
        pb.Argv(args=["head", "-c", "10000", "/dev/zero"]), spec=kept(1000, DROP)
    )
    await client.wait(made.name, service_pb.WAIT_FOR_OUTPUT_COMPLETE)
    with refused(Code.OUT_OF_RANGE, "OUTPUT_EVICTED") as refusal:
        await client.read(made.name, gap_policy=pb.GAP_POLICY_FAIL)
    assert refusal.value.info.metadata["start_offset"] == "9000"
    run = await client.attach(service_pb.RunAttach(name=made.name, gap_policy=pb.GAP_POLICY_FAIL))
    with refused(Code.OUT_OF_RANGE, "OUTPUT_EVICTED"):
        await run.finish()
    assert (await client.get(made.name)).stdout.readers == 0
    whole = await client.read(made.name, at(STDOUT, 9000), gap_policy=pb.GAP_POLICY_FAIL)
    assert len(whole.stdout) == 1000


async def test_dropped_bytes_do_not_count_what_was_read(client: Client) -> None:
    run = await client.run(
        sh("head -c 1000 /dev/zero; read line; head -c 1000 /dev/zero"),
        spec=pb.ProcessSpec(
            stdin_mode=pb.STDIN_MODE_PIPE,
            output=pb.OutputOptions(ring_bytes=1000, overflow=DROP),
        ),
    )
    await run.until_out(bytes(1000))
    await run.close_stdin()
    await run.finish()
    assert (await client.get(run.output.process.name)).stdout.dropped_bytes == 0


async def test_a_slow_reader_does_not_slow_a_process_that_drops(client: Client) -> None:
    spec = kept(64 * 1024, DROP)
    made = await client.create(sh("read line; head -c 20000000 /dev/zero"), spec=_piped(spec))
    slow = client.follow(made.name)
    await slow.until("started")
    await _close_stdin(client, made.name)
    await client.wait(made.name, service_pb.WAIT_FOR_OUTPUT_COMPLETE)  # while nobody takes a byte
    output = await slow.finish()
    assert output.gaps[STDOUT]
    got = len(output.stdout) + sum(to - begin for begin, to in output.gaps[STDOUT])
    assert got == 20_000_000


def _piped(spec: pb.ProcessSpec) -> pb.ProcessSpec:
    piped = pb.ProcessSpec(stdin_mode=pb.STDIN_MODE_PIPE)
    piped.MergeFrom(spec)
    return piped


async def _close_stdin(client: Client, name: str) -> None:
    await client.processes.ModifyProcess(
        service_pb.ModifyProcessRequest(
            name=name,
            close_handles=service_pb.CloseHandles(handles=[service_pb.STDIO_HANDLE_STDIN]),
        )
    )


# --- much ---


async def test_much_on_stderr_before_the_first_byte_of_stdout_does_not_deadlock(
    client: Client,
) -> None:
    run = await client.run(sh("head -c 50000000 /dev/zero >&2; echo done"))
    total = 0
    while not run.output.ended:
        await run.read()
        total += len(run.output.data.get(STDERR, b""))
        run.output.data.get(STDERR, bytearray()).clear()
    assert total == 50_000_000
    assert run.output.stdout == b"done\n"


async def _checksum(client: Client, path: Path) -> str:
    digest = hashlib.sha256()
    run = await client.run(pb.Argv(args=["cat", str(path)]))
    while not run.output.ended:
        await run.read()
        piece = run.output.data.get(STDOUT, bytearray())
        digest.update(piece)
        piece.clear()
    assert run.output.code == 0
    return digest.hexdigest()


async def test_thirty_million_random_bytes_arrive_as_they_are(
    client: Client, tmp_path: Path
) -> None:
    expected = random_file(tmp_path / "random", 30_000_000)
    assert await _checksum(client, tmp_path / "random") == expected


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_two_hundred_million_random_bytes_arrive_as_they_are(
    client: Client, tmp_path: Path
) -> None:
    expected = random_file(tmp_path / "random", 200_000_000)
    assert await _checksum(client, tmp_path / "random") == expected


async def test_bytes_that_are_no_text_pass_both_ways(client: Client) -> None:
    data = bytes(range(256)) * 300 + b"\0\xff\xfe\xc3\x28"
    run = await client.run(sh("cat; cat /dev/null >&2"), spec=PIPE)
    await run.stdin(data)
    await run.close_stdin()
    assert (await run.finish()).stdout == data


async def test_two_readers_see_the_same_bytes_at_the_same_offsets(
    client: Client, tmp_path: Path
) -> None:
    random_file(tmp_path / "random", 3_000_000)
    data = (tmp_path / "random").read_bytes()
    run = await client.run(sh('read line; cat "$1"', str(tmp_path / "random")), spec=PIPE)
    await run.until("started")
    outputs: list[Output] = []

    async def read(start: int) -> None:
        output = await client.read(run.output.process.name, at(STDOUT, start))
        outputs.append(output)

    async with anyio.create_task_group() as tasks:
        for _ in range(4):
            tasks.start_soon(read, 0)
        while (await client.get(run.output.process.name)).stdout.readers < 5:
            pass
        await run.close_stdin()
        assert (await run.finish()).stdout == data
    assert [output.stdout for output in outputs] == [data] * 4
    assert (await client.get(run.output.process.name)).stdout.readers == 0


async def test_two_hundred_processes_at_once_keep_their_outputs_apart(client: Client) -> None:
    results: dict[int, Output] = {}

    async def one(number: int) -> None:
        run = await client.run(
            sh('echo "out $1"; echo "err $1" >&2; exit $(($1 % 7))', str(number))
        )
        results[number] = await run.finish()

    async with anyio.create_task_group() as tasks:
        for number in range(200):
            tasks.start_soon(one, number)
    for number, output in results.items():
        assert output.stdout == b"out %d\n" % number
        assert output.stderr == b"err %d\n" % number
        assert output.code == number % 7
    assert len(results) == 200


# --- the end, and who is late for it ---


async def test_a_grandchild_that_keeps_the_pipe_does_not_keep_the_exit(client: Client) -> None:
    spec = pb.ProcessSpec(drain_timeout=seconds(1000))
    run = await client.run(sh("sleep 1000 & echo $!; exit 3"), spec=spec)
    await run.until("exit")
    assert run.output.code == 3
    assert run.output.exit is not None
    assert not run.output.exit.output_complete
    assert not run.output.eofs
    await run.until_out(b"\n")
    killer = await client.create(sh('kill "$1"', run.output.stdout.decode().strip()))
    output = await run.finish()
    assert not any(eof.forced for eof in output.eofs.values())
    assert (await client.get(output.process.name)).exit.output_complete
    await client.wait(killer.name)


@pytest.mark.parametrize("drain_timeout", [0.0, 0.3])
async def test_pipes_that_stay_open_are_given_up_in_time(
    client: Client, drain_timeout: float
) -> None:
    spec = pb.ProcessSpec(drain_timeout=seconds(drain_timeout))
    run = await client.run(sh("sleep 1000 & printf everything; exit 3"), spec=spec)
    output = await run.finish()
    assert output.stdout == b"everything"
    assert output.code == 3
    assert [eof.forced for eof in output.eofs.values()] == [True, True]
    found = await client.wait(output.process.name, service_pb.WAIT_FOR_OUTPUT_COMPLETE)
    assert not found.exit.output_complete
    assert found.stdout.closed


async def test_data_after_the_exit_starts_the_drain_time_anew(client: Client) -> None:
    spec = pb.ProcessSpec(drain_timeout=seconds(1.2))
    script = "(for i in 1 2 3 4; do sleep 0.5; echo $i; done) & exit 0"  # 2 s in all
    run = await client.run(sh(script), spec=spec)
    output = await run.finish()
    assert output.stdout == b"1\n2\n3\n4\n"
    assert not any(eof.forced for eof in output.eofs.values())


async def test_all_that_a_handler_prints_before_the_exit_arrives(client: Client) -> None:
    script = """
        trap 'head -c 3000000 /dev/zero; printf end; exit 5' TERM
        echo ready
        sleep 1000 >/dev/null 2>&1 & wait
    """
    run = await client.run(sh(script))
    await run.until_out(b"ready\n")
    await run.signal(pb.ProcessSignal(signal_name="TERM"))
    output = await run.finish()
    assert output.stdout == b"ready\n" + bytes(3_000_000) + b"end"
    assert output.code == 5


async def test_what_a_slow_reader_has_not_taken_at_the_exit_still_arrives(
    client: Client, tmp_path: Path
) -> None:
    expected = random_file(tmp_path / "random", 5_030_000)
    spec = kept(5_000_000, BLOCK)
    spec.drain_timeout.CopyFrom(seconds(0.1))
    run = await client.run(pb.Argv(args=["cat", str(tmp_path / "random")]), spec=spec)
    await run.until("started")
    await client.wait(run.output.process.name)
    output = await run.finish()
    assert hashlib.sha256(output.stdout).hexdigest() == expected
    assert output.kinds[-1] == "end"
    assert not output.eofs[STDOUT].forced


async def test_ten_megabytes_on_the_way_to_a_slow_reader_outlive_the_process(
    client: Client, tmp_path: Path
) -> None:
    expected = random_file(tmp_path / "random", 10_000_000)
    made = await client.create(
        pb.Argv(args=["cat", str(tmp_path / "random")]), spec=kept(16 * MIB, DROP)
    )
    reader = client.follow(made.name, max_chunk_bytes=10_000)
    await reader.until("chunk")
    assert (await client.wait(made.name, service_pb.WAIT_FOR_OUTPUT_COMPLETE)).exit.output_complete
    output = await reader.finish()
    assert hashlib.sha256(output.stdout).hexdigest() == expected
    assert output.kinds.index("exit") < len(output.kinds) - 1
    assert output.kinds[-1] == "end"


async def test_the_drain_time_is_for_pipes_that_are_silent_not_for_readers_that_are_slow(
    client: Client, tmp_path: Path
) -> None:
    expected = random_file(tmp_path / "random", 4_000_000)
    spec = kept(100_000, BLOCK)
    spec.drain_timeout.CopyFrom(seconds(0.1))
    made = await client.create(sh('cat "$1" & exit 0', str(tmp_path / "random")), spec=spec)
    await client.wait(made.name)  # its descendant waits for room in the ring
    waited = await client.processes.WaitProcess(
        service_pb.WaitProcessRequest(
            name=made.name, wait_for=service_pb.WAIT_FOR_OUTPUT_COMPLETE, timeout=seconds(1.3)
        )
    )
    assert waited.timed_out
    assert waited.process.state == pb.PROCESS_STATE_EXITED
    assert waited.process.stdout.end_offset < 4_000_000  # at the exit it takes a MiB more at most
    output = await client.read(made.name)
    assert hashlib.sha256(output.stdout).hexdigest() == expected
    assert not output.eofs[STDOUT].forced
    assert (await client.get(made.name)).exit.output_complete


async def test_a_process_that_blocks_waits_for_its_reader_and_loses_nothing(
    client: Client, tmp_path: Path
) -> None:
    expected = random_file(tmp_path / "random", 8_000_000)
    made = await client.create(
        pb.Argv(args=["cat", str(tmp_path / "random")]), spec=kept(100_000, BLOCK)
    )
    waited = await client.processes.WaitProcess(
        service_pb.WaitProcessRequest(name=made.name, timeout=seconds(0.3))
    )
    assert waited.timed_out  # nobody reads, so it cannot end
    assert waited.process.stdout.end_offset == 100_000
    output = await client.read(made.name)
    assert hashlib.sha256(output.stdout).hexdigest() == expected
    assert output.gaps[STDOUT] == []


async def test_a_reader_that_leaves_lets_the_next_one_go_on(client: Client) -> None:
    made = await client.create(
        pb.Argv(args=["head", "-c", "3000000", "/dev/zero"]), spec=kept(100_000, BLOCK)
    )
    first = client.follow(made.name)
    while len(first.output.data.get(STDOUT, b"")) < 500_000:
        await first.read()
    first.call.cancel()
    got = len(first.output.stdout)
    second = await client.read(made.name, at(STDOUT, got))
    missed = sum(to - begin for begin, to in second.gaps[STDOUT])
    assert got + missed + len(second.stdout) == 3_000_000
    assert second.code == 0


async def test_who_writes_to_a_closed_stream_finds_the_pipe_broken(client: Client) -> None:
    made = await client.create(pb.Argv(args=["yes"]))
    await client.processes.ModifyProcess(
        service_pb.ModifyProcessRequest(
            name=made.name,
            close_handles=service_pb.CloseHandles(handles=[service_pb.STDIO_HANDLE_STDOUT]),
        )
    )
    process = await client.wait(made.name, service_pb.WAIT_FOR_OUTPUT_COMPLETE)
    assert process.exit.signal_name == "PIPE"
    assert not process.exit.output_complete
