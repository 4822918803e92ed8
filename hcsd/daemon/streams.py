"""The output streams of a process."""

from __future__ import annotations

from hcsd.life import LifeEnum


class Stream(LifeEnum):
    """An output stream; the value is its name for people."""

    STDOUT = "stdout"
    STDERR = "stderr"
