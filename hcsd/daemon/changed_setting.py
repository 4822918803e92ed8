"""What reading the configuration again has changed."""

from __future__ import annotations

from typing import NamedTuple


class ChangedSetting(NamedTuple):
    """A setting whose value is another one than before.

    Attributes:
        key: Its entry in the configuration file.
        before: The value with which the daemon runs, or ran until now, as the file says it; "" for none.
        after: The value that is wanted.
        is_applied: Whether it holds now; else it does once the daemon is started again.
    """

    key: str
    before: str
    after: str
    is_applied: bool

    def __str__(self) -> str:
        """Return it as people read it."""
        text = f"{self.key}: {self.before or 'nothing'} -> {self.after or 'nothing'}"
        return text if self.is_applied else f"{text}; needs a restart"
