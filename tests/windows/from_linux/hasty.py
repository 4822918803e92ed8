"""Daemons whose engine is hasty, on services of their own; see `tests.windows.hasty_daemon`."""

from __future__ import annotations

import contextlib
import signal
from typing import TYPE_CHECKING

from tests.support.daemon import Daemon, started
from tests.windows.places import SOURCES
from tests.windows.wine import Wine, windows_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


def command_of(wine: Wine) -> list[str]:
    """Return what starts one."""
    return wine.python_command("-P", windows_path(SOURCES / "hasty_daemon.py"))


def options_in(directory: Path) -> list[str]:
    """Return its options."""
    return ["--listen", "127.0.0.1:0", "--token-file", windows_path(directory / "token")]


@contextlib.contextmanager
def hasty_daemon(wine: Wine, directory: Path, variables: Mapping[str, str]) -> Iterator[Daemon]:
    """Run one; it is ended by Ctrl-C, which is what Wine passes on.

    Args:
        wine: Where.
        directory: Its private directory.
        variables: What it has in its environment besides that of Wine.
    """
    environment = wine.environment | dict(variables)
    daemon = started(options_in(directory), environment, directory, command=command_of(wine))
    try:
        daemon.await_ready()
        yield daemon
    finally:
        daemon.stop(signal.SIGINT)
