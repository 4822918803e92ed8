"""The self-test that users run on their hosts, on the host of the tests."""

import json
import subprocess
import sys
from pathlib import Path

from hcsd.selftest.checks import OF_HOST, OF_SYSTEM
from hcsd.selftest.programs import WindowsPrograms


def selftest(directory: Path, *options: str) -> tuple[int, str, dict[str, object]]:
    """Run it; returns its exit code, what it prints, and its report."""
    done = subprocess.run(
        [sys.executable, "-m", "hcsd.selftest", "--report", str(directory / "report"), *options],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=15,
        check=False,
    )
    return done.returncode, done.stdout, json.loads((directory / "report").read_text())


def test_all_checks_pass_with_the_embedded_engine(tmp_path: Path) -> None:
    code, said, report = selftest(tmp_path, "--system", "host")
    assert code == 0, said
    results = report["results"]
    assert isinstance(results, list)
    assert [result["check"] for result in results] == [*OF_HOST, "open system", *OF_SYSTEM]
    assert all(result["passed"] for result in results)
    assert report["engine"] == "embedded"
    assert said.count("\npass ") == len(results)
    assert "Traceback" not in said


def test_a_system_that_is_not_there_is_a_failed_check(tmp_path: Path) -> None:
    code, said, report = selftest(tmp_path, "--system", "nosuch")
    assert code == 1
    assert "\nFAIL " in said
    results = report["results"]
    assert isinstance(results, list)
    assert results[-1]["check"] == "open system"
    assert results[-1]["hresult"] == "0x8037010E"


def test_without_a_system_no_process_is_run(tmp_path: Path) -> None:
    code, said, _ = selftest(tmp_path)
    assert code == 0
    assert "no processes were run" in said


def test_exit_codes_reach_cmd_as_it_reads_numbers() -> None:
    line = WindowsPrograms().leave(0xC000013A)["CommandLine"]
    assert str(line).endswith("/c exit -1073741510")
