"""The floor: a bare grpc.aio server, in a process of its own, that does no more than it must.

It speaks messages of hcsd.v1, so that both sides of a ratio encode the same types. Run by `running`
as ``python -m tests.bench.floors SOCKET``; it says "ready" and ends with its standard input.
"""

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import grpc

from hcsd.v1 import process_pb2 as pb
from hcsd.v1 import process_service_pb2 as service_pb

SERVICE = "hcsd.bench.Floor"
READ_BYTES = 64 * 1024  # what a pipe holds, and the daemon's default chunk

Unary = grpc.aio.UnaryUnaryMultiCallable[
    service_pb.GetProcessRequest, service_pb.GetProcessResponse
]
Stream = grpc.aio.UnaryStreamMultiCallable[
    service_pb.GetProcessRequest, service_pb.RunProcessResponse
]
Run = grpc.aio.StreamStreamMultiCallable[
    service_pb.RunProcessRequest, service_pb.RunProcessResponse
]


class FloorStub:
    """Calls the floor.

    Attributes:
        echo: Answers a small message that holds the name it was asked with.
        parrot: Answers what `teach` was given last, so that the answer can have any size.
        teach: Takes the answer of `parrot`.
        produce: Streams what `head -c` makes; the name says how many bytes.
        run: Spawns a program that prints nothing, with the events that RunProcess has for it.
    """

    def __init__(self, channel: grpc.aio.Channel) -> None:
        codec = (
            service_pb.GetProcessRequest.SerializeToString,
            service_pb.GetProcessResponse.FromString,
        )
        self.echo: Unary = channel.unary_unary(f"/{SERVICE}/Echo", *codec)
        self.parrot: Unary = channel.unary_unary(f"/{SERVICE}/Parrot", *codec)
        self.teach: grpc.aio.UnaryUnaryMultiCallable[
            service_pb.GetProcessResponse, service_pb.GetProcessResponse
        ] = channel.unary_unary(
            f"/{SERVICE}/Teach",
            service_pb.GetProcessResponse.SerializeToString,
            service_pb.GetProcessResponse.FromString,
        )
        self.produce: Stream = channel.unary_stream(
            f"/{SERVICE}/Produce",
            service_pb.GetProcessRequest.SerializeToString,
            service_pb.RunProcessResponse.FromString,
        )
        self.run: Run = channel.stream_stream(
            f"/{SERVICE}/Run",
            service_pb.RunProcessRequest.SerializeToString,
            service_pb.RunProcessResponse.FromString,
        )


class Floor:
    """The handlers. Nothing is checked, caught or looked up."""

    def __init__(self) -> None:
        self._taught = service_pb.GetProcessResponse()

    async def echo(
        self, request: service_pb.GetProcessRequest, _context: object
    ) -> service_pb.GetProcessResponse:
        return service_pb.GetProcessResponse(process=pb.Process(name=request.name))

    async def parrot(
        self, _request: service_pb.GetProcessRequest, _context: object
    ) -> service_pb.GetProcessResponse:
        return self._taught

    async def teach(
        self, request: service_pb.GetProcessResponse, _context: object
    ) -> service_pb.GetProcessResponse:
        self._taught = request
        return request

    async def produce(
        self, request: service_pb.GetProcessRequest, _context: object
    ) -> AsyncIterator[service_pb.RunProcessResponse]:
        """Read without asking the loop whether there is anything: cheaper is not possible."""
        with _head(request.name) as child:
            assert child.stdout is not None
            descriptor, offset = child.stdout.fileno(), 0
            while data := os.read(descriptor, READ_BYTES):
                event = service_pb.RunProcessResponse()
                event.chunk.stream = pb.OUTPUT_STREAM_STDOUT
                event.chunk.offset = offset
                event.chunk.data = data
                offset += len(data)
                yield event

    async def run(
        self, requests: AsyncIterator[service_pb.RunProcessRequest], _context: object
    ) -> AsyncIterator[service_pb.RunProcessResponse]:
        spec = (await anext(requests)).create.spec
        pid = spawn(list(spec.argv.args))
        yield service_pb.RunProcessResponse(
            started=pb.OutputStarted(process=pb.Process(spec=spec, pid=pid))
        )
        reap(pid)
        for stream in (pb.OUTPUT_STREAM_STDOUT, pb.OUTPUT_STREAM_STDERR):
            yield service_pb.RunProcessResponse(eof=pb.OutputEof(stream=stream))
        yield service_pb.RunProcessResponse(exit=pb.ProcessExit(exit_code=0))
        yield service_pb.RunProcessResponse(end=pb.OutputEnd())

    def handler(self) -> grpc.GenericRpcHandler:
        codec = (
            service_pb.GetProcessRequest.FromString,
            service_pb.GetProcessResponse.SerializeToString,
        )
        return grpc.method_handlers_generic_handler(
            SERVICE,
            {
                "Echo": grpc.unary_unary_rpc_method_handler(self.echo, *codec),
                "Parrot": grpc.unary_unary_rpc_method_handler(self.parrot, *codec),
                "Teach": grpc.unary_unary_rpc_method_handler(
                    self.teach,
                    service_pb.GetProcessResponse.FromString,
                    service_pb.GetProcessResponse.SerializeToString,
                ),
                "Produce": grpc.unary_stream_rpc_method_handler(
                    self.produce,
                    service_pb.GetProcessRequest.FromString,
                    service_pb.RunProcessResponse.SerializeToString,
                ),
                "Run": grpc.stream_stream_rpc_method_handler(
                    self.run,
                    service_pb.RunProcessRequest.FromString,
                    service_pb.RunProcessResponse.SerializeToString,
                ),
            },
        )


def spawn(argv: list[str]) -> int:
    """Start a program as cheaply as it can be done, and return its pid."""
    return os.posix_spawn(argv[0], argv, os.environ)


def reap(pid: int) -> None:
    os.waitpid(pid, 0)


def _head(size: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(["/usr/bin/head", "-c", size, "/dev/zero"], stdout=subprocess.PIPE)


@contextlib.contextmanager
def running(socket: Path) -> Iterator[str]:
    """Run the floor's server while the block runs.

    Yields:
        Its address, as gRPC takes it.
    """
    with subprocess.Popen(
        [sys.executable, "-m", "tests.bench.floors", str(socket)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as server:
        assert server.stdout is not None
        if server.stdout.readline() != b"ready\n":
            raise RuntimeError("the floor's server did not start")
        yield f"unix://{socket}"
        assert server.stdin is not None
        server.stdin.close()


async def serve(socket: str) -> None:
    server = grpc.aio.server()
    server.add_generic_rpc_handlers([Floor().handler()])
    server.add_insecure_port(f"unix:{socket}")
    await server.start()
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await server.stop(None)


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))
