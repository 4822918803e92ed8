"""What the questions ask of Windows itself; elsewhere they cannot be asked."""

from __future__ import annotations

import sys
from pathlib import Path

from hcsd.selftest.question import NotHereError
from hcsd.win32.pipe_facts import PipeFacts

if sys.platform == "win32":  # noqa: TID251  (the questions' one choice by platform)
    import os

    from hcsd.win32.facts import bind, exported_names, full_build, pipe_facts, same_object

    def library_names() -> list[str]:
        """Return what computecore.dll exports, by its file."""
        return exported_names(Path(os.environ["SYSTEMROOT"], "System32", "computecore.dll"))
else:

    def library_names() -> list[str]:
        """Not here."""
        return []

    def pipe_facts(handle: int) -> PipeFacts:
        """Not here."""
        raise NotHereError("needs Windows")

    def bind(handle: int) -> str:
        """Not here."""
        raise NotHereError("needs Windows")

    def same_object(one: int, other: int) -> bool | None:
        """Not here."""
        return None

    def full_build() -> str:
        """Not here."""
        return ""


__all__ = ["PipeFacts", "bind", "full_build", "library_names", "pipe_facts", "same_object"]
