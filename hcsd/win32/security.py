"""Files and directories that only their owner and administrators may touch, by access control lists.

Everything is made with its list in one step, so that it is never there with another. It grants all
to the user, to Administrators and to SYSTEM, who could take it anyway, and takes nothing over from
the directory above: everybody may read in %ProgramData%.

By ctypes and not by pywin32, which is an extra for the service alone: a daemon that must refuse a
token file that others can read cannot depend on whether that is installed. Not by `icacls` either:
it changes what is already there, and it speaks the language of the host.

What is read back is a self-relative security descriptor, whose layout is documented:

    descriptor  revision, pad, control u16, offsets u32 of owner, group, SACL, DACL; 0 is none
    ACL         revision, pad, size u16, count u16, pad u16; then the entries
    entry       type, flags, size u16, mask u32; then the SID, for the two types used here
    SID         revision, count, authority in 6 bytes (big-endian); then as many u32

Source: [MS-DTYP] 2.4.2 to 2.4.6.
"""

from __future__ import annotations

import ctypes
import struct
import sys
from typing import TYPE_CHECKING

assert sys.platform == "win32"  # noqa: S101, TID251  (there are no such lists elsewhere)

import msvcrt  # noqa: E402
import os  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path

SYSTEM = "S-1-5-18"
ADMINISTRATORS = "S-1-5-32-544"
OWNER = {"S-1-3-0", "S-1-3-4"}  # whoever made it, or owns it: the owner is looked at by itself
EVERYONE = "S-1-1-0"

TOKEN_QUERY = 0x8
TOKEN_USER = 1
OWNER_AND_DACL = 0x1 | 0x4
READ_CONTROL = 0x0002_0000
GENERIC_WRITE = 0x4000_0000
SHARE_ALL = 0x7
CREATE_NEW = 1
OPEN_EXISTING = 3
FILE_ATTRIBUTE_NORMAL = 0x80
FILE_FLAG_BACKUP_SEMANTICS = 0x0200_0000  # opens directories, too
ERROR_INSUFFICIENT_BUFFER = 122
ERROR_ALREADY_EXISTS = 183
INVALID_HANDLE_VALUE = ctypes.c_void_p(-1).value

# Rights on a folder by which what is in it can be taken away: GENERIC_ALL, WRITE_OWNER, WRITE_DAC,
# DELETE and FILE_DELETE_CHILD.
TAKE = 0x1000_0000 | 0x8_0000 | 0x4_0000 | 0x1_0000 | 0x40
# Rights on a file by which it can be changed: GENERIC_ALL, GENERIC_WRITE, WRITE_OWNER, WRITE_DAC,
# DELETE, FILE_APPEND_DATA and FILE_WRITE_DATA.
CHANGE = 0x1000_0000 | 0x4000_0000 | 0x8_0000 | 0x4_0000 | 0x1_0000 | 0x4 | 0x2
ANY = 0xFFFF_FFFF
INHERIT_ONLY = 0x8

ACCESS_ALLOWED = 0
ACCESS_DENIED = {1, 6, 10, 12}  # plain, for objects, and both with a condition


class _SecurityAttributes(ctypes.Structure):
    _fields_ = (
        ("nLength", ctypes.c_uint32),
        ("lpSecurityDescriptor", ctypes.c_void_p),
        ("bInheritHandle", ctypes.c_int32),
    )


