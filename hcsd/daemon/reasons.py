"""The one list of reasons for which the daemon refuses or ends a call.

A failure of the Host Compute Service has the symbol of its HRESULT for a reason instead
(`hcsd.abi.hresult`). The comment in `error.proto`, the page `errors.md` and the clients' classes
follow this list; tests/unit/test_reasons.py holds them to it.
"""

from __future__ import annotations

from enum import Enum, unique

from hcsd.abi.hresult import Kind

ANY = "any call"
CREATES = "CreateProcess, RunProcess"
STDIN = "WriteInput, StreamInput, RunProcess"
READS = "ReadOutput, RunProcess"


@unique
class Reason(Enum):
    """A row: kind of failure, whether the same call may succeed later, where it comes from, text.

    The name of a member is the reason that clients see.

    Attributes:
        kind: What a caller can do about it.
        retryable: Whether the same call, repeated later, may succeed.
        calls: The calls that can fail so, by their names in the contract.
        text: What it means, for documentation; a message has the particulars.
    """

    kind: Kind
    retryable: bool
    calls: str
    text: str

    def __init__(self, kind: Kind, later: bool, calls: str, text: str) -> None:
        self.kind = kind
        self.retryable = later
        self.calls = calls
        self.text = text

    ANSWER_TOO_LARGE = (
        Kind.EXHAUSTED,
        False,
        "calls that answer with a document",
        "the answer is larger than a message may be",
    )
    CERTIFICATE_INVALID = (
        Kind.UNAUTHENTICATED,
        False,
        ANY,
        "the client's certificate is not, or no longer, one that the daemon trusts",
    )
    CONFIGURATION_UNUSABLE = (
        Kind.WRONG_STATE,
        False,
        "ReloadConfiguration",
        "the daemon has no configuration file, or something is wrong with it",
    )
    DAEMON_RESTARTED = (
        Kind.WRONG_STATE,
        False,
        ANY,
        "the call names a state of the daemon that is gone",
    )
    DAEMON_STOPPING = Kind.UNREACHABLE, True, ANY, "the daemon is stopping"
    EXECUTABLE_BUSY = Kind.WRONG_STATE, True, CREATES, "somebody is writing to the program's file"
    EXECUTABLE_NOT_FOUND = Kind.NOT_FOUND, False, CREATES, "there is no such program"
    INTERNAL = Kind.FAULT, False, ANY, "the daemon failed; its log has more under the incident"
    INVALID_REQUEST = Kind.INVALID, False, ANY, "the request breaks rules; each has a violation"
    OUTPUT_EVICTED = Kind.OUT_OF_RANGE, False, READS, "the bytes asked for have left the ring"
    OUTPUT_OFFSET = Kind.OUT_OF_RANGE, False, READS, "the offset lies past the end of the stream"
    PID_NOT_FOUND = Kind.NOT_FOUND, False, "OpenProcess", "no process of the system has the pid"
    PROCESS_ALREADY_EXISTS = (
        Kind.EXISTS,
        False,
        f"{CREATES}, OpenProcess",
        "the process id is taken",
    )
    PROCESS_ALREADY_OPEN = (
        Kind.EXISTS,
        False,
        "OpenProcess",
        "the process is known by another name already",
    )
    PROCESS_NOT_FOUND = (
        Kind.NOT_FOUND,
        False,
        "calls that name a process",
        "the process is unknown, deleted, or no longer kept",
    )
    PROCESS_NOT_RUNNING = (
        Kind.WRONG_STATE,
        False,
        "SignalProcess, ModifyProcess, RunProcess",
        "the process has exited",
    )
    PROCESS_RUNNING = Kind.WRONG_STATE, True, "DeleteProcess", "the process is running"
    RECORD_MEMORY_EXHAUSTED = (
        Kind.EXHAUSTED,
        True,
        f"{CREATES}, OpenProcess, CreateComputeSystem",
        "there is no memory for what one more process or system asks for",
    )
    REQUEST_ID_REUSED = (
        Kind.EXISTS,
        False,
        f"{CREATES}, CreateComputeSystem",
        "the request id was used for another request",
    )
    REQUEST_INCOMPLETE = Kind.TOO_LATE, True, ANY, "the request has not arrived in time"
    REVISION_COMPACTED = (
        Kind.OUT_OF_RANGE,
        False,
        "WatchEvents",
        "the events asked for have left the ring",
    )
    REVISION_UNKNOWN = Kind.OUT_OF_RANGE, True, "WatchEvents", "there is no such revision yet"
    RING_MEMORY_EXHAUSTED = (
        Kind.EXHAUSTED,
        True,
        CREATES,
        "there is no memory for the output of one more process",
    )
    STATE_NOT_WRITTEN = (
        Kind.EXHAUSTED,
        True,
        f"{CREATES}, CreateComputeSystem",
        "the daemon cannot write down what it is about to create, as when the disk is full",
    )
    STDERR_TO_STDOUT_NOT_SUPPORTED = (
        Kind.UNSUPPORTED,
        False,
        CREATES,
        "this engine cannot join stderr to stdout",
    )
    STDIN_BUSY = Kind.WRONG_STATE, True, STDIN, "somebody else is writing to stdin"
    STDIN_CLOSED = Kind.WRONG_STATE, False, STDIN, "stdin was closed, or there never was one"
    STDIN_OFFSET = Kind.OUT_OF_RANGE, False, STDIN, "the offset lies past the committed one"
    STDIN_TAKEN_OVER = Kind.ABORTED, False, STDIN, "another writer took over"
    STDIO_NOT_OWNED = (
        Kind.WRONG_STATE,
        False,
        f"{READS}, WriteInput, StreamInput",
        "the daemon did not start the process, so it has none of its pipes",
    )
    SUBSCRIBER_STALLED = (
        Kind.ABORTED,
        True,
        f"{READS}, WatchEvents",
        "the reader made no progress for too long",
    )
    TOKEN_INVALID = Kind.UNAUTHENTICATED, False, ANY, "the token is not this daemon's"
    TOKEN_MISSING = Kind.UNAUTHENTICATED, False, ANY, "this listener needs the daemon's token"
    TOO_MANY_CALLS = (
        Kind.EXHAUSTED,
        True,
        ANY,
        "as many calls are under way at the listener as may be at once",
    )
    TOO_MANY_PROCESSES = (
        Kind.EXHAUSTED,
        True,
        f"{CREATES}, OpenProcess",
        "as many processes run as may run at once",
    )
    TOO_MANY_STREAMS_PER_CLIENT = (
        Kind.EXHAUSTED,
        True,
        "streaming calls",
        "the clients of the Unix socket have as many streaming calls as they may have",
    )
    TOO_MANY_STREAMS_PER_CONNECTION = (
        Kind.EXHAUSTED,
        True,
        "streaming calls",
        "the connection has as many streaming calls as it may have",
    )
    TOO_MANY_SYSTEMS = (
        Kind.EXHAUSTED,
        True,
        "CreateComputeSystem",
        "the daemon has created as many systems as it may have at once",
    )
    TREE_NOT_SUPPORTED = (
        Kind.UNSUPPORTED,
        False,
        "TerminateProcess, DeleteProcess",
        "this engine cannot tell what descends from a process",
    )
    WORKING_DIRECTORY_NOT_FOUND = (
        Kind.INVALID,
        False,
        CREATES,
        "there is no such working directory",
    )
