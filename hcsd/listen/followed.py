"""What a file says about who may come in, as it is now.

    usable ──(the file changes, and cannot be used)──▶ nobody ──(it changes, and can)──▶ usable

A change holds from the next look on, without a restart. A file that is missing or bad admits nobody:
taking it away is how to lock everybody out. Each change is logged once.

Write a new file beside the old one and rename it: one that is written in place is bad for a moment.

Threads: any; a lock makes them take turns. A look is one stat, unless the file has changed.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Generic, TypeVar

from hcsd.errors import HcsdError
from hcsd.private.files import file_version

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

T = TypeVar("T")

logger = logging.getLogger(__name__)


class Followed(Generic[T]):
    """The content of a file.

    Args:
        path: The file.
        load: Reads and checks it; raises HcsdError if it cannot be used.
        nobody: What to return then.

    Raises:
        HcsdError: It cannot be used from the start.
    """

    def __init__(self, path: Path, load: Callable[[Path], T], nobody: T) -> None:
        self._path = path
        self._load = load
        self._nobody = nobody
        self._lock = threading.Lock()
        self._seen = file_version(path)  # of what was loaded last, good or bad; under the lock
        self._used = load(path)  # under the lock
        self._changes = 0  # of what holds; under the lock

    def current(self) -> T:
        """Return what holds now."""
        with self._lock:
            self._look()
            return self._used

    def changes(self) -> int:
        """Return how often something else held than before, also if it is what it was again."""
        with self._lock:
            self._look()
            return self._changes

    def _look(self) -> None:
        version = file_version(self._path)
        if version != self._seen:
            self._seen = version
            before, self._used = self._used, self._renewed()
            self._changes += self._used != before

    def _renewed(self) -> T:
        try:
            content = self._load(self._path)
        except HcsdError as error:
            logger.warning("nobody is let in by TCP until this is mended: %s", error)
            return self._nobody
        if content != self._used:  # else only its owner or the like has changed
            logger.info("took the changed '%s'", self._path)
        return content
