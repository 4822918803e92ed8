"""hcsd.v1.HostService: the daemon, and HCS itself."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from google.protobuf.duration_pb2 import Duration

from hcsd.errors import HcsdError
from hcsd.v1 import host_service_pb2 as service_pb
from hcsd.v1.host_service_pb2_grpc import HostServiceServicer
from hcsd.version import __version__

if TYPE_CHECKING:
    from hcsd.config import Limits
    from hcsd.service.interceptor import Context
    from hcsd.service.registry import Registry


class HostService(HostServiceServicer):
    """Serves what there is to know about the daemon and its engine."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._start_time = time.time_ns()

    async def GetHost(
        self, request: service_pb.GetHostRequest, context: Context
    ) -> service_pb.GetHostResponse:
        host = self._registry.host
        response = service_pb.GetHostResponse(
            version=__version__,
            incarnation=self._registry.incarnation,
            engine=host.engine,
            guest_os=host.guest_os,
            limits=_limits(self._registry.limits),
            missing_functions=host.library.missing,
        )
        response.start_time.FromNanoseconds(self._start_time)
        with contextlib.suppress(HcsdError):  # it answers also when HCS is out of reach
            response.schema_versions.extend(
                service_pb.SchemaVersion(major=major, minor=minor)
                for major, minor in await host.schema_versions()
            )
        return response

    async def GetServiceProperties(
        self, request: service_pb.GetServicePropertiesRequest, context: Context
    ) -> service_pb.GetServicePropertiesResponse:
        document = await self._registry.host.service_properties(request.property_query_json or None)
        return service_pb.GetServicePropertiesResponse(properties_json=document or "")

    async def ModifyServiceSettings(
        self, request: service_pb.ModifyServiceSettingsRequest, context: Context
    ) -> service_pb.ModifyServiceSettingsResponse:
        # HCS makes the change or not, whoever waits: a lane never abandons a call.
        document = await self._registry.host.modify_service_settings(request.settings_json)
        return service_pb.ModifyServiceSettingsResponse(result_json=document or "")


def _limits(limits: Limits) -> service_pb.Limits:
    return service_pb.Limits(
        default_chunk_bytes=limits.default_chunk_bytes,
        max_chunk_bytes=limits.max_chunk_bytes,
        default_ring_bytes=limits.default_ring_bytes,
        max_ring_bytes=limits.max_ring_bytes,
        stdin_buffer_bytes=limits.stdin_buffer_bytes,
        max_message_bytes=limits.max_message_bytes,
        stall_timeout=_duration(limits.stall_timeout),
        default_drain_timeout=_duration(limits.drain_timeout),
        max_drain_time=_duration(limits.max_drain_time),
        exited_process_retention=_duration(limits.exited_retention),
        max_exited_processes=limits.max_exited,
        event_ring_size=limits.event_ring_size,
        max_page_size=limits.max_page_size,
        ring_memory_bytes=limits.ring_memory_bytes,
        max_processes=limits.max_processes,
        max_systems=limits.max_systems,
        max_streams_per_client=limits.max_streams_per_client,
    )


def _duration(seconds: float) -> Duration:
    duration = Duration()
    duration.FromNanoseconds(int(seconds * 1e9))
    return duration
