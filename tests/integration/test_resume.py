"""Readers that are killed at any byte, and the next one that goes on where they ended."""

import hashlib
import random
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from hcsd.v1 import process_pb2 as pb
from hcsd.v1 import process_service_pb2 as service_pb
from tests.integration.test_output import BLOCK, kept, random_file
from tests.integration.wire import Client
from tests.support.daemon import Daemon
from tests.support.readers import readers


@pytest.mark.timeout(60)
@pytest.mark.slow
async def test_a_reader_that_is_killed_fifty_times_during_100_mb_loses_nothing(
    client: Client, daemon: Daemon, tmp_path: Path
) -> None:
    size, kills = 100_000_000, 50
    expected = random_file(tmp_path / "random", size)
    choose = random.Random(50)  # noqa: S311  (repeatable)
    made = await client.create(pb.Argv(args=["cat", str(tmp_path / "random")]), spec=kept(0, BLOCK))
    digest, offset, killed = hashlib.sha256(), 0, 0
    with readers(tmp_path) as each:
        while offset < size:
            lives_for = choose.randrange(2 * size // kills) if killed < kills else size
            data = await anyio.to_thread.run_sync(
                each.read, daemon.address, made.name, offset, lives_for
            )
            assert len(data) >= min(lives_for, size - offset)  # else it ended by itself
            digest.update(data)
            offset += len(data)
            killed += 1
    assert killed >= kills // 2
    assert digest.hexdigest() == expected
    process = await client.wait(made.name, service_pb.WAIT_FOR_OUTPUT_COMPLETE)
    assert process.exit.exit_code == 0
    with anyio.fail_after(30):
        while (await client.get(made.name)).stdout.readers:
            pass
