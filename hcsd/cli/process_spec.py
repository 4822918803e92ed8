"""What `hcsd run` asks for, as a ProcessSpec."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hcsd.cli.terminal.terminal import Terminal

if TYPE_CHECKING:
    from hcsd.v1.process_pb2 import ProcessOptions, ProcessSpec


def spec_of(
    command: list[str], env: list[str], workdir: str, user: str, *, stdin: bool, tty: bool
) -> ProcessSpec:
    """Return what is to be run."""
    from hcsd.v1 import process_pb2 as pb

    spec = pb.ProcessSpec(
        argv=pb.Argv(args=command),
        working_directory=workdir,
        user=user,
        stdin_mode=pb.STDIN_MODE_PIPE if stdin else pb.STDIN_MODE_CLOSED,
    )
    variables = pairs_of(env)
    if tty:
        variables = _make_console(spec) + variables
    spec.env.extend(pb.EnvironmentVariable(name=key, value=value) for key, value in variables)
    return spec


def options_of(*, pin: bool) -> ProcessOptions:
    """Return how it is to be kept."""
    from hcsd.v1.process_pb2 import ProcessOptions

    return ProcessOptions(pin=pin)


def directory_of(workdir: str, *, local: bool) -> str:
    """See a relative directory from here, if here is where the process will be."""
    workdir.encode()  # what is not UTF-8 is refused as it was written
    if not workdir or not local or os.path.isabs(workdir):
        return workdir
    return os.path.join(os.getcwd(), workdir)


def _make_console(spec: ProcessSpec) -> list[tuple[str, str]]:
    """Give a process a console like this terminal, and return the variables it needs for that."""
    size = Terminal.size_of_ours()
    spec.console.columns, spec.console.rows = size.columns, size.rows
    # What outlives a shell in the background has lost its terminal. Nobody waits for it.
    spec.drain_timeout.FromMilliseconds(100)
    kind = os.environ.get("TERM")
    return [("TERM", kind)] if kind else []


def pairs_of(values: list[str]) -> list[tuple[str, str]]:
    """Take texts of the form ``KEY=VALUE`` apart."""
    return [(key, value) for key, _, value in (text.partition("=") for text in values)]
