"""What a guest cannot be given of a spec, whatever the contract says of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hcsd.daemon import windows_command, windows_environment
from hcsd.daemon.errors import Violation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hcsd.daemon.guests import Guest
    from hcsd.daemon.spec import ProcessSpec

_FROM_THE_ROOT = re.compile(r"([A-Za-z]:)?[\\/]")  # shares such as \\server\share, too


def violations(spec: ProcessSpec, guest: Guest, *, shapes: bool) -> list[Violation]:
    """Return what the system cannot do of a spec.

    Args:
        spec: What was asked for.
        guest: What runs in the system.
        shapes: Whether its engine has a place for a `Shape`.
    """
    found = list(_posix(spec) if guest.has_posix_paths else _windows(spec))
    if not shapes:
        found += [
            Violation(f"spec.{name}", "engine.unsupported", "is for the embedded engine alone")
            for name in spec.shape.asked_for
        ]
    return found


def _posix(spec: ProcessSpec) -> Iterator[Violation]:
    directory = spec.working_directory
    if directory and not directory.startswith("/"):
        yield Violation(
            "spec.working_directory",
            "string.prefix",
            f"must be absolute: '{directory}' does not begin with '/'",
        )


def _windows(spec: ProcessSpec) -> Iterator[Violation]:
    if spec.command_line is None:
        yield from windows_command.violations(spec.argv)
    elif not spec.command_line.strip(" \t"):
        yield Violation(
            "spec.command_line", "required", "is required: the program and its arguments"
        )
    else:
        yield from windows_command.too_long(spec.command_line, "spec.command_line")
    directory = spec.working_directory
    if directory and not _FROM_THE_ROOT.match(directory):
        yield Violation(
            "spec.working_directory",
            "string.prefix",
            f"must be absolute for a Windows guest, as in 'C:\\build': '{directory}' is not",
        )
    yield from windows_environment.violations(spec.env)
    if ":" in spec.user:
        yield Violation(
            "spec.user",
            "string.not_contains",
            f"must be an account for a Windows guest, without a group: '{spec.user}' has a ':'",
        )
