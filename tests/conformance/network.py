"""What a case can put between clients and the daemon, and the steps that make it fail."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.conformance.frame_proxy import CANCEL, INTERNAL_ERROR, FrameProxy, frame_proxying
from tests.conformance.matching import CaseError, differences
from tests.conformance.nginx import nginx_proxying
from tests.support.proxy import Proxy, proxying

if TYPE_CHECKING:
    import contextlib
    from collections.abc import Awaitable, Callable
    from pathlib import Path

CODES = {"INTERNAL_ERROR": INTERNAL_ERROR, "CANCEL": CANCEL}
ALWAYS = 1 << 62


class Network:
    """The proxies of a case.

    Args:
        target: The socket of the daemon.
        folder: For their sockets; its path must be short.
        resources: What is opened here is closed with them.

    Attributes:
        actions: The steps, by name.
        addresses: Where each of them listens, as clients take it, by name.
    """

    def __init__(self, target: Path, folder: Path, resources: contextlib.AsyncExitStack) -> None:
        self._target = target
        self._folder = folder
        self._resources = resources
        self._proxies: dict[str, Proxy] = {}
        self._frame_proxies: dict[str, FrameProxy] = {}
        self._door: Proxy | None = None
        self.addresses: dict[str, str] = {}
        self.actions: dict[str, Callable[..., Awaitable[None]]] = {
            "suite.cut": self._cut,
            "suite.cuts": self._cuts,
            "suite.frame_proxy": self._frame_proxy,
            "suite.go_away": self._go_away,
            "suite.mute": self._mute,
            "suite.nginx": self._nginx,
            "suite.proxy": self._proxy,
            "suite.refuse": self._refuse,
            "suite.reset": self._reset,
            "suite.swallow": self._swallow,
        }

    async def open_door(self) -> str:
        """Let clients come to the daemon by an address that can be shut; returns it."""
        if self._door is None:
            opening = proxying(self._target, self._own_folder("door"))
            self._door = await self._resources.enter_async_context(opening)
        else:
            await self._door.listen()
        return self._door.address

    def shut_door(self) -> None:
        """Let nobody listen at that address, and cut who is connected there."""
        if self._door:
            self._door.leave()

    def _own_folder(self, name: str) -> Path:
        folder = self._folder / name
        folder.mkdir()
        return folder

    async def _proxy(self, name: str, idle_ms: int | None = None) -> None:
        """Put a proxy before the daemon, which may cut connections without bytes for so long."""
        idle = None if idle_ms is None else idle_ms / 1000
        opening = proxying(self._target, self._own_folder(name), idle)
        proxy = self._proxies[name] = await self._resources.enter_async_context(opening)
        self.addresses[name] = proxy.address

    async def _frame_proxy(self, name: str) -> None:
        """Put a proxy that knows HTTP/2 before the daemon."""
        opening = frame_proxying(self._target, self._own_folder(name))
        proxy = self._frame_proxies[name] = await self._resources.enter_async_context(opening)
        self.addresses[name] = proxy.address

    async def _nginx(self, name: str, settings: str = "") -> None:
        """Put nginx before the daemon, with directives of its own beside its defaults."""
        opening = nginx_proxying(self._target, self._own_folder(name), settings)
        self.addresses[name] = await self._resources.enter_async_context(opening)

    async def _cut(
        self, proxy: str, up: int | None = None, down: int | None = None, count: int = 1
    ) -> None:
        """Cut connections after so many bytes to the daemon or from it, so many times; else now."""
        if up is None and down is None:
            self._proxies[proxy].cut()
        else:
            limits = {key: value for key, value in (("up", up), ("down", down)) if value}
            self._proxies[proxy].cut_after(**limits, times=count)

    async def _swallow(self, proxy: str) -> None:
        """Pass nothing more on of what is connected now, and keep the connections open."""
        self._proxies[proxy].swallow()

    async def _mute(self, proxy: str) -> None:
        """Let what the daemon sends to who is connected now reach nobody."""
        self._proxies[proxy].mute()

    async def _reset(self, proxy: str, code: str, down: int | None = None, count: int = 1) -> None:
        """Reset all streams after so many bytes from the daemon, so many times; else now."""
        if down is None:
            self._frame_proxies[proxy].reset(CODES[code])
        else:
            self._frame_proxies[proxy].reset_after(CODES[code], down, count)

    async def _go_away(self, proxy: str) -> None:
        """Tell clients that their connection takes no further call, and hang up."""
        self._frame_proxies[proxy].go_away()

    async def _refuse(self, proxy: str, count: int = ALWAYS) -> None:
        """Answer so many calls with 502 and a page of HTML."""
        self._frame_proxies[proxy].refuse(count)

    async def _cuts(self, proxy: str, wanted: object) -> None:
        """See how often a proxy has done what it was told to do."""
        found = (self._proxies.get(proxy) or self._frame_proxies[proxy]).cuts
        if lines := differences(wanted, found, "the count of cuts"):
            raise CaseError("\n  ".join(lines))
