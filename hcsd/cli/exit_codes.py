"""The exit codes of `hcsd`, in one list.

Nothing is imported here: commands need the codes before they load gRPC.
"""

FAILED = 1
RUN_FAILED = 125  # like docker run and env: the command itself failed, not the process
CANNOT_EXECUTE = 126
NOT_FOUND = 127
HUNG_UP = 129  # 128 + SIGHUP
INTERRUPTED = 130  # 128 + SIGINT
BROKEN_PIPE = 141  # 128 + SIGPIPE
