"""What stands in System32 as a provider of the suite: loaded as the daemon loads it."""

import sys
from pathlib import Path

from hcsd.hcs import loader
from tests.windows import native

assert sys.platform == "win32"


class HcsProvider(loader.WindowsProvider):
    """A library that tells nothing of what it has given out."""

    def live(self) -> dict[str, int]:
        return {}


class DoubleProvider(loader.WindowsProvider):
    """The double, with what only it has: counts, and faults on command.

    Args:
        script: Rules for its faults; see double/service/faults.c.
    """

    def __init__(self, *script: dict[str, object], library: str = loader.COMPUTECORE) -> None:
        super().__init__(library)
        self.native = native.Native(Path(library))
        self.native.script(*script)

    def live(self) -> dict[str, int]:
        """Count what has been given out and not been given back."""
        return self.native.live()

    def disconnect(self) -> None:
        """Take the service away; it is back at once."""
        self.native.disconnect()

    def close(self, *, keep: bool = False) -> None:
        """Forget the faults, and complete what would never complete."""
        self.native.reset()
        super().close(keep=keep)
