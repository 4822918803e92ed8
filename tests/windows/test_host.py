"""The contract suite as a real host runs it, whose library has no counts and makes no systems."""

from __future__ import annotations

import os
import subprocess
import sys

assert sys.platform == "win32"


def test_the_contract_suite_runs_in_a_container_that_is_there() -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-v",
            "-p",
            "no:cacheprovider",
            "tests/contract/test_host.py",
        ],
        env=os.environ | {"HCSD_CONTRACT_SYSTEM": "a container"},
        capture_output=True,
        text=True,
        check=False,
        timeout=80,
    )
    assert done.returncode == 0, done.stdout
    assert "[hcs] PASSED" in done.stdout
