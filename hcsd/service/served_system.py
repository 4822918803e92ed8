"""A compute system as the daemon serves it: the engine's system, what it is, how it ended.

Its end is the engine's: known once the ends of its processes are, so that whoever has seen it need
not wait for anything in the system.

Thread: the event loop's.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from hcsd.service.names import system_name
from hcsd.v1 import compute_system_pb2 as pb

if TYPE_CHECKING:
    from hcsd.hcs.schema import SystemProperties
    from hcsd.hcs.system import ComputeSystem, SystemEnd

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
EXIT_TYPES = {
    "None": pb.COMPUTE_SYSTEM_EXIT_TYPE_NONE,
    "GracefulExit": pb.COMPUTE_SYSTEM_EXIT_TYPE_GRACEFUL_EXIT,
    "ForcedExit": pb.COMPUTE_SYSTEM_EXIT_TYPE_FORCED_EXIT,
    "UnexpectedExit": pb.COMPUTE_SYSTEM_EXIT_TYPE_UNEXPECTED_EXIT,
    "Unknown": pb.COMPUTE_SYSTEM_EXIT_TYPE_UNKNOWN,
}


class ServedSystem:
    """One compute system that the daemon has open, or had open until it ended.

    Args:
        system: The engine's.
        properties: What HCS says of it.
        guest_os: ``Windows`` or ``Linux``.
        request_id: Request id of the create, or "".
        created: POSIX time in nanoseconds of the create; None for a system made by others.

    Attributes:
        system: The engine's; its handle is closed once the system has ended.
        properties: What HCS said of it last.
        guest_os: See there.
        request_id: See there.
        created: See there.
        exit: How it ended, once that is known.
        uses: How much goes on in it for which it must stay open; see `Systems.using`.
    """

    def __init__(
        self,
        system: ComputeSystem,
        properties: SystemProperties,
        guest_os: str,
        request_id: str = "",
        created: int | None = None,
    ) -> None:
        self.system = system
        self.properties = properties
        self.guest_os = guest_os
        self.request_id = request_id
        self.created = created
        self.exit: pb.ComputeSystemExit | None = None
        self.uses = 0
        system.exited.observe(self._on_exit)

    @property
    def id(self) -> str:
        """The id HCS knows it by."""
        return self.system.id

    @property
    def name(self) -> str:
        """Its resource name."""
        return system_name(self.id)

    @property
    def ended(self) -> bool:
        """Whether it has ended, and all that ran in it."""
        return self.exit is not None

    def _on_exit(self, end: SystemEnd) -> None:
        self.exit = pb.ComputeSystemExit(
            status=end.hresult,
            exit_type=EXIT_TYPES.get(end.exit_type, pb.COMPUTE_SYSTEM_EXIT_TYPE_UNSPECIFIED),
            attribution_json=end.attribution,
        )
        self.exit.exit_time.FromNanoseconds(time.time_ns())


def to_message(
    properties: SystemProperties, served: ServedSystem | None = None
) -> pb.ComputeSystem:
    """Turn the basic properties of a system into its message.

    Args:
        properties: What HCS says of it.
        served: What the daemon knows of it.
    """
    guest_os = properties.runtime_os_type or "Windows"  # absent before Windows 10 1809
    message = pb.ComputeSystem(
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
    if served is not None and served.created is not None:
        message.create_time.FromNanoseconds(served.created)
    if served is not None and served.exit is not None:
        message.state = pb.COMPUTE_SYSTEM_STATE_STOPPED
        message.exit.CopyFrom(served.exit)
    return message
