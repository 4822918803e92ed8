"""hcsd.v1.HostService: the daemon, and HCS itself."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from hcsd.errors import HcsdError
from hcsd.rpc.convert import limits_message
from hcsd.rpc.sizes import sendable
from hcsd.v1 import host_service_pb2 as service_pb
from hcsd.v1.host_service_pb2_grpc import HostServiceServicer
from hcsd.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hcsd.daemon.changed_setting import ChangedSetting
    from hcsd.daemon.daemon import Daemon
    from hcsd.rpc.calls import Context


class HostService(HostServiceServicer):
    """Serves what there is to know about the daemon and its engine.

    Args:
        daemon: What it tells about.
        reload: Reads the configuration again, and returns what differs.
    """

    def __init__(self, daemon: Daemon, reload: Callable[[], Sequence[ChangedSetting]]) -> None:
        self._daemon = daemon
        self._reload = reload
        self._start_time = time.time_ns()

    async def GetHost(
        self, request: service_pb.GetHostRequest, context: Context
    ) -> service_pb.GetHostResponse:
        host = self._daemon.host
        response = service_pb.GetHostResponse(
            version=__version__,
            incarnation=self._daemon.incarnation,
            engine=host.engine,
            guest_os=host.guest_os,
            limits=limits_message(self._daemon.limits),
            missing_functions=host.library.missing,
        )
        response.start_time.FromNanoseconds(self._start_time)
        response.restore_count = self._daemon.restore_count
        if created := self._daemon.state_create_time:
            response.state_create_time.FromNanoseconds(created)
        if restored := self._daemon.restore_time:
            response.restore_time.FromNanoseconds(restored)
        with contextlib.suppress(HcsdError):  # it answers also when HCS is out of reach
            response.schema_versions.extend(
                service_pb.SchemaVersion(major=major, minor=minor)
                for major, minor in await host.schema_versions()
            )
        return response

    async def ReloadConfiguration(
        self, request: service_pb.ReloadConfigurationRequest, context: Context
    ) -> service_pb.ReloadConfigurationResponse:
        return service_pb.ReloadConfigurationResponse(
            changed_settings=[
                service_pb.ChangedSetting(
                    key=changed.key,
                    old_value=changed.before,
                    new_value=changed.after,
                    applied=changed.is_applied,
                )
                for changed in self._reload()
            ]
        )

    async def GetServiceProperties(
        self, request: service_pb.GetServicePropertiesRequest, context: Context
    ) -> service_pb.GetServicePropertiesResponse:
        document = await self._daemon.host.service_properties(request.property_query_json or None)
        response = service_pb.GetServicePropertiesResponse(properties_json=document or "")
        return sendable(response, "ask for less with 'property_query_json'")

    async def ModifyServiceSettings(
        self, request: service_pb.ModifyServiceSettingsRequest, context: Context
    ) -> service_pb.ModifyServiceSettingsResponse:
        # HCS makes the change or not, whoever waits: a lane never abandons a call.
        document = await self._daemon.host.modify_service_settings(request.settings_json)
        response = service_pb.ModifyServiceSettingsResponse(result_json=document or "")
        return sendable(response, "the settings were changed all the same")
