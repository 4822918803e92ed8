"""How the daemon keeps a process, as keywords of `Client.create` and `Client.run`."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict, Unpack

from hcsd.v1.process_pb2 import OVERFLOW_POLICY_UNSPECIFIED, OverflowPolicy, ProcessOptions
from hcsd_client._requests import make_duration

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hcsd.v1.process_pb2 import OutputStream


class ProcessKeywords(TypedDict, total=False):
    """How the daemon keeps a process, whether it is given as a command or as a document.

    What a `ProcessSpec` says of the same must not be something else: that is an `InvalidRequestError`.

    Attributes:
        ring_bytes: How many bytes of each output to keep. Default: the daemon's, see ``GetHost``.
        overflow: `OVERFLOW_POLICY_DROP_OLDEST`, as a log, or `OVERFLOW_POLICY_BLOCK`, as a pipe: the
            process then waits for who reads. Default: the first for `create`, the second for `run`.
        stderr_to_stdout: Whether stderr goes where stdout does, in the order of writing, as with
            ``2>&1``. `UnimplementedError` for systems of HCS.
        discard: Streams that nobody will read, as in ``[OUTPUT_STREAM_STDERR]``.
        run_timeout: Seconds after which the process is killed. Default: never.
        drain_timeout: Seconds after its exit in which descendants may still write. Default: the
            daemon's.
        pin: Whether to keep the process after its exit until it is deleted.
    """

    ring_bytes: int
    overflow: OverflowPolicy
    stderr_to_stdout: bool
    discard: Iterable[OutputStream]
    run_timeout: float
    drain_timeout: float
    pin: bool


def make_options(**options: Unpack[ProcessKeywords]) -> ProcessOptions:
    """Return options; what is not said is not set.

    Raises:
        TypeError: There is no such option, or `discard` is no list.
        ValueError: `overflow` is no policy, or `ring_bytes` is negative.
    """
    for name in options.keys() - ProcessKeywords.__optional_keys__:
        raise TypeError(
            f"'{name}' is not an option of a process; a ProcessSpec says what to run, and where"
        )
    return _make(**options)


def _make(
    *,
    ring_bytes: int = 0,
    overflow: OverflowPolicy = OVERFLOW_POLICY_UNSPECIFIED,
    stderr_to_stdout: bool = False,
    discard: Iterable[OutputStream] = (),
    run_timeout: float | None = None,
    drain_timeout: float | None = None,
    pin: bool = False,
) -> ProcessOptions:
    if isinstance(discard, (str, int)):
        raise TypeError(f"discard is {discard!r}; give a list, as [OUTPUT_STREAM_STDERR]")
    if overflow not in OverflowPolicy.values():
        raise ValueError(f"overflow is {overflow!r}; give a policy, as OVERFLOW_POLICY_BLOCK")
    if ring_bytes < 0:
        raise ValueError(f"ring_bytes is {ring_bytes}; give 0 or more bytes")
    options = ProcessOptions(
        run_timeout=make_duration(run_timeout), drain_timeout=make_duration(drain_timeout), pin=pin
    )
    discarded = list(discard)
    if ring_bytes or overflow or stderr_to_stdout or discarded:
        options.output.ring_bytes = ring_bytes
        options.output.overflow = overflow
        options.output.stderr_to_stdout = stderr_to_stdout
        options.output.discard.extend(discarded)
    return options
