"""Build the test double of computecore.dll with mingw, against mingw's own header of it.

Two DLLs come of the same code: one that exports all that the header declares, and one like Windows
10 1809, which lacks what the table of functions says came later.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hcsd.abi.functions import FUNCTIONS
from tests.windows import places
from tests.windows.assemble import run

if TYPE_CHECKING:
    from pathlib import Path

SOURCES = places.SOURCES / "double"
EXPORTS = SOURCES / "computecore.def"
OLDEST = "Windows 10 1809"

# Windows 10 2004 as the headers know it: pseudo consoles are declared.
FLAGS = (
    "-std=gnu11", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-static-libgcc",
    "-D_WIN32_WINNT=0x0A00", "-DNTDDI_VERSION=0x0A000008",
)  # fmt: skip


def build() -> tuple[Path, Path]:
    """Build both; returns the present one and the old one."""
    sources = sorted(SOURCES.glob("*.c"))
    later = {row.name for row in FUNCTIONS if row.since != OLDEST and row.module == "computecore"}
    exports = EXPORTS.read_text().splitlines()
    for target, names in (
        (places.DOUBLE, exports),
        (places.OLD_DOUBLE, [name for name in exports if name not in later]),
    ):
        target.parent.mkdir(parents=True, exist_ok=True)
        definition = target.with_suffix(".def")
        definition.write_text("\n".join(names) + "\n")
        run(places.COMPILER, *FLAGS, "-shared", *sources, definition, "-o", target)
    return places.DOUBLE, places.OLD_DOUBLE
