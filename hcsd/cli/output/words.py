"""What the contract's enums and exits say to people, in a word or two, and the colours of states."""

from __future__ import annotations

from hcsd.v1 import compute_system_pb2, event_pb2, process_pb2

SYSTEM_STYLES = {"running": "green", "created": "cyan", "paused": "yellow", "stopped": "dim"}
PROCESS_STYLES = {
    "running": "green",
    "creating": "cyan",
    "failed": "red",
    "lost": "red",
    "exited": "dim",
}


def process_state(process: process_pb2.Process) -> str:
    """Return the state of a process in a word."""
    return process_pb2.ProcessState.Name(process.state).removeprefix("PROCESS_STATE_").lower()


def system_state(system: compute_system_pb2.ComputeSystem) -> str:
    """Return the state of a system in a word."""
    name = compute_system_pb2.ComputeSystemState.Name(system.state)
    return _word(name, "COMPUTE_SYSTEM_STATE_")


def system_type(system: compute_system_pb2.ComputeSystem) -> str:
    """Return the type of a system in a word or two."""
    name = compute_system_pb2.ComputeSystemType.Name(system.system_type)
    return _word(name, "COMPUTE_SYSTEM_TYPE_")


def process_event(event: event_pb2.ProcessEvent) -> str:
    """Return a step in the life of a process in a word or two."""
    if event.type not in event_pb2.ProcessEventType.values():  # it is of a later contract
        return f"event {event.type}"
    name = event_pb2.ProcessEventType.Name(event.type)
    return _word(name, "PROCESS_EVENT_TYPE_")


def system_event(event: event_pb2.SystemEvent) -> str:
    """Return a step in the life of a system in a word or two; "" if it is none."""
    if event.event_type not in event_pb2.SystemEventType.values():  # it is of a later contract
        return f"event {event.event_type}"
    name = event_pb2.SystemEventType.Name(event.event_type)
    return _word(name, "SYSTEM_EVENT_TYPE_")


def describe_system_exit(system: compute_system_pb2.ComputeSystem) -> str:
    """Return how a system ended, in a word or two; "" if that is not known."""
    name = compute_system_pb2.ComputeSystemExitType.Name(system.exit.exit_type)
    return _word(name, "COMPUTE_SYSTEM_EXIT_TYPE_")


def describe_exit(process: process_pb2.Process) -> str:
    """Return how a process ended, in a word or two; "" while it has not."""
    ended = process.exit
    outcome = ended.WhichOneof("outcome")
    if outcome == "exit_code":
        if ended.reason == process_pb2.EXIT_REASON_OUT_OF_MEMORY:
            return f"{ended.exit_code} (out of memory)"
        name = signal_name(ended)
        return f"{ended.exit_code} ({name})" if name else str(ended.exit_code)
    return {"start_error": "not started", "unknown": "unknown"}.get(outcome or "", "")


def signal_name(ended: process_pb2.ProcessExit) -> str:
    """Return the name of the signal that ended a process, without its prefix; "" without one."""
    return ended.signal_name.removeprefix("SIG") or (str(ended.signal) if ended.signal else "")


def _word(name: str, prefix: str) -> str:
    """Return the name of an enum value as people read it; "" for the one that says nothing."""
    word = name.removeprefix(prefix).lower().replace("_", " ")
    return "" if word == "unspecified" else word
