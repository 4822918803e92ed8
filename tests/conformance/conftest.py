"""Languages by cases, and the table at the end. Only `make test-clients` comes here."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.case import CASES, Case
from tests.conformance.languages import LANGUAGES, Language
from tests.conformance.outages import is_possible, options_of
from tests.support.daemon import Daemon, serving

MARKS = {"passed": "ok", "failed": "FAILED", "xfailed": "known", "skipped": "-", "error": "ERROR"}


# What a language must have for a test to be about it. Python's own are in `make check` and `make test`.
NEEDS = {
    "test_lint": "lint",
    "test_unit": "unit",
    "test_generated": "generated",
    "test_readme": "example",
    "test_early_failure": "fail_early",
}

collect_ignore = [] if "HCSD_CONFORMANCE" in os.environ else ["test_clients.py"]


def chosen() -> list[Language]:
    """Return the languages that `python -m tests.conformance` was asked for."""
    names = os.environ.get("HCSD_CONFORMANCE", "").split()
    return [language for language in LANGUAGES if language.name in names]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "language" in metafunc.fixturenames:
        needs = NEEDS.get(metafunc.function.__name__, "runner")
        able = [language for language in chosen() if getattr(language, needs)]
        metafunc.parametrize("language", able, ids=str)
    if "case" in metafunc.fixturenames:
        metafunc.parametrize("case", CASES, ids=str)


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A folder for sockets, whose paths have at most 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="hcsd-", dir="/tmp") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def shared_daemon() -> Iterator[Daemon]:
    with serving(tcp=True) as daemon:
        yield daemon


@pytest.fixture
def daemon(request: pytest.FixtureRequest, case: Case) -> Iterator[Daemon]:
    """The daemon of a case: its own if it wants one."""
    if case.daemon is None:
        yield request.getfixturevalue("shared_daemon")
        return
    if not is_possible(case.outage):
        pytest.skip("the daemon cannot be started again on its state")
    with contextlib.ExitStack() as own:
        yield own.enter_context(serving(*options_of(case.daemon, case.outage), tcp=True))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table: what each language came to in each case."""
    found: dict[str, dict[str, str]] = {}
    for outcome, mark in MARKS.items():
        for report in terminalreporter.stats.get(outcome, ()):
            what, _, words = report.nodeid.rpartition("::")[2].rstrip("]").partition("[")
            language, _, case = words.partition("-")
            row = case or what.removeprefix("test_")
            found.setdefault(row, {})[language] = mark
    if not found:
        return
    names = [str(language) for language in chosen()]
    width = max(map(len, found))
    terminalreporter.section("languages and cases")
    terminalreporter.line(" " * width + "".join(f"  {name:>10}" for name in names))
    for row, marks in found.items():
        cells = (marks.get(name, "") for name in names)
        terminalreporter.line(f"{row:{width}}" + "".join(f"  {cell:>10}" for cell in cells))
