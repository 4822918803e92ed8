"""A program that traces a process, which then runs no further and cannot be reaped by its parent."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

PROGRAM = """
import ctypes, sys
attached = ctypes.CDLL(None).ptrace(16, int(sys.argv[1]), 0, 0) == 0
print(int(attached), flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def tracing(pid: int) -> Iterator[int]:
    """Trace a process while the block runs; gives the pid of the tracer."""
    tracer = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", PROGRAM, str(pid)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={"PATH": os.defpath},
    )
    with tracer:
        assert tracer.stdin is not None
        assert tracer.stdout is not None
        if tracer.stdout.readline() != b"1\n":
            pytest.skip("processes may not be traced here")
        yield tracer.pid
        tracer.stdin.close()
