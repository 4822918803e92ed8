"""hcsd.v1.ComputeSystemService; this version lists and shows systems."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hcsd.service.names import parse_system, system_name
from hcsd.service.paging import page
from hcsd.v1 import compute_system_pb2 as pb
from hcsd.v1 import compute_system_service_pb2 as service_pb
from hcsd.v1.compute_system_service_pb2_grpc import ComputeSystemServiceServicer

if TYPE_CHECKING:
    from hcsd.hcs.schema import SystemProperties
    from hcsd.service.interceptor import Context
    from hcsd.service.registry import Registry

TYPES = {
    "Container": pb.COMPUTE_SYSTEM_TYPE_CONTAINER,
    "VirtualMachine": pb.COMPUTE_SYSTEM_TYPE_VIRTUAL_MACHINE,
}
STATES = {
    "Created": pb.COMPUTE_SYSTEM_STATE_CREATED,
    "Running": pb.COMPUTE_SYSTEM_STATE_RUNNING,
    "Paused": pb.COMPUTE_SYSTEM_STATE_PAUSED,
    "Stopped": pb.COMPUTE_SYSTEM_STATE_STOPPED,
    "SavedAsTemplate": pb.COMPUTE_SYSTEM_STATE_SAVED_AS_TEMPLATE,
}


class ComputeSystemService(ComputeSystemServiceServicer):
    """Serves compute systems."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    async def GetComputeSystem(
        self, request: service_pb.GetComputeSystemRequest, context: Context
    ) -> service_pb.GetComputeSystemResponse:
        opened = await self._registry.system(parse_system(request.name))
        return service_pb.GetComputeSystemResponse(
            system=self._message(await opened.system.properties())
        )

    async def ListComputeSystems(
        self, request: service_pb.ListComputeSystemsRequest, context: Context
    ) -> service_pb.ListComputeSystemsResponse:
        systems = sorted(await self._registry.host.systems(), key=lambda system: system.id)
        found, token = page(
            enumerate(system for system in systems if _matches(system, request)),
            lambda numbered: numbered[0],
            request.page_size,
            request.page_token,
            self._registry.limits.max_page_size,
        )
        return service_pb.ListComputeSystemsResponse(
            systems=[self._message(system) for _, system in found], next_page_token=token
        )

    def _message(self, properties: SystemProperties) -> pb.ComputeSystem:
        message = to_message(properties)
        message.capabilities.tree_terminate = self._registry.host.kills_trees
        return message


def to_message(properties: SystemProperties) -> pb.ComputeSystem:
    """Turn the basic properties of a system into its message."""
    guest_os = properties.runtime_os_type or "Windows"  # absent before Windows 10 1809
    return pb.ComputeSystem(
        name=system_name(properties.id),
        system_id=properties.id,
        system_type=TYPES.get(properties.system_type, pb.COMPUTE_SYSTEM_TYPE_UNSPECIFIED),
        owner=properties.owner,
        runtime_id=properties.runtime_id,
        state=STATES.get(properties.state, pb.COMPUTE_SYSTEM_STATE_UNSPECIFIED),
        capabilities=pb.ComputeSystemCapabilities(
            signals=True, console=True, open_by_pid=True, guest_os=guest_os.lower()
        ),
    )


def _matches(system: SystemProperties, request: service_pb.ListComputeSystemsRequest) -> bool:
    system_type = TYPES.get(system.system_type, pb.COMPUTE_SYSTEM_TYPE_UNSPECIFIED)
    return (
        (not request.ids or system.id in request.ids)
        and (not request.names or system.name in request.names)
        and (not request.owners or system.owner in request.owners)
        and (not request.types or system_type in request.types)
    )
