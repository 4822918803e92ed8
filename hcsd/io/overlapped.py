"""Overlapped operations on a Windows pipe, and the completion port of the running asyncio loop.

The loop is a Proactor loop, Python's default on Windows. An idle pipe costs one pending operation,
no task and no thread. Every operation carries an OVERLAPPED, which lives with its buffer until the
system has completed it, also when it was cancelled: the loop keeps both.

End of file is ERROR_BROKEN_PIPE. A read that succeeds with no bytes is none by itself, because that is
how the other side's empty write looks; `available` tells which of the two it was.

Source: Win32's ReadFile and CancelIoEx; CPython's Modules/overlapped.c, whose `Overlapped` asyncio
builds on.
"""

import _winapi
import asyncio
import importlib
import sys
from asyncio import windows_utils
from collections.abc import Callable
from typing import NamedTuple, Protocol, cast

assert sys.platform == "win32"  # noqa: S101, TID251  (says the same to the type checker)

FILE_TYPE_PIPE = 3
ERROR_BROKEN_PIPE = 109
ERROR_OPERATION_ABORTED = 995


class _Overlapped(Protocol):
    """An operation; `asyncio` has it from C, without types."""

    error: int
    pending: bool

    def ReadFile(self, handle: int, size: int, /) -> None: ...  # noqa: N802
    def WriteFile(self, handle: int, data: bytes, /) -> None: ...  # noqa: N802
    def cancel(self) -> None: ...
    def getresult(self, wait: bool, /) -> bytes | int: ...


class _Proactor(Protocol):
    """What is needed of the loop's; it has no types either."""

    def _register_with_iocp(self, handle: windows_utils.PipeHandle) -> None: ...

    def _register(
        self,
        overlapped: _Overlapped,
        handle: windows_utils.PipeHandle,
        finish: Callable[[object, object, object], None],
    ) -> asyncio.Future[None]: ...


class _ProactorLoop(Protocol):
    _proactor: _Proactor


_new_overlapped: Callable[[int], _Overlapped] = importlib.import_module("_overlapped").Overlapped


class Operation(NamedTuple):
    """An operation that was begun, and the future that the loop sets when it has completed."""

    overlapped: _Overlapped
    completed: asyncio.Future[None]

    def bytes_read(self, *, cancel: bool = False) -> bytes:
        """Return what was read; with `cancel`, what was read up to now.

        Raises:
            OSError: the read failed.
        """
        if cancel:
            self.overlapped.cancel()
        try:
            data = self.overlapped.getresult(cancel)
        except OSError as error:
            if cancel and error.winerror == ERROR_OPERATION_ABORTED:
                return b""
            raise
        assert isinstance(data, bytes)  # noqa: S101  (as every read)
        if not data and self.overlapped.error == ERROR_BROKEN_PIPE:
            raise BrokenPipeError(0, "the pipe has ended", None, ERROR_BROKEN_PIPE)
        return data


class Pipe:
    """An owned overlapped handle.

    Raises:
        ValueError: the handle is not a pipe; it stays the caller's.
    """

    def __init__(self, handle: int) -> None:
        if _winapi.GetFileType(handle) != FILE_TYPE_PIPE:
            raise ValueError(f"handle {handle} is not a pipe")
        self._handle = windows_utils.PipeHandle(handle)

    def read(self, size: int) -> Operation:
        """Begin to read.

        Raises:
            OSError: it cannot; BrokenPipeError at the end of the pipe.
        """
        overlapped = _new_overlapped(0)
        proactor = self._proactor()
        overlapped.ReadFile(self._handle.fileno(), size)
        return self._begun(proactor, overlapped)

    def write(self, data: bytes) -> Operation:
        """Begin to write.

        Raises:
            OSError: it cannot, and took nothing.
        """
        overlapped = _new_overlapped(0)
        proactor = self._proactor()
        overlapped.WriteFile(self._handle.fileno(), data)
        return self._begun(proactor, overlapped)

    def available(self) -> int:
        """Return how many bytes a read would find now.

        Raises:
            OSError: the pipe has ended.
        """
        available = _winapi.PeekNamedPipe(self._handle.fileno(), 0)[0]
        assert isinstance(available, int)  # noqa: S101  (with data it would be bytes)
        return available

    def close(self) -> None:
        """Close the handle."""
        self._handle.close()

    def _proactor(self) -> _Proactor:
        proactor = cast("_ProactorLoop", asyncio.get_running_loop())._proactor  # noqa: SLF001
        proactor._register_with_iocp(self._handle)  # noqa: SLF001
        return proactor

    def _begun(self, proactor: _Proactor, overlapped: _Overlapped) -> Operation:
        completed = proactor._register(overlapped, self._handle, lambda *_: None)  # noqa: SLF001
        return Operation(overlapped, completed)
