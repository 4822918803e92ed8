"""Build the test double of computecore.dll with mingw, against mingw's own header of it.

Two DLLs come of the same code: one that exports all that the header declares, and one like Windows
10 1809, see `tests.windows.old_build`.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from pathlib import Path

from tests.windows import old_build, places
from tests.windows.assemble import run

SOURCES = places.SOURCES / "double"
EXPORTS = SOURCES / "library" / "computecore.def"
STAMP = places.DOUBLE.with_name("stamp")

# Windows 10 2004 as the headers know it: pseudo consoles are declared.
FLAGS = (
    "-std=gnu11", "-O1", "-g", "-Wall", "-Wextra", "-Werror",
    "-D_WIN32_WINNT=0x0A00", "-DNTDDI_VERSION=0x0A000008",
)  # fmt: skip


def build() -> None:
    """Build both, unless they are there."""
    inputs = fingerprint()
    if STAMP.is_file() and STAMP.read_text() == inputs:
        return
    STAMP.unlink(missing_ok=True)
    exports = EXPORTS.read_text().splitlines()
    places.OLD_DOUBLE.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=places.HOME) as scratch:
        objects = []
        for source in sorted((SOURCES / "service").glob("*.c")):
            objects.append(Path(scratch) / source.with_suffix(".o").name)
            run(places.COMPILER, *FLAGS, "-c", source, "-o", objects[-1])
        for target, names in (
            (places.DOUBLE, exports),
            (places.OLD_DOUBLE, [name for name in exports if name.strip() not in old_build.LACKS]),
        ):
            definition = Path(scratch) / "computecore.def"
            definition.write_text("\n".join(names) + "\n")
            run(
                places.COMPILER, "-shared", "-static-libgcc", *objects, definition,
                "-lntdll", "-o", target,
            )  # fmt: skip
    console = places.DOUBLE.with_name("console.exe")
    for source, target in (
        (SOURCES / "console" / "console.c", console),
        (places.SOURCES / "guest.c", places.GUEST),
    ):
        run(places.COMPILER, *FLAGS, "-municode", source, "-o", target)
    shutil.copy(console, places.OLD_DOUBLE.parent)
    STAMP.write_text(inputs)


def fingerprint() -> str:
    """Tell the inputs apart: the sources, how they are built, and what was not in 1809."""
    digest = hashlib.sha256(repr(sorted(old_build.LACKS)).encode())
    for path in (Path(__file__), places.SOURCES / "guest.c", *sorted(SOURCES.rglob("*.*"))):
        digest.update(path.read_bytes())
    return digest.hexdigest()
