"""Limits of memory and processors of a compute system, as options and as its document."""

from __future__ import annotations

import json
import math
import os
import re
from typing import Annotated

import typer

from hcsd.cli.options import bytes_of
from hcsd.cli.process_shape import RIGHTS

OWNER = "hcsd"
SCHEMA_VERSION = {"Major": 2, "Minor": 1}

MIB = 1 << 20
MAX_BARE = 1 << 20  # MiB without a unit; more is meant as bytes
MAX_BARE_DIGITS = 7
MAX_CPUS = 0xFFFF
WHOLE = 10_000  # as HCS counts a share of all processors


def mebibytes_of(text: str) -> int:
    """Read a size of memory such as ``256m``, in MiB; a number alone is one of MiB."""
    if not re.fullmatch(r"\d+", text):
        size = math.ceil(bytes_of(text) / MIB)
    elif len(text) > MAX_BARE_DIGITS or (size := int(text)) > MAX_BARE:
        raise typer.BadParameter(f"'{text}' has no unit; write it as in 256m or 1g")
    if size < 1:
        raise typer.BadParameter(f"'{text}' is too little; write it as in 256m or 1g")
    return size


def cpus_of(text: str) -> float:
    """Read a number of processors such as ``2`` or ``0.5``."""
    if not re.fullmatch(r"\d+(\.\d*)?|\.\d+", text) or not 0 < float(text) <= MAX_CPUS:
        raise typer.BadParameter(f"'{text}' is no number of processors; write it as in 2 or 0.5")
    return float(text)


MemoryOption = Annotated[
    int | None,
    typer.Option(
        "--memory",
        "-m",
        metavar="SIZE",
        parser=mebibytes_of,
        rich_help_panel=RIGHTS,
        help="Memory that it may use, as in 256m or 1g; MiB without a unit.",
    ),
]
CpusOption = Annotated[
    float | None,
    typer.Option(
        "--cpus",
        "--processors",
        metavar="COUNT",
        parser=cpus_of,
        rich_help_panel=RIGHTS,
        help="Processors that it may use, as in 2 or 0.5.",
    ),
]


def check_own_system(
    system: str | None, memory: int | None, cpus: float | None, *, detach: bool
) -> None:
    """Refuse limits for a process that gets no compute system of its own.

    Raises:
        BadParameter: It goes into another, or to the background, where nobody would remove the system.
    """
    said = {} if memory is None else {"--memory": f"{memory}m"}
    if cpus is not None:
        said["--cpus"] = f"{cpus:g}"
    if system is not None:
        msg = "it must not be given with --system: that has limits of its own, from 'hcsd system create'"
        raise typer.BadParameter(msg, param_hint=" / ".join(said))
    if detach:
        words = " ".join(f"{option} {value}" for option, value in said.items())
        msg = (
            "it is only for a process in the foreground; in the background make its compute system first:"
            f" 'hcsd system create --start {words} SYSTEM' and 'hcsd run -d --system SYSTEM -- COMMAND'"
        )
        raise typer.BadParameter(msg, param_hint=" / ".join(said))


def configuration(owner: str, memory: int | None, cpus: float | None, *, local: bool) -> str:
    """Return the document of a container with limits.

    Args:
        owner: Free tag.
        memory: In MiB; None is without limit.
        cpus: Processors; None is without limit.
        local: Whether the daemon is on this machine, so that its processors are those here.

    Raises:
        BadParameter: A part of a processor, elsewhere: HCS wants to know it as a share of all there.
    """
    container: dict[str, object] = {}
    if memory is not None:
        container["Memory"] = {"SizeInMB": memory}
    if cpus is not None:
        if not cpus.is_integer() and not local:
            raise typer.BadParameter(
                "must be a whole number for a daemon on another machine, whose processors are not"
                " known here",
                param_hint="--cpus",
            )
        container["Processor"] = _processor(cpus, os.cpu_count() or 1)
    return json.dumps({"Owner": owner, "SchemaVersion": SCHEMA_VERSION, "Container": container})


def _processor(cpus: float, there_are: int) -> dict[str, int]:
    if cpus.is_integer():
        return {"Count": int(cpus)}
    return {"Maximum": min(max(round(cpus / there_are * WHOLE), 1), WHOLE)}
