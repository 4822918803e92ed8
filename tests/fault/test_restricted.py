"""What the embedded engine does where the host refuses: a daemon that is not all-powerful."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hcsd.abi.hresult import HR
from tests.support.census import is_running
from tests.support.cgroups import USABLE

SETPRIV = shutil.which("setpriv")
ROOT = Path(__file__).parents[2]

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can give up single powers"),
    pytest.mark.skipif(SETPRIV is None, reason="setpriv (util-linux) is not here"),
]


def without(powers: str, program: str, seconds: float = 15) -> object:
    """Run a program without some capabilities, and return what it found."""
    dropped = ",".join(f"-{power}" for power in powers.split())
    return found_by(program, "--bounding-set", dropped, "--inh-caps", dropped, seconds=seconds)


def as_nobody(program: str) -> object:
    """Run a program as nobody, who may read this folder and Python's, and return what it found."""
    read = "+dac_read_search"
    ids = ("--reuid", "65534", "--regid", "65534", "--clear-groups")
    return found_by(program, *ids, "--inh-caps", read, "--ambient-caps", read, seconds=50)


def found_by(program: str, *options: str, seconds: float) -> object:
    assert SETPRIV is not None
    done = subprocess.run(
        [SETPRIV, *options, sys.executable, "-m", "tests.support.restricted", program],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        timeout=seconds,
        check=True,
    )
    findings, live = json.loads(done.stdout)
    assert not any(live.values())
    return findings


def test_a_process_out_of_reach_is_an_error_and_does_not_hold_up_the_close() -> None:
    findings = without("kill", "out_of_reach")
    assert isinstance(findings, dict)
    survivor = findings["pid"]
    assert is_running(survivor)
    os.kill(survivor, signal.SIGKILL)
    assert findings["codes"] == [HR.ACCESS_DENIED] * 2
    assert findings["ends"] == [None, 137]  # of the one that lives nobody can tell an end


@pytest.mark.skipif(not USABLE, reason="this host lets the test make no control groups")
def test_a_control_group_reaches_at_the_close_what_a_signal_does_not() -> None:
    findings = without("kill", "in_reach_of_groups")
    assert isinstance(findings, dict)
    assert findings["codes"] == [HR.ACCESS_DENIED] * 2
    assert findings["ends"] == [137, 137]
    assert not is_running(findings["pid"])


def test_more_descriptors_on_their_way_than_allowed_fail_their_creates_alone() -> None:
    findings = without("sys_resource sys_admin", "too_many_on_their_way")
    assert isinstance(findings, list)
    codes = dict(findings)
    failed = [number for number, code in codes.items() if isinstance(code, str)]
    assert failed
    assert {codes.pop(number) for number in failed} == {f"{HR.ERROR_NO_SYSTEM_RESOURCES:#x}"}
    assert codes
    assert codes == {number: number for number in codes}  # each answer went to its own question
    assert codes[99] == 99


def test_a_directory_that_cannot_be_entered_is_named_rather_than_the_program() -> None:
    assert without("dac_override dac_read_search", "closed_directory") == [
        f"{HR.E_ACCESSDENIED:#x}",
        "working directory 'NAME': Permission denied",
    ]


def test_a_pause_that_is_refused_continues_what_it_has_stopped() -> None:
    findings = without("kill", "refused_pause")
    assert isinstance(findings, dict)
    child, other = findings["pids"]
    for pid in (child, other):
        assert is_running(pid)
        os.kill(pid, signal.SIGKILL)
    assert findings["code"] == HR.ACCESS_DENIED
    assert findings["killed"]
    assert f"1 process: {child}" in findings["text"]


def test_nothing_of_a_tree_gets_away_from_a_daemon_without_powers() -> None:
    powers = "kill sys_nice sys_ptrace sys_admin sys_resource dac_override dac_read_search"
    assert without(powers, "trees", seconds=50) == ["", "", ""]


def test_an_ordinary_user_has_all_but_limits() -> None:
    """Without a control group that is delegated to him."""
    findings = as_nobody("ordinary_user")
    assert isinstance(findings, dict)
    assert findings["uid"] == 65534
    assert findings["alive"] == []
    code, text = findings["limit"]
    assert code == f"{HR.ERROR_NOT_SUPPORTED:#x}"
    assert "does not let the daemon limit memory: it may not make control groups" in text
