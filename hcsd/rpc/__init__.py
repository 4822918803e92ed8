"""The gRPC side of the daemon: messages and status codes, and nothing that a daemon must know.

Messages meet the daemon's own types in `convert`, its failures meet status codes in `status`. A
second protocol, or a second version of the contract, would stand beside this package.
"""

import os

_FORK_SUPPORT = "GRPC_ENABLE_FORK_SUPPORT"


def _load_grpc() -> None:
    """Load gRPC without its handlers for forks, whatever the environment says.

    The daemon starts keepers, and nothing that is forked from it uses gRPC. Where the host has no room
    for a process, those handlers end the threads of gRPC and cannot start them again: then gRPC
    aborts the daemon. gRPC reads the variable when it is loaded. Afterwards it is as it was, since
    processes may inherit it.
    """
    before = os.environ.get(_FORK_SUPPORT)
    os.environ[_FORK_SUPPORT] = "0"
    try:
        import grpc  # noqa: F401, PLC0415
    finally:
        if before is None:
            del os.environ[_FORK_SUPPORT]
        else:
            os.environ[_FORK_SUPPORT] = before


_load_grpc()
