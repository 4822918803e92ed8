"""What Windows tells of a pipe, of a library's file and of its own build, for the self-test.

Source: Win32's GetNamedPipeInfo and CompareObjectHandles; NtQueryInformationFile of the driver kit;
the PE format's export directory.
"""

from __future__ import annotations

import ctypes
import importlib
import struct
import sys
import winreg
from typing import TYPE_CHECKING

from hcsd.win32.pipe_facts import PipeFacts

assert sys.platform == "win32"  # noqa: S101, TID251  (there are no such pipes elsewhere)

if TYPE_CHECKING:
    from pathlib import Path

FILE_MODE_INFORMATION = 16
SYNCHRONOUS = 0x10 | 0x20  # FILE_SYNCHRONOUS_IO_ALERT, FILE_SYNCHRONOUS_IO_NONALERT
PIPE_SERVER_END = 1
PIPE_TYPE_MESSAGE = 4
BUILD_KEY = r"SOFTWARE\Microsoft\Windows NT\CurrentVersion"

_kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
_kernelbase = ctypes.WinDLL("kernelbase", use_last_error=True)
_ntdll = ctypes.WinDLL("ntdll")
_kernel32.GetNamedPipeInfo.argtypes = [ctypes.c_void_p, *[ctypes.POINTER(ctypes.c_uint32)] * 4]
_ntdll.NtQueryInformationFile.argtypes = [
    ctypes.c_void_p,
    ctypes.c_void_p,
    ctypes.c_void_p,
    ctypes.c_uint32,
    ctypes.c_int32,
]


def pipe_facts(handle: int) -> PipeFacts:
    """Look at a handle."""
    flags, out_bytes, in_bytes, most = (ctypes.c_uint32() for _ in range(4))
    if not _kernel32.GetNamedPipeInfo(handle, flags, out_bytes, in_bytes, most):
        return PipeFacts(overlapped=_overlapped(handle), error=ctypes.get_last_error())
    return PipeFacts(
        "message" if flags.value & PIPE_TYPE_MESSAGE else "byte",
        "server" if flags.value & PIPE_SERVER_END else "client",
        out_bytes.value,
        in_bytes.value,
        _overlapped(handle),
    )


def _overlapped(handle: int) -> bool | None:
    status, mode = (ctypes.c_uint64 * 2)(), ctypes.c_uint32()
    result = _ntdll.NtQueryInformationFile(
        handle, status, ctypes.byref(mode), ctypes.sizeof(mode), FILE_MODE_INFORMATION
    )
    return None if result < 0 else not mode.value & SYNCHRONOUS


def same_object(one: int, other: int) -> bool | None:
    """Tell whether two handles are of one object; None if this build cannot."""
    try:
        compare = _kernelbase.CompareObjectHandles
    except AttributeError:
        return None
    compare.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
    return bool(compare(one, other))


def bind(handle: int) -> str:
    """Bind a handle to a completion port of its own, as the event loop does; returns how it went.

    The port is closed at once; a file stays bound for as long as it lives.
    """
    try:
        port = importlib.import_module("_overlapped").CreateIoCompletionPort(handle, 0, 0, 0)
    except OSError as error:
        return f"error {error.winerror}"
    _kernel32.CloseHandle(ctypes.c_void_p(port))
    return "bound"


def full_build() -> str:
    """Return the build with its update revision, as `ver` shows it; "" if it is not told."""
    try:
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, BUILD_KEY) as key:
            build, _ = winreg.QueryValueEx(key, "CurrentBuildNumber")
            revision, _ = winreg.QueryValueEx(key, "UBR")
    except OSError:
        return ""
    return f"10.0.{build}.{revision}"


def exported_names(path: Path) -> list[str]:
    """Return the names that a 64-bit DLL exports, in their order.

    Raises:
        OSError: It cannot be read.
        ValueError: It is no such DLL.
    """
    image = path.read_bytes()
    try:
        (header,) = struct.unpack_from("<I", image, 0x3C)
        signature, _machine, sections = struct.unpack_from("<4sHH", image, header)
        (optional_size,) = struct.unpack_from("<H", image, header + 20)
        (magic,) = struct.unpack_from("<H", image, header + 24)
        if signature != b"PE\0\0" or magic != 0x20B:
            raise ValueError(f"{path} is no 64-bit DLL")
        (directory,) = struct.unpack_from("<I", image, header + 24 + 112)
        table = [
            struct.unpack_from("<IIII", image, header + 24 + optional_size + 40 * index + 8)
            for index in range(sections)
        ]

        def offset(address: int) -> int:
            for size, start, raw_size, raw in table:
                if start <= address < start + max(size, raw_size):
                    place: int = raw + address - start
                    return place
            raise ValueError(f"{path} has no byte at {address:#x}")

        (count,) = struct.unpack_from("<I", image, offset(directory) + 24)
        (names,) = struct.unpack_from("<I", image, offset(directory) + 32)
        found = struct.unpack_from(f"<{count}I", image, offset(names))
        return [image[(at := offset(it)) : image.index(b"\0", at)].decode("ascii") for it in found]
    except struct.error as error:
        raise ValueError(f"{path} is cut short") from error
