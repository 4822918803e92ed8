"""A client of the hcsd daemon, for asyncio.

    from hcsd_client import STDOUT, Client

    async with Client() as client:
        async with client.run(["make", "all"], stderr=STDOUT) as process:
            async for data in process.stdout:
                ...

`hcsd_client.blocking` is the same for programs without an event loop. Messages are the messages of `hcsd.v1`, with no second set of types beside them: they
are typed and documented, and a field that the contract gains is there without a change here.
"""

from subprocess import DEVNULL, STDOUT

from hcsd_client._client import Client
from hcsd_client._completed import (
    Completed,
    OutputTruncatedError,
    ProcessFailedError,
    ProcessTimeoutError,
)
from hcsd_client._errors import (
    AbortedError,
    AddressError,
    AlreadyExistsError,
    BadNameError,
    CallCancelledError,
    CallError,
    ClientClosedError,
    ConnectionLostError,
    DaemonRestartedError,
    DaemonUnreachableError,
    DeadlineExceededError,
    ExecutableNotFoundError,
    FailedPreconditionError,
    FieldViolation,
    HcsdClientError,
    InternalError,
    InvalidRequestError,
    NotFoundError,
    OutOfRangeError,
    OutputEvictedError,
    PermissionDeniedError,
    RequestIdReusedError,
    Resource,
    ResourceExhaustedError,
    RevisionCompactedError,
    RunEndedError,
    StdinBusyError,
    StdinClosedError,
    StdinTakenOverError,
    SubscriberStalledError,
    TlsError,
    TokenFileError,
    UnauthenticatedError,
    UnavailableError,
    UnimplementedError,
    error_from_status,
)
from hcsd_client._events import Events
from hcsd_client._input import RemoteInput
from hcsd_client._keywords import ProcessKeywords
from hcsd_client._lines import Line
from hcsd_client._output import RemoteOutput
from hcsd_client._process import RemoteProcess
from hcsd_client._retry import Retry
from hcsd_client._run import Run
from hcsd_client._stream import EventStream, Output
from hcsd_client.address import Address, default_address, parse_address
from hcsd_client.names import ALL_SYSTEMS, HOST_SYSTEM, process_name, system_name

__all__ = [
    "ALL_SYSTEMS",
    "DEVNULL",
    "HOST_SYSTEM",
    "STDOUT",
    "AbortedError",
    "Address",
    "AddressError",
    "AlreadyExistsError",
    "BadNameError",
    "CallCancelledError",
    "CallError",
    "Client",
    "ClientClosedError",
    "Completed",
    "ConnectionLostError",
    "DaemonRestartedError",
    "DaemonUnreachableError",
    "DeadlineExceededError",
    "EventStream",
    "Events",
    "ExecutableNotFoundError",
    "FailedPreconditionError",
    "FieldViolation",
    "HcsdClientError",
    "InternalError",
    "InvalidRequestError",
    "Line",
    "NotFoundError",
    "OutOfRangeError",
    "Output",
    "OutputEvictedError",
    "OutputTruncatedError",
    "PermissionDeniedError",
    "ProcessFailedError",
    "ProcessKeywords",
    "ProcessTimeoutError",
    "RemoteInput",
    "RemoteOutput",
    "RemoteProcess",
    "RequestIdReusedError",
    "Resource",
    "ResourceExhaustedError",
    "Retry",
    "RevisionCompactedError",
    "Run",
    "RunEndedError",
    "StdinBusyError",
    "StdinClosedError",
    "StdinTakenOverError",
    "SubscriberStalledError",
    "TlsError",
    "TokenFileError",
    "UnauthenticatedError",
    "UnavailableError",
    "UnimplementedError",
    "default_address",
    "error_from_status",
    "parse_address",
    "process_name",
    "system_name",
]
