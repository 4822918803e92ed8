"""computecore.dll of Windows as a provider of the table.

The library is taken from System32 and from nowhere else: the current directory and the PATH are
where an attacker would put another one. Exports are resolved by name, since older builds lack some;
what is missing is reported by `hcsd.hcs.library`.
"""

from __future__ import annotations

import ctypes
import sys
from typing import TYPE_CHECKING

from hcsd.abi.types import HANDLE
from hcsd.errors import HcsdError

assert sys.platform == "win32"  # noqa: S101, TID251  (the only platform that has the library)

if TYPE_CHECKING:
    from hcsd.abi.functions import Function

LOAD_LIBRARY_SEARCH_SYSTEM32 = 0x00000800

COMPUTECORE = "computecore.dll"


class NoComputeServiceError(HcsdError):
    """There is no Host Compute Service for this process."""


def require_64_bits(pointer_size: int) -> None:
    """Refuse a 32-bit Python, for which no Windows has the library.

    Args:
        pointer_size: Bytes of a pointer in this process.

    Raises:
        NoComputeServiceError: It is one.
    """
    if pointer_size < 8:
        msg = f"this Python has {8 * pointer_size} bits; hcsd needs a 64-bit Python"
        raise NoComputeServiceError(msg)


class WindowsProvider:
    """The Host Compute Service of Windows.

    Args:
        library: Name of a library in System32, or the absolute path of another with the same
            exports.

    Raises:
        NoComputeServiceError: It cannot be loaded, or not by this Python.
    """

    name = "windows"
    blocking = True
    guest_os = "windows"
    kills_trees = False
    pauses_containers = False
    host_system = ""
    shapes_processes = False
    outlives_client = False

    def __init__(self, library: str = COMPUTECORE) -> None:
        require_64_bits(ctypes.sizeof(ctypes.c_void_p))
        try:
            computecore = ctypes.WinDLL(library, winmode=LOAD_LIBRARY_SEARCH_SYSTEM32)
        except OSError as error:
            msg = (
                f"{library} cannot be loaded: {error.strerror or error};"
                " enable the Windows feature 'Containers' or 'Hyper-V'"
            )
            raise NoComputeServiceError(msg) from error
        kernel32 = ctypes.WinDLL("kernel32.dll", winmode=LOAD_LIBRARY_SEARCH_SYSTEM32)
        # Kept: unloading them would invalidate the addresses that were given out.
        self._modules = {"computecore": computecore, "kernel32": kernel32}
        self._close_handle = kernel32.CloseHandle
        self._close_handle.argtypes = (HANDLE,)
        self._close_handle.restype = ctypes.c_int32

    def address(self, function: Function) -> int | None:
        """Return the address of an export, or None if this build has none of that name."""
        try:
            export = getattr(self._modules[function.module], function.name)
        except AttributeError:
            return None
        return ctypes.cast(export, ctypes.c_void_p).value

    def close_handle(self, handle: int) -> None:
        """Close a stdio handle that nobody will use."""
        self._close_handle(handle)

    def kept_with(self, handle: int) -> tuple[int, ...]:
        """Return nothing: HCS keeps nothing with a handle."""
        return ()

    def hurry(self) -> None:
        """Do nothing: `close` does not wait."""

    def close(self, *, keep: bool = False) -> None:
        """Keep the library loaded: a thread of HCS may still be on its way out of a callback."""
