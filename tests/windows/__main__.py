"""Run the Windows half for real: a Windows Python under Wine, over a test double of the DLL.

    python -m tests.windows [pytest options and paths]

What is needed is assembled first, see `assemble.py`. The tests run from a copy, so that `hcsd` is
the one installed from its wheel and not the sources beside them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections import Counter
from typing import TYPE_CHECKING

from tests.windows import places
from tests.windows.assemble import AssembleError, assemble, install_hcsd, say, step
from tests.windows.build import build
from tests.windows.wine import Wine, WineError, windows_path

if TYPE_CHECKING:
    from pathlib import Path

# What runs outside of Wine: who meets the daemon there from here, and the check of our table by the
# compiler, which is a program of this side.
OUTSIDE = ("tests/windows/from_linux", "tests/abi/test_mingw.py")
SUITES = ("tests/abi", "tests/contract", "tests/windows", *OUTSIDE)
TIMEOUT = 1800.0  # seconds for all tests; twice what they take on a machine with much else to do
DOUBLE = "C:\\windows\\system32\\computecore.dll"
REPORT = "report.xml"
NOTHING_SELECTED = 5  # pytest's exit code; on one of the two sides that is no failure
PLAN = "test_plan"  # how the names of tests begin that are plans
PROPERTY = "double: "  # how conftest.py marks what it reports


def main() -> int:
    """Assemble, build, run, report; returns the exit code."""
    started = time.monotonic()
    options = [word for word in sys.argv[1:] if not is_path(word)]
    selected = [word for word in sys.argv[1:] if is_path(word)] or list(SUITES)
    inside = [path for path in selected if not path.startswith(OUTSIDE)]
    outside = [path for path in selected if path.startswith(OUTSIDE)]
    codes = []
    try:
        assemble()
        with step("test double of computecore.dll built"):
            build()
        say(f"installed {install_hcsd()}")
        stage()
        with Wine() as wine:
            if inside:
                codes.append(test(wine, [*options, *inside]))
            version = wine.python("-c", "import sys; print(sys.version)").text.strip()
            say(f"Python {version} on win32")
            say(
                f"{wine.version}; starts that failed inside it and were repeated: {wine.failed_starts}"
            )
        if outside:
            codes.append(test_from_linux([*options, *outside]))
    except (AssembleError, WineError) as error:
        sys.exit(f"windows: {error}")
    say(f"double: {DOUBLE}, a stand-in for the service and not for Windows")
    reports = [places.STAGE / REPORT, places.HOME / REPORT]
    report(reports)
    report_plans(*reports)
    code = max((code for code in codes if code != NOTHING_SELECTED), default=NOTHING_SELECTED)
    say(f"{'passed' if code == 0 else 'FAILED'} in {time.monotonic() - started:.0f} s")
    return code


def is_path(word: str) -> bool:
    """Tell a file, folder or test from an option of pytest and its value."""
    return not word.startswith("-") and (places.ROOT / word.partition("::")[0]).exists()


def stage() -> None:
    """Copy the tests and their settings to where they run."""
    (places.HOME / REPORT).unlink(missing_ok=True)
    shutil.rmtree(places.STAGE, ignore_errors=True)
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(places.ROOT / "tests", places.STAGE / "tests", ignore=ignored)
    shutil.copy(places.ROOT / "pyproject.toml", places.STAGE)
    for part in places.DOUBLE.parent.glob("*.*"):
        shutil.copy(part, places.SYSTEM32)  # where the loader looks, and nowhere else


def test(wine: Wine, selected: list[str]) -> int:
    """Run pytest in the Windows Python, and show what it says."""
    # A start takes ten times what it takes on this side.
    options = ["-p", "no:cacheprovider", "--timeout=90", f"--junit-xml={REPORT}"]
    command = ["-m", "pytest", *options, *selected]
    environment = {
        "HCSD_DOUBLE": DOUBLE,
        "HCSD_DOUBLE_OLD": windows_path(places.OLD_DOUBLE),
        "HCSD_GUEST": windows_path(places.GUEST),
        "COLUMNS": os.environ.get("COLUMNS", "100"),
    }
    return wine.python(
        *command,
        directory=places.STAGE,
        environment=environment,
        timeout=TIMEOUT,
        check=False,
        show=True,
    ).code


def test_from_linux(selected: list[str]) -> int:
    """Run the tests that run outside of Wine."""
    options = ["-m", "", "--timeout=90", f"--junit-xml={places.HOME / REPORT}"]
    command = [sys.executable, "-m", "pytest", *options, *selected]
    environment = {**os.environ, "HCSD_WINE": "1", "HCSD_GUEST": windows_path(places.GUEST)}
    return subprocess.run(command, cwd=places.ROOT, env=environment, check=False).returncode


def report(paths: list[Path]) -> None:
    """Say how many tests ran, why some did not, and what was live in the double when all was over."""
    suites = [ET.parse(path).getroot()[0] for path in paths if path.is_file()]  # noqa: S314  (ours)
    names = ("tests", "failures", "errors", "skipped")
    counts = {name: sum(int(suite.get(name, 0)) for suite in suites) for name in names}
    passed = counts["tests"] - counts["failures"] - counts["errors"] - counts["skipped"]
    say(f"tests: {passed} passed, " + ", ".join(f"{n} {counts[n]}" for n in list(counts)[1:]))
    reasons = Counter(skip.get("message") for suite in suites for skip in suite.iter("skipped"))
    for reason, count in reasons.most_common():
        say(f"skipped {count}: {reason}")
    found = [(p.get("name", ""), p.get("value")) for s in suites for p in s.iter("property")]
    ours = [
        f"{name[len(PROPERTY) :]} {value}" for name, value in found if name.startswith(PROPERTY)
    ]
    if ours:
        say(f"in the double at the end: {', '.join(ours)}")


def report_plans(*paths: Path) -> None:
    """Say how many plans of the double a client has met, and whether it saw what it must see."""
    cases = [
        case
        for path in paths
        if path.is_file()
        for case in ET.parse(path).getroot().iter("testcase")  # noqa: S314  (our own run's)
        if case.get("name", "").startswith(PLAN)
    ]
    wrong = sum(case.find(kind) is not None for case in cases for kind in ("failure", "error"))
    if cases:
        say(f"plans: {len(cases)}, {f'{wrong} FAILED' if wrong else 'all passed'}")


if __name__ == "__main__":
    sys.exit(main())
