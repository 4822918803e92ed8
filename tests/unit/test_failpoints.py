"""A process dies at the pass that the variable names, and at no other."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hcsd import failpoints

PASSES = """
import sys
from hcsd.failpoints import reach
for number in range(5):
    for name in ("journal.commit", "splice"):
        print(name, number, flush=True)
        reach(name)
"""


def passes(value: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", PASSES],
        env={**os.environ, failpoints.VARIABLE: value},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_process_dies_at_the_named_pass() -> None:
    done = passes("create.asked=1,splice=2")
    assert done.returncode == -signal.SIGKILL
    assert done.stdout.splitlines()[-1] == "splice 1"
    assert done.stderr == "hcsd: killed at failpoint splice\n"


def test_places_that_are_not_named_do_nothing() -> None:
    done = passes("")
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 10


@pytest.mark.parametrize(
    "value", ["splice", "splice=", "splice=0", "splice=-1", "splice=x", "splice=¹", "spice=1", "=1"]
)
def test_a_wrong_value_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match=failpoints.VARIABLE):
        failpoints.parse(value)


def test_the_head_of_the_module_lists_all_places() -> None:
    listed = re.findall(r"^\| ([a-z.]+) \|", failpoints.__doc__ or "", re.MULTILINE)
    assert set(listed) - {"name"} == failpoints.NAMES


def test_no_code_passes_a_place_that_is_not_listed() -> None:
    package = Path(failpoints.__file__).parent
    used = set()
    for path in package.rglob("*.py"):
        used |= set(re.findall(r"\breach\(\"([^\"]+)\"\)", path.read_text(encoding="utf-8")))
    assert used <= failpoints.NAMES
