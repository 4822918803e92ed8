"""The event loop of the async tests: a call from a foreign thread is an error, as in asyncio's debug mode.

That mode also keeps a stack for each future and each callback, which was a tenth of the processor time of
the whole suite, and tells how long callbacks took, which says more of the machine than of the code.
"""

import asyncio
import sys
import threading
from collections.abc import Callable
from contextvars import Context
from typing import TypeVarTuple

if sys.platform == "win32":
    from tests.support.waking import wake

    Loop = asyncio.ProactorEventLoop
else:
    Loop = asyncio.SelectorEventLoop

Ts = TypeVarTuple("Ts")


class StrictLoop(Loop):
    """The platform's own loop, which only the thread that runs it may give work."""

    def __init__(self) -> None:
        self._runner: int | None = None
        super().__init__()
        if sys.platform == "win32":
            wake(self)

    def run_forever(self) -> None:
        """Run in this thread, whose loop it is until this returns."""
        self._runner = threading.get_ident()
        try:
            super().run_forever()
        finally:
            self._runner = None

    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """Have it called soon.

        Raises:
            RuntimeError: From a thread that does not run this loop, which would not wake up.
        """
        self._require_runner()
        return super().call_soon(callback, *args, context=context)

    def call_at(
        self,
        when: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Have it called at a time.

        Raises:
            RuntimeError: From a thread that does not run this loop, which would not wake up.
        """
        self._require_runner()
        return super().call_at(when, callback, *args, context=context)

    def _require_runner(self) -> None:
        if self._runner not in {None, threading.get_ident()}:
            raise RuntimeError("a loop is given work by a thread that does not run it")
