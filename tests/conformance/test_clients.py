"""Every client library: its own checks, what the documentation shows of it, and case by case."""

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conformance import offers
from tests.conformance.case import Case
from tests.conformance.ends import Watched
from tests.conformance.languages import ROOT, Command, Language
from tests.conformance.outages import options_of
from tests.conformance.runner import running
from tests.conformance.stage import Stage
from tests.support.daemon import Daemon
from tests.support.pages import executed

END_TIMEOUT = 60.0  # seconds; far more than a kill takes
COMMAND_TIMEOUT = 900  # seconds; a first build fetches what it needs
CASE_TIMEOUT = 150  # seconds; a request without an answer is told of before that


def environment(**more: str) -> dict[str, str]:
    """Return ours, without what would tell a client where to go."""
    return {key: value for key, value in os.environ.items() if not key.startswith("HCSD_")} | more


def run(commands: tuple[Command, ...]) -> None:
    for command in commands:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="backslashreplace",
            check=False,
        )
        assert done.returncode == 0, f"{command} failed with {done.returncode}:\n{done.stdout}"


@pytest.mark.timeout(COMMAND_TIMEOUT)
def test_lint(language: Language) -> None:
    run(language.lint)


@pytest.mark.timeout(COMMAND_TIMEOUT)
def test_unit(language: Language) -> None:
    run(language.unit)


@pytest.mark.timeout(COMMAND_TIMEOUT)
def test_generated(language: Language) -> None:
    """What is committed is what `make generate` writes."""
    folder = ROOT / language.generated
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    run(language.generate)
    after = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert before.keys() == after.keys()
    assert [path for path in before if before[path] != after[path]] == []


def test_readme(language: Language, shared_daemon: Daemon) -> None:
    """The page of the clients shows the example as it is, and it runs."""
    shown = [block.text for block in executed(language.name)]
    assert shown == [(ROOT / language.example).read_text("utf-8")]
    done = subprocess.run(
        [*language.run_example, "sh", "-c", "echo hello; echo wrong >&2; exit 7"],
        cwd=ROOT,
        env=environment(HCSD_ADDRESS=shared_daemon.address),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr, done.returncode) == ("hello\n", "wrong\n", 7)


def test_early_failure(language: Language, shared_daemon: Daemon, tmp_path: Path) -> None:
    """A program that fails leaves nothing of its run behind, however often that is tried."""
    for number in range(20):
        own, child = tmp_path / f"own-{number}", tmp_path / f"child-{number}"
        script = f"echo $$ > {own}; sleep 600 & echo $! > {child}; echo line; wait"
        done = subprocess.run(
            [*language.fail_early, "sh", "-c", script],
            cwd=ROOT,
            env=environment(HCSD_ADDRESS=shared_daemon.address),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1, done.stderr
        for file in (own, child):
            with contextlib.suppress(ProcessLookupError), contextlib.closing(Watched(file)) as it:
                assert it.has_ended(END_TIMEOUT if file == child else 0), file


async def test_offers(language: Language, tmp_path: Path) -> None:
    """The page of the clients says of each language what its runner says."""
    async with running(language.runner, environment(), tmp_path / "stderr") as runner:
        features = await offers.offered(runner)
    remedy = f"run python -m tests.conformance --offers {language}"
    assert offers.shown()[language.name] == features, remedy


@pytest.mark.timeout(CASE_TIMEOUT)
async def test_case(  # noqa: PLR0917  (fixtures)
    request: pytest.FixtureRequest,
    language: Language,
    case: Case,
    daemon: Daemon,
    short_folder: Path,
    tmp_path: Path,
) -> None:
    if language.name in case.known_failing:
        request.applymarker(pytest.mark.xfail(strict=True, reason="known to fail"))
    log = tmp_path / "stderr"
    try:
        async with (
            contextlib.AsyncExitStack() as resources,
            running(language.runner, environment(**case.environment), log) as runner,
        ):
            options = options_of(case.daemon or (), case.outage)
            await Stage(runner, daemon, options, short_folder, resources).play(case)
    finally:
        sys.stderr.write(log.read_text("utf-8", "backslashreplace"))  # shown if it fails
