"""`hcsd service` where there are no such services."""

import sys

import pytest
from typer.testing import CliRunner

from hcsd.cli.main import app

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there it works")


@pytest.mark.parametrize("command", ["install", "remove", "start", "stop", "status"])
def test_only_windows_has_them(command: str) -> None:
    done = CliRunner().invoke(app, ["service", command])
    assert done.exit_code == 1
    assert done.stderr.startswith("hcsd: cannot manage services: only Windows has them")
