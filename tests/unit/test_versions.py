"""The daemon and all clients have one version; in Python they also share dependencies."""

import json
import re
import tomllib
from importlib import metadata
from pathlib import Path

from hcsd.version import __version__

ROOT = Path(__file__).parents[2]
CLIENTS = ROOT / "clients"


def test_python() -> None:
    assert metadata.version("hcsd") == metadata.version("hcsd-client") == __version__


def test_the_daemon_requires_the_client_of_its_version() -> None:
    assert f"hcsd-client=={__version__}" in _dependencies(ROOT)


def test_the_daemon_and_the_client_have_the_same_bounds() -> None:
    """Else an environment could suit one of them and not the other."""
    daemon, client = _by_name(ROOT), _by_name(CLIENTS / "python")
    assert client
    # The daemon uses the inside of grpcio, so it allows less of it.
    daemon["grpcio"] = daemon["grpcio"].replace("<1.86", "<2")
    assert {name: daemon.get(name) for name in client} == client


def _by_name(project: Path) -> dict[str, str]:
    """Return the dependencies of a distribution by the names of the packages."""
    return {re.split("[<>=]", line)[0]: line for line in _dependencies(project)}


def _dependencies(project: Path) -> list[str]:
    text = (project / "pyproject.toml").read_text("utf-8")
    found: list[str] = tomllib.loads(text)["project"]["dependencies"]
    return found


def test_rust() -> None:
    manifest = tomllib.loads((CLIENTS / "rust/Cargo.toml").read_text("utf-8"))
    assert manifest["package"]["version"] == __version__


def test_typescript() -> None:
    manifest = json.loads((CLIENTS / "typescript/package.json").read_text("utf-8"))
    assert manifest["version"] == __version__
    lock = json.loads((CLIENTS / "typescript/package-lock.json").read_text("utf-8"))
    assert lock["version"] == __version__


def test_java() -> None:
    manifests = list((CLIENTS / "java").rglob("pom.xml"))
    assert manifests
    for manifest in manifests:
        found = re.search(r"<version>(.*?)</version>", manifest.read_text("utf-8"))
        assert found is not None
        assert found[1] == __version__, manifest
