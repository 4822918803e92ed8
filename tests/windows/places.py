"""Where the Windows test bed lies: everything in one folder that git ignores."""

from __future__ import annotations

import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CLIENT = ROOT / "clients" / "python"
SOURCES = ROOT / "tests" / "windows"

HOME = ROOT / ".venv-windows"
PYTHON = HOME / "python"  # python.exe, python311.dll, the extension modules, Lib
SITE_PACKAGES = PYTHON / "Lib" / "site-packages"
PREFIX = HOME / "prefix"  # the drives and the registry of our Wine
SYSTEM32 = PREFIX / "drive_c" / "windows" / "system32"
DOUBLE = HOME / "double" / "computecore.dll"
SERVICE = DOUBLE.with_name("hcsd-double.exe")  # what that forwards to
OLD_DOUBLE = HOME / "double" / "old" / "computecore.dll"  # as a build of 1809 would be
GUEST = HOME / "double" / "guest.exe"  # what the contract tests start
STAGE = HOME / "stage"  # a copy of the tests, away from the sources of what they test
LOCK = HOME / "lock"  # held while somebody uses the prefix

COMPILER = "x86_64-w64-mingw32-gcc"


def find_wine() -> Path | None:
    """Find the 64-bit loader itself.

    Debian's `wine` is a script that complains on every start when 32-bit programs cannot run.
    """
    found = shutil.which("wine64") or shutil.which("wine64", path="/usr/lib/wine")
    return Path(found) if found else None


def find_wineserver() -> Path | None:
    """Find the server program; only the package `wine` puts it on the PATH."""
    for name, path in (("wineserver64", "/usr/lib/wine"), ("wineserver", None)):
        if found := shutil.which(name, path=path):
            return Path(found)
    return None
