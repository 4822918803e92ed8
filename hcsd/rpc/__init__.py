"""The gRPC side of the daemon: messages and status codes, and nothing that a daemon must know.

Messages meet the daemon's own types in `convert`, its failures meet status codes in `status`. A
second protocol, or a second version of the contract, would stand beside this package.
"""

import os

# The daemon never forks: processes are started by another one. Without this gRPC would register
# handlers for forks, which cost time at every start of a helper. It is read when grpc is imported.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
