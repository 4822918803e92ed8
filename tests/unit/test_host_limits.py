"""What the kernel answers at a limit, and what it becomes: the table, and the statuses of calls."""

import errno
import threading

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from hcsd import host_limits
from hcsd.rpc.status import to_status

# Wider than any address space, so that no thread with it can start.
TOO_MUCH_STACK = 1 << 46


def info_of(status: status_pb2.Status) -> error_details_pb2.ErrorInfo:
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    return info


def cannot_start_a_thread() -> Exception:
    before = threading.stack_size(TOO_MUCH_STACK)
    try:
        with pytest.raises(RuntimeError) as caught:
            threading.Thread(target=lambda: None).start()
    finally:
        threading.stack_size(before)
    return caught.value


def test_each_limit_has_a_name_of_its_own() -> None:
    assert len({limit.name for limit in host_limits.ALL}) == len(host_limits.ALL)


@pytest.mark.parametrize(
    ("code", "what", "name"),
    [
        (errno.EMFILE, "", "daemon_descriptors"),
        (errno.EMFILE, host_limits.KEEPER, "keeper_descriptors"),
        (errno.ENFILE, "", "host_descriptors"),
        (errno.ETOOMANYREFS, "system", "descriptors_in_flight"),
        (errno.ENOMEM, "control_group", "memory"),
        (errno.EAGAIN, "fork", "processes"),
        (errno.EAGAIN, "executable", "processes"),
        (errno.EAGAIN, "control_group", "control_groups"),
        (errno.ENOSPC, "control_group", "control_groups"),
        (errno.ENOSPC, host_limits.TERMINAL, "terminals"),
        (errno.ENOSPC, "", "disk"),
        (errno.EDQUOT, "", "disk"),
        (errno.ENOBUFS, "system", "waiting_requests"),
    ],
)
def test_an_errno_tells_of_a_limit(code: int, what: str, name: str) -> None:
    limit = host_limits.limit_of(code, what)
    assert limit is not None
    assert limit.name == name


@pytest.mark.parametrize("code", [None, errno.EAGAIN, errno.ENOENT, errno.EACCES])
def test_other_errnos_tell_of_none(code: int | None) -> None:
    assert host_limits.limit_of(code) is None


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (MemoryError(), "memory"),
        (OSError(errno.EMFILE, "too many"), "daemon_descriptors"),
        (cannot_start_a_thread(), "processes"),
    ],
)
def test_a_call_that_meets_a_limit_is_refused_by_its_name(error: Exception, name: str) -> None:
    status = to_status(error)
    assert status.code == grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]
    assert info_of(status).metadata["limit"] == name
