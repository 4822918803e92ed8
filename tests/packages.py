"""Whose packages the clients are: `clients/packages.toml` says it once, for all of them.

``python -m tests.packages`` replaces what the files say now by what is written there, in manifests, imports, the
contract and the pages. tests/unit/test_packages.py says when they differ.
"""

import re
import subprocess
import sys
import tomllib
from dataclasses import dataclass, fields
from pathlib import Path

ROOT = Path(__file__).parents[1]
WISH = "clients/packages.toml"
# What can carry a name or an address; stubs follow from the contract.
FILES = (
    "README.md",
    "clients",
    "hcsd/docs",
    "protos/hcsd",
    "pyproject.toml",
    "tests/conformance",
)
GENERATED = re.compile(r"hcsdv1/.*\.pb\.go$|_pb2\.pyi?$|/src/gen/")


class PackagesError(Exception):
    """A manifest lacks what should be there, or the wish cannot be carried out."""


@dataclass(frozen=True)
class Packages:
    """What the packages say of whose they are.

    Attributes:
        owner: Who is named as the author.
        repository: Host and path of the repository, without a scheme.
        maven_group: The group of the Java artifacts.
    """

    owner: str
    repository: str
    maven_group: str

    @property
    def written(self) -> tuple[str, ...]:
        """Each value as it is written, so that nothing else is taken for it."""
        return (
            self.owner,
            self.repository,
            f"<groupId>{self.maven_group}</groupId>",
            f"`{self.maven_group}:hcsd`",
        )


def wished(root: Path = ROOT) -> Packages:
    """Return what is asked for.

    Raises:
        PackagesError: A value is missing, or the repository is written in another way.
    """
    said = tomllib.loads((root / WISH).read_text("utf-8"))
    for field in fields(Packages):
        if not said.get(field.name):
            raise PackagesError(f"{WISH} does not say '{field.name}'")
    wish = Packages(**said)
    if "://" in wish.repository or wish.repository.endswith((".git", "/")):
        raise PackagesError(
            f"{WISH}: repository is '{wish.repository}'; give host and path alone, as 'github.com/name/project'"
        )
    return wish


def present(root: Path = ROOT) -> Packages:
    """Return what the manifests say now.

    Raises:
        PackagesError: One of them does not say it.
    """
    return Packages(
        owner=_find(root / "clients/typescript/package.json", r'"author": "(.+)"'),
        repository=_find(root / "clients/go/go.mod", r"^module (.+)/clients/go$"),
        maven_group=_find(root / "clients/java/pom.xml", r"<groupId>(.+)</groupId>"),
    )


def apply(root: Path = ROOT) -> list[str]:
    """Write what is asked for wherever it belongs, and return the files that have changed.

    Raises:
        PackagesError: A value stands for something else in one of the files already, so that a later change
            could not tell the two apart.
    """
    old, new = present(root), wished(root)
    changed: dict[Path, str] = {}
    for name in files(root):
        path = root / name
        text = before = path.read_text("utf-8")
        for is_there, should_be in zip(old.written, new.written, strict=True):
            if is_there != should_be and should_be in text.replace(is_there, ""):
                raise PackagesError(
                    f"'{should_be}' is in {name} already; give another one in {WISH}"
                )
            text = text.replace(is_there, should_be)
        if text != before:
            changed[path] = text
    for path, text in changed.items():
        path.write_text(text, "utf-8", newline="\n")
    return [str(path.relative_to(root)) for path in changed]


def files(root: Path = ROOT) -> list[str]:
    """Return the files that can carry a name, from the root of the project."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *FILES],  # noqa: S607
        cwd=root,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split("\0")
    return [name for name in listed if name and name != WISH and not GENERATED.search(name)]


def _find(path: Path, pattern: str) -> str:
    found = re.search(pattern, path.read_text("utf-8"), re.MULTILINE)
    if found is None:
        raise PackagesError(f"{path} has nothing like {pattern}")
    return found[1]


if __name__ == "__main__":
    try:
        for name in apply():
            print(f"wrote {name}")  # noqa: T201
    except PackagesError as error:
        sys.exit(f"packages: {error}")
