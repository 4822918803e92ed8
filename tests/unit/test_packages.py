"""The packages of the clients say in one place whose they are."""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from tests.packages import ROOT, WISH, Packages, PackagesError, apply, files, present, wished


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of what can carry a name."""
    for name in [WISH, *files()]:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, path)
    subprocess.run(["/usr/bin/env", "git", "init", "--quiet"], cwd=tmp_path, check=True)
    return tmp_path


def test_the_manifests_say_what_is_written_there() -> None:
    assert present() == wished()


def wish(tree: Path, new: Packages) -> None:
    text = "".join(f'{key} = "{value}"\n' for key, value in vars(new).items())
    (tree / WISH).write_text(text, "utf-8")


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("repository", "https://git.example/else", "host and path alone"),
        ("repository", "git.example/else.git", "host and path alone"),
        ("owner", "", "does not say 'owner'"),
        ("owner", "hcsd", "'hcsd' is in .* already"),
    ],
)
def test_what_cannot_be_written_is_refused(tree: Path, key: str, value: str, problem: str) -> None:
    before = present(tree)
    wish(tree, replace(before, **{key: value}))
    with pytest.raises(PackagesError, match=problem):
        apply(tree)
    assert present(tree) == before


def test_another_owner_is_written_everywhere(tree: Path) -> None:
    old = wished(tree)
    new = Packages("Somebody Else", "git.example/else/processes", "example.processes")
    wish(tree, new)
    changed = apply(tree)
    assert present(tree) == new
    assert {
        "clients/go/go.mod",
        "clients/java/pom.xml",
        "clients/python/pyproject.toml",
        "clients/rust/Cargo.toml",
        "clients/typescript/package.json",
        "protos/hcsd/v1/process.proto",
        "pyproject.toml",
        "tests/conformance/runners/go/go.mod",
        "tests/conformance/runners/java/pom.xml",
    } <= set(changed)
    for name in files(tree):
        said = (tree / name).read_text("utf-8")
        assert not any(value in said for value in old.written), name
    assert apply(tree) == []
