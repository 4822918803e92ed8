"""A descriptor that one object owns and a loop may watch.

The loop watches by descriptor number, and a number is reused as soon as it is closed. So the
callback is removed before the close, and the owner forgets the number first: a late use finds -1,
never somebody else's file.

Thread: the loop's.
"""

import os
import stat
import warnings


class Descriptor:
    """An owned descriptor in non-blocking mode; `number` is -1 once it is closed."""

    __slots__ = ("number", "pipe", "terminal")

    def __init__(self, number: int) -> None:
        self.number = -1
        mode = os.fstat(number).st_mode
        self.pipe = stat.S_ISFIFO(mode)
        self.terminal = stat.S_ISCHR(mode) and os.isatty(number)
        if not (self.terminal or self.pipe or stat.S_ISSOCK(mode)):
            # Readiness has no meaning for others, and epoll refuses them with a bare EPERM.
            raise ValueError(f"descriptor {number} is not a pipe, a terminal or a socket")
        os.set_blocking(number, False)  # type: ignore[attr-defined, unused-ignore]  # typeshed: not in 3.11 for win32
        self.number = number

    def close(self) -> None:
        """Close it; idempotent."""
        number, self.number = self.number, -1
        if number != -1:
            os.close(number)

    def __del__(self) -> None:
        if self.number != -1:
            warnings.warn(f"descriptor {self.number} was not closed", ResourceWarning, stacklevel=2)
            self.close()
