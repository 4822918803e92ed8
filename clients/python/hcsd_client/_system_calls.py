"""The calls about compute systems and the host: one method for each RPC."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hcsd.v1 import compute_system_service_pb2 as pb
from hcsd.v1.host_service_pb2 import (
    GetHostRequest,
    GetHostResponse,
    GetServicePropertiesRequest,
    ModifyServiceSettingsRequest,
    ReloadConfigurationRequest,
)
from hcsd_client._asking import Asking
from hcsd_client._values import duration, message
from hcsd_client.names import bare_id, full_system_name

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence

    from hcsd.v1.compute_system_pb2 import ComputeSystem, ComputeSystemType
    from hcsd.v1.host_service_pb2 import ChangedSetting
    from hcsd_client._values import Seconds


class SystemCalls(Asking):
    """The calls about compute systems and the host; see `Client`.

    Documents of HCS, in arguments that end in `_json`, are passed to it unchanged.
    """

    async def create_system(
        self,
        configuration_json: str,
        *,
        system_id: str = "",
        start: bool = False,
        request_id: str = "",
    ) -> pb.CreateComputeSystemResponse:
        """Create a compute system.

        Args:
            configuration_json: A document for HcsCreateComputeSystem.
            system_id: Its id in HCS. Default: issued by the daemon.
            start: Start it, too; one that does not start is terminated.
            request_id: A UUID that makes the call safe to repeat.

        Raises:
            AlreadyExistsError: `system_id` is taken.
            RequestIdReusedError: `request_id` was used with another request.
            NotFoundError: A path in the configuration is missing.
            FailedPreconditionError: The host lacks what the configuration needs.
            AbortedError: It ended while starting.
        """
        request = message(
            pb.CreateComputeSystemRequest,
            system_id=bare_id(system_id, "system_id", "compute system"),
            configuration_json=configuration_json,
            request_id=request_id,
            start=start,
        )
        return await self._ask(self._channel.systems.CreateComputeSystem, request)

    async def get_system(self, name: str) -> ComputeSystem:
        """Return a compute system.

        Raises:
            NotFoundError: There is no such system.
        """
        request = message(pb.GetComputeSystemRequest, name=full_system_name(name))
        return (await self._look(self._channel.systems.GetComputeSystem, request)).system

    async def list_systems(
        self,
        *,
        owners: Iterable[str] = (),
        ids: Iterable[str] = (),
        names: Iterable[str] = (),
        types: Iterable[ComputeSystemType] = (),
        page_size: int = 0,
    ) -> AsyncIterator[ComputeSystem]:
        """Iterate over the compute systems of the host, in the order of their ids.

        Args:
            owners: Only those with one of these owners. Default: all.
            ids: Only those with one of these ids. Default: all.
            names: Only those with one of these names in HCS. Default: all.
            types: Only those of one of these types. Default: all.
            page_size: How many to ask for at once. Default: the daemon's.
        """
        request = message(
            pb.ListComputeSystemsRequest,
            owners=owners,
            ids=ids,
            names=names,
            types=types,
            page_size=page_size,
        )
        for one in request.ids:
            bare_id(one, "one of ids", "compute system")
        while True:
            page = await self._look(self._channel.systems.ListComputeSystems, request)
            for system in page.systems:
                yield system
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def start_system(self, name: str, *, options_json: str = "") -> ComputeSystem:
        """Start a compute system that was created and not started.

        Raises:
            NotFoundError: There is no such system.
            FailedPreconditionError: It is running, or has ended.
            AbortedError: It ended while starting.
        """
        request = message(
            pb.StartComputeSystemRequest, name=full_system_name(name), options_json=options_json
        )
        return (await self._ask(self._channel.systems.StartComputeSystem, request)).system

    async def shut_down_system(
        self,
        name: str,
        *,
        timeout: Seconds | None = None,
        force: bool = False,
        options_json: str = "",
    ) -> pb.ShutDownComputeSystemResponse:
        """Ask a compute system to shut down and wait for its exit; one that is gone is no error.

        Args:
            name: The system.
            timeout: Seconds to wait for the exit. Default: 30.
            force: Terminate it if it cannot be shut down, or not in time.
            options_json: A ShutdownOptions document.

        Raises:
            NotFoundError: The daemon has never known such a system.
            FailedPreconditionError: It was never started, or is paused; not with `force`.
        """
        request = message(
            pb.ShutDownComputeSystemRequest,
            name=full_system_name(name),
            timeout=duration(timeout, "timeout"),
            force=force,
            options_json=options_json,
        )
        return await self._ask(self._channel.systems.ShutDownComputeSystem, request, patient=True)

    async def terminate_system(self, name: str, *, options_json: str = "") -> ComputeSystem:
        """Kill a compute system with all that runs in it; one that is gone is no error.

        It may still be running in the answer: to see the exit, wait for it.

        Raises:
            NotFoundError: The daemon has never known such a system.
        """
        request = message(
            pb.TerminateComputeSystemRequest, name=full_system_name(name), options_json=options_json
        )
        return (await self._ask(self._channel.systems.TerminateComputeSystem, request)).system

    async def pause_system(self, name: str, *, options_json: str = "") -> ComputeSystem:
        """Pause a running compute system.

        Raises:
            NotFoundError: There is no such system.
            FailedPreconditionError: It is not running.
        """
        request = message(
            pb.PauseComputeSystemRequest, name=full_system_name(name), options_json=options_json
        )
        return (await self._ask(self._channel.systems.PauseComputeSystem, request)).system

    async def resume_system(self, name: str, *, options_json: str = "") -> ComputeSystem:
        """Resume a paused compute system.

        Raises:
            NotFoundError: There is no such system.
            FailedPreconditionError: It is not paused.
        """
        request = message(
            pb.ResumeComputeSystemRequest, name=full_system_name(name), options_json=options_json
        )
        return (await self._ask(self._channel.systems.ResumeComputeSystem, request)).system

    async def save_system(self, name: str, *, options_json: str = "") -> ComputeSystem:
        """Save the state of a paused virtual machine.

        Raises:
            NotFoundError: There is no such system.
            FailedPreconditionError: It is not paused.
        """
        request = message(
            pb.SaveComputeSystemRequest, name=full_system_name(name), options_json=options_json
        )
        return (await self._ask(self._channel.systems.SaveComputeSystem, request)).system

    async def modify_system(self, name: str, settings_json: str) -> ComputeSystem:
        """Change settings of a compute system by a ModifySettingRequest document.

        Raises:
            NotFoundError: There is no such system.
            FailedPreconditionError: This setting cannot be changed now.
        """
        request = message(
            pb.ModifyComputeSystemRequest, name=full_system_name(name), settings_json=settings_json
        )
        return (await self._ask(self._channel.systems.ModifyComputeSystem, request)).system

    async def get_system_properties(
        self, name: str, *, property_types: Iterable[str] = (), property_query_json: str = ""
    ) -> pb.GetComputeSystemPropertiesResponse:
        """Ask HCS about a compute system.

        Args:
            name: The system.
            property_types: What to ask for by HCS's names, such as ``Statistics`` and
                ``ProcessList``. Default: the basic properties.
            property_query_json: Instead, a System_PropertyQuery document.

        Raises:
            NotFoundError: There is no such system.
            FailedPreconditionError: HCS has no such properties in this state.
        """
        request = message(
            pb.GetComputeSystemPropertiesRequest,
            name=full_system_name(name),
            property_types=property_types,
            property_query_json=property_query_json,
        )
        return await self._look(self._channel.systems.GetComputeSystemProperties, request)

    async def wait_system(
        self, name: str, *, timeout: Seconds | None = None
    ) -> pb.WaitComputeSystemResponse:
        """Wait until a compute system has ended, and all that ran in it.

        Args:
            name: The system.
            timeout: Seconds after which to answer with `timed_out`. Default: without limit.

        Raises:
            NotFoundError: There is no such system.
        """
        request = message(pb.WaitComputeSystemRequest, name=full_system_name(name))
        return await self._wait(
            self._channel.systems.WaitComputeSystem, request, f"the wait for '{name}'", timeout
        )

    async def get_host(self) -> GetHostResponse:
        """Return what the daemon is and what it allows."""
        host = await self._look(self._channel.host.GetHost, GetHostRequest())
        self._channel.known.incarnation = host.incarnation
        return host

    async def reload_configuration(self) -> Sequence[ChangedSetting]:
        """Have the daemon read its configuration file again; returns what differs from before.

        Raises:
            FailedPreconditionError: It has no file, or something is wrong with it; nothing changed.
        """
        request = ReloadConfigurationRequest()
        answer = await self._look(self._channel.host.ReloadConfiguration, request)
        return answer.changed_settings

    async def get_service_properties(self, property_query_json: str = "") -> str:
        """Ask HCS about itself, by a Service_PropertyQuery document; returns its answer."""
        request = message(GetServicePropertiesRequest, property_query_json=property_query_json)
        return (await self._look(self._channel.host.GetServiceProperties, request)).properties_json

    async def modify_service_settings(self, settings_json: str) -> str:
        """Change settings of HCS itself, for all its clients; returns its answer.

        Raises:
            FailedPreconditionError: This setting cannot be changed now.
        """
        request = message(ModifyServiceSettingsRequest, settings_json=settings_json)
        return (await self._ask(self._channel.host.ModifyServiceSettings, request)).result_json