_HANDLE = ctypes.c_void_p
_OUT = ctypes.POINTER(ctypes.c_void_p)
_SIZE = ctypes.POINTER(ctypes.c_uint32)
_ATTRIBUTES = ctypes.POINTER(_SecurityAttributes)
_SIGNATURES = (
    ("kernel32", "CloseHandle", ctypes.c_int32, (_HANDLE,)),
    ("kernel32", "CreateDirectoryW", ctypes.c_int32, (ctypes.c_wchar_p, _ATTRIBUTES)),
    (
        "kernel32", "CreateFileW", _HANDLE,
        (ctypes.c_wchar_p, ctypes.c_uint32, ctypes.c_uint32, _ATTRIBUTES, ctypes.c_uint32,
         ctypes.c_uint32, _HANDLE),
    ),
    ("kernel32", "GetCurrentProcess", _HANDLE, ()),
    ("kernel32", "LocalFree", ctypes.c_void_p, (ctypes.c_void_p,)),
    (
        "advapi32", "ConvertStringSecurityDescriptorToSecurityDescriptorW", ctypes.c_int32,
        (ctypes.c_wchar_p, ctypes.c_uint32, _OUT, _SIZE),
    ),
    (
        "advapi32", "GetKernelObjectSecurity", ctypes.c_int32,
        (_HANDLE, ctypes.c_uint32, ctypes.c_void_p, ctypes.c_uint32, _SIZE),
    ),
    (
        "advapi32", "GetTokenInformation", ctypes.c_int32,
        (_HANDLE, ctypes.c_int32, ctypes.c_void_p, ctypes.c_uint32, _SIZE),
    ),
    ("advapi32", "OpenProcessToken", ctypes.c_int32, (_HANDLE, ctypes.c_uint32, _OUT)),
)  # fmt: skip


class _Windows:
    """The functions above, with their types."""

    def __init__(self) -> None:
        libraries = {
            name: ctypes.WinDLL(name, use_last_error=True) for name in ("kernel32", "advapi32")
        }
        for library, name, result, parameters in _SIGNATURES:
            function = getattr(libraries[library], name)
            function.restype, function.argtypes = result, parameters
            setattr(self, name, function)

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> ctypes._FuncPointer: ...


_windows = _Windows()


