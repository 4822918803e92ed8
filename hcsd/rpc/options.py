"""Options of a create: read from both of their places in the contract, and shown in both.

    ProcessSpec  ─┐                   the older place
                  ├─▶ Options ─▶ both
    ProcessOptions┘

A request that says one thing here and another there never comes so far: `conflicts` are rules.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hcsd.daemon.options import Options
from hcsd.daemon.spans import Span
from hcsd.rpc.enums import ORPHAN_POLICIES, OVERFLOWS, STREAMS
from hcsd.rpc.rules import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.duration_pb2 import Duration
    from google.protobuf.message import Message

    from hcsd.v1 import process_pb2 as pb
    from hcsd.v1 import process_service_pb2 as service_pb

_OVERFLOWS = {value: overflow for overflow, value in OVERFLOWS.items()}
_ORPHAN_POLICIES = {value: policy for policy, value in ORPHAN_POLICIES.items()}
_STREAMS = {value: stream for stream, value in STREAMS.items()}

# What a spec and the options have in common, by path.
SHARED = (
    *("output.ring_bytes", "output.overflow", "output.stderr_to_stdout", "output.discard"),
    *("run_timeout", "drain_timeout", "orphan_policy"),
)


def conflicts() -> Iterator[Rule]:
    """Refuse a create that says one thing in its spec and another in its options."""
    for path in SHARED:
        yield Rule(
            f"options.{path}",
            "field.conflict",
            lambda m, path=path: _agree(m, path),  # type: ignore[misc]
            f"must not say another thing than 'spec.{path}': set one of them",
        )


def _agree(message: Message, path: str) -> bool:
    said = [_said(getattr(message, place), path) for place in ("spec", "options")]
    return None in said or said[0] == said[1]


def _said(message: Message, path: str) -> object | None:
    """Return what a message says at a path; None if it says nothing."""
    first, _, rest = path.partition(".")
    field = message.DESCRIPTOR.fields_by_name[first]
    value = getattr(message, first)
    if rest:
        return _said(value, rest)
    if field.is_repeated:
        return set(value) or None
    if field.message_type is not None:
        return value if message.HasField(first) else None
    return value or None


def options_from(request: service_pb.CreateProcessRequest) -> Options:
    """Read the options of a create, which say the same wherever they say anything."""
    spec, options = request.spec, request.options
    in_spec = frozenset(path for path in SHARED if _said(spec, path) and not _said(options, path))
    outputs = spec.output, options.output
    either = options.orphan_policy or spec.orphan_policy
    return Options(
        ring_bytes=options.output.ring_bytes or spec.output.ring_bytes or None,
        overflow=_OVERFLOWS.get(options.output.overflow or spec.output.overflow),
        stderr_to_stdout=any(output.stderr_to_stdout for output in outputs),
        discard=frozenset(_STREAMS[stream] for output in outputs for stream in output.discard),
        run_timeout=_span(options, "run_timeout") or _span(spec, "run_timeout"),
        drain_timeout=_span(options, "drain_timeout") or _span(spec, "drain_timeout"),
        orphan_policy=_ORPHAN_POLICIES.get(either),
        owner_grace=_span(options, "owner_grace"),
        pin=options.pin,
        in_spec=in_spec,
    )


def fill_options(message: pb.ProcessOptions, options: Options) -> None:
    """Fill in all options."""
    fill_shared(message, options)
    if options.owner_grace is not None:
        message.owner_grace.FromNanoseconds(options.owner_grace.nanoseconds)
    if options.pin:
        message.pin = True


def fill_shared(message: pb.ProcessSpec | pb.ProcessOptions, options: Options) -> None:
    """Fill in those that a spec has a place for."""
    if options.run_timeout is not None:
        message.run_timeout.FromNanoseconds(options.run_timeout.nanoseconds)
    if options.drain_timeout is not None:
        message.drain_timeout.FromNanoseconds(options.drain_timeout.nanoseconds)
    if options.ring_bytes is not None:
        message.output.ring_bytes = options.ring_bytes
    if options.overflow is not None:
        message.output.overflow = OVERFLOWS[options.overflow]
    if options.stderr_to_stdout:
        message.output.stderr_to_stdout = True
    message.output.discard.extend(sorted(STREAMS[stream] for stream in options.discard))
    if options.orphan_policy is not None:
        message.orphan_policy = ORPHAN_POLICIES[options.orphan_policy]


def _span(message: pb.ProcessSpec | pb.ProcessOptions, field: str) -> Span | None:
    """Read a length of time, exactly; None if it is not there."""
    duration: Duration = getattr(message, field)
    return Span(duration.ToNanoseconds()) if message.HasField(field) else None
