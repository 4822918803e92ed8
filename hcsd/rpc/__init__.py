"""The gRPC side of the daemon: messages and status codes, and nothing that a daemon must know.

Messages meet the daemon's own types in `convert`, its failures meet status codes in `status`. A
second protocol, or a second version of the contract, would stand beside this package.
"""

import logging

from hcsd import grpc_environment
from hcsd.rpc.grpc_log import GRPC_LOGGER, tame

grpc_environment.prepare()
import grpc  # noqa: E402, F401  (loaded between the two)

grpc_environment.restore()
logging.getLogger(GRPC_LOGGER).addFilter(tame)
