"""Clients of a named service of the double: a DLL of its own in this process, or a process with one."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from tests.windows import native
from tests.windows.double_service import DoubleService

assert sys.platform == "win32"

if TYPE_CHECKING:
    from collections.abc import Iterator

DOUBLE = Path(os.environ["HCSD_DOUBLE"])
PROGRAM = DOUBLE.with_name("hcsd-double.exe")
NUMBERS = itertools.count()
SLEEPER = json.dumps({"CommandLine": "ping -n 60 127.0.0.1"})

# A process that opens the host and does as told; it prints what it made, and lives on.
CLIENT = """
import json, os, sys
from pathlib import Path
from hcsd.abi import types as abi
from tests.windows.native import Events, Native
native = Native(Path(os.environ["HCSD_DOUBLE"]))
host = native.open_host()
def tell(*what):
    print(json.dumps(what), flush=True)
"""
LIVES_ON = "\nsys.stdin.read()\n"


class Connect(Protocol):
    """Makes one more client in this process. Its DLL stays loaded."""

    def __call__(self) -> native.Native: ...


def new_service() -> DoubleService:
    """Choose a name; it is not started."""
    return DoubleService(f"test-{os.getpid()}-{next(NUMBERS)}", [str(PROGRAM)])


def connect_from(folder: Path) -> native.Native:
    """Load a DLL of our own, which is put into the folder with its program."""
    folder.mkdir()
    for part in (DOUBLE, PROGRAM):
        shutil.copy(part, folder)
    return native.Native(folder / DOUBLE.name)


@contextmanager
def process(
    service: DoubleService, code: str
) -> Iterator[tuple[subprocess.Popen[bytes], list[int]]]:
    """Run a client in a process of its own; yields it and the numbers that it tells."""
    client = subprocess.Popen(
        [sys.executable, "-c", CLIENT + code + LIVES_ON],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | service.variable,
    )
    assert client.stdin is not None
    assert client.stdout is not None
    with client, client.stdin, client.stdout:
        try:
            yield client, json.loads(client.stdout.readline())
        finally:
            client.kill()
