"""Variables that gRPC reads when it is loaded, and never again.

prepare()   before it may be loaded
restore()   when it is: the processes that the daemon starts may inherit its environment
"""

import os

# Nothing that is forked from this program uses gRPC. Where the host has no room for a process, the
# handlers that gRPC has for forks end its threads and cannot start them again: then it aborts.
_ALWAYS = {"GRPC_ENABLE_FORK_SUPPORT": "0"}

# Its C library writes to stderr by itself: between the lines of processes that a command runs, and
# in a daemon it waits until somebody reads them. What fails is told as an error, too.
_BY_DEFAULT = {"GRPC_VERBOSITY": "NONE"}

_before: dict[str, str | None] = {}


def prepare() -> None:
    """Set the variables, but leave to the user what the user may want."""
    missing = {name: value for name, value in _BY_DEFAULT.items() if name not in os.environ}
    for name, value in (_ALWAYS | missing).items():
        _before.setdefault(name, os.environ.get(name))
        os.environ[name] = value


def restore() -> None:
    """Give the variables that were set here the values that they had."""
    while _before:
        name, value = _before.popitem()
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