def make_directory(path: Path) -> None:
    """Make a directory and those above it, if it is not there; only the last one is private.

    Raises:
        OSError: It cannot be made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _Private() as attributes:
        if _windows.CreateDirectoryW(str(path), ctypes.byref(attributes)):
            return
        code = ctypes.get_last_error()
    if code != ERROR_ALREADY_EXISTS or not path.is_dir():
        raise _error(code, path)


def make_file(path: Path) -> int:
    """Make a private file that is not there yet, and open it for writing.

    Returns:
        A descriptor, which the caller closes.

    Raises:
        OSError: It cannot be made, or is there.
    """
    with _Private() as attributes:
        handle = _windows.CreateFileW(
            str(path), GENERIC_WRITE, 0, ctypes.byref(attributes), CREATE_NEW,
            FILE_ATTRIBUTE_NORMAL, None,
        )  # fmt: skip
        code = ctypes.get_last_error()
    if handle == INVALID_HANDLE_VALUE:
        raise _error(code, path)
    return msvcrt.open_osfhandle(handle, os.O_WRONLY)


def strangers(what: Path | int) -> list[str]:
    """Name who else may touch a path or an open file, by their SIDs; none if it is private.

    Raises:
        OSError: It cannot be looked at.
    """
    return sorted(granted(_read(what)) - {user(), SYSTEM, ADMINISTRATORS} - OWNER)


def takers(folder: Path) -> list[str]:
    """Name who else may take away files in a folder, by their SIDs.

    Raises:
        OSError: It cannot be looked at.
    """
    return sorted(granted(_read(folder), TAKE) - {user(), SYSTEM, ADMINISTRATORS} - OWNER)


def writers(what: int) -> list[str]:
    """Name who else may change an open file, by their SIDs.

    Raises:
        OSError: It cannot be looked at.
    """
    return sorted(granted(_read(what), CHANGE) - {user(), SYSTEM, ADMINISTRATORS} - OWNER)


def user() -> str:
    """Return the SID of the user this process runs as.

    Raises:
        OSError: Windows does not tell.
    """
    token = ctypes.c_void_p()
    process = _windows.GetCurrentProcess()
    if not _windows.OpenProcessToken(process, TOKEN_QUERY, ctypes.byref(token)):
        raise _error(ctypes.get_last_error())
    try:
        size = ctypes.c_uint32()
        ask = (token, TOKEN_USER)
        _windows.GetTokenInformation(*ask, None, 0, ctypes.byref(size))
        buffer = ctypes.create_string_buffer(size.value)
        if not _windows.GetTokenInformation(*ask, buffer, size, ctypes.byref(size)):
            raise _error(ctypes.get_last_error())
    finally:
        _windows.CloseHandle(token)
    (address,) = struct.unpack_from("<Q", buffer)  # a pointer into the same buffer
    return _sid(buffer.raw, address - ctypes.addressof(buffer))


class _Private:
    """Security attributes that grant all to the user, Administrators and SYSTEM.

    Ownership: the descriptor is Windows' and is freed at the end.
    """

    def __enter__(self) -> _SecurityAttributes:
        sid = user()
        granted = "".join(f"(A;OICI;FA;;;{who})" for who in (sid, ADMINISTRATORS, SYSTEM))
        self._descriptor = ctypes.c_void_p()
        if not _windows.ConvertStringSecurityDescriptorToSecurityDescriptorW(
            f"O:{sid}D:P{granted}", 1, ctypes.byref(self._descriptor), None
        ):
            raise _error(ctypes.get_last_error())
        return _SecurityAttributes(
            ctypes.sizeof(_SecurityAttributes), self._descriptor, bInheritHandle=False
        )

    def __exit__(self, *_: object) -> None:
        _windows.LocalFree(self._descriptor)


def _read(what: Path | int) -> bytes:
    """Read owner and DACL as a self-relative descriptor."""
    if isinstance(what, int):
        return _read_handle(msvcrt.get_osfhandle(what))
    handle = _windows.CreateFileW(
        str(what), READ_CONTROL, SHARE_ALL, None, OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS, None
    )
    if handle == INVALID_HANDLE_VALUE:
        raise _error(ctypes.get_last_error(), what)
    try:
        return _read_handle(handle)
    finally:
        _windows.CloseHandle(handle)


def _read_handle(handle: int) -> bytes:
    size = ctypes.c_uint32()
    _windows.GetKernelObjectSecurity(handle, OWNER_AND_DACL, None, 0, ctypes.byref(size))
    if (code := ctypes.get_last_error()) != ERROR_INSUFFICIENT_BUFFER:
        raise _error(code)
    buffer = ctypes.create_string_buffer(size.value)
    if not _windows.GetKernelObjectSecurity(
        handle, OWNER_AND_DACL, buffer, size, ctypes.byref(size)
    ):
        raise _error(ctypes.get_last_error())
    return buffer.raw


def granted(descriptor: bytes, rights: int = ANY) -> set[str]:
    """Return who owns it or is granted any of some rights, as SIDs.

    Without a list all may do all, and what is granted in a way not known here counts as if to all.
    """
    owner, _group, _sacl, dacl = struct.unpack_from("<4I", descriptor, 4)
    found = {_sid(descriptor, owner)} if owner else set()
    if not dacl:
        return found | {EVERYONE}
    (count,) = struct.unpack_from("<H", descriptor, dacl + 4)
    offset = dacl + 8
    for _ in range(count):
        kind, flags, size, mask = struct.unpack_from("<BBHI", descriptor, offset)
        counts = mask & rights and (rights == ANY or not flags & INHERIT_ONLY)
        if counts and kind == ACCESS_ALLOWED:
            found.add(_sid(descriptor, offset + 8))
        elif counts and kind not in ACCESS_DENIED:
            found.add(EVERYONE)
        offset += size
    return found


def _sid(data: bytes, offset: int) -> str:
    revision, count = data[offset], data[offset + 1]
    authority = int.from_bytes(data[offset + 2 : offset + 8], "big")
    parts = struct.unpack_from(f"<{count}I", data, offset + 8)
    return "-".join(["S", str(revision), str(authority), *map(str, parts)])


def _error(code: int, path: Path | None = None) -> OSError:
    error = ctypes.WinError(code)
    if path is not None:
        error.filename = str(path)
    return error
