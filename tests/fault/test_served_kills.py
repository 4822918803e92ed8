"""Kills of the daemon that meet trouble: what is tried next, what is answered, what the log has."""

import logging

import anyio
import anyio.lowlevel
import pytest

from hcsd.abi.hresult import HR
from hcsd.daemon.kills import Killed, Scope
from hcsd.daemon.process_view import ExitReason
from hcsd.hcs.errors import AccessDeniedError
from tests.fault.test_served_lost import served_by
from tests.support.records import ours
from tests.support.scripted import ScriptedProvider

pytestmark = pytest.mark.anyio


@pytest.fixture
def trees(scripted: ScriptedProvider) -> ScriptedProvider:
    """A provider that kills trees."""
    scripted.kills_trees = True
    return scripted


def kills(provider: ScriptedProvider, *answers: int, document: str | None = None) -> None:
    """Let kills complete so, one after the other, and well from then on."""
    left = list(answers)
    provider.script["HcsTerminateProcess"] = lambda op: op.complete(
        left.pop(0) if left else 0, document
    )


@pytest.mark.parametrize(
    ("document", "count"),
    [
        ('{"DescendantsKilled": 3}', 3),
        ('{"DescendantsKilled": 0}', 0),
        (None, 0),
        ("{}", 0),
        ("[]", 0),
        ("{", 0),
        ('{"DescendantsKilled": "3"}', 0),
        ('{"DescendantsKilled": -1}', 0),
        ('{"DescendantsKilled": 4294967296}', 0),
    ],
)
async def test_an_engine_may_say_how_many_it_has_killed(
    trees: ScriptedProvider, document: str | None, count: int
) -> None:
    async with served_by(trees) as (_, process):
        kills(trees, document=document)
        killed = await process.kill(ExitReason.TERMINATED, Scope.TREE)
        assert killed == Killed(Scope.TREE, found=True, descendants=count)


async def test_a_tree_of_which_something_cannot_be_killed_fails_unless_it_is_best_effort(
    trees: ScriptedProvider, caplog: pytest.LogCaptureFixture
) -> None:
    async with served_by(trees) as (_, process):
        kills(trees, HR.ACCESS_DENIED, HR.ACCESS_DENIED)
        with pytest.raises(AccessDeniedError):
            await process.kill(ExitReason.TERMINATED, Scope.TREE)
        assert not ours(caplog)
        killed = await process.kill(ExitReason.TERMINATED, Scope.TREE_BEST_EFFORT)
        assert killed == Killed(Scope.PROCESS, found=True)
        (record,) = ours(caplog)
        assert record.levelno == logging.WARNING
        assert process.name in record.getMessage()


async def test_an_engine_that_does_not_know_the_descendants_is_no_reason_for_a_warning(
    trees: ScriptedProvider, caplog: pytest.LogCaptureFixture
) -> None:
    async with served_by(trees) as (_, process):
        kills(trees, HR.ERROR_NOT_SUPPORTED)
        killed = await process.kill(ExitReason.TERMINATED, Scope.TREE_BEST_EFFORT)
        assert killed == Killed(Scope.PROCESS, found=True)
        assert not ours(caplog)


async def test_a_process_that_cannot_be_killed_is_an_error_at_best_effort_too(
    trees: ScriptedProvider,
) -> None:
    async with served_by(trees) as (_, process):
        kills(trees, HR.ACCESS_DENIED, HR.ACCESS_DENIED)
        with pytest.raises(AccessDeniedError):
            await process.kill(ExitReason.TERMINATED, Scope.TREE_BEST_EFFORT)


@pytest.mark.parametrize("reason", [ExitReason.RUN_TIMEOUT, ExitReason.OWNER_GONE])
async def test_the_log_warns_of_what_the_daemon_itself_cannot_end(
    scripted: ScriptedProvider, caplog: pytest.LogCaptureFixture, reason: ExitReason
) -> None:
    async with served_by(scripted) as (_, process):
        kills(scripted, HR.ACCESS_DENIED)
        process.kill_in_background(reason)
        with anyio.fail_after(30):
            while not ours(caplog):
                await anyio.lowlevel.checkpoint()
        (record,) = ours(caplog)
        assert record.levelno == logging.WARNING
        assert process.name in record.getMessage()
