"""What can be known of a Windows pipe."""

from __future__ import annotations

from typing import NamedTuple


class PipeFacts(NamedTuple):
    """What is known of a pipe.

    Attributes:
        mode: ``byte`` or ``message``; "" if Windows does not tell, as of some ends that only write.
        end: ``server`` or ``client``.
        out_bytes: Its buffer for output, as Windows tells; likewise `in_bytes`.
        overlapped: Whether its operations may overlap; None if Windows does not tell.
        error: Why Windows does not tell of the pipe: an error of Win32; 0 if it does.
    """

    mode: str = ""
    end: str = ""
    out_bytes: int = 0
    in_bytes: int = 0
    overlapped: bool | None = None
    error: int = 0
