"""Who else may touch a file or a folder, and how to keep them from it.

On POSIX by owner and mode; on Windows by access control lists, in which administrators have their
place too (`hcsd.win32.security`).
"""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

OTHERS = 0o77  # what group and everybody else may do: nothing
OTHERS_WRITE = 0o22
OWN_FOLDER = "hcsd"

if sys.platform == "win32":  # noqa: TID251  (privacy is the platform's to define)
    from hcsd.win32 import security

    make_directory = security.make_directory
    make_file = security.make_file

    def put(draft: Path, path: Path) -> None:
        """Put a draft in its place; raises FileExistsError if that is taken."""
        draft.rename(path)

    def others(what: Path | int) -> str:
        """Name who else may touch it; "" is nobody."""
        return _named(security.strangers(what))

    def takers(folder: Path) -> str:
        """Name who else may take away files in a folder; "" is nobody."""
        return _named(security.takers(folder))

    def _named(sids: list[str]) -> str:
        return f"others ({', '.join(sids)})" if sids else ""

    def writers(what: int) -> str:
        """Name who else may change it; "" is nobody."""
        return _named(security.writers(what))

    def own_folders() -> tuple[Path, ...]:
        """Return folders for the user's own files; they may be missing."""
        return ()

    def remedy(path: Path, *, made_by_us: bool) -> str:
        """Return how to mend it: a new list alone would not keep out an owner."""
        if made_by_us:
            return "delete it, and the next start makes a new one"
        return (
            f'make it yours alone: icacls "{path}" /setowner "%USERNAME%", then'
            f' icacls "{path}" /inheritance:r /grant:r "%USERNAME%:F"'
        )

    def trust_remedy(path: Path) -> str:
        """Return how to keep others from changing it."""
        return remedy(path, made_by_us=False)

else:
    import pwd

    def make_directory(path: Path) -> None:
        """Make a directory and those above it, if it is not there."""
        path.mkdir(parents=True, exist_ok=True, mode=0o700)

    def make_file(path: Path) -> int:
        """Make a private file that is not there yet, and open it for writing."""
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)

    def put(draft: Path, path: Path) -> None:
        """Put a draft in its place; raises FileExistsError if that is taken."""
        path.hardlink_to(draft)

    def others(what: Path | int) -> str:
        """Name who else may touch it; "" is nobody."""
        status = os.stat(what)
        return _named(status, OTHERS, {os.geteuid()})

    def writers(what: int) -> str:
        """Name who else may change it; "" is nobody."""
        return _named(os.stat(what), OTHERS_WRITE, {os.geteuid(), 0})

    def takers(folder: Path) -> str:
        """Name who else may take away files in a folder; "" is nobody."""
        status = folder.stat()
        shared = OTHERS_WRITE if not status.st_mode & stat.S_ISVTX else 0
        return _named(status, shared, {os.geteuid(), 0})

    def _named(status: os.stat_result, bits: int, owners: set[int]) -> str:
        """Name who else may do what some bits of the mode allow; "" is nobody."""
        if status.st_uid not in owners:
            return f"user {_user(status.st_uid)}"
        return "others" if status.st_mode & bits else ""

    def _user(number: int) -> str:
        try:
            return f"'{pwd.getpwuid(number).pw_name}'"
        except KeyError:
            return str(number)

    def own_folders() -> tuple[Path, ...]:
        """Return folders for the user's own files; they may be missing."""
        if os.geteuid() == 0:
            return (Path("/run") / OWN_FOLDER,)
        variables = ("XDG_RUNTIME_DIR", "XDG_STATE_HOME")
        named = [os.environ[name] for name in variables if os.environ.get(name)]
        state = os.path.expanduser("~/.local/state")
        return tuple(Path(folder) / OWN_FOLDER for folder in (*named, state))

    def remedy(path: Path, *, made_by_us: bool) -> str:
        """Return how to mend it."""
        anew = "delete it, and the next start makes a new one" if made_by_us else ""
        if path.stat().st_uid != os.geteuid():
            return anew or "give the daemon a copy that is its user's own: chmod 600 COPY"
        mode = f"make it yours alone: chmod 600 '{path}'"
        return f"{mode}; if somebody may have read it, {anew}" if anew else mode

    def trust_remedy(path: Path) -> str:
        """Return how to keep others from changing it."""
        if path.stat().st_uid in {os.geteuid(), 0}:
            return f"keep them from that: chmod go-w '{path}'"
        return "use a copy that belongs to the user of the daemon, or to root"
