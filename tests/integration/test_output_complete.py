"""The end of the output of a process that has exited: it waits for no reader, and cuts nothing."""

import os
from pathlib import Path

import anyio
import pytest

from hcsd.daemon.settings import Limits
from hcsd.v1 import process_pb2 as pb
from hcsd.v1 import process_service_pb2 as service_pb
from tests.integration.test_growth import running_inside
from tests.integration.test_output import BLOCK, DROP, kept
from tests.integration.wire import STDERR, STDOUT, Client, seconds, sh
from tests.support.census import eventually

RING = 4096
PIPE = 65_536  # what a pipe of Linux holds


async def complete(client: Client, name: str) -> pb.Process:
    with anyio.fail_after(30):
        return await client.wait(name, service_pb.WAIT_FOR_OUTPUT_COMPLETE)


async def test_nobody_need_read_for_the_output_to_be_complete(client: Client) -> None:
    size = RING + PIPE
    script = f"head -c {size} /dev/zero & head -c {size} /dev/zero >&2; wait"
    made = await client.create(sh(script), spec=kept(RING, BLOCK))
    process = await complete(client, made.name)
    assert process.exit.output_complete
    for status in (process.stdout, process.stderr):
        assert (status.start_offset, status.end_offset, status.closed) == (0, size, True)
    for _ in range(2):  # who comes later reads everything
        output = await client.read(made.name)
        assert output.stdout == output.stderr == bytes(size)
        assert not any(output.gaps.values())
        assert not any(eof.forced for eof in output.eofs.values())


async def test_a_reader_that_has_stopped_holds_up_no_end(client: Client) -> None:
    size = 40 << 20  # more than gRPC takes ahead of a client that does not read
    script = f"echo first; read line; exec head -c {size} /dev/zero"
    spec = kept(RING, BLOCK)
    spec.stdin_mode = pb.STDIN_MODE_PIPE
    run = await client.run(sh(script), spec=spec)
    await run.until_out(b"first\n")
    await run.stdin(b"go\n")
    name = run.output.process.name
    await client.signal(name, pb.ProcessSignal(signal_name="KILL"))
    process = await complete(client, name)
    assert process.exit.output_complete
    output = await run.finish()
    assert len(output.stdout) == process.stdout.end_offset
    assert not any(output.gaps.values())


async def test_a_ring_that_drops_keeps_to_its_size(client: Client) -> None:
    size = RING + PIPE
    made = await client.create(sh(f"head -c {size} /dev/zero"), spec=kept(RING, DROP))
    process = await complete(client, made.name)
    assert process.exit.output_complete
    assert (process.stdout.start_offset, process.stdout.end_offset) == (size - RING, size)


@pytest.mark.parametrize("policy", [BLOCK, DROP], ids=["block", "drop"])
async def test_a_descendant_is_cut_off_in_the_end_though_nobody_reads(
    tmp_path: Path, policy: pb.OverflowPolicy
) -> None:
    async with running_inside(tmp_path, Limits(max_drain_time=0.5)) as (client, _):
        made = await client.create(sh("echo own; yes & exit 0"), spec=kept(RING, policy))
        process = await complete(client, made.name)
        assert process.exit.exit_code == 0
        assert not process.exit.output_complete
        output = await client.read(made.name)
        assert output.eofs[STDOUT].forced
        assert not output.eofs[STDERR].forced or not output.stderr
        if policy is BLOCK:
            assert output.stdout.startswith(b"own\ny\n")


async def test_who_writes_to_an_output_that_was_given_up_finds_it_broken(
    client: Client, tmp_path: Path
) -> None:
    """Also where the engine holds outputs for the next daemon."""
    os.mkfifo(tmp_path / "begin")
    script = (
        f"cd {tmp_path}; trap '' PIPE;"
        " (read line <begin; while echo x 2>&-; do :; done; echo broken >told) & exit 0"
    )
    spec = pb.ProcessSpec(drain_timeout=seconds(0.1))
    made = await client.create(sh(script), spec=spec)
    process = await complete(client, made.name)
    assert not process.exit.output_complete
    async with await anyio.open_file(tmp_path / "begin", "w") as begin:
        await begin.write("go\n")
    told = tmp_path / "told"
    await eventually(lambda: told.exists() and told.read_text() == "broken\n", "it is broken")
