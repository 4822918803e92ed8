"""The command line: `hcsd serve` and the client commands."""

from hcsd import grpc_environment

grpc_environment.prepare()  # any module of a command may load gRPC
