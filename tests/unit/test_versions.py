"""The daemon and all clients have one version."""

import json
import re
import tomllib
from pathlib import Path

import hcsd

CLIENTS = Path(__file__).parents[2] / "clients"


def test_rust() -> None:
    manifest = tomllib.loads((CLIENTS / "rust/Cargo.toml").read_text("utf-8"))
    assert manifest["package"]["version"] == hcsd.__version__


def test_typescript() -> None:
    manifest = json.loads((CLIENTS / "typescript/package.json").read_text("utf-8"))
    assert manifest["version"] == hcsd.__version__
    lock = json.loads((CLIENTS / "typescript/package-lock.json").read_text("utf-8"))
    assert lock["version"] == hcsd.__version__


def test_java() -> None:
    manifests = list((CLIENTS / "java").rglob("pom.xml"))
    assert manifests
    for manifest in manifests:
        found = re.search(r"<version>(.*?)</version>", manifest.read_text("utf-8"))
        assert found is not None
        assert found[1] == hcsd.__version__, manifest
