"""The services of the contract, and those that gRPC has for every server, put together for a gate."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from grpc_health.v1 import health, health_pb2_grpc

from hcsd.rpc.compute_system_service import ComputeSystemService
from hcsd.rpc.event_service import EventService
from hcsd.rpc.host_service import HostService
from hcsd.rpc.process_service import ProcessService
from hcsd.rpc.reflection_service import add_reflection
from hcsd.v1 import (
    compute_system_service_pb2,
    compute_system_service_pb2_grpc,
    event_service_pb2,
    event_service_pb2_grpc,
    host_service_pb2,
    host_service_pb2_grpc,
    process_service_pb2,
    process_service_pb2_grpc,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import grpc

    from hcsd.daemon.changed_setting import ChangedSetting
    from hcsd.daemon.daemon import Daemon
    from hcsd.rpc.gate import Gate
    from hcsd.rpc.health_service import HealthService
    from hcsd.rpc.validate import Validator

SERVICES = tuple(
    service.full_name
    for module in (
        process_service_pb2,
        compute_system_service_pb2,
        event_service_pb2,
        host_service_pb2,
    )
    for service in module.DESCRIPTOR.services_by_name.values()
)
PROCESS_SERVICE = process_service_pb2.DESCRIPTOR.services_by_name["ProcessService"].full_name


def add_services(
    gate: Gate,
    daemon: Daemon,
    validator: Validator,
    status: HealthService,
    reload: Callable[[], Sequence[ChangedSetting]],
) -> None:
    """Have a gate answer all calls.

    Args:
        gate: What calls go through.
        daemon: What serves them.
        validator: Checks messages of streams.
        status: The health of the services.
        reload: Reads the configuration again, and returns what differs.
    """
    handlers = cast("grpc.aio.Server", gate)  # what generated code asks of one is to take handlers
    process_service_pb2_grpc.add_ProcessServiceServicer_to_server(
        ProcessService(daemon, validator), handlers
    )
    compute_system_service_pb2_grpc.add_ComputeSystemServiceServicer_to_server(
        ComputeSystemService(daemon),
        handlers,
    )
    event_service_pb2_grpc.add_EventServiceServicer_to_server(EventService(daemon), handlers)
    host_service_pb2_grpc.add_HostServiceServicer_to_server(
        HostService(daemon, reload),
        handlers,
    )
    health_pb2_grpc.add_HealthServicer_to_server(status, handlers)
    add_reflection(gate, (*SERVICES, health.SERVICE_NAME))
