"""Both distributions, built, installed into empty environments, and tried.

Nothing is downloaded. An empty environment gets, by links into this one, what a distribution declares
that it depends on, and what that depends on in turn. So a dependency that is used but not declared
is missing there.
"""

import email
import email.message
import os
import re
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from hcsd.version import __version__
from tests.support.daemon import Daemon, serving
from tests.support.pages import README, programs

ROOT = Path(__file__).parents[2]
CLIENT = "clients/python"
COMMAND_LINE = ROOT / "hcsd/docs/command-line.md"
OUR_OWN = {"hcsd", "hcsd-client"}


@dataclass(frozen=True)
class Built:
    """One distribution.

    Attributes:
        wheel: Built from the tree.
        sdist: Built from the tree.
        wheel_of_sdist: Built from the unpacked sdist, far from the tree.
    """

    wheel: Path
    sdist: Path
    wheel_of_sdist: Path

    @property
    def files(self) -> set[str]:
        """What the wheel installs, without its metadata."""
        return {name for name in self.contents if ".dist-info/" not in name}

    @property
    def contents(self) -> dict[str, bytes]:
        return read_wheel(self.wheel)

    @property
    def metadata(self) -> email.message.Message:
        (found,) = (data for name, data in self.contents.items() if name.endswith("/METADATA"))
        return email.message_from_bytes(found)

    @property
    def requirements(self) -> list[Requirement]:
        """What it needs without its extras."""
        return always_needed(self.metadata.get_all("Requires-Dist", []))


@dataclass(frozen=True)
class Environment:
    """A virtual environment without pip and, at first, without packages."""

    folder: Path

    @property
    def programs(self) -> Path:
        return self.folder / "bin"

    @property
    def site_packages(self) -> Path:
        (found,) = self.folder.glob("lib/python*/site-packages")
        return found

    def link_dependencies(self, requirements: list[Requirement]) -> None:
        """Link the packages from our environment, with all that they need."""
        seen = set(OUR_OWN)
        queue = list(requirements)
        while queue:
            name = canonicalize_name(queue.pop().name)
            if name in seen:
                continue
            seen.add(name)
            package = metadata.distribution(name)
            queue += always_needed(package.requires or [])
            for file in package.files or ():
                if ".." not in file.parts:  # a program, and so not in site-packages
                    link = self.site_packages / file
                    link.parent.mkdir(parents=True, exist_ok=True)
                    link.symlink_to(str(file.locate()))

    def install(self, *wheels: Path) -> None:
        """Install wheels. Pip finds all that they require here, or this fails."""
        pip = (sys.executable, "-m", "pip", "--isolated", "--disable-pip-version-check")
        python = self.programs / "python"
        run(*pip, "--python", python, "install", "--no-index", *wheels, directory=self.folder)

    def run(self, program: str, *arguments: str, **variables: str) -> str:
        """Run a program of the environment from a folder outside of the tree."""
        return run(self.programs / program, *arguments, directory=self.folder, **variables)


