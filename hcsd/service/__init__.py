"""The gRPC face of the engine: services, the registry of processes, and the errors clients see."""

import os

# The daemon never forks: processes are started by another one. Without this gRPC would register
# handlers for forks, which cost time at every start of a helper. It is read when grpc is imported.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
