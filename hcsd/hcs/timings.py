"""The times by which the engine waits, gives up and asks again."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timings:
    """Times in seconds. `Host` takes them and hands them down; tests pass shorter ones.

    Attributes:
        operation_timeout: How long an operation may take. hcsshim allows create, start, pause,
            resume and save as much before it calls them stuck.
        poll_delays: The pauses before the result of an operation is asked for whose completion has not
            come; the last is repeated (arbitrary). A question costs a few microseconds.
        create_doubt_time: How long the create of a process may take before it is looked for in another
            way (arbitrary). As a rule it takes a fraction of a second.
        lane_patience: How long a call waits for a thread while no call before it returns (arbitrary).
        close_patience: How long the end of the engine waits for calls that are under way (arbitrary).
        create_recovery_timeout: How long each step after a failed create may take. Its caller
            waits for the error (arbitrary).
        exit_event_grace: How long an exit event may take to arrive after HCS has said that the
            process or system is gone, as in hcsshim.
        clock_slack: By how much a guest's clock, and its granularity, may differ from ours
            (arbitrary). A guest is not expected to use a pid again within it.
        reconnect_delays: The pause before each try to reach a service that went away. A service is
            restarted in seconds, or by hand.
        recheck_time: How long a process may be silent before it is asked after (arbitrary). A lost
            event is rare, and a question is a round trip to the service.
        recheck_spacing: The shortest time between two such questions.
    """

    operation_timeout: float = 240.0
    poll_delays: tuple[float, ...] = (1.0, 2.0, 4.0, 8.0, 15.0)
    create_doubt_time: float = 10.0
    lane_patience: float = 30.0
    close_patience: float = 2.0
    create_recovery_timeout: float = 10.0
    exit_event_grace: float = 1.0
    clock_slack: float = 1.0
    reconnect_delays: tuple[float, ...] = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
    recheck_time: float = 60.0
    recheck_spacing: float = 1.0


DEFAULT_TIMINGS = Timings()