def read_wheel(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def always_needed(lines: list[str]) -> list[Requirement]:
    found = map(Requirement, lines)
    return [one for one in found if one.marker is None or one.marker.evaluate({"extra": ""})]


def run(*command: str | Path, directory: Path, **variables: str) -> str:
    """Run a program that must succeed, and return what it prints.

    It must not see more packages than are installed for it, so no PYTHONPATH is passed on.
    """
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    done = subprocess.run(
        command,
        cwd=directory,
        env=inherited | variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, f"{command} failed:\n{done.stdout}"
    return done.stdout


def build(project: Path, results: Path) -> Built:
    """Build all there is of a distribution."""
    hatchling = (sys.executable, "-m", "hatchling", "build")
    run(*hatchling, "-t", "sdist", "-t", "wheel", "-d", results, directory=project)
    (sdist,) = results.glob("*.tar.gz")
    (wheel,) = results.glob("*.whl")
    unpack(sdist, results)
    unpacked = results / sdist.name.removesuffix(".tar.gz")
    run(*hatchling, "-t", "wheel", "-d", results / "again", directory=unpacked)
    return Built(wheel, sdist, results / "again" / wheel.name)


def unpack(sdist: Path, target: Path) -> None:
    """Write its files; Python 3.11.2 lacks the filters that `extractall` asks for in later ones."""
    with tarfile.open(sdist) as archive:
        for member in archive:
            content = archive.extractfile(member)
            assert content is not None, f"{member.name} is no file"
            path = target / member.name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.read())


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what git tracks, or would track: nothing that was built or left behind here."""
    git = shutil.which("git")
    assert git is not None
    listing = (git, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    copy = tmp_path_factory.mktemp("checkout")
    for name in run(*listing, directory=ROOT).split("\0"):
        if name and (ROOT / name).is_file():  # else it was deleted, and that is not committed yet
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
    return copy


@pytest.fixture(scope="module")
def client(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The distribution `hcsd-client`."""
    return build(checkout / CLIENT, tmp_path_factory.mktemp("client"))


@pytest.fixture(scope="module")
def whole(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The distribution `hcsd`: the daemon and the commands."""
    return build(checkout, tmp_path_factory.mktemp("whole"))


@pytest.fixture
def empty(tmp_path: Path) -> Environment:
    venv.create(tmp_path / "environment", symlinks=True)
    return Environment(tmp_path / "environment")


def tree_files(checkout: Path, *folders: str) -> set[str]:
    """Return the files below folders of the checkout, by their paths there."""
    found = (path for folder in folders for path in (checkout / folder).rglob("*"))
    return {
        path.relative_to(checkout).as_posix()
        for path in found
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_the_wheels_have_all_of_their_packages_and_nothing_else(
    checkout: Path, client: Built, whole: Built
) -> None:
    man = "hcsd/man/"
    places = {man: f"hcsd-{__version__}.data/data/share/man/"}
    assert whole.files == {
        path.replace(man, places[man]) if path.startswith(man) else path
        for path in tree_files(checkout, "hcsd")
    }
    assert client.files == tree_files(checkout / CLIENT, "hcsd", "hcsd_client")
    assert {"hcsd/py.typed", "hcsd/__main__.py", "hcsd/docs/index.md"} <= whole.files
    assert {"hcsd/v1/py.typed", "hcsd_client/py.typed", "hcsd/version.py"} <= client.files


def test_the_namespace_is_shared(client: Built, whole: Built) -> None:
    """A file of both would be removed with either; an __init__.py would hide the other's part."""
    assert not client.files & whole.files
    assert "hcsd/__init__.py" not in client.files | whole.files


@pytest.mark.parametrize("name", ["client", "whole"])
def test_the_sdist_builds_the_same_wheel(name: str, request: pytest.FixtureRequest) -> None:
    built: Built = request.getfixturevalue(name)
    assert read_wheel(built.wheel_of_sdist) == built.contents


def test_the_metadata_is_in_step(checkout: Path, client: Built, whole: Built) -> None:
    licence = (checkout / "LICENSE").read_bytes()
    for built, name in ((client, "hcsd-client"), (whole, "hcsd")):
        found = built.metadata
        assert (found["Name"], found["Version"]) == (name, __version__)
        assert (found["License-Expression"], found["License-File"]) == ("Apache-2.0", "LICENSE")
        copies = [data for path, data in built.contents.items() if path.endswith("/LICENSE")]
        assert copies == [licence]
    assert {one.name for one in client.requirements} == {
        "anyio",
        "googleapis-common-protos",
        "grpcio",
        "grpcio-status",
        "protobuf",
    }
    pins = [str(one) for one in whole.requirements if one.name == "hcsd-client"]
    assert pins == [f"hcsd-client=={__version__}"]


def test_the_client_alone_runs_the_examples(
    client: Built, empty: Environment, daemon: Daemon
) -> None:
    """Those of the main README and of its own."""
    examples = programs("python", [README, ROOT / CLIENT / "README.md"])
    assert {example.page.parent for example, _ in examples} == {ROOT, ROOT / CLIENT}
    empty.link_dependencies(client.requirements)
    empty.install(client.wheel)
    for example, printed in examples:
        code = ("-W", "error", "-c", example.text)
        assert empty.run("python", *code, HCSD_ADDRESS=daemon.address) == printed, example


def find_manual_page(programs: Path, before: str = ":") -> str:
    """Return where `man` finds a page with a folder of programs on PATH, after a line for the shell."""
    path = f"{programs}:{os.environ['PATH']}"
    line = f"{before}; man -w hcsd-run"
    return run("bash", "-c", line, directory=programs, PATH=path, MANPATH="").strip()


def test_a_daemon_installed_with_its_client_runs_a_process(
    client: Built, whole: Built, empty: Environment
) -> None:
    empty.link_dependencies(client.requirements + whole.requirements)
    empty.install(client.wheel, whole.wheel)
    assert empty.run("hcsd", "--version") == f"hcsd {__version__}\n"
    assert empty.run("python", "-m", "hcsd", "--version") == f"hcsd {__version__}\n"
    page = empty.folder / "share/man/man1/hcsd-run.1"
    assert page.read_bytes() == (ROOT / "hcsd/man/man1/hcsd-run.1").read_bytes()
    if shutil.which("man"):
        assert find_manual_page(empty.programs) == str(page)
        links = empty.folder / "links/bin"
        links.mkdir(parents=True)
        (links / "hcsd").symlink_to(empty.programs / "hcsd")
        hint = re.search(r"^\$ (export MANPATH=.*)$", COMMAND_LINE.read_text("utf-8"), re.MULTILINE)
        assert hint is not None
        assert find_manual_page(links, hint[1]) == str(page)
    with serving(command=(str(empty.programs / "hcsd"), "serve")) as daemon:
        options = ("--address", daemon.address, "--", "sh", "-c", "echo hello")
        assert empty.run("hcsd", "run", *options) == "hello\n"
