"""Build the test double of computecore.dll with mingw, against mingw's own header of it.

It is a service, `hcsd-double.exe`, and a thin DLL that forwards to it. Beside the DLL that exports
all that the header declares there are variants that lack some, such as one like Windows 10 1809; see
`tests.windows.old_build`.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from tests.windows import old_build, places
from tests.windows.assemble import run

if TYPE_CHECKING:
    from collections.abc import Collection

SOURCES = places.SOURCES / "double"
EXPORTS = SOURCES / "protocol" / "exports.h"
STAMP = places.DOUBLE.with_name("stamp")
OBJECTS = places.DOUBLE.with_name("objects")  # of the DLL, for variants of it
BESIDE = (places.SERVICE.name, "console.exe")  # what a DLL needs in its folder

# Windows 10 2004 as the headers know it: pseudo consoles are declared.
FLAGS = (
    "-std=gnu11", "-O1", "-g", "-Wall", "-Wextra", "-Werror",
    "-D_WIN32_WINNT=0x0A00", "-DNTDDI_VERSION=0x0A000008",
)  # fmt: skip


def build() -> None:
    """Build all, unless it is there."""
    inputs = fingerprint()
    if STAMP.is_file() and STAMP.read_text() == inputs:
        return
    shutil.rmtree(STAMP.parent, ignore_errors=True)
    OBJECTS.mkdir(parents=True)
    with tempfile.TemporaryDirectory(dir=places.HOME) as scratch:
        shared = compile_all("protocol", OBJECTS)
        service = compile_all("service", Path(scratch))
        run(
            places.COMPILER, "-municode", "-static-libgcc", *service, *shared,
            "-lntdll", "-o", places.SERVICE,
        )  # fmt: skip
    compile_all("library", OBJECTS)
    for source, target in (
        (SOURCES / "console" / "console.c", places.DOUBLE.with_name("console.exe")),
        (places.SOURCES / "guest.c", places.GUEST),
    ):
        run(places.COMPILER, *FLAGS, "-municode", source, "-o", target)
    link(places.DOUBLE, without=())
    variant(places.OLD_DOUBLE.parent, without=old_build.LACKS)
    STAMP.write_text(inputs)


def compile_all(folder: str, target: Path) -> list[Path]:
    def compile_one(source: Path) -> Path:
        made = target / source.with_suffix(".o").name
        run(places.COMPILER, *FLAGS, "-c", source, "-o", made)
        return made

    with ThreadPoolExecutor(os.cpu_count()) as compilers:
        return list(compilers.map(compile_one, sorted((SOURCES / folder).glob("*.c"))))


def variant(folder: Path, *, without: Collection[str]) -> Path:
    """Link a DLL that lacks some exports, with its own service beside it; returns the DLL.

    Args:
        folder: Where it is put; it is made.
        without: The exports that it lacks.
    """
    folder.mkdir(parents=True, exist_ok=True)
    library = folder / places.DOUBLE.name
    link(library, without=without)
    for name in BESIDE:
        shutil.copy(places.DOUBLE.with_name(name), folder)
    return library


def link(library: Path, *, without: Collection[str]) -> None:
    names = exports()
    assert set(without) <= set(names), without
    with tempfile.TemporaryDirectory(dir=places.HOME) as scratch:
        definition = Path(scratch) / "computecore.def"
        kept = [name for name in names if name not in without]
        definition.write_text("\n".join(["LIBRARY computecore.dll", "EXPORTS", *kept]) + "\n")
        run(
            places.COMPILER, "-shared", "-static-libgcc", *sorted(OBJECTS.glob("*.o")), definition,
            "-lntdll", "-o", library,
        )  # fmt: skip


def exports() -> list[str]:
    """Read the names of all exports from the table that both sides are made from."""
    table = EXPORTS.read_text()
    return re.findall(r"^ +(?:EXPORT\([^,]+, |NOTHING\()(Hcs\w+)", table, re.MULTILINE)


def fingerprint() -> str:
    """Tell the inputs apart: the sources, how they are built, and what was not in 1809."""
    digest = hashlib.sha256(repr(sorted(old_build.LACKS)).encode())
    for path in (Path(__file__), places.SOURCES / "guest.c", *sorted(SOURCES.rglob("*.*"))):
        digest.update(path.read_bytes())
    return digest.hexdigest()
