"""Listening at a Unix socket that only the daemon's user can reach.

The socket has mode 0600 in a directory of mode 0700. It is claimed with a lock beside it, so that a
second daemon is told instead of taking the first one's socket away, while the socket that a killed
daemon left behind is no obstacle.
"""

from __future__ import annotations

import contextlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path  # noqa: TC003  (a field of a dataclass)
from typing import TYPE_CHECKING
from urllib.parse import quote

from hcsd.listen.listener import ListenError
from hcsd.private.files import NotPrivateError, make_private_directory, private_folder_for

assert sys.platform != "win32"  # noqa: S101, TID251  (gRPC has no Unix sockets there)

import fcntl  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hcsd.listen.listener import Bind

ANOTHER = "name another with --listen"
MAX_SOCKET_PATH = 107  # bytes; sun_path of Linux without its NUL


@dataclass(frozen=True, slots=True)
class UnixListener:
    """A Unix socket at an absolute path."""

    path: Path
    tls = None

    @property
    def address(self) -> str:
        """How clients name it."""
        return f"unix://{self.path}"

    def require_usable(self) -> None:
        """Refuse a path that cannot be used, before anything else is begun. Its folder is made.

        Raises:
            ListenError: It cannot be used.
        """
        if len(os.fsencode(self.path)) > MAX_SOCKET_PATH:
            raise self._refusal(f"longer than {MAX_SOCKET_PATH} bytes; {ANOTHER}")
        try:
            make_private_directory(self.path.parent)
        except NotPrivateError as error:
            raise self._refusal(f"{error}; {self._own_folder()}") from error

    def require_free(self) -> None:
        """Refuse a path at which another daemon listens.

        Raises:
            ListenError: There is one, or nobody can tell.
        """
        with _locked(self.path):
            pass

    @contextlib.contextmanager
    def claim(self, bind: Bind) -> Iterator[str]:
        """Bind the server to it; removes the socket at the end.

        Yields:
            The address that clients use.

        Raises:
            ListenError: The path cannot be used, or another daemon uses it.
        """
        self.require_usable()
        with _locked(self.path):
            if self.path.exists() and not self.path.is_socket():
                raise self._refusal(f"it exists and is no socket; {ANOTHER}")
            self.path.unlink(missing_ok=True)
            before = os.umask(0o177)  # the socket must never be there with another mode
            try:
                # gRPC reads it as a URI.
                bind(f"unix:{quote(os.fsencode(self.path))}", None)
            except RuntimeError as error:
                raise self._refusal(f"{error}; {ANOTHER}") from error
            finally:
                os.umask(before)
            try:
                yield self.address
            finally:
                self.path.unlink(missing_ok=True)

    def _own_folder(self) -> str:
        """Say what to do if the folder of the socket is not private: its mode is no business of ours."""
        folder = private_folder_for(self.path.name, self.path.parent)
        if folder is None or len(os.fsencode(folder / self.path.name)) > MAX_SOCKET_PATH:
            return "name a socket in a folder that is yours alone with --listen"
        return f"give it a folder of its own: --listen unix://{folder / self.path.name}"

    def _refusal(self, why: str) -> ListenError:
        return ListenError(f"cannot listen at '{self.path}': {why}")


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock of a socket; the system releases it also if the daemon is killed."""
    lock = path.with_name(f"{path.name}.lock")
    with contextlib.ExitStack() as opened:
        try:
            file = opened.enter_context(lock.open("a"))
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            msg = (
                f"cannot listen at '{path}': another hcsd is listening there; stop it, or {ANOTHER}"
            )
            raise ListenError(msg) from None
        except OSError as error:
            msg = f"cannot listen at '{path}': its lock '{lock}': {error.strerror}; {ANOTHER}"
            raise ListenError(msg) from error
        yield
