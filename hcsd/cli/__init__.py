"""The command line: `hcsd serve` and the client commands."""

import os

# gRPC reads it when it is loaded. By default it reports connections that come and go on stderr,
# between the lines of this program and those of the processes it runs.
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
