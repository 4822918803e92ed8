"""`hcsd logs`: the order, the times and the begin of what a process wrote; several of them."""

import re
from datetime import datetime, timedelta

import pytest

from hcsd.v1 import process_pb2 as pb
from hcsd.v1 import process_service_pb2 as service_pb
from tests.integration.test_cli import Line, hcsd
from tests.integration.wire import STDERR, STDOUT, Client, sh

__all__ = ["hcsd"]  # a fixture here, too

TALK = sh('while read word; do echo "$word"; read word; echo "$word" >&2; done')
PIPE = pb.ProcessSpec(stdin_mode=pb.STDIN_MODE_PIPE)
STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d"


async def talk(client: Client, name: str, count: int = 4) -> None:
    """Run a process that writes numbers in turn to both streams, each after the last was read."""
    run = await client.run(TALK, spec=PIPE, process_id=name)
    for number in range(count):
        await run.stdin(b"%d\n" % number)
        await run.until_out(b"%d\n" % number, (STDOUT, STDERR)[number % 2])
    await run.close_stdin()
    await run.finish()


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    return re.sub(r"\W", "-", request.node.name)[:40]


async def test_both_streams_come_in_the_order_in_which_they_were_written(
    hcsd: Line, client: Client, name: str
) -> None:
    await talk(client, name, 20)
    async with hcsd.running("logs", name, before=("sh", "-c", 'exec "$@" 2>&1', "sh")) as logs:
        assert logs.stdout is not None
        shown = b"".join([data async for data in logs.stdout])
    assert shown.split() == [b"%d" % number for number in range(20)]


async def test_times_come_before_each_line_with_their_zone(
    hcsd: Line, client: Client, name: str
) -> None:
    await talk(client, name)
    told = await hcsd("logs", "-t", name)
    lines = [*told.stdout.splitlines(), *told.stderr.splitlines()]
    assert [line.rpartition(" ")[2] for line in lines] == ["0", "2", "1", "3"]
    for line in lines:
        stamp, _, _ = line.partition(" ")
        assert re.fullmatch(STAMP, stamp)
        assert abs(datetime.now().astimezone() - datetime.fromisoformat(stamp)) < timedelta(hours=1)


async def test_since_a_time(hcsd: Line, client: Client, name: str) -> None:
    await talk(client, name)
    stamps = [line.split()[0] for line in (await hcsd("logs", "-t", name)).stdout.splitlines()]
    later = (datetime.fromisoformat(stamps[-1]) + timedelta(hours=1)).isoformat()
    assert (await hcsd("logs", "--since", "1h", name)).stdout == "0\n2\n"
    assert (await hcsd("logs", "--since", stamps[0], name)).stdout == "0\n2\n"
    assert (await hcsd("logs", "--since", later, name)).stdout == ""
    refused = await hcsd("logs", "--since", "yesterday", name)
    assert refused.returncode == 2
    assert "2026-11-30T14:05:00" in refused.stderr


async def test_until_a_time(hcsd: Line, client: Client, name: str) -> None:
    await talk(client, name)
    stamps = [line.split()[0] for line in (await hcsd("logs", "-t", name)).stdout.splitlines()]
    first = datetime.fromisoformat(stamps[0])
    before, after = (first + timedelta(milliseconds=ms) for ms in (-1, 3_600_000))
    assert (await hcsd("logs", "--until", before.isoformat(), name)).stdout == ""
    assert (await hcsd("logs", "--until", after.isoformat(), name)).stdout == "0\n2\n"


async def test_a_log_that_is_followed_ends_when_the_time_has_come(
    hcsd: Line, client: Client, name: str
) -> None:
    names = [f"{name}-{letter}" for letter in "ab"]
    for one in names:
        made = await client.create(sh("printf prompt; exec sleep 1000"), process_id=one)
        await client.follow(made.name).until_out(b"prompt")
    now = datetime.now().astimezone().isoformat()
    told = await hcsd("logs", "--follow", "--until", now, *names)
    assert (told.returncode, told.stderr) == (0, "")
    assert sorted(told.stdout.splitlines()) == [f"{one} | prompt" for one in names]
    soon = (datetime.now().astimezone() + timedelta(milliseconds=10)).isoformat()
    assert (await hcsd("logs", "--follow", "--until", soon, names[0])).returncode == 0


async def test_of_several_each_line_says_whose_it_is(hcsd: Line, client: Client, name: str) -> None:
    names = [f"{name}-{letter}" for letter in "ab"]
    for one in names:
        made = await client.create(sh(f"printf '{one[-1]}1\\nend'"), process_id=one)
        await client.wait(made.name, service_pb.WAIT_FOR_OUTPUT_COMPLETE)
    told = await hcsd("logs", *names)
    assert told.stdout == "".join(f"{one} | {one[-1]}1\n{one} | end\n" for one in names)
    told = await hcsd("logs", "-f", "-n", "1", *names)
    assert sorted(told.stdout.splitlines()) == [f"{one} | end" for one in names]
    told = await hcsd("logs", names[0], f"{name}-none")
    assert told.returncode == 1
    assert told.stdout == f"{names[0]} | a1\n{names[0]} | end\n"
    assert f"{name}-none" in told.stderr


async def test_of_several_that_run_a_line_without_an_end_is_shown(
    hcsd: Line, client: Client, name: str
) -> None:
    names = [f"{name}-{letter}" for letter in "ab"]
    for one in names:
        run = await client.run(sh("printf 'name? '; read x"), spec=PIPE, process_id=one)
        await run.until_out(b"name? ", STDOUT)
    told = await hcsd("logs", *names)
    assert told.stdout == "".join(f"{one} | name? \n" for one in names)


async def test_what_has_lost_its_begin_begins_at_a_line(
    hcsd: Line, client: Client, name: str
) -> None:
    spec = pb.ProcessSpec(
        output=pb.OutputOptions(ring_bytes=4096, overflow=pb.OVERFLOW_POLICY_DROP_OLDEST)
    )
    made = await client.create(sh("seq 100000 109999"), spec=spec, process_id=name)
    await client.wait(made.name, service_pb.WAIT_FOR_OUTPUT_COMPLETE)
    told = await hcsd("logs", name)
    lines = told.stdout.splitlines()
    assert re.fullmatch(r"\d{6}", lines[0])
    assert (len(lines), lines[-1]) == (585, "109999")
    assert "bytes of stdout are gone" in told.stderr
