"""`make check` refuses a contract that breaks its clients, and takes one that only grew."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROTOS = Path(__file__).parents[2] / "protos"
SERVICE = "protos/hcsd/v1/host_service.proto"


def git(tree: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
    subprocess.run(
        ["/usr/bin/env", "git", *identity, *arguments], cwd=tree, check=True, capture_output=True
    )


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A repository with the contract as it is, on main."""
    shutil.copytree(PROTOS, tmp_path / "protos", ignore=shutil.ignore_patterns("__pycache__"))
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message=the contract")
    git(tmp_path, "switch", "--quiet", "--create=work")
    return tmp_path


def commit_and_check(tree: Path, before: str, after: str) -> str:
    """Change the contract, and return what the check prints."""
    path = tree / SERVICE
    text = path.read_text("utf-8")
    assert before in text
    path.write_text(text.replace(before, after, 1), "utf-8")
    git(tree, "commit", "--quiet", "--all", "--message=a change")
    command = [sys.executable, str(tree / "protos/generate.py"), "check"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=50)
    assert done.stderr == ""
    return done.stdout


def test_a_method_that_is_gone_is_refused(tree: Path) -> None:
    printed = commit_and_check(tree, "rpc GetHost(", "rpc GetTheHost(")
    assert 'Previously present RPC "GetHost" on service "HostService" was deleted.' in printed
    assert "would break clients" in printed


def test_a_message_that_is_new_is_taken(tree: Path) -> None:
    printed = commit_and_check(
        tree, "// Request of GetHost.", "// New.\nmessage New {}\n\n// Request of GetHost."
    )
    assert "would break clients" not in printed
