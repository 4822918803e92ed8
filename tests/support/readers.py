"""Readers in processes of their own, to be killed at any byte.

Run as a program it takes lines of JSON, ``[address, process, offset, socket]``, and forks a reader
for each: that reads stdout from the offset and passes its bytes on to the socket, after its pid.
gRPC is not touched before the fork, so a reader costs a fork and not a start of Python.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc

from hcsd.v1 import process_pb2 as pb
from hcsd.v1 import process_service_pb2 as service_pb
from hcsd.v1.process_service_pb2_grpc import ProcessServiceStub

PID_BYTES = 8
# What may be on its way to a reader, and so be lost with it, is to fit half a ring of the usual size.
SMALL_WINDOW = [("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 128 * 1024)]
READ_BYTES = 1 << 20


class Readers:
    """Starts readers.

    Args:
        directory: Where the socket is, to which they pass what they read.
    """

    def __init__(self, directory: Path, program: "subprocess.Popen[str]") -> None:
        self._program = program
        self._path = str(directory / "readers.sock")
        self._listener = socket.create_server(self._path, family=socket.AF_UNIX)
        self._listener.settimeout(10)

    def read(self, address: str, name: str, offset: int, at_least: int) -> bytes:
        """Read from an offset, and kill the reader once it has passed on so many bytes.

        Returns:
            All that it passed on: up to the end of the stream if there are fewer.
        """
        assert self._program.stdin is not None
        self._program.stdin.write(json.dumps([address, name, offset, self._path]) + "\n")
        self._program.stdin.flush()
        connection, _ = self._listener.accept()
        with connection:
            connection.settimeout(10)
            got = bytearray()
            while len(got) < PID_BYTES + at_least:
                piece = connection.recv(READ_BYTES)
                if not piece:
                    return bytes(got[PID_BYTES:])
                got += piece
            os.kill(int.from_bytes(got[:PID_BYTES], "big"), signal.SIGKILL)
            while piece := connection.recv(READ_BYTES):
                got += piece
        return bytes(got[PID_BYTES:])

    def close(self) -> None:
        self._listener.close()


@contextlib.contextmanager
def readers(directory: Path) -> Iterator[Readers]:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.support.readers"],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        text=True,
    ) as program:
        started = Readers(directory, program)
        try:
            yield started
        finally:
            started.close()


def _read(address: str, name: str, offset: int, path: str) -> None:
    with (
        socket.socket(socket.AF_UNIX) as out,
        grpc.insecure_channel(address, SMALL_WINDOW) as channel,
    ):
        out.connect(path)
        out.sendall(os.getpid().to_bytes(PID_BYTES, "big"))
        request = service_pb.ReadOutputRequest(
            name=name,
            cursors=[pb.OutputCursor(stream=pb.OUTPUT_STREAM_STDOUT, offset=offset)],
            follow=True,
            gap_policy=pb.GAP_POLICY_FAIL,
        )
        for event in ProcessServiceStub(channel).ReadOutput(request):
            if event.HasField("chunk"):
                assert event.chunk.offset == offset
                offset += len(event.chunk.data)
                out.sendall(event.chunk.data)


def main() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them
    for line in sys.stdin:
        if os.fork() == 0:
            try:
                _read(*json.loads(line))
            except BaseException:
                sys.excepthook(*sys.exc_info())
            finally:
                os._exit(0)


if __name__ == "__main__":
    main()
