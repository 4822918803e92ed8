"""The self-test that users run on their hosts, over the test double."""

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.timeout(90)
def test_all_checks_pass(tmp_path: Path) -> None:
    path = tmp_path / "report"
    done = subprocess.run(
        [sys.executable, "-m", "hcsd.selftest", "--system", "host", "--report", str(path)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=80,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    report = json.loads(path.read_text())
    assert report["engine"] == "windows"
    assert report["build"] == "10.0.18362"
    assert all(result["passed"] for result in report["results"])
