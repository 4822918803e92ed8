"""A value that is set once and can be awaited by any number of tasks, any number of times."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Latch(Generic[T]):
    """First value wins; later ones are ignored.

    A waiter that is cancelled takes nothing from the others. Thread: the event loop's.
    """

    __slots__ = ("_event", "_observers", "_value")

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self._value: T | None = None
        self._observers: dict[Callable[[T], None], None] = {}

    @property
    def is_set(self) -> bool:
        """Whether it has a value."""
        return self._event.is_set()

    @property
    def value(self) -> T | None:
        """The value, or None while it is not set."""
        return self._value

    def set(self, value: T) -> bool:
        """Set the value and run the observers.

        Returns:
            Whether this call set it.
        """
        if self._event.is_set():
            return False
        self._value = value
        self._event.set()
        observers, self._observers = self._observers, {}
        for observer in observers:
            observer(value)
        return True

    def observe(self, observer: Callable[[T], None]) -> None:
        """Run `observer` with the value when it is set; at once if it is set already."""
        if self._value is not None:
            observer(self._value)
        else:
            self._observers[observer] = None

    def forget(self, observer: Callable[[T], None]) -> None:
        """Take an observer back; idempotent."""
        self._observers.pop(observer, None)

    async def wait(self) -> T:
        """Return the value, waiting until it is set."""
        await self._event.wait()
        assert self._value is not None  # noqa: S101  (set before the event, for the type checker)
        return self._value
