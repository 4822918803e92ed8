"""Reflection in both of its versions, for tools such as grpcurl.

The versions have the same messages with the same numbers, so one servicer answers to both names. The
package grpcio-reflection has only `v1alpha`; the descriptor of `v1` is made of that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import grpc
from google.protobuf import descriptor_pool
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_reflection.v1alpha import reflection, reflection_pb2

if TYPE_CHECKING:
    from collections.abc import Iterable

    from google.protobuf.descriptor import FileDescriptor

    from hcsd.rpc.aio_server import Handler
    from hcsd.rpc.gate import Gate

ALPHA = "grpc.reflection.v1alpha"
STABLE = "grpc.reflection.v1"
METHOD = "ServerReflectionInfo"
VERSIONS = tuple(f"{package}.ServerReflection" for package in (ALPHA, STABLE))


def add_reflection(gate: Gate, services: Iterable[str]) -> None:
    """Let a listener tell of its services.

    Args:
        gate: Of the listener.
        services: Full names of those that it has beside reflection.
    """
    pool = descriptor_pool.Default()
    _add_stable(pool)
    symbols = cast("descriptor_pool.DescriptorPool", _Symbols(pool))
    servicer = reflection.aio.ReflectionServicer((*services, *VERSIONS), symbols)
    handler = cast(
        "Handler",
        grpc.stream_stream_rpc_method_handler(
            servicer.ServerReflectionInfo,
            request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
            response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
        ),
    )
    for version in VERSIONS:
        gate.add_registered_method_handlers(version, {METHOD: handler})


class _Symbols:
    """A pool that finds methods by their names, too."""

    def __init__(self, pool: descriptor_pool.DescriptorPool) -> None:
        self._pool = pool

    def FindFileContainingSymbol(self, symbol: str) -> FileDescriptor:
        """Return the file that declares a symbol.

        Raises:
            KeyError: None does.
        """
        try:
            return self._pool.FindFileContainingSymbol(symbol)
        except KeyError:
            service, _, method = symbol.rpartition(".")
            found = self._pool.FindServiceByName(service)
            if method in found.methods_by_name:
                return found.file
            raise

    def __getattr__(self, name: str) -> object:
        """Leave everything else to the pool."""
        return getattr(self._pool, name)


def _add_stable(pool: descriptor_pool.DescriptorPool) -> None:
    """Add the descriptor of `v1` to a pool; adding it again changes nothing."""
    proto = FileDescriptorProto()
    reflection_pb2.DESCRIPTOR.CopyToProto(proto)
    proto.name = "grpc/reflection/v1/reflection.proto"
    proto.package = STABLE
    for message in proto.message_type:
        for field in message.field:
            if field.type_name:
                field.type_name = _stable(field.type_name)
    for service in proto.service:
        for method in service.method:
            method.input_type = _stable(method.input_type)
            method.output_type = _stable(method.output_type)
    pool.AddSerializedFile(proto.SerializeToString())


def _stable(name: str) -> str:
    return name.replace(f".{ALPHA}.", f".{STABLE}.")
