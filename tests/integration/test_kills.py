"""What a kill reaches, and what it says of that."""

from pathlib import Path

import anyio
import grpc
import pytest

from hcsd.daemon.settings import Limits
from hcsd.embedded.provider import EmbeddedProvider
from hcsd.v1 import process_pb2 as pb
from hcsd.v1 import process_service_pb2 as service_pb
from tests.integration.test_growth import running_inside
from tests.integration.wire import HOST, Client, refused, sh
from tests.support.census import ended, is_running

Code = grpc.StatusCode

UNSET = service_pb.TERMINATE_SCOPE_UNSPECIFIED
PROCESS = service_pb.TERMINATE_SCOPE_PROCESS
TREE = service_pb.TERMINATE_SCOPE_TREE
BEST = service_pb.TERMINATE_SCOPE_TREE_BEST_EFFORT

# Prints the pid of one of the two that it has started by then, and runs on.
PARENT = sh("sleep 7772 & sleep 7771 & echo $!; wait")
# The same, but it has exited by then.
LEAVER = sh("sleep 7771 & echo $!")


async def parent(client: Client, argv: pb.Argv = PARENT) -> tuple[str, int]:
    """Start one; return its name and the pid of its descendant."""
    made = await client.create(argv)
    output = await client.follow(made.name).until_out(b"\n")
    return made.name, int(output.stdout)


async def delete(
    client: Client,
    name: str,
    scope: service_pb.TerminateScope = UNSET,
) -> service_pb.DeleteProcessResponse:
    request = service_pb.DeleteProcessRequest(name=name, force=True, scope=scope)
    return await client.processes.DeleteProcess(request)


async def opened(client: Client, pid: int) -> str:
    request = service_pb.OpenProcessRequest(parent=HOST, pid=pid)
    return (await client.processes.OpenProcess(request)).process.name


@pytest.mark.parametrize(
    ("scope", "applied"), [(UNSET, PROCESS), (PROCESS, PROCESS), (TREE, TREE), (BEST, TREE)]
)
async def test_a_kill_says_what_it_has_reached(
    client: Client, scope: service_pb.TerminateScope, applied: service_pb.TerminateScope
) -> None:
    name, left = await parent(client)
    answer = await client.kill(name, scope)
    assert answer.scope_applied == applied
    assert answer.process.exit.signal == 9
    assert is_running(left) == (applied == PROCESS)


@pytest.mark.parametrize("scope", [TREE, BEST])
async def test_what_a_process_has_left_behind_counts_as_found(
    client: Client, scope: service_pb.TerminateScope
) -> None:
    name, left = await parent(client, LEAVER)
    await client.wait(name)
    assert (await client.kill(name, PROCESS)).scope_applied == UNSET  # it had exited
    assert is_running(left)
    assert (await client.kill(name, scope)).scope_applied == TREE
    assert not is_running(left)


async def test_a_kill_says_how_many_it_has_ended_besides_the_process(client: Client) -> None:
    name, _ = await parent(client)
    assert (await client.kill(name, BEST)).descendants_killed == 2
    assert (await client.kill(name, BEST)).scope_applied == UNSET  # nothing is left
    name, _ = await parent(client, LEAVER)
    await client.wait(name)
    answer = await delete(client, name)
    assert (answer.scope_applied, answer.descendants_killed) == (TREE, 1)


@pytest.mark.parametrize("scope", [PROCESS, TREE, BEST])
async def test_one_that_follows_the_signal_counts_as_found(
    client: Client, scope: service_pb.TerminateScope
) -> None:
    made = await client.create(pb.Argv(args=["sleep", "1000"]))
    answer = await client.kill(made.name, scope, grace=1000)
    assert answer.scope_applied == (PROCESS if scope == PROCESS else TREE)
    assert answer.process.exit.signal == 15


@pytest.mark.parametrize(
    ("scope", "applied"), [(UNSET, TREE), (PROCESS, PROCESS), (TREE, TREE), (BEST, TREE)]
)
async def test_a_deletion_by_force_ends_the_tree_unless_told_otherwise(
    client: Client, scope: service_pb.TerminateScope, applied: service_pb.TerminateScope
) -> None:
    name, left = await parent(client)
    assert (await delete(client, name, scope)).scope_applied == applied
    assert is_running(left) == (applied == PROCESS)
    with refused(Code.NOT_FOUND):
        await client.get(name)


async def test_a_deletion_by_force_ends_what_an_exited_process_has_left(client: Client) -> None:
    name, left = await parent(client, LEAVER)
    await client.wait(name)
    assert (await delete(client, name)).scope_applied == TREE
    assert not is_running(left)


async def test_a_deletion_without_force_leaves_that_alone(client: Client) -> None:
    name, left = await parent(client, LEAVER)
    await client.wait(name)
    answer = await client.processes.DeleteProcess(service_pb.DeleteProcessRequest(name=name))
    assert answer == service_pb.DeleteProcessResponse()
    assert is_running(left)


async def test_of_an_adopted_process_best_effort_kills_the_process(client: Client) -> None:
    _, left = await parent(client, sh("sh -c 'echo $$; sleep 7771; true' & wait"))
    name = await opened(client, left)
    with refused(Code.UNIMPLEMENTED):
        await client.kill(name, TREE)
    answer = await client.kill(name, BEST)
    assert (answer.scope_applied, answer.descendants_killed) == (PROCESS, 0)
    assert not is_running(left)
    assert (await client.kill(name, BEST)).scope_applied == UNSET


async def test_a_deletion_only_forgets_an_adopted_process(client: Client) -> None:
    _, left = await parent(client)
    assert (await delete(client, await opened(client, left))).scope_applied == UNSET
    assert is_running(left)


async def test_a_scope_that_there_is_not_is_refused(client: Client) -> None:
    made = await client.create(pb.Argv(args=["sleep", "1000"]))
    for call in (client.kill(made.name, 9), delete(client, made.name, 9)):  # type: ignore[arg-type]
        with refused(Code.INVALID_ARGUMENT) as refusal:
            await call
        assert refusal.value.fields == ["scope"]


async def test_an_engine_that_knows_no_descendants_kills_the_process_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(EmbeddedProvider, "kills_trees", False)
    async with running_inside(tmp_path, Limits()) as (client, _):
        lefts = []
        for end in (client.kill, lambda name: delete(client, name)):
            name, left = await parent(client)
            answer = await end(name)
            assert answer.scope_applied == PROCESS
            assert is_running(left)
            lefts.append(left)
        with refused(Code.UNIMPLEMENTED, "TREE_NOT_SUPPORTED"):
            await delete(client, (await parent(client))[0], TREE)
    with anyio.fail_after(30):
        for left in lefts:
            await ended(left)  # with the engine
